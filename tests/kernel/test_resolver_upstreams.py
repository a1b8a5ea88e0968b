"""What upstreams say reaches clients whole or with a hint, and a sandbox's own upstreams are asked inside."""

import subprocess

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from fairlead.model.host import ResolverKey, Step
from tests.kernel.resolver_host import (
    GOOD,
    OTHER,
    Host,
    Message,
    answered,
    on_host,
    texts,
    upstream,
)


@on_host
async def test_an_answer_that_the_upstream_cuts_short_is_fetched_for_a_client_that_takes_more(
    host: Host,
) -> None:
    async with upstream(GOOD) as good:
        box = await host.sandbox(GOOD)

        def truncated(query: Message) -> list[bytes]:
            made = dns.message.make_response(query)
            made.flags |= dns.flags.TC
            return [made.to_wire()]

        good.behave = truncated
        assert len(texts(await box.ask("www.example.com", payload=4096))) == 100
        assert (await box.ask("www.example.com", payload=1233)).flags & dns.flags.TC
        assert len(good.tcp) == 2
        assert (await box.ask("www.example.com", payload=1232)).flags & dns.flags.TC
        assert len(good.tcp) == 2


@on_host
async def test_an_answer_that_is_too_long_for_the_client_sends_it_to_tcp(host: Host) -> None:
    async with upstream(GOOD) as good:
        box = await host.sandbox(GOOD)
        good.behave = lambda query: [answered(query, 50).to_wire(max_size=65535)]
        for edns in ({}, {"payload": 600}):
            answer = await box.ask("www.example.com", **edns)
            assert (texts(answer), bool(answer.flags & dns.flags.TC)) == ([], True)
            assert answer.edns == (0 if edns else -1)
        assert len(texts(await box.ask("www.example.com", payload=1232))) == 50


@on_host
async def test_a_name_server_of_the_sandboxs_own_is_asked_there(host: Host) -> None:
    box = await host.sandbox(GOOD, OTHER, internal=True, inside=(OTHER,))
    async with upstream(GOOD) as outside, upstream(OTHER, "box") as own:
        for way in (box.ask, box.ask_by_tcp):
            assert texts(await way("www.example.com"))
        assert (len(own.udp), len(own.tcp), outside.udp) == (1, 1, [])
    connected = f"ip netns exec box ss -Hun dst {OTHER}"
    assert subprocess.run(connected, shell=True, capture_output=True).stdout
    await host.names.perform([Step(ResolverKey("box"), None, None)])
    assert not subprocess.run(connected, shell=True, capture_output=True).stdout

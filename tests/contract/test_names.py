"""What every resolver keeps to: the real process in a fresh host for each test, and the fake."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Coroutine
from ipaddress import ip_address, ip_network
from typing import Any, Protocol

import pytest

from fairlead.model.errors import StepFailed
from fairlead.model.host import Key, NameKey, PointerKey, Resolver, ResolverKey, Step, Value
from fairlead.resolver import supervise
from fairlead.resolver.asking import ask
from fairlead.resolver.names import NameServer
from tests.fakes.names import FakeNames
from tests.kernel.fresh_host import in_fresh_host

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
ROOT = "/run/engine"

WEB = NameKey("n1", "web", ip_address("10.0.0.2"))
WEB6 = NameKey("n1", "web", ip_address("fd00::2"))
POINTER = PointerKey("n1", ip_address("10.0.0.2"))
BOX = ResolverKey("box")
PLAIN = Resolver(networks=("n1",), upstreams=("198.51.100.1",), network_names=("blue",))
RICH = Resolver(
    networks=("n1", "n2"),
    upstreams=("198.51.100.1", "2001:db8::1"),
    search=("example.com",),
    links=(("db", "n1", "redis"),),
    internal=True,
    network_names=("blue", "green"),
    inside=("198.51.100.1",),
    closed=("green",),
    subnets=(ip_network("10.0.0.0/24"), ip_network("fd00::/64")),
    ndots=2,
)


class Host(Protocol):
    """What a test works on: the actuator, and namespaces that come and go."""

    names: Any

    def add_namespace(self, name: str) -> None: ...

    def remove_namespace(self, name: str) -> None: ...


class FakeHost:
    def __init__(self) -> None:
        self.names = FakeNames()

    def add_namespace(self, name: str) -> None:
        self.names.namespaces[name] = object()

    def remove_namespace(self, name: str) -> None:
        del self.names.namespaces[name]


class RealHost:
    def __init__(self) -> None:
        self.names = NameServer(supervise.socket_path("resolver", ROOT))

    def add_namespace(self, name: str) -> None:
        subprocess.run(["ip", "netns", "add", name], check=True)
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)

    def remove_namespace(self, name: str) -> None:
        subprocess.run(["ip", "netns", "del", name], check=True)


def on_real(test: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    async def body() -> None:
        await supervise.ensure_running("resolver", ROOT)
        try:
            await test(RealHost())
        finally:
            await supervise.stop("resolver", ROOT)

    in_fresh_host(body)


def on_both(test: Callable[[Any], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run the coroutine function with a FakeHost, and with a RealHost where root."""

    def run(kind: str) -> None:
        if kind == "fake":
            asyncio.run(test(FakeHost()))
        else:
            on_real(test)

    run.__name__ = test.__name__
    run.__module__ = test.__module__
    kinds = ["fake", pytest.param("real", marks=[needs_root, pytest.mark.kernel])]
    return pytest.mark.parametrize("kind", kinds)(run)


async def look(host: Host, *keys: Key) -> list[Value | None]:
    observed = await host.names.observe(keys)
    assert set(observed) == set(keys)
    return [observed[key] for key in keys]


async def put(host: Host, **changes: Any) -> None:
    await host.names.perform([Step(KEYS[name], None, value) for name, value in changes.items()])


KEYS: dict[str, Key] = {"web": WEB, "web6": WEB6, "pointer": POINTER, "box": BOX}


@on_both
async def test_records_are_seen_until_they_are_taken_away(host: Host) -> None:
    assert await look(host, WEB, WEB6, POINTER) == [None, None, None]
    await put(host, web="e1", web6="e1", pointer="web")
    assert await look(host, WEB, WEB6, POINTER) == ["e1", "e1", "web"]
    await host.names.perform([Step(WEB, "e1", None), Step(POINTER, "web", None)])
    assert await look(host, WEB, WEB6, POINTER) == [None, "e1", None]


@on_both
async def test_records_change(host: Host) -> None:
    await put(host, web="e1", pointer="web")
    await put(host, web="e2", pointer="site")
    assert await look(host, WEB, POINTER) == ["e2", "site"]


@on_both
async def test_names_that_differ_in_case_are_records_of_their_own(host: Host) -> None:
    upper = NameKey("n1", "WEB", WEB.address)
    await host.names.perform([Step(WEB, None, "e1"), Step(upper, None, "e2")])
    await host.names.perform([Step(WEB, "e1", None)])
    assert await look(host, WEB, upper) == [None, "e2"]


@on_both
async def test_a_resolver_is_seen_as_it_was_asked_for(host: Host) -> None:
    host.add_namespace("box")
    for value in (PLAIN, RICH, PLAIN):
        await put(host, box=value)
        assert await look(host, BOX) == [value]
    await put(host, box=None)
    assert await look(host, BOX) == [None]


@on_both
async def test_a_step_that_holds_already_is_done(host: Host) -> None:
    host.add_namespace("box")
    await put(host, web=None, box=None, pointer=None)
    for _ in range(2):
        await put(host, web="e1", box=PLAIN, pointer="web")
    assert await look(host, WEB, BOX, POINTER) == ["e1", PLAIN, "web"]
    assert await host.names.everything() == {WEB: "e1", BOX: PLAIN, POINTER: "web"}


@on_both
async def test_a_resolver_goes_with_its_namespace(host: Host) -> None:
    host.add_namespace("box")
    await put(host, box=PLAIN)
    host.remove_namespace("box")
    assert await look(host, BOX) == [None]
    host.add_namespace("box")  # another one of that name
    assert await look(host, BOX) == [None]
    await put(host, box=RICH)
    assert await look(host, BOX) == [RICH]


@on_both
async def test_a_resolver_whose_namespace_has_gone_can_be_taken_away(host: Host) -> None:
    host.add_namespace("box")
    await put(host, box=PLAIN)
    host.remove_namespace("box")
    await put(host, box=None)
    assert await host.names.everything() == {}


@on_both
async def test_without_a_namespace_there_is_no_resolver_and_nothing_else_changes(host: Host) -> None:
    host.add_namespace("other")
    other = ResolverKey("other")
    await host.names.perform([Step(WEB6, None, "e0"), Step(other, None, PLAIN)])
    steps = [
        Step(WEB, None, "e1"),
        Step(WEB6, "e0", None),
        Step(other, PLAIN, RICH),
        Step(BOX, None, PLAIN),
        Step(POINTER, None, "web"),
    ]
    with pytest.raises(StepFailed) as caught:
        await host.names.perform(steps)
    assert caught.value.message == "cannot open a resolver in box: there is no network namespace box"
    done = steps[: caught.value.done]
    expected = [step.after if step in done else step.before for step in steps]
    assert await look(host, *(step.key for step in steps)) == expected


@pytest.mark.kernel
@needs_root
class TestProcess:
    """What only the real process can show."""

    def test_what_was_flushed_is_missed_and_put_back(self) -> None:
        async def body(host: RealHost) -> None:
            host.add_namespace("box")
            await put(host, box=PLAIN)
            subprocess.run(["ip", "netns", "exec", "box", "nft", "flush", "ruleset"], check=True)
            assert await look(host, BOX) == [None]
            await put(host, box=PLAIN)
            assert await look(host, BOX) == [PLAIN]

        on_real(body)

    def test_one_that_takes_over_uses_the_ports_of_the_one_before(self) -> None:
        async def body(host: RealHost) -> None:
            host.add_namespace("box")
            await put(host, box=PLAIN)
            before = inside("box", "nft list ruleset"), inside("box", "ss -Hlntu")
            path = supervise.socket_path("resolver", ROOT)
            os.kill((await ask(path, {"do": "status"}))["pid"], 9)
            while inside("box", "ss -Hlntu"):
                await asyncio.sleep(0.005)
            await supervise.ensure_running("resolver", ROOT)
            assert await look(host, BOX) == [None]
            await put(host, box=PLAIN)
            assert await look(host, BOX) == [PLAIN]
            assert (inside("box", "nft list ruleset"), inside("box", "ss -Hlntu")) == before

        on_real(body)

    def test_nothing_stays_in_a_namespace_that_it_has_left(self) -> None:
        async def body(host: RealHost) -> None:
            host.add_namespace("box")
            await put(host, box=PLAIN)
            assert inside("box", "ss -Hlntu") and inside("box", "nft list ruleset")
            await put(host, box=None)
            assert inside("box", "ss -Hlntu") == ""
            await supervise.stop("resolver", ROOT)  # which does at once what else takes some seconds
            assert inside("box", "nft list ruleset") == ""

        on_real(body)

    def test_it_keeps_no_namespace(self) -> None:
        async def body(host: RealHost) -> None:
            host.add_namespace("box")
            await put(host, box=PLAIN)
            subprocess.run("ip link add outer type veth peer name inner netns box", shell=True, check=True)
            host.remove_namespace("box")
            await put(host, box=None)
            for _ in range(1000):
                if subprocess.run(["ip", "link", "show", "outer"], capture_output=True).returncode:
                    return
                await asyncio.sleep(0.005)
            raise AssertionError("the namespace lives on: its veth pair is still there")

        on_real(body)

    @pytest.mark.parametrize(
        "request_",
        [
            {},
            {"do": "dance"},
            {"do": "observe", "keys": [["resolver", "../box"]]},
            {"do": "observe", "keys": [["name", "n1", "web", "nowhere"]]},
            {"do": "perform", "changes": [[["name", "n1", "web", "10.0.0.2"], 7]]},
            {"do": "perform", "changes": [[["resolver", "box"], {"networks": ["n1"]}]]},
            {"do": "perform", "changes": [[["resolver", "box"], "text"]]},
        ],
    )
    def test_a_malformed_request_is_refused_and_harmless(self, request_: dict[str, Any]) -> None:
        async def body(host: RealHost) -> None:
            host.add_namespace("box")
            with pytest.raises(Exception, match="cannot read the request"):
                await ask(supervise.socket_path("resolver", ROOT), request_)
            assert await host.names.everything() == {}

        on_real(body)


def inside(namespace: str, command: str) -> str:
    words = ["ip", "netns", "exec", namespace, *command.split()]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout

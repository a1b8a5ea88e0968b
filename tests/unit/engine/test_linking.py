"""Links on the default bridge: what they refuse, tell and open, and what follows when a target moves."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Interface, ip_address

import pytest

from fairlead.engine import links
from fairlead.engine.files import Files
from fairlead.engine.ledger import drop
from fairlead.engine.linking import Linking
from fairlead.engine.references import References
from fairlead.engine.sandboxes import Sandboxes
from fairlead.engine.stay import Stay
from fairlead.model.container import ContainerState
from fairlead.model.endpoint import Attachment, Opening
from fairlead.model.errors import Failed, NotFound
from fairlead.model.host import RuleKey
from fairlead.model.records import RecordChange, Records
from tests.unit.engine.places import FakeHost, FakeStore, bridge, container, context, place, write

WEB = container("web", exposed=["80/tcp"])
LINKED = container("linked", links=[(WEB.id, "site")])


def records(icc: bool = False) -> Records:
    """web and linked, both running."""
    made, network = Records(), bridge(icc)
    write(made, network)
    for number, each in ((2, WEB), (3, LINKED)):
        sandbox, endpoint = place(each, network, number)
        write(made, each, sandbox, endpoint)
    return made


def test_a_link_tells_where_its_target_is() -> None:
    told = links.told(records(), LINKED)
    assert "SITE_PORT_80_TCP_ADDR=172.17.0.2" in told
    assert "SITE_ENV_COLOUR=red" in told
    assert not any(text.startswith("SITE_ENV_PATH") for text in told)


def test_a_link_to_a_container_that_does_not_run_is_refused() -> None:
    known = records()
    write(known, replace(WEB, state=ContainerState("exited")))
    words = "Cannot link to a non running container: /web AS /linked/site"
    with pytest.raises(Failed, match=words):
        links.require_running(known, LINKED)
    # A target that was removed is kept by its name.
    with pytest.raises(Failed, match=words):
        links.require_running(known, replace(LINKED, links=(("web", "site"),)))


def test_a_run_of_ports_is_told_as_one_beside_each_of_them() -> None:
    target = container("db", exposed=["7000/tcp", "7001/tcp", "7002/tcp", "7001/udp"])
    told = links.environment("app", "db-1", ip_address("172.17.0.2"), target)
    assert "DB_1_PORT_7000_TCP_START=tcp://172.17.0.2:7000" in told
    assert "DB_1_PORT_7000_TCP_END=tcp://172.17.0.2:7002" in told
    assert [text for text in told if "_PORT_START" in text] == ["DB_1_PORT_7000_TCP_PORT_START=7000"]
    assert [text for text in told if "_PORT_END" in text] == ["DB_1_PORT_7000_TCP_PORT_END=7002"]


def test_a_link_does_not_lead_off_the_default_network() -> None:
    known = records()
    write(known, replace(WEB, attachments=(Attachment("blue"),)))
    links.require_running(known, replace(LINKED, attachments=()))
    with pytest.raises(Failed, match="Cannot link to /web, as it does not belong to the default network"):
        links.require_running(known, replace(LINKED, attachments=(Attachment("bridge"),)))


def test_ports_are_opened_only_where_containers_may_not_talk() -> None:
    closed, free = bridge(icc=False), bridge(icc=True)
    assert links.openings(records(), LINKED, closed) == (Opening(ip_address("172.17.0.2"), 80, "tcp"),)
    assert links.openings(records(), LINKED, free) == ()


def rules(host: FakeHost) -> list[str]:
    """The texts of the rules that are there."""
    return [key.text for key, value in host.there.items() if isinstance(key, RuleKey) and value is not None]


def test_who_links_follows_its_target() -> None:
    known, host = records(), FakeHost()
    shared = context(host, known)
    sandboxes = Sandboxes(shared)
    linking = Linking(shared, References(shared), sandboxes, Files(shared, sandboxes))
    host.files[LINKED.id, "hosts"] = "172.17.0.2\tsite web\n10.2.2.2 mine\n"
    asyncio.run(linking.follow(WEB.id))
    assert [text.split(" -i")[0] for text in rules(host)] == [
        "-s 172.17.0.3/32 -d 172.17.0.2/32",
        "-s 172.17.0.2/32 -d 172.17.0.3/32",
    ]
    there = next(each for each in known.endpoints.values() if each.container_id == WEB.id)
    write(known, replace(there, ipv4=IPv4Interface("172.17.0.9/16")))
    asyncio.run(linking.follow(WEB.id))
    assert [text.split(" -i")[0] for text in rules(host)] == [
        "-s 172.17.0.3/32 -d 172.17.0.9/32",
        "-s 172.17.0.9/32 -d 172.17.0.3/32",
    ]
    assert host.files[LINKED.id, "hosts"] == "172.17.0.9\tsite web\n10.2.2.2 mine\n"
    known.apply(drop(there))
    asyncio.run(linking.follow(WEB.id))
    assert rules(host) == []


def test_a_failure_is_logged_and_hinders_nobody(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(FakeHost):
        async def perform(self, steps: object) -> None:
            raise Failed("no firewall")

    host = Broken()
    shared = context(host, records())
    sandboxes = Sandboxes(shared)
    asyncio.run(Linking(shared, References(shared), sandboxes, Files(shared, sandboxes)).follow(WEB.id))
    assert "cannot renew the links of container linked" in caplog.text
    assert all(endpoint.openings == () for endpoint in shared.records.endpoints.values())


class FullStore(FakeStore):
    """Takes no change for so many times."""

    refusals = 1

    async def commit(self, changes: Sequence[RecordChange]) -> None:
        """Refuse, or take it."""
        if self.refusals:
            self.refusals -= 1
            raise Failed("the disk is full")


@pytest.mark.parametrize(("refusals", "opened"), [(1, 0), (99, 2)])
def test_rules_and_records_agree_where_these_cannot_be_written(refusals: int, opened: int) -> None:
    known, host = records(), FakeHost()
    shared = context(host, known)
    sandboxes = Sandboxes(shared)
    linking = Linking(shared, References(shared), sandboxes, Files(shared, sandboxes))
    asyncio.run(linking.begin())
    shared.ledger.store = store = FullStore(known)
    store.refusals = refusals
    write(known, replace(WEB, state=ContainerState("exited")))
    known.apply(drop(next(each for each in known.endpoints.values() if each.container_id == WEB.id)))
    asyncio.run(linking.follow(WEB.id))
    assert len(rules(host)) == opened
    assert sum(len(each.openings) for each in known.endpoints.values()) * 2 == opened


def test_a_link_that_could_not_be_cut_can_be_cut_again() -> None:
    known, host = records(), FakeHost()
    shared = context(host, known)
    sandboxes = Sandboxes(shared)
    linking = Linking(shared, References(shared), sandboxes, Files(shared, sandboxes))
    asyncio.run(linking.begin())
    shared.ledger.store = FullStore(known)
    with pytest.raises(Failed, match="the disk is full"):
        asyncio.run(linking.cut("linked/site"))
    assert (len(rules(host)), len(known.containers[LINKED.id].links)) == (2, 1)
    asyncio.run(linking.cut("linked/site"))
    assert (rules(host), known.containers[LINKED.id].links) == ([], ())


def test_a_starting_daemon_brings_links_into_line() -> None:
    known, host = records(), FakeHost()
    shared = context(host, known)
    sandboxes = Sandboxes(shared)
    host.files[LINKED.id, "hosts"] = "172.17.0.77\tsite web\n"
    asyncio.run(Linking(shared, References(shared), sandboxes, Files(shared, sandboxes)).begin())
    assert host.files[LINKED.id, "hosts"] == "172.17.0.2\tsite web\n"
    assert len(rules(host)) == 2


def test_a_link_is_cut_and_both_containers_stay() -> None:
    known, host = records(), FakeHost()
    shared = context(host, known)
    sandboxes = Sandboxes(shared)
    linking = Linking(shared, References(shared), sandboxes, Files(shared, sandboxes))
    asyncio.run(linking.begin())
    assert len(rules(host)) == 2
    host.files[LINKED.id, "hosts"] = "172.17.0.2\tsite web\n10.2.2.2 mine\n"
    with pytest.raises(Failed, match="cannot remove the default link name of the container"):
        asyncio.run(linking.cut("web"))
    with pytest.raises(NotFound, match="No such container: linked/page"):
        asyncio.run(linking.cut("linked/page"))
    asyncio.run(linking.cut("/linked/site"))
    assert (rules(host), known.containers[LINKED.id].links) == ([], ())
    assert host.files[LINKED.id, "hosts"] == "10.2.2.2 mine\n"
    with pytest.raises(NotFound, match="No such container: linked/site"):
        asyncio.run(linking.cut("linked/site"))


def test_what_a_cut_link_had_opened_is_closed_when_the_daemon_starts() -> None:
    known, host = records(), FakeHost()
    shared = context(host, known)
    sandboxes = Sandboxes(shared)
    linking = Linking(shared, References(shared), sandboxes, Files(shared, sandboxes))
    asyncio.run(linking.begin())
    write(known, replace(LINKED, links=()))
    asyncio.run(linking.begin())
    assert rules(host) == []


def test_a_link_is_a_name_of_its_target() -> None:
    references = References(context(FakeHost(), records()))
    assert references.find("linked/site") == references.find("/linked/site") == references.find("web")
    for none in ("linked/page", "web/site", "linked/", "linked/site/site"):
        with pytest.raises(NotFound, match=f"No such container: {none}"):
            references.find(none)


def test_what_a_container_wrote_into_hosts_survives_a_disconnect() -> None:
    known, host = records(), FakeHost()
    shared = context(host, known)
    sandboxes = Sandboxes(shared)
    files = Files(shared, sandboxes)
    before = sandboxes.of(LINKED.id)
    assert before is not None
    host.files[LINKED.id, "hosts"] = (
        "172.17.0.2\tsite web\n172.17.0.3\tlinked\n10.10.0.2\tlinked\n10.2.2.2 mine\n"
    )
    asyncio.run(files.change(LINKED, before, Stay(before.sandbox, ())))
    assert host.files[LINKED.id, "hosts"] == "10.10.0.2\tlinked\n10.2.2.2 mine\n"

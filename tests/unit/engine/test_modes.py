"""The modes host, none and container: what a container is called in them, and what can be connected."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import pytest

from fairlead.engine.connections import Connections
from fairlead.engine.creation import Creation, require_joinable
from fairlead.engine.files import Files
from fairlead.engine.networks import Networks
from fairlead.engine.parts import Parts
from fairlead.engine.references import References
from fairlead.engine.sandboxes import Sandboxes
from fairlead.engine.volumes import Volumes
from fairlead.model.commands import CreateContainer
from fairlead.model.container import Config, Container, ContainerState, HostConfig, PortRequest
from fairlead.model.endpoint import Attachment, Sandbox
from fairlead.model.errors import Failed, FairleadError, Forbidden, InvalidParameter
from fairlead.model.image import ImageConfig
from fairlead.model.network import Network
from fairlead.model.records import Records
from fairlead.model.views import HostFacts
from tests.unit.engine.places import FakeEvents, FakeHost, container, context, write

NETWORKS = {"bridge": "bridge", "host": "host", "none": "null", "blue": "bridge", "red": "bridge"}


class NamedHost(FakeHost):
    """A host with a name."""

    async def facts(self) -> HostFacts:
        """What it is."""
        return HostFacts(name="harbour")

    async def resolv_conf(self) -> str:
        """Its name server."""
        return "nameserver 198.51.100.1\n"


@dataclass
class Time:
    """A clock whose chance counts."""

    count: int = 0

    def now(self) -> int:
        """Never any later."""
        return 0

    def chance(self, count: int) -> bytes:
        """Another value each time."""
        self.count += 1
        return self.count.to_bytes(count, "big").replace(b"\0", b"\xaa")


class Quiet:
    """What tells of networks, and tells nobody."""

    def tell_network(self, *words: str) -> None:
        """Done."""


class NoMounts:
    """Containers without mounts."""

    async def resolve(self, config: object, host_config: object) -> tuple[()]:
        """None."""
        return ()


class OneImage:
    """A store with one image, for everybody."""

    id = "0" * 64
    config = ImageConfig()

    async def resolve(self, reference: str) -> Any:
        """The image."""
        return self

    async def prepare(self, identity: str, image: object) -> None:
        """Done."""

    async def release(self, identity: str) -> None:
        """Done."""


def known(*containers: Container) -> Records:
    made = Records(containers={each.id: each for each in containers})
    for number, (name, driver) in enumerate(NETWORKS.items()):
        write(made, Network(f"{number}" * 64, name, driver, 0, number, phase="settled"))
    return made


def create(records: Records, mode: str, *, publish: bool = False) -> tuple[Container, tuple[str, ...]]:
    shared = context(NamedHost(), records)
    shared.images, shared.clock, shared.events = OneImage(), Time(), FakeEvents()  # type: ignore[assignment]
    creation = Creation(
        shared,
        References(shared),
        Networks(shared, Sandboxes(shared)),
        NoMounts(),  # type: ignore[arg-type]
    )
    ports = (PortRequest(80, "tcp", "", "8080"),) if publish else ()
    host_config = replace(container("any").host_config, network_mode=mode, port_bindings=ports)
    request = CreateContainer("new", Config(image="busybox", cmd=("true",)), host_config)
    identity, warnings = asyncio.run(creation.create(request))
    return records.containers[identity], warnings


def test_in_host_mode_it_has_the_hosts_name_and_publishes_nothing() -> None:
    made, warnings = create(known(), "host", publish=True)
    assert made.config.hostname == "harbour"
    assert warnings == ("Published ports are discarded when using host network mode",)
    assert create(known(), "host")[1] == ()


def test_the_target_of_container_mode_is_kept_by_its_id() -> None:
    web = container("web")
    made, _ = create(known(web), "container:web")
    assert made.host_config.network_mode == f"container:{web.id}"
    # What it is called follows from its target at the start, not before.
    assert made.config.hostname == made.id[:12]


def test_a_target_may_come_later_and_is_not_the_container_itself() -> None:
    made, _ = create(known(), "container:absent")
    assert made.host_config.network_mode == "container:absent"
    with pytest.raises(Failed, match="cannot join own network"):
        require_joinable(made, False, made.id)


@pytest.mark.parametrize(
    ("mode", "named", "joined"),
    [
        ("default", (), ("bridge",)),
        ("default", ("blue",), ("blue",)),
        ("bridge", ("blue", "red"), ("blue", "red")),
        ("red", ("blue",), ("blue",)),
        ("red", ("blue", "red"), ("red", "blue")),
        ("default", ("default",), ("bridge",)),
        ("host", ("blue",), ("host", "blue")),
    ],
)
def test_networks_that_are_named_take_the_place_of_the_modes(
    mode: str, named: tuple[str, ...], joined: tuple[str, ...]
) -> None:
    shared = context(NamedHost(), known())
    creation = Creation(shared, References(shared), Networks(shared, Sandboxes(shared)), None)  # type: ignore[arg-type]
    host_config = HostConfig(network_mode=mode)
    request = CreateContainer("new", Config(), host_config, tuple(Attachment(name) for name in named))
    assert tuple(each.network for each in creation._attachments(request, host_config)) == joined


def test_a_link_on_a_network_of_the_users_own_is_no_link_of_the_default_bridge() -> None:
    shared = context(NamedHost(), known(container("web")))
    creation = Creation(shared, References(shared), None, None)  # type: ignore[arg-type]
    config = replace(container("any").host_config, links=("web:alias",))
    assert creation._links(replace(config, network_mode="blue")) == ()
    assert [alias for _, alias in creation._links(config)] == ["alias"]


def test_links_lead_to_who_has_the_network_and_have_one_name_each() -> None:
    web, other = container("web"), container("other")
    beside = replace(container("beside"), host_config=HostConfig(network_mode=f"container:{web.id}"))
    shared = context(NamedHost(), known(web, other, beside))
    creation = Creation(shared, References(shared), None, None)  # type: ignore[arg-type]

    def links(*texts: str) -> object:
        return creation._links(replace(container("any").host_config, links=texts))

    assert links("beside:x") == ((web.id, "x"),)
    assert links("web:x", "other:x", "other:./y", "web:a/b") == (
        (web.id, "x"),
        (other.id, "y"),
        (web.id, "a/b"),
    )
    assert links("/web:/holder/x", "other:") == ((web.id, "x"),)
    for wrong, words in (
        ("", "empty string specified for links"),
        ("web:x:y", "bad format for links: web:x:y"),
        ("absent:x", "could not get container for absent: No such container: absent"),
        (":x", "could not get container for : invalid name or ID supplied"),
    ):
        with pytest.raises(InvalidParameter, match=words):
            links(wrong)


def require(mode: str, on: str, to: str, *, runs: bool = True) -> None:
    """Raise what a connection of a container in that mode, on these networks, to one more meets."""
    box = container("box")
    box = replace(
        box,
        host_config=replace(box.host_config, network_mode=mode),
        attachments=tuple(Attachment(name) for name in on.split()),
        state=ContainerState("running" if runs else "created"),
    )
    shared = context(FakeHost(), known(box))
    sandboxes = Sandboxes(shared)
    networks = Networks(shared, sandboxes)
    parts = Parts(shared, References(shared), networks, sandboxes, Files(shared, sandboxes), Volumes(shared))
    connections = Connections(parts, Quiet())  # type: ignore[arg-type]
    connections._require_connectable(networks.find(to), box, Attachment(to))


def test_who_does_not_run_has_its_short_id_on_the_next_network_at_once() -> None:
    box = replace(container("box"), attachments=(Attachment("bridge"),), state=ContainerState("created"))
    shared = context(FakeHost(), known(box))
    sandboxes = Sandboxes(shared)
    networks = Networks(shared, sandboxes)
    parts = Parts(shared, References(shared), networks, sandboxes, Files(shared, sandboxes), Volumes(shared))
    connections = Connections(parts, Quiet())  # type: ignore[arg-type]
    asyncio.run(connections.connect("blue", "box", Attachment("", aliases=("one",))))
    made = shared.records.containers[box.id].attachments[1]
    assert (made.network, made.aliases) == ("blue", ("one", box.id[:12]))


@pytest.mark.parametrize(
    ("mode", "on", "to"),
    [
        ("default", "bridge", "blue"),
        ("none", "", "blue"),
        ("blue", "blue red", "bridge"),
        ("host", "", "host"),
    ],
)
def test_what_can_be_connected(mode: str, on: str, to: str) -> None:
    require(mode, on, to)


@pytest.mark.parametrize(
    ("mode", "on", "to", "kind", "words"),
    [
        ("none", "none", "blue", InvalidParameter, "private \\(none\\) mode"),
        ("blue", "blue", "none", InvalidParameter, "private \\(none\\) mode"),
        ("host", "host", "blue", InvalidParameter, "sharing network namespace"),
        ("container:web", "", "blue", InvalidParameter, "sharing network namespace"),
        ("blue", "blue", "host", InvalidParameter, "cannot be disconnected from host network"),
        ("blue", "blue red", "red", Forbidden, "endpoint with name box already exists in network red"),
    ],
)
def test_what_cannot_be_connected(mode: str, on: str, to: str, kind: type[FairleadError], words: str) -> None:
    with pytest.raises(kind, match=words):
        require(mode, on, to)


def test_connecting_twice_before_the_start_changes_nothing() -> None:
    require("blue", "blue red", "red", runs=False)
    require("container:web", "", "blue", runs=False)


def test_an_interface_number_is_not_used_twice() -> None:
    box = container("box")
    records = known(box)
    write(records, Sandbox("s", box.id, "box", phase="settled"))
    shared = context(NamedHost(), records)
    shared.clock = Time()  # type: ignore[assignment]
    sandboxes = Sandboxes(shared)
    networks, files = Networks(shared, sandboxes), Files(shared, sandboxes)
    parts = Parts(shared, References(shared), networks, sandboxes, files, Volumes(shared))
    connections = Connections(parts, Quiet())  # type: ignore[arg-type]

    async def change() -> list[str]:
        await connections.connect("blue", "box", Attachment(""))
        await connections.disconnect("blue", "box")
        await connections.connect("blue", "box", Attachment(""))
        await connections.connect("red", "box", Attachment("", links=("web:site", "other")))
        stay = sandboxes.of(box.id)
        assert stay is not None
        red = networks.find("red").id
        assert stay.sandbox.links == (("site", red, "web"), ("other", red, "other"))
        return [f"{network.name} {endpoint.interface}" for network, endpoint in stay.places]

    assert asyncio.run(change()) == ["blue eth1", "red eth2"]

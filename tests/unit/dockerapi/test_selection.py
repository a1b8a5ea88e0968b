"""What a query chooses."""

from dataclasses import replace

import pytest

from fairlead.dockerapi.container_selection import ContainerSelection
from fairlead.dockerapi.filters import Filters
from fairlead.dockerapi.selection import (
    check_networks,
    parse_prune,
    shown_image,
    shows_event,
    shows_network,
    shows_volume,
)
from fairlead.dockerapi.times import SECOND
from fairlead.model.container import Config, Health, HostConfig, MountPoint, PortRequest, Volume
from fairlead.model.errors import InvalidParameter
from fairlead.model.image import Image, ImageConfig
from fairlead.model.network import Network
from fairlead.model.views import ContainerView, Event, ImageView, NetworkView
from tests.unit.dockerapi.documents import BLUE, BRIDGE, ID, endpoint, published, view

WEB = view(
    *published(8080, 80),
    started=1,
    config=Config(image="nginx", labels={"tier": "front"}, exposed_ports=("80/tcp", "81/udp")),
    host_config=HostConfig(port_bindings=(PortRequest(80, "tcp", "", "8080"),)),
)
ENDED = view(status="exited", started=1, exit_code=3, finished=2)


def shows(shown: ContainerView, show_all: bool = True, **values: str) -> bool:
    filters = Filters({name.replace("_", "-"): (value,) for name, value in values.items()})
    selection = ContainerSelection(filters, show_all, ancestors=("1a" * 32,))
    selection.check()
    return selection.shows(shown)


@pytest.mark.parametrize(
    ("name", "fitting", "other"),
    [
        ("id", ID[:10], "ffff"),
        ("name", "we", "box"),
        ("name", "^/web$", "^eb"),
        ("status", "running", "exited"),
        ("label", "tier=front", "tier=back"),
        ("network", "bridge", "blue"),
        ("network", BRIDGE.id[:12], "ffff"),
        ("publish", "8080", "80"),
        ("publish", "8000-8100/tcp", "8080/udp"),
        ("expose", "80/tcp", "80/udp"),
        ("expose", "81/udp", "8080"),
        ("health", "none", "healthy"),
        ("is_task", "false", "true"),
    ],
)
def test_a_container_is_found_by(name: str, fitting: str, other: str) -> None:
    assert shows(WEB, **{name: fitting})
    assert not shows(WEB, **{name: other})


def test_containers_are_listed_by_their_own_names_alone() -> None:
    linked = replace(WEB, names=("/two/w", "/web"))
    assert shows(linked, name="/web")
    assert not shows(linked, name="two/w")


def test_ended_containers_are_listed_when_asked_for() -> None:
    assert not shows(ENDED, show_all=False)
    assert shows(ENDED, show_all=False, status="exited")
    assert shows(ENDED, exited="3") and not shows(ENDED, exited="0")
    assert not shows(WEB, exited="0") and not shows(view(status="created"), exited="0")
    assert ContainerSelection(limit=1).shows(ENDED) and not ContainerSelection().shows(ENDED)


def test_containers_are_found_by_health() -> None:
    sick = view(health=Health("unhealthy"))
    assert shows(sick, health="unhealthy") and not shows(sick, health="none")


def test_containers_are_found_by_their_image() -> None:
    assert shows(WEB, ancestor="resolved by the caller")
    assert not ContainerSelection(Filters({"ancestor": ("x",)}), True).shows(WEB)


def test_containers_are_found_by_age() -> None:
    older = replace(WEB.container, created=1)
    younger = replace(WEB.container, created=1 << 62)
    assert ContainerSelection(before=younger).shows(WEB) and not ContainerSelection(before=older).shows(WEB)
    assert ContainerSelection(since=older).shows(WEB) and not ContainerSelection(since=younger).shows(WEB)
    assert not ContainerSelection(since=WEB.container).shows(WEB)


def test_containers_are_found_by_volume() -> None:
    mounts = (MountPoint("volume", "/v/data", "/data", name="data"), MountPoint("bind", "/tmp", "/host"))
    mounted = replace(WEB, container=replace(WEB.container, mounts=mounts))
    for place in ("data", "/data", "/tmp", "/host"):
        assert shows(mounted, volume=place)
    assert not shows(mounted, volume="/v/data")


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("zork", "x", "Invalid filter 'zork'"),
        ("status", "x", "Invalid filter 'status=x'"),
        ("health", "x", "Unrecognised filter value for health: x"),
        ("exited", "x", "Invalid filter 'exited=x'"),
        ("is_task", "x", r"Invalid filter 'is-task=\[x\]'"),
        ("publish", "x", 'for publish x: strconv.ParseUint: parsing "x": invalid syntax'),
        ("publish", "80-x", 'for publish 80-x: strconv.ParseUint: parsing "x": invalid syntax'),
        ("publish", "70000", 'publish 70000: strconv.ParseUint: parsing "70000": value out of range'),
        ("publish", "81-80", "for publish 81-80: Invalid range specified for the Port: 81-80"),
        ("expose", "", "error while looking up for expose"),
    ],
)
def test_a_filter_that_is_none(name: str, value: str, complaint: str) -> None:
    with pytest.raises(InvalidParameter, match=complaint):
        shows(WEB, **{name: value})


HOST = Network("b0" * 32, "host", "host", 1, 0)
IN_USE = NetworkView(BLUE, ((endpoint(BLUE), "web"),))


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("name", "bl", ["blue"]),
        ("id", BRIDGE.id[:12], ["bridge"]),
        ("driver", "bridge", ["bridge", "blue", "red"]),
        ("type", "custom", ["blue", "red"]),
        ("type", "builtin", ["bridge", "host"]),
        ("scope", "local", ["bridge", "host", "blue", "red"]),
        ("scope", "swarm", []),
        ("label", "a=b", ["red"]),
        ("dangling", "true", ["red"]),
        ("dangling", "false", ["bridge", "host", "blue"]),
    ],
)
def test_networks_are_found_by(name: str, value: str, found: list[str]) -> None:
    red = replace(BLUE, id="b3" * 32, name="red", labels={"a": "b"})
    views = [NetworkView(BRIDGE), NetworkView(HOST), IN_USE, NetworkView(red)]
    filters = Filters({name: (value,)})
    check_networks(filters)
    assert [each.network.name for each in views if shows_network(filters, each)] == found


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("zork", "Invalid filter 'zork'"),
        ("type", "invalid filter: 'type'='x'"),
        ("dangling", "invalid value for filter 'dangling', must be \"true\""),
    ],
)
def test_a_filter_of_networks_that_is_none(name: str, complaint: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check_networks(Filters({name: ("x",)}))
    assert caught.value.message.startswith(complaint)


def image(*tags: str, created: str = "2021-01-01T00:00:00Z") -> ImageView:
    return ImageView(Image("1a" * 32, tags, (), created, 1, ImageConfig(labels={"a": "b"})))


def test_images_are_shown_with_the_tags_that_were_asked_for() -> None:
    both = image("busybox:latest", "example.com/nginx:1")
    shown = shown_image(Filters({"reference": ("bus*",)}), both, 0)
    assert shown is not None and shown.image.tags == ("busybox:latest",)
    assert shown_image(Filters({"reference": ("*:1",)}), both, 0) is None
    assert shown_image(Filters({"reference": ("*/*:1",)}), both, 0) is not None


@pytest.mark.parametrize(
    ("filters", "tagged", "untagged"),
    [
        ({"dangling": ("true",)}, False, True),
        ({"dangling": ("false",)}, True, False),
        ({"label": ("a=b",)}, True, True),
        ({"label": ("c",)}, False, False),
        ({"until": ("2020-06-01",)}, False, False),
        ({"until": ("2022-06-01",)}, True, True),
    ],
)
def test_images_are_found_by(filters: dict[str, tuple[str, ...]], tagged: bool, untagged: bool) -> None:
    assert (shown_image(Filters(filters), image("busybox:latest"), 0) is not None) is tagged
    assert (shown_image(Filters(filters), image(), 0) is not None) is untagged


def test_images_are_found_by_age() -> None:
    made = 1_609_459_200
    assert shown_image(Filters(), image(), 0, before=made + 1)
    assert not shown_image(Filters(), image(), 0, before=made)
    assert shown_image(Filters(), image(), 0, since=made - 1)
    assert not shown_image(Filters(), image(), 0, since=made)


def test_volumes_are_found_by() -> None:
    volume = Volume("data", 1, "/v", labels={"a": "b"})
    assert shows_volume(Filters({"name": ("at",), "label": ("a",), "driver": ("local",)}), volume, False)
    assert shows_volume(Filters({"dangling": ("true",)}), volume, in_use=False)
    assert not shows_volume(Filters({"dangling": ("true",)}), volume, in_use=True)
    assert not shows_volume(Filters({"driver": ("other",)}), volume, False)


STARTED = Event("container", "start", ID, {"image": "busybox:latest", "name": "web", "tier": "front"}, 1)
CONNECTED = Event("network", "connect", BLUE.id, {"name": "blue", "type": "bridge", "container": ID}, 1)


@pytest.mark.parametrize(
    ("filters", "started", "connected"),
    [
        ({}, True, True),
        ({"type": ("network",)}, False, True),
        ({"event": ("start", "stop")}, True, False),
        ({"container": ("web",)}, True, False),
        ({"container": (ID[:12],)}, True, False),
        ({"network": ("blue",)}, False, True),
        ({"image": ("busybox",)}, True, False),
        ({"image": ("busybox:latest",)}, True, False),
        ({"image": ("nginx",)}, False, False),
        ({"label": ("tier=front",)}, True, False),
        ({"scope": ("swarm",)}, False, False),
        # Docker ignores filters of events that it does not know.
        ({"zork": ("x",)}, True, True),
    ],
)
def test_events_are_found_by(filters: dict[str, tuple[str, ...]], started: bool, connected: bool) -> None:
    assert shows_event(Filters(filters), STARTED) is started
    assert shows_event(Filters(filters), CONNECTED) is connected


def test_actions_with_a_colon_are_found_without_what_follows() -> None:
    created = replace(STARTED, action="exec_create: true ")
    assert shows_event(Filters({"event": ("exec_create",)}), created)
    assert not shows_event(Filters({"event": ("exec_start",)}), created)
    assert not shows_event(Filters({"event": ("star",)}), STARTED)


def test_a_prune_chooses_by_label_and_age() -> None:
    now = 1000 * SECOND
    selection = parse_prune("containers", Filters({"label": ("a",), "until": ("10s",)}), now)
    assert selection.chooses({"a": "b"}, now - 11 * SECOND)
    assert not selection.chooses({"a": "b"}, now - 9 * SECOND)
    assert not selection.chooses({}, now - 11 * SECOND)
    spared = parse_prune("networks", Filters({"label!": ("keep",)}), now)
    assert spared.chooses({}, now) and not spared.chooses({"keep": ""}, now)


@pytest.mark.parametrize(
    ("subject", "filters"),
    [
        ("networks", {"nonsense": ("x",)}),
        ("containers", {"dangling": ("true",)}),
        ("volumes", {"until": ("1h",)}),
        ("containers", {"until": ("zork",)}),
        ("containers", {"until": ("1h", "2h")}),
        ("images", {"dangling": ("x",)}),
    ],
)
def test_a_prune_that_makes_no_sense(subject: str, filters: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(InvalidParameter):
        parse_prune(subject, Filters(filters), 0)

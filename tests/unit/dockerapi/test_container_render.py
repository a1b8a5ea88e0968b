"""What a container looks like; the documents are those of Docker 20.10 for the same containers."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from fairlead.dockerapi.container_render import format_command, list_ports, render_inspect, render_summary
from fairlead.dockerapi.version import NEWEST, Version
from fairlead.model.container import Config, HostConfig, LogConfig, MountPoint, PortRequest
from fairlead.model.endpoint import Attachment, PublishedPort
from tests.unit.dockerapi.documents import BLUE, BRIDGE, ID, MINUTE, published, view

V41 = Version(1, 41)
EMPTY_ADDRESSES = {
    "EndpointID": "",
    "Gateway": "",
    "GlobalIPv6Address": "",
    "GlobalIPv6PrefixLen": 0,
    "IPAddress": "",
    "IPPrefixLen": 0,
    "IPv6Gateway": "",
    "MacAddress": "",
}
ADDRESSES = {
    **EMPTY_ADDRESSES,
    "EndpointID": "ee" * 32,
    "Gateway": "172.17.0.1",
    "IPAddress": "172.17.0.2",
    "IPPrefixLen": 16,
    "MacAddress": "02:42:ac:11:00:02",
}


def test_the_members_of_inspect_are_docker_s() -> None:
    document = render_inspect(view(), V41, size=True)
    assert set(document) == set(
        "Id Created Path Args State Image ResolvConfPath HostnamePath HostsPath LogPath Name RestartCount "
        "Driver Platform MountLabel ProcessLabel AppArmorProfile ExecIDs HostConfig GraphDriver SizeRw "
        "SizeRootFs Mounts Config NetworkSettings".split()
    )
    assert document["Created"] == "1970-01-01T00:01:00Z"
    assert (document["Name"], document["ExecIDs"]) == ("/web", None)


def test_the_members_of_host_config_are_docker_s() -> None:
    host_config = render_inspect(view(), V41)["HostConfig"]
    assert set(host_config) == set(  # type: ignore[call-overload]
        "Binds ContainerIDFile LogConfig NetworkMode PortBindings RestartPolicy AutoRemove VolumeDriver "
        "VolumesFrom CapAdd CapDrop CgroupnsMode Dns DnsOptions DnsSearch ExtraHosts GroupAdd IpcMode "
        "Cgroup Links OomScoreAdj PidMode Privileged PublishAllPorts ReadonlyRootfs SecurityOpt UTSMode "
        "UsernsMode ShmSize ConsoleSize Isolation CpuShares Memory NanoCpus CgroupParent BlkioWeight "
        "BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps "
        "CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime CpusetCpus CpusetMems Devices "
        "DeviceCgroupRules DeviceRequests KernelMemory KernelMemoryTCP MemoryReservation MemorySwap "
        "MemorySwappiness OomKillDisable PidsLimit Ulimits CpuCount CpuPercent IOMaximumIOps "
        "IOMaximumBandwidth MaskedPaths ReadonlyPaths".split()
    )


def test_a_running_container_on_the_default_bridge() -> None:
    settings = render_inspect(view(), V41)["NetworkSettings"]
    assert settings == {
        "Bridge": "",
        "SandboxID": "5a" * 32,
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": {},
        "SandboxKey": "/run/netns/5a",
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        **ADDRESSES,
        "Networks": {
            "bridge": {
                "IPAMConfig": None,
                "Links": None,
                "Aliases": None,
                "NetworkID": BRIDGE.id,
                **ADDRESSES,
                "DriverOpts": None,
            }
        },
    }


def test_a_container_that_was_never_started() -> None:
    document = render_inspect(view(status="created"), V41)
    assert document["State"] == {
        "Status": "created",
        "Running": False,
        "Paused": False,
        "Restarting": False,
        "OOMKilled": False,
        "Dead": False,
        "Pid": 0,
        "ExitCode": 0,
        "Error": "",
        "StartedAt": "0001-01-01T00:00:00Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
    }
    settings = document["NetworkSettings"]
    assert settings["Networks"]["bridge"] == {  # type: ignore[index]
        "IPAMConfig": None,
        "Links": None,
        "Aliases": None,
        "NetworkID": "",
        **EMPTY_ADDRESSES,
        "DriverOpts": None,
    }


def test_an_ended_container_still_names_its_network() -> None:
    joined = Attachment("bridge", network_id=BRIDGE.id)
    ended = view(status="exited", attachment=joined, ever_started=True, started=1, finished=2)
    networks = render_inspect(ended, V41)["NetworkSettings"]["Networks"]  # type: ignore[index]
    assert (networks["bridge"]["NetworkID"], networks["bridge"]["EndpointID"]) == (BRIDGE.id, "")


def test_flat_members_tell_of_the_default_bridge_alone() -> None:
    settings = render_inspect(view(network=BLUE), V41)["NetworkSettings"]
    assert {name: settings[name] for name in EMPTY_ADDRESSES} == EMPTY_ADDRESSES  # type: ignore[index]
    assert settings["Networks"]["blue"]["IPAddress"] == "172.17.0.2"  # type: ignore[index]


@pytest.mark.parametrize(
    ("version", "aliases", "names"),
    [
        (V41, ["db", ID[:12]], "absent"),
        (Version(1, 44), ["db", ID[:12]], ["web", "db", ID[:12]]),
        (Version(1, 45), ["db"], ["web", "db", ID[:12]]),
    ],
)
def test_aliases_on_a_network_of_the_user(version: Version, aliases: list[str], names: object) -> None:
    attachment = Attachment("blue", aliases=("db",), ipv4=IPv4Address("10.10.0.9"), driver_options={})
    shown = render_inspect(view(network=BLUE, attachment=attachment), version)
    blue = shown["NetworkSettings"]["Networks"]["blue"]  # type: ignore[index]
    assert (blue["Aliases"], blue.get("DNSNames", "absent")) == (aliases, names)
    assert (blue["IPAMConfig"], blue["DriverOpts"]) == ({"IPv4Address": "10.10.0.9"}, {})


def test_no_alias_before_the_first_start_and_none_on_the_default_bridge() -> None:
    created = render_inspect(view(status="created", network=BLUE), V41)
    assert created["NetworkSettings"]["Networks"]["blue"]["Aliases"] is None  # type: ignore[index]
    connected = Attachment("bridge", has_ipam=True, has_aliases=True, driver_options={})
    bridge = render_inspect(view(attachment=connected), V41)["NetworkSettings"]["Networks"]["bridge"]  # type: ignore[index]
    assert (bridge["Aliases"], bridge["IPAMConfig"], bridge["DriverOpts"]) == ([], {}, {})


def test_ports_exposed_and_published() -> None:
    shown = view(
        *published(8080, 80, "udp"),
        config=Config(exposed_ports=("80/tcp", "80/udp")),
        host_config=HostConfig(port_bindings=(PortRequest(80, "udp", "", "8080"),)),
    )
    assert render_inspect(shown, V41)["NetworkSettings"]["Ports"] == {  # type: ignore[index]
        "80/tcp": None,
        "80/udp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
    }
    assert list_ports(shown) == [
        {"PrivatePort": 80, "Type": "tcp"},
        {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "udp"},
        {"IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "udp"},
    ]


def test_a_span_of_ports_is_shown_port_by_port() -> None:
    span = PublishedPort("tcp", IPv4Address("127.0.0.1"), 9000, 3000, 3)
    assert render_inspect(view(span), V41)["NetworkSettings"]["Ports"] == {  # type: ignore[index]
        f"{3000 + step}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(9000 + step)}] for step in range(3)
    }


@pytest.mark.parametrize(
    "shown",
    [
        view(status="exited", config=Config(exposed_ports=("80/tcp",))),
        view(network=replace(BLUE, internal=True), config=Config(exposed_ports=("80/tcp",))),
        view(network=replace(BLUE, name="host", driver="host"), config=Config(exposed_ports=("80/tcp",))),
    ],
    ids=["exited", "internal", "host"],
)
def test_ports_are_told_by_bridges_that_reach_the_outside(shown: object) -> None:
    assert render_inspect(shown, V41)["NetworkSettings"]["Ports"] == {}  # type: ignore


def test_an_entry_of_the_list() -> None:
    entry = render_summary(view(*published(8080, 80), started=MINUTE), V41, 3 * MINUTE)
    assert entry == {
        "Id": ID,
        "Names": ["/web"],
        "Image": "busybox",
        "ImageID": "sha256:" + "1a" * 32,
        "Command": "sleep 3600",
        "Created": 60,
        "Ports": [
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
            {"IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        ],
        "Labels": {},
        "State": "running",
        "Status": "Up 2 minutes",
        "HostConfig": {"NetworkMode": "default"},
        "NetworkSettings": {
            "Networks": {
                "bridge": {
                    "IPAMConfig": None,
                    "Links": None,
                    "Aliases": None,
                    "NetworkID": BRIDGE.id,
                    **ADDRESSES,
                    "DriverOpts": None,
                }
            }
        },
        "Mounts": [],
    }


def test_names_that_links_give_come_first() -> None:
    assert render_summary(replace(view(), names=("/two/w", "/web")), V41, 0)["Names"] == ["/two/w", "/web"]


def test_links_are_shown_as_resolved() -> None:
    shown = replace(view(host_config=HostConfig(links=("db:x",))), links=("/db:/web/x",))
    assert render_inspect(shown, V41)["HostConfig"]["Links"] == ["/db:/web/x"]  # type: ignore[index]
    assert render_inspect(view(), V41)["HostConfig"]["Links"] is None  # type: ignore[index]


def test_sizes_are_shown_when_asked_for() -> None:
    sized = replace(view(), size_rw=0, size_root=100)
    assert "SizeRootFs" not in render_summary(sized, V41, 0)
    with_size = render_summary(sized, V41, 0, size=True)
    assert with_size["SizeRootFs"] == 100 and "SizeRw" not in with_size
    assert render_inspect(sized, V41, size=True)["SizeRw"] == 0


def test_mounts_without_those_of_tmpfs_options() -> None:
    mounts = (
        MountPoint("volume", "/v/data/_data", "/data", "z", name="data", driver="local"),
        MountPoint("bind", "/tmp", "/host", "ro", writable=False, propagation="rprivate"),
        MountPoint("tmpfs", "", "/t"),
    )
    shown = view(host_config=HostConfig(tmpfs={"/t": ""}))
    shown = replace(shown, container=replace(shown.container, mounts=mounts))
    assert render_inspect(shown, V41)["Mounts"] == [
        {
            "Type": "volume",
            "Name": "data",
            "Source": "/v/data/_data",
            "Destination": "/data",
            "Driver": "local",
            "Mode": "z",
            "RW": True,
            "Propagation": "",
        },
        {
            "Type": "bind",
            "Source": "/tmp",
            "Destination": "/host",
            "Mode": "ro",
            "RW": False,
            "Propagation": "rprivate",
        },
    ]


def test_words_with_blanks_are_quoted() -> None:
    assert format_command("sh", ("-c", "echo out; sleep 1")) == "sh -c 'echo out; sleep 1'"
    assert format_command("true", ()) == "true"


def test_the_newest_version_leaves_out_what_is_gone() -> None:
    host_config = render_inspect(view(host_config=HostConfig(log_config=LogConfig())), NEWEST)["HostConfig"]
    assert "KernelMemory" not in host_config  # type: ignore[operator]


def test_the_hostname_is_an_alias_on_a_network_of_the_user_up_to_1_44() -> None:
    shown = view(network=BLUE)
    config = replace(shown.container.config, hostname="boxhost")
    named = replace(shown, container=replace(shown.container, config=config))
    for version, aliases in ((V41, [ID[:12], "boxhost"]), (Version(1, 45), None)):
        blue = render_inspect(named, version)["NetworkSettings"]["Networks"]["blue"]  # type: ignore[index]
        assert blue["Aliases"] == aliases

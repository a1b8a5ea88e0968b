"""Networks, images, volumes, execs, events, stats and the system, as Docker 20.10 shows them."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network

import pytest

from fairlead.dockerapi import image, network, system, volume
from fairlead.dockerapi.events import render_event
from fairlead.dockerapi.exec import render_exec
from fairlead.dockerapi.stats import Sample, render_stats
from fairlead.dockerapi.version import NEWEST, Version
from fairlead.model.container import Volume
from fairlead.model.errors import Failed, InvalidParameter
from fairlead.model.image import HistoryEntry, Image, ImageConfig, Origin
from fairlead.model.network import Network, Pool
from fairlead.model.views import Event, ExecView, HostFacts, ImageView, NetworkView, Usage
from tests.unit.dockerapi.documents import BLUE, ID, MINUTE, endpoint, view

V41 = Version(1, 41)


def test_a_network_with_a_member() -> None:
    member = endpoint(BLUE, ip="10.10.0.2/24")
    assert network.render_network(NetworkView(BLUE, ((member, "web"),)), V41) == {
        "Name": "blue",
        "Id": BLUE.id,
        "Created": "1970-01-01T00:01:00Z",
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": [{"Subnet": "10.10.0.0/24"}]},
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {
            ID: {
                "Name": "web",
                "EndpointID": "ee" * 32,
                "MacAddress": "02:42:ac:11:00:02",
                "IPv4Address": "10.10.0.2/24",
                "IPv6Address": "",
            }
        },
        "Options": {},
        "Labels": {},
    }


def test_the_list_names_members_to_old_clients_only() -> None:
    shown = NetworkView(BLUE, ((endpoint(BLUE), "web"),))
    assert network.render_network(shown, V41, listed=True)["Containers"] == {}
    assert network.render_network(shown, Version(1, 27), listed=True)["Containers"] != {}


def test_a_gateway_is_shown_when_it_was_asked_for() -> None:
    pool = Pool(
        IPv4Network("10.1.0.0/24"),
        IPv4Network("10.1.0.0/28"),
        IPv4Address("10.1.0.1"),
        {"router": IPv4Address("10.1.0.9")},
    )
    shown = Network("b5" * 32, "own", "bridge", 1, 1, pools=(pool,), ipam_options={})
    ipam = network.render_network(NetworkView(shown), V41)["IPAM"]
    expected = {
        "Subnet": "10.1.0.0/24",
        "IPRange": "10.1.0.0/28",
        "AuxiliaryAddresses": {"router": "10.1.0.9"},
    }
    assert ipam == {"Driver": "default", "Options": {}, "Config": [expected]}


def test_a_network_is_read_with_all_that_it_has() -> None:
    command = network.parse_create(
        {
            "Name": "own",
            "Driver": "bridge",
            "Internal": True,
            "EnableIPv6": True,
            "Options": {"x": "y"},
            "Labels": {"a": "b"},
            "ConfigFrom": {"Network": "other"},
            "IPAM": {
                "Options": {"o": "p"},
                "Config": [
                    {
                        "Subnet": "10.1.0.5/24",
                        "IPRange": "10.1.0.16/28",
                        "Gateway": "10.1.0.9",
                        "AuxiliaryAddresses": {"router": "10.1.0.8"},
                    },
                    {"Subnet": "fd00::/64"},
                ],
            },
        },
        Version(1, 47),
    )
    four, six = command.pools
    assert (four.subnet, four.ip_range) == (IPv4Network("10.1.0.0/24"), IPv4Network("10.1.0.16/28"))
    assert (four.gateway, four.gateway_requested) == (IPv4Address("10.1.0.9"), True)
    assert four.auxiliary == {"router": IPv4Address("10.1.0.8")}
    assert (six.subnet, six.gateway, six.gateway_requested) == (IPv6Network("fd00::/64"), None, False)
    assert (command.internal, command.enable_ipv6, command.config_from) == (True, True, "other")
    assert (command.ipam_driver, command.ipam_options) == ("default", {"o": "p"})
    assert command.enable_ipv4


@pytest.mark.parametrize(
    ("given", "version", "enabled"),
    [
        (False, Version(1, 47), False),
        (False, Version(1, 46), True),
        (None, NEWEST, True),
        (True, NEWEST, True),
    ],
)
def test_a_network_goes_without_ipv4_only_where_the_api_speaks_of_it(
    given: bool | None, version: Version, enabled: bool
) -> None:
    assert network.parse_create({"Name": "own", "EnableIPv4": given}, version).enable_ipv4 is enabled


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ([{}], Failed, "Invalid subnet  : invalid CIDR address: "),
        ([{"Gateway": "10.1.0.1"}], Failed, "Invalid subnet  : invalid CIDR address: "),
        ([{"Subnet": "10.1.0.0"}], Failed, "Invalid subnet 10.1.0.0 : invalid CIDR address: 10.1.0.0"),
        (
            [{"Subnet": "10.1.0.0/33"}],
            Failed,
            "Invalid subnet 10.1.0.0/33 : invalid CIDR address: 10.1.0.0/33",
        ),
        (
            [{"Subnet": "10.1.0.0/24", "Gateway": "zork"}],
            InvalidParameter,
            "invalid gateway address zork in Ipam configuration",
        ),
        (
            [{"Subnet": "10.1.0.0/24", "AuxiliaryAddresses": {"a": "zork"}}],
            InvalidParameter,
            "non parsable secondary ip address (a:zork) passed for network own",
        ),
        (
            [{"Subnet": "10.1.0.0/24", "IPRange": "10.1.0.7"}],
            InvalidParameter,
            'failed to parse pool request for address space "LocalDefault" pool "10.1.0.0/24" '
            'subpool "10.1.0.7": Invalid Address SubPool',
        ),
        ("x", InvalidParameter, "invalid JSON: IPAM.Config must be an array, not a string"),
        (["x"], InvalidParameter, "invalid JSON: IPAM.Config[0] must be an object, not a string"),
    ],
)
def test_a_pool_that_is_none(config: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        network.parse_create({"Name": "own", "IPAM": {"Config": config}}, Version(1, 41))
    assert caught.value.args[0] == message


def test_connect_and_disconnect_are_read() -> None:
    container, attachment = network.parse_connect({"Container": "web", "EndpointConfig": {"Aliases": ["db"]}})
    assert (container, attachment.aliases) == ("web", ("db",))
    assert network.parse_connect({})[0] == ""
    assert network.parse_disconnect({"Container": "web", "Force": True}) == ("web", True)
    with pytest.raises(InvalidParameter, match="Invalid IPv4 address: nonsense"):
        network.parse_connect({"EndpointConfig": {"IPAMConfig": {"IPv4Address": "nonsense"}}})


BUSYBOX = Image(
    "1a" * 32,
    ("busybox:latest",),
    (),
    "2021-01-01T00:00:00Z",
    1984172,
    ImageConfig(env=("PATH=/bin",), cmd=("sh",)),
    layers=("sha256:5577",),
)
UNTAGGED = Image("2b" * 32, (), (), "", 1, ImageConfig())


def test_an_image_in_the_list() -> None:
    entry = {
        "Containers": -1,
        "Created": 1609459200,
        "Id": "sha256:" + "1a" * 32,
        "Labels": None,
        "ParentId": "",
        "RepoDigests": None,
        "RepoTags": ["busybox:latest"],
        "SharedSize": -1,
        "Size": 1984172,
    }
    assert image.render_summary(ImageView(BUSYBOX), V41) == {**entry, "VirtualSize": 1984172}
    assert image.render_summary(ImageView(BUSYBOX), NEWEST) == {**entry, "RepoDigests": []}
    assert image.render_summary(ImageView(BUSYBOX, 2), V41, count=True)["Containers"] == 2


def test_an_image_without_a_name() -> None:
    old, new = (image.render_summary(ImageView(UNTAGGED), version) for version in (V41, NEWEST))
    assert (old["RepoTags"], old["RepoDigests"]) == (["<none>:<none>"], ["<none>@<none>"])
    assert (new["RepoTags"], new["RepoDigests"], new["Created"]) == ([], [], 0)


def test_an_image_inspected() -> None:
    document = image.render_inspect(BUSYBOX, V41)
    assert document["Config"] == {
        "Hostname": "",
        "Domainname": "",
        "User": "",
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "Env": ["PATH=/bin"],
        "Cmd": ["sh"],
        "Image": "",
        "Volumes": None,
        "WorkingDir": "",
        "Entrypoint": None,
        "OnBuild": None,
        "Labels": None,
    }
    assert document["RootFS"] == {"Type": "layers", "Layers": ["sha256:5577"]}
    newest = image.render_inspect(BUSYBOX, NEWEST)
    assert set(document) - set(newest) == {"VirtualSize"}
    assert newest["ContainerConfig"]  # docker-compose 1.29 looks into it in every version of the API


def test_an_image_made_of_a_container_says_so() -> None:
    made = replace(BUSYBOX, origin=Origin("c" * 64, "base:1", ("touch", "it")))
    for version in (V41, NEWEST):
        document = image.render_inspect(made, version)
        assert document["Container"] == "c" * 64
        assert document["ContainerConfig"]["Image"] == "base:1"  # type: ignore[index]
        assert document["ContainerConfig"]["Cmd"] == ["touch", "it"]  # type: ignore[index]


def test_the_history_of_an_image() -> None:
    entries = [HistoryEntry("1a" * 32, 5, "made", 7, "why", ("busybox:latest",)), HistoryEntry("", 4, "base")]
    assert image.render_history(entries) == [
        {
            "Comment": "why",
            "Created": 5,
            "CreatedBy": "made",
            "Id": "sha256:" + "1a" * 32,
            "Size": 7,
            "Tags": ["busybox:latest"],
        },
        {"Comment": "", "Created": 4, "CreatedBy": "base", "Id": "<missing>", "Size": 0, "Tags": None},
    ]


def test_a_volume() -> None:
    shown = Volume("data", MINUTE + 5, "/v/data/_data", labels={"a": "b"})
    assert volume.render_volume(shown) == {
        "CreatedAt": "1970-01-01T00:01:00Z",
        "Driver": "local",
        "Labels": {"a": "b"},
        "Mountpoint": "/v/data/_data",
        "Name": "data",
        "Options": None,
        "Scope": "local",
    }
    assert volume.parse_create({"Name": "data"}).driver == "local"


def test_an_exec() -> None:
    shown = ExecView("e1", ID, ("sh", "-c", "exit 4"), user="root", open_stdout=True, exit_code=4, pid=713)
    assert render_exec(shown) == {
        "ID": "e1",
        "Running": False,
        "ExitCode": 4,
        "ProcessConfig": {
            "tty": False,
            "entrypoint": "sh",
            "arguments": ["-c", "exit 4"],
            "privileged": False,
            "user": "root",
        },
        "OpenStdin": False,
        "OpenStderr": False,
        "OpenStdout": True,
        "CanRemove": False,
        "ContainerID": ID,
        "DetachKeys": "",
        "Pid": 713,
    }


def test_events_of_containers_have_the_members_of_old() -> None:
    attributes = {"image": "busybox", "name": "web"}
    assert render_event(Event("container", "start", ID, attributes, 1_500_000_001)) == {
        "status": "start",
        "id": ID,
        "from": "busybox",
        "Type": "container",
        "Action": "start",
        "Actor": {"ID": ID, "Attributes": attributes},
        "scope": "local",
        "time": 1,
        "timeNano": 1_500_000_001,
    }
    assert "status" not in render_event(Event("network", "create", BLUE.id, {}, 1))
    pruned = render_event(Event("image", "prune", "", {"reclaimed": "0"}, 1))
    assert "id" not in pruned and "from" not in pruned


def test_stats_tell_now_and_a_moment_before() -> None:
    container = view().container
    before = Usage(cpu_total=10, system_cpu=100)
    now = Usage(
        cpu_total=20,
        per_cpu=(15, 5),
        system_cpu=200,
        online_cpus=2,
        memory=4096,
        memory_max=8192,
        memory_limit=1 << 30,
        memory_stats={"cache": 0},
        pids=1,
        block_read=7,
        networks={"eth0": {"rx_bytes": 586}},
    )
    document = render_stats(container, Sample(2 * MINUTE, now), Sample(MINUTE, before))
    assert (document["read"], document["preread"]) == ("1970-01-01T00:02:00Z", "1970-01-01T00:01:00Z")
    assert document["cpu_stats"]["cpu_usage"]["percpu_usage"] == [15, 5]  # type: ignore[index]
    assert document["precpu_stats"]["system_cpu_usage"] == 100  # type: ignore[index]
    assert document["memory_stats"] == {
        "usage": 4096,
        "max_usage": 8192,
        "stats": {"cache": 0},
        "limit": 1 << 30,
    }
    assert document["pids_stats"] == {"current": 1}
    assert document["networks"] == {"eth0": {"rx_bytes": 586}}
    reads = document["blkio_stats"]["io_service_bytes_recursive"]  # type: ignore[index]
    assert {"major": 0, "minor": 0, "op": "read", "value": 7} in reads


def test_stats_of_what_does_not_run_are_empty() -> None:
    document = render_stats(view(status="exited").container, Sample(), Sample())
    assert document["read"] == "0001-01-01T00:00:00Z"
    assert document["pids_stats"] == document["memory_stats"] == {}
    assert "networks" not in document and "system_cpu_usage" not in document["cpu_stats"]  # type: ignore[operator]


def test_the_version_tells_which_api_versions_are_served() -> None:
    document = system.render_version(HostFacts(kernel="6.1"), "0.1.0")
    assert (document["ApiVersion"], document["MinAPIVersion"]) == ("1.48", "1.24")
    assert (document["Os"], document["Arch"], document["KernelVersion"]) == ("linux", "amd64", "6.1")
    assert document["Components"][0]["Name"] == "Engine"  # type: ignore[index]


def test_info_names_the_cluster_where_there_is_one() -> None:
    shown = system.render_info(
        HostFacts(cluster_store="etcd://10.0.0.5:2379", cluster_advertise="10.0.0.1:2376"),
        "1",
        MINUTE,
        NEWEST,
    )
    assert shown["ClusterStore"] == "etcd://10.0.0.5:2379"
    assert shown["ClusterAdvertise"] == "10.0.0.1:2376"
    assert "ClusterStore" not in system.render_info(HostFacts(), "1", MINUTE, NEWEST)


def test_info_of_different_versions() -> None:
    facts = HostFacts(insecure_registries=("reg:5000", "10.0.0.0/8"), address_pools=(("10.0.0.0/8", 24),))
    old, new = (system.render_info(facts, "0.1.0", MINUTE, version) for version in (Version(1, 24), NEWEST))
    assert old["SecurityOptions"] == ["seccomp"] and "KernelMemory" in old
    assert "KernelMemory" not in new and new["CDISpecDirs"] == []
    assert new["RegistryConfig"]["IndexConfigs"]["reg:5000"]["Secure"] is False  # type: ignore[index]
    assert new["RegistryConfig"]["InsecureRegistryCIDRs"] == ["127.0.0.0/8", "10.0.0.0/8"]  # type: ignore[index]
    assert new["DefaultAddressPools"] == [{"Base": "10.0.0.0/8", "Size": 24}]
    assert new["Swarm"]["LocalNodeState"] == "inactive"  # type: ignore[index]


def test_info_tells_what_holds_the_layers() -> None:
    shown = system.render_info(HostFacts(root_filesystem="ext4"), "1", MINUTE, NEWEST)
    assert shown["DriverStatus"][0] == ["Backing Filesystem", "extfs"]  # type: ignore[index]


def test_layers_of_several_images_are_counted_once() -> None:
    one, two, three = (
        replace(BUSYBOX, id=name, layer_sizes=sizes)
        for name, sizes in (("1", {"a": 5, "b": 7}), ("2", {"a": 5, "c": 2}), ("3", {"d": 1}))
    )
    assert image.layers_size([one, two, three]) == 15
    assert image.shared_sizes([one, two, three]) == {"1": 5, "2": 5, "3": 0}
    assert image.render_summary(ImageView(one), NEWEST, shared=5)["SharedSize"] == 5


def test_disk_usage() -> None:
    data = Volume("data", 1, "/v")
    document = system.render_disk_usage([], None, [(data, 5, 1)], 9, V41)
    assert (document["LayersSize"], document["Images"], document["Containers"]) == (9, [], None)
    assert document["Volumes"][0]["UsageData"] == {"Size": 5, "RefCount": 1}  # type: ignore[index]
    assert document["BuilderSize"] == 0
    assert "BuilderSize" not in system.render_disk_usage([], [], [], 9, NEWEST)

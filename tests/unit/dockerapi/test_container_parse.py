from ipaddress import IPv4Address

import pytest

from fairlead.dockerapi.container_parse import (
    parse_attachment,
    parse_commit,
    parse_create,
    parse_exec_create,
    parse_exec_start,
    parse_update,
)
from fairlead.dockerapi.version import NEWEST, Version
from fairlead.model.container import PortRequest, RestartPolicy
from fairlead.model.errors import InvalidParameter

V41 = Version(1, 41)


def create(version: Version = V41, **body: object) -> object:
    return parse_create({"Image": "busybox", **body}, "", "", version)


def test_a_container_with_a_network_of_its_own() -> None:
    command = parse_create(
        {
            "Image": "busybox",
            "Cmd": ["sleep", "3600"],
            "HostConfig": {"NetworkMode": "blue", "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}},
            "NetworkingConfig": {
                "EndpointsConfig": {"blue": {"Aliases": ["db"], "IPAMConfig": {"IPv4Address": "10.10.0.9"}}}
            },
        },
        "box",
        "",
        V41,
    )
    assert (command.name, command.config.cmd) == ("box", ("sleep", "3600"))
    assert command.host_config.port_bindings == (PortRequest(80, "tcp", "", "8080"),)
    (attachment,) = command.attachments
    assert (attachment.network, attachment.aliases, attachment.ipv4) == (
        "blue",
        ("db",),
        IPv4Address("10.10.0.9"),
    )


@pytest.mark.parametrize("body", [{}, None, {"HostConfig": {"Memory": 10 << 20}}])
def test_a_body_without_a_config_is_refused(body: object) -> None:
    with pytest.raises(InvalidParameter, match="Config cannot be empty in order to create a container"):
        parse_create(body, "", "", V41)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"Env": ["=x"]}, "invalid environment variable: =x"),
        ({"Env": [""]}, "invalid environment variable: "),
        ({"StopSignal": "NOSIG"}, "Invalid signal: NOSIG"),
        ({"Volumes": {"rel": {}}}, "invalid mount path: 'rel' mount path must be absolute"),
        ({"MacAddress": "zork"}, "zork is not a valid mac address"),
        ({"Healthcheck": {"Interval": 5}}, "Interval in Healthcheck cannot be less than 1ms"),
        ({"Healthcheck": {"Test": ["ZORK"]}}, "Unknown type 'ZORK' in Healthcheck"),
        ({"HostConfig": {"RestartPolicy": {"Name": "sometimes"}}}, "invalid restart policy 'sometimes'"),
        ({"HostConfig": {"Memory": 1}}, "Minimum memory limit allowed is 6MB"),
        ({"HostConfig": {"Memory": -1}}, "Minimum memory limit allowed is 6MB"),
        (
            {"HostConfig": {"Memory": 10 << 20, "MemoryReservation": 20 << 20}},
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
        ({"HostConfig": {"MemorySwappiness": 101}}, "valid memory swappiness range is 0-100"),
        ({"HostConfig": {"ShmSize": -1}}, "SHM size can not be less than 0"),
        ({"HostConfig": {"OomScoreAdj": 5000}}, "range for oom score adj is [-1000, 1000]"),
        ({"HostConfig": {"NanoCpus": 1, "CpuPeriod": 5000}}, "Nano CPUs and CPU Period cannot both be set"),
        ({"HostConfig": {"CpuPeriod": 1}}, "CPU cfs period can not be less than 1ms"),
        ({"HostConfig": {"CpuQuota": 1}}, "CPU cfs quota can not be less than 1ms"),
        ({"HostConfig": {"CpusetCpus": "zork"}}, "Invalid value zork for cpuset cpus: invalid format: zork"),
        ({"HostConfig": {"BlkioWeight": 5}}, "Range of blkio weight is from 10 to 1000"),
        ({"HostConfig": {"CapAdd": ["NOSUCH"]}}, 'invalid CapAdd: unknown capability: "CAP_NOSUCH"'),
        ({"HostConfig": {"CapDrop": ["cap_x"]}}, 'invalid CapDrop: unknown capability: "CAP_X"'),
        (
            {"HostConfig": {"LogConfig": {"Type": "nope"}}},
            'error looking up logging plugin nope: plugin "nope" not found',
        ),
        (
            {"HostConfig": {"LogConfig": {"Type": "json-file", "Config": {"nope": "1"}}}},
            "unknown log opt 'nope' for json-file log driver",
        ),
        ({"HostConfig": {"LogConfig": {"Config": {"max-size": "zork"}}}}, "invalid size: 'zork'"),
        ({"HostConfig": {"ExtraHosts": ["x"]}}, 'bad format for add-host: "x"'),
        ({"HostConfig": {"ExtraHosts": ["x:y"]}}, 'invalid IP address in add-host: "y"'),
        ({"HostConfig": {"Dns": ["x"]}}, "bad nameserver address: x"),
        ({"HostConfig": {"CgroupnsMode": "zork"}}, "invalid cgroup namespace mode: zork"),
        ({"HostConfig": {"PidMode": "zork"}}, "invalid PID mode: zork"),
        ({"HostConfig": {"IpcMode": "container:"}}, "invalid IPC mode: container:"),
        ({"HostConfig": {"UTSMode": "zork"}}, "invalid UTS mode: zork"),
        ({"HostConfig": {"UsernsMode": "zork"}}, "invalid user namespace mode: zork"),
        ({"HostConfig": {"Ulimits": [{"Name": "zork"}]}}, "invalid ulimit type: zork"),
        (
            {"HostConfig": {"Ulimits": [{"Name": "nofile", "Soft": 3, "Hard": 2}]}},
            "ulimit soft limit must be less than or equal to hard limit: 3 > 2",
        ),
        ({"HostConfig": {"Devices": [{"CgroupPermissions": "x"}]}}, "bad mode specified: x"),
        ({"HostConfig": {"Tmpfs": {"//": ""}}}, "invalid specification: destination can't be '/'"),
        ({"HostConfig": {"MemoryReservation": 1000}}, "Minimum memory reservation allowed is 6MB"),
        ({"HostConfig": {"KernelMemory": 1000}}, "Minimum kernel memory limit allowed is 6MB"),
        ({"HostConfig": {"Isolation": "hyperv"}}, 'Invalid isolation: "hyperv"'),
        ({"HostConfig": {"Runtime": "zork"}}, "Unknown runtime specified zork"),
        (
            {"HostConfig": {"StorageOpt": {"size": "1G"}}},
            "--storage-opt is supported only for overlay over xfs",
        ),
        ({"HostConfig": {"SecurityOpt": ["zork"]}}, 'invalid --security-opt 1: "zork"'),
        ({"HostConfig": {"Tmpfs": {"x": ""}}}, "invalid mount path: 'x' mount path must be absolute"),
        (
            {"HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "nonsense"}]}}},
            "invalid IP address: nonsense",
        ),
        (
            {"NetworkingConfig": {"EndpointsConfig": {"a": {"IPAMConfig": {"IPv4Address": "zork"}}}}},
            "invalid IPv4 address: zork",
        ),
        (
            {"NetworkingConfig": {"EndpointsConfig": {"a": {"IPAMConfig": {"IPv6Address": "10.0.0.1"}}}}},
            "invalid IPv6 address: 10.0.0.1",
        ),
        (
            {"NetworkingConfig": {"EndpointsConfig": {"a": None}}},
            "no EndpointSettings for a",
        ),
        (
            {"NetworkingConfig": {"EndpointsConfig": {"b": {}, "a": {}}}},
            "Container cannot be connected to network endpoints: a, b",
        ),
    ],
)
def test_what_can_never_work_is_refused(body: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        create(**body)
    assert complaint in caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        {"HostConfig": {"CapAdd": "ALL"}},
        {"HostConfig": {"CapAdd": ["net_admin", "CAP_SYS_TIME"]}},
        # Docker makes such a container and fails to start it.
        {"HostConfig": {"PortBindings": {"80/xyz": [{"HostPort": "80"}]}}},
        {"HostConfig": {"ExtraHosts": ["db:10.1.1.1", "six:fd00::1", "host:host-gateway"]}},
        {"HostConfig": {"IpcMode": "container:web", "PidMode": "host"}},
        {"Healthcheck": {"Test": ["NONE"]}},
    ],
)
def test_what_docker_takes_is_taken(body: dict[str, object]) -> None:
    create(**body)


def test_later_versions_allow_several_networks() -> None:
    command = create(NEWEST, NetworkingConfig={"EndpointsConfig": {"a": {}, "b": None}})
    assert [each.network for each in command.attachments] == ["a", "b"]  # type: ignore[attr-defined]


def test_old_clients_mean_what_was_meant_then() -> None:
    host_config = {"AutoRemove": True, "KernelMemory": 10 << 20, "PidsLimit": 0, "ConsoleSize": [4, 5]}
    old = create(Version(1, 24), HostConfig=host_config).host_config  # type: ignore[attr-defined]
    assert (old.auto_remove, old.ipc_mode, old.kernel_memory) == (False, "shareable", 10 << 20)
    assert (old.pids_limit, old.console_size) == (None, (0, 0))
    new = create(NEWEST, HostConfig=host_config).host_config  # type: ignore[attr-defined]
    assert (new.auto_remove, new.ipc_mode, new.kernel_memory, new.console_size) == (True, "", 0, (4, 5))


def test_an_attachment_keeps_null_and_empty_apart() -> None:
    bare, empty = (
        parse_attachment("a", document, "a")
        for document in (None, {"Aliases": [], "IPAMConfig": {}, "DriverOpts": {}})
    )
    assert (bare.has_ipam, bare.has_aliases, bare.driver_options) == (False, False, None)
    assert (empty.has_ipam, empty.has_aliases, empty.driver_options) == (True, True, {})


def test_an_update_holds_only_what_it_changes() -> None:
    update = parse_update(
        {"Memory": 10 << 20, "CpuShares": 0, "CpusetCpus": "", "RestartPolicy": {"Name": "always"}}, V41
    )
    assert update.values == {"memory": 10 << 20}
    assert update.restart_policy == RestartPolicy("always")
    assert parse_update({"RestartPolicy": {"Name": ""}}, V41).restart_policy is None


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"Memory": 1}, "Minimum memory limit allowed is 6MB"),
        ({"RestartPolicy": {"Name": "zork"}}, "invalid restart policy 'zork'"),
        ({"Memory": "x"}, "Memory must be an integer"),
    ],
)
def test_an_update_that_can_never_work(body: object, complaint: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_update(body, V41)
    assert complaint in caught.value.message


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({}, "No exec command specified"),
        ({"Cmd": []}, "No exec command specified"),
        ({"Cmd": ["true"], "DetachKeys": "zork"}, "Invalid escape keys (zork) provided"),
        ({"Cmd": ["true"], "Env": ["=x"]}, "invalid environment variable"),
    ],
)
def test_an_exec_that_can_never_work(body: object, complaint: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_exec_create(body, V41)
    assert complaint in caught.value.message


def test_an_exec_has_a_size_from_1_42_on() -> None:
    body = {"Cmd": ["sh"], "Tty": True, "ConsoleSize": [24, 80]}
    assert parse_exec_create(body, V41).console_size == (0, 0)
    assert parse_exec_create(body, NEWEST).console_size == (24, 80)
    assert parse_exec_start({"Tty": True, "ConsoleSize": [24, 80]}, NEWEST) == (False, True, (24, 80))
    assert parse_exec_start(None, NEWEST) == (False, False, (0, 0))


def test_a_commit() -> None:
    command = parse_commit(
        {}, {"repo": "com", "tag": "x", "author": "me"}, ("CMD a\n\nENV b=c", "USER d"), pause=False
    )
    assert (command.reference, command.author, command.config) == ("com:x", "me", None)
    assert command.changes == ("CMD a", "ENV b=c", "USER d")

"""The table of fields reads and shows the same value."""

import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.dockerapi.fields import (
    CONFIG,
    HOST_CONFIG,
    parse_config,
    parse_host_config,
    render_config,
    render_host_config,
)
from fairlead.dockerapi.version import NEWEST, OLDEST, Version
from fairlead.model.container import (
    Config,
    Device,
    HealthCheck,
    HostConfig,
    LogConfig,
    Mount,
    PortRequest,
    RestartPolicy,
    ThrottleDevice,
    Ulimit,
)
from fairlead.model.errors import InvalidParameter, Unsupported

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
texts = st.lists(words, max_size=3).map(tuple)
numbers = st.integers(-(1 << 63), (1 << 63) - 1)
maps = st.dictionaries(words, words, max_size=3)
optional_texts = st.none() | texts
optional_maps = st.none() | maps
ports = st.integers(0, 65535)
throttles = st.none() | st.lists(st.builds(ThrottleDevice, words, numbers), max_size=2).map(tuple)
exposed = st.lists(
    st.tuples(ports, st.sampled_from(("tcp", "udp", "sctp"))).map(lambda pair: f"{pair[0]}/{pair[1]}"),
    max_size=3,
    unique=True,
).map(tuple)


def bindings(requests: list[PortRequest]) -> tuple[PortRequest, ...]:
    """Grouped by container port, as a JSON object groups them."""
    order = list(dict.fromkeys((each.container_port, each.protocol) for each in requests))
    return tuple(sorted(requests, key=lambda each: order.index((each.container_port, each.protocol))))


mounts = st.one_of(
    st.builds(
        Mount,
        st.just("bind"),
        words.map("/{}".format),
        words.map("/a{}".format),
        read_only=st.booleans(),
        propagation=words,
        non_recursive=st.booleans(),
        create_mountpoint=st.booleans(),
    ),
    st.builds(
        Mount,
        st.just("volume"),
        words,
        words.map("/a{}".format),
        no_copy=st.booleans(),
        labels=maps,
        driver_name=words,
        driver_options=maps,
    ),
    st.builds(
        Mount,
        st.just("tmpfs"),
        st.just(""),
        words.map("/a{}".format),
        tmpfs_size=st.integers(0, 1 << 40),
        tmpfs_mode=st.integers(0, 0o7777),
    ),
)


def each(names: str, strategy: st.SearchStrategy[object]) -> dict[str, st.SearchStrategy[object]]:
    return dict.fromkeys(names.split(), strategy)


configs = st.builds(
    Config,
    **each("image hostname domainname user working_dir stop_signal mac_address", words),
    **each("attach_stdin attach_stdout attach_stderr tty open_stdin stdin_once", st.booleans()),
    **each("network_disabled args_escaped", st.booleans()),
    **each("cmd entrypoint shell on_build", optional_texts),
    env=texts,
    labels=maps,
    volumes=st.none() | st.lists(words, max_size=3, unique=True).map(tuple),
    exposed_ports=exposed,
    stop_timeout=st.none() | numbers,
    health_check=st.none()
    | st.builds(HealthCheck, texts, numbers, numbers, numbers, numbers, st.integers(0, 9)),
)

host_configs = st.builds(
    HostConfig,
    **each("binds volumes_from cap_add cap_drop extra_hosts group_add links", optional_texts),
    **each("security_opt device_cgroup_rules masked_paths readonly_paths", optional_texts),
    **each("container_id_file volume_driver cgroupns_mode ipc_mode cgroup pid_mode", words),
    **each("uts_mode userns_mode runtime isolation cgroup_parent cpuset_cpus cpuset_mems", words),
    **each("oom_score_adj shm_size cpu_shares memory nano_cpus blkio_weight cpu_period", numbers),
    **each("cpu_quota cpu_realtime_period cpu_realtime_runtime kernel_memory", numbers),
    **each("kernel_memory_tcp memory_reservation memory_swap", numbers),
    **each("blkio_weight_device blkio_device_read_bps blkio_device_write_bps", throttles),
    **each("blkio_device_read_iops blkio_device_write_iops", throttles),
    **each("storage_opt tmpfs sysctls annotations", optional_maps),
    **each("auto_remove privileged publish_all_ports", st.booleans()),
    **each("readonly_rootfs oom_kill_disable", st.booleans()),
    **each("dns dns_options dns_search", texts),
    network_mode=words.filter(bool),
    log_config=st.builds(LogConfig, words.filter(bool), maps),
    port_bindings=st.lists(
        st.builds(
            PortRequest,
            ports,
            st.sampled_from(("tcp", "udp", "xyz")),
            words,
            st.sampled_from(("", "80", "8000-8010")),
        ),
        max_size=4,
    ).map(bindings),
    restart_policy=st.builds(RestartPolicy, words, numbers),
    mounts=st.none() | st.lists(mounts, max_size=3).map(tuple),
    console_size=st.tuples(st.integers(0, 999), st.integers(0, 999)),
    devices=st.lists(st.builds(Device, words, words, words.filter(bool)), max_size=2).map(tuple),
    memory_swappiness=st.none() | numbers,
    pids_limit=st.none() | numbers,
    ulimits=st.none() | st.lists(st.builds(Ulimit, words, numbers, numbers), max_size=2).map(tuple),
    init=st.none() | st.booleans(),
)


def through_json(document: object) -> object:
    return json.loads(json.dumps(document))


@given(configs)
def test_a_config_that_is_shown_and_read_is_the_same(config: Config) -> None:
    assert parse_config(through_json(render_config(config, OLDEST))) == config


@given(host_configs)
def test_a_host_config_that_is_shown_and_read_is_the_same(host_config: HostConfig) -> None:
    assert parse_host_config(through_json(render_host_config(host_config, OLDEST))) == host_config


def test_the_tables_hold_every_attribute() -> None:
    assert {field.attribute for field in CONFIG} == {field.name for field in fields(Config)}
    in_table = {field.attribute for field in HOST_CONFIG}
    assert in_table == {field.name for field in fields(HostConfig)} - {"unset"}


def test_null_is_shown_as_null_and_empty_as_empty() -> None:
    bare = parse_host_config({})
    given_empty = parse_host_config({"Dns": [], "PortBindings": {}, "Devices": [], "Binds": []})
    for name in ("Dns", "PortBindings", "Devices", "Binds"):
        assert render_host_config(bare, NEWEST)[name] is None
        assert render_host_config(given_empty, NEWEST)[name] in ([], {})
    assert bare.dns == given_empty.dns == ()


def test_what_is_missing_means_what_docker_means() -> None:
    bare = parse_host_config(None)
    assert bare.network_mode == "default"
    assert bare.restart_policy == RestartPolicy("")
    assert bare.log_config == LogConfig("json-file")


def test_names_are_found_without_regard_to_case() -> None:
    assert parse_config({"image": "busybox", "TTY": True}) == Config(image="busybox", tty=True)
    assert parse_config({"Image": "right", "IMAGE": "wrong"}).image == "right"


def test_one_string_stands_for_a_list_of_one() -> None:
    assert parse_config({"Cmd": "true", "Entrypoint": "sh"}).cmd == ("true",)


def test_a_port_without_a_protocol_is_tcp() -> None:
    host_config = parse_host_config({"PortBindings": {"80": [{"HostPort": "8080"}], "81/tcp": None}})
    assert host_config.port_bindings == (PortRequest(80, "tcp", "", "8080"),)
    assert parse_config({"ExposedPorts": {"80": {}, "80/tcp": {}}}).exposed_ports == ("80/tcp",)
    assert parse_config({"ExposedPorts": {"90-92/UDP": {}}}).exposed_ports == ("90-92/udp",)
    with pytest.raises(InvalidParameter, match='invalid port specification: "92-90"'):
        parse_config({"ExposedPorts": {"92-90/tcp": {}}})


def test_kernel_memory_is_no_longer_shown_when_empty() -> None:
    assert render_host_config(HostConfig(), Version(1, 41))["KernelMemory"] == 0
    assert "KernelMemory" not in render_host_config(HostConfig(), Version(1, 42))


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"Tty": "yes"}, "Tty must be a boolean, not a string"),
        ({"Env": "x"}, "Env must be an array, not a string"),
        ({"Env": [5]}, "Env[0] must be a string, not a number"),
        ({"StopTimeout": 1.5}, "StopTimeout must be an integer, not a number"),
        ({"StopTimeout": True}, "StopTimeout must be an integer, not a boolean"),
        ({"StopTimeout": 1 << 63}, "StopTimeout must fit in 64 bits"),
        ({"Labels": ["a"]}, "Labels must be an object, not an array"),
        ({"Labels": {"a": 1}}, "Labels.a must be a string, not a number"),
        ({"Healthcheck": []}, "Healthcheck must be an object, not an array"),
        ({"ExposedPorts": {"http": {}}}, 'invalid port specification: "http"'),
        ([], "the body must be an object, not an array"),
    ],
)
def test_a_wrong_type_is_named(document: object, complaint: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_config(document)
    assert complaint in caught.value.message


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"PortBindings": []}, "HostConfig.PortBindings must be an object"),
        ({"PortBindings": {"80/tcp": {}}}, "HostConfig.PortBindings.80/tcp must be an array"),
        ({"PortBindings": {"80/tcp": [{"HostPort": 80}]}}, "[0].HostPort must be a string, not a number"),
        ({"PortBindings": {"80/tcp": [{"HostPort": "nonsense"}]}}, 'specification: "nonsense"'),
        ({"PortBindings": {"80/tcp": [{"HostPort": "9-8"}]}}, 'specification: "9-8"'),
        ({"PortBindings": {"70000/tcp": [{}]}}, 'specification: "70000"'),
        ({"PortBindings": {"80-82/tcp": [{}]}}, 'specification: "80-82"'),
        ({"Memory": "1g"}, "HostConfig.Memory must be an integer, not a string"),
        ({"ConsoleSize": [1]}, "HostConfig.ConsoleSize must be two sizes"),
        ({"Mounts": [{"Type": "zork", "Target": "/x"}]}, 'for type "zork": mount type unknown'),
        ({"Mounts": [{"Type": "bind", "Target": "/x"}]}, "field Source must not be empty"),
        ({"Mounts": [{"Type": "tmpfs", "Source": "a", "Target": "/x"}]}, "Source must not be specified"),
        ({"Mounts": [{"Type": "volume", "Target": "x"}]}, "'x' mount path must be absolute"),
        (
            {"Mounts": [{"Type": "bind", "Source": "/a", "Target": "/x", "TmpfsOptions": {}}]},
            "field TmpfsOptions must not be specified",
        ),
    ],
)
def test_a_wrong_host_config_is_refused(document: object, complaint: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_host_config(document)
    assert complaint in caught.value.message


def test_gpus_are_refused() -> None:
    with pytest.raises(Unsupported):
        parse_host_config({"DeviceRequests": [{"Count": -1}]})

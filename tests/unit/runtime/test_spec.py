"""The OCI document: what was asked for is in it, and what Docker adds."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.boundary import ExecRequest, Launch
from fairlead.model.container import (
    Config,
    Container,
    HostConfig,
    MountPoint,
    ThrottleDevice,
    Ulimit,
)
from fairlead.model.errors import InvalidParameter
from fairlead.model.image import RootFilesystem
from fairlead.runtime import limits, mounts, spec
from fairlead.runtime.capabilities import CAPABILITIES
from fairlead.runtime.devices import DeviceNode
from fairlead.runtime.spec import Found, document
from fairlead.runtime.traits import Traits
from fairlead.runtime.users import ProcessUser

ID = "ab" * 32
FILES = frozenset(
    "memory.limit_in_bytes memory.soft_limit_in_bytes memory.memsw.limit_in_bytes memory.oom_control "
    "cpu.shares cpu.cfs_period_us cpu.cfs_quota_us cpuset.cpus cpuset.mems".split()
)
V1 = Traits(cgroup_mounts={"pids": "/sys/fs/cgroup/pids", "memory": "/sys/fs/cgroup/memory"}, files=FILES)
V2 = Traits(cgroup_mounts={"": "/sys/fs/cgroup"})


def launch(host_config: HostConfig | None = None, config: Config | None = None, **more: Any) -> Launch:
    container = Container(
        id=ID,
        name="box",
        created=0,
        image_id="0" * 64,
        config=config or Config(),
        host_config=host_config or HostConfig(),
        path="sh",
        args=("-c", "true"),
    )
    settings: dict[str, Any] = {"namespace": "/run/netns/box", "mounts": (), "directory": "/c", **more}
    return Launch(container=container, root=RootFilesystem("/root", ""), **settings)


def made(host_config: HostConfig | None = None, config: Config | None = None, **more: Any) -> dict[str, Any]:
    return document(launch(host_config, config, **more), Found(), V1)


def at(spec_: dict[str, Any], destination: str) -> dict[str, Any] | None:
    found = [mount for mount in spec_["mounts"] if mount["destination"] == destination]
    assert len(found) <= 1
    return found[0] if found else None


def test_a_plain_container() -> None:
    own = made()
    assert own["process"]["args"] == ["sh", "-c", "true"]
    assert own["process"]["env"] == [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        f"HOSTNAME={ID[:12]}",
        "HOME=/",
    ]
    assert own["process"]["cwd"] == "/" and own["process"]["terminal"] is False
    assert own["hostname"] == ID[:12]
    assert own["root"] == {"path": "/root", "readonly": False}
    linux = own["linux"]
    assert linux["cgroupsPath"] == f"/docker/{ID}"
    assert linux["namespaces"] == [
        {"type": "mount"},
        {"type": "network", "path": "/run/netns/box"},
        {"type": "pid"},
        {"type": "ipc"},
        {"type": "uts"},
    ]
    assert linux["sysctl"] == {
        "net.ipv4.ip_unprivileged_port_start": "0",
        "net.ipv4.ping_group_range": "0 2147483647",
    }
    assert "/proc/kcore" in linux["maskedPaths"] and "/proc/sys" in linux["readonlyPaths"]
    assert set(linux["resources"]) == {"devices"}
    assert [mount["destination"] for mount in own["mounts"]] == [
        *("/proc", "/dev", "/dev/pts", "/sys", "/sys/fs/cgroup", "/dev/mqueue", "/dev/shm")
    ]


def test_environment_is_merged_by_name() -> None:
    config = Config(env=("PATH=/bin", "A=1", "B=", "HOSTNAME"), tty=True, hostname="web")
    own = made(config=config, environment=("A=linked", "DB_PORT=tcp://x"))
    assert own["process"]["env"] == [
        "PATH=/bin", "TERM=xterm", "A=1", "DB_PORT=tcp://x", "B=", "HOME=/"
    ]  # fmt: skip
    assert made(config=Config(env=("HOME=/srv", "TERM=vt100")))["process"]["env"][-2:] == [
        "HOME=/srv",
        "TERM=vt100",
    ]


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.one_of(st.none(), st.text(max_size=3)))))
def test_the_last_word_on_a_variable_counts(words: list[tuple[str, str | None]]) -> None:
    texts = [name if value is None else f"{name}={value}" for name, value in words]
    expected: dict[str, str] = {"A": "0"}
    for name, value in words:
        expected.pop(name, None) if value is None else expected.__setitem__(name, value)
    result = spec.replaced(["A=0"], texts)
    assert dict(text.split("=", 1) for text in result) == expected
    assert len(result) == len(expected)


def test_terminal_size_and_working_directory() -> None:
    process = made(HostConfig(console_size=(24, 80)), Config(tty=True, working_dir="/srv"))["process"]
    assert process["consoleSize"] == {"height": 24, "width": 80} and process["cwd"] == "/srv"
    assert "consoleSize" not in made(HostConfig(console_size=(24, 80)))["process"]


def test_namespaces_of_others() -> None:
    modes = HostConfig(
        pid_mode="host", uts_mode="host", ipc_mode="container:x", cgroupns_mode="private", network_mode="host"
    )
    own = made(modes, Config(domainname="example.org"), namespace="", joined={"ipc": "/proc/7/ns/ipc"})
    assert own["linux"]["namespaces"] == [
        {"type": "mount"},
        {"type": "ipc", "path": "/proc/7/ns/ipc"},
        {"type": "cgroup"},
    ]
    assert own["linux"]["sysctl"] == {} and "hostname" not in own
    shared = made(HostConfig(network_mode="container:x", sysctls={"net.core.somaxconn": "9"}))
    assert shared["linux"]["sysctl"] == {"net.core.somaxconn": "9"}
    named = made(config=Config(hostname="web", domainname="example.org"))
    assert named["linux"]["sysctl"]["kernel.domainname"] == "example.org" and named["hostname"] == "web"


def test_cgroup_namespaces_are_private_with_version_2() -> None:
    assert {"type": "cgroup"} in document(launch(), Found(), V2)["linux"]["namespaces"]
    host = launch(HostConfig(cgroupns_mode="host"))
    assert {"type": "cgroup"} not in document(host, Found(), V2)["linux"]["namespaces"]


@pytest.mark.parametrize(
    ("parent", "path"),
    [("/jobs", f"/jobs/{ID}"), ("a/b/", f"/a/b/{ID}"), ("/", f"/{ID}"), ("", f"/docker/{ID}")],
)
def test_cgroup_parent(parent: str, path: str) -> None:
    assert made(HostConfig(cgroup_parent=parent))["linux"]["cgroupsPath"] == path


def test_mounts_take_the_place_of_usual_ones_and_come_parents_first() -> None:
    points = (
        MountPoint("bind", "/h/deep", "/data/deep", writable=False, propagation="rslave"),
        MountPoint("volume", "/v", "/data", name="v"),
        MountPoint("bind", "/h/hosts", "/etc/hosts", recursive=False),
        MountPoint("tmpfs", "", "/scratch", tmpfs_options="size=9,exec"),
        MountPoint("bind", "/h/shm", "/dev/shm"),
    )
    own = made(
        HostConfig(tmpfs={"/run": "", "/data": "size=1"}),
        mounts=points,
        bind_files={"/etc/hosts": "hosts", "/etc/hostname": "/c2/hostname"},
        init_path="/usr/bin/tini",
    )
    destinations = [mount["destination"] for mount in own["mounts"]]
    assert destinations.index("/data") < destinations.index("/data/deep")
    assert at(own, "/data") == {
        "destination": "/data", "type": "bind", "source": "/v", "options": ["rbind", "rw", "rprivate"]
    }  # fmt: skip
    assert at(own, "/data/deep")["options"] == ["rbind", "ro", "rslave"]  # type: ignore[index]
    assert at(own, "/etc/hosts")["source"] == "/h/hosts"  # type: ignore[index]
    assert at(own, "/etc/hosts")["options"][0] == "bind"  # type: ignore[index]
    assert at(own, "/etc/hostname")["source"] == "/c2/hostname"  # type: ignore[index]
    assert at(own, "/scratch")["options"] == ["nosuid", "nodev", "size=9", "exec"]  # type: ignore[index]
    assert at(own, "/run")["options"] == ["noexec", "nosuid", "nodev"]  # type: ignore[index]
    assert at(own, "/dev/shm")["source"] == "/h/shm"  # type: ignore[index]
    assert own["process"]["args"] == ["/sbin/docker-init", "--", "sh", "-c", "true"]
    assert at(own, "/sbin/docker-init")["source"] == "/usr/bin/tini"  # type: ignore[index]
    assert own["linux"]["rootfsPropagation"] == "rslave"


def test_an_own_dev_has_nothing_of_the_usual_one() -> None:
    own = made(mounts=(MountPoint("bind", "/dev", "/dev"),))
    assert [m["destination"] for m in own["mounts"] if m["destination"].startswith("/dev")] == ["/dev"]


def test_read_only() -> None:
    own = made(HostConfig(readonly_rootfs=True), bind_files={"/etc/hosts": "hosts"})
    assert own["root"]["readonly"] is True
    assert at(own, "/etc/hosts")["options"] == ["rbind", "ro", "rprivate"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("mode", "found", "expected"),
    [
        ("private", Found(), ("tmpfs", "shm")),
        ("host", Found(shm="/dev/shm"), ("bind", "/dev/shm")),
        ("none", Found(), None),
    ],
)
def test_shared_memory(mode: str, found: Found, expected: tuple[str, str] | None) -> None:
    own = document(launch(HostConfig(ipc_mode=mode, shm_size=4096)), found, V1)
    mount = at(own, "/dev/shm")
    assert (mount and (mount["type"], mount["source"])) == expected
    if expected == ("tmpfs", "shm"):
        assert mount and "size=4096" in mount["options"]


def test_privileged() -> None:
    traits = replace(V1, capabilities=frozenset(CAPABILITIES) - {"CAP_SYS_RESOURCE"})
    node = DeviceNode("/dev/kmsg", "c", 1, 11, 0o644, 0, 0)
    own = document(launch(HostConfig(privileged=True)), Found(devices=(node,)), traits)
    assert set(own["process"]["capabilities"]["bounding"]) == traits.capabilities
    assert own["linux"]["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert "maskedPaths" not in own["linux"] and "ro" not in at(own, "/sys")["options"]  # type: ignore[index]
    assert own["linux"]["devices"][0]["path"] == "/dev/kmsg"
    assert spec.security_options(HostConfig(privileged=True)).seccomp == "unconfined"


def test_capabilities_are_no_ambient_ones() -> None:
    own = made()["process"]["capabilities"]
    assert set(own) == {"bounding", "effective", "permitted"} and len(own["bounding"]) == 14


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ("", False)),
        (("no-new-privileges",), ("", True)),
        (("no-new-privileges:true",), ("", True)),
        (("no-new-privileges=false",), ("", False)),
        (("seccomp=unconfined", "label=disable", "apparmor:unconfined"), ("unconfined", False)),
        (("seccomp:unconfined",), ("unconfined", False)),
        (('seccomp={"defaultAction":"SCMP_ACT_LOG=x"}',), ('{"defaultAction":"SCMP_ACT_LOG=x"}', False)),
    ],
)
def test_security_options(options: tuple[str, ...], expected: tuple[str, bool]) -> None:
    own = spec.security_options(HostConfig(security_opt=options))
    assert (own.seccomp, own.no_new_privileges) == expected


def test_a_filter_is_given_compiled_where_it_is() -> None:
    own, profile = made(), {"defaultAction": "SCMP_ACT_ALLOW"}
    assert spec.with_seccomp(own, None) == own
    assert spec.with_seccomp(own, profile)["linux"]["seccomp"] == profile
    compiled = spec.with_seccomp(own, profile, "AAAA")
    assert (
        compiled["annotations"]["run.oci.seccomp_bpf_data"] == "AAAA" and "seccomp" not in compiled["linux"]
    )


def test_limits() -> None:
    own = HostConfig(
        memory=1 << 20,
        memory_swap=-1,
        memory_reservation=1 << 19,
        memory_swappiness=0,
        oom_kill_disable=True,
        nano_cpus=1_500_000_000,
        cpu_shares=512,
        cpuset_cpus="0-1",
        pids_limit=10,
        blkio_weight=300,
        blkio_device_read_bps=(ThrottleDevice("/dev/sda", 1000),),
    )
    resources = limits.resources(own, {"/dev/sda": (8, 0)}, V1)
    assert resources == {
        "memory": {
            "limit": 1 << 20,
            "reservation": 1 << 19,
            "swap": -1,
            "disableOOMKiller": True,
            "swappiness": 0,
        },
        "cpu": {"shares": 512, "period": 100_000, "quota": 150_000, "cpus": "0-1"},
        "blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1000}]},
        "pids": {"limit": 10},
    }
    # What the kernel does not know is left out.
    assert limits.resources(own, {"/dev/sda": (8, 0)}, Traits(cgroup_mounts={"cpu": "/x"})) == {
        "memory": {"swappiness": 0},
        "blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1000}]},
    }
    assert limits.resources(HostConfig(pids_limit=0, memory_swappiness=-1), {}, V1) == {}


def test_ulimits_are_the_containers_over_the_daemons() -> None:
    own = HostConfig(ulimits=(Ulimit("nofile", 10, 20), Ulimit("core", -1, -1)))
    given = [("nofile", 1, 2), ("nproc", 5, 6)]
    assert limits.ulimits(own, given, V1) == [
        {"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20},
        {"type": "RLIMIT_NPROC", "soft": 5, "hard": 6},
        {"type": "RLIMIT_CORE", "soft": (1 << 64) - 1, "hard": (1 << 64) - 1},
    ]


@given(st.integers(-1, 100), st.integers(-1, 100), st.integers(-1, 100))
def test_ulimits_never_exceed_what_can_be_given(soft: int, hard: int, ceiling: int) -> None:
    traits = replace(V1, capabilities=frozenset(), hard_limits={"nofile": ceiling})
    [limit] = limits.ulimits(HostConfig(ulimits=(Ulimit("nofile", soft, hard),)), (), traits)
    if ceiling >= 0:
        assert limit["soft"] <= ceiling and limit["hard"] <= ceiling
    free = limits.ulimits(HostConfig(ulimits=(Ulimit("nofile", soft, hard),)), (), V1)
    assert free[0]["soft"] == (soft if soft >= 0 else (1 << 64) - 1)


def test_a_score_below_the_daemons_own_needs_a_capability() -> None:
    bound = replace(V1, capabilities=frozenset(), oom_score=50)
    for wish, score in ((-500, 50), (0, 50), (300, 300)):
        own = document(launch(HostConfig(oom_score_adj=wish)), Found(), bound)
        assert own["process"]["oomScoreAdj"] == score
    assert made(HostConfig(oom_score_adj=-500))["process"]["oomScoreAdj"] == -500


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("c 1:3 mr", {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "mr"}),
        ("b 8:* rwm", {"allow": True, "type": "b", "major": 8, "access": "rwm"}),
        ("a *:* rwm", {"allow": True, "type": "a", "access": "rwm"}),
    ],
)
def test_device_rules(text: str, rule: dict[str, Any]) -> None:
    rules = made(HostConfig(device_cgroup_rules=(text,)))["linux"]["resources"]["devices"]
    assert rules[0] == {"allow": False, "access": "rwm"} and rules[-1] == rule
    assert {"allow": True, "type": "c", "major": 1, "minor": 7, "access": "rwm"} in rules


@pytest.mark.parametrize("text", ["", "c 1:3", "x 1:3 r", "c 1:3 rwx", "c 1:3 r "])
def test_wrong_device_rules_are_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid device cgroup rule format"):
        limits.parse_rule(text)


def test_an_exec_has_the_containers_environment_and_its_own_user() -> None:
    container = launch(config=Config(env=("A=1",), working_dir="/srv")).container
    running = made(config=Config(env=("A=1",), tty=True), environment=("LINK=x",))["process"]
    user = ProcessUser(5, 6, (6,), "/home/five")
    # What links told at the start is left out: what they tell now is part of the request.
    request = ExecRequest(("env",), environment=("A=2", "B=3"))
    own = spec.exec_process(container, request, running, user, V1)
    assert own["env"][2:] == ["A=2", "B=3", "HOME=/home/five"]
    assert own["user"] == {"uid": 5, "gid": 6, "additionalGids": [6]}
    assert own["cwd"] == "/srv" and own["terminal"] is False
    seen = spec.exec_process(container, ExecRequest(("sh",), tty=True, working_dir="/"), running, user, V1)
    assert "TERM=xterm" in seen["env"] and seen["cwd"] == "/"
    assert len(seen["capabilities"]["bounding"]) == 14
    strong = spec.exec_process(container, ExecRequest(("sh",), privileged=True), running, user, V1)
    assert strong["capabilities"]["bounding"] == list(CAPABILITIES)


@given(st.lists(st.sampled_from(["exec", "noexec", "ro", "rw", "size=1", "size=2", "mode=700", ""])))
def test_of_opposite_tmpfs_options_the_last_one_stays(words: list[str]) -> None:
    options = mounts.tmpfs_options(",".join(words))
    assert "nosuid" in options and "nodev" in options
    last = [word for word in ("noexec", *words) if word in ("exec", "noexec")][-1]
    assert [word for word in options if word in ("exec", "noexec")] == [last]
    sizes = [word for word in words if word.startswith("size=")]
    assert [word for word in options if word.startswith("size=")] == sizes[-1:]

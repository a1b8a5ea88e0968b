"""What Docker says of itself: version, info, disk usage."""

from collections.abc import Iterable, Mapping, Sequence

from fairlead.dockerapi.container_render import STORAGE_DRIVER
from fairlead.dockerapi.times import rfc3339
from fairlead.dockerapi.version import NEWEST, OLDEST, Version
from fairlead.dockerapi.volume import render_volume
from fairlead.model.container import Volume
from fairlead.model.views import HostFacts

INDEX_SERVER = "https://index.docker.io/v1/"
NETWORK_DRIVERS = ("bridge", "host", "macvlan", "null", "overlay")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def architecture(machine: str) -> str:
    """A machine's name as container images have it: x86_64 is amd64."""
    return _ARCHITECTURES.get(machine, machine)


def render_version(facts: HostFacts, release: str) -> dict[str, object]:
    """The answer of `GET /version`; `release` is this engine's version."""
    machine = architecture(facts.architecture)
    flat: dict[str, object] = {
        "Version": release,
        "ApiVersion": str(NEWEST),
        "MinAPIVersion": str(OLDEST),
        "GitCommit": "",
        "GoVersion": "",
        "Os": "linux",
        "Arch": machine,
        "KernelVersion": facts.kernel,
        "BuildTime": "",
    }
    details = {name: text for name, text in flat.items() if name != "Version"} | {"Experimental": "false"}
    engine = {"Name": "Engine", "Version": release, "Details": details}
    return {"Platform": {"Name": "fairlead"}, "Components": [engine], **flat}


def render_info(facts: HostFacts, release: str, now: int, version: Version) -> dict[str, object]:
    """The answer of `GET /info`."""
    document: dict[str, object] = {
        "ID": facts.engine_id,
        "Containers": facts.containers,
        "ContainersRunning": facts.running,
        "ContainersPaused": facts.paused,
        "ContainersStopped": facts.stopped,
        "Images": facts.images,
        "Driver": STORAGE_DRIVER,
        "DriverStatus": _driver_status(facts),
        "Plugins": {
            "Volume": ["local"],
            "Network": list(NETWORK_DRIVERS),
            "Authorization": None,
            "Log": ["json-file", "local"],
        },
        **_limits(facts, version),
        "Debug": facts.debug,
        "NFd": 0,
        "NGoroutines": 0,
        "SystemTime": rfc3339(now),
        "LoggingDriver": facts.logging_driver,
        "CgroupDriver": facts.cgroup_driver,
        "CgroupVersion": facts.cgroup_version,
        "NEventsListener": 0,
        "KernelVersion": facts.kernel,
        "OperatingSystem": facts.operating_system,
        "OSVersion": facts.os_version,
        "OSType": "linux",
        "Architecture": facts.architecture,
        "IndexServerAddress": INDEX_SERVER,
        "RegistryConfig": _registries(facts),
        "NCPU": facts.cpus,
        "MemTotal": facts.memory,
        "GenericResources": None,
        "DockerRootDir": facts.root,
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Name": facts.name,
        "Labels": list(facts.labels),
        "ExperimentalBuild": False,
        "ServerVersion": release,
        **_runtimes(facts),
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": False,
            "Error": "",
            "RemoteManagers": None,
        },
        "LiveRestoreEnabled": facts.live_restore,
        "Isolation": "",
        "SecurityOptions": ["name=seccomp,profile=default"] if version >= (1, 25) else ["seccomp"],
        "Warnings": _warnings(facts) or None,
    }
    if facts.address_pools:
        document["DefaultAddressPools"] = [{"Base": base, "Size": size} for base, size in facts.address_pools]
    if facts.cluster_store:
        document |= {"ClusterStore": facts.cluster_store, "ClusterAdvertise": facts.cluster_advertise}
    if version >= (1, 44):
        document["CDISpecDirs"] = []
    if version < (1, 25):
        document["ExecutionDriver"] = "<not supported>"
    return document


def _warnings(facts: HostFacts) -> list[str]:
    forwarding = [] if facts.forwarding else ["WARNING: IPv4 forwarding is disabled"]
    return [*facts.warnings, *forwarding]


def _driver_status(facts: HostFacts) -> list[list[str]]:
    """What Docker tells of overlay2 below its root.  Names of filesystems: moby, daemon/graphdriver."""
    kind = facts.root_filesystem
    name = {"ext2": "extfs", "ext3": "extfs", "ext4": "extfs", "overlay": "overlayfs"}.get(kind, kind)
    return [
        ["Backing Filesystem", name or "<unknown>"],
        ["Supports d_type", "true"],
        ["Native Overlay Diff", "true"],
        ["userxattr", "false"],
    ]


def _limits(facts: HostFacts, version: Version) -> dict[str, object]:
    """Which limits the host can set."""
    document: dict[str, object] = {"MemoryLimit": True, "SwapLimit": True}
    if version < (1, 42):
        document |= {"KernelMemory": True, "KernelMemoryTCP": True}
    return document | {
        "CpuCfsPeriod": True,
        "CpuCfsQuota": True,
        "CPUShares": True,
        "CPUSet": True,
        "PidsLimit": True,
        "IPv4Forwarding": facts.forwarding,
        "BridgeNfIptables": facts.bridge_nf_iptables,
        "BridgeNfIp6tables": facts.bridge_nf_ip6tables,
        "OomKillDisable": facts.cgroup_version == "1",
    }


def _registries(facts: HostFacts) -> dict[str, object]:
    mirrors = list(facts.registry_mirrors)
    hosts = [each for each in facts.insecure_registries if "/" not in each]
    indexes: dict[str, object] = {
        host: {"Name": host, "Mirrors": [], "Secure": False, "Official": False} for host in hosts
    }
    indexes["docker.io"] = {"Name": "docker.io", "Mirrors": mirrors, "Secure": True, "Official": True}
    return {
        "AllowNondistributableArtifactsCIDRs": [],
        "AllowNondistributableArtifactsHostnames": [],
        "InsecureRegistryCIDRs": ["127.0.0.0/8", *(one for one in facts.insecure_registries if "/" in one)],
        "IndexConfigs": indexes,
        "Mirrors": mirrors,
    }


def _runtimes(facts: HostFacts) -> dict[str, object]:
    unknown = {"ID": "", "Expected": ""}
    return {
        "Runtimes": {name: {"path": name} for name in facts.runtimes},
        "DefaultRuntime": facts.default_runtime,
        "InitBinary": facts.init_binary,
        "ContainerdCommit": unknown,
        "RuncCommit": unknown,
        "InitCommit": unknown,
    }


def render_disk_usage(
    images: Sequence[Mapping[str, object]] | None,
    containers: Sequence[Mapping[str, object]] | None,
    volumes: Iterable[tuple[Volume, int, int]] | None,
    layers: int,
    version: Version,
) -> dict[str, object]:
    """The answer of `GET /system/df`: list entries by kind, None for a kind that was not asked for.

    Volumes come with their size in bytes and the number of containers that use them; `layers` is
    the size of all images together, shared layers counted once.
    """
    document: dict[str, object] = {"LayersSize": layers}
    document |= {
        "Images": None if images is None else list(images),
        "Containers": None if containers is None else list(containers),
        "Volumes": None
        if volumes is None
        else [
            {**render_volume(volume), "UsageData": {"Size": size, "RefCount": references}}
            for volume, size, references in volumes
        ],
        "BuildCache": None,
    }
    if version < (1, 42):
        document["BuilderSize"] = 0
    return document

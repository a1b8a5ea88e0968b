"""A container's OCI runtime document, computed from what was asked for and what the host looks like: pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fairlead.boundary import ExecRequest, Launch
from fairlead.model.container import Container, HostConfig
from fairlead.runtime import capabilities, limits, mounts
from fairlead.runtime.devices import DeviceNode, DeviceNumbers
from fairlead.runtime.traits import Traits
from fairlead.runtime.users import ProcessUser

Document = dict[str, Any]
VERSION = "1.0.2"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_CGROUP_PARENT = "/docker"  # Docker's, which monitoring tools look for
SECCOMP_ANNOTATION = "run.oci.seccomp_bpf_data"  # read by crun


@dataclass(frozen=True, slots=True)
class Found:
    """What was looked up on the host and in the image for one container.

    `shm` is a directory of the host for /dev/shm, "" for an own one.
    """

    user: ProcessUser = field(default_factory=ProcessUser)
    devices: tuple[DeviceNode, ...] = ()
    numbers: DeviceNumbers = field(default_factory=dict)
    shm: str = ""


@dataclass(frozen=True, slots=True)
class SecurityOptions:
    """--security-opt, taken apart; `seccomp` is "", "unconfined" or a profile's text."""

    seccomp: str = ""
    no_new_privileges: bool = False


def security_options(host_config: HostConfig) -> SecurityOptions:
    """What the container's security options say; options of parts this engine has not are passed over."""
    seccomp, no_new_privileges = "", False
    for option in host_config.security_opt or ():
        if option == "no-new-privileges":
            no_new_privileges = True
            continue
        key, _, value = option.partition("=")
        if not value:
            key, _, value = option.partition(":")
        if key == "no-new-privileges":
            no_new_privileges = value.lower() in ("true", "1")
        elif key == "seccomp":
            seccomp = value
    if host_config.privileged and not seccomp:
        seccomp = "unconfined"
    return SecurityOptions(seccomp, no_new_privileges)


def cgroup_path(container: Container) -> str:
    """Where its control groups are, from the root of each hierarchy."""
    parent = container.host_config.cgroup_parent or DEFAULT_CGROUP_PARENT
    return f"/{parent.strip('/')}/{container.id}" if parent.strip("/") else f"/{container.id}"


def replaced(defaults: Iterable[str], own: Iterable[str]) -> list[str]:
    """Variables by name, own ones in the place of defaults; a name without "=" takes one away.

    Source: Docker's `ReplaceOrAppendEnvValues`.
    """
    chosen = {text.partition("=")[0]: text for text in defaults}
    for text in own:
        name, equals, _ = text.partition("=")
        if equals:
            chosen[name] = text
        else:
            chosen.pop(name, None)
    return list(chosen.values())


def environment(container: Container, extra: Iterable[str], home: str, *, tty: bool) -> list[str]:
    """What the process finds in its environment: Docker's defaults, `extra`, the container's own."""
    defaults = [f"PATH={DEFAULT_PATH}", f"HOSTNAME={container.config.hostname or container.id[:12]}"]
    if tty:
        defaults.append("TERM=xterm")
    chosen = replaced([*defaults, *extra], container.config.env)
    if not any(text.startswith("HOME=") for text in chosen):
        chosen.append(f"HOME={home}")
    return chosen


def _capabilities(host_config: HostConfig, traits: Traits, *, privileged: bool) -> dict[str, list[str]]:
    names = list(
        capabilities.effective(
            host_config.cap_add or (), host_config.cap_drop or (), privileged, traits.capabilities
        )
    )
    return dict.fromkeys(("bounding", "effective", "permitted"), names)


def held(container: Container, traits: Traits) -> tuple[str, ...]:
    """The capabilities of the container's root user."""
    own = container.host_config
    return capabilities.effective(own.cap_add or (), own.cap_drop or (), own.privileged, traits.capabilities)


def _user(user: ProcessUser) -> Document:
    return {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)}


def _console(process: Document, size: tuple[int, int]) -> None:
    if process["terminal"] and all(size):
        process["consoleSize"] = {"height": size[0], "width": size[1]}


def _process(launch: Launch, found: Found, traits: Traits) -> Document:
    container, config, own = launch.container, launch.container.config, launch.container.host_config
    words = [container.path, *container.args]
    if launch.init_path:
        words = [mounts.INIT_PATH, "--", *words]
    process: Document = {
        "terminal": config.tty,
        "user": _user(found.user),
        "args": words,
        "env": environment(container, launch.environment, found.user.home, tty=config.tty),
        "cwd": config.working_dir or "/",
        "capabilities": _capabilities(own, traits, privileged=own.privileged),
        "rlimits": limits.ulimits(own, launch.default_ulimits, traits),
        "noNewPrivileges": security_options(own).no_new_privileges,
        "oomScoreAdj": own.oom_score_adj
        if traits.raises_limits
        else max(own.oom_score_adj, traits.oom_score),
    }
    _console(process, own.console_size)
    return process


def exec_process(
    container: Container, request: ExecRequest, running: Document, user: ProcessUser, traits: Traits
) -> Document:
    """The process of an exec, given the container's own (`running`) as it was started."""
    names = {text.partition("=")[0] for text in container.config.env}
    # HOME and TERM depend on who runs and on what, and what links tell may have changed since.
    inherited = [text for text in running["env"] if text.partition("=")[0] in {"PATH", "HOSTNAME", *names}]
    terminal = ["TERM=xterm"] if request.tty and "TERM" not in names else []
    chosen = replaced([*inherited, *terminal], request.environment)
    if not any(text.startswith("HOME=") for text in chosen):
        chosen.append(f"HOME={user.home}")
    own = container.host_config
    process: Document = {
        "terminal": request.tty,
        "user": _user(user),
        "args": list(request.command),
        "env": chosen,
        "cwd": request.working_dir or container.config.working_dir or "/",
        "capabilities": _capabilities(own, traits, privileged=own.privileged or request.privileged),
        "rlimits": running.get("rlimits", []),
        "noNewPrivileges": security_options(own).no_new_privileges,
    }
    _console(process, request.console_size)
    return process


def _namespaces(launch: Launch, traits: Traits) -> list[Document]:
    own = launch.container.host_config
    namespaces: list[Document] = [{"type": "mount"}]
    if launch.namespace:
        namespaces.append({"type": "network", "path": launch.namespace})
    modes = (("pid", own.pid_mode), ("ipc", own.ipc_mode), ("uts", own.uts_mode))
    for kind, mode in modes:
        if kind in launch.joined:
            namespaces.append({"type": kind, "path": launch.joined[kind]})
        elif mode != "host":
            namespaces.append({"type": kind})
    default = "private" if traits.unified else "host"
    if (own.cgroupns_mode or default) == "private":
        namespaces.append({"type": "cgroup"})
    return namespaces


def _sysctls(launch: Launch) -> dict[str, str]:
    """Docker's for an own network namespace, the domain name, then the user's."""
    container, own = launch.container, launch.container.host_config
    values: dict[str, str] = {}
    if launch.namespace and not own.network_mode.startswith("container:"):
        values["net.ipv4.ip_unprivileged_port_start"] = "0"
        values["net.ipv4.ping_group_range"] = "0 2147483647"
    if container.config.domainname and own.uts_mode != "host":
        values["kernel.domainname"] = container.config.domainname
    return {**values, **(own.sysctls or {})}


def _linux(launch: Launch, found: Found, traits: Traits) -> Document:
    own = launch.container.host_config
    resources = limits.resources(own, found.numbers, traits)
    linux: Document = {
        "cgroupsPath": cgroup_path(launch.container),
        "namespaces": _namespaces(launch, traits),
        "resources": {"devices": limits.device_rules(own, found.devices), **resources},
        "sysctl": _sysctls(launch),
        "devices": [node.document() for node in found.devices],
    }
    if not own.privileged:
        linux["maskedPaths"] = list(own.masked_paths if own.masked_paths is not None else MASKED_PATHS)
        linux["readonlyPaths"] = list(
            own.readonly_paths if own.readonly_paths is not None else READONLY_PATHS
        )
    propagation = mounts.root_propagation(launch.mounts)
    if propagation:
        linux["rootfsPropagation"] = propagation
    return linux


# Source: Docker's `oci.DefaultLinuxSpec`.
MASKED_PATHS = (
    *("/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
    *("/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"),
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def document(
    launch: Launch, found: Found, traits: Traits, annotations: Mapping[str, str] | None = None
) -> Document:
    """The whole document but for seccomp, which `with_seccomp` adds.  InvalidParameter for a wrong option."""
    own = launch.container.host_config
    shm: str | None = None if own.ipc_mode == "none" else found.shm
    spec: Document = {
        "ociVersion": VERSION,
        "process": _process(launch, found, traits),
        "root": {"path": launch.root.path, "readonly": own.readonly_rootfs},
        "mounts": mounts.mounts(launch, shm),
        "linux": _linux(launch, found, traits),
        "annotations": {**(own.annotations or {}), **(annotations or {})},
    }
    if own.uts_mode != "host" and "uts" not in launch.joined:
        spec["hostname"] = launch.container.config.hostname or launch.container.id[:12]
    return spec


def with_seccomp(spec: Document, profile: Document | None, compiled: str = "") -> Document:
    """The document with a profile: as it is or, for crun, `compiled` (base64) in an annotation."""
    if compiled:
        return {**spec, "annotations": {**spec["annotations"], SECCOMP_ANNOTATION: compiled}}
    if profile is not None:
        return {**spec, "linux": {**spec["linux"], "seccomp": profile}}
    return spec

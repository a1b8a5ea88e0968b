"""What callers ask of the engine, parsed: the typed side of the API's request bodies."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.model.container import Config, HostConfig, RestartPolicy
from fairlead.model.endpoint import Attachment
from fairlead.model.network import Pool


@dataclass(frozen=True, slots=True)
class CreateContainer:
    """Make a container; `name` "" lets the engine choose one."""

    name: str
    config: Config
    host_config: HostConfig
    attachments: tuple[Attachment, ...] = ()
    platform: str = ""


@dataclass(frozen=True, slots=True)
class UpdateContainer:
    """New limits for a container; None leaves a value as it is."""

    values: Mapping[str, int | str | None] = field(default_factory=dict)  # HostConfig field -> value
    restart_policy: RestartPolicy | None = None


@dataclass(frozen=True, slots=True)
class CreateNetwork:
    """Make a network.  Pools have subnet None-free entries only; an empty tuple means: choose."""

    name: str
    driver: str = ""
    pools: tuple[Pool, ...] = ()
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    enable_ipv6: bool = False
    enable_ipv4: bool = True
    check_duplicate: bool = False
    scope: str = ""
    config_only: bool = False
    config_from: str = ""
    ipam_driver: str = "default"
    ipam_options: Mapping[str, str] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CreateVolume:
    """Make a volume; `name` "" makes an anonymous one."""

    name: str = ""
    driver: str = "local"
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommitContainer:
    """Make an image from a container.  `config` replaces what is given in it; None keeps all."""

    reference: str = ""
    author: str = ""
    comment: str = ""
    pause: bool = True
    config: Config | None = None
    changes: tuple[str, ...] = ()  # Dockerfile instructions: "CMD ...", "ENV ..."


@dataclass(frozen=True, slots=True)
class ExecRequest:
    """A process to run in a running container."""

    command: tuple[str, ...]
    environment: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    tty: bool = False
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    privileged: bool = False
    detach_keys: str = ""
    console_size: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which lines: both times in nanoseconds (0 = open), `tail` -1 = all, `follow` waits for more."""

    stdout: bool = True
    stderr: bool = True
    since: int = 0
    until: int = 0
    tail: int = -1
    follow: bool = False

"""A build of an image: what is asked for, and where its commands run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.model.errors import Failed
from fairlead.model.image import Credentials


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What a client asks to be built; "" and 0 stand for what it does not say."""

    dockerfile: str = "Dockerfile"  # path inside the context
    tags: tuple[str, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    no_cache: bool = False
    pull: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False
    network_mode: str = "default"
    extra_hosts: tuple[str, ...] = ()  # "name:address"
    cache_from: tuple[str, ...] = ()  # images whose steps alone may stand for new ones; () for all
    limits: Mapping[str, int | str] = field(default_factory=dict)  # buildah's option -> value
    ulimits: tuple[tuple[str, int, int], ...] = ()  # name, soft, hard
    credentials: Mapping[str, Credentials] = field(default_factory=dict)  # by registry


@dataclass(frozen=True, slots=True)
class BuildPlace:
    """Where a build's commands run: the namespace at a path, or for "" the mode "host" or "none".

    `search` and `options` are those of resolv.conf; without name servers the host's file counts.
    """

    mode: str
    namespace: str = ""
    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class BuildFailed(Failed):
    """A step of a build failed; `code` is the exit code of its command, 0 for none."""

    def __init__(self, message: str, code: int = 0):
        super().__init__(message)
        self.code = code

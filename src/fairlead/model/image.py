"""Images as the engine sees them: what a container inherits and what clients list."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.model.container import HealthCheck


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The part of an image's OCI config that a container inherits."""

    env: tuple[str, ...] = ()
    cmd: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    working_dir: str = ""
    user: str = ""
    exposed_ports: tuple[str, ...] = ()  # "80/tcp"
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] = ()
    health_check: HealthCheck | None = None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One line of an image's history; `created` in seconds since the epoch."""

    id: str
    created: int
    created_by: str
    size: int = 0
    comment: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """The container that an image was made of: its id, its image as it was asked for, its command."""

    container_id: str
    image: str = ""
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    """One stored image.  `id` is 64 hex digits without a prefix; `created` an RFC 3339 string."""

    id: str
    tags: tuple[str, ...]  # "busybox:latest", familiar names (no docker.io/library/)
    digests: tuple[str, ...]  # "busybox@sha256:..."
    created: str
    size: int
    config: ImageConfig
    architecture: str = "amd64"
    os: str = "linux"
    author: str = ""
    comment: str = ""
    parent: str = ""
    docker_version: str = ""
    layers: tuple[str, ...] = ()  # diff ids, "sha256:..."
    top_layer: str = ""  # containers/storage layer id
    layer_sizes: Mapping[str, int] = field(default_factory=dict)  # bytes by containers/storage layer id
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image in a registry is made for, in the words of the image index."""

    architecture: str = ""
    os: str = ""
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()


ANY_PLATFORM = Platform()


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a registry has under a reference: its manifest's type, digest and bytes, and the platforms."""

    media_type: str
    digest: str
    size: int
    platforms: tuple[Platform, ...]


@dataclass(frozen=True, slots=True)
class RootFilesystem:
    """A container's mounted root: where it is, and the directories that overlay keeps."""

    path: str
    upper: str
    lower: tuple[str, ...] = ()
    work: str = ""
    layer: str = ""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client sent in X-Registry-Auth."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    server: str = ""

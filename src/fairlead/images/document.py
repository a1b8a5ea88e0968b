"""Image configuration documents: one JSON text, read into values and written from them.

Source of the format: OCI image specification, config.md, and Docker's image specification v1.2,
whose extra keys (comment, parent, docker_version) are kept.
"""

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fairlead.dockerapi.times import SECOND, parse_moment
from fairlead.model.container import HealthCheck
from fairlead.model.errors import InvalidParameter
from fairlead.model.image import ImageConfig, Origin

T = TypeVar("T")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_HEALTH_TIMES = (
    ("interval", "Interval"),
    ("timeout", "Timeout"),
    ("start_period", "StartPeriod"),
    ("start_interval", "StartInterval"),
    ("retries", "Retries"),
)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a document's history; `created` is RFC 3339 or ""."""

    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False

    @property
    def seconds(self) -> int:
        """When, in seconds since the epoch; 0 if it does not say."""
        try:
            return parse_moment(self.created, 0) // SECOND if self.created else 0
        except InvalidParameter:
            return 0


@dataclass(frozen=True, slots=True)
class Document:
    """What an image says of itself."""

    config: ImageConfig
    layers: tuple[str, ...]  # diff ids, lowest first
    created: str = ""
    architecture: str = ""
    os: str = ""
    author: str = ""
    comment: str = ""
    parent: str = ""  # 64 digits
    docker_version: str = ""
    history: tuple[Event, ...] = ()
    origin: Origin | None = None


def architecture() -> str:
    """This machine's architecture in the words of the image specification."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def parse_document(text: bytes) -> Document:
    """The document as values.  InvalidParameter if it is not one."""
    try:
        top = _object(json.loads(text), "the image configuration")
        root = _object(top.get("rootfs"), "rootfs")
        history = [_event(each) for each in _list(top.get("history"), "history")]
        return Document(
            config=_config(_object(top.get("config"), "config")),
            layers=_texts(root.get("diff_ids"), "diff_ids") or (),
            created=_text(top, "created"),
            architecture=_text(top, "architecture"),
            os=_text(top, "os"),
            author=_text(top, "author"),
            comment=_text(top, "comment") or (history[-1].comment if history else ""),
            parent=_text(top, "parent").removeprefix("sha256:"),
            docker_version=_text(top, "docker_version"),
            history=tuple(history),
            origin=_origin(top),
        )
    except (ValueError, RecursionError) as error:
        raise InvalidParameter(f"cannot read the image configuration: {error}") from error


def render_document(document: Document) -> bytes:
    """The document as text; what it does not say is left out."""
    origin = document.origin
    content = {
        "architecture": document.architecture,
        "author": document.author,
        "comment": document.comment,
        "config": _rendered_config(document.config),
        "container": origin and origin.container_id,
        "container_config": origin and {"Image": origin.image, "Cmd": list(origin.command)},
        "created": document.created,
        "docker_version": document.docker_version,
        "history": [_rendered_event(event) for event in document.history],
        "os": document.os,
        "parent": document.parent and f"sha256:{document.parent}",
        "rootfs": {"type": "layers", "diff_ids": list(document.layers)},
    }
    kept = ("architecture", "config", "os", "rootfs")
    said = {key: value for key, value in content.items() if value or key in kept}
    return json.dumps(said, separators=(",", ":")).encode()


def _config(content: Mapping[str, object]) -> ImageConfig:
    return ImageConfig(
        env=_texts(content.get("Env"), "Env") or (),
        cmd=_texts(content.get("Cmd"), "Cmd"),
        entrypoint=_texts(content.get("Entrypoint"), "Entrypoint"),
        working_dir=_text(content, "WorkingDir"),
        user=_text(content, "User"),
        exposed_ports=tuple(sorted(_object(content.get("ExposedPorts"), "ExposedPorts"))),
        volumes=tuple(sorted(_object(content.get("Volumes"), "Volumes"))),
        labels={name: str(value) for name, value in _object(content.get("Labels"), "Labels").items()},
        stop_signal=_text(content, "StopSignal"),
        shell=_texts(content.get("Shell"), "Shell"),
        on_build=_texts(content.get("OnBuild"), "OnBuild") or (),
        health_check=_health(content.get("Healthcheck")),
    )


def _origin(top: Mapping[str, object]) -> Origin | None:
    identity, config = _text(top, "container"), _object(top.get("container_config"), "container_config")
    command = _texts(config.get("Cmd"), "Cmd") or ()
    return Origin(identity, _text(config, "Image"), command) if identity else None


def _health(content: object) -> HealthCheck | None:
    if content is None:
        return None
    check = _object(content, "Healthcheck")
    numbers = {name: check.get(key, 0) for name, key in _HEALTH_TIMES}
    if not all(isinstance(number, int) for number in numbers.values()):
        raise ValueError("Healthcheck: a time is not a number")
    return HealthCheck(test=_texts(check.get("Test"), "Test") or (), **numbers)  # type: ignore[arg-type]


def _event(content: object) -> Event:
    event = _object(content, "history")
    return Event(
        created=_text(event, "created"),
        created_by=_text(event, "created_by"),
        author=_text(event, "author"),
        comment=_text(event, "comment"),
        empty_layer=event.get("empty_layer") is True,
    )


def _rendered_config(config: ImageConfig) -> dict[str, object]:
    check = config.health_check
    health = check and {
        "Test": list(check.test),
        **{key: getattr(check, name) for name, key in _HEALTH_TIMES if getattr(check, name)},
    }
    content: dict[str, object] = {
        "Env": list(config.env),
        "Cmd": None if config.cmd is None else list(config.cmd),
        "Entrypoint": None if config.entrypoint is None else list(config.entrypoint),
        "WorkingDir": config.working_dir,
        "User": config.user,
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "Volumes": {path: {} for path in config.volumes},
        "Labels": dict(config.labels),
        "StopSignal": config.stop_signal,
        "Shell": None if config.shell is None else list(config.shell),
        "OnBuild": list(config.on_build),
        "Healthcheck": health,
    }
    tells_null_from_empty = ("Cmd", "Entrypoint", "Shell")
    return {
        key: value
        for key, value in content.items()
        if value or (key in tells_null_from_empty and value is not None)
    }


def _rendered_event(event: Event) -> dict[str, object]:
    content = {
        "created": event.created,
        "author": event.author,
        "created_by": event.created_by,
        "comment": event.comment,
        "empty_layer": event.empty_layer,
    }
    return {key: value for key, value in content.items() if value}


def _object(value: object, name: str) -> Mapping[str, object]:
    return _typed(value, dict, name, dict)


def _list(value: object, name: str) -> Sequence[object]:
    return _typed(value, list, name, list)


def _typed(value: object, kind: type[T], name: str, default: Callable[[], T]) -> T:
    if value is None:
        return default()
    if not isinstance(value, kind):
        raise ValueError(f"{name} is not a JSON {kind.__name__}")
    return value


def _text(content: Mapping[str, object], key: str) -> str:
    return _typed(content.get(key), str, key, str)


def _texts(value: object, name: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    items = _list(value, name)
    if not all(isinstance(item, str) for item in items):
        raise ValueError(f"{name} holds something else than texts")
    return tuple(str(item) for item in items)

"""Dockerfile instructions that `commit` and `import` apply to an image's configuration."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace

from fairlead.model.container import Config
from fairlead.model.errors import InvalidParameter
from fairlead.model.image import ImageConfig


def apply_changes(config: ImageConfig, changes: Sequence[str]) -> ImageConfig:
    """The configuration after the instructions: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER and so on.

    Raises InvalidParameter for any that says nothing about a configuration.
    """
    for change in changes:
        word, _, rest = change.strip().partition(" ")
        config = _apply(config, word.upper(), rest.strip())
    return config


def _apply(config: ImageConfig, word: str, rest: str) -> ImageConfig:
    match word:
        case "CMD":
            return replace(config, cmd=_command(rest))
        case "ENTRYPOINT":
            return replace(config, entrypoint=_command(rest))
        case "ENV":
            added = _pairs(rest)
            kept = tuple(text for text in config.env if text.partition("=")[0] not in added)
            return replace(config, env=(*kept, *(f"{name}={value}" for name, value in added.items())))
        case "EXPOSE":
            ports = tuple(port if "/" in port else f"{port}/tcp" for port in rest.split())
            return replace(config, exposed_ports=tuple(dict.fromkeys((*config.exposed_ports, *ports))))
        case "LABEL":
            return replace(config, labels={**config.labels, **_pairs(rest)})
        case "USER":
            return replace(config, user=rest)
        case "WORKDIR":
            return replace(config, working_dir=rest)
        case "VOLUME":
            volumes = _command(rest) if rest.startswith("[") else tuple(rest.split())
            return replace(config, volumes=tuple(dict.fromkeys((*config.volumes, *volumes))))
        case "STOPSIGNAL":
            return replace(config, stop_signal=rest)
        case "ONBUILD":
            return replace(config, on_build=(*config.on_build, rest))
    raise InvalidParameter(f"{word.lower()} is not a valid change command")


def _command(text: str) -> tuple[str, ...]:
    """A command in exec form (a JSON array) or in shell form."""
    try:
        words = json.loads(text)
        if isinstance(words, list) and all(isinstance(each, str) for each in words):
            return tuple(words)
    except ValueError:
        pass
    return ("/bin/sh", "-c", text)


def _pairs(text: str) -> dict[str, str]:
    if "=" not in text.split(" ", 1)[0]:
        name, _, value = text.partition(" ")
        return {name: value.strip()}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidParameter(f"cannot read the change {text!r}: {error}") from error
    return {word.partition("=")[0]: word.partition("=")[2] for word in words}


def image_config(config: Config) -> ImageConfig:
    """What an image made of a container inherits from its configuration."""
    return ImageConfig(
        env=config.env,
        cmd=config.cmd,
        entrypoint=config.entrypoint,
        working_dir=config.working_dir,
        user=config.user,
        exposed_ports=config.exposed_ports,
        volumes=config.volumes or (),
        labels=config.labels,
        stop_signal=config.stop_signal,
        shell=config.shell,
        on_build=config.on_build or (),
        health_check=config.health_check,
    )

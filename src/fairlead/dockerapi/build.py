"""The parameters of POST /build, parsed."""

import json
import re
from collections.abc import Mapping, Sequence

from fairlead.dockerapi.kinds import as_object
from fairlead.dockerapi.platform import fits, parse_platform
from fairlead.dockerapi.reference import parse_reference
from fairlead.model.build import BuildRequest
from fairlead.model.errors import InvalidParameter, Unsupported
from fairlead.model.image import Credentials

_FALSE = frozenset({"", "0", "no", "false", "none"})
_NUMBERS = {
    "memory": "memory",
    "memswap": "memory-swap",
    "cpushares": "cpu-shares",
    "cpuperiod": "cpu-period",
    "cpuquota": "cpu-quota",
    "shmsize": "shm-size",
}
_TEXTS = {"cpusetcpus": "cpuset-cpus", "cpusetmems": "cpuset-mems"}


def parse_build(
    values: Mapping[str, str],
    tags: Sequence[str],
    extra_hosts: Sequence[str],
    credentials: Mapping[str, Credentials],
    architecture: str,
) -> BuildRequest:
    """What a query asks for; `architecture` is this machine's.  InvalidParameter and Unsupported.

    `tags` and `extra_hosts` are those parameters that may come several times.
    """
    _refuse(values, architecture)
    dockerfile = values.get("dockerfile") or "Dockerfile"
    return BuildRequest(
        dockerfile=dockerfile,
        tags=tuple(_tag(text) for text in tags if text),
        arguments=_map(values, "buildargs"),
        target=values.get("target", ""),
        no_cache=_truth(values, "nocache"),
        pull=_truth(values, "pull"),
        labels=_map(values, "labels"),
        quiet=_truth(values, "q"),
        network_mode=values.get("networkmode") or "default",
        extra_hosts=tuple(host for text in extra_hosts for host in _hosts(text)),
        cache_from=_names(values, "cachefrom"),
        limits=_limits(values),
        ulimits=_ulimits(values),
        credentials=credentials,
    )


def _refuse(values: Mapping[str, str], architecture: str) -> None:
    if values.get("version") == "2":
        raise Unsupported(
            "cannot build with BuildKit: this engine has the classic builder, DOCKER_BUILDKIT=0"
        )
    if _truth(values, "squash"):
        raise InvalidParameter("squash is only supported with experimental mode")
    if remote := values.get("remote"):
        raise Unsupported(f"cannot build from {remote}: this engine takes the context from the client only")
    if values.get("outputs", "") not in ("", "[]", "null"):
        raise InvalidParameter('The parameter "outputs" is only supported with BuildKit')
    platform = values.get("platform", "")
    if platform and not fits(parse_platform(platform), architecture, "linux"):
        raise InvalidParameter(
            f"cannot build for the platform {platform}: this engine builds for linux/{architecture}"
        )


def _tag(text: str) -> str:
    reference = parse_reference(text)
    if reference.digest:
        raise InvalidParameter("build tag cannot contain a digest")
    return reference.with_default_tag().familiar


def _truth(values: Mapping[str, str], name: str) -> bool:
    return values.get(name, "").strip().lower() not in _FALSE


def _map(values: Mapping[str, str], name: str) -> Mapping[str, str]:
    """A JSON object of texts; a value null says that there is none, as an unset variable of the client."""
    given = _json(values, name)
    pairs = {} if given is None else as_object(given, name)
    for key, value in pairs.items():
        if value is not None and not isinstance(value, str):
            raise InvalidParameter(f"invalid JSON: {name}.{key} must be a string")
        if not key or "=" in key or "\0" in f"{key}{value}":
            raise InvalidParameter(f"invalid name or value in {name}: {key!r}")
    return {key: str(value) for key, value in pairs.items() if value is not None}


def _names(values: Mapping[str, str], name: str) -> tuple[str, ...]:
    """A JSON list of texts."""
    given = _json(values, name)
    if not isinstance(given, list | None) or not all(isinstance(each, str) for each in given or ()):
        raise InvalidParameter(f"invalid JSON: {name} must be an array of strings")
    return tuple(given or ())


def _json(values: Mapping[str, str], name: str) -> object:
    text = values.get(name, "")
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError) as error:
        raise InvalidParameter(f"invalid JSON in {name}: {error}") from error


def _hosts(text: str) -> tuple[str, ...]:
    """A JSON list, or texts with commas between them, of NAME:ADDRESS."""
    given = _json({"extrahosts": text}, "extrahosts") if text.startswith("[") else text.split(",")
    hosts = [each for each in given if each] if isinstance(given, list) else []
    for each in hosts:
        if not isinstance(each, str) or not re.fullmatch(r"[^\s:=]+[:=][^\s]+", each):
            raise InvalidParameter(f'invalid extra host: "{each}"')
    return tuple(hosts)


def _limits(values: Mapping[str, str]) -> Mapping[str, int | str]:
    limits: dict[str, int | str] = {}
    for name, option in _NUMBERS.items():
        text = values.get(name) or "0"
        if re.fullmatch(r"-?[0-9]{1,18}", text) is None:
            raise InvalidParameter(f"invalid value {text!r} for {name}: it must be a whole number")
        if int(text):
            limits[option] = int(text)
    for name, option in _TEXTS.items():
        if text := values.get(name, ""):
            if re.fullmatch(r"[0-9][0-9,-]*", text) is None:
                raise InvalidParameter(f"invalid value {text!r} for {name}: it must be a list of numbers")
            limits[option] = text
    return limits


def _ulimits(values: Mapping[str, str]) -> tuple[tuple[str, int, int], ...]:
    given = _json(values, "ulimits")
    if given is None:
        return ()
    if not isinstance(given, list):
        raise InvalidParameter("invalid JSON: ulimits must be an array")
    found = []
    for each in given:
        entry = as_object(each, "ulimits")
        name, soft, hard = entry.get("Name"), entry.get("Soft"), entry.get("Hard")
        if not (isinstance(name, str) and isinstance(soft, int) and isinstance(hard, int)):
            raise InvalidParameter("invalid JSON: ulimits must have a Name, a Soft and a Hard limit")
        found.append((name, soft, hard))
    return tuple(found)

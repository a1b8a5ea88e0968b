"""What `docker logs --details` shows before each line: what the log options name of the container.

Source: Docker's `loginfo.go` (which labels and variables), `loggerutils/log_tag.go` (the tag) and
`write_log_stream.go` (how they are written).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote_plus

from fairlead.model.container import Container

_SHORT = 12  # digits of an id
_VARIABLE = re.compile(r"\{\{\s*\.(\w+)\s*\}\}")


def log_details(container: Container) -> bytes:
    """The attributes as `KEY=VALUE,KEY=VALUE` by key, and a space, which is there without any as well."""
    options = container.host_config.log_config.options
    variables = dict(text.split("=", 1) for text in container.config.env if "=" in text)
    attributes: dict[str, str] = {}
    for name, values in (("labels", container.config.labels), ("env", variables)):
        attributes |= _listed(options.get(name, ""), values)
        attributes |= _matching(options.get(f"{name}-regex", ""), values)
    if tag := _tag(options.get("tag", ""), container):
        attributes["tag"] = tag
    pairs = (f"{quote_plus(key)}={quote_plus(value)}" for key, value in sorted(attributes.items()))
    return ",".join(pairs).encode() + b" "


def _listed(names: str, values: Mapping[str, str]) -> dict[str, str]:
    return _chosen(values, names.split(",").__contains__)


def _matching(pattern: str, values: Mapping[str, str]) -> dict[str, str]:
    try:
        found = re.compile(pattern).search
    except re.error:
        return {}
    return _chosen(values, lambda key: bool(pattern) and found(key) is not None)


def _chosen(values: Mapping[str, str], wanted: Callable[[str], bool]) -> dict[str, str]:
    keys: Iterable[str] = (key for key in values if wanted(key))
    return {key: values[key] for key in keys}


def _tag(template: str, container: Container) -> str:
    """The tag; of Docker's templates the plain variables are known."""
    image = f"sha256:{container.image_id}"
    known = {
        "ID": container.id[:_SHORT],
        "FullID": container.id,
        "Name": container.name,
        "ImageID": image[:_SHORT],
        "ImageFullID": image,
        "ImageName": container.config.image,
        "DaemonName": "docker",
    }
    return _VARIABLE.sub(lambda match: known.get(match[1], match[0]), template)

"""What `-v`, `--mount` and `--device` mean."""

import glob
import os
import posixpath
import re
from collections.abc import Sequence
from typing import Any

from fairlead.cli.checks import csv_fields
from fairlead.cli.kinds import BOOL
from fairlead.cli.problems import Invalid
from fairlead.cli.units import parse_bytes


def binds_and_volumes(texts: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """`-v` with a source, as the daemon reads it, and the directories that get a volume without a name.

    A relative path on the host is one of the client's, so it is made whole here.
    """
    binds: list[str] = []
    volumes: dict[str, Any] = {}
    for text in texts:
        source, separator, rest = text.partition(":")
        if not separator:
            volumes[text] = {}
        elif source.startswith("."):
            binds.append(f"{os.path.abspath(source)}:{rest}")
        else:
            binds.append(text)
    return binds, volumes


def _flag(text: str, name: str) -> bool:
    try:
        return bool(BOOL.read(text))
    except Invalid:
        raise Invalid(f"invalid value for {name}: {text}") from None


class _Mount:
    """One `--mount`, field by field."""

    def __init__(self) -> None:
        self.plain: dict[str, Any] = {"Type": "volume"}
        self.bind: dict[str, Any] = {}
        self.volume: dict[str, Any] = {}
        self.driver: dict[str, Any] = {}
        self.tmpfs: dict[str, Any] = {}
        self.image: dict[str, Any] = {}

    def take(self, word: str) -> None:
        name, separator, value = word.partition("=")
        name = name.lower()
        if not separator:
            if name in ("readonly", "ro", "volume-nocopy", "bind-nonrecursive"):
                value = "true"
            else:
                raise Invalid(f"invalid field '{word}' must be a key=value pair")
        taker = _FIELDS.get(name)
        if taker is None:
            raise Invalid(f"unexpected key '{name}' in '{word}'")
        taker(self, name, value)

    def document(self) -> dict[str, Any]:
        if self.driver:
            self.volume["DriverConfig"] = self.driver
        kind = self.plain["Type"]
        if not kind:
            raise Invalid("type is required")
        if not self.plain.get("Target"):
            raise Invalid("target is required")
        for wanted, options in (("volume", self.volume), ("bind", self.bind), ("tmpfs", self.tmpfs)):
            if options and kind != wanted:
                raise Invalid(f"cannot mix '{wanted}-*' options with mount type '{kind}'")
        further = {
            "BindOptions": self.bind,
            "VolumeOptions": self.volume,
            "TmpfsOptions": self.tmpfs,
            "ImageOptions": self.image,
        }
        return {**self.plain, **{name: options for name, options in further.items() if options}}

    def put_source(self, _: str, value: str) -> None:
        if value.startswith("."):
            value = os.path.abspath(value)
        self.plain["Source"] = value

    def put_read_only(self, name: str, value: str) -> None:
        if _flag(value, name):
            self.plain["ReadOnly"] = True

    def put_non_recursive(self, name: str, value: str) -> None:
        if _flag(value, name):
            self.bind["NonRecursive"] = True

    def put_recursive(self, _: str, value: str) -> None:
        forms = {
            "enabled": {},
            "disabled": {"NonRecursive": True},
            "writable": {"ReadOnlyNonRecursive": True},
            "readonly": {"ReadOnlyForceRecursive": True},
        }
        if value not in forms:
            known = '"enabled", "disabled", "writable", or "readonly"'
            raise Invalid(f"invalid value for bind-recursive: {value} (must be {known})")
        self.bind.update(forms[value])

    def put_no_copy(self, name: str, value: str) -> None:
        self.volume["NoCopy"] = _flag(value, name)

    def put_label(self, _: str, value: str) -> None:
        label, _, text = value.partition("=")
        self.volume.setdefault("Labels", {})[label] = text

    def put_option(self, _: str, value: str) -> None:
        option, _, text = value.partition("=")
        self.driver.setdefault("Options", {})[option] = text

    def put_size(self, name: str, value: str) -> None:
        try:
            self.tmpfs["SizeBytes"] = parse_bytes(value)
        except Invalid:
            raise Invalid(f"invalid value for {name}: {value}") from None

    def put_mode(self, name: str, value: str) -> None:
        if not re.fullmatch(r"[0-7]+", value):
            raise Invalid(f"invalid value for {name}: {value}")
        self.tmpfs["Mode"] = int(value, 8)


_FIELDS: dict[str, Any] = {
    "type": lambda mount, _, value: mount.plain.__setitem__("Type", value.lower()),
    **dict.fromkeys(("source", "src"), _Mount.put_source),
    **dict.fromkeys(
        ("target", "dst", "destination"), lambda mount, _, value: mount.plain.__setitem__("Target", value)
    ),
    **dict.fromkeys(("readonly", "ro"), _Mount.put_read_only),
    "consistency": lambda mount, _, value: mount.plain.__setitem__("Consistency", value.lower()),
    "bind-propagation": lambda mount, _, value: mount.bind.__setitem__("Propagation", value.lower()),
    "bind-nonrecursive": _Mount.put_non_recursive,
    "bind-recursive": _Mount.put_recursive,
    "volume-subpath": lambda mount, _, value: mount.volume.__setitem__("Subpath", value),
    "image-subpath": lambda mount, _, value: mount.image.__setitem__("Subpath", value),
    "volume-nocopy": _Mount.put_no_copy,
    "volume-label": _Mount.put_label,
    "volume-driver": lambda mount, _, value: mount.driver.__setitem__("Name", value),
    "volume-opt": _Mount.put_option,
    "tmpfs-size": _Mount.put_size,
    "tmpfs-mode": _Mount.put_mode,
}


def mount(text: str) -> dict[str, Any]:
    """One `--mount`, such as `type=bind,source=/srv,target=/data,readonly`.  Raises Invalid."""
    found = _Mount()
    for word in csv_fields(text):
        found.take(word)
    return found.document()


def _is_mode(text: str) -> bool:
    return bool(text) and len(set(text)) == len(text) and set(text) <= set("rwm")


def devices(text: str) -> list[dict[str, str]]:
    """The mappings of one `--device`: `/dev/x`, `/dev/x:/dev/y`, `/dev/x:rw`, `/dev/x:/dev/y:r`, `/dev/*`."""
    parts = text.split(":")
    if len(parts) > 3 or not parts[0]:
        raise Invalid(f"bad format for path: {text}")
    if len(parts) == 3 and not _is_mode(parts[2]):
        raise Invalid(f"bad mode specified: {parts[2]}")
    host, inside, permissions = parts[0], "", "rwm"
    if len(parts) == 3:
        inside, permissions = parts[1:]
    elif len(parts) == 2:
        inside, permissions = ("", parts[1]) if _is_mode(parts[1]) else (parts[1], "rwm")
    checked = inside or host
    if not checked.startswith("/"):
        raise Invalid(f"{checked} is not an absolute path")
    if host.endswith("*"):
        if inside:
            raise Invalid(f"device with * suffix can't have dst: {text}")
        return [_device(path, path, permissions) for path in sorted(glob.glob(host))]
    if not inside:
        host = posixpath.normpath(host)
    return [_device(host, posixpath.normpath(inside) if inside else host, permissions)]


def _device(host: str, inside: str, permissions: str) -> dict[str, str]:
    return {"PathOnHost": host, "PathInContainer": inside, "CgroupPermissions": permissions}

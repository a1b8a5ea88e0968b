"""Docker's `HostConfig.Mounts`: one flat value here, options by type in their own objects there."""

from fairlead.dockerapi.kinds import (
    BOOLEAN,
    INTEGER,
    TEXT,
    TEXT_MAP,
    Field,
    Kind,
    as_object,
    list_of,
    member,
    object_schema,
    optional,
    parse_fields,
    render_fields,
)
from fairlead.dockerapi.version import OLDEST
from fairlead.model.container import Mount
from fairlead.model.errors import InvalidParameter, Unsupported

_MOUNT = (
    Field("Type", "type", TEXT),
    optional("Source", "source", TEXT),
    Field("Target", "target", TEXT),
    optional("ReadOnly", "read_only", BOOLEAN),
    optional("Consistency", "consistency", TEXT),
)
_DRIVER = (optional("Name", "driver_name", TEXT), optional("Options", "driver_options", TEXT_MAP))
# Which object holds which options, and the type of mount that it belongs to.
_OPTIONS = {
    "bind": (
        "BindOptions",
        (
            optional("Propagation", "propagation", TEXT),
            optional("NonRecursive", "non_recursive", BOOLEAN),
            optional("CreateMountpoint", "create_mountpoint", BOOLEAN),
        ),
    ),
    "volume": (
        "VolumeOptions",
        (optional("NoCopy", "no_copy", BOOLEAN), optional("Labels", "labels", TEXT_MAP)),
    ),
    "tmpfs": (
        "TmpfsOptions",
        (optional("SizeBytes", "tmpfs_size", INTEGER), optional("Mode", "tmpfs_mode", INTEGER)),
    ),
}


def _refuse(kind: str, why: str) -> InvalidParameter:
    return InvalidParameter(f'invalid mount config for type "{kind}": {why}')


def _parse(value: object, where: str) -> Mount:
    document = as_object(value, where)
    values = parse_fields(_MOUNT, document, where)
    kind = values["type"]
    if kind not in _OPTIONS:
        raise _refuse(kind, "mount type unknown")
    for owner, (name, options) in _OPTIONS.items():
        given = member(document, name)
        if given is not None and owner != kind:
            raise _refuse(kind, f"field {name} must not be specified")
        if owner == kind:
            values |= parse_fields(options, given, f"{where}.{name}")
    volume = as_object(member(document, "VolumeOptions"), where)
    values |= parse_fields(_DRIVER, member(volume, "DriverConfig"), f"{where}.VolumeOptions.DriverConfig")
    if member(volume, "Subpath"):
        raise Unsupported("cannot mount a subpath of a volume: this engine mounts whole volumes")
    mount = Mount(**values)
    _check(mount)
    return mount


def _check(mount: Mount) -> None:
    """What can be seen without the host (Docker's `validateMountConfig`)."""
    if not mount.target:
        raise _refuse(mount.type, "field Target must not be empty")
    if not mount.target.startswith("/"):
        raise _refuse(mount.type, f"invalid mount path: '{mount.target}' mount path must be absolute")
    if not mount.target.strip("/"):
        raise _refuse(mount.type, "invalid specification: destination can't be '/'")
    if mount.type == "bind" and not mount.source:
        raise _refuse("bind", "field Source must not be empty")
    if mount.type == "bind" and not mount.source.startswith("/"):
        raise _refuse("bind", f"invalid mount path: '{mount.source}' mount path must be absolute")
    if mount.type == "tmpfs" and mount.source:
        raise _refuse("tmpfs", "field Source must not be specified")
    if mount.tmpfs_size < 0:
        raise _refuse("tmpfs", "field SizeBytes must not be negative")


def _render(mount: Mount) -> object:
    document = render_fields(_MOUNT, mount, OLDEST)
    name, options = _OPTIONS[mount.type]
    inner = render_fields(options, mount, OLDEST)
    driver = render_fields(_DRIVER, mount, OLDEST)
    if driver:
        inner["DriverConfig"] = driver
    if inner:
        document[name] = inner
    return document


_DRIVER_CONFIG = {"DriverConfig": object_schema(_DRIVER), "Subpath": TEXT.schema}
_SCHEMA = object_schema(
    _MOUNT,
    {
        name: object_schema(options, _DRIVER_CONFIG if owner == "volume" else None)
        for owner, (name, options) in _OPTIONS.items()
    },
)
MOUNTS: Kind[tuple[Mount, ...]] = list_of(Kind(_parse, _render, Mount("volume", "", ""), _SCHEMA))

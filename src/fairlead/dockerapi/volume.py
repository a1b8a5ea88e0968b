"""Volumes: the request body, and what inspect and list show."""

from collections.abc import Iterable

from fairlead.dockerapi.kinds import TEXT, TEXT_MAP, Field, object_schema, parse_fields
from fairlead.dockerapi.times import rfc3339_seconds
from fairlead.model.commands import CreateVolume
from fairlead.model.container import Volume

_CREATE = (
    Field("Name", "name", TEXT),
    Field("Driver", "driver", TEXT),
    Field("DriverOpts", "options", TEXT_MAP),
    Field("Labels", "labels", TEXT_MAP),
)
CREATE_SCHEMA = object_schema(_CREATE)


def parse_create(document: object) -> CreateVolume:
    """The body of `POST /volumes/create`."""
    values = parse_fields(_CREATE, document)
    values["driver"] = values["driver"] or "local"
    return CreateVolume(**values)


def render_volume(volume: Volume) -> dict[str, object]:
    """The answer of inspect."""
    return {
        "CreatedAt": rfc3339_seconds(volume.created),
        "Driver": volume.driver,
        "Labels": dict(volume.labels) or None,
        "Mountpoint": volume.mountpoint,
        "Name": volume.name,
        "Options": dict(volume.options) or None,
        "Scope": "local",
    }


def render_list(volumes: Iterable[Volume]) -> dict[str, object]:
    """The answer of `GET /volumes`."""
    return {"Volumes": [render_volume(volume) for volume in volumes], "Warnings": None}

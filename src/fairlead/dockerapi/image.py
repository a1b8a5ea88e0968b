"""What Docker shows of images."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from fairlead.dockerapi.fields import render_config
from fairlead.dockerapi.times import SECOND, parse_moment
from fairlead.dockerapi.version import Version
from fairlead.model.container import Config
from fairlead.model.errors import InvalidParameter
from fairlead.model.image import Distribution, HistoryEntry, Image, ImageConfig
from fairlead.model.views import ImageView

_NO_PLACEHOLDERS = Version(1, 43)
_NO_VIRTUAL_SIZE = Version(1, 44)


def created_seconds(image: Image) -> int:
    """When it was made, in seconds since the epoch; 0 if it does not say."""
    try:
        return parse_moment(image.created, 0) // SECOND if image.created else 0
    except InvalidParameter:
        return 0


def layers_size(images: Iterable[Image]) -> int:
    """Bytes of all their layers, those of several images counted once."""
    sizes: dict[str, int] = {}
    for image in images:
        sizes |= image.layer_sizes
    return sum(sizes.values())


def shared_sizes(images: Collection[Image]) -> dict[str, int]:
    """Bytes of an image's layers that other images have as well, by the image's id."""
    owners = Counter(layer for image in images for layer in image.layer_sizes)
    return {
        image.id: sum(size for layer, size in image.layer_sizes.items() if owners[layer] > 1)
        for image in images
    }


def render_summary(
    view: ImageView, version: Version, count: bool = False, shared: int = -1
) -> dict[str, object]:
    """One entry of the list; `count` tells how many containers use it, as `system df` does.

    `shared` is the image's part of `shared_sizes`, -1 when nobody asked.
    """
    image = view.image
    tags: list[str] | None = list(image.tags)
    digests: list[str] | None = list(image.digests)
    if version < _NO_PLACEHOLDERS:
        # Up to here Docker says null for "none of these", and two placeholders for "no name at all".
        if not tags:
            tags, digests = ["<none>:<none>"], digests or ["<none>@<none>"]
        digests = digests or None
    document: dict[str, object] = {
        "Containers": view.containers if count else -1,
        "Created": created_seconds(image),
        "Id": f"sha256:{image.id}",
        "Labels": dict(image.config.labels) or None,
        "ParentId": image.parent and _prefixed(image.parent),
        "RepoDigests": digests,
        "RepoTags": tags,
        "SharedSize": shared,
        "Size": image.size,
    }
    if version < _NO_VIRTUAL_SIZE:
        document["VirtualSize"] = image.size
    return document


def render_inspect(image: Image, version: Version) -> dict[str, object]:
    """The answer of `GET /images/{name}/json`."""
    document: dict[str, object] = {
        "Id": f"sha256:{image.id}",
        "RepoTags": list(image.tags),
        "RepoDigests": list(image.digests),
        "Parent": image.parent and _prefixed(image.parent),
        "Comment": image.comment,
        "Created": image.created,
    }
    origin = image.origin
    # Gone from API 1.45 on; docker-compose 1.29 speaks the newest version and cannot do without.
    made_of = _config(ImageConfig(cmd=origin.command if origin else None), version)
    document |= {
        "Container": origin.container_id if origin else "",
        "ContainerConfig": made_of | ({"Image": origin.image} if origin else {}),
        "DockerVersion": image.docker_version,
        "Author": image.author,
        "Config": _config(image.config, version),
        "Architecture": image.architecture,
        "Os": image.os,
        "Size": image.size,
    }
    if version < _NO_VIRTUAL_SIZE:
        document["VirtualSize"] = image.size
    return document | {
        "GraphDriver": {"Data": None, "Name": "overlay2"},
        "RootFS": {"Type": "layers", "Layers": list(image.layers)},
        "Metadata": {"LastTagTime": "0001-01-01T00:00:00Z"},
    }


def _prefixed(identity: str) -> str:
    return identity if identity.startswith("sha256:") else f"sha256:{identity}"


def _config(config: ImageConfig, version: Version) -> dict[str, object]:
    """An image's configuration in the form of a container's, null where it says nothing."""
    document = render_config(
        Config(
            env=config.env,
            cmd=config.cmd,
            entrypoint=config.entrypoint,
            working_dir=config.working_dir,
            user=config.user,
            exposed_ports=config.exposed_ports,
            volumes=config.volumes or None,
            labels=config.labels,
            stop_signal=config.stop_signal,
            shell=config.shell,
            on_build=config.on_build or None,
            health_check=config.health_check,
        ),
        version,
    )
    return document | {"Env": document["Env"] or None, "Labels": document["Labels"] or None}


def render_history(entries: Iterable[HistoryEntry]) -> list[dict[str, object]]:
    """The answer of `GET /images/{name}/history`."""
    return [
        {
            "Comment": entry.comment,
            "Created": entry.created,
            "CreatedBy": entry.created_by,
            "Id": _prefixed(entry.id) if len(entry.id) == 64 else entry.id or "<missing>",
            "Size": entry.size,
            "Tags": list(entry.tags) or None,
        }
        for entry in entries
    ]


def render_distribution(found: Distribution) -> dict[str, object]:
    """What a registry has under a reference; of a platform what is known of it."""
    platforms = [
        {
            "architecture": each.architecture,
            "os": each.os,
            **({"os.version": each.os_version} if each.os_version else {}),
            **({"os.features": list(each.os_features)} if each.os_features else {}),
            **({"variant": each.variant} if each.variant else {}),
        }
        for each in found.platforms
    ]
    descriptor = {"mediaType": found.media_type, "digest": found.digest, "size": found.size}
    return {"Descriptor": descriptor, "Platforms": platforms}


def render_removed(steps: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """What a removal did: [{"Untagged": "busybox:latest"}, {"Deleted": "sha256:..."}]."""
    return [{what: text} for what, text in steps]


def intermediate(views: Iterable[ImageView]) -> frozenset[str]:
    """The ids of images without a name that others are made of: the steps of builds."""
    images = [view.image for view in views]
    parents = {image.parent for image in images if image.parent}
    return frozenset(image.id for image in images if image.id in parents and not image.tags)

"""The document of `GET /fairlead/overlay`, in the manner of Docker's."""

from fairlead.model.cluster import Member
from fairlead.model.overlay import OverlayNetwork, OverlayStatus, Path


def render_status(status: OverlayStatus) -> dict[str, object]:
    """How a host's part of its cluster stands."""
    return {
        "Store": status.store,
        "Away": status.away,
        "Sound": status.sound,
        "Self": _member(status.own),
        "Others": [_member(each) for each in status.others],
        "Networks": [_network(each) for each in status.networks],
    }


def _member(member: Member) -> dict[str, object]:
    return {
        "ID": member.id,
        "Name": member.name,
        "Vtep": str(member.vtep),
        "Advertised": member.advertised,
        "Generation": member.generation,
    }


def _network(network: OverlayNetwork) -> dict[str, object]:
    return {
        "ID": network.id,
        "Name": network.name,
        "Vni": network.vni,
        "Present": network.present,
        "Here": network.here,
        "Elsewhere": network.elsewhere,
        "Paths": [_path(each) for each in network.paths],
        "Wrong": None if network.wrong is None else list(network.wrong),
    }


def _path(path: Path) -> dict[str, object]:
    return {"Name": path.member.name, "Vtep": str(path.member.vtep), "Answers": path.answers}

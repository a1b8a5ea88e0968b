"""How a host's part of a cluster stands: what `fairlead overlay` shows."""

from dataclasses import dataclass

from fairlead.model.cluster import Member


@dataclass(frozen=True, slots=True)
class Path:
    """Whether a container of another host answered one of this host's; None: nobody was asked."""

    member: Member
    answers: bool | None = None


@dataclass(frozen=True, slots=True)
class OverlayNetwork:
    """A global network as this host has it.

    `wrong` says in words what its kernel has otherwise than the store says; None: nobody has looked.
    """

    id: str
    name: str
    vni: int
    present: bool  # in this host's kernel, since containers of this host are on it
    here: int  # endpoints of this host
    elsewhere: int
    paths: tuple[Path, ...] = ()
    wrong: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class OverlayStatus:
    """The store, this host, the others, and the networks that they share."""

    store: str
    away: str  # why the store cannot be used now, "" if it can
    own: Member
    others: tuple[Member, ...]
    networks: tuple[OverlayNetwork, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing that was looked at is wrong."""
        wrong = any(network.wrong for network in self.networks)
        silent = any(path.answers is False for network in self.networks for path in network.paths)
        return not (self.away or wrong or silent)

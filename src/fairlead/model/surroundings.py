"""What the host around the engine says and containers follow while they run."""

from dataclasses import dataclass

USUAL_MTU = 1500  # of a host without a way out


@dataclass(frozen=True, slots=True)
class NeighbourTable:
    """How many neighbours the kernel has room for, and how often that was not enough since it started."""

    limit: int = 0
    full: int = 0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was last read of the host: a change of it is a reason to converge again.

    `uplink_mtu` is the MTU of the link that leads out of the host, `name_servers` are the
    addresses that its own programs ask.
    """

    uplink_mtu: int = USUAL_MTU
    name_servers: tuple[str, ...] = ()

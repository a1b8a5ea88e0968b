"""The host: what can be changed on it, and what is read of it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from fairlead.model.addresses import Address, Interface, Subnet
from fairlead.model.audit import Holding
from fairlead.model.host import Key, State, Step
from fairlead.model.records import RecordChange, Records
from fairlead.model.surroundings import NeighbourTable
from fairlead.model.views import HostFacts


class Actuator(Protocol):
    """A part of the host that can be looked at and changed, entry by entry.

    The kernel's links, the firewall, the port holder and the resolver are four of these.
    """

    handles: tuple[type[Key], ...]

    async def observe(self, keys: Collection[Key]) -> State:
        """What is really there under exactly these keys: every key is in the answer, absent ones as None."""
        ...

    async def everything(self) -> State:
        """All of this engine's that is there, asked for or not, as far as it can be told from others'."""
        ...

    async def perform(self, steps: Sequence[Step]) -> None:
        """Carry out the steps in their order, as one conversation or transaction where possible.

        Raises StepFailed (or its kin PortTaken) with the number of steps already done; those
        are undone by the caller.  A step whose `after` already holds is done, not an error.
        """
        ...


class Sight(Protocol):
    """Tells cheaply where a look at the host is worth its while."""

    async def fingerprints(self, namespaces: Collection[str]) -> Mapping[tuple[str, str], int]:
        """A number for each link, by namespace and name, and one for each namespace, named "".

        It is another one when the link, its addresses or its routes have been changed, and the same
        otherwise.  What is not there has none.
        """
        ...

    def rules(self) -> int | None:
        """A number for the firewall's rules that only changes of others make another one.

        None where that cannot be told.
        """
        ...


class RecordStore(Protocol):
    """Records on disk."""

    async def load(self) -> Records:
        """Everything stored.  A damaged store is set aside by the adapter, never an exception."""
        ...

    async def commit(self, changes: Sequence[RecordChange]) -> None:
        """Write all the changes or none, durable when this returns.

        Changes that do not outlive the power (model.records.outlives_power) may be lost with it.
        """
        ...


class Clock(Protocol):
    """Time and chance."""

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        ...

    def chance(self, count: int) -> bytes:
        """That many random bytes."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Machine(Protocol):
    """What the engine reads of its host, and the files that it keeps for containers."""

    async def routes(self) -> Sequence[Subnet]:
        """Every destination that the host has a route to, default routes left out."""
        ...

    async def addresses(self) -> Sequence[Address]:
        """The host's own addresses."""
        ...

    async def link_addresses(self, link: str) -> Sequence[Interface]:
        """The addresses of one of the host's links, in the kernel's order, link-local ones left out."""
        ...

    async def forwarding(self) -> bool:
        """Whether IPv4 forwarding is on."""
        ...

    async def resolv_conf(self) -> str:
        """The text of the host's /etc/resolv.conf, "" if there is none."""
        ...

    async def resolved_conf(self) -> str:
        """The text of the resolv.conf that systemd-resolved writes for others, "" if there is none."""
        ...

    async def hosts_file(self) -> str:
        """The text of the host's /etc/hosts, "" if there is none."""
        ...

    async def uplink_mtu(self) -> int:
        """The MTU of the link that the default route uses, 1500 if there is none."""
        ...

    async def local_ports(self) -> range:
        """The ports that the host's own programs get when they name none; empty if it does not say."""
        ...

    async def neighbour_table(self) -> NeighbourTable:
        """The kernel's table of IPv4 neighbours, which all network namespaces share.  Failed."""
        ...

    async def facts(self) -> HostFacts:
        """Name, kernel, processors, memory and so on."""
        ...

    async def write_files(self, container_id: str, files: Mapping[str, str]) -> None:
        """Write files into the container's directory, in place, so that bind mounts show the change."""
        ...

    async def read_file(self, container_id: str, name: str) -> str:
        """The text of one of the container's files, "" if there is none that makes sense."""
        ...

    async def missing_files(self, container_id: str, names: Collection[str]) -> Collection[str]:
        """Those of the container's files that are not there, or empty."""
        ...

    async def remove_files(self, container_id: str) -> None:
        """Delete the container's directory."""
        ...

    def directory(self, container_id: str) -> str:
        """The container's directory."""
        ...

    async def make_volume(self, name: str) -> str:
        """Make the directory of a volume and tell its path; fine when it exists."""
        ...

    async def fill_volume(self, path: str, root: str, destination: str) -> None:
        """Copy what an image has at `destination` into an empty volume, with owner and mode."""
        ...

    async def mount_volume(self, path: str, options: Mapping[str, str]) -> None:
        """Mount a device at a volume's directory; fine when something is mounted there.

        `options` are Docker's of the local driver: type, device, o.  Failed in Docker's words.
        """

    async def unmount_volume(self, path: str) -> None:
        """Unmount whatever is mounted at a volume's directory; fine when nothing is."""

    async def remove_volume(self, name: str) -> None:
        """Delete the directory of a volume; fine when there is none."""
        ...

    async def ensure_directory(self, path: str) -> bool:
        """Make a directory with its parents; False if something else is there already."""
        ...

    async def exists(self, path: str) -> bool:
        """Whether there is something at a path of the host."""
        ...

    async def usage(self, path: str) -> int:
        """Bytes that a directory tree takes."""
        ...


class Probe(Protocol):
    """Asks whether somebody is there."""

    async def answering(
        self, namespace: str, addresses: Collection[Address], seconds: float
    ) -> frozenset[Address]:
        """Those of the IPv4 addresses that answer an echo request from a namespace in time."""
        ...


class Holdings(Protocol):
    """Tells what the engine has on its host beside the network."""

    async def look(self) -> Sequence[Holding]:
        """Directories, mounts, control groups and processes, whoever made them."""
        ...


FaultPoint = Callable[[str], None]
"""Called with a name between any two steps of an operation; tests arm one to kill the process there."""

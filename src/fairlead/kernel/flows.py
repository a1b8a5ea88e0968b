"""Tracked flows of the host: found by what the kernel filters, ended one by one.

The kernel walks through its whole table for every question, about 13 ms with its usual size; so
each question is asked once, many together, and only for what has to end.
"""

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import TypeVar

from fairlead.firewall.flows import Flow, Way, astray, belongs
from fairlead.kernel.netlink import ATTRIBUTE, HEADER, Conversation, Refused, Request
from fairlead.model.addresses import Address
from fairlead.model.errors import Failed, StepFailed
from fairlead.model.host import AddressFlowsKey, Key, PortFlowsKey, State, Step, Value

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")

NETLINK_NETFILTER = 12
GET, DELETE = 1 << 8 | 1, 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET and _DELETE
SUBSYSTEM_HEADER = 4  # struct nfgenmsg
NESTED, TYPE = 0x8000, 0x3FFF
# Attributes, from linux/netfilter/nfnetlink_conntrack.h.
THERE, BACK, IDENTITY, ZONE, FILTER = 1, 2, 12, 18, 25
ADDRESSES, PROTOCOL = 1, 2
SOURCES, DESTINATIONS = {4: 1, 6: 3}, {4: 2, 6: 4}
NUMBER, SOURCE_PORT, DESTINATION_PORT = 1, 2, 3
FILTER_THERE, FILTER_BACK = 1, 2
BY_SOURCE, BY_PROTOCOL, BY_DESTINATION_PORT = 1 << 0, 1 << 3, 1 << 5
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
PROTOCOLS = {socket.IPPROTO_TCP: "tcp", socket.IPPROTO_UDP: "udp", 132: "sctp"}
# What a kernel without the module for this says.
UNKNOWN = (errno.EPROTONOSUPPORT, errno.EINVAL, errno.EOPNOTSUPP)
MANY = 4  # ports; to ask for the flows of the whole protocol once is quicker then than for each


@dataclass(frozen=True, slots=True)
class Found:
    """A flow, and the attributes by which the kernel knows it."""

    flow: Flow
    name: bytes


class TrackedFlows:
    """The Actuator of flows, in the network namespace of this process; in a thread of its own."""

    handles: tuple[type[Key], ...] = (AddressFlowsKey, PortFlowsKey)

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="flows")

    async def observe(self, keys: Collection[Key]) -> State:
        """Whether there are flows of an address; whether all flows to a port lead where they should."""

        def look() -> State:
            state: dict[Key, Value | None] = {}
            ports: list[PortFlowsKey] = []
            for key in keys:
                if isinstance(key, PortFlowsKey):
                    ports.append(key)
                else:
                    state[key] = any(self._wrong(key)) or None
            astray = self._astray(ports)
            return state | {key: key not in astray or None for key in ports}

        return await self._in_thread(look)

    async def everything(self) -> State:
        """Nothing: flows belong to whoever sends."""
        return {}

    async def perform(self, steps: Sequence[Step]) -> None:
        """End the flows that the steps do not want.  Raises StepFailed with the number of steps done."""
        for done, step in enumerate(steps):
            unwanted = step.after is None if isinstance(step.key, AddressFlowsKey) else step.after is not None
            if not unwanted:
                continue
            try:
                await self._in_thread(lambda key=step.key: self._end(key))  # type: ignore[misc]
            except (Failed, OSError) as error:
                raise StepFailed(f"cannot end the flows of {step.key}: {error}", done) from error

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    async def _in_thread(self, job: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    # What follows runs in the thread.

    def _wrong(self, key: Key) -> Iterator[Found]:
        """The flows that have to end under a key."""
        with _conversation() as talk:
            if isinstance(key, AddressFlowsKey):
                for found in _ask(talk, key.address.version, _from(key.address, key.led)):
                    if belongs(found.flow, key):
                        yield found
            elif isinstance(key, PortFlowsKey):
                local = lru_cache(_is_local)
                for found in _ask(talk, key.address.version, _to(key.protocol, key.port, key.count)):
                    if astray(found.flow, key, local):
                        yield found

    def _astray(self, keys: Collection[PortFlowsKey]) -> set[PortFlowsKey]:
        """The keys of which some flow does not lead to the target; many cost little more than one."""
        if len(keys) < MANY:
            return {key for key in keys if any(self._wrong(key))}
        wrong: set[PortFlowsKey] = set()
        local = lru_cache(_is_local)
        for version, protocol in {(key.address.version, key.protocol) for key in keys}:
            asked = [key for key in keys if (key.address.version, key.protocol) == (version, protocol)]
            by_port = {key.port + offset: key for key in asked for offset in range(key.count)}
            several = len(by_port) < sum(key.count for key in asked)  # on different addresses
            with _conversation() as talk:
                for found in _ask(talk, version, _to(protocol, 0, 0)):
                    near = by_port.get(found.flow.there.destination_port)
                    for key in () if near is None else asked if several else (near,):
                        if astray(found.flow, key, local):
                            wrong.add(key)
        return wrong

    def _end(self, key: Key) -> None:
        wrong = list(self._wrong(key))
        with _conversation() as talk:
            for found in wrong:
                body = _header(found.flow.there.source.version) + found.name
                try:
                    talk.change(Request(DELETE, body))
                except Refused as error:
                    if error.code != errno.ENOENT:  # it has ended by itself
                        raise Failed(error.reason) from error


@contextlib.contextmanager
def _conversation() -> Iterator[Conversation]:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    talk = Conversation(socket.socket(socket.AF_NETLINK, kind, NETLINK_NETFILTER))
    try:
        yield talk
    finally:
        talk.close()


def _ask(talk: Conversation, version: int, wanted: bytes) -> Iterator[Found]:
    """What the kernel finds; a kernel that does not know the filter sends everything.

    Without connection tracking there is nothing that could be wrong.
    """
    try:
        messages = talk.dump(Request(GET, _header(version) + wanted))
    except Refused as error:
        if error.code not in UNKNOWN:
            raise Failed(f"cannot look at the tracked flows: {error.reason}") from error
        log.warning("cannot look at the tracked flows, UDP may stick to containers that are gone: %s", error)
        return
    for message in messages:
        found = _found(message)
        if found is not None:
            yield found


def _is_local(address: Address) -> bool:
    """Whether packets to an address are the host's own."""
    if address.is_multicast:
        return False
    with socket.socket(FAMILIES[address.version], socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


# -- the kernel's words ----------------------------------------------------------------------------


def _attribute(kind: int, content: bytes) -> bytes:
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(content), kind) + content + bytes(-len(content) % 4)


def _header(version: int) -> bytes:
    return struct.pack("=BBH", FAMILIES[version], 0, 0)


def _filter(direction: int, parts: int) -> bytes:
    return _attribute(FILTER | NESTED, _attribute(direction, struct.pack("=I", parts)))


def _from(address: Address, led: bool) -> bytes:
    """Flows that an address sends; `led`: that it answers.  For IPv6 all there are.

    The kernel's filter for IPv6 addresses passes over those that match (`!ipv6_addr_cmp` in
    ctnetlink_filter_match_tuple, seen in 6.18).
    """
    if address.version == 6:
        return b""
    source = _attribute(ADDRESSES | NESTED, _attribute(SOURCES[address.version], address.packed))
    way, direction = (BACK, FILTER_BACK) if led else (THERE, FILTER_THERE)
    return _filter(direction, BY_SOURCE) + _attribute(way | NESTED, source)


def _to(protocol: str, port: int, count: int) -> bytes:
    """Flows that were sent to a port; for a run of ports all of the protocol."""
    number = next(number for number, name in PROTOCOLS.items() if name == protocol)
    content, parts = _attribute(NUMBER, bytes([number])), BY_PROTOCOL
    if count == 1:
        content += _attribute(DESTINATION_PORT, struct.pack("!H", port))
        parts |= BY_DESTINATION_PORT
    return _filter(FILTER_THERE, parts) + _attribute(THERE | NESTED, _attribute(PROTOCOL | NESTED, content))


def _attributes(message: bytes, offset: int, end: int) -> dict[int, tuple[int, int]]:
    """Where the content of each attribute begins and ends."""
    found: dict[int, tuple[int, int]] = {}
    while offset + ATTRIBUTE.size <= end:
        size, kind = ATTRIBUTE.unpack_from(message, offset)
        if size < ATTRIBUTE.size:
            break
        found[kind & TYPE] = (offset + ATTRIBUTE.size, offset + size)
        offset += (size + 3) & ~3
    return found


def _found(message: bytes) -> Found | None:
    """The flow that a message describes; None if it lacks what a flow has."""
    parts = _attributes(message, HEADER.size + SUBSYSTEM_HEADER, len(message))
    try:
        protocol, there = _way(message, *parts[THERE])
        back = _way(message, *parts[BACK])[1]
    except (KeyError, ValueError, struct.error):
        return None
    name = b"".join(
        _attribute(kind | (NESTED if kind == THERE else 0), message[slice(*parts[kind])])
        for kind in (THERE, ZONE, IDENTITY)
        if kind in parts
    )
    return Found(Flow(PROTOCOLS.get(protocol, str(protocol)), there, back), name)


def _way(message: bytes, start: int, end: int) -> tuple[int, Way]:
    parts = _attributes(message, start, end)
    addresses, protocol = _attributes(message, *parts[ADDRESSES]), _attributes(message, *parts[PROTOCOL])

    def address(kinds: dict[int, int]) -> Address:
        place = addresses.get(kinds[4]) or addresses[kinds[6]]
        return ip_address(message[slice(*place)])

    def port(kind: int) -> int:
        return int(struct.unpack_from("!H", message, protocol[kind][0])[0]) if kind in protocol else 0

    way = Way(address(SOURCES), port(SOURCE_PORT), address(DESTINATIONS), port(DESTINATION_PORT))
    return message[protocol[NUMBER][0]], way

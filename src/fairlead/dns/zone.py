"""Names and addresses per network, and what of them a sandbox sees.

Names are compared without regard to case.  The records are kept as they were given, by their keys;
everything else here is an index over them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from fairlead.dns.wire import wire_name
from fairlead.model.host import NameKey, PointerKey, Resolver

_REVERSE4, _REVERSE6 = b".in-addr.arpa", b".ip6.arpa"


@dataclass(slots=True)
class _Entry:
    """The records under one name of one network, and their addresses, packed."""

    records: dict[NameKey, str] = field(default_factory=dict)
    ipv4: tuple[bytes, ...] = ()
    ipv6: tuple[bytes, ...] = ()

    def index(self) -> None:
        """Read the addresses out of the records, each once, in the order of arrival."""
        packed = dict.fromkeys(key.address.packed for key in self.records)
        self.ipv4 = tuple(each for each in packed if len(each) == 4)
        self.ipv6 = tuple(each for each in packed if len(each) == 16)


@dataclass(frozen=True, slots=True)
class View:
    """What one sandbox sees: its networks by id and lower-case name, its links, its way out."""

    networks: tuple[tuple[str, bytes], ...]
    links: dict[bytes, tuple[tuple[str, bytes], ...]]
    upstreams: tuple[str, ...]
    internal: bool


def view_of(resolver: Resolver) -> View:
    """The view that a sandbox's resolver has."""
    names = resolver.network_names or ("",) * len(resolver.networks)
    links: dict[bytes, tuple[tuple[str, bytes], ...]] = {}
    for name, network_id, target in resolver.links:
        links[_folded(name)] = (*links.get(_folded(name), ()), (network_id, _folded(target)))
    return View(
        networks=tuple((each, _folded(name)) for each, name in zip(resolver.networks, names, strict=True)),
        links=links,
        upstreams=resolver.upstreams,
        internal=resolver.internal,
    )


def _folded(name: str) -> bytes:
    return name.rstrip(".").encode().lower()


class Zone:
    """The names of all networks of a host; `version` is another number after every change."""

    def __init__(self) -> None:
        self.version = 0
        self._names: dict[str, dict[bytes, _Entry]] = {}
        self._pointers: dict[tuple[str, bytes], str] = {}

    # -- records ---------------------------------------------------------------------------------

    def name(self, key: NameKey) -> str | None:
        """The endpoint that has the name and address, None if there is no such record."""
        entry = self._names.get(key.network_id, {}).get(_folded(key.name))
        return entry.records.get(key) if entry else None

    def set_name(self, key: NameKey, endpoint: str | None) -> None:
        """Write a record, or (None) take it away."""
        self.version += 1
        names = self._names.setdefault(key.network_id, {})
        entry = names.setdefault(_folded(key.name), _Entry())
        if endpoint is None:
            entry.records.pop(key, None)
        else:
            entry.records[key] = endpoint
        entry.index()
        if not entry.records:
            del names[_folded(key.name)]
        if not names:
            del self._names[key.network_id]

    def pointer(self, key: PointerKey) -> str | None:
        """The name that an address is looked up as, None if there is no such record."""
        return self._pointers.get((key.network_id, key.address.packed))

    def set_pointer(self, key: PointerKey, name: str | None) -> None:
        """Write a reverse record, or (None) take it away."""
        self.version += 1
        place = (key.network_id, key.address.packed)
        if name is None:
            self._pointers.pop(place, None)
        else:
            self._pointers[place] = name

    def everything(self) -> Iterator[tuple[NameKey | PointerKey, str]]:
        """All records."""
        for names in self._names.values():
            for entry in names.values():
                yield from entry.records.items()
        for (network_id, packed), name in self._pointers.items():
            address = IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
            yield PointerKey(network_id, address), name

    # -- look-ups --------------------------------------------------------------------------------

    def addresses(self, view: View, name: bytes, ipv6: bool) -> tuple[bytes, ...] | None:
        """The packed addresses of a name in lower case, () if it has none of that kind, None if unknown.

        The first network that has some wins.  `a.b.c` is looked for whole, then as `a.b` on the
        network `c`, then as `a` on `b.c`.  Source: libnetwork `sandbox.ResolveName`.
        """
        known = False
        for entry in self._entries(view, name):
            found = entry.ipv6 if ipv6 else entry.ipv4
            if found:
                return found
            known = True
        return () if known else None

    def reverse(self, view: View, name: bytes) -> bytes | None:
        """The name (`NAME.NETWORK`, in wire form) of the address that `name` asks for; None if unknown."""
        packed = reversed_address(name)
        if packed is None:
            return None
        for network_id, network in view.networks:
            found = self._pointers.get((network_id, packed))
            if found is not None:
                return wire_name(f"{found}.{network.decode()}") if network else wire_name(found)
        return None

    def _entries(self, view: View, name: bytes) -> Iterator[_Entry]:
        names = self._names
        if view.links:
            for network_id, target in view.links.get(name, ()):
                entry = names.get(network_id, {}).get(target)
                if entry is not None:
                    yield entry
        for network_id, _ in view.networks:
            of_network = names.get(network_id)
            if of_network is not None and (entry := of_network.get(name)) is not None:
                yield entry
        cut = name.rfind(b".")
        while cut > 0:
            wanted = name[cut + 1 :]
            for network_id, network in view.networks:
                if network == wanted:
                    entry = names.get(network_id, {}).get(name[:cut])
                    if entry is not None:
                        yield entry
            cut = name.rfind(b".", 0, cut)


def reversed_address(name: bytes) -> bytes | None:
    """The packed address in a reverse name such as 2.0.0.10.in-addr.arpa; None if it holds no whole one."""
    try:
        if name.endswith(_REVERSE4):
            parts = name[: -len(_REVERSE4)].decode("ascii").split(".")
            return IPv4Address(".".join(reversed(parts))).packed
        if name.endswith(_REVERSE6):
            digits = name[: -len(_REVERSE6)].decode("ascii").split(".")
            if len(digits) == 32 and all(len(digit) == 1 for digit in digits):
                return bytes.fromhex("".join(reversed(digits)))
    except ValueError:
        pass
    return None

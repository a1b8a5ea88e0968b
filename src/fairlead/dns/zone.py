"""Names and addresses per network, and what of them a sandbox sees.

Names are compared without regard to case.  The records are kept as they were given, by their keys;
everything else here is an index over them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address

from fairlead.dns.forward import Server
from fairlead.dns.wire import wire_name
from fairlead.model.addresses import Address, Subnet
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
    """What one sandbox sees: its networks by id and lower-case name, its links, its way out.

    `closed` and `search` are suffixes, with a dot before them.
    """

    networks: tuple[tuple[str, bytes], ...]
    links: dict[bytes, tuple[tuple[str, bytes], ...]]
    upstreams: tuple[Server, ...]
    internal: bool
    closed: tuple[bytes, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    search: tuple[bytes, ...] = ()
    ndots: int = 0

    def owns(self, packed: bytes) -> bool:
        """Whether an address is of one of its networks."""
        return any(_address(packed) in subnet for subnet in self.subnets)


def view_of(resolver: Resolver, namespace: str = "") -> View:
    """The view that the resolver of a sandbox of that name has."""
    servers = [
        Server(each, namespace if each in resolver.inside else "")
        for each in resolver.upstreams
        if not resolver.internal or each in resolver.inside
    ]
    names = resolver.network_names or ("",) * len(resolver.networks)
    links: dict[bytes, tuple[tuple[str, bytes], ...]] = {}
    for name, network_id, target in resolver.links:
        links[_folded(name)] = (*links.get(_folded(name), ()), (network_id, _folded(target)))
    return View(
        networks=tuple((each, _folded(name)) for each, name in zip(resolver.networks, names, strict=True)),
        links=links,
        upstreams=tuple(servers),
        internal=resolver.internal,
        closed=tuple(b"." + _folded(each) for each in resolver.closed),
        subnets=resolver.subnets,
        search=tuple(
            b"." + domain for each in resolver.search if resolver.ndots and (domain := _folded(each))
        ),
        ndots=resolver.ndots,
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
            yield PointerKey(network_id, _address(packed)), name

    # -- look-ups --------------------------------------------------------------------------------

    def addresses(self, view: View, name: bytes, ipv6: bool) -> tuple[bytes, ...] | None:
        """The packed addresses of a name in lower case, () if it has none of that kind, None if unknown.

        The first network that has some wins.  `a.b.c` is looked for whole, then as `a.b` on the
        network `c`, then as `a` on `b.c`; at each of them links come before names.  A name below a
        search domain is looked for without that, where clients would begin with it.
        Source: libnetwork `sandbox.ResolveName`.
        """
        known = False
        for entry in self._entries(view, name):
            found = entry.ipv6 if ipv6 else entry.ipv4
            if found:
                return found
            known = True
        return () if known else None

    def reverse(self, view: View, packed: bytes) -> bytes | None:
        """The name (`NAME.NETWORK`, in wire form) of an address; None if unknown."""
        for network_id, network in view.networks:
            found = self._pointers.get((network_id, packed))
            if found is not None:
                return wire_name(f"{found}.{network.decode()}") if network else wire_name(found)
        return None

    def _entries(self, view: View, name: bytes) -> Iterator[_Entry]:
        yield from self._named(view, name, None)
        cut = name.rfind(b".")
        while cut > 0:
            yield from self._named(view, name[:cut], name[cut + 1 :])
            cut = name.rfind(b".", 0, cut)
        for domain in view.search:
            if name.endswith(domain) and name.count(b".", 0, -len(domain)) < view.ndots:
                yield from self._entries(replace(view, search=()), name[: -len(domain)])

    def _named(self, view: View, name: bytes, wanted: bytes | None) -> Iterator[_Entry]:
        """The entries of a link or name on the networks called so (None: on any)."""
        names = self._names
        for network_id, target in view.links.get(name, ()):
            if wanted is None or (network_id, wanted) in view.networks:
                entry = names.get(network_id, {}).get(target)
                if entry is not None:
                    yield entry
        for network_id, network in view.networks:
            if wanted is None or network == wanted:
                of_network = names.get(network_id)
                if of_network is not None and (entry := of_network.get(name)) is not None:
                    yield entry


def _address(packed: bytes) -> Address:
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)


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

"""A host's copy of the shared store: what was read, and what of it is believed.

It follows the store change by change.  What the host writes itself is noted at once, so the same
change may come again by the watch, or an older one after it: only what is newer counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fairlead.model.addresses import Address
from fairlead.model.cluster import Claim, Member, RemoteEndpoint
from fairlead.model.network import Network
from fairlead.overlay import keys, trust
from fairlead.overlay.documents import read_claim, read_endpoint, read_member, read_network
from fairlead.overlay.fields import Refused, is_name


@dataclass(frozen=True, slots=True)
class Read:
    """One key as it was read: its value, and the revision of its last change."""

    value: str
    changed: int


@dataclass(frozen=True, slots=True)
class KnownNetwork:
    """A global network, the revision of its last change, and who is about to remove it ("": nobody)."""

    network: Network
    changed: int
    removed_by: str


@dataclass(frozen=True, slots=True)
class HeldAddress:
    """A claim and the revision of its last change."""

    claim: Claim
    changed: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A key whose value is not believed, and why."""

    key: str
    reason: str


@dataclass(slots=True)
class Touched:
    """What a batch of changes may have changed for this host, by id."""

    members: set[str] = field(default_factory=set)
    networks: set[str] = field(default_factory=set)
    endpoints: dict[str, str] = field(default_factory=dict)  # endpoint's id -> its network's
    refusals: list[Refusal] = field(default_factory=list)

    def add(self, other: "Touched") -> None:
        """What another batch may have changed, too."""
        self.members |= other.members
        self.networks |= other.networks
        self.endpoints |= other.endpoints
        self.refusals += other.refusals


class StoreCopy:
    """What one host knows of the shared store."""

    def __init__(self, own_id: str, own_vtep: Address | None = None):
        """Nothing is known yet."""
        self.own_id = own_id
        self.own_vtep = own_vtep
        self.own_addresses: frozenset[Address] = frozenset()
        self.revision = 0
        self.members: dict[str, Member] = {}
        self.networks: dict[str, KnownNetwork] = {}
        self.claims: dict[str, dict[Address, HeldAddress]] = {}
        self.taken: dict[tuple[str, int], set[int]] = {}  # claimed addresses by network and IP version
        self.believed: dict[str, RemoteEndpoint] = {}
        self._read: dict[str, Read] = {}
        self._gone: dict[str, int] = {}
        self._said: dict[str, dict[str, RemoteEndpoint]] = {}  # by network and id, believed or not
        self._macs: dict[tuple[str, str], set[str]] = {}  # by network and hardware address: who says so
        self._told: dict[str, int] = {}

    # -- following the store ---------------------------------------------------------------------

    def replace(self, revision: int, entries: Mapping[str, Read]) -> Touched:
        """Take the whole store as it was at a revision; newer things that are known already stay."""
        changes: dict[str, Read | None] = dict(entries)
        for key in self._read.keys() - entries.keys():
            changes[key] = None
        for key in self._gone.keys() & entries.keys():
            if self._gone[key] > entries[key].changed:
                del changes[key]
        touched = self._take(revision, changes)
        self._gone = {key: at for key, at in self._gone.items() if at > revision}
        self._told = {key: at for key, at in self._told.items() if key in self._read}
        self.revision = max(self.revision, revision)
        for identity in list(self._said):
            touched.endpoints.update(dict.fromkeys(self._said[identity], identity))
        self._judge(touched)
        return touched

    def reset(self) -> None:
        """Forget how far the store was: it began again."""
        self.revision = 0
        self._gone.clear()
        self._read = {key: Read(read.value, 0) for key, read in self._read.items()}

    def apply(self, revision: int, changes: Mapping[str, Read | None]) -> Touched:
        """Take what changed up to a revision."""
        touched = self._take(revision, changes)
        self.revision = max(self.revision, revision)
        self._judge(touched)
        return touched

    def _take(self, revision: int, changes: Mapping[str, Read | None]) -> Touched:
        touched = Touched()
        for key, read in changes.items():
            known = self._read.get(key)
            at = read.changed if read is not None else revision
            if (known is not None and known.changed >= at and known != read) or self._gone.get(key, 0) > at:
                continue
            if read is None:
                self._read.pop(key, None)
                self._gone[key] = at
            else:
                self._read[key] = read
                self._gone.pop(key, None)
            if known != read:
                self._note(key, read, touched)
        return touched

    def _note(self, key: str, read: Read | None, touched: Touched) -> None:
        try:
            match keys.parse(key):
                case keys.MemberKey() as subject:
                    self._note_member(subject, read, touched)
                case keys.NetworkKey() as subject:
                    self._note_network(subject, read, touched)
                case keys.ClaimKey() as subject:
                    self._note_claim(subject, read, touched)
                case keys.EndpointKey() as subject:
                    self._note_endpoint(subject, read, touched)
                case keys.NameIsTaken(name) if not is_name(name):
                    raise Refused("it is no name of a network")
                case None if read is not None:
                    raise Refused("no such key is known")
        except Refused as refusal:
            if read is not None:
                self._refuse(key, refusal.message, touched)

    def _note_member(self, key: keys.MemberKey, read: Read | None, touched: Touched) -> None:
        touched.members.add(key.member_id)
        self.members.pop(key.member_id, None)
        for network_id, said in self._said.items():
            of_member = (each.id for each in said.values() if each.member_id == key.member_id)
            touched.endpoints.update(dict.fromkeys(of_member, network_id))
        if read is not None:
            member = read_member(key, read.value)
            trust.require_member(member, self.own_id, self.own_vtep)
            self.members[key.member_id] = member

    def _note_network(self, key: keys.NetworkKey, read: Read | None, touched: Touched) -> None:
        touched.networks.add(key.network_id)
        known = self.networks.pop(key.network_id, None)
        touched.endpoints.update(dict.fromkeys(self._said.get(key.network_id, ()), key.network_id))
        if read is not None:
            network, removed_by = read_network(key, read.value)
            if known is None:  # a network that is in use is not given up for an address that comes later
                trust.require_subnets((pool.subnet for pool in network.pools), self.hosts())
            elif known.network.pools != network.pools or known.network.vni != network.vni:
                self.networks[key.network_id] = known
                raise Refused("a network's subnets and VNI never change")
            self.networks[key.network_id] = KnownNetwork(network, read.changed, removed_by)

    def _note_claim(self, key: keys.ClaimKey, read: Read | None, touched: Touched) -> None:
        held = self.claims.setdefault(key.network_id, {})
        before = held.pop(key.address, None)
        taken = self.taken.setdefault((key.network_id, key.address.version), set())
        taken.discard(int(key.address))
        if before is not None:
            touched.endpoints[before.claim.endpoint_id] = key.network_id
        if read is not None:
            claim = read_claim(key, read.value)
            held[key.address] = HeldAddress(claim, read.changed)
            taken.add(int(key.address))
            touched.endpoints[claim.endpoint_id] = key.network_id

    def _note_endpoint(self, key: keys.EndpointKey, read: Read | None, touched: Touched) -> None:
        touched.endpoints[key.endpoint_id] = key.network_id
        said = self._said.setdefault(key.network_id, {})
        before = said.pop(key.endpoint_id, None)
        if before is not None:
            self._macs[key.network_id, before.mac].discard(before.id)
        if read is not None:
            endpoint = said[key.endpoint_id] = read_endpoint(key, read.value)
            self._macs.setdefault((key.network_id, endpoint.mac), set()).add(endpoint.id)

    # -- judging ---------------------------------------------------------------------------------

    def _judge(self, touched: Touched) -> None:
        """Decide anew which of the endpoints touched are believed."""
        for identity, network_id in touched.endpoints.items():
            self.believed.pop(identity, None)
            endpoint = self._said.get(network_id, {}).get(identity)
            if endpoint is None:
                continue
            try:
                if self._credible(endpoint):
                    self.believed[identity] = endpoint
            except Refused as refusal:
                self._refuse(keys.endpoint(network_id, identity), refusal.message, touched)

    def _credible(self, endpoint: RemoteEndpoint) -> bool:
        """False while its host or network is not known, or its host has said newer things; or Refused."""
        member, known = self.members.get(endpoint.member_id), self.networks.get(endpoint.network_id)
        if endpoint.member_id == self.own_id or member is None or known is None:
            return False
        if endpoint.generation < member.generation:
            return False
        held = self.claims.get(endpoint.network_id, {})
        claims = [held.get(each.ip) for each in trust.places(endpoint)]
        trust.require_endpoint(
            endpoint, known.network, member, [each.claim if each is not None else None for each in claims]
        )
        for identity in self._macs[endpoint.network_id, endpoint.mac] - {endpoint.id}:
            twin = self._said[endpoint.network_id][identity]
            if identity in self.believed or twin.member_id == self.own_id:
                raise Refused(f"its hardware address {endpoint.mac} is that of endpoint {identity[:12]}")
        return True

    def _refuse(self, key: str, reason: str, touched: Touched) -> None:
        read = self._read.get(key)
        changed = read.changed if read is not None else 0
        if self._told.get(key) != changed:
            self._told[key] = changed
            touched.refusals.append(Refusal(key, reason))

    # -- looking ---------------------------------------------------------------------------------

    def changed(self, key: str) -> int:
        """The revision of a key's last change, 0 if there is no such key."""
        read = self._read.get(key)
        return read.changed if read is not None else 0

    def value(self, key: str) -> str:
        """The value of a key, "" if there is no such key."""
        read = self._read.get(key)
        return read.value if read is not None else ""

    def beginning(self, prefix: str) -> list[str]:
        """The keys that begin with a prefix."""
        return [key for key in self._read if key.startswith(prefix)]

    def hosts(self) -> set[Address]:
        """The addresses of all hosts that are known, this one's included."""
        return {member.vtep for member in self.members.values()} | self.own_addresses

    def vnis(self) -> set[int]:
        """The VNIs in use."""
        taken = (keys.parse(key) for key in self._read)
        return {key.vni for key in taken if isinstance(key, keys.VniIsTaken)}

    def own(self) -> Iterable[str]:
        """The keys of claims and endpoints that were written in this host's name."""
        for network_id, held in self.claims.items():
            for address, each in held.items():
                if each.claim.member_id == self.own_id:
                    yield keys.claim(network_id, address)
        for network_id, said in self._said.items():
            for endpoint in said.values():
                if endpoint.member_id == self.own_id:
                    yield keys.endpoint(network_id, endpoint.id)

    def on(self, network_id: str) -> list[RemoteEndpoint]:
        """The believed endpoints of a network on other hosts."""
        said = self._said.get(network_id, {})
        return [self.believed[identity] for identity in said if identity in self.believed]

    def said(self, network_id: str) -> list[RemoteEndpoint]:
        """The endpoints of a network that hosts speak of, believed or not."""
        return list(self._said.get(network_id, {}).values())

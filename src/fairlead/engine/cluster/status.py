"""How this host's part of the cluster stands, and whether the kernel and the paths are as the store says."""

from fairlead.boundary import Probe
from fairlead.engine.cluster.membership import Membership
from fairlead.engine.cluster.presence import Presence
from fairlead.engine.cluster.shared import Shared
from fairlead.engine.context import Context
from fairlead.model.addresses import Address
from fairlead.model.cluster import Member
from fairlead.model.network import Network
from fairlead.model.overlay import OverlayNetwork, OverlayStatus, Path

PATIENCE = 1.0  # seconds that a container may take to answer
MOST_ASKED = 256  # addresses of one network


class Status:
    """Looks at the cluster from here."""

    def __init__(
        self, context: Context, shared: Shared, membership: Membership, presence: Presence, probe: Probe
    ):
        self._context = context
        self._shared = shared
        self._membership = membership
        self._presence = presence
        self._probe = probe

    async def look(self, verify: bool) -> OverlayStatus:
        """How everything stands; with `verify` the kernel is compared, and a container of each host asked."""
        records = self._context.records
        networks = sorted(records.networks.values(), key=lambda each: each.name)
        shown = [await self._network(each, verify) for each in networks if each.scope == "global"]
        own = await self._membership.own()
        others = sorted(records.members.values(), key=lambda each: each.name)
        return OverlayStatus(
            store=self._shared.address,
            away=self._shared.away,
            own=own,
            others=tuple(each for each in others if each.id != own.id),
            networks=tuple(shown),
        )

    async def _network(self, network: Network, verify: bool) -> OverlayNetwork:
        records, present = self._context.records, self._presence.present(network.id)
        wrong = await self._presence.wrong(network) if verify and present else None
        return OverlayNetwork(
            id=network.id,
            name=network.name,
            vni=network.vni,
            present=present,
            here=len(records.endpoints_on(network.id)),
            elsewhere=len(records.remotes_on(network.id)),
            paths=await self._paths(network) if verify and present else (),
            wrong=wrong,
        )

    async def _paths(self, network: Network) -> tuple[Path, ...]:
        """From a container of this host to one of each other host."""
        records = self._context.records
        targets: dict[str, Address] = {}
        for remote in records.remotes_on(network.id):
            if remote.ipv4 is not None:
                targets.setdefault(remote.member_id, remote.ipv4.ip)
        endpoints = [each for each in records.endpoints_on(network.id) if each.phase == "settled"]
        sandbox = records.sandboxes.get(endpoints[0].sandbox_id) if endpoints else None
        members: list[tuple[Member, Address]] = [
            (records.members[identity], address)
            for identity, address in list(targets.items())[:MOST_ASKED]
            if identity in records.members
        ]
        if sandbox is None or not members:
            return ()
        answered = await self._probe.answering(sandbox.name, [address for _, address in members], PATIENCE)
        return tuple(Path(member, address in answered) for member, address in members)

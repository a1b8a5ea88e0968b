"""The policy of FORWARD belongs to whoever set it last; only one that went with everything else comes back.

Whether it was DROP when all was right is a record, so that it holds over restarts of the daemon.
"""

from collections.abc import Collection
from dataclasses import replace

from fairlead.engine.context import Context
from fairlead.engine.ledger import put
from fairlead.model.host import Family, PolicyKey, State
from fairlead.model.records import HostRecord
from fairlead.planner.base import forward_chains, forward_policy, lost_policies


class Policies:
    """The policies of FORWARD of both families, as far as the engine writes rules of them."""

    def __init__(self, context: Context):
        self._context = context

    async def lost(self) -> State:
        """Those that have gone, as they were."""
        dropping = [each for each in self._families() if each in self._host.dropping]
        if not dropping:
            return {}
        chains = [key for family in dropping for key in forward_chains(family)]
        return lost_policies(dropping, await self._context.reconciler.observe(chains))

    async def expect(self, state: State) -> None:
        """Remember those that are about to be set with this state."""
        about = {str(key.family) for key in state if isinstance(key, PolicyKey)}
        await self._remember(about.union(self._host.dropping))

    async def note(self) -> None:
        """Remember those that are there: all else is right, so they are what their owner wants."""
        keys = {family: forward_policy(family) for family in self._families()}
        found = await self._context.reconciler.observe(list(keys.values()))
        elsewhere = set(self._host.dropping).difference(keys)
        await self._remember(elsewhere.union(each for each, key in keys.items() if found[key] == "DROP"))

    @property
    def _host(self) -> HostRecord:
        return self._context.records.hosts["host"]

    async def _remember(self, dropping: Collection[str]) -> None:
        if set(self._host.dropping) != set(dropping):
            await self._context.ledger.commit(put(replace(self._host, dropping=tuple(sorted(dropping)))))

    def _families(self) -> list[Family]:
        settings, networks = self._context.settings, self._context.records.networks.values()
        families = [Family.IPV4] if settings.iptables else []
        if settings.ip6tables and any(each.enable_ipv6 for each in networks):
            families.append(Family.IPV6)
        return families

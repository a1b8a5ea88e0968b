"""Networks: the predefined three, those that users make, and who is on them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from fairlead.engine.bridges import Bridges, with_bridge_addresses
from fairlead.engine.configurations import configured, require_unused
from fairlead.engine.context import Context
from fairlead.engine.docker0 import Docker0
from fairlead.engine.ledger import drop, put
from fairlead.engine.macvlan_rules import links_of_parent, with_parent
from fairlead.engine.network_rules import checked_pools, require_name, require_sound
from fairlead.engine.sandboxes import Sandboxes
from fairlead.engine.subnets import Subnets
from fairlead.firewall.policy import users_chain
from fairlead.model.commands import CreateNetwork
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Conflict, FairleadError, Forbidden, NotFound
from fairlead.model.host import AddressKey, Family, Key, LinkSettingKey, State, SysctlKey, Value
from fairlead.model.network import BRIDGE_NAME, Adoption, Network, Pool
from fairlead.model.views import NetworkView, Removed
from fairlead.planner.base import IPV6_FORWARDING, ipv6_base_state
from fairlead.planner.bridge import released_state
from fairlead.planner.drivers import driver_of
from fairlead.planner.steps import absent

log = logging.getLogger(__name__)


class Networks:
    """Creates, finds and removes networks; each is converged with its record."""

    def __init__(self, context: Context, sandboxes: Sandboxes):
        self._context = context
        self._sandboxes = sandboxes
        self._overlays = sandboxes.overlays
        self._overlays.create = self.create
        self._bridges = Bridges(context)
        self._subnets = Subnets(context)
        self._docker0 = Docker0(context, self._bridges, self._subnets)

    # -- looking ---------------------------------------------------------------------------------

    def find(self, reference: str) -> Network:
        """A network by id, name or unambiguous beginning of its id.  NotFound, or Conflict if ambiguous."""
        networks = self._context.records.networks
        if reference in networks:
            return networks[reference]
        named = self._context.records.network_named(reference)
        if named is not None:
            return named
        begun = [each for each in networks.values() if reference and each.id.startswith(reference)]
        if len(begun) > 1:
            raise Conflict(f"network {reference} is ambiguous ({len(begun)} matches found on ID prefix)")
        if not begun:
            raise NotFound(f"network {reference} not found")
        return begun[0]

    def driver(self, reference: str) -> str:
        """The driver of a network, "" if there is none such, or it is configuration only."""
        try:
            network = self.find(reference)
        except FairleadError:
            return ""
        return "" if network.config_only else network.driver

    def view(self, network: Network) -> NetworkView:
        """A network with its members."""
        containers = self._context.records.containers
        members = tuple(
            (endpoint, _shown_name(endpoint, containers[endpoint.container_id].name))
            for endpoint in self._sandboxes.members(network.id)
            if endpoint.phase == "settled" and endpoint.container_id in containers
        )
        return NetworkView(network, members, tuple(self._context.records.remotes_on(network.id)))

    def inspect(self, reference: str) -> NetworkView:
        """The network of that name or id, with its members."""
        return self.view(self.find(reference))

    def list(self) -> Sequence[NetworkView]:
        """All networks, oldest first."""
        networks = sorted(self._context.records.networks.values(), key=lambda each: each.sequence)
        return [self.view(each) for each in networks if each.phase != "removing"]

    # -- the predefined three --------------------------------------------------------------------

    async def begin(self) -> None:
        """Bring the predefined networks into line with the settings and every network into the kernel."""
        await self._predefine("host", "host")
        await self._predefine("none", "null")
        await self._default_bridge()
        # docker0 last, as dockerd does: what is written then stands before the others' rules.
        networks = self._context.records.networks.values()
        for network in sorted(networks, key=lambda each: (each.default_bridge, each.sequence)):
            if network.phase != "settled":
                await self._take_away(network)
                continue
            try:
                await self._restore(network)
            except FairleadError as error:
                if network.default_bridge:
                    raise
                # One whose parent, or whose bridge of the user's, has gone keeps no other from its place.
                log.error("cannot bring network %s into line: %s", network.name, error.message)

    async def follow(self) -> bool:
        """Links have changed: docker0 shows the MTU that it has now, adopted bridges get back what is ours.

        Whether one had lost it, and so its containers.
        """
        lost = False
        for network in list(self._context.records.networks.values()):
            if network.default_bridge and network.options != self._docker0.options():
                await self._context.ledger.commit(put(replace(network, options=self._docker0.options())))
            settled = network.adoption is not None and network.phase == "settled"
            if settled and await self._bridges.is_there(network):
                lost |= await self._repair(network)
        return lost

    async def _repair(self, network: Network) -> bool:
        """See to what a bridge of somebody else has on itself for the network."""
        kinds = (LinkSettingKey, AddressKey, SysctlKey)
        state: State = {key: value for key, value in self._state(network).items() if isinstance(key, kinds)}
        return (await self._context.reconciler.converge(state)).changed

    def state(self) -> State:
        """What the host should have for all networks."""
        state: dict[Key, Value | None] = {}
        for network in self._context.records.networks.values():
            state.update(self._state(network))
        return {**state, **self._overlays.state()}

    async def _restore(self, network: Network) -> None:
        if network.scope == "global":
            await self._overlays.restore(network)
            return
        pools = tuple(replace(pool, gateway_requested=True) for pool in network.pools)
        if pools != network.pools and not (network.default_bridge or network.config_only):
            # After a restart Docker shows the gateway of every network, chosen by the user or not.
            network = replace(network, pools=pools)
            await self._context.ledger.commit(put(network))
        await self._make(network)

    async def _predefine(self, name: str, driver: str) -> None:
        if self._context.records.network_named(name) is None:
            network = self._new(CreateNetwork(name, driver), ())
            await self._context.ledger.commit(put(replace(network, predefined=True, phase="settled")))

    async def _default_bridge(self) -> None:
        context, settings = self._context, self._context.settings
        before = next((each for each in context.records.networks.values() if each.default_bridge), None)
        if settings.bridge == "none":
            if before is not None:
                await self._cast_off(before, ())
                await self._take_away(before)
            return
        same = before if before is not None and before.bridge_name == settings.bridge else None
        adoption, pools = await self._docker0.found(same)
        request = CreateNetwork(
            "bridge", "bridge", options=self._docker0.options(), enable_ipv6=settings.ipv6
        )
        network = replace(self._new(request, pools, adoption), predefined=True, phase="settled")
        if before is not None:
            network = replace(network, id=before.id, created=before.created, sequence=before.sequence)
            if network == before:
                return
            await self._cast_off(before, pools)
            await self._ready_for_ipv6(network)
            await context.reconciler.converge({**await self._released(before), **self._state(network)})
        await context.ledger.commit(put(network))

    async def _cast_off(self, network: Network, pools: Sequence[Pool]) -> None:
        """Take away the endpoints that have no place in the bridge's new subnets (none: no bridge at all).

        Their containers run on without; the next start gives them a new place.
        """
        records, ledger = self._context.records, self._context.ledger
        for endpoint in self._sandboxes.members(network.id):
            sandbox = records.sandboxes.get(endpoint.sandbox_id)
            stays = all(any(each in pool.subnet for pool in pools) for each in endpoint.addresses)
            if stays or sandbox is None:
                continue
            state = self._sandboxes.endpoint_state(sandbox, network, endpoint, "")
            await self._context.reconciler.converge(absent(state))
            await ledger.commit(drop(endpoint))
            log.warning("container %s has lost its place on %s", endpoint.container_id[:12], network.name)

    # -- creating and removing -------------------------------------------------------------------

    async def create(self, request: CreateNetwork) -> tuple[str, str]:
        """Make a network: its id, and a warning or "".  Refused in Docker's words."""
        context = self._context
        require_name(request, self._existing())
        request = configured(request, self._existing(), context.settings.default_network_options)
        self._require_sound(request)
        if request.config_only:
            return await self._keep(request), ""
        # The name is taken in memory before anything is awaited: of a hundred at once one wins.
        request, adoption = await self._adopting(request)
        scope = "global" if request.driver == "overlay" else "local"
        pools = checked_pools(request, self._subnets.used(scope))
        network = self._new(request, pools, adoption)
        if network.scope == "global":
            await self._overlays.create_network(network)
            self._tell("create", network)
            return network.id, ""
        async with context.lock(network.id):
            try:
                await context.ledger.commit(put(network))
                network = await self._subnets.complete(network)
                context.at("network create: record pending")
                if network.driver == "macvlan":
                    network = with_parent(network, await context.reconciler.observe(links_of_parent(network)))
                    await context.ledger.commit(put(network))
                await self._make(network)
                context.at("network create: bridge made")
                await context.ledger.commit(put(replace(network, phase="settled")))
            except BaseException:
                await self._take_away(network)
                raise
        self._tell("create", network)
        return network.id, self._warning(network)

    def _existing(self) -> Sequence[Network]:
        return [each for each in self._context.records.networks.values() if each.phase != "removing"]

    def _require_sound(self, request: CreateNetwork) -> None:
        require_sound(request, self._existing())

    async def _keep(self, request: CreateNetwork) -> str:
        """A network that is configuration only: a record, of Docker's driver null.  Its id."""
        network = self._new(replace(request, driver="null"), request.pools)
        await self._context.ledger.commit(put(replace(network, phase="settled")))
        self._tell("create", network)
        return network.id

    async def _adopting(self, request: CreateNetwork) -> tuple[CreateNetwork, Adoption | None]:
        """The request as it is with the bridge that it names, if that is there already."""
        name = request.options.get(BRIDGE_NAME, "")
        if not name or request.driver not in ("", "bridge"):
            return request, None
        for holder in self._context.records.networks.values():
            if holder.phase == "removing" and holder.bridge_name == name:
                # Its link may be there still, and is not somebody else's.
                raise Conflict(
                    f"cannot use bridge {name}: held by network {holder.name}, which is being removed"
                )
        adoption = await self._bridges.found(name)
        self._require_sound(request)  # others have been served meanwhile
        return (request if adoption is None else with_bridge_addresses(request, adoption)), adoption

    def _warning(self, network: Network) -> str:
        """What is lawful and will not work: addresses of elsewhere, packets that no link leads out."""
        for pool in network.pools:
            if pool.ip_range not in (None, pool.span):
                return f"The range {pool.ip_range} is not part of the subnet {pool.subnet}, and is ignored"
        uplink = self._context.surroundings.uplink_mtu
        if network.internal or not driver_of(network).host_end or network.mtu <= uplink:
            return ""
        return (
            f"The MTU of network {network.name}, {network.mtu}, is larger than the {uplink} of the link that "
            "leads out of this host: larger packets may get lost on their way"
        )

    async def remove(self, reference: str) -> None:
        """Remove a network nobody is on.  Forbidden with the reason otherwise."""
        context = self._context
        network = self.find(reference)
        if network.predefined:
            raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
        require_unused(network, self._existing())
        async with context.lock(network.id):
            if self._sandboxes.members(network.id):
                raise Forbidden(
                    f"error while removing network: network {network.name} id {network.id} "
                    "has active endpoints"
                )
            if network.scope == "global":
                await self._overlays.remove_network(network)
            else:
                try:
                    await self._take_away(network)
                except BaseException:
                    await self._make(network)
                    await context.ledger.commit(put(network))
                    raise
        context.forget_lock(network.id)
        if not network.config_only:  # Docker says nothing then
            self._tell("destroy", network)

    async def prune(self, chosen: Callable[[NetworkView], bool]) -> Removed:
        """Remove every chosen network that no running container is on, as Docker does."""
        names = []
        for view in self.list():
            network = view.network
            if network.predefined or network.config_only or view.members or view.remotes or not chosen(view):
                continue
            try:
                await self.remove(network.id)
            except FairleadError:
                continue
            names.append(network.name)
        self._context.events.emit("network", "prune", "", {"reclaimed": "0"})
        return Removed(tuple(names))

    def _tell(self, action: str, network: Network) -> None:
        attributes = {"name": network.name, "type": network.driver}
        self._context.events.emit("network", action, network.id, attributes)

    async def _make(self, network: Network) -> None:
        """Converge a network; before one whose IPv6 the host routes what all such need, which then stays."""
        await self._bridges.require(network)
        await self._ready_for_ipv6(network)
        publishes = driver_of(network).publishes and self._context.settings.iptables
        chain = users_chain(Family.IPV4) if publishes else {}
        await self._context.reconciler.converge({**chain, **self._state(network)})

    async def _ready_for_ipv6(self, network: Network) -> None:
        context = self._context
        if network.enable_ipv6 and driver_of(network).publishes:
            there = await context.reconciler.observe([IPV6_FORWARDING])
            await context.reconciler.converge(
                ipv6_base_state(context.settings, there[IPV6_FORWARDING] == "1")
            )

    async def _take_away(self, network: Network) -> None:
        context = self._context
        await context.ledger.commit(put(replace(network, phase="removing")))
        context.at("network remove: record marked")
        await context.reconciler.converge(await self._released(network))
        context.at("network remove: bridge gone")
        await context.ledger.commit(drop(network))

    async def _released(self, network: Network) -> dict[Key, Value | None]:
        """What is desired when the network goes."""
        released = released_state(network, self._state(network))
        if network.adoption is not None and not await self._bridges.is_there(network):
            return {key: value for key, value in released.items() if value is None}
        return released

    def _state(self, network: Network) -> dict[Key, Value | None]:
        context = self._context
        return driver_of(network).network_state(network, context.settings, context.surroundings)

    def _new(
        self, request: CreateNetwork, pools: tuple[Pool, ...], adoption: Adoption | None = None
    ) -> Network:
        context = self._context
        return Network(
            id=context.new_id(),
            name=request.name,
            driver=request.driver or "bridge",
            created=context.clock.now(),
            sequence=context.ledger.next_sequence(),
            scope="global" if request.driver == "overlay" else "local",
            pools=pools,
            internal=request.internal,
            attachable=request.attachable,
            ingress=request.ingress,
            enable_ipv6=request.enable_ipv6,
            enable_ipv4=request.enable_ipv4,
            config_only=request.config_only,
            config_from=request.config_from,
            adoption=adoption,
            options=request.options,
            labels=request.labels,
            ipam_driver=request.ipam_driver,
            ipam_options=request.ipam_options,
        )


def _shown_name(endpoint: Endpoint, container: str) -> str:
    """What a network calls its member.  Source: libnetwork `default_gateway.go` for docker_gwbridge."""
    return f"gateway_{endpoint.sandbox_id[:12]}" if endpoint.implied else container

"""A container's sandbox and its endpoints: leased from the records, then converged into the kernel."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from fairlead.engine.configurations import NO_ENDPOINT
from fairlead.engine.context import Context
from fairlead.engine.hostfiles import addresses_in, in_force, is_own_loopback, ndots, parse_resolv_conf
from fairlead.engine.interfaces import interface_names, interface_sysctls, link_local_interfaces
from fairlead.engine.leasing import leases, placed_ipv6
from fairlead.engine.ledger import drop
from fairlead.engine.overlays import Overlays
from fairlead.engine.publishing import Publishing
from fairlead.engine.sharing import is_shared, kept
from fairlead.engine.stay import Stay
from fairlead.engine.ways_out import with_way_out
from fairlead.engine.wishes import ipv6_wishes, is_first, names_on, network_links
from fairlead.firewall.guards import shared_addresses
from fairlead.model.addresses import mac_from_bytes, mac_from_ipv4
from fairlead.model.cluster import RemoteEndpoint
from fairlead.model.container import Container
from fairlead.model.endpoint import Attachment, Endpoint, Sandbox
from fairlead.model.errors import Failed, FairleadError, Forbidden
from fairlead.model.host import Key, NamespaceKey, SysctlKey, Value
from fairlead.model.network import Network
from fairlead.planner.drivers import driver_of
from fairlead.planner.sandbox import precedence, sandbox_state
from fairlead.planner.steps import absent, of_one_link, transition

# What Docker lets processes without privileges do in a namespace of their own.
SANDBOX_SYSCTLS = {
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ping_group_range": "0 2147483647",
}


class Sandboxes:
    """Leases, joins and leaves networks for containers."""

    def __init__(self, context: Context, overlays: Overlays | None = None):
        self._context = context
        self.overlays = overlays or Overlays(context, None)
        self.publishing = Publishing(context)

    # -- what there is ---------------------------------------------------------------------------

    def of(self, container_id: str) -> Stay | None:
        """The stay of a container that has one (while it runs, and while it comes and goes)."""
        records = self._context.records
        sandbox = records.sandbox_of(container_id)
        if sandbox is None:
            return None
        endpoints = records.endpoints_of(container_id)
        return Stay(sandbox, tuple((records.networks[each.network_id], each) for each in endpoints))

    def members(self, network_id: str) -> list[Endpoint]:
        """The endpoints on a network, oldest first."""
        return self._context.records.endpoints_on(network_id)

    def state(self, stay: Stay, label: str) -> dict[Key, Value | None]:
        """What the host should have for this stay."""
        if not stay.sandbox.name:  # the host's own namespace
            return {}
        state = sandbox_state(stay.sandbox, stay.places, self._context.surroundings)
        for network, endpoint in stay.places:
            state.update(self.endpoint_state(stay.sandbox, network, endpoint, label))
        state.update(shared_addresses(stay.places, self._context.settings))
        return state

    def endpoint_state(
        self, sandbox: Sandbox, network: Network, endpoint: Endpoint, label: str
    ) -> dict[Key, Value | None]:
        """What the host should have for one endpoint; nothing on the networks host and none."""
        if not endpoint.interface:
            return {}
        settings, surroundings = self._context.settings, self._context.surroundings
        return driver_of(network).endpoint_state(network, sandbox, endpoint, label, settings, surroundings)

    # -- leasing ---------------------------------------------------------------------------------

    async def allocate(self, container: Container, networks: Iterable[tuple[Attachment, Network]]) -> Stay:
        """A new stay for a container about to start: names and addresses chosen, nothing written.

        Raises Conflict or InvalidParameter in Docker's words.
        """
        attached = list(networks)
        sandbox = await self._new_sandbox(container, [network for _, network in attached])
        gateway = await self.overlays.gateway([network for _, network in attached])
        entered = await self.overlays.enter(container, attached, names_on)
        try:
            return self._allocated(container, sandbox, attached, entered, gateway)
        except BaseException:
            await self.overlays.forgo(entered.values())
            raise

    def _allocated(
        self,
        container: Container,
        sandbox: Sandbox,
        attached: list[tuple[Attachment, Network]],
        entered: Mapping[str, RemoteEndpoint],
        gateway: Network | None,
    ) -> Stay:
        """Everything that is chosen from the records alone, at once: nobody comes in between."""
        # Interfaces are numbered in the order in which networks would be the way out, as with Docker.
        ranked = sorted(
            (each for each in attached if driver_of(each[1]).addressed),
            key=lambda each: precedence(each[1], each[0].gateway_priority),
        )
        names, counts = interface_names(ranked, (), {})
        interfaces = {network.id: name for (_, network), name in zip(ranked, names, strict=True)}
        sandbox = replace(
            sandbox,
            interfaces=counts,
            links=tuple(link for each in attached for link in network_links(*each)),
        )
        places: list[tuple[Network, Endpoint]] = []
        for number, (attachment, network) in enumerate(attached):
            interface = interfaces.get(network.id, "")
            endpoint = self.new_endpoint(
                container, sandbox, attachment, network, interface, number, entered.get(network.id)
            )
            places.append((network, endpoint))
        if gateway is not None:
            sandbox, implied = self._way_out(container, Stay(sandbox, tuple(places)), gateway, len(attached))
            places.append((gateway, implied))
        return Stay(sandbox, tuple(with_way_out(places)))

    def _way_out(
        self, container: Container, stay: Stay, gateway: Network, later: int
    ) -> tuple[Sandbox, Endpoint]:
        """The endpoint on docker_gwbridge, which nobody has asked for and no name leads to."""
        attachment, taken = Attachment(gateway.name), [each.interface for _, each in stay.places]
        names, counts = interface_names([(attachment, gateway)], taken, stay.sandbox.interfaces)
        endpoint = self.new_endpoint(container, stay.sandbox, attachment, gateway, names[0], later)
        return replace(stay.sandbox, interfaces=counts), replace(endpoint, names=(), implied=True)

    async def led_out(self, container: Container, before: Stay, after: Stay) -> Stay:
        """A stay that has changed, with its way out: by docker_gwbridge where no network leads outside."""
        asked = list(after.asked)
        gateway = await self.overlays.gateway([network for network, _ in asked])
        sandbox, implied = after.sandbox, [place for place in after.places if place[1].implied]
        if gateway is None:
            implied = []
        elif not implied:
            sandbox, way_out = self._way_out(container, after, gateway, 1)
            implied = [(gateway, way_out)]
        places = with_way_out([*asked, *implied])
        return Stay(sandbox, tuple(self.publishing.moved(container, before, places)))

    async def _new_sandbox(self, container: Container, networks: list[Network]) -> Sandbox:
        context = self._context
        before = context.records.sandbox_of(container.id)
        if any(network.driver == "host" for network in networks):
            return Sandbox(context.new_id(), container.id, name="")
        embedded = any(driver_of(network).addressed and not network.default_bridge for network in networks)
        own, settings = container.host_config, context.settings
        host = parse_resolv_conf(
            in_force(await context.machine.resolv_conf(), await context.machine.resolved_conf())
        )
        return Sandbox(
            # Others may be in the namespace that it had before.
            id=before.id if before else context.new_id(),
            container_id=container.id,
            name=before.name if before else await self._pin_name(container),
            sysctls={**SANDBOX_SYSCTLS, **ipv6_wishes(container)},
            embedded_dns=embedded,
            upstreams=addresses_in(own.dns or settings.dns),
            inside=tuple(each for each in addresses_in(own.dns) if is_own_loopback(each)),
            search=own.dns_search or settings.dns_search or host.search,
            ndots=ndots(own.dns_options or settings.dns_opt or host.options),
        )

    async def _pin_name(self, container: Container) -> str:
        """The container's name, or its id where somebody else's namespace is called so."""
        held = self._context.records.sandbox_named(container.name) is not None
        taken = held or await self._context.machine.exists(f"/run/netns/{container.name}")
        return container.id if taken else container.name

    def new_endpoint(
        self,
        container: Container,
        sandbox: Sandbox,
        attachment: Attachment,
        network: Network,
        interface: str,
        later: int = 0,
        entered: RemoteEndpoint | None = None,
    ) -> Endpoint:
        """An endpoint with its leases; `later` keeps several of one call in order.

        `entered` is what the whole cluster knows of its place on a global network already.
        """
        context = self._context
        if network.config_only:
            raise Forbidden(NO_ENDPOINT)
        identity = entered.id if entered is not None else context.new_id()
        common = Endpoint(
            id=identity,
            network_id=network.id,
            container_id=container.id,
            sandbox_id=sandbox.id,
            sequence=context.ledger.next_sequence() + later,
            interface="",
            host_interface="",
            mac="",
            gateway_priority=attachment.gateway_priority,
            link_local=link_local_interfaces(attachment),
            sysctls=interface_sysctls(attachment, interface),
        )
        driver = driver_of(network)
        if not driver.addressed:
            return common
        if entered is not None:
            return replace(
                common,
                interface=interface,
                host_interface="veth" + identity[:7],
                mac=entered.mac,
                ipv4=entered.ipv4,
                ipv6=entered.ipv6,
                names=entered.names,
            )
        members = self.members(network.id)
        if members and driver.alone(network):
            holder = context.records.containers[members[0].container_id].name
            raise Failed(
                "failed to create the macvlan port: invalid argument: "
                f"network {network.name} has room for one container, and {holder} is there"
            )
        routed = driver.internal_gateway or not network.internal
        taken = {address for each in members for address in each.addresses}
        promised = context.records.promised(network, container.id)
        found = leases(network, attachment, taken, promised, routed)
        own = found.ipv4
        mac = attachment.mac or (container.config.mac_address if is_first(container, network) else "")
        mac = mac or (mac_from_ipv4(own.ip) if own else mac_from_bytes(context.clock.chance(4)))
        return replace(
            common,
            interface=interface,
            host_interface="veth" + identity[:7] if driver.host_end else "",
            mac=mac,
            ipv4=own,
            ipv6=placed_ipv6(network, found.ipv6, mac, taken),
            gateway4=found.gateway4,
            gateway6=found.gateway6,
            names=names_on(container, attachment, network),
        )

    @staticmethod
    def renamed(container: Container, stay: Stay) -> Stay:
        """The stay with the names that its container has now."""
        places = []
        for network, endpoint in stay.places:
            known = (each for each in container.attachments if each.network in (network.name, network.id))
            attachment = next(known, Attachment(network.name))
            names = names_on(container, attachment, network) if endpoint.names else ()
            places.append((network, replace(endpoint, names=names)))
        return Stay(stay.sandbox, tuple(places))

    # -- joining and leaving ---------------------------------------------------------------------

    async def pin(self, stay: Stay, label: str) -> None:
        """Make the namespace with its sysctls, so that the runtime can begin while links are made."""
        state = self.state(stay, label)
        first: dict[Key, Value | None] = {
            key: value
            for key, value in state.items()
            if isinstance(key, NamespaceKey)
            or (isinstance(key, SysctlKey) and key.namespace and not of_one_link(key))
        }
        await self._context.reconciler.converge(first)

    async def join(self, stay: Stay, label: str) -> None:
        """Converge everything of the stay."""
        await self._context.reconciler.converge(self.state(stay, label))

    async def restore(self, stays: Collection[tuple[Stay, str]]) -> None:
        """Converge the settled parts of running containers' stays, all at once, each with its label.

        What was under way is taken back.
        """
        pins: dict[Key, Value | None] = {
            NamespaceKey(stay.sandbox.name): stay.sandbox.id[:12] for stay, _ in stays if stay.sandbox.name
        }
        await self._context.reconciler.converge(pins)  # what is in a namespace cannot be seen without
        desired: dict[Key, Value | None] = {}
        for stay, label in stays:
            places = tuple(place for place in stay.places if place[1].phase == "settled")
            settled = self.state(Stay(stay.sandbox, places), label)
            for key, value in transition(self.state(stay, label), settled).items():
                if value is not None or key not in desired:
                    desired[key] = value
        await self._context.reconciler.converge(desired)
        for stay, _ in stays:
            gone = [endpoint for _, endpoint in stay.places if endpoint.phase != "settled"]
            if gone:
                await self._context.ledger.commit(*(drop(endpoint) for endpoint in gone))
                await self.overlays.leave([place for place in stay.places if place[1] in gone])

    async def leave(self, stay: Stay, label: str) -> None:
        """Take everything of the stay away, then its records; not the namespace while others are in it."""
        shared = bool(stay.sandbox.name) and is_shared(self._context.records, stay.sandbox.container_id)
        rest = [Stay(kept(stay.sandbox), ())] if shared else []
        desired = absent(self.state(stay, label))
        for each in rest:
            desired |= self.state(each, label)
        await self._context.reconciler.converge(desired)
        self._context.at("leave: kernel clean")
        await self._context.ledger.commit(
            *stay.dropped(), *(change for each in rest for change in each.written())
        )
        await self.overlays.leave(stay.places)

    async def withdraw(self, stay: Stay, label: str) -> None:
        """Take back a stay that did not come about; when that fails its records stay for the next start."""
        try:
            await self.leave(stay, label)
        except FairleadError:
            await self._context.ledger.commit(*stay.in_phase("removing").written())
            raise

"""Which ports of the host lead to a container: chosen at its start, moved with its way out."""

from dataclasses import replace

from fairlead.engine.context import Context
from fairlead.engine.ports import DYNAMIC_PORTS, Allocation, Turns, exposed_requests, port_failure
from fairlead.engine.stay import Stay
from fairlead.engine.ways_out import publishes
from fairlead.model.container import Container
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Failed
from fairlead.model.network import GatewayMode, Network
from fairlead.model.records import Place


class Publishing:
    """Allocates the host's ports among containers, from the records alone."""

    def __init__(self, context: Context):
        self._context = context
        self._turns = Turns()

    async def begin(self) -> None:
        """Ask the host which ports are its to choose from."""
        self._turns = Turns(await self._context.machine.local_ports() or DYNAMIC_PORTS)

    def chosen(self, container: Container, stay: Stay) -> Stay:
        """The stay with its published ports, on the endpoint that has the way out.

        Raises Failed in Docker's words when a port is taken.
        """
        places = []
        for network, endpoint in stay.places:
            if publishes(network, endpoint):
                endpoint = self._published(container, endpoint)
            places.append((network, endpoint))
        return Stay(stay.sandbox, tuple(places))

    def moved(
        self, container: Container, before: Stay, places: list[tuple[Network, Endpoint]]
    ) -> list[tuple[Network, Endpoint]]:
        """The places with the published ports where the way out is now; the host's ports stay the same ones.

        Source: libnetwork `endpoint.go`, what `sbJoin` and `sbLeave` do about external connectivity.
        """
        held = next((endpoint.ports for _, endpoint in before.places if endpoint.ports), ())
        moved = []
        for network, endpoint in places:
            endpoint = replace(endpoint, ports=held if publishes(network, endpoint) else ())
            if not held and publishes(network, endpoint):
                endpoint = self._published(container, endpoint)
            moved.append((network, endpoint))
        return moved

    def _published(self, container: Container, endpoint: Endpoint) -> Endpoint:
        """The endpoint with host ports for all that the container publishes."""
        requests = list(container.host_config.port_bindings)
        if container.host_config.publish_all_ports:
            requests += exposed_requests(container.config.exposed_ports, requests)
        if not requests:
            return endpoint
        network, settings = self._context.records.networks[endpoint.network_id], self._context.settings
        own = {each.version for each in (endpoint.ipv4, endpoint.ipv6) if each is not None}
        routed = {version for version in own if network.gateway_mode(version) is GatewayMode.ROUTED}
        if routed == own:
            routed = {4, 6}  # nothing of it is reached by the host's addresses
        allocation = Allocation(
            self._holder,
            network.host_binding,
            self._turns,
            routed,
            # Only a proxy leads from an IPv6 address of the host to a container that has none.
            {4, 6} if settings.userland_proxy or 6 in own else {4},
        )
        try:
            ports = allocation.publish(requests, container.name)
        except Failed as error:
            raise port_failure(container, endpoint, error.message) from error
        reached = tuple(port for port in ports if not port.routed or port.host_address.version in own)
        return replace(endpoint, ports=reached)

    def _holder(self, place: Place) -> str | None:
        """The name of the container that has a port of the host."""
        records = self._context.records
        endpoint = records.publisher(place)
        if endpoint is None or endpoint.container_id not in records.containers:
            return None
        return records.containers[endpoint.container_id].name

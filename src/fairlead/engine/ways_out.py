"""By which of its networks a container reaches what is on none of them."""

from dataclasses import replace

from fairlead.model.endpoint import Endpoint
from fairlead.model.network import Network
from fairlead.planner.drivers import driver_of
from fairlead.planner.sandbox import precedence

Place = tuple[Network, Endpoint]


def with_way_out(places: list[Place]) -> list[Place]:
    """Give each IP version's default route to one endpoint: whose network takes precedence.

    The one for IPv4 publishes ports, also where no network of the container has IPv4.
    """
    outward = [place for place in places if place[0].scope != "global"]
    ranked = sorted(outward, key=lambda place: precedence(place[0], place[1].gateway_priority))
    ways4 = [endpoint.id for _, endpoint in ranked if endpoint.gateway4 is not None]
    ways6 = [endpoint.id for _, endpoint in ranked if endpoint.gateway6 is not None]
    way4 = next(iter(ways4 or (endpoint.id for _, endpoint in ranked)), "")
    way6 = next(iter(ways6), "")
    return [
        (network, replace(each, default_route=each.id == way4, default_route6=each.id == way6))
        for network, each in places
    ]


def publishes(network: Network, endpoint: Endpoint) -> bool:
    """Whether an endpoint is the one that its container's ports are published on."""
    return endpoint.default_route and driver_of(network).publishes and not network.internal

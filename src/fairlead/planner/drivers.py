"""What each kind of network is made of: one table, from its driver to its part of the host's state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fairlead.model.config import Cluster, Settings
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.host import Key, Value, Vxlan
from fairlead.model.network import Network
from fairlead.model.surroundings import Surroundings
from fairlead.planner import macvlan, overlay
from fairlead.planner.bridge import bridge_state, endpoint_state

NetworkState = Callable[[Network, Settings, Surroundings], dict[Key, Value | None]]
EndpointState = Callable[[Network, Sandbox, Endpoint, str, Settings, Surroundings], dict[Key, Value | None]]


def _nothing(network: Network, settings: Settings, surroundings: Surroundings) -> dict[Key, Value | None]:
    return {}


def _no_place(
    network: Network,
    sandbox: Sandbox,
    endpoint: Endpoint,
    label: str,
    settings: Settings,
    surroundings: Surroundings,
) -> dict[Key, Value | None]:
    return {}


def _for_many(network: Network) -> bool:
    return False


def _overlay_size(network: Network, cluster: Cluster, surroundings: Surroundings) -> int:
    return overlay.overlay_mtu(network, cluster.vtep, surroundings.uplink_mtu)


def overlay_network(
    network: Network, settings: Settings, surroundings: Surroundings
) -> dict[Key, Value | None]:
    """What a host has for a global network that its containers are on; nothing outside of a cluster."""
    cluster = settings.cluster
    if cluster is None:
        return {}
    tunnel = Vxlan(network.vni, cluster.vtep, settings.overlay_port)
    return overlay.overlay_state(network, tunnel, _overlay_size(network, cluster, surroundings))


def _overlay_endpoint(
    network: Network,
    sandbox: Sandbox,
    endpoint: Endpoint,
    label: str,
    settings: Settings,
    surroundings: Surroundings,
) -> dict[Key, Value | None]:
    cluster = settings.cluster
    if cluster is None:
        return {}
    return overlay.endpoint_state(network, sandbox, endpoint, _overlay_size(network, cluster, surroundings))


@dataclass(frozen=True, slots=True)
class Driver:
    """A kind of network.

    `network_state` is what the host has for a network, `endpoint_state` what it has for one
    endpoint; its text is the container's name, for messages.  `addressed`: its endpoints have a
    link of their own in the sandbox, with leased addresses and names.  `host_end`: that link is
    one end of a veth pair.  `publishes`: ports of the host can lead to its endpoints.
    `several_subnets`: it may have more than one of an IP version.  `internal_gateway`: endpoints of
    an internal network have a way out all the same, into which nothing is let.  `alone` tells
    whether a network has room for one endpoint only.
    """

    network_state: NetworkState = _nothing
    endpoint_state: EndpointState = _no_place
    addressed: bool = False
    host_end: bool = False
    publishes: bool = False
    several_subnets: bool = False
    internal_gateway: bool = False
    alone: Callable[[Network], bool] = _for_many


DRIVERS: Mapping[str, Driver] = {
    "bridge": Driver(
        bridge_state,
        endpoint_state,
        addressed=True,
        host_end=True,
        publishes=True,
        internal_gateway=True,
    ),
    # The network itself is there as long as containers of this host are on it, so it is no entry here.
    "overlay": Driver(endpoint_state=_overlay_endpoint, addressed=True, host_end=True, several_subnets=True),
    "host": Driver(),
    "macvlan": Driver(
        macvlan.network_state,
        macvlan.endpoint_state,
        addressed=True,
        several_subnets=True,
        alone=macvlan.alone,
    ),
    "null": Driver(),
}


def driver_of(network: Network) -> Driver:
    """The kind of a network.  A record of a kind that is not known any more asks for nothing."""
    return DRIVERS.get(network.driver, Driver())

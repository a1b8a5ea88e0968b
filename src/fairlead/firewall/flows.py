"""Tracked flows and what they must not do: lead to an address that is gone, or past a published port.

Connection tracking translates only the first packet of a flow by the rules; those that follow do
as the first did, whatever the rules say by then.  A UDP flow lasts as long as somebody sends.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from fairlead.model.addresses import Address
from fairlead.model.endpoint import Endpoint
from fairlead.model.host import AddressFlowsKey, Family, Key, PortFlowsKey, Value
from fairlead.model.network import Network


@dataclass(frozen=True, slots=True)
class Way:
    """One direction of a flow; ports are 0 where its protocol has none."""

    source: Address
    source_port: int
    destination: Address
    destination_port: int


@dataclass(frozen=True, slots=True)
class Flow:
    """A tracked flow: as its first packet was sent, and as its answers come."""

    protocol: str
    there: Way
    back: Way

    @property
    def redirected(self) -> bool:
        """Whether it goes elsewhere than it was sent."""
        aimed = self.there.destination, self.there.destination_port
        return aimed != (self.back.source, self.back.source_port)

    @property
    def masked(self) -> bool:
        """Whether its receiver sees another source."""
        sent = self.there.source, self.there.source_port
        return sent != (self.back.destination, self.back.destination_port)


def belongs(flow: Flow, key: AddressFlowsKey) -> bool:
    """Whether a flow comes from the key's address, or was redirected to it."""
    if key.led:
        return flow.redirected and flow.back.source == key.address
    return flow.masked and flow.there.source == key.address


def astray(flow: Flow, key: PortFlowsKey, local: Callable[[Address], bool]) -> bool:
    """Whether a flow was sent to the key's published port and does not lead to its target.

    `local` tells whether an address is the host's own.  What goes to [::1] as it was sent is
    carried by the relay, rightly so.
    """
    offset = flow.there.destination_port - key.port
    asked = flow.there.destination
    if flow.protocol != key.protocol or not 0 <= offset < key.count or asked.version != key.address.version:
        return False
    if (flow.back.source, flow.back.source_port) == (key.target, key.target_port + offset):
        return False
    if not flow.redirected and asked.version == 6 and asked.is_loopback:
        return False
    return local(asked) if key.address.is_unspecified else asked == key.address


def endpoint_flows(
    network: Network, endpoint: Endpoint, families: Collection[Family]
) -> Mapping[Key, Value | None]:
    """What flows may be while the endpoint is there; when it goes, those from and to it end."""
    state: dict[Key, Value | None] = {}
    for interface in (endpoint.ipv4, endpoint.ipv6):
        if interface is None:
            continue
        if network.masquerade and not network.internal:
            state[AddressFlowsKey(interface.ip, led=False)] = True
        if endpoint.ports:
            state[AddressFlowsKey(interface.ip, led=True)] = True
    for port in endpoint.ports:
        version = port.host_address.version
        inside = endpoint.ipv4 if version == 4 else endpoint.ipv6
        # TCP answers what it does not know with a reset, and the client begins anew.
        if inside is None or port.routed or port.protocol != "udp" or Family(f"ipv{version}") not in families:
            continue
        key = PortFlowsKey(
            "udp", port.host_address, port.host_port, port.count, inside.ip, port.container_port
        )
        state[key] = True
    return state

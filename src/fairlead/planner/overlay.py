"""What an overlay network is made of on one of its hosts: its own endpoints, and the way to the others'.

Its bridge and its tunnel end live in a namespace of their own, where neither the host's addresses
nor its rules are.  What is sent to other hosts is told, not learned: an entry for each of their
endpoints, and ARP and neighbour discovery are answered from the same entries.
"""

from ipaddress import IPv4Network

from fairlead.model.addresses import Address
from fairlead.model.cluster import RemoteEndpoint
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.host import (
    OVERLAY,
    AddressKey,
    Bridge,
    FdbKey,
    Key,
    LinkKey,
    LinkSetting,
    LinkSettingKey,
    NamespaceKey,
    NeighbourKey,
    Route,
    RouteKey,
    SysctlKey,
    Value,
    Veth,
    Vxlan,
)
from fairlead.model.network import Network
from fairlead.planner.bridge import bridge_address, bridge_mac
from fairlead.planner.sandbox import name_state, place_state

State = dict[Key, Value | None]

BRIDGE, TUNNEL = "br0", "vxlan0"
# Ethernet, IP, UDP and VXLAN headers around each packet (RFC 7348 section 5), in bytes.
HEADERS = {4: 50, 6: 70}


def overlay_namespace(network: Network) -> str:
    """The name of the namespace that holds the network's links."""
    return OVERLAY + network.id[:12]


def overlay_mtu(network: Network, vtep: Address, uplink: int) -> int:
    """The MTU of the network's links: what was asked for, else what the uplink has room for.

    Larger packets would vanish: no host between two containers can say that they are too large.
    """
    room = uplink - HEADERS[vtep.version]
    return min(network.mtu or room, room)


def overlay_state(network: Network, tunnel: Vxlan, size: int) -> State:
    """The namespace with the bridge and the tunnel end; `size` is their MTU."""
    home = overlay_namespace(network)
    state: State = {
        NamespaceKey(home): network.id[:12],
        # Nothing speaks IPv6 but what the network needs: no link has an address by itself.
        _ipv6_setting(home, "default", "disable_ipv6"): "1",
        SysctlKey(home, ("net", "ipv4", "ip_forward")): "0",
        LinkKey(home, BRIDGE): Bridge(bridge_mac(network)),
        LinkSettingKey(home, BRIDGE, LinkSetting.MTU): str(size),
        LinkSettingKey(home, BRIDGE, LinkSetting.UP): "on",
        LinkKey(home, TUNNEL): tunnel,
        LinkSettingKey(home, TUNNEL, LinkSetting.MTU): str(size),
        LinkSettingKey(home, TUNNEL, LinkSetting.MASTER): BRIDGE,
        # No sender beyond the tunnel is believed to be where another is known to be.
        LinkSettingKey(home, TUNNEL, LinkSetting.LEARNING): "off",
        LinkSettingKey(home, TUNNEL, LinkSetting.UP): "on",
    }
    if network.enable_ipv6:
        state.update(_ipv6(home))
    for pool in network.pools:
        address = bridge_address(pool)
        if address is not None and (isinstance(pool.subnet, IPv4Network) or network.enable_ipv6):
            state[AddressKey(home, BRIDGE, address)] = True
    return state


def _ipv6(home: str) -> State:
    """The bridge has IPv6, and the tunnel end as much of it as neighbours need."""
    state: State = {_ipv6_setting(home, TUNNEL, "addr_gen_mode"): "1"}  # no address of its own
    return state | {_ipv6_setting(home, link, "disable_ipv6"): "0" for link in (TUNNEL, BRIDGE)}


def endpoint_state(network: Network, sandbox: Sandbox, endpoint: Endpoint, size: int) -> State:
    """The veth pair from the network's bridge into the sandbox, and what is inside there."""
    home, outer, inner = overlay_namespace(network), endpoint.host_interface, endpoint.interface
    state: State = {
        LinkKey(home, outer): Veth(sandbox.name, inner, endpoint.mac),
        LinkSettingKey(home, outer, LinkSetting.MTU): str(size),
        LinkSettingKey(home, outer, LinkSetting.MASTER): BRIDGE,
        LinkSettingKey(home, outer, LinkSetting.UP): "on",
        LinkSettingKey(sandbox.name, inner, LinkSetting.MTU): str(size),
    }
    for own in (endpoint.ipv4, endpoint.ipv6):
        if own is not None:  # as for those on other hosts: who knew another holder of its address is told
            state[NeighbourKey(home, BRIDGE, own.ip)] = endpoint.mac
    near = {each.version: each.network for each in (endpoint.ipv4, endpoint.ipv6) if each is not None}
    for pool in network.pools:
        if near.get(pool.subnet.version, pool.subnet) != pool.subnet:
            state[RouteKey(sandbox.name, pool.subnet)] = Route(None, inner)  # its other subnets are as near
    return state | place_state(network, sandbox, endpoint)


def remote_state(network: Network, remote: RemoteEndpoint) -> State:
    """The way to a container on another host, its answers to ARP, and its names.

    One that comes to another host with what it had is one changed entry: there is always a way.
    """
    home = overlay_namespace(network)
    state: State = {FdbKey(home, TUNNEL, remote.mac): str(remote.vtep)}
    for interface in (remote.ipv4, remote.ipv6):
        if interface is not None and (interface.version == 4 or network.enable_ipv6):
            state[NeighbourKey(home, TUNNEL, interface.ip)] = remote.mac
    return state | name_state(network, remote)


def _ipv6_setting(namespace: str, link: str, name: str) -> SysctlKey:
    return SysctlKey(namespace, ("net", "ipv6", "conf", link, name))

"""What a bridge network is made of on its host, and each of its endpoints."""

from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network

from fairlead.firewall import flows, guards, policy, publish
from fairlead.model.addresses import Interface, mac_from_bytes
from fairlead.model.config import Settings
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.guards import Guard
from fairlead.model.host import (
    AddressKey,
    Bridge,
    Family,
    HeldPortKey,
    Key,
    LinkKey,
    LinkSetting,
    LinkSettingKey,
    State,
    SysctlKey,
    Target,
    Value,
    Veth,
)
from fairlead.model.network import Network, Pool
from fairlead.model.surroundings import Surroundings
from fairlead.planner.sandbox import place_state
from fairlead.planner.steps import absent


def bridge_mac(network: Network) -> str:
    """The bridge's own hardware address, from the network's id: so it never follows a port's."""
    return mac_from_bytes(bytes.fromhex(network.id[:8]))


def bridge_addresses(network: Network) -> list[Interface]:
    """The addresses of a network's bridge: in each pool, where it has that IP version."""
    on = {4: network.enable_ipv4 and not network.inhibits_ipv4, 6: network.enable_ipv6}
    found = (bridge_address(pool) for pool in network.pools if on[pool.subnet.version])
    return [address for address in found if address is not None]


def bridge_address(pool: Pool) -> Interface | None:
    """The bridge's address in a pool."""
    address = pool.gateway
    if address is None:
        return None
    if isinstance(pool.subnet, IPv4Network):
        return IPv4Interface(f"{address}/{pool.subnet.prefixlen}")
    assert isinstance(pool.subnet, IPv6Network)
    return IPv6Interface(f"{address}/{pool.subnet.prefixlen}")


def mtu(network: Network, settings: Settings, uplink: int) -> int:
    """The MTU of a network's links: its own, else the uplink's.  --mtu is docker0's alone, as with Docker."""
    return (settings.mtu if network.default_bridge else network.mtu) or uplink


def bridge_state(network: Network, settings: Settings, surroundings: Surroundings) -> dict[Key, Value | None]:
    """The bridge link, its addresses and settings, and its firewall rules."""
    name = network.bridge_name
    state: dict[Key, Value | None] = {LinkSettingKey("", name, LinkSetting.UP): "on"}
    if network.adoption is None:
        state[LinkKey("", name)] = Bridge(bridge_mac(network))
        # Router advertisements that a container sends must never configure the host (CVE-2020-13401).
        state[SysctlKey("", ("net", "ipv6", "conf", name, "accept_ra"))] = "0"
    else:
        # Whose bridge it is may see to that, and its address must not become that of a port of ours.
        state[LinkSettingKey("", name, LinkSetting.KEEPS_MAC)] = "on"
    for address in bridge_addresses(network):
        state[AddressKey("", name, address)] = True
    wanted, proxy = families(network, settings), settings.userland_proxy
    # What the other setting of --userland-proxy would have is not there: the daemon may have had it before.
    state.update(absent(policy.network_rules(network, wanted, not proxy)))
    state.update(policy.network_rules(network, wanted, proxy))
    state.update(guards.network_guards(network, wanted, settings))
    state.update(_between_ports(network, settings))
    if settings.iptables and not network.internal:
        # What the host sends to 127.0.0.1 and is redirected to a container leaves by the bridge.
        state[_route_localnet(network)] = "1"
    return state


def _apart(network: Network, settings: Settings) -> bool:
    """Whether its bridge carries no frames from one container to another, as icc=false wants it."""
    if network.adoption is not None:
        return False  # what its owner's links say to each other is none of ours
    return not network.icc and Guard.LAYER_2 not in guards.allowed(network, settings)


def _between_ports(network: Network, settings: Settings) -> dict[Key, Value | None]:
    """What links between containers need where frames do not pass.

    The host answers ARP for all of them, at once, and routes between them, so that the rules of
    links decide.
    """
    # Of the networks that there are, icc changes at docker0 alone: when the daemon is told otherwise.
    if network.adoption is not None or (network.icc and not network.default_bridge):
        return {}
    name, on = network.bridge_name, _apart(network, settings)
    return {
        SysctlKey("", ("net", "ipv4", "conf", name, "proxy_arp_pvlan")): "1" if on else "0",
        SysctlKey("", ("net", "ipv4", "neigh", name, "proxy_delay")): "0" if on else "80",
    }


def released_state(network: Network, state: State) -> dict[Key, Value | None]:
    """What is desired where a network with this state goes: nothing of it, an adopted bridge as it was."""
    released = absent(state)
    if network.adoption is None:
        return released
    name = network.bridge_name
    for address in network.adoption.addresses:
        released.pop(AddressKey("", name, address), None)
    released.pop(LinkSettingKey("", name, LinkSetting.KEEPS_MAC), None)
    released[LinkSettingKey("", name, LinkSetting.UP)] = "on" if network.adoption.up else "off"
    if _route_localnet(network) in released:
        released[_route_localnet(network)] = network.adoption.route_localnet
    return released


def _route_localnet(network: Network) -> SysctlKey:
    return SysctlKey("", ("net", "ipv4", "conf", network.bridge_name, "route_localnet"))


def families(network: Network, settings: Settings) -> tuple[Family, ...]:
    """The address families that the network has rules for."""
    ipv4 = (Family.IPV4,) if settings.iptables else ()
    return (*ipv4, Family.IPV6) if settings.ip6tables and network.enable_ipv6 else ipv4


def endpoint_state(
    network: Network,
    sandbox: Sandbox,
    endpoint: Endpoint,
    label: str,
    settings: Settings,
    surroundings: Surroundings,
) -> dict[Key, Value | None]:
    """The veth pair, what is inside the sandbox, and the published ports.

    `label` is the container's name, for messages about who holds a port.
    """
    outer, inner = endpoint.host_interface, endpoint.interface
    size = str(mtu(network, settings, surroundings.uplink_mtu))
    state: dict[Key, Value | None] = {
        LinkKey("", outer): Veth(sandbox.name, inner, endpoint.mac),
        LinkSettingKey("", outer, LinkSetting.MTU): size,
        LinkSettingKey("", outer, LinkSetting.MASTER): network.bridge_name,
        # A container that asks for a port published by itself is answered over the same port.
        LinkSettingKey("", outer, LinkSetting.HAIRPIN): "on",
        LinkSettingKey("", outer, LinkSetting.ISOLATED): "on" if _apart(network, settings) else "off",
        LinkSettingKey("", outer, LinkSetting.UP): "on",
        LinkSettingKey(sandbox.name, inner, LinkSetting.MTU): size,
    }
    state.update(place_state(network, sandbox, endpoint))
    state.update(_published(network, endpoint, label, settings))
    state.update(guards.endpoint_guards(network, endpoint, settings))
    if settings.iptables:
        state.update(policy.link_rules(network, endpoint))
    state.update(flows.endpoint_flows(network, endpoint, families(network, settings)))
    return state


def _published(
    network: Network, endpoint: Endpoint, label: str, settings: Settings
) -> dict[Key, Value | None]:
    state: dict[Key, Value | None] = {}
    for port in endpoint.ports:
        own4, own6 = endpoint.ipv4, endpoint.ipv6
        inside = (own6 or own4) if port.host_address.version == 6 else (own4 or own6)
        if inside is None or port.routed:
            continue
        key = HeldPortKey(port.protocol, port.host_address, port.host_port, port.count)
        state[key] = Target(inside.ip, port.container_port, endpoint.id, label)
    wanted = families(network, settings) if endpoint.ports else ()
    proxy = settings.userland_proxy
    state.update(absent(publish.publish_rules(network, endpoint, wanted, not proxy)))
    state.update(publish.publish_rules(network, endpoint, wanted, proxy))
    state.update(guards.bound_ports(network, endpoint, wanted, settings))
    if settings.iptables and endpoint.ports:
        state.update(publish.publish_elements(network, endpoint, settings.ip_forward))
    return state

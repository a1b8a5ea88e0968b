"""What a bridge network is made of on its host."""

from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network

from fairlead.firewall import policy
from fairlead.model.addresses import Interface, mac_from_bytes
from fairlead.model.config import Settings
from fairlead.model.host import (
    AddressKey,
    Bridge,
    Family,
    Key,
    LinkKey,
    LinkSetting,
    LinkSettingKey,
    SysctlKey,
    Value,
)
from fairlead.model.network import Network, Pool

DEFAULT_MTU = 1500


def bridge_mac(network: Network) -> str:
    """The bridge's own hardware address, from the network's id: so it never follows a port's."""
    return mac_from_bytes(bytes.fromhex(network.id[:8]))


def bridge_address(pool: Pool) -> Interface | None:
    """The bridge's address in a pool."""
    address = pool.gateway
    if address is None:
        return None
    if isinstance(pool.subnet, IPv4Network):
        return IPv4Interface(f"{address}/{pool.subnet.prefixlen}")
    assert isinstance(pool.subnet, IPv6Network)
    return IPv6Interface(f"{address}/{pool.subnet.prefixlen}")


def mtu(network: Network) -> int:
    """The MTU of a network's links: its own, else 1500.  --mtu is docker0's alone, as with Docker."""
    return network.mtu or DEFAULT_MTU


def bridge_state(network: Network, settings: Settings) -> dict[Key, Value | None]:
    """The bridge link, its addresses and settings, and its firewall rules."""
    name = network.bridge_name
    state: dict[Key, Value | None] = {
        LinkKey("", name): Bridge(bridge_mac(network)),
        LinkSettingKey("", name, LinkSetting.UP): "on",
    }
    for pool in network.pools:
        address = bridge_address(pool)
        if address is not None and (address.version == 4 or network.enable_ipv6):
            state[AddressKey("", name, address)] = True
    # Router advertisements that a container sends must never configure the host (CVE-2020-13401).
    state[SysctlKey("", ("net", "ipv6", "conf", name, "accept_ra"))] = "0"
    state.update(policy.network_rules(network, families(network, settings), settings.userland_proxy))
    if settings.iptables and not network.internal:
        # What the host sends to 127.0.0.1 and is redirected to a container leaves by the bridge.
        state[SysctlKey("", ("net", "ipv4", "conf", name, "route_localnet"))] = "1"
    return state


def families(network: Network, settings: Settings) -> tuple[Family, ...]:
    """The address families that the network has rules for."""
    ipv4 = (Family.IPV4,) if settings.iptables else ()
    return (*ipv4, Family.IPV6) if settings.ip6tables and network.enable_ipv6 else ipv4

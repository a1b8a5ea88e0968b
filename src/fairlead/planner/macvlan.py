"""What a macvlan network is made of on its host, and each of its endpoints.

The containers have links of their own on the parent's wire.  The host routes and filters nothing
for them, and does not hear them either: that takes a link of its own beside theirs, the host shim.
"""

from ipaddress import ip_interface

from fairlead.model.addresses import Interface, Subnet, mac_from_bytes
from fairlead.model.config import Settings
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.host import (
    DUMMY_NAME,
    AddressKey,
    Dummy,
    Key,
    LinkKey,
    LinkSetting,
    LinkSettingKey,
    Macvlan,
    MacvlanMode,
    Route,
    RouteKey,
    SysctlKey,
    Value,
    Vlan,
)
from fairlead.model.network import HOST_SHIM, MACVLAN_MODE, PARENT, Network
from fairlead.model.surroundings import Surroundings
from fairlead.planner.sandbox import place_state


def own_parent(network: Network) -> str:
    """The name of the parent that is made for a network when none is given: Docker's."""
    return DUMMY_NAME + network.id[:12]


def parent(network: Network) -> str:
    """The link that the network's links are on."""
    return network.options.get(PARENT) or own_parent(network)


def made_parent(network: Network) -> Dummy | Vlan | None:
    """The parent as the engine makes it: one that leads nowhere if none was given, or a VLAN's."""
    if not network.options.get(PARENT):
        return Dummy()
    return vlan_of(network.options[PARENT]) if network.makes_parent else None


def vlan_of(name: str) -> Vlan:
    """The VLAN that a name such as eth0.50 stands for."""
    carrier, _, number = name.partition(".")
    return Vlan(carrier, int(number))


def mode(network: Network) -> MacvlanMode:
    """Whom the network's containers reach."""
    return MacvlanMode(network.options.get(MACVLAN_MODE) or MacvlanMode.BRIDGE)


def alone(network: Network) -> bool:
    """Whether only one endpoint at a time has room on the network."""
    return mode(network) is MacvlanMode.PASSTHRU


def shim_name(network: Network) -> str:
    """The name of the host's own link on the network."""
    return "shim-" + network.id[:10]


def shim_addresses(text: str) -> tuple[Interface, ...]:
    """The addresses that the option asks for: ADDRESS[/PREFIX], several with commas between.

    Without a prefix an address stands alone: the host's routes stay as they are but for the
    containers.  Raises ValueError for what is no address.
    """
    return tuple(ip_interface(word.strip()) for word in text.split(",")) if text else ()


def network_state(
    network: Network, settings: Settings, surroundings: Surroundings
) -> dict[Key, Value | None]:
    """The parent if it is the engine's to make, and the host shim if there is to be one."""
    state: dict[Key, Value | None] = {}
    made = made_parent(network)
    if made is not None:
        state[LinkKey("", parent(network))] = made
        state[LinkSettingKey("", parent(network), LinkSetting.UP)] = "on"
    if network.options.get(HOST_SHIM):
        state.update(_shim(network))
    return state


def _shim(network: Network) -> dict[Key, Value | None]:
    name = shim_name(network)
    # Not from the same part of the id as the parent's, whose hardware address no other link may have.
    mac = mac_from_bytes(bytes.fromhex(network.id[8:16]))
    state: dict[Key, Value | None] = {
        LinkKey("", name): Macvlan(parent(network), MacvlanMode.BRIDGE, mac),
        # It hears who asks for the host's other addresses too, and must not answer in their place.
        SysctlKey("", ("net", "ipv4", "conf", name, "arp_ignore")): "1",
        # Router advertisements that a container sends must never configure the host (CVE-2020-13401).
        SysctlKey("", ("net", "ipv6", "conf", name, "accept_ra")): "0",
        LinkSettingKey("", name, LinkSetting.UP): "on",
    }
    for address in shim_addresses(network.options[HOST_SHIM]):
        state[AddressKey("", name, address)] = True
    for span in _ranges(network):
        state[RouteKey("", span)] = Route(None, name)
    return state


def _ranges(network: Network) -> list[Subnet]:
    """The spans that all the containers' addresses are from, of those pools that have one."""
    return [pool.span for pool in network.pools if pool.span != pool.subnet]


def endpoint_state(
    network: Network,
    sandbox: Sandbox,
    endpoint: Endpoint,
    label: str,
    settings: Settings,
    surroundings: Surroundings,
) -> dict[Key, Value | None]:
    """The link in the sandbox with what is on it, and the shim's way to it.  The MTU is the parent's."""
    state: dict[Key, Value | None] = {
        LinkKey(sandbox.name, endpoint.interface): Macvlan(parent(network), mode(network), endpoint.mac),
    }
    state.update(place_state(network, sandbox, endpoint))
    if network.options.get(HOST_SHIM):
        for address in (endpoint.ipv4, endpoint.ipv6):
            if address is not None and not _in_range(network, address):
                state[RouteKey("", ip_interface(address.ip).network)] = Route(None, shim_name(network))
    return state


def _in_range(network: Network, address: Interface) -> bool:
    return any(address.ip in span for span in _ranges(network))

"""What a container's network namespace is made of, and each of its places on a network."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from fairlead.model.addresses import Subnet
from fairlead.model.cluster import RemoteEndpoint
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.host import (
    AddressKey,
    Key,
    LinkSetting,
    LinkSettingKey,
    NameKey,
    NamespaceKey,
    PointerKey,
    Resolver,
    ResolverKey,
    Route,
    RouteKey,
    SysctlKey,
    Value,
)
from fairlead.model.network import Network
from fairlead.model.surroundings import Surroundings

EVERYWHERE4 = IPv4Network("0.0.0.0/0")
EVERYWHERE6 = IPv6Network("::/0")


def sandbox_state(
    sandbox: Sandbox, places: Sequence[tuple[Network, Endpoint]], surroundings: Surroundings
) -> dict[Key, Value | None]:
    """The pinned namespace, its loopback and sysctls, and its resolver.

    `places` are its endpoints with their networks, in the order of attachment.
    """
    name = sandbox.name
    state: dict[Key, Value | None] = {
        NamespaceKey(name): sandbox.id[:12],
        # Nothing speaks IPv6, not even link-local, but what is on a network that has it, as with Docker.
        _ipv6_switch(name, "all"): "1",
        _ipv6_switch(name, "default"): "1",
        _ipv6_switch(name, "lo"): _ipv6_off(sandbox, any(_speaks_ipv6(endpoint) for _, endpoint in places)),
        LinkSettingKey(name, "lo", LinkSetting.UP): "on",
    }
    for dotted, value in sandbox.sysctls.items():
        state[SysctlKey(name, tuple(dotted.split(".")))] = value
    if sandbox.embedded_dns:
        # A name that several networks have is that of the first.
        ranked = sorted(places, key=lambda each: precedence(each[0], each[1].gateway_priority))
        networks = [network for network, _ in ranked]
        state[ResolverKey(name)] = _resolver(sandbox, networks, surroundings.name_servers)
    return state


def precedence(network: Network, priority: int) -> tuple[int, bool, bool, str]:
    """The highest priority first; internal networks last, those with IPv6 first, then by name.

    Source: libnetwork `sandbox.go`, the order of a sandbox's endpoints.
    """
    return -priority, network.internal, not network.enable_ipv6, network.name


def _resolver(sandbox: Sandbox, networks: Sequence[Network], hosts: tuple[str, ...]) -> Resolver:
    named = [network for network in networks if not network.default_bridge]
    internal = bool(networks) and all(network.internal for network in networks)
    # An address of a macvlan network may be a machine's outside, which others know better.
    own = [network for network in networks if network.internal or network.driver != "macvlan"]
    subnets = tuple(pool.subnet for network in own for pool in network.pools)
    return Resolver(
        networks=tuple(network.id for network in named),
        network_names=tuple(network.name for network in named),
        upstreams=sandbox.upstreams or hosts,
        search=sandbox.search,
        links=sandbox.links,
        internal=internal,
        # In an internal network others may be asked that are in it themselves.
        inside=(
            *sandbox.inside,
            *(each for each in sandbox.upstreams if internal and _within(each, subnets)),
        ),
        closed=tuple(network.name for network in named if network.internal),
        subnets=subnets,
        ndots=sandbox.ndots,
    )


def _within(server: str, subnets: Sequence[Subnet]) -> bool:
    return any(ip_address(server) in subnet for subnet in subnets)


def _ipv6_switch(namespace: str, link: str) -> SysctlKey:
    return SysctlKey(namespace, ("net", "ipv6", "conf", link, "disable_ipv6"))


def _ipv6_off(sandbox: Sandbox, wanted: bool) -> str:
    """Whether IPv6 is off at a link: as the container asks for all its links, else as `wanted`."""
    return sandbox.sysctls.get("net.ipv6.conf.all.disable_ipv6", "0" if wanted else "1")


def place_state(network: Network, sandbox: Sandbox, endpoint: Endpoint) -> dict[Key, Value | None]:
    """What an endpoint has inside its sandbox, whatever kind of link it is: raised, with addresses and
    routes, and the names by which its network knows it.
    """
    inner = endpoint.interface
    state: dict[Key, Value | None] = {
        _ipv6_switch(sandbox.name, inner): _ipv6_off(sandbox, _speaks_ipv6(endpoint)),
        LinkSettingKey(sandbox.name, inner, LinkSetting.UP): "on",
    }
    for setting, value in endpoint.sysctls.items():
        state[SysctlKey(sandbox.name, tuple(setting.split("/")))] = value
    for address in (endpoint.ipv4, endpoint.ipv6, *endpoint.link_local):
        if address is not None:
            state[AddressKey(sandbox.name, inner, address)] = True
    if endpoint.default_route and endpoint.gateway4 is not None:
        state[RouteKey(sandbox.name, EVERYWHERE4)] = Route(endpoint.gateway4, inner)
    if endpoint.default_route6 and endpoint.gateway6 is not None:
        state[RouteKey(sandbox.name, EVERYWHERE6)] = Route(endpoint.gateway6, inner)
    state.update(name_state(network, endpoint))
    return state


def _speaks_ipv6(endpoint: Endpoint) -> bool:
    return endpoint.ipv6 is not None or any(each.version == 6 for each in endpoint.link_local)


def name_state(network: Network, endpoint: Endpoint | RemoteEndpoint) -> dict[Key, Value | None]:
    """The names by which a network knows an endpoint, wherever that is."""
    if network.default_bridge or not endpoint.names:
        return {}
    state: dict[Key, Value | None] = {}
    for address in (each.ip for each in (endpoint.ipv4, endpoint.ipv6) if each is not None):
        state |= {NameKey(network.id, name, address): endpoint.id for name in endpoint.names}
        state[PointerKey(network.id, address)] = endpoint.names[0]
    return state

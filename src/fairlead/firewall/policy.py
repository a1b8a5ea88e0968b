"""Who may talk to whom: the chains of Docker 20.10 and what each bridge network adds to them.

The texts are those of `iptables-save` on a host where dockerd 20.10 runs, since people's scripts
and their rules in DOCKER-USER build on them.
"""

from collections.abc import Collection
from ipaddress import AddressValueError, IPv4Address

from fairlead.firewall import nft_text
from fairlead.firewall.iptables_text import fit_for_rules
from fairlead.firewall.ruleset import placement
from fairlead.model.addresses import Subnet
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import InvalidParameter
from fairlead.model.host import ChainKey, Family, Key, RuleKey, Value
from fairlead.model.network import HOST_IPV4, GatewayMode, Network

CHAINS = (
    ("filter", "DOCKER"),
    ("filter", "DOCKER-ISOLATION-STAGE-1"),
    ("filter", "DOCKER-ISOLATION-STAGE-2"),
    ("filter", "DOCKER-USER"),
    ("nat", "DOCKER"),
)
LOOPBACK = {Family.IPV4: "127.0.0.0/8", Family.IPV6: "::1/128"}
VERSION = {Family.IPV4: 4, Family.IPV6: 6}

Rules = dict[Key, Value]


def rule(family: Family, table: str, chain: str, text: str) -> Rules:
    """One rule as a piece of a desired state."""
    key = RuleKey(family, table, chain, text)
    return {key: placement(key)}


def bridge_link(network: Network) -> str:
    """The name of the network's bridge; InvalidParameter if it cannot stand in a rule."""
    if not fit_for_rules(network.bridge_name):
        raise InvalidParameter(
            f"cannot write firewall rules for the network {network.name}:"
            f" {network.bridge_name!r} cannot be the name of a bridge"
        )
    return network.bridge_name


def base(family: Family = Family.IPV4, userland_proxy: bool = True) -> Rules:
    """The chains and jumps that stand before any network, and the guard of the host's loopback.

    Without `userland_proxy` loopback traffic is redirected by iptables too, as dockerd does then.
    """
    state: Rules = {ChainKey(family, table, chain): True for table, chain in CHAINS}
    state |= users_chain(family)
    for chain in ("DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2"):
        state |= rule(family, "filter", chain, "-j RETURN")
    state |= rule(family, "filter", "FORWARD", "-j DOCKER-ISOLATION-STAGE-1")
    local = "-m addrtype --dst-type LOCAL -j DOCKER"
    state |= rule(family, "nat", "PREROUTING", local)
    state |= rule(family, "nat", "OUTPUT", f"! -d {LOOPBACK[family]} {local}" if userland_proxy else local)
    if family is Family.IPV4:
        state |= nft_text.loopback_guard()
    return state


def users_chain(family: Family) -> Rules:
    """DOCKER-USER and the way there; every new network sees to it that they are there, as with Docker."""
    state: Rules = {ChainKey(family, "filter", "DOCKER-USER"): True}
    state |= rule(family, "filter", "DOCKER-USER", "-j RETURN")
    return state | rule(family, "filter", "FORWARD", "-j DOCKER-USER")


def network_rules(
    network: Network, families: Collection[Family] = (Family.IPV4,), userland_proxy: bool = True
) -> Rules:
    """What a bridge network adds: forwarding, isolation, masquerading, and where hairpins are hidden.

    Raises InvalidParameter for a bridge name or an option that no rule can hold.
    """
    link = bridge_link(network)
    state: Rules = {}
    for family in families:
        subnets = [pool.subnet for pool in network.pools if pool.subnet.version == VERSION[family]]
        if family is Family.IPV6 and not (subnets and network.enable_ipv6):
            continue
        if network.internal:
            state |= _inside_only(network, family, link, subnets)
            continue
        state |= _forwarding(network, family, link)
        state |= rule(
            family, "filter", "DOCKER-ISOLATION-STAGE-1", f"-i {link} ! -o {link} -j DOCKER-ISOLATION-STAGE-2"
        )
        state |= rule(family, "filter", "DOCKER-ISOLATION-STAGE-2", f"-o {link} -j DROP")
        state |= _gateway(network, family, link, subnets, userland_proxy)
        if family is Family.IPV4 and network.icc:
            state |= nft_text.hairpin_sources(link, subnets)
    return state


def link_rules(network: Network, endpoint: Endpoint) -> Rules:
    """What an endpoint's links open: each port of the target, and the way back.

    Source: libnetwork `drivers/bridge/link.go`.
    """
    if endpoint.ipv4 is None:
        return {}
    link, own, state = bridge_link(network), f"{endpoint.ipv4.ip}/32", Rules()
    for each in endpoint.openings:
        target, ends = f"{each.address}/32", f"-i {link} -o {link} -p {each.protocol} -m {each.protocol}"
        there = f"-s {own} -d {target} {ends} --dport {each.port} -j ACCEPT"
        back = f"-s {target} -d {own} {ends} --sport {each.port} -j ACCEPT"
        state |= rule(Family.IPV4, "filter", "DOCKER", there)
        state |= rule(Family.IPV4, "filter", "DOCKER", back)
    return state


def _among_containers(network: Network, family: Family, link: str) -> Rules:
    verdict = "ACCEPT" if network.icc else "DROP"
    return rule(family, "filter", "FORWARD", f"-i {link} -o {link} -j {verdict}")


def _forwarding(network: Network, family: Family, link: str) -> Rules:
    return {
        **rule(
            family, "filter", "FORWARD", f"-o {link} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        ),
        **rule(family, "filter", "FORWARD", f"-o {link} -j DOCKER"),
        **rule(family, "filter", "FORWARD", f"-i {link} ! -o {link} -j ACCEPT"),
        **_among_containers(network, family, link),
    }


def _inside_only(network: Network, family: Family, link: str, subnets: Collection[Subnet]) -> Rules:
    state: Rules = _among_containers(network, family, link)
    for subnet in subnets:
        state |= rule(family, "filter", "DOCKER-ISOLATION-STAGE-1", f"! -s {subnet} -o {link} -j DROP")
        state |= rule(family, "filter", "DOCKER-ISOLATION-STAGE-1", f"! -d {subnet} -i {link} -j DROP")
    return state


def _gateway(
    network: Network, family: Family, link: str, subnets: Collection[Subnet], userland_proxy: bool
) -> Rules:
    """What the network's gateway mode means: under whose address its containers are known, and what is open.

    Source: Docker's "packet filtering and firewalls", direct access to containers.
    """
    mode = network.gateway_mode(VERSION[family])
    if mode is GatewayMode.ROUTED:
        echo = "icmp" if family is Family.IPV4 else "ipv6-icmp"
        return rule(family, "filter", "DOCKER", f"! -i {link} -o {link} -p {echo} -j ACCEPT")
    state = _address_translation(network, family, link, subnets, userland_proxy)
    if mode is GatewayMode.UNPROTECTED:
        state |= rule(family, "filter", "DOCKER", f"! -i {link} -o {link} -j ACCEPT")
    return state


def _address_translation(
    network: Network, family: Family, link: str, subnets: Collection[Subnet], userland_proxy: bool
) -> Rules:
    state: Rules = {}
    disguise = _disguise(network, family)
    if not userland_proxy:
        state |= rule(family, "nat", "POSTROUTING", f"-o {link} -m addrtype --src-type LOCAL -j {disguise}")
    if network.masquerade:
        for subnet in subnets:
            state |= rule(family, "nat", "POSTROUTING", f"-s {subnet} ! -o {link} -j {disguise}")
        if userland_proxy:
            state |= rule(family, "nat", "DOCKER", f"-i {link} -j RETURN")
    return state


def _disguise(network: Network, family: Family) -> str:
    """The target that gives packets the host's address: the one asked for, else the way out's own."""
    asked = network.options.get(HOST_IPV4)
    if not asked or family is Family.IPV6:
        return "MASQUERADE"
    try:
        return f"SNAT --to-source {IPv4Address(asked)}"
    except AddressValueError as error:
        raise InvalidParameter(
            f"cannot masquerade the network {network.name}: {HOST_IPV4} is {asked!r}, not an IPv4 address"
        ) from error

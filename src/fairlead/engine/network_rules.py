"""Which networks may be made, and with which subnets: every refusal, in Docker's words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address

from fairlead.engine.configurations import require_configuration, source_of
from fairlead.engine.macvlan_rules import require_macvlan, with_shim_reserved
from fairlead.firewall.iptables_text import fit_for_rules
from fairlead.ipam.leases import lowest_free, reserved
from fairlead.ipam.pools import overlaps
from fairlead.model.addresses import Address, Subnet
from fairlead.model.commands import CreateNetwork
from fairlead.model.errors import Conflict, Failed, Forbidden, InvalidParameter, NotFound, Unavailable
from fairlead.model.network import (
    BRIDGE_NAME,
    ENABLE_ICC,
    ENABLE_MASQUERADE,
    GATEWAY_MODES,
    HOST_BINDING,
    INHIBIT_IPV4,
    INTERFACE_PREFIX,
    MTU,
    TRUSTED_LINKS,
    GatewayMode,
    Network,
    Pool,
)
from fairlead.planner.drivers import DRIVERS

PREDEFINED_NAMES = ("bridge", "host", "none", "default")
SINGLE_DRIVERS = ("host", "null")
NOT_A_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this '
    "node to swarm and try again."
)
BOOLEANS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
ENCRYPTED = "encrypted"
LONGEST_LINK_NAME = 15  # IFNAMSIZ less the closing zero byte
SMALLEST_MTU, SMALLEST_MTU_IPV6, LARGEST_MTU = 68, 1280, 65535  # RFC 791, RFC 8200, the kernel
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,11}")  # room for three digits in a link name


def require_name(request: CreateNetwork, existing: Sequence[Network]) -> None:
    """Refuse a name that no network can have, or that one has."""
    if request.name in PREDEFINED_NAMES:
        raise Forbidden(f"operation is not permitted on predefined {request.name} network ")
    if not request.name.strip():
        raise Failed(f"invalid name: {request.name}")
    if any(network.name == request.name for network in existing):
        raise Conflict(f"network with name {request.name} already exists")


def require_sound(request: CreateNetwork, existing: Sequence[Network]) -> None:
    """Refuse a network that can never be: its name, driver, scope or options are wrong or taken."""
    if request.config_only:
        require_configuration(request)
        require_name(request, existing)
        return
    _require_local(request)
    require_name(request, existing)
    if not request.enable_ipv4 and not request.enable_ipv6:
        raise InvalidParameter("IPv4 or IPv6 must be enabled")
    if request.config_from:
        source_of(request.config_from, existing)
    if request.driver in SINGLE_DRIVERS:
        raise Forbidden(f'only one instance of "{request.driver}" network is allowed')
    if request.driver == "overlay":
        _require_overlay_options(request)
    if request.driver == "ipvlan":
        raise Failed(
            "operation not supported: this engine makes no ipvlan networks; macvlan networks give containers "
            "addresses of the host's LAN as well"
        )
    if request.driver and request.driver not in DRIVERS:
        raise NotFound(f'plugin "{request.driver}" not found')
    if request.ipam_driver == "null" and request.driver in ("", "bridge"):
        raise InvalidParameter("ipv4 pool is empty")
    if request.ipam_driver not in ("", "default"):
        raise NotFound(f'plugin "{request.ipam_driver}" not found')
    if request.driver in ("", "bridge"):
        _require_bridge_options(request, existing)
    if request.driver == "macvlan":
        require_macvlan(request, existing)


def _require_local(request: CreateNetwork) -> None:
    """Source of the words: Docker's `createNetwork`, for a host that is in no swarm."""
    if request.ingress:
        raise Forbidden("Ingress network can only be global scope network")
    if request.scope == "swarm":
        raise Forbidden("cannot create a swarm scoped network when swarm is not active")
    if request.scope and request.scope != "local":
        raise Unavailable(NOT_A_MANAGER)


def _require_bridge_options(request: CreateNetwork, existing: Sequence[Network]) -> None:
    options = request.options
    for name in (ENABLE_ICC, ENABLE_MASQUERADE, INHIBIT_IPV4):
        value = options.get(name, "true")
        if value not in BOOLEANS:
            raise _unparsed(name, value, f'strconv.ParseBool: parsing "{value}": invalid syntax')
    _require_mtu(options.get(MTU, "0"), request.enable_ipv6)
    for version in (4, 6):
        _require_gateway_mode(request, version)
    try:
        IPv4Address(options.get(HOST_BINDING, "0.0.0.0"))
    except ValueError as error:
        raise _unparsed(HOST_BINDING, options[HOST_BINDING], "nil ip") from error
    prefix = options.get(INTERFACE_PREFIX, "")
    if prefix and not _PREFIX.fullmatch(prefix):
        raise InvalidParameter(
            f'cannot name interfaces "{prefix}0", "{prefix}1" and so on ({INTERFACE_PREFIX}): '
            "a prefix has 1 to 12 plain characters"
        )
    _require_guards(options)
    bridge = options.get(BRIDGE_NAME, "")
    if len(bridge) > LONGEST_LINK_NAME or "/" in bridge or any(character.isspace() for character in bridge):
        raise InvalidParameter(f'cannot name a bridge "{bridge}": a link name has 1 to 15 plain characters')
    holder = next((each for each in existing if each.driver == "bridge" and each.bridge_name == bridge), None)
    if bridge and holder is not None:
        raise Forbidden(
            f"cannot create network {request.name} ({bridge}): conflicts with network {holder.name} "
            f"({bridge}): networks have same bridge name"
        )


def _require_guards(options: Mapping[str, str]) -> None:
    """Refuse names of guards and of trusted links that can be none."""
    network = Network("", "", "bridge", 0, 0, options=options)
    _ = network.allow
    for link in network.trusted_links:
        if not fit_for_rules(link):
            raise InvalidParameter(f'cannot trust "{link}" ({TRUSTED_LINKS}): no link can have that name')


def _require_overlay_options(request: CreateNetwork) -> None:
    if ENCRYPTED in request.options:  # whatever its value, as with Docker
        raise InvalidParameter(
            f"cannot create network {request.name}: encryption is not built yet, and its packets could be "
            f"read between hosts; without --opt {ENCRYPTED} it is made, for hosts that trust their network"
        )
    _require_mtu(request.options.get(MTU, "0"), request.enable_ipv6)


def _unparsed(option: str, value: str, why: str) -> InvalidParameter:
    return InvalidParameter(f"failed to parse {option} value: {value} ({why})")


def _require_mtu(text: str, ipv6: bool) -> None:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise _unparsed(MTU, text, f'strconv.Atoi: parsing "{text}": invalid syntax')
    if text != "0" and not (SMALLEST_MTU_IPV6 if ipv6 else SMALLEST_MTU) <= int(text) <= LARGEST_MTU:
        raise InvalidParameter(f"invalid MTU number: {text}")


def _require_gateway_mode(request: CreateNetwork, version: int) -> None:
    option = GATEWAY_MODES[version]
    text = request.options.get(option) or GatewayMode.NAT
    if text not in list(GatewayMode):
        raise _unparsed(option, text, f"unknown gateway mode {text}")
    if text == GatewayMode.ISOLATED and not request.internal:
        raise InvalidParameter("gateway mode 'isolated' can only be used for an internal network")


def checked_pools(request: CreateNetwork, used: Sequence[Subnet]) -> tuple[Pool, ...]:
    """The request's pools with a gateway each, IPv4 first.  No IPv4 pool when the engine is to choose.

    Source: libnetwork `network.go` ipamAllocateVersion: gateway, then auxiliary addresses.
    """
    if request.driver == "macvlan":
        request = with_shim_reserved(request)
    pools = tuple(
        _checked_pool(pool, used, _has_gateway(request, pool))
        for pool in sorted(request.pools, key=lambda each: each.subnet.version)
    )
    for version in (4, 6):
        several = sum(pool.subnet.version == version for pool in pools) > 1
        if several and not DRIVERS[request.driver or "bridge"].several_subnets:
            raise Forbidden("bridge driver doesn't support multiple subnets")
    if not request.enable_ipv4 and any(pool.subnet.version == 4 for pool in pools):
        raise InvalidParameter(f"cannot use subnet {pools[0].subnet}: IPv4 is disabled on this network")
    return pools


def _has_gateway(request: CreateNetwork, pool: Pool) -> bool:
    """Whether the network's bridge has an address in the pool."""
    option = GATEWAY_MODES[pool.subnet.version]
    return request.options.get(option) != GatewayMode.ISOLATED


def _checked_pool(pool: Pool, used: Sequence[Subnet], has_gateway: bool) -> Pool:
    """Source of the order and the words: libnetwork `network.go` ipamAllocateVersion."""
    _require_hosts(pool.subnet)
    if any(overlaps(pool.subnet, each) for each in used):
        raise Forbidden("Pool overlaps with other one on this address space")
    gateway = _gateway(pool) if has_gateway else None
    taken = reserved(Pool(pool.subnet, gateway=gateway))
    for name, address in pool.auxiliary.items():
        if address not in pool.subnet:
            raise Forbidden(
                f"auxiliary address: ({name}:{address}) must belong to the master pool: {pool.subnet}"
            )
        if address in taken:
            raise Failed(
                f"failed to allocate secondary ip address ({name}:{address}): Address already in use"
            )
        taken.add(address)
    requested = pool.gateway is not None
    return replace(pool, gateway=gateway, gateway_requested=requested, subnet_requested=True)


def _require_hosts(subnet: Subnet) -> None:
    if subnet.is_multicast or subnet.is_loopback or (subnet.version == 6 and subnet.is_link_local):
        raise InvalidParameter(
            f"cannot use subnet {subnet}: its addresses are not those of hosts in a network"
        )


def _gateway(pool: Pool) -> Address:
    plain = replace(pool, gateway=None, auxiliary={})
    if pool.gateway is None:
        gateway = lowest_free(plain, ())
        if gateway is None:
            raise Failed("failed to allocate gateway (): No available addresses on this pool")
        return gateway
    if pool.gateway not in pool.subnet:
        raise Failed(f"failed to allocate gateway ({pool.gateway}): Requested address is out of range")
    if pool.gateway in reserved(plain):
        raise Failed(f"failed to allocate gateway ({pool.gateway}): Address already in use")
    return pool.gateway

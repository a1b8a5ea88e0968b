"""Which networks may be made, and with which subnets: every refusal, in Docker's words."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fairlead.engine.macvlan_rules import require_macvlan, with_shim_reserved
from fairlead.firewall.iptables_text import fit_for_rules
from fairlead.ipam.pools import overlaps
from fairlead.model.addresses import Address, Subnet
from fairlead.model.commands import CreateNetwork
from fairlead.model.config import Settings
from fairlead.model.errors import Conflict, Failed, Forbidden, InvalidParameter, NotFound, Unavailable
from fairlead.model.network import (
    BRIDGE_NAME,
    DEFAULT_BRIDGE,
    ENABLE_ICC,
    ENABLE_MASQUERADE,
    HOST_BINDING,
    MTU,
    TRUSTED_LINKS,
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


def default_options(settings: Settings, uplink_mtu: int) -> Mapping[str, str]:
    """The options of the predefined network bridge, as Docker shows them."""

    def word(value: bool) -> str:
        return "true" if value else "false"

    return {
        DEFAULT_BRIDGE: "true",
        ENABLE_ICC: word(settings.icc),
        ENABLE_MASQUERADE: word(settings.ip_masq),
        HOST_BINDING: str(settings.ip),
        BRIDGE_NAME: settings.bridge,
        MTU: str(settings.mtu or uplink_mtu),
    }


def require_sound(request: CreateNetwork, existing: Sequence[Network]) -> None:
    """Refuse a network that can never be: its name, driver, scope or options are wrong or taken."""
    if request.name in PREDEFINED_NAMES:
        raise Forbidden(f"operation is not permitted on predefined {request.name} network ")
    if not request.name.strip():
        raise Failed(f"invalid name: {request.name}")
    if request.scope and request.scope != "local" or request.ingress:
        raise Unavailable(NOT_A_MANAGER)
    if any(network.name == request.name for network in existing):
        raise Conflict(f"network with name {request.name} already exists")
    if request.config_from:
        raise NotFound(f'configuration network "{request.config_from}" does not exist')
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
    if request.driver in ("", "bridge"):
        _require_bridge_options(request.options, existing)
    if request.driver == "macvlan":
        require_macvlan(request, existing)


def _require_bridge_options(options: Mapping[str, str], existing: Sequence[Network]) -> None:
    for name in (ENABLE_ICC, ENABLE_MASQUERADE):
        value = options.get(name, "true")
        if value not in BOOLEANS:
            raise InvalidParameter(
                f"failed to parse {name} value: {value} "
                f'(strconv.ParseBool: parsing "{value}": invalid syntax)'
            )
    _require_mtu(options)
    _require_guards(options)
    bridge = options.get(BRIDGE_NAME, "")
    if len(bridge) > LONGEST_LINK_NAME or "/" in bridge or any(character.isspace() for character in bridge):
        raise InvalidParameter(f'cannot name a bridge "{bridge}": a link name has 1 to 15 plain characters')
    holder = next((each for each in existing if each.driver == "bridge" and each.bridge_name == bridge), None)
    if bridge and holder is not None:
        raise Forbidden(f"cannot use bridge {bridge}: held by network {holder.name}")


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
    _require_mtu(request.options)


def _require_mtu(options: Mapping[str, str]) -> None:
    mtu = options.get(MTU, "0")
    if not mtu.isdigit():
        raise InvalidParameter(
            f'failed to parse {MTU} value: {mtu} (strconv.Atoi: parsing "{mtu}": invalid syntax)'
        )


def checked_pools(request: CreateNetwork, used: Sequence[Subnet]) -> tuple[Pool, ...]:
    """The request's pools with a gateway each, IPv4 first.  No IPv4 pool when the engine is to choose.

    Source: libnetwork `network.go` ipamAllocateVersion: gateway, then auxiliary addresses.
    """
    if request.driver == "macvlan":
        request = with_shim_reserved(request)
    pools = tuple(
        _checked_pool(pool, used) for pool in sorted(request.pools, key=lambda each: each.subnet.version)
    )
    for version in (4, 6):
        several = sum(pool.subnet.version == version for pool in pools) > 1
        if several and not DRIVERS[request.driver or "bridge"].several_subnets:
            raise Forbidden("bridge driver doesn't support multiple subnets")
    if request.enable_ipv6 and not any(pool.subnet.version == 6 for pool in pools):
        raise Failed(
            "could not find an available, non-overlapping IPv6 address pool among the defaults to assign "
            "to the network"
        )
    return pools


def _checked_pool(pool: Pool, used: Sequence[Subnet]) -> Pool:
    if any(overlaps(pool.subnet, each) for each in used):
        raise Forbidden("Pool overlaps with other one on this address space")
    if pool.gateway is not None and pool.gateway not in pool.subnet:
        raise Failed(f"failed to allocate gateway ({pool.gateway}): Requested address is out of range")
    gateway = pool.gateway or _first(pool.ip_range or pool.subnet, pool)
    for name, address in pool.auxiliary.items():
        if address not in pool.subnet:
            raise Forbidden(
                f"auxiliary address: ({name}:{address}) must belong to the master pool: {pool.subnet}"
            )
        if address == gateway:
            raise Failed(
                f"failed to allocate secondary ip address ({name}:{address}): Address already in use"
            )
    requested = pool.gateway is not None
    return replace(pool, gateway=gateway, gateway_requested=requested, subnet_requested=True)


def _first(span: Subnet, pool: Pool) -> Address:
    first = span.network_address
    return first + 1 if first == pool.subnet.network_address else first

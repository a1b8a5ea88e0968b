"""Which macvlan networks may be made: every refusal, in Docker's words.

Source of the words and their order: libnetwork `drivers/macvlan/macvlan_network.go` and
`macvlan_setup.go`.
"""

from collections.abc import Sequence
from dataclasses import replace

from fairlead.model.commands import CreateNetwork
from fairlead.model.errors import Failed, InvalidParameter
from fairlead.model.host import Key, LinkKey, MacvlanMode, State
from fairlead.model.network import HOST_SHIM, MACVLAN_MODE, PARENT, Network
from fairlead.planner.macvlan import own_parent, parent, shim_addresses

VLAN_NUMBERS = range(1, 4095)


def require_macvlan(request: CreateNetwork, existing: Sequence[Network]) -> None:
    """Refuse a mode that there is not, a parent that can be none, and one that another network has."""
    options = request.options
    mode = options.get(MACVLAN_MODE) or MacvlanMode.BRIDGE
    if mode not in list(MacvlanMode):
        raise Failed(
            f"requested macvlan mode '{mode}' is not valid, 'bridge' mode is the macvlan driver default"
        )
    wanted = options.get(PARENT)
    if wanted == "lo":
        raise Failed("loopback interface is not a valid macvlan parent link")
    for network in existing:
        if network.driver == "macvlan" and wanted == parent(network):
            raise Failed(
                f"network {own_parent(network)} is already using parent interface {wanted}: "
                f"it is that of network {network.name}"
            )
    if options.get(HOST_SHIM):
        _require_shim(request, MacvlanMode(mode))


def _require_shim(request: CreateNetwork, mode: MacvlanMode) -> None:
    subject = f"cannot give the host an address on network {request.name} ({HOST_SHIM})"
    if mode is not MacvlanMode.BRIDGE:
        raise InvalidParameter(f"{subject}: in mode {mode} links on one parent do not reach each other")
    try:
        addresses = [each.ip for each in shim_addresses(request.options[HOST_SHIM])]
    except ValueError as error:
        raise InvalidParameter(
            f"{subject}: {request.options[HOST_SHIM]!r} is not ADDRESS or ADDRESS/PREFIX"
        ) from error
    for address in addresses:
        if not any(address in pool.subnet for pool in request.pools):
            raise InvalidParameter(f"{subject}: {address} is in none of the subnets that it is made with")
    for pool in request.pools:
        if sum(address in pool.subnet for address in addresses) > 1:
            raise InvalidParameter(f"{subject}: more than one address is in {pool.subnet}")


def with_shim_reserved(request: CreateNetwork) -> CreateNetwork:
    """The request with the host's own addresses kept back in its pools, as auxiliary addresses."""
    pools = request.pools
    for address in shim_addresses(request.options.get(HOST_SHIM, "")):
        pools = tuple(
            replace(pool, auxiliary={**pool.auxiliary, HOST_SHIM: address.ip})
            if address.ip in pool.subnet
            else pool
            for pool in pools
        )
    return replace(request, pools=pools)


def links_of_parent(network: Network) -> list[Key]:
    """The links that decide whether a given parent can be had: itself, and what its VLAN would be on."""
    name = network.options.get(PARENT, "")
    return [LinkKey("", part) for part in dict.fromkeys((name, name.partition(".")[0])) if part]


def with_parent(network: Network, found: State) -> Network:
    """The network as its parent is: one that is not there and stands for a VLAN is the engine's to make.

    `found` has what was asked of `links_of_parent`.  Any other parent that is not there is refused.
    """
    name = network.options.get(PARENT, "")
    if not name or found[LinkKey("", name)] is not None:
        return network
    if "." not in name:
        raise Failed(
            f"invalid subinterface vlan name {name}, example formatting is eth0.10: "
            f"there is no link {name} on this host"
        )
    carrier, _, number = name.partition(".")
    if "." in number:
        raise Failed(
            "required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, "
            f"instead received {name}"
        )
    if not (number.isascii() and number.isdecimal()):
        raise Failed(f"unable to parse a valid vlan id from: {number} (ex. eth0.10 for vlan 10)")
    if not carrier or found[LinkKey("", carrier)] is None:
        raise Failed(f"-o parent interface does was not found on the host: {carrier}")
    if int(number) not in VLAN_NUMBERS:
        raise Failed(f"vlan id must be between 1-4094, received: {number}")
    return replace(network, makes_parent=True)

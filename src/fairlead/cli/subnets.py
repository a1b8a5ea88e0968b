"""The address pools of a network, out of `--subnet`, `--ip-range`, `--gateway` and `--aux-address`.

Each range, gateway and further address belongs to the subnet that holds it.
"""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from fairlead.cli.problems import Ending


def pools(
    subnets: Sequence[str], ranges: Sequence[str], gateways: Sequence[str], auxiliary: Mapping[str, str]
) -> list[dict[str, Any]]:
    """One document per subnet.  Ending in Docker's words when something belongs nowhere."""
    if len(subnets) < len(ranges) or len(subnets) < len(gateways):
        raise Ending(1, "every ip-range or gateway must have a corresponding subnet")
    found: dict[str, dict[str, Any]] = {}
    for subnet in subnets:
        if any(_holds(other, subnet) or _holds(subnet, other) for other in found):
            raise Ending(1, "multiple overlapping subnet configuration is not supported")
        found[subnet] = {"Subnet": subnet, "AuxiliaryAddresses": {}}
    for text in ranges:
        _put(
            found,
            text,
            "IPRange",
            "no matching subnet for range %s",
            "multiple ranges (%s,%s) on same subnet",
        )
    for text in gateways:
        _put(
            found,
            text,
            "Gateway",
            "no matching subnet for gateway %s",
            "multiple gateways (%s,%s) on same subnet",
        )
    for name, address in auxiliary.items():
        subnet = next((subnet for subnet in found if _holds(subnet, address)), "")
        if not subnet:
            raise Ending(1, f"no matching subnet for aux-address {address}")
        found[subnet]["AuxiliaryAddresses"][name] = address
    return [{name: value for name, value in pool.items() if value} for pool in found.values()]


def _put(found: dict[str, dict[str, Any]], text: str, field: str, nowhere: str, twice: str) -> None:
    for subnet, pool in found.items():
        if _holds(subnet, text):
            if pool.get(field):
                raise Ending(1, f"cannot configure {twice % (text, pool[field])} {subnet}")
            pool[field] = text
            return
    raise Ending(1, nowhere % text)


def _holds(subnet: str, text: str) -> bool:
    """Whether an address, or the first address of a smaller subnet, lies in a subnet."""
    try:
        inside = ip_address(text.partition("/")[0])
        return inside in ip_network(subnet, strict=False)
    except ValueError:
        # What is no address at all is the daemon's to refuse.
        return False

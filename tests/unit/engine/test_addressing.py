"""Which addresses may be asked for: where the user chose the subnet of the same IP version."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest

from fairlead.engine.addressing import require_addressable
from fairlead.engine.network_rules import checked_pools
from fairlead.engine.ways_out import with_way_out
from fairlead.model.commands import CreateNetwork
from fairlead.model.endpoint import Attachment, Endpoint
from fairlead.model.errors import InvalidParameter
from fairlead.model.network import Network, Pool

FOUR, SIX = Pool(ip_network("10.10.0.0/24")), Pool(ip_network("fd00:10::/64"))


def made(*pools: Pool, name: str = "own", ipv6: bool = True, internal: bool = False) -> Network:
    request = CreateNetwork(name, "bridge", pools=pools, enable_ipv6=ipv6)
    return Network(
        name, name, "bridge", 0, 0, pools=checked_pools(request, ()), enable_ipv6=ipv6, internal=internal
    )


@pytest.mark.parametrize("pools", [(FOUR, SIX), (SIX, FOUR)])
def test_pools_stand_with_ipv4_first_and_know_who_chose_them(pools: tuple[Pool, ...]) -> None:
    found = made(*pools).pools
    assert [pool.subnet.version for pool in found] == [4, 6]
    assert all(pool.subnet_requested and not pool.gateway_requested for pool in found)


def test_an_address_needs_a_chosen_subnet_of_its_version() -> None:
    own4 = Attachment("own", ipv4=IPv4Address("10.10.0.9"))
    own6 = Attachment("own", ipv6=IPv6Address("fd00:10::9"))
    require_addressable(made(FOUR, SIX), own4)
    require_addressable(made(FOUR, SIX), own6)
    with pytest.raises(InvalidParameter, match="user configured subnets"):
        require_addressable(made(FOUR, ipv6=False), own6)
    with pytest.raises(InvalidParameter, match="user configured subnets"):
        require_addressable(made(SIX), own4)


def test_the_way_out_goes_by_the_network_that_takes_precedence() -> None:
    def way_out(*networks: Network) -> str:
        places = [
            (network, Endpoint(f"{number}", network.id, "c", "s", number, f"eth{number}", "veth", ""))
            for number, network in enumerate(networks)
        ]
        chosen = [n.name for n, endpoint in with_way_out(places) if endpoint.default_route]
        assert len(chosen) == 1
        return chosen[0]

    blue = made(FOUR, name="blue", ipv6=False)
    red = made(FOUR, name="red", ipv6=False)
    six = made(FOUR, SIX, name="six")
    inner = made(FOUR, SIX, name="apart", internal=True)
    assert way_out(red, blue) == "blue"
    assert way_out(blue, six) == "six"
    assert way_out(inner, red) == "red"
    assert way_out(inner) == "apart"

"""Whatever is used, the subnet that is chosen overlaps none of it, and is the next free one."""

from ipaddress import IPv4Network, ip_network

from hypothesis import given
from hypothesis import strategies as st

from fairlead.ipam.pools import choose, overlaps
from fairlead.model.config import AddressPool
from fairlead.model.errors import Conflict

BASE = ip_network("10.0.0.0/24")
SUBNETS = st.builds(
    lambda start, length: IPv4Network((int(BASE.network_address) + start, length), strict=False),
    st.integers(0, 255),
    st.integers(20, 32),
)


@given(st.lists(SUBNETS, max_size=20), st.integers(24, 32), st.one_of(st.none(), st.integers(0, 255)))
def test_the_next_free_subnet_is_chosen(used: list[IPv4Network], size: int, before: int | None) -> None:
    last = None if before is None else IPv4Network((int(BASE.network_address) + before, size), strict=False)
    free = [
        each for each in BASE.subnets(new_prefix=size) if not any(overlaps(each, other) for other in used)
    ]
    free = [*(each for each in free if last and each > last), *free]
    try:
        chosen = choose([AddressPool(BASE, size)], 4, used, last)
    except Conflict:
        assert not free
    else:
        assert chosen == free[0]

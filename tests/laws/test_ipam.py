"""Leases and subnets against a model that is too simple to be wrong: one bit for each address."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.ipam.leases import lease
from fairlead.ipam.pools import choose
from fairlead.model.addresses import Address, Subnet
from fairlead.model.config import AddressPool
from fairlead.model.errors import Conflict, InvalidParameter
from fairlead.model.network import Network, Pool

OPERATIONS = 1_000_000


def address(subnet: Subnet, number: int) -> Address:
    """The address of that number in a subnet."""
    kind = IPv4Address if isinstance(subnet, IPv4Network) else IPv6Address
    return kind(int(subnet.network_address) + number)


def lowest(bits: int) -> int | None:
    """The number of the lowest bit that is set."""
    return (bits & -bits).bit_length() - 1 if bits else None


@dataclass
class Model:
    """A pool as two numbers: which addresses may be handed out, and which of all are free."""

    pool: Pool
    usable: int = 0  # bits of the addresses that nobody has reserved
    offered: int = 0  # of those that are chosen from: the range's
    free: int = field(init=False)
    taken: set[Address] = field(default_factory=set)

    def __post_init__(self) -> None:
        subnet, span = self.pool.subnet, self.pool.ip_range or self.pool.subnet
        size, first = subnet.num_addresses, int(subnet.network_address)
        kept = {0, *(int(each) - first for each in self.pool.auxiliary.values())}
        if subnet.version == 4:
            kept.add(size - 1)
        if self.pool.gateway is not None:
            kept.add(int(self.pool.gateway) - first)
        self.usable = ((1 << size) - 1) & ~sum(1 << each for each in kept)
        low = int(span.network_address) - first
        self.offered = self.usable & (((1 << span.num_addresses) - 1) << low)
        self.free = self.usable
        self.network = Network("n" * 64, "n", "bridge", 0, 0, pools=(self.pool,), enable_ipv6=True)

    def _leased(self, wanted: Address | None = None) -> Address | str:
        """What the code says: an address, or the words of its refusal."""
        try:
            return lease(self.network, self.pool.subnet.version, self.taken, wanted)
        except (Conflict, InvalidParameter) as error:
            return error.message

    def ask(self) -> Address | None:
        """An address from the code, as the model expects it; None where both say that there is none."""
        expected = lowest(self.free & self.offered)
        got = self._leased()
        if expected is None:
            assert str(got).startswith("no available IPv")
            return None
        assert not isinstance(got, str), got
        assert int(got) == int(self.pool.subnet.network_address) + expected
        self._take(got, expected)
        return got

    def ask_for(self, number: int) -> Address | None:
        """The address of that number, asked for by name; None where both refuse it."""
        wanted = address(self.pool.subnet, number)
        got = self._leased(wanted)
        if not 0 <= number < self.pool.subnet.num_addresses:
            assert "does not belong" in str(got)
            return None
        if not self.free >> number & 1:
            assert got == "Address already in use"
            return None
        assert got == wanted
        self._take(wanted, number)
        return wanted

    def _take(self, got: Address, number: int) -> None:
        assert got not in self.taken
        assert self.usable >> number & 1
        self.taken.add(got)
        self.free &= ~(1 << number)

    def release(self, given: Address) -> None:
        """Give an address back."""
        self.taken.remove(given)
        self.free |= 1 << (int(given) - int(self.pool.subnet.network_address))


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    """Subnets of all small sizes in both families, with and without range, gateway and reserved addresses."""
    length = draw(st.integers(0, 6))  # bits of the host part
    base = draw(st.sampled_from([ip_network("10.1.0.0/16"), ip_network("fd00:1::/64")]))
    start = int(base.network_address) + (draw(st.integers(0, 9)) << length)
    kind = IPv4Network if isinstance(base, IPv4Network) else IPv6Network
    subnet = kind((start, base.max_prefixlen - length))
    ip_range = None
    if draw(st.booleans()):
        inner = draw(st.integers(0, length))
        part = draw(st.integers(0, (1 << length - inner) - 1)) << inner
        ip_range = kind((start + part, base.max_prefixlen - inner))
    numbers = st.integers(0, subnet.num_addresses - 1)
    gateway = address(subnet, draw(numbers)) if draw(st.booleans()) else None
    auxiliary = {f"aux{each}": address(subnet, each) for each in draw(st.lists(numbers, max_size=3))}
    return Pool(subnet, ip_range=ip_range, gateway=gateway, auxiliary=auxiliary)


@given(pools(), st.lists(st.tuples(st.sampled_from(["ask", "ask", "for", "release"]), st.integers(-3, 70))))
@settings(max_examples=200, deadline=None)
def test_leases_are_those_of_the_model(pool: Pool, operations: list[tuple[str, int]]) -> None:
    model, held = Model(pool), []
    for what, number in operations:
        if what == "release" and held:
            model.release(held.pop(number % len(held)))
        elif what == "for":
            held.append(model.ask_for(number))
        else:
            held.append(model.ask())
        held = [each for each in held if each is not None]


@given(pools())
@settings(deadline=None)
def test_a_full_pool_gives_every_address_once_and_each_again(pool: Pool) -> None:
    model = Model(pool)
    given_out = []
    while (got := model.ask()) is not None:
        given_out.append(got)
    assert len(given_out) == model.offered.bit_count()
    for each in given_out:
        model.release(each)
        assert model.ask() == each


def model_of(text: str, **more: object) -> Model:
    return Model(Pool(ip_network(text), **more))  # type: ignore[arg-type]


def test_a_million_operations() -> None:
    random = Random(20)
    models = [
        model_of("10.0.0.0/28", gateway=IPv4Address("10.0.0.1")),
        model_of("10.0.1.0/27", ip_range=ip_network("10.0.1.16/28"), gateway=IPv4Address("10.0.1.17")),
        model_of("10.0.2.0/29", auxiliary={"router": IPv4Address("10.0.2.3")}),
        model_of("fd00::/124", gateway=IPv6Address("fd00::1")),
    ]
    held: list[list[Address]] = [[] for _ in models]
    for _ in range(OPERATIONS):
        number = random.randrange(len(models))
        model, own = models[number], held[number]
        # Now and then nearly all is given back, so that pools are seen full and empty.
        kind = random.random()
        if own and kind < 0.48:
            model.release(own.pop(random.randrange(len(own))))
        elif kind < 0.96:
            got = (
                model.ask()
                if kind < 0.9
                else model.ask_for(random.randrange(model.pool.subnet.num_addresses))
            )
            own += [got] if got is not None else []
    assert all(len(set(own)) == len(own) == len(model.taken) for own, model in zip(held, models, strict=True))


BLOCKS, SIZE = 64, 24
BASE = IPv4Network("10.8.0.0/18")


@given(st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_subnets_are_those_of_the_model(random: Random) -> None:
    """Networks come and go, and so do routes of others, smaller and larger than a subnet."""
    free, networks = (1 << BLOCKS) - 1, []
    for _ in range(60):
        routes = [
            IPv4Network(
                (int(BASE.network_address) + random.randrange(BASE.num_addresses), length), strict=False
            )
            for length in random.sample(range(19, 33), k=2)
        ]
        barred = 0
        for route in routes:
            first, last = (int(each) - int(BASE.network_address) >> 8 for each in (route[0], route[-1]))
            barred |= sum(1 << block for block in range(max(first, 0), min(last, BLOCKS - 1) + 1))
        expected = lowest(free & ~barred)
        if expected is None:
            with pytest.raises(Conflict, match="non-overlapping"):
                choose([AddressPool(BASE, SIZE)], 4, [*networks, *routes])
        else:
            got = choose([AddressPool(BASE, SIZE)], 4, [*networks, *routes])
            assert got == IPv4Network((int(BASE.network_address) + (expected << 8), SIZE))
            networks.append(got)
            free &= ~(1 << expected)
        while networks and random.random() < 0.45:
            gone = networks.pop(random.randrange(len(networks)))
            free |= 1 << (int(gone.network_address) - int(BASE.network_address) >> 8)

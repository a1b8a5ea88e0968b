"""What a sandbox sees of the names, against a plain model of the records."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.dns.zone import View, Zone, reversed_address, view_of
from fairlead.model.addresses import Address
from fairlead.model.host import NameKey, PointerKey, Resolver

BLUE = Resolver(networks=("n1",), upstreams=(), network_names=("blue",))
BOTH = Resolver(networks=("n1", "n2"), upstreams=(), network_names=("blue", "green.field"))


def zone(*records: tuple[str, str, str]) -> Zone:
    made = Zone()
    for network, name, address in records:
        made.set_name(NameKey(network, name, ip_address(address)), "endpoint")
    return made


def found(made: Zone, resolver: Resolver, name: str, ipv6: bool = False) -> list[str] | None:
    packed = made.addresses(view_of(resolver), name.lower().encode(), ipv6)
    return None if packed is None else [str(ip_address(each)) for each in packed]


def test_a_name_has_its_addresses() -> None:
    made = zone(("n1", "web", "10.0.0.2"), ("n1", "web", "fd00::2"))
    assert found(made, BLUE, "web") == ["10.0.0.2"]
    assert found(made, BLUE, "web", ipv6=True) == ["fd00::2"]


def test_case_does_not_matter() -> None:
    made = zone(("n1", "Web", "10.0.0.2"))
    assert found(made, BLUE, "wEB") == ["10.0.0.2"]


def test_a_known_name_without_that_kind_is_empty_and_an_unknown_one_is_none() -> None:
    made = zone(("n1", "web", "10.0.0.2"))
    assert found(made, BLUE, "web", ipv6=True) == []
    assert found(made, BLUE, "other") is None


def test_a_shared_name_has_all_addresses_each_once() -> None:
    made = zone(("n1", "www", "10.0.0.2"), ("n1", "www", "10.0.0.3"), ("n1", "WWW", "10.0.0.2"))
    assert found(made, BLUE, "www") == ["10.0.0.2", "10.0.0.3"]


def test_names_of_other_networks_are_unknown() -> None:
    assert found(zone(("n2", "web", "10.0.0.2")), BLUE, "web") is None


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("web.blue", "10.0.0.2"),
        ("web.green.field", "10.9.0.2"),
        ("WEB.Blue", "10.0.0.2"),
        ("web", "10.0.0.2"),
        ("a.b", "10.0.0.7"),
        ("a.b.blue", "10.0.0.7"),
        ("web.red", None),
        (".blue", None),
        ("web.", None),
        ("blue", None),
        ("web.blue.green.field", None),
    ],
)
def test_a_name_may_be_qualified_by_its_network(name: str, address: str | None) -> None:
    made = zone(("n1", "web", "10.0.0.2"), ("n1", "a.b", "10.0.0.7"), ("n2", "web", "10.9.0.2"))
    assert found(made, BOTH, name) == (address and [address])


def test_a_later_network_adds_the_kind_that_an_earlier_one_lacks() -> None:
    made = zone(("n1", "web", "10.0.0.2"), ("n2", "web", "10.9.0.2"), ("n2", "web", "fd00::2"))
    assert found(made, BOTH, "web") == ["10.0.0.2"]
    assert found(made, BOTH, "web", ipv6=True) == ["fd00::2"]


def test_a_link_is_known_in_its_sandbox_alone_and_comes_first() -> None:
    linked = Resolver(networks=("n1",), upstreams=(), links=(("Db", "n1", "redis"), ("web", "n1", "redis")))
    made = zone(("n1", "redis", "10.0.0.5"), ("n1", "web", "10.0.0.2"))
    assert found(made, linked, "db") == ["10.0.0.5"]
    assert found(made, linked, "web") == ["10.0.0.5"]
    assert found(made, BLUE, "db") is None


def test_a_link_is_known_by_the_name_of_its_network_too() -> None:
    links = (("db", "n1", "redis"), ("my.db", "n1", "redis"))
    linked = Resolver(("n1", "n2"), (), links=links, network_names=("blue", "green.field"))
    made = zone(("n1", "redis", "10.0.0.5"), ("n2", "redis", "10.9.0.5"), ("n2", "db", "10.9.0.6"))
    for name in ("db", "db.blue", "my.db", "my.db.blue"):
        assert found(made, linked, name) == ["10.0.0.5"]
    assert found(made, linked, "db.green.field") == ["10.9.0.6"]
    assert found(made, linked, "my.db.green.field") is None


def test_a_container_wins_over_a_search_domain_where_clients_begin_with_that() -> None:
    made = zone(("n1", "web", "10.0.0.2"), ("n1", "a.b", "10.0.0.7"))
    searching = Resolver(("n1",), (), search=("Example.com", "lan."), network_names=("blue",), ndots=2)
    for name in ("web.example.com", "web.lan", "web.blue.lan", "web.blue", "web"):
        assert found(made, searching, name) == ["10.0.0.2"]
    assert found(made, searching, "a.b.lan") == ["10.0.0.7"]
    assert found(made, searching, "a.b.blue.lan") is None  # tried as it is first: two dots
    assert found(made, searching, "web.lan.lan") is None
    assert found(made, replace(searching, ndots=0), "web.example.com") is None


def test_a_link_to_nobody_hides_nothing() -> None:
    linked = Resolver(networks=("n1",), upstreams=(), links=(("web", "n1", "gone"),))
    assert found(zone(("n1", "web", "10.0.0.2")), linked, "web") == ["10.0.0.2"]


def test_a_reverse_look_up_finds_the_name_with_its_network() -> None:
    made = Zone()
    made.set_pointer(PointerKey("n1", ip_address("10.0.0.2")), "web")
    made.set_pointer(PointerKey("n2", ip_address("fd00::2")), "web")
    four, six = ip_address("10.0.0.2").packed, ip_address("fd00::2").packed
    assert made.reverse(view_of(BOTH), four) == b"\3web\4blue\0"
    assert made.reverse(view_of(BOTH), six) == b"\3web\5green\5field\0"
    assert made.reverse(view_of(BLUE), six) is None
    assert made.reverse(view_of(Resolver(("n1",), ())), four) == b"\3web\0"


@given(st.ip_addresses())
def test_every_address_is_read_back_from_its_reverse_name(address: Address) -> None:
    assert reversed_address(address.reverse_pointer.encode()) == address.packed


@pytest.mark.parametrize(
    "name",
    [
        b"in-addr.arpa", b".in-addr.arpa", b"0.0.10.in-addr.arpa", b"1.2.3.4.5.in-addr.arpa",
        b"256.0.0.10.in-addr.arpa", b"x.0.0.10.in-addr.arpa", b"\xff.0.0.10.in-addr.arpa",
        b"1.ip6.arpa", b"00." * 32 + b"ip6.arpa", b"g." * 32 + b"ip6.arpa", b"0." * 33 + b"ip6.arpa",
    ],
)  # fmt: skip
def test_other_reverse_names_hold_no_address(name: bytes) -> None:
    assert reversed_address(name) is None


NETWORKS = st.sampled_from(["n1", "n2", "n3"])
NAMES = st.sampled_from(["web", "Web", "db", "a.b", "b"])
ADDRESSES = st.sampled_from([ip_address(each) for each in ("10.0.0.2", "10.0.0.3", "fd00::2")])
KEYS = st.one_of(st.builds(NameKey, NETWORKS, NAMES, ADDRESSES), st.builds(PointerKey, NETWORKS, ADDRESSES))
CHANGES = st.lists(st.tuples(KEYS, st.sampled_from([None, "one", "two"])), max_size=40)


@given(CHANGES)
def test_the_records_are_what_was_written_last(
    changes: list[tuple[NameKey | PointerKey, str | None]],
) -> None:
    made, model = written(changes)
    assert dict(made.everything()) == model
    for key, _ in changes:
        read = made.name(key) if isinstance(key, NameKey) else made.pointer(key)
        assert read == model.get(key)


@given(CHANGES, st.lists(NETWORKS, unique=True), NAMES, st.booleans())
def test_look_ups_agree_with_the_records(
    changes: list[tuple[NameKey | PointerKey, str | None]], networks: list[str], name: str, ipv6: bool
) -> None:
    made, model = written(changes)
    view = View(tuple((each, b"") for each in networks), {}, (), False)
    expected: set[bytes] | None = None
    for network in networks:
        mine = {
            key.address.packed
            for key in model
            if isinstance(key, NameKey) and key.network_id == network and key.name.lower() == name.lower()
        }
        if mine and not expected:
            expected = {each for each in mine if len(each) == (16 if ipv6 else 4)}
    packed = made.addresses(view, name.lower().encode(), ipv6)
    assert (None if packed is None else set(packed)) == expected


@given(CHANGES)
def test_nothing_is_left_when_everything_is_taken_away(
    changes: list[tuple[NameKey | PointerKey, str | None]],
) -> None:
    made, model = written(changes)
    for key in model:
        change(made, key, None)
    assert list(made.everything()) == []
    assert made._names == {} and made._pointers == {}


def change(made: Zone, key: NameKey | PointerKey, value: str | None) -> None:
    if isinstance(key, NameKey):
        made.set_name(key, value)
    else:
        made.set_pointer(key, value)


def written(
    changes: list[tuple[NameKey | PointerKey, str | None]],
) -> tuple[Zone, dict[NameKey | PointerKey, str]]:
    made, model = Zone(), dict[NameKey | PointerKey, str]()
    for key, value in changes:
        change(made, key, value)
        if value is None:
            model.pop(key, None)
        else:
            model[key] = value
    return made, model

"""Who answers a query: the zone, nobody, or somebody outside."""

from ipaddress import ip_address, ip_network

import dns.message
import dns.rcode
import pytest

from fairlead.dns.answer import TTL, answer
from fairlead.dns.forward import Server
from fairlead.dns.wire import LONGEST, parse
from fairlead.dns.zone import Zone, view_of
from fairlead.model.host import NameKey, PointerKey, Resolver

OPEN = Resolver(networks=("n1",), upstreams=("198.51.100.1",), network_names=("blue",))
INTERNAL = Resolver(networks=("n1",), upstreams=("198.51.100.1",), internal=True)
ALONE = Resolver(networks=("n1",), upstreams=())


@pytest.fixture
def zone() -> Zone:
    made = Zone()
    for name, address in (("web", "10.0.0.2"), ("www", "10.0.0.2"), ("www", "10.0.0.3"), ("web", "fd00::2")):
        made.set_name(NameKey("n1", name, ip_address(address)), "endpoint")
    made.set_name(NameKey("n1", "four", ip_address("10.0.0.4")), "endpoint")
    made.set_pointer(PointerKey("n1", ip_address("10.0.0.2")), "web")
    return made


def ask(
    zone: Zone,
    resolver: Resolver,
    name: str,
    kind: str = "A",
    turn: int = 0,
    category: str = "IN",
    edns: int = -1,
) -> dns.message.Message | None:
    made = dns.message.make_query(name, kind, category, use_edns=edns if edns >= 0 else False)
    given = answer(parse(made.to_wire()), zone, view_of(resolver), turn, LONGEST)
    return None if given is None else dns.message.from_wire(given)


def records(message: dns.message.Message | None) -> list[str]:
    assert message is not None
    return [record.to_text() for rrset in message.answer for record in rrset]


def code(message: dns.message.Message | None) -> str:
    assert message is not None
    return dns.rcode.to_text(message.rcode())


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("web", "A", ["10.0.0.2"]),
        ("web", "AAAA", ["fd00::2"]),
        ("web.blue", "A", ["10.0.0.2"]),
        ("web", "ANY", ["10.0.0.2", "fd00::2"]),
        ("2.0.0.10.in-addr.arpa", "PTR", ["web.blue."]),
        ("four", "AAAA", []),
        ("web", "MX", []),
        ("web", "TXT", []),
        ("web", "SRV", []),
        ("web", "HTTPS", []),
        ("web", "PTR", []),
    ],
)
@pytest.mark.parametrize("resolver", [OPEN, INTERNAL, ALONE], ids=["open", "internal", "alone"])
def test_a_known_name_is_answered_here(
    zone: Zone, resolver: Resolver, name: str, kind: str, expected: list[str]
) -> None:
    given = ask(zone, resolver, name, kind)
    if resolver is not OPEN:
        expected = [each.replace("web.blue.", "web.") for each in expected]
        if name == "web.blue":
            assert given is not None and given.rcode() != dns.rcode.NOERROR
            return
    assert (code(given), sorted(records(given))) == ("NOERROR", expected)


@pytest.mark.parametrize(
    ("name", "kind"), [("other", "A"), ("9.0.0.10.in-addr.arpa", "PTR"), ("x.org", "TXT")]
)
def test_an_unknown_name_is_asked_outside_if_there_is_an_outside(zone: Zone, name: str, kind: str) -> None:
    assert ask(zone, OPEN, name, kind) is None
    assert code(ask(zone, INTERNAL, name, kind)) == "NXDOMAIN"
    assert code(ask(zone, ALONE, name, kind)) == "SERVFAIL"


FOREIGN = "9.0.0.10.in-addr.arpa"


@pytest.mark.parametrize("kind", ["A", "AAAA", "PTR", "ANY", "TXT", "SRV", "MX", "HTTPS"])
def test_nothing_of_an_internal_network_is_asked_outside_of_a_container_that_has_another_one_too(
    zone: Zone, kind: str
) -> None:
    both = Resolver(
        ("n1", "n2"),
        ("198.51.100.1",),
        network_names=("blue", "green"),
        closed=("Blue",),
        subnets=(ip_network("10.0.0.0/24"), ip_network("fd00::/64")),
    )
    six = ip_address("fd00::9").reverse_pointer
    for name in ("gone.blue", "a.gone.BLUE", FOREIGN, six):
        assert code(ask(zone, both, name, kind)) == "NXDOMAIN"
    for name in ("gone", "gone.green", "blue", "9.1.0.10.in-addr.arpa", "example.com"):
        assert ask(zone, both, name, kind) is None


def test_an_address_that_is_known_has_no_other_records_than_its_name(zone: Zone) -> None:
    for kind in ("A", "TXT", "SRV"):
        given = ask(zone, OPEN, "2.0.0.10.in-addr.arpa", kind)
        assert (code(given), records(given)) == ("NOERROR", [])
    assert records(ask(zone, OPEN, "2.0.0.10.in-addr.arpa", "ANY")) == ["web.blue."]


def test_an_internal_network_may_have_a_name_server_in_it(zone: Zone) -> None:
    servers = ("198.51.100.1", "10.0.0.53")
    made = Resolver(("n1",), servers, internal=True, inside=("10.0.0.53",))
    assert view_of(made, "box").upstreams == (Server("10.0.0.53", "box"),)
    assert ask(zone, made, "other") is None


def test_other_classes_are_not_ours(zone: Zone) -> None:
    assert ask(zone, OPEN, "web", "TXT", category="CH") is None
    assert code(ask(zone, INTERNAL, "version.bind", "TXT", category="CH")) == "NXDOMAIN"


def test_a_version_of_edns_that_does_not_exist(zone: Zone) -> None:
    given = ask(zone, OPEN, "web", edns=1)
    assert (code(given), records(given)) == ("BADVERS", [])


def test_an_answer_is_kept_for_a_second_at_most(zone: Zone) -> None:
    given = ask(zone, OPEN, "web")
    assert given is not None and TTL <= 1
    assert {rrset.ttl for rrset in given.answer} == {TTL}


def test_the_addresses_of_a_shared_name_take_turns(zone: Zone) -> None:
    firsts = [records(ask(zone, OPEN, "www", turn=turn))[0] for turn in range(4)]
    assert firsts == ["10.0.0.2", "10.0.0.3", "10.0.0.2", "10.0.0.3"]
    assert sorted(records(ask(zone, OPEN, "www", turn=1))) == ["10.0.0.2", "10.0.0.3"]

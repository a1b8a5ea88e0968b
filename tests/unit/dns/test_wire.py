"""Messages mean to us what they mean to a full DNS library, and no bytes whatever hurt."""

import ipaddress

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.dns import wire
from fairlead.dns.wire import Malformed, Query, parse

LABELS = st.binary(min_size=1, max_size=63)
PLAIN = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789_-", min_size=1, max_size=20)
TYPES = st.sampled_from(["A", "AAAA", "PTR", "MX", "TXT", "SRV", "SOA", "ANY", "HTTPS"])
ADDRESSES4 = st.lists(st.ip_addresses(v=4).map(lambda each: each.packed), unique=True, max_size=40)
ADDRESSES6 = st.lists(st.ip_addresses(v=6).map(lambda each: each.packed), unique=True, max_size=40)


@st.composite
def names(draw: st.DrawFn, labels: st.SearchStrategy[bytes] = LABELS) -> dns.name.Name:
    chosen = draw(st.lists(labels, max_size=6))
    while sum(len(each) + 1 for each in chosen) + 1 > 255:
        chosen.pop()
    return dns.name.Name([*chosen, b""])


@st.composite
def queries(draw: st.DrawFn) -> dns.message.QueryMessage:
    made = dns.message.make_query(draw(names()), draw(TYPES), id=draw(st.integers(0, 65535)))
    if draw(st.booleans()):
        options = [dns.edns.GenericOption(10, draw(st.binary(max_size=40)))] if draw(st.booleans()) else []
        made.use_edns(
            0, dns.flags.DO if draw(st.booleans()) else 0, draw(st.integers(0, 65535)), options=options
        )
    for flag in (dns.flags.RD, dns.flags.CD):
        if draw(st.booleans()):
            made.flags ^= flag
    return made


def query_for(name: str = "web", kind: str = "A", **edns: int) -> Query:
    made = dns.message.make_query(name, kind)
    if edns:
        made.use_edns(**edns)
    return parse(made.to_wire())


@given(queries())
def test_a_query_is_read_as_the_library_means_it(made: dns.message.QueryMessage) -> None:
    query = parse(made.to_wire())
    asked = made.question[0]
    labels = [label.lower().replace(b".", b"\\.") for label in asked.name.labels[:-1]]
    assert query.name == b".".join(labels)
    assert (query.kind, query.category) == (asked.rdtype, asked.rdclass)
    assert query.edns == made.edns
    if made.edns >= 0:
        assert query.limit == max(made.payload, 512)
        assert query.dnssec_ok == bool(made.ednsflags & dns.flags.DO)
    else:
        assert (query.limit, query.dnssec_ok) == (512, False)


@given(queries(), ADDRESSES4, ADDRESSES6, st.integers(0, 2**31 - 1))
def test_an_answer_is_read_by_the_library_as_we_mean_it(
    made: dns.message.QueryMessage, ipv4: list[bytes], ipv6: list[bytes], ttl: int
) -> None:
    query = parse(made.to_wire())
    read = dns.message.from_wire(wire.addresses(query, (*ipv4, *ipv6), ttl, wire.LONGEST))
    assert made.is_response(read)
    assert read.rcode() == dns.rcode.NOERROR
    assert bool(read.flags & dns.flags.RD) == bool(made.flags & dns.flags.RD)
    assert bool(read.flags & dns.flags.CD) == bool(made.flags & dns.flags.CD)
    assert read.flags & dns.flags.RA and not read.flags & (dns.flags.AA | dns.flags.TC)
    assert read.edns == made.edns
    found = [
        (rrset.rdtype, rrset.ttl, ipaddress.ip_address(record.address).packed)
        for rrset in read.answer
        for record in rrset
    ]
    expected = [(dns.rdatatype.A, ttl, each) for each in ipv4]
    expected += [(dns.rdatatype.AAAA, ttl, each) for each in ipv6]
    assert sorted(found) == sorted(expected)
    assert all(rrset.name == made.question[0].name for rrset in read.answer)


@given(queries(), ADDRESSES4, st.integers(512, 4096))
def test_an_answer_keeps_to_its_limit_and_says_what_is_missing(
    made: dns.message.QueryMessage, ipv4: list[bytes], limit: int
) -> None:
    query = parse(made.to_wire())
    answer = wire.addresses(query, ipv4, 1, limit)
    read = dns.message.from_wire(answer)
    assert len(answer) <= limit
    shown = sum(len(rrset) for rrset in read.answer)
    assert bool(read.flags & dns.flags.TC) == (shown < len(ipv4))
    if shown < len(ipv4):
        assert len(answer) + 16 > limit  # not one more would have fitted


def test_many_addresses_over_tcp() -> None:
    many = [bytes((10, 0, number >> 8, number & 255)) for number in range(2000)]
    read = dns.message.from_wire(wire.addresses(query_for(), many, 1, wire.LONGEST))
    assert sum(len(rrset) for rrset in read.answer) == 2000


@given(queries(), names(PLAIN.map(str.encode)))
def test_a_pointer_is_read_by_the_library_as_we_mean_it(
    made: dns.message.QueryMessage, name: dns.name.Name
) -> None:
    if name == dns.name.root:
        return
    text = b".".join(name.labels).decode()
    wired = wire.wire_name(text)
    assert wired == name.to_wire()
    read = dns.message.from_wire(wire.pointer(parse(made.to_wire()), wired, 1))
    assert [str(record.target) for rrset in read.answer for record in rrset] == [str(name)]


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 16])
@given(queries())
def test_a_code_is_read_by_the_library_as_we_mean_it(code: int, made: dns.message.QueryMessage) -> None:
    query = parse(made.to_wire())
    read = dns.message.from_wire(wire.empty(query, code))
    assert made.is_response(read) or code
    assert read.rcode() == (code if made.edns >= 0 else code & 15)
    assert not read.answer


def require_harmless(message: bytes) -> None:
    try:
        query = parse(message)
    except Malformed:
        refused = wire.refusal(message)
        assert refused is None or (refused[:2] == message[:2] and refused[2] & 0x80)
        return
    assert query.end <= len(message)
    assert wire.answers(wire.empty(query), query)


@given(st.binary(max_size=100))
def test_no_bytes_hurt(message: bytes) -> None:
    require_harmless(message)


@given(queries(), st.data())
def test_no_damaged_query_hurts(made: dns.message.QueryMessage, data: st.DataObject) -> None:
    message = bytearray(made.to_wire())
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    require_harmless(bytes(message[: data.draw(st.integers(0, len(message)))]))


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", None),
        (b"\0\1\1\0\0\1\0\0\0\0\0", None),  # too short
        (b"\0\1\x81\0\0\1\0\0\0\0\0\0\3web\0\0\1\0\1", None),  # an answer
        (b"\0\1\x28\0\0\1\0\0\0\0\0\0\3web\0\0\1\0\1", wire.NOTIMP),  # an update
        (b"\0\1\1\0\0\0\0\0\0\0\0\0", wire.FORMERR),  # no question
        (b"\0\1\1\0\0\2\0\0\0\0\0\0\3web\0\0\1\0\1\3web\0\0\1\0\1", wire.FORMERR),  # two questions
        (b"\0\1\1\0\0\1\0\0\0\0\0\0\3web\0\0\1", wire.FORMERR),  # ends too early
        (b"\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1", wire.FORMERR),  # a pointer to itself
        (b"\0\1\1\0\0\1\0\0\0\0\0\0\x40" + b"a" * 64 + b"\0\0\1\0\1", wire.FORMERR),  # a long label
        (b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\1a" * 127 + b"\0\0\1\0\1" + b"", 0),  # the longest name
        (b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\1a" * 128 + b"\0\0\1\0\1", wire.FORMERR),  # a longer one
        (b"\0\1\1\0\0\1\0\0\0\0\0\1\3web\0\0\1\0\1\0\0\x29\4\xd0\0\0\0\0\0\x05", wire.FORMERR),  # short OPT
    ],
)
def test_what_a_bad_message_is_answered(message: bytes, code: int | None) -> None:
    try:
        parse(message)
    except Malformed:
        refused = wire.refusal(message)
        assert (refused and wire.code_of(refused)) == code
    else:
        assert code == 0


def test_an_answer_belongs_to_its_question() -> None:
    query = query_for("web", "A")
    assert wire.answers(wire.empty(query), query)
    assert wire.answers(wire.empty(query_for("WEB", "A")), query)
    assert not wire.answers(wire.empty(query_for("wab", "A")), query)
    assert not wire.answers(wire.empty(query_for("web", "AAAA")), query)
    assert not wire.answers(query.message, query)  # a query is no answer
    assert not wire.answers(b"", query)


@pytest.mark.parametrize("name", ["", ".", "a..b", "a" * 64, ".a", "a." * 127 + "aa"])
def test_what_cannot_be_a_name(name: str) -> None:
    assert wire.wire_name(name) is None

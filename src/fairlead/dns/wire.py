"""DNS messages as they travel: questions parsed, answers of addresses and pointers written.

By hand, since every look-up of a container passes here; a test holds it against a full library.
Source: RFC 1035 section 4, RFC 6891 (EDNS), RFC 7766 (TCP).
"""

from collections.abc import Sequence
from typing import NamedTuple

A, PTR, OPT, AAAA, ANY = 1, 12, 41, 28, 255
INTERNET = 1  # class; 255 is any
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 2, 3, 4, 5
BADVERS = 16  # an extended code: its upper bits stand in the OPT record

HEADER = 12  # bytes
SMALLEST_LIMIT = 512  # bytes of a UDP answer for a client that says nothing about it
LONGEST = 65535  # bytes of a message over TCP
OUR_LIMIT = 1232  # what we say that we take: fits any path without fragments
_MORE = 0x02  # TC
_RECURSION = 0x01  # RD
_AVAILABLE = 0x80  # RA
_UNCHECKED = 0x10  # CD
_DNSSEC_OK = 0x80  # the first bit of an OPT record's flags
_LONGEST_LABEL, _LONGEST_NAME = 63, 255
_NAME_OF_QUESTION = b"\xc0\x0c"  # a pointer to it


class Malformed(ValueError):
    """The bytes are no query with one question."""


class Query(NamedTuple):
    """A query with one question.

    A NamedTuple, since making a frozen dataclass takes several times as long.  `name` is in lower
    case, its labels joined by dots without a last one; a dot inside a label is written `\\.`.
    `limit` is how many bytes a UDP answer may have.  `end` is where the question ends.
    """

    message: bytes
    name: bytes
    kind: int
    category: int
    end: int
    limit: int
    edns: int  # the version, -1 without EDNS
    dnssec_ok: bool


def parse(message: bytes) -> Query:
    """The query in a message.  Raises Malformed for anything else."""
    try:
        if message[2] & 0xF8 or message[4:6] != b"\0\1":
            raise Malformed("not an ordinary query with one question")
        name, at = _name(message)
        kind = message[at] << 8 | message[at + 1]
        category = message[at + 2] << 8 | message[at + 3]
        end = at + 4
        if not any(message[6:HEADER]):
            return Query(message, name, kind, category, end, SMALLEST_LIMIT, -1, False)
        limit, version, dnssec_ok = _options(message, end)
        return Query(message, name, kind, category, end, limit, version, dnssec_ok)
    except IndexError:
        raise Malformed("it ends too early") from None


def _name(message: bytes) -> tuple[bytes, int]:
    """The question's name, and where it ends."""
    at = HEADER
    labels = []
    while length := message[at]:
        if length > _LONGEST_LABEL:
            raise Malformed("a label of the question is too long, or a pointer")
        at += 1
        labels.append(message[at : at + length])
        at += length
    if at - HEADER >= _LONGEST_NAME:
        raise Malformed("the question's name is too long")
    name = b".".join(labels)
    if name.count(b".") >= len(labels) and labels:
        name = b".".join(label.replace(b".", b"\\.") for label in labels)
    return name.lower(), at + 1


def _options(message: bytes, at: int) -> tuple[int, int, bool]:
    """What the OPT record after the question says: (limit, version, dnssec_ok)."""
    records = sum(message[i] << 8 | message[i + 1] for i in (6, 8, 10))
    found = (SMALLEST_LIMIT, -1, False)
    for _ in range(records):
        at = _after_name(message, at)
        kind = message[at] << 8 | message[at + 1]
        length = message[at + 8] << 8 | message[at + 9]
        if kind == OPT:
            size = message[at + 2] << 8 | message[at + 3]
            found = (max(size, SMALLEST_LIMIT), message[at + 5], bool(message[at + 6] & _DNSSEC_OK))
        at += 10 + length
        if at > len(message):
            raise Malformed("a record ends too early")
    return found


def _after_name(message: bytes, at: int) -> int:
    while length := message[at]:
        if length > _LONGEST_LABEL:
            return at + 2  # a pointer is the last part of a name
        at += 1 + length
    return at + 1


def refusal(message: bytes) -> bytes | None:
    """The answer to a message that `parse` refused: FORMERR or NOTIMP; None if it deserves none.

    What is no query at all (an answer, or too short) is never answered: two servers could go on for ever.
    """
    if len(message) < HEADER or message[2] & 0x80:
        return None
    code = NOTIMP if message[2] & 0x78 else FORMERR
    flags = bytes((0x80 | message[2] & 0x79, _AVAILABLE | code))
    return message[:2] + flags + bytes(8)


def addresses(query: Query, found: Sequence[bytes], ttl: int, limit: int) -> bytes:
    """An answer of addresses, packed (4 or 16 bytes each); as many as fit into `limit` bytes.

    With those that do not fit the truncation bit is set, so that the client asks again by TCP.
    """
    records = b""
    room = limit - query.end - (11 if query.edns >= 0 else 0)
    count = 0
    for packed in found:
        size = len(packed)
        room -= 12 + size
        if room < 0:
            return _answer(query, NOERROR, count, records, _MORE)
        kind = A if size == 4 else AAAA
        records += b"%b\0%c\0\1%b\0%c%b" % (_NAME_OF_QUESTION, kind, ttl.to_bytes(4, "big"), size, packed)
        count += 1
    return _answer(query, NOERROR, count, records)


def pointer(query: Query, name: bytes, ttl: int) -> bytes:
    """An answer of one name, given in wire form: what a reverse look-up finds."""
    content = ttl.to_bytes(4, "big") + len(name).to_bytes(2, "big") + name
    return _answer(query, NOERROR, 1, _NAME_OF_QUESTION + b"\0\x0c\0\1" + content)


def empty(query: Query, code: int = NOERROR) -> bytes:
    """An answer without records: NODATA, or an error code."""
    return _answer(query, code, 0, b"")


def _answer(query: Query, code: int, count: int, records: bytes, flags: int = 0) -> bytes:
    message = query.message
    head = b"%b%c%c\0\1%c%c\0\0\0%c" % (
        message[:2],
        0x80 | flags | message[2] & _RECURSION,
        _AVAILABLE | message[3] & _UNCHECKED | code & 0x0F,
        count >> 8,
        count & 0xFF,
        1 if query.edns >= 0 else 0,
    )
    if query.edns < 0:
        return head + message[HEADER : query.end] + records
    dnssec = _DNSSEC_OK if query.dnssec_ok else 0
    option = b"\0\0\x29%b%c\0%c\0\0\0" % (OUR_LIMIT.to_bytes(2, "big"), code >> 4, dnssec)
    return head + message[HEADER : query.end] + records + option


def wire_name(name: str) -> bytes | None:
    """A dotted name in wire form; None if it cannot be one."""
    labels = [label.encode() for label in name.rstrip(".").split(".")]
    if not all(0 < len(label) <= _LONGEST_LABEL for label in labels):
        return None
    wire = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    return wire if len(wire) <= _LONGEST_NAME else None


def truncated(query: Query, answer: bytes) -> bytes:
    """An answer without its records that says that there are some: for a client that takes no more bytes."""
    cut = empty(query, code_of(answer))
    return cut[:2] + bytes((answer[2] | _MORE, answer[3])) + cut[4:]


def is_truncated(message: bytes) -> bool:
    """Whether an answer says that it lacks some of its records."""
    return bool(message[2] & _MORE)


def code_of(message: bytes) -> int:
    """The response code of an answer, without its extension."""
    return message[3] & 0x0F


def answer_count(message: bytes) -> int:
    """How many records an answer has that say what was asked for."""
    return message[6] << 8 | message[7]


def answers(message: bytes, query: Query) -> bool:
    """Whether a message is an answer to exactly this question; its id is not looked at."""
    if len(message) < query.end or not message[2] & 0x80 or message[4:6] != b"\0\1":
        return False
    asked, answered = query.message[HEADER : query.end], message[HEADER : query.end]
    return asked == answered or asked.lower() == answered.lower()

"""Copies of sockets are kept for exactly what is there, and closed as soon as it may go."""

import socket
from ipaddress import ip_address

import pytest

from fairlead.model.host import HeldPortKey, NameKey
from fairlead.resolver.keeping import Keeper, Kept, dealt

WEB = HeldPortKey("tcp", ip_address("127.0.0.1"), 80)
RUN = HeldPortKey("tcp", ip_address("127.0.0.1"), 8000, 3)
NAME = NameKey("n1", "web", ip_address("10.0.0.2"))


def kept(count: int = 1, value: object = "there") -> Kept:
    return Kept(value, None, [socket.socket() for _ in range(count)])


def is_open(each: Kept) -> list[bool]:
    return [made.fileno() >= 0 for made in each.sockets]


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


def test_what_is_found_is_kept_until_it_is_changed(keeper: Keeper) -> None:
    found = kept()
    assert keeper.lacking([NAME, WEB]) == [1]
    keeper.note(keeper.now, {WEB: found, NAME: Kept("e1")})
    assert keeper.lacking([NAME, WEB]) == []
    assert dict(keeper.everything()) == {WEB: found, NAME: Kept("e1")}
    with keeper.changing([WEB]):
        assert is_open(found) == [False]
        assert keeper.lacking([WEB]) == []  # it may be gone before the answer comes
    assert keeper.lacking([WEB]) == [0]
    keeper.close()


def test_what_was_found_before_or_during_a_change_is_closed(keeper: Keeper) -> None:
    before = keeper.now
    with keeper.changing([WEB]):
        for now in (before, keeper.now):
            found = kept()
            keeper.note(now, {WEB: found})
            assert is_open(found) == [False]
        during = keeper.now
    for now in (before, during):
        found = kept()
        keeper.note(now, {WEB: found})
        assert is_open(found) == [False]
    assert keeper.everything() == []


def test_what_is_found_twice_at_once_is_kept_once(keeper: Keeper) -> None:
    first, second = kept(), kept(value="newer")
    keeper.note(keeper.now, {WEB: first})
    keeper.note(keeper.now, {WEB: second})
    assert (is_open(first), is_open(second)) == ([True], [False])
    assert first.value == "newer"
    keeper.note(keeper.now, {WEB: Kept(None)})
    assert is_open(first) == [False]


def test_what_is_there_by_half_is_not_kept(keeper: Keeper) -> None:
    half = kept(2)
    keeper.note(keeper.now, {RUN: half})
    assert keeper.everything() == [] and is_open(half) == [False, False]


def test_there_is_room_for_so_many(keeper: Keeper) -> None:
    room = keeper._most = 4
    found = kept(3)
    keeper.note(keeper.now, {RUN: found})
    assert keeper.lacking([HeldPortKey("tcp", WEB.address, 90 + each) for each in range(9)]) == [0]
    keeper.close()
    assert is_open(found) == [False] * 3
    assert keeper.lacking([HeldPortKey("tcp", WEB.address, 9, room), WEB]) == [0]


def test_sockets_are_dealt_when_all_are_there() -> None:
    sockets = [socket.socket() for _ in range(3)]
    assert dealt(sockets, [1, 0, 2]) == [sockets[:1], [], sockets[1:]]
    assert dealt(sockets, [2, 2]) == [[], []]
    assert all(each.fileno() < 0 for each in sockets)

"""Whom to ask outside and when, against upstreams that answer, fail, or are silent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.dns.forward import (
    DEAF_AT_MOST,
    DEAF_FOR,
    OVERTAKEN_AFTER,
    PATIENCE,
    PATIENT_SILENCES,
    Flight,
    Forwarding,
    Server,
    Verdict,
)
from fairlead.dns.wire import NOERROR, NXDOMAIN, REFUSED, SERVFAIL

ONE, TWO, THREE = Server("192.0.2.1"), Server("192.0.2.2"), Server("192.0.2.2", "box")


@pytest.fixture
def forwarding() -> Forwarding[str]:
    return Forwarding()


def let_one_go_deaf(forwarding: Forwarding[str], now: float = 0.0) -> None:
    """ONE is silent, TWO answers once it is asked, as often as it takes."""
    for _ in range(PATIENT_SILENCES):
        flight, _ = forwarding.begin("q", (ONE, TWO), now)
        forwarding.due(now + OVERTAKEN_AFTER)
        forwarding.heard(flight, TWO, NOERROR)


def test_the_first_upstream_is_asked_alone(forwarding: Forwarding[str]) -> None:
    flight, ask = forwarding.begin("q", (ONE, TWO), 0)
    assert ask == (ONE,)
    assert forwarding.heard(flight, ONE, NOERROR) == (Verdict.DELIVER, ())
    assert forwarding.due(99) == []


@pytest.mark.parametrize("code", [NOERROR, NXDOMAIN])
def test_an_answer_about_the_name_is_final(forwarding: Forwarding[str], code: int) -> None:
    flight, _ = forwarding.begin("q", (ONE, TWO), 0)
    assert forwarding.heard(flight, ONE, code) == (Verdict.DELIVER, ())


@pytest.mark.parametrize("code", [SERVFAIL, REFUSED])
def test_one_that_does_not_help_is_followed_by_the_next_at_once(
    forwarding: Forwarding[str], code: int
) -> None:
    flight, _ = forwarding.begin("q", (ONE, TWO), 0)
    assert forwarding.heard(flight, ONE, code) == (Verdict.WAIT, (TWO,))
    assert forwarding.heard(flight, TWO, code) == (Verdict.GIVE_UP, ())


def test_one_that_cannot_be_asked_is_followed_by_the_next_at_once(forwarding: Forwarding[str]) -> None:
    flight, _ = forwarding.begin("q", (ONE, TWO), 0)
    assert forwarding.failed(flight, ONE, 0) == (Verdict.WAIT, (TWO,))
    assert forwarding.failed(flight, TWO, 0) == (Verdict.GIVE_UP, ())


def test_a_silent_one_is_overtaken(forwarding: Forwarding[str]) -> None:
    flight, _ = forwarding.begin("q", (ONE, TWO, THREE), 0)
    assert forwarding.next_due() == OVERTAKEN_AFTER
    assert forwarding.due(OVERTAKEN_AFTER - 0.01) == []
    assert [due.ask for due in forwarding.due(OVERTAKEN_AFTER)] == [(TWO,)]
    assert [due.ask for due in forwarding.due(2 * OVERTAKEN_AFTER)] == [(THREE,)]
    assert forwarding.heard(flight, TWO, NOERROR) == (Verdict.DELIVER, ())
    assert forwarding.heard(flight, ONE, NOERROR) == (Verdict.WAIT, ())  # too late, and only once


def test_patience_ends(forwarding: Forwarding[str]) -> None:
    flight, _ = forwarding.begin("q", (ONE,), 0)
    now, asks = 0.0, []
    while (due := forwarding.next_due()) is not None:
        assert due > now
        now = due
        asks += [each.ask for each in forwarding.due(now)]
    assert (now, asks[-1]) == (PATIENCE, ())
    assert asks[:-1] == [(ONE,)] * (len(asks) - 1) and len(asks) > 2
    assert forwarding.heard(flight, ONE, NOERROR) == (Verdict.WAIT, ())


def test_a_deaf_one_is_asked_last(forwarding: Forwarding[str]) -> None:
    let_one_go_deaf(forwarding)
    flight, ask = forwarding.begin("q", (ONE, TWO), 1)
    assert ask == (TWO,)
    assert forwarding.heard(flight, TWO, SERVFAIL) == (Verdict.WAIT, (ONE,))


def test_a_deaf_one_is_tried_beside_the_one_that_works(forwarding: Forwarding[str]) -> None:
    let_one_go_deaf(forwarding)
    later = OVERTAKEN_AFTER + DEAF_FOR
    flight, ask = forwarding.begin("q", (ONE, TWO), later)
    assert set(ask) == {ONE, TWO}
    assert forwarding.begin("other", (ONE, TWO), later)[1] == (TWO,)  # one trial at a time
    forwarding.heard(flight, TWO, NOERROR)
    forwarding.heard(flight, ONE, NOERROR)
    assert forwarding.begin("q", (ONE, TWO), later)[1] == (ONE,)


def test_trials_become_rare(forwarding: Forwarding[str]) -> None:
    let_one_go_deaf(forwarding)
    trials, now = [], 0.0
    while now < 600:
        now += 0.5
        flight, ask = forwarding.begin("q", (ONE, TWO), now)
        forwarding.heard(flight, TWO, NOERROR)
        if ONE in ask:
            trials.append(now)
    pauses = [later - earlier for earlier, later in zip(trials, trials[1:], strict=False)]
    assert pauses == sorted(pauses) and pauses[-1] == DEAF_AT_MOST


def test_any_word_of_it_ends_its_deafness(forwarding: Forwarding[str]) -> None:
    slow, _ = forwarding.begin("slow", (ONE, TWO), 0)
    let_one_go_deaf(forwarding)
    forwarding.heard(slow, ONE, SERVFAIL)
    assert forwarding.begin("q", (ONE, TWO), 1)[1] == (ONE,)


def test_one_slow_name_makes_nobody_deaf(forwarding: Forwarding[str]) -> None:
    forwarding.begin("slow", (ONE, TWO), 0)
    while (due := forwarding.next_due()) is not None:
        forwarding.due(due)
    assert forwarding.begin("q", (ONE, TWO), PATIENCE)[1] == (ONE,)


def test_when_all_are_deaf_they_are_asked_in_order(forwarding: Forwarding[str]) -> None:
    for _ in range(PATIENT_SILENCES):
        flight, _ = forwarding.begin("q", (ONE, TWO), 0)
        forwarding.failed(flight, ONE, 0)
        forwarding.failed(flight, TWO, 0)
    assert forwarding.begin("q", (ONE, TWO), 1)[1] == (ONE,)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.integers(0, 3)),
        st.tuples(st.sampled_from(["answer", "servfail", "refuse"]), st.integers(0, 20)),
        st.tuples(st.just("wait"), st.integers(1, 20)),
    ),
    max_size=60,
)


@given(EVENTS)
def test_every_question_ends_once_and_nobody_is_asked_twice_before_all_were(
    events: list[tuple[str, int]],
) -> None:
    forwarding: Forwarding[int] = Forwarding()
    everybody = (ONE, TWO, THREE)
    now = 0.0
    open_: list[tuple[Flight[int], Server]] = []
    asked: dict[int, list[Server]] = {}
    ended: list[int] = []
    flights: dict[int, Flight[int]] = {}

    def note(flight: Flight[int], upstreams: tuple[Server, ...]) -> None:
        assert flight.work not in ended or not upstreams
        for each in upstreams:
            asked[flight.work].append(each)
            open_.append((flight, each))
        order = asked[flight.work]
        allowed = set(flights[flight.work].upstreams)
        assert set(order) <= allowed
        for number, each in enumerate(order):
            if each in order[:number]:
                assert set(order[:number]) == allowed

    def settle(flight: Flight[int], verdict: Verdict, upstreams: tuple[Server, ...]) -> None:
        if verdict is not Verdict.WAIT:
            assert flight.work not in ended
            ended.append(flight.work)
        note(flight, upstreams)

    def pass_time(until: float) -> None:
        for due in forwarding.due(until):
            if due.ask:
                note(due.flight, due.ask)
            else:
                assert due.flight.work not in ended
                ended.append(due.flight.work)

    for event, number in events:
        if event == "begin":
            work = len(flights)
            flight, upstreams = forwarding.begin(work, everybody[: number or 1], now)
            flights[work] = flight
            asked[work] = []
            note(flight, upstreams)
        elif event == "wait":
            now += number / 10
            pass_time(now)
        elif open_:
            flight, upstream = open_.pop(number % len(open_))
            if event == "refuse":
                settle(flight, *forwarding.failed(flight, upstream, now))
            else:
                code = NOERROR if event == "answer" else SERVFAIL
                settle(flight, *forwarding.heard(flight, upstream, code))
    while (due := forwarding.next_due()) is not None:
        now = max(now, due)
        pass_time(now)
    assert sorted(ended) == sorted(flights)

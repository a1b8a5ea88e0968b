"""Laws of states and steps: whatever two states are, their difference leads from one to the other."""

from ipaddress import IPv4Interface, ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.host import (
    AddressFlowsKey,
    AddressKey,
    Bridge,
    ChainKey,
    Family,
    LinkKey,
    LinkSetting,
    LinkSettingKey,
    NamespaceKey,
    Placement,
    PortFlowsKey,
    Route,
    RouteKey,
    RuleKey,
    SysctlKey,
    Veth,
)
from fairlead.planner.steps import LEFT_ALONE, RANK, absent, difference, parted, replay, transition

NAMES = st.sampled_from(["a", "b", "docker0"])
ENTRIES = st.one_of(
    st.tuples(st.builds(NamespaceKey, NAMES), NAMES),
    st.tuples(
        st.builds(LinkKey, st.just(""), NAMES),
        st.one_of(st.builds(Bridge, NAMES), st.builds(Veth, NAMES, NAMES, NAMES)),
    ),
    st.tuples(
        st.builds(LinkSettingKey, st.just(""), NAMES, st.sampled_from(list(LinkSetting))),
        st.sampled_from(["on", "off", "1500"]),
    ),
    st.tuples(
        st.builds(
            AddressKey,
            st.just(""),
            NAMES,
            st.sampled_from([IPv4Interface("10.0.0.1/24"), IPv4Interface("10.0.1.1/24")]),
        ),
        st.just(True),
    ),
    st.tuples(
        st.builds(RouteKey, NAMES, st.just(ip_network("0.0.0.0/0"))), st.builds(Route, st.none(), NAMES)
    ),
    st.tuples(st.builds(ChainKey, st.just(Family.IPV4), st.just("filter"), NAMES), st.just(True)),
    st.tuples(
        st.builds(RuleKey, st.just(Family.IPV4), st.just("filter"), NAMES, NAMES),
        st.sampled_from(list(Placement)),
    ),
)
STATES = st.lists(st.tuples(ENTRIES, st.booleans()), max_size=12).map(
    lambda entries: {key: value if there else None for (key, value), there in entries}
)


def over_same_keys(one: dict, other: dict) -> tuple[dict, dict]:
    keys = [*one, *other]
    return {key: one.get(key) for key in keys}, {key: other.get(key) for key in keys}


@given(STATES, STATES)
def test_the_difference_leads_there(before: dict, after: dict) -> None:
    before, after = over_same_keys(before, after)
    links_gone = {k for k in before if isinstance(k, (LinkKey, NamespaceKey)) and after[k] is None}
    reached = replay(before, difference(after, before))
    for key, wanted in after.items():
        carried_away = wanted is None and links_gone
        assert reached[key] == wanted or carried_away, key


@given(STATES, STATES)
def test_inverses_in_reverse_lead_back(before: dict, after: dict) -> None:
    before, after = over_same_keys(before, after)
    steps = difference(after, before)
    back = tuple(step.inverse() for step in reversed(steps))
    assert replay(replay(before, steps), back) == before


@given(STATES)
def test_no_steps_where_nothing_differs(state: dict) -> None:
    assert difference(state, state) == ()


@given(STATES, STATES)
def test_additions_come_before_removals_and_in_order(before: dict, after: dict) -> None:
    before, after = over_same_keys(before, after)
    steps = difference(after, before)
    removing = [step.after is None for step in steps]
    assert removing == sorted(removing)
    ranks = [RANK[type(step.key)] for step in steps if step.after is not None]
    assert ranks == sorted(ranks)


@given(STATES, STATES)
def test_a_transition_wants_only_the_new(before: dict, after: dict) -> None:
    desired = transition(before, after)
    assert all(desired[key] == value for key, value in after.items())
    assert all(desired[key] is None for key in before if key not in after)


def test_a_setting_is_left_alone_when_it_is_no_longer_wanted() -> None:
    key = SysctlKey("", ("net", "ipv4", "ip_forward"))
    assert isinstance(key, LEFT_ALONE)
    assert difference(absent({key: "1"}), {key: "1"}) == ()


def test_what_vanishes_with_its_link_is_not_removed_by_itself() -> None:
    link, address = LinkKey("", "docker0"), AddressKey("", "docker0", IPv4Interface("172.17.0.1/16"))
    there = {link: Bridge("02:42:00:00:00:01"), address: True}
    assert [step.key for step in difference(absent(there), there)] == [link]


FLOWS = [
    AddressFlowsKey(ip_address("10.0.0.2"), led=True),
    PortFlowsKey("udp", ip_address("::"), 53, 1, ip_address("fd00::2"), 53),
]


@given(STATES, st.tuples(st.sampled_from([True, None]), st.sampled_from([True, None])))
def test_fleeting_entries_wait_for_all_others(state: dict, wanted: tuple[bool | None, bool | None]) -> None:
    desired = state | dict(zip(FLOWS, wanted, strict=True))
    lasting, fleeting = parted(desired)
    assert not fleeting.keys() - set(FLOWS)
    assert not lasting.keys() & set(FLOWS)
    nothing = dict.fromkeys(desired)
    everything = {**nothing, **dict.fromkeys(FLOWS, True)}
    for observed in (nothing, everything):
        steps = {*difference(lasting, observed), *difference(fleeting, observed)}
        assert steps == set(difference(desired, observed))
    # Flows of an address are never made, and those of a port nobody publishes are nobody's concern.
    assert not any(isinstance(step.key, AddressFlowsKey) for step in difference(desired, nothing))
    assert (FLOWS[1] in fleeting) == (wanted[1] is not None)

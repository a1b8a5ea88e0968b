"""What IPv6 networks stand on: nothing of it is there without them."""

from fairlead.model.config import Settings
from fairlead.model.host import ChainKey, Family, PolicyKey, RuleKey
from fairlead.planner.base import IPV6_FORWARDING, base_state, ipv6_base_state

POLICY = PolicyKey(Family.IPV6, "filter", "FORWARD")


def test_the_ordinary_base_has_no_ipv6() -> None:
    state = base_state(Settings(), False)
    assert not [key for key in state if getattr(key, "family", None) is Family.IPV6]
    assert IPV6_FORWARDING not in state


def test_forwarding_is_switched_on_and_what_was_no_router_becomes_none() -> None:
    state = ipv6_base_state(Settings(), False)
    assert (state[IPV6_FORWARDING], state[POLICY]) == ("1", "DROP")
    assert ChainKey(Family.IPV6, "filter", "DOCKER") in state
    assert RuleKey(Family.IPV6, "filter", "FORWARD", "-j DOCKER-USER") in state


def test_a_router_keeps_its_policy() -> None:
    assert POLICY not in ipv6_base_state(Settings(), True)


def test_without_ip6tables_no_rule_is_written() -> None:
    state = ipv6_base_state(Settings(ip6tables=False), False)
    assert list(state.values()) == ["1", "1"]


def test_without_ip_forward_nothing_is_switched_on() -> None:
    state = ipv6_base_state(Settings(ip_forward=False), False)
    assert IPV6_FORWARDING not in state and POLICY not in state

"""The policy of FORWARD comes back with the table that it went with, and is left alone otherwise."""

import pytest

from fairlead.model.host import ChainKey, Family, PolicyKey
from fairlead.planner.base import forward_chains, lost_policies

FORWARD, USERS = forward_chains(Family.IPV4)
POLICY = PolicyKey(Family.IPV4, "filter", "FORWARD")


@pytest.mark.parametrize("gone", [[FORWARD], [USERS], [FORWARD, USERS]])
def test_a_policy_goes_with_its_table(gone: list[ChainKey]) -> None:
    there = {key: None if key in gone else True for key in (FORWARD, USERS)}
    assert lost_policies([Family.IPV4], there) == {POLICY: "DROP"}


def test_where_the_chains_stand_the_policy_is_left_alone() -> None:
    assert lost_policies([Family.IPV4], {FORWARD: True, USERS: True}) == {}


def test_what_never_dropped_goes_on_accepting() -> None:
    assert lost_policies([], {FORWARD: None, USERS: None}) == {}

"""One suite for every Actuator of the firewall: the kernel's, through each iptables, and the fakes."""

import asyncio
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from fairlead.boundary import Actuator
from fairlead.firewall import policy
from fairlead.firewall.iptables_text import parse
from fairlead.firewall.ruleset import Ruleset, placement
from fairlead.kernel.nft import Nftables
from fairlead.kernel.rules import Iptables
from fairlead.model.errors import StepFailed
from fairlead.model.host import ChainKey, Family, Key, NftKey, Placement, PolicyKey, RuleKey, Step, Value
from tests.fakes.rules import FakeIptables, FakeNftables, restore
from tests.kernel.virtual_host import private_namespace, run

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
KERNEL = [
    pytest.param(variant, marks=[needs_root, pytest.mark.kernel], id=f"kernel{variant}")
    for variant in ("-nft", "-legacy")
    if shutil.which(f"iptables{variant}-restore")
]


def converge(actuator: Actuator, desired: Mapping[Key, Value | None]) -> None:
    asyncio.run(_converge(actuator, desired))


async def _converge(actuator: Actuator, desired: Mapping[Key, Value | None]) -> None:
    observed = await actuator.observe(desired)
    assert list(observed) == list(desired)
    await actuator.perform(
        [Step(key, observed[key], desired[key]) for key in desired if observed[key] != desired[key]]
    )
    assert await actuator.observe(desired) == desired


def perform(actuator: Actuator, *steps: Step) -> None:
    asyncio.run(actuator.perform(steps))


def observe(actuator: Actuator, *keys: Key) -> list[Value | None]:
    observed = asyncio.run(actuator.observe(keys))
    return [observed[key] for key in keys]


@dataclass
class Rules:
    """An actuator of iptables rules, and a way to see and change them behind its back."""

    actuator: Any
    variant: str

    def show(self, family: Family = Family.IPV4) -> Ruleset:
        if self.variant == "fake":
            return self.actuator.rulesets[family].copy()
        tool = "iptables" if family is Family.IPV4 else "ip6tables"
        return parse(run(f"{tool}{self.variant}-save"))

    def foreign(self, *lines: str, table: str = "filter") -> None:
        text = "\n".join([f"*{table}", *lines, "COMMIT", ""])
        if self.variant == "fake":
            restore(self.actuator.rulesets[Family.IPV4], text)
        else:
            run(f"iptables{self.variant}-restore --noflush <<'END'\n{text}END")


@pytest.fixture(params=["fake", *KERNEL])
def rules(request: pytest.FixtureRequest) -> Iterator[Rules]:
    if request.param == "fake":
        yield Rules(FakeIptables(), "fake")
        return
    with private_namespace():
        yield Rules(Iptables(request.param), request.param)


def rule(text: str, chain: str = "FORWARD", table: str = "filter", family: Family = Family.IPV4) -> RuleKey:
    return RuleKey(family, table, chain, text)


def chain(name: str, table: str = "filter", family: Family = Family.IPV4) -> ChainKey:
    return ChainKey(family, table, name)


def base() -> dict[Key, Value]:
    return {key: value for key, value in policy.base().items() if not isinstance(key, NftKey)}


FOREIGN = ["-s 192.0.2.1/32 -j ACCEPT", '-m comment --comment "not \\" ours" -j DROP', "-i wg0 -j ACCEPT"]
USER_JUMP, ISOLATION_JUMP = "-j DOCKER-USER", "-j DOCKER-ISOLATION-STAGE-1"


def test_an_empty_host_gets_everything_and_gives_it_back(rules: Rules) -> None:
    converge(rules.actuator, base())
    shown = rules.show()
    assert shown.rules("filter", "FORWARD") == [USER_JUMP, ISOLATION_JUMP]
    assert shown.rules("filter", "DOCKER-USER") == ["-j RETURN"]
    assert shown.rules("nat", "OUTPUT") == ["! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER"]
    converge(rules.actuator, base())
    assert rules.show() == shown
    converge(rules.actuator, dict.fromkeys(reversed(base())))
    left = rules.show()
    assert not any(left.chains.values())
    assert all(name[1].isupper() and "DOCKER" not in name[1] for name in left.chains)


def test_foreign_rules_stay_where_they_are(rules: Rules) -> None:
    rules.foreign(*(f"-A FORWARD {text}" for text in FOREIGN))
    rules.foreign("-A POSTROUTING -o tun0 -j MASQUERADE", table="nat")
    converge(rules.actuator, base())
    one = [rule("-o br1 -j DOCKER"), rule("-i br1 ! -o br1 -j ACCEPT"), rule("-i br1 -o br1 -j DROP")]
    two = [rule("-o br2 -j DOCKER"), rule("-i br2 ! -o br2 -j ACCEPT")]
    for keys in (one, two):
        converge(rules.actuator, {key: placement(key) for key in keys})
    assert rules.show().rules("filter", "FORWARD") == [
        *(USER_JUMP, ISOLATION_JUMP),
        *(key.text for key in [*two, *one[:2]]),
        *FOREIGN,
        one[2].text,
    ]
    converge(rules.actuator, dict.fromkeys(one))
    assert rules.show().rules("filter", "FORWARD")[2:] == [*(key.text for key in two), *FOREIGN]
    assert rules.show().rules("nat", "POSTROUTING") == ["-o tun0 -j MASQUERADE"]


def test_everything_is_what_stands_in_chains_that_are_dockers_alone(rules: Rules) -> None:
    assert asyncio.run(rules.actuator.everything()) == {}
    converge(rules.actuator, base())
    rules.foreign("-A FORWARD -s 192.0.2.1/32 -j ACCEPT", "-A DOCKER-USER -s 192.0.2.2/32 -j ACCEPT")
    rules.foreign("-A DOCKER -s 192.0.2.3/32 -j ACCEPT")
    rules.foreign("-A DOCKER -p tcp -m tcp --dport 9 -j ACCEPT", table="nat")
    assert asyncio.run(rules.actuator.everything()).keys() == {
        rule("-s 192.0.2.3/32 -j ACCEPT", "DOCKER"),
        rule("-p tcp -m tcp --dport 9 -j ACCEPT", "DOCKER", "nat"),
        rule("-j RETURN", "DOCKER-ISOLATION-STAGE-1"),
        rule("-j RETURN", "DOCKER-ISOLATION-STAGE-2"),
    }


def test_head_rules_come_back_to_the_head_once(rules: Rules) -> None:
    converge(rules.actuator, base())
    rules.foreign(f"-I FORWARD 1 {FOREIGN[0]}")
    jumps = rule(USER_JUMP), rule(ISOLATION_JUMP)
    assert observe(rules.actuator, *jumps) == [None, None]
    converge(rules.actuator, {jumps[0]: Placement.HEAD})
    assert observe(rules.actuator, *jumps) == [Placement.HEAD, None]
    converge(rules.actuator, dict.fromkeys(jumps, Placement.HEAD))
    assert rules.show().rules("filter", "FORWARD") == [USER_JUMP, ISOLATION_JUMP, FOREIGN[0]]
    rules.foreign(f"-D FORWARD {USER_JUMP}", f"-A FORWARD {USER_JUMP}")
    converge(rules.actuator, dict.fromkeys(jumps, Placement.HEAD))
    assert rules.show().rules("filter", "FORWARD") == [USER_JUMP, ISOLATION_JUMP, FOREIGN[0]]


def test_the_users_chain_is_never_touched(rules: Rules) -> None:
    converge(rules.actuator, base())
    rules.foreign("-F DOCKER-USER", "-A DOCKER-USER -s 192.0.2.9/32 -j DROP")
    converge(rules.actuator, base())
    assert rules.show().rules("filter", "DOCKER-USER") == ["-s 192.0.2.9/32 -j DROP"]
    with pytest.raises(StepFailed):
        perform(rules.actuator, *(Step(key, value, None) for key, value in reversed(base().items())))
    assert rules.show().rules("filter", "DOCKER-USER") == ["-s 192.0.2.9/32 -j DROP"]
    assert asyncio.run(rules.actuator.observe(base())) == base()


def test_a_block_keeps_its_order_and_the_newest_block_comes_first(rules: Rules) -> None:
    converge(rules.actuator, base())
    table = [
        rule(f"-s 10.{number}.0.0/16 ! -o br{number} -j MASQUERADE", "POSTROUTING", "nat")
        for number in range(4)
    ]
    converge(rules.actuator, dict.fromkeys(table[:2], Placement.TOP))
    converge(rules.actuator, dict.fromkeys(table[2:], Placement.TOP))
    assert rules.show().rules("nat", "POSTROUTING") == [table[number].text for number in (2, 3, 0, 1)]


def test_a_rule_may_go_before_the_closing_return(rules: Rules) -> None:
    converge(rules.actuator, base())
    key = rule("-i br1 -j DROP", "DOCKER-ISOLATION-STAGE-2")
    perform(rules.actuator, Step(key, None, Placement.BEFORE_RETURN))
    assert rules.show().rules("filter", "DOCKER-ISOLATION-STAGE-2") == ["-i br1 -j DROP", "-j RETURN"]


def test_a_policy_is_set_and_left(rules: Rules) -> None:
    key = PolicyKey(Family.IPV4, "filter", "FORWARD")
    assert observe(rules.actuator, key) == ["ACCEPT"]
    perform(rules.actuator, Step(key, "ACCEPT", "DROP"))
    assert observe(rules.actuator, key) == ["DROP"]
    perform(rules.actuator, Step(key, "DROP", None))
    assert observe(rules.actuator, key) == ["DROP"]
    perform(rules.actuator, Step(key, "DROP", None).inverse())
    assert observe(rules.actuator, key) == ["DROP"]


def test_steps_that_hold_already_change_nothing(rules: Rules) -> None:
    converge(rules.actuator, base())
    shown = rules.show()
    perform(rules.actuator, *(Step(key, None, value) for key, value in base().items()))
    perform(rules.actuator, Step(rule("-i none -j ACCEPT"), Placement.END, None))
    perform(rules.actuator, Step(chain("NONE"), True, None))
    perform(rules.actuator)
    assert rules.show() == shown


def test_a_rule_written_twice_goes_as_a_whole(rules: Rules) -> None:
    key = rule("-i br1 ! -o br1 -j ACCEPT")
    rules.foreign(f"-A FORWARD {key.text}", f"-A FORWARD {FOREIGN[0]}", f"-A FORWARD {key.text}")
    converge(rules.actuator, {key: placement(key)})
    converge(rules.actuator, {key: None})
    assert rules.show().rules("filter", "FORWARD") == [FOREIGN[0]]


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(rule("-j NOWHERE", "POSTROUTING", "nat"), id="no-such-target"),
        pytest.param(rule("-j ACCEPT", "NOWHERE", "nat"), id="no-such-chain"),
    ],
)
def test_all_or_nothing_over_several_tables(rules: Rules, bad: RuleKey) -> None:
    converge(rules.actuator, base())
    shown = rules.show()
    good = rule("-i br1 ! -o br1 -j ACCEPT")
    steps = [
        Step(good, None, Placement.AFTER_HEAD),
        Step(chain("NEW", "mangle"), None, True),
        Step(bad, None, Placement.END),
    ]
    with pytest.raises(StepFailed) as failure:
        perform(rules.actuator, *steps)
    assert failure.value.done == 0
    assert failure.value.message.startswith("cannot ")
    assert "NOWHERE" in failure.value.message
    after = rules.show()
    assert {name: rules_ for name, rules_ in after.chains.items() if name[0] != "mangle"} == shown.chains
    assert ("mangle", "NEW") not in after.chains


def test_what_was_removed_before_a_failure_is_where_it_was(rules: Rules) -> None:
    converge(rules.actuator, base())
    ours = rule("-i br1 ! -o br1 -j ACCEPT")
    rules.foreign(f"-A FORWARD {FOREIGN[0]}", f"-A FORWARD {ours.text}", f"-A FORWARD {FOREIGN[1]}")
    shown = rules.show()
    bad = rule("-j NOWHERE", "POSTROUTING", "nat")
    believed_absent = Step(rule("-j RETURN", "DOCKER-ISOLATION-STAGE-2"), None, Placement.END)
    with pytest.raises(StepFailed):
        perform(
            rules.actuator, Step(ours, placement(ours), None), believed_absent, Step(bad, None, Placement.END)
        )
    assert rules.show() == shown


def test_a_chain_in_use_is_not_removed(rules: Rules) -> None:
    converge(rules.actuator, base())
    with pytest.raises(StepFailed):
        perform(rules.actuator, Step(chain("DOCKER", "nat"), True, None))
    assert asyncio.run(rules.actuator.observe(base())) == base()


def test_both_families_change_together_or_not_at_all(rules: Rules) -> None:
    both = {**base(), **policy.base(Family.IPV6)}
    converge(rules.actuator, both)
    assert rules.show(Family.IPV6).rules("filter", "FORWARD") == [USER_JUMP, ISOLATION_JUMP]
    assert rules.show(Family.IPV6).rules("nat", "OUTPUT") == [
        "! -d ::1/128 -m addrtype --dst-type LOCAL -j DOCKER"
    ]
    four, six = rule("-i br1 -o br1 -j ACCEPT"), rule("-j NOWHERE", family=Family.IPV6)
    with pytest.raises(StepFailed):
        perform(rules.actuator, Step(four, None, Placement.AFTER_HEAD), Step(six, None, Placement.END))
    assert observe(rules.actuator, four, six) == [None, None]


# Elements of our own table.


@pytest.fixture(params=["fake", pytest.param("kernel", marks=[needs_root, pytest.mark.kernel])])
def elements(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "fake":
        yield FakeNftables()
        return
    with private_namespace():
        actuator = Nftables()
        yield actuator
        actuator.close()


PORT = NftKey("ports", '"docker0" . tcp . 88')
ADDRESS_PORT = NftKey("address_ports", '"lo" . 127.0.0.1 . udp . 53')
RUN = NftKey("runs", '"docker0" . 0.0.0.0/0 . tcp . 4096-8191')
SMALL_RUN = NftKey("runs", '"lo" . 127.0.0.0/8 . sctp . 3000-3001')
NETWORK = NftKey("networks", '"docker0" . 172.17.0.0/16')
GUARD = NftKey("loopback", "127.0.0.0/8")
ALL: dict[Key, Value] = {
    GUARD: "",
    NETWORK: "",
    PORT: "172.17.0.2 . 80",
    ADDRESS_PORT: "172.17.0.2 . 53",
    RUN: "172.17.0.2",
    SMALL_RUN: "172.17.0.2",
    NftKey("guarded", '"docker0" . ipv6'): "",
    NftKey("trusted", '"wg0" . "docker0"'): "",
    NftKey("bound_ports", "192.0.2.1 . tcp . 8000-8019"): "",
    NftKey("bound_ports6", "2001:db8::1 . udp . 53"): "",
    NftKey("endpoints", '"veth0123456"'): "",
    NftKey("hardware_addresses", '"veth0123456" . 02:42:ac:11:00:02'): "",
    NftKey("ipv4_addresses", '"veth0123456" . 172.17.0.2'): "",
    NftKey("ipv6_addresses", '"veth0123456" . 0x64ff9b000000000000000000000002'): "",
}


def test_elements_come_and_go(elements: Any) -> None:
    assert observe(elements, *ALL) == [None] * len(ALL)
    perform(elements, Step(PORT, "172.17.0.2 . 80", None))
    converge(elements, ALL)
    converge(elements, ALL)
    converge(elements, dict.fromkeys(ALL))


def test_an_element_may_change_its_content(elements: Any) -> None:
    converge(elements, ALL)
    converge(elements, {PORT: "172.17.0.3 . 81", RUN: "172.17.0.3"})
    assert observe(elements, PORT, ADDRESS_PORT) == ["172.17.0.3 . 81", "172.17.0.2 . 53"]


def test_steps_go_by_what_is_there_not_by_what_they_believe(elements: Any) -> None:
    converge(elements, ALL)
    perform(elements, Step(PORT, None, "172.17.0.9 . 80"), Step(ADDRESS_PORT, None, None))
    assert observe(elements, PORT, ADDRESS_PORT) == ["172.17.0.9 . 80", None]


def test_elements_change_together_or_not_at_all(elements: Any) -> None:
    converge(elements, ALL)
    overlapping = NftKey("runs", '"docker0" . 0.0.0.0/0 . tcp . 5000-9000')
    with pytest.raises(StepFailed) as failure:
        perform(elements, Step(PORT, None, "172.17.0.9 . 80"), Step(overlapping, None, "172.17.0.4"))
    assert failure.value.done == 0
    assert failure.value.message.startswith("cannot ")
    assert asyncio.run(elements.observe([*ALL, overlapping])) == {**ALL, overlapping: None}


def test_a_run_may_replace_one_that_it_overlaps(elements: Any) -> None:
    converge(elements, ALL)
    other = NftKey("runs", '"docker0" . 0.0.0.0/0 . tcp . 5000-9000')
    perform(elements, Step(other, None, "172.17.0.4"), Step(RUN, "172.17.0.2", None))
    assert observe(elements, other, RUN) == ["172.17.0.4", None]


def test_hundreds_of_elements_at_once(elements: Any) -> None:
    many: dict[Key, Value] = {
        NftKey("ports", f'"lo" . tcp . {port}'): f"172.17.0.2 . {port + 1}" for port in range(1, 700)
    }
    converge(elements, {**ALL, **many})
    converge(elements, dict.fromkeys(many))
    assert observe(elements, *ALL) == list(ALL.values())


def test_hundreds_of_endpoints_at_once(elements: Any) -> None:
    many: dict[Key, Value] = {
        NftKey("ipv6_addresses", f'"veth{number}" . {0xFE80 << 112 | number:#x}'): "" for number in range(200)
    }
    converge(elements, many)
    converge(elements, dict.fromkeys(many))

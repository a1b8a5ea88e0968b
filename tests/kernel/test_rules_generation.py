"""Rules are read again when, and only when, somebody else has changed something."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from fairlead.firewall import policy
from fairlead.firewall.iptables_text import parse
from fairlead.firewall.ruleset import placement
from fairlead.kernel import rules as kernel_rules
from fairlead.kernel.generation import Generation, counts_generations
from fairlead.kernel.nft import Nftables
from fairlead.kernel.rules import Iptables
from fairlead.model.host import Family, Key, NftKey, Placement, RuleKey, Step, Value
from tests.kernel.virtual_host import private_namespace, run

pytestmark = pytest.mark.kernel

PORT = {NftKey("ports", '"docker0" . tcp . 88'): "172.17.0.2 . 80"}


def rules(number: int) -> dict[Key, Value]:
    keys = [
        RuleKey(Family.IPV4, "filter", "FORWARD", f"-o br{number} -j DOCKER"),
        RuleKey(Family.IPV4, "filter", "DOCKER-ISOLATION-STAGE-2", f"-o br{number} -j DROP"),
        RuleKey(Family.IPV4, "nat", "DOCKER", f"-i br{number} -j RETURN"),
        RuleKey(Family.IPV4, "nat", "POSTROUTING", f"-s 10.{number}.0.0/16 ! -o br{number} -j MASQUERADE"),
    ]
    return {key: placement(key) for key in keys}


@dataclass
class Table:
    """Both actuators of the firewall, and how often iptables' rules were read."""

    generation: Generation = field(default_factory=Generation)
    readings: int = 0

    def __post_init__(self) -> None:
        self.iptables = Iptables("-nft", self.generation)
        self.nftables = Nftables(self.generation)

    def converge(self, desired: Mapping[Key, Value | None]) -> None:
        asyncio.run(self._converge(desired))

    async def _converge(self, desired: Mapping[Key, Value | None]) -> None:
        for actuator in (self.iptables, self.nftables):
            own = {key: value for key, value in desired.items() if isinstance(key, actuator.handles)}
            before = await actuator.observe(own)
            await actuator.perform(
                [Step(key, before[key], own[key]) for key in own if own[key] != before[key]]
            )
        for actuator in (self.iptables, self.nftables):
            own = {key: value for key, value in desired.items() if isinstance(key, actuator.handles)}
            assert await actuator.observe(own) == own

    def agrees(self) -> bool:
        """Whether the actuator goes by what really stands there."""
        for family, tool in kernel_rules.TOOLS.items():
            known, real = asyncio.run(self.iptables._read(family)), parse(run(f"{tool}-nft-save"))
            # A table that is used for the first time gets built-in chains without a rule.
            if any(known.content(name) != real.content(name) for name in ("filter", "nat")):
                return False
        return True


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    """A host on which every form of rule has been written before."""
    start = kernel_rules.run
    with private_namespace():
        made = Table()

        async def counted(argv: list[str], **rest: Any) -> Any:
            made.readings += argv[0].endswith("-save")
            return await start(argv, **rest)

        monkeypatch.setattr(kernel_rules, "run", counted)
        made.converge({**policy.base(), **policy.base(Family.IPV6)})
        for _ in range(2):
            made.converge({**rules(7), **rules(8)})
            made.converge(dict.fromkeys(rules(7)))
            made.converge(rules(7))
            made.converge(dict.fromkeys({**rules(7), **rules(8)}))
        made.readings = 0
        yield made
        made.nftables.close()
        made.generation.close()


def test_our_own_changes_need_no_reading(table: Table) -> None:
    for number in range(4):
        table.converge(rules(number))
        table.converge(PORT if number % 2 else dict.fromkeys(PORT))
    table.converge(dict.fromkeys(rules(2)))
    assert table.readings == 0
    assert table.agrees()


def test_what_is_known_is_what_stands_there(table: Table) -> None:
    random = Random(4711)
    for _ in range(25):
        wanted: dict[Key, Value | None] = dict(rules(random.randrange(6)))
        if random.random() < 0.4:
            wanted = dict.fromkeys(wanted)
        table.converge(wanted | (PORT if random.random() < 0.5 else {}))
        assert table.agrees()
    assert table.readings <= 2, "only a form that is written for the first time is read back"


def test_a_form_of_rule_is_read_back_once(table: Table) -> None:
    for number in range(3):
        key = RuleKey(Family.IPV4, "filter", "INPUT", f"-s 10.{number}.0.0/16 -j DROP")
        table.converge({key: Placement.END})
    assert table.readings == 1


def test_a_rule_that_is_shown_in_another_way_is_noticed(table: Table) -> None:
    key = RuleKey(Family.IPV4, "filter", "INPUT", "-j DROP -s 10.1.0.0/16")
    with pytest.raises(AssertionError):
        table.converge({key: Placement.END})


@pytest.mark.parametrize(
    "change",
    [
        "iptables-nft -I FORWARD -s 192.0.2.9/32 -j DROP",
        "iptables-nft -F DOCKER-ISOLATION-STAGE-2",
        "iptables-nft -t nat -A POSTROUTING -o eth9 -j MASQUERADE",
        "ip6tables-nft -P FORWARD DROP",
        "nft insert rule ip filter FORWARD counter",
        "nft flush ruleset; iptables-nft -A INPUT -j ACCEPT",
    ],
)
def test_every_change_of_others_is_seen(table: Table, change: str) -> None:
    table.converge(rules(1))
    run(change)
    assert table.agrees()
    assert table.readings


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_change_while_ours_is_written_is_seen(
    table: Table, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = kernel_rules.run

    async def disturbed(argv: list[str], **rest: Any) -> Any:
        restores = argv[0].endswith("-restore")
        if restores and moment == "before":
            run("iptables-nft -A INPUT -s 198.51.100.1/32 -j ACCEPT")
        finished = await start(argv, **rest)
        if restores and moment == "after":
            run("iptables-nft -A INPUT -s 198.51.100.1/32 -j ACCEPT")
        return finished

    monkeypatch.setattr(kernel_rules, "run", disturbed)
    table.converge(rules(1))
    assert "-s 198.51.100.1/32 -j ACCEPT" in run("iptables-nft-save")
    assert table.agrees()


def test_a_change_while_the_rules_are_read_is_seen(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    start = kernel_rules.run

    async def disturbed(argv: list[str], **rest: Any) -> Any:
        finished = await start(argv, **rest)
        run("iptables-nft -A INPUT -s 198.51.100.1/32 -j ACCEPT")
        return finished

    run("nft add table ip other")
    monkeypatch.setattr(kernel_rules, "run", disturbed)
    asyncio.run(table.iptables._read(Family.IPV4))
    monkeypatch.setattr(kernel_rules, "run", start)
    assert table.agrees()


def test_only_nftables_counts() -> None:
    assert counts_generations("/usr/sbin/iptables-nft-save")
    assert not counts_generations("/usr/sbin/iptables-legacy-save")

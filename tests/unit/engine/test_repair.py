"""What others break is looked for where something hints at it, and only that is brought back."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from fairlead.engine.context import Context
from fairlead.engine.counters import Counters
from fairlead.engine.files import Files
from fairlead.engine.networks import Networks
from fairlead.engine.policies import Policies
from fairlead.engine.repair import Repair
from fairlead.engine.sandboxes import Sandboxes
from fairlead.engine.subjects import Subjects
from fairlead.model.errors import StepFailed
from fairlead.model.host import (
    ChainKey,
    Family,
    Key,
    LinkKey,
    LinkSetting,
    LinkSettingKey,
    NamespaceKey,
    PolicyKey,
    RuleKey,
    State,
    Step,
    SysctlKey,
)
from fairlead.model.records import HostRecord, Records
from fairlead.planner.deviation import Part, place_of
from tests.unit.engine.places import FakeHost, bridge, container, context, place, write

EVERYTHING = tuple(Part)
WEB, OTHER = container("web"), container("other")
FORWARDING = SysctlKey("", ("net", "ipv4", "ip_forward"))
UP = LinkSettingKey("", "veth2", LinkSetting.UP)
USERS = RuleKey(Family.IPV4, "filter", "DOCKER-USER", "-s 203.0.113.1/32 -j DROP")
FORWARD = ChainKey(Family.IPV4, "filter", "FORWARD")
POLICY = PolicyKey(Family.IPV4, "filter", "FORWARD")


@dataclass
class Host(FakeHost):
    """A host that notes what is looked at and done, and can refuse."""

    looked: list[Key] = field(default_factory=list)
    done: list[Step] = field(default_factory=list)
    refused: set[Key] = field(default_factory=set)
    changes: int = 0  # of rules
    time: int = 0
    told: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    async def observe(self, keys: Sequence[Key]) -> State:
        self.looked += keys
        return await super().observe(keys)

    async def perform(self, steps: Sequence[Step]) -> None:
        for number, step in enumerate(steps):
            if step.key in self.refused and step.after is not None:
                raise StepFailed("cannot do that: a fault was injected", number)
            await super().perform([step])
            self.done.append(step)

    async def fingerprints(self, namespaces: Collection[str]) -> Mapping[tuple[str, str], int]:
        found: dict[tuple[str, str], Any] = {}
        for key, value in self.there.items():
            at = place_of(key, value)
            if value is not None and at is not None and at[0] in namespaces:
                found.setdefault(at, []).append((key, value))
        return {at: hash(frozenset(each)) for at, each in found.items()}

    def rules(self) -> int | None:
        return self.changes

    def now(self) -> int:
        return self.time

    async def missing_files(self, container_id: str, names: Collection[str]) -> Collection[str]:
        return [name for name in names if not self.files.get((container_id, name))]

    def emit(self, kind: str, action: str, identity: str, attributes: Mapping[str, str]) -> None:
        self.told.append((f"{kind} {action}", attributes))

    async def hosts_file(self) -> str:
        return ""


@dataclass
class Engine:
    host: Host
    shared: Context
    repair: Repair
    counters: Counters

    def look(self, *parts: Part) -> None:
        self.host.looked.clear()
        self.host.done.clear()
        asyncio.run(self.repair.look(parts or EVERYTHING))

    def break_(self, key: Key, value: object = None) -> None:
        self.host.there[key] = value  # type: ignore[assignment]


@pytest.fixture
def engine() -> Engine:
    """Two containers on docker0; everything is as it should be."""
    records, network, host = Records(), bridge(), Host()
    write(records, network, HostRecord(engine_id="me"))
    for number, each in ((2, WEB), (3, OTHER)):
        sandbox, endpoint = place(each, network, number)
        write(records, each, sandbox, endpoint)
    shared = context(host, records)
    shared.clock = shared.events = host  # type: ignore[assignment]
    sandboxes = Sandboxes(shared)
    files, counters = Files(shared, sandboxes), Counters()
    subjects = Subjects(shared, Networks(shared, sandboxes), sandboxes)
    wanted = {key: value for each in subjects.all() for key, value in each.state.items()}
    host.there = {**wanted, FORWARD: True, POLICY: "DROP", USERS: None}
    made = Engine(host, shared, Repair(shared, subjects, files, Policies(shared), host, counters), counters)
    made.look()
    assert {name for _, name in host.files} == {"hosts", "hostname", "resolv.conf"}
    host.told.clear()
    return made


def test_what_nobody_has_changed_is_not_looked_at_twice(engine: Engine) -> None:
    engine.look()
    assert not engine.host.done
    assert not engine.host.told
    assert not [key for key in engine.host.looked if isinstance(key, (LinkKey, RuleKey))]


def test_a_link_that_was_changed_is_brought_back_and_told_of_once(engine: Engine) -> None:
    engine.break_(UP, "off")
    engine.look(Part.LINKS)
    assert engine.host.done == [Step(UP, "off", "on")]
    [(what, attributes)] = engine.host.told
    assert what == "network repair"
    assert attributes["difference"] == "up of link veth2 was off instead of on"
    assert attributes["containers"] == "web"
    assert engine.counters.values["repairs"] == 2  # the files at first
    assert engine.counters.values["repaired links"] == 1


def test_links_are_looked_at_where_their_fingerprint_is_another_one(engine: Engine) -> None:
    engine.break_(UP, "off")
    engine.look(Part.LINKS)
    assert not [key for key in engine.host.looked if getattr(key, "link", "") == "veth3"]


def test_rules_are_looked_at_when_somebody_else_has_changed_some(engine: Engine) -> None:
    lost = RuleKey(Family.IPV4, "filter", "FORWARD", "-j DOCKER-USER")
    engine.break_(lost)
    engine.look(Part.RULES)
    assert not engine.host.done
    engine.host.changes += 1
    engine.look(Part.RULES)
    assert [step.key for step in engine.host.done] == [lost]


def test_what_nobody_tells_of_is_found_now_and_then(engine: Engine) -> None:
    engine.break_(FORWARDING, "0")
    engine.look(Part.SETTINGS)
    assert engine.host.done == [Step(FORWARDING, "0", "1")]
    assert engine.host.told[0][0] == "daemon repair"


def test_what_is_the_users_is_left_alone(engine: Engine) -> None:
    engine.break_(USERS, "top")
    engine.break_(POLICY, "ACCEPT")
    engine.host.changes += 1
    engine.look()
    assert not engine.host.done


def test_a_policy_that_went_with_its_table_comes_back(engine: Engine) -> None:
    for key in list(engine.host.there):
        if isinstance(key, (ChainKey, RuleKey)):
            engine.host.there[key] = None
    engine.break_(POLICY, "ACCEPT")
    engine.host.changes += 1
    engine.look(Part.RULES)
    assert Step(POLICY, "ACCEPT", "DROP") in engine.host.done


def test_a_policy_that_went_with_its_table_while_no_daemon_ran_comes_back(engine: Engine) -> None:
    for key in list(engine.host.there):
        if isinstance(key, (ChainKey, RuleKey)):
            engine.host.there[key] = None
    engine.break_(POLICY, "ACCEPT")
    assert asyncio.run(Policies(engine.shared).lost()) == {POLICY: "DROP"}


def test_a_policy_that_the_user_has_set_is_what_comes_back(engine: Engine) -> None:
    engine.break_(POLICY, "ACCEPT")
    engine.host.changes += 1
    engine.look()
    for key in list(engine.host.there):
        if isinstance(key, (ChainKey, RuleKey)):
            engine.host.there[key] = None
    engine.host.changes += 1
    engine.look(Part.RULES)
    assert engine.host.done
    assert engine.host.there[POLICY] == "ACCEPT"
    assert asyncio.run(Policies(engine.shared).lost()) == {}


def test_a_process_that_had_ended_is_told_of_once(engine: Engine) -> None:
    engine.repair.ended("the resolver")
    engine.look(Part.NAMES)
    engine.look(Part.NAMES)
    [(what, attributes)] = engine.host.told
    assert (what, attributes["difference"]) == ("daemon repair", "the resolver had ended")


def test_a_pin_is_brought_back_before_what_is_inside_is_missed(engine: Engine) -> None:
    pin = NamespaceKey("web")
    inside = {
        key: value for key, value in engine.host.there.items() if getattr(key, "namespace", "") == "web"
    }
    for key in (pin, *inside):
        engine.break_(key)

    async def perform(steps: Sequence[Step]) -> None:
        await FakeHost.perform(engine.host, steps)
        engine.host.done += steps
        if any(step.key == pin for step in steps):
            engine.host.there.update(inside)  # it can be seen again

    engine.host.perform = perform  # type: ignore[method-assign]
    engine.look(Part.SETTINGS)
    assert [step.key for step in engine.host.done] == [pin]


def test_what_cannot_be_repaired_keeps_nothing_else_from_it_and_is_tried_again_later(engine: Engine) -> None:
    engine.host.refused.add(UP)
    for key in (UP, replace(UP, link="veth3")):
        engine.break_(key, "off")
    engine.look(Part.LINKS)
    assert engine.host.there[replace(UP, link="veth3")] == "on"
    assert engine.host.there[UP] == "off"
    engine.host.refused.clear()
    engine.look(Part.LINKS)
    assert engine.host.there[UP] == "off"
    engine.host.time += 10**10
    engine.look(Part.SETTINGS)
    assert engine.host.there[UP] == "on"


def test_a_container_that_is_being_changed_is_left_to_who_does_and_looked_at_after(engine: Engine) -> None:
    async def both() -> None:
        engine.break_(UP, "off")
        async with engine.shared.lock(WEB.id):
            await engine.repair.look([Part.LINKS])
            assert engine.host.there[UP] == "off"
        await engine.repair.look([Part.SETTINGS])

    asyncio.run(both())
    assert engine.host.there[UP] == "on"


def test_a_container_that_has_ended_meanwhile_is_not_brought_back(engine: Engine) -> None:
    engine.break_(UP, "off")
    sandbox = engine.shared.records.sandbox_of(WEB.id)
    assert sandbox is not None

    async def observe(keys: Sequence[Key]) -> State:
        found = await FakeHost.observe(engine.host, keys)
        write(engine.shared.records, replace(sandbox, phase="removing"))
        return found

    engine.host.observe = observe  # type: ignore[method-assign]
    engine.look(Part.LINKS)
    assert not engine.host.done
    assert not engine.host.told


def test_a_file_that_is_missing_is_written_again_and_one_that_was_changed_is_not(engine: Engine) -> None:
    engine.host.files[WEB.id, "hosts"] = ""
    engine.host.files[OTHER.id, "hosts"] = "127.0.0.1 mine\n"
    engine.look(Part.FILES)
    assert "172.17.0.2" in engine.host.files[WEB.id, "hosts"]
    assert engine.host.files[OTHER.id, "hosts"] == "127.0.0.1 mine\n"
    assert engine.host.told[0][1]["difference"] == "the file /etc/hosts of web was missing"

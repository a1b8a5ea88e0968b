"""A rule set as a value: chains with their rules in order; steps edit it as they will edit the kernel.

Every decision about where a rule goes is made here, on paper, so that the adapter only writes
down what was decided and a fake needs no rules of its own.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import takewhile

from fairlead.model.errors import Failed
from fairlead.model.host import ChainKey, Family, Key, Placement, PolicyKey, RuleKey, Step, Value

ChainName = tuple[str, str]  # table, chain
REMEMBERED = 1 << 14  # rules whose places need not be found by their texts again

# The rules that come before everything else in their chain, in this order.
HEADS: dict[ChainName, tuple[str, ...]] = {
    ("filter", "FORWARD"): ("-j DOCKER-USER", "-j DOCKER-ISOLATION-STAGE-1"),
}

# What separates networks decides before anything that somebody else puts into these chains.
_SEPARATING = ("DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2")
_SEPARATES = ("-j DROP", "-j DOCKER-ISOLATION-STAGE-2")

# The chains that nobody else has any business in.
OWN_CHAINS: tuple[ChainName, ...] = (
    ("filter", "DOCKER"),
    ("filter", "DOCKER-ISOLATION-STAGE-1"),
    ("filter", "DOCKER-ISOLATION-STAGE-2"),
    ("nat", "DOCKER"),
)

# The chain that belongs to the user: made when missing, never touched after.
USERS_CHAIN: ChainName = ("filter", "DOCKER-USER")

# Where each rule of Docker goes: the first line whose table, chain and text fit.  Docker inserts
# what belongs to networks, so that the newest network comes first, and appends the rest.
_PLACEMENTS: tuple[tuple[str, str, str, Placement], ...] = (
    ("filter", "FORWARD", r"-i (\S+) -o \1 -j DROP", Placement.END),
    ("filter", "FORWARD", r".*", Placement.AFTER_HEAD),
    ("filter", r"DOCKER-ISOLATION-STAGE-\d", r"-j RETURN", Placement.END),
    ("filter", r"DOCKER-ISOLATION-STAGE-\d", r".*", Placement.TOP),
    ("nat", "POSTROUTING", r"-s \S+ ! -o .*|-o \S+ -m addrtype --src-type LOCAL .*", Placement.TOP),
    ("nat", "DOCKER", r"-i \S+ -j RETURN", Placement.TOP),
)


@lru_cache(maxsize=REMEMBERED)
def placement(key: RuleKey) -> Placement:
    """Where a rule goes when it is missing: a function of the rule alone, so that looking can tell it too."""
    if key.text in HEADS.get((key.table, key.chain), ()):
        return Placement.HEAD
    for table, chain, text, place in _PLACEMENTS:
        if table == key.table and re.fullmatch(chain, key.chain) and re.fullmatch(text, key.text):
            return place
    return Placement.END


@dataclass(slots=True)
class Ruleset:
    """The chains of one address family: rule texts as iptables-save prints them, without `-A CHAIN`.

    `policies` are those of the built-in chains; a built-in chain that is not there accepts.
    """

    chains: dict[ChainName, list[str]] = field(default_factory=dict)
    policies: dict[ChainName, str] = field(default_factory=dict)

    def copy(self) -> "Ruleset":
        """An independent copy."""
        return Ruleset({name: list(rules) for name, rules in self.chains.items()}, dict(self.policies))

    def rules(self, table: str, chain: str) -> list[str]:
        """The rules of a chain in order; empty if there is no such chain."""
        return self.chains.get((table, chain), [])

    def content(self, table: str) -> tuple[dict[str, list[str]], dict[str, str]]:
        """All that somebody has made in a table: its rules and chains, its policies other than ACCEPT."""
        chains = {
            name[1]: rules
            for name, rules in self.chains.items()
            if name[0] == table and (rules or name not in self.policies)
        }
        policies = {name[1]: each for name, each in self.policies.items() if name[0] == table}
        return chains, {chain: policy for chain, policy in policies.items() if policy != "ACCEPT"}


@dataclass(frozen=True, slots=True)
class Edit:
    """One line for iptables-restore, in one table, and the line that takes it back."""

    table: str
    line: str
    undo: str

    def inverse(self) -> "Edit":
        """The edit that leads back."""
        return Edit(self.table, self.undo, self.line)


def value(ruleset: Ruleset, key: Key) -> Value | None:
    """What a rule set has under a key, None if nothing.

    A rule that belongs at the head of its chain and is elsewhere counts as missing, and so does one
    that separates networks behind a rule that lets something through.  The user's chain counts as
    complete once it is there, whatever the user made of it.
    """
    return _Reading(ruleset).value(key)


def values(ruleset: Ruleset, keys: Iterable[Key]) -> dict[Key, Value | None]:
    """The same for many keys, each chain read once: looking for thousands of rules takes milliseconds."""
    reading = _Reading(ruleset)
    return {key: reading.value(key) for key in keys}


class _Reading:
    """A rule set that does not change meanwhile, with the rules of each chain by where they count."""

    def __init__(self, ruleset: Ruleset):
        self._ruleset = ruleset
        self._counting: dict[tuple[ChainName, Placement], frozenset[str]] = {}

    def value(self, key: Key) -> Value | None:
        if isinstance(key, ChainKey):
            return True if (key.table, key.chain) in self._ruleset.chains else None
        if isinstance(key, PolicyKey):
            return self._ruleset.policies.get((key.table, key.chain), "ACCEPT")
        if not isinstance(key, RuleKey):
            raise Failed(f"cannot look for {key} among iptables rules: it is none")
        name, place = (key.table, key.chain), placement(key)
        if name == USERS_CHAIN and name in self._ruleset.chains:
            return place
        if (name, place) not in self._counting:
            self._counting[name, place] = frozenset(self._where(name, place))
        return place if key.text in self._counting[name, place] else None

    def _where(self, name: ChainName, place: Placement) -> Iterable[str]:
        rules = self._ruleset.rules(*name)
        if place is Placement.HEAD:
            return _head(name, rules)
        if place is Placement.TOP and name[0] == "filter" and name[1] in _SEPARATING:
            return takewhile(lambda text: text.endswith(_SEPARATES), rules)
        return rules


def own_rules(family: Family, ruleset: Ruleset) -> dict[Key, Value | None]:
    """All that stands in the chains that nobody else has any business in, whoever wrote it."""
    keys = [RuleKey(family, *name, text) for name in OWN_CHAINS for text in ruleset.rules(*name)]
    return {key: placement(key) for key in keys}


def _head(name: ChainName, rules: Sequence[str]) -> list[str]:
    """The head rules that stand, in their order, before all others."""
    order = HEADS.get(name, ())
    head: list[str] = []
    for text in rules:
        if text not in order or (head and order.index(text) <= order.index(head[-1])):
            break
        head.append(text)
    return head


def edit(before: Ruleset, steps: Sequence[Step]) -> tuple[tuple[Edit, ...], Ruleset]:
    """The lines that carry out the steps on `before`, in their order, and the rule set after them.

    A step whose `after` already holds gives no line.  Rules placed TOP or AFTER_HEAD keep the
    order that they have in `steps`.  Raises Failed for a rule whose chain is missing.
    """
    editor = _Editor(before.copy())
    for step in steps:
        editor.perform(step)
    return tuple(editor.edits), editor.ruleset


@dataclass(slots=True)
class _Editor:
    ruleset: Ruleset
    edits: list[Edit] = field(default_factory=list)
    made: set[ChainName] = field(default_factory=set)  # chains
    inserted: dict[tuple[ChainName, Placement], int] = field(default_factory=dict)  # rules in a block so far

    def perform(self, step: Step) -> None:
        key = step.key
        if isinstance(key, ChainKey):
            self._chain(step, (key.table, key.chain))
        elif isinstance(key, PolicyKey):
            self._policy(step, (key.table, key.chain))
        elif isinstance(key, RuleKey):
            self._rule(step, key)
        else:
            raise Failed(f"cannot change {key} among iptables rules: it is none")

    def _write(self, table: str, line: str, undo: str) -> None:
        self.edits.append(Edit(table, line, undo))

    def _chain(self, step: Step, name: ChainName) -> None:
        there = name in self.ruleset.chains
        if step.after and not there:
            self.ruleset.chains[name] = []
            self.made.add(name)
            self._write(name[0], f"-N {name[1]}", f"-X {name[1]}")
        elif step.after is None and there:
            del self.ruleset.chains[name]
            self._write(name[0], f"-X {name[1]}", f"-N {name[1]}")

    def _policy(self, step: Step, name: ChainName) -> None:
        wanted, there = step.after, self.ruleset.policies.get(name, "ACCEPT")
        if isinstance(wanted, str) and there != wanted:
            self.ruleset.policies[name] = wanted
            self._write(name[0], f"-P {name[1]} {wanted}", f"-P {name[1]} {there}")

    def _rule(self, step: Step, key: RuleKey) -> None:
        # A user's chain that was just made is not the user's yet: it gets its RETURN.
        if step.after and value(self.ruleset, key) is not None and not self._unfinished(key):
            return
        name = (key.table, key.chain)
        rules = self.ruleset.chains.get(name)
        if rules is None:
            if step.after is None:
                return
            rules = self._built_in(name, key)
        # Out with every copy first: what is left of a rule that stands in the wrong place, or
        # that somebody wrote twice, would otherwise outlive its removal.
        while key.text in rules:
            position = rules.index(key.text)
            del rules[position]
            undo = f"-I {key.chain} {position + 1} {key.text}"
            self._write(key.table, f"-D {key.chain} {key.text}", undo)
        if isinstance(step.after, Placement):
            self._insert(step.after, key, rules)

    def _unfinished(self, key: RuleKey) -> bool:
        name = (key.table, key.chain)
        return name == USERS_CHAIN and name in self.made and key.text not in self.ruleset.rules(*name)

    def _built_in(self, name: ChainName, key: RuleKey) -> list[str]:
        """The rules of a built-in chain whose table has not been used yet."""
        if not re.fullmatch(r"PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING", name[1]):
            raise Failed(
                f"cannot add the rule `{key.text}`: there is no chain {name[1]} in the table {name[0]}"
            )
        # Unless a policy has been set already, which makes the table as well.
        self.ruleset.policies.setdefault(name, "ACCEPT")
        return self.ruleset.chains.setdefault(name, [])

    def _put_heads_first(self, key: RuleKey, rules: list[str]) -> None:
        """Somebody may have inserted a rule before them: what accepts must not come before DOCKER-USER."""
        name = (key.table, key.chain)
        for text in HEADS.get(name, ()):
            if text in rules and text not in _head(name, rules):
                head = replace(key, text=text)
                self._rule(Step(head, None, Placement.HEAD), head)

    def _insert(self, place: Placement, key: RuleKey, rules: list[str]) -> None:
        if place is Placement.AFTER_HEAD:
            self._put_heads_first(key, rules)
        position = self._position(place, (key.table, key.chain), key.text, rules)
        line = (
            f"-A {key.chain} {key.text}"
            if position == len(rules)
            else f"-I {key.chain} {position + 1} {key.text}"
        )
        self._write(key.table, line, f"-D {key.chain} {key.text}")
        rules.insert(position, key.text)

    def _position(self, place: Placement, name: ChainName, text: str, rules: Sequence[str]) -> int:
        if place is Placement.END:
            return len(rules)
        if place is Placement.BEFORE_RETURN:
            return len(rules) - 1 if rules and rules[-1] == "-j RETURN" else len(rules)
        head = _head(name, rules)
        if place is Placement.HEAD:
            order = HEADS.get(name, ())
            return sum(1 for each in head if each in order[: order.index(text)]) if text in order else 0
        block = (name, place)
        offset = self.inserted.get(block, 0)
        self.inserted[block] = offset + 1
        return min((len(head) if place is Placement.AFTER_HEAD else 0) + offset, len(rules))

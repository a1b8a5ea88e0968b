"""The firewall in memory: restore scripts and elements are held to the rules that the kernel has."""

import shlex
from collections.abc import Collection, Sequence
from ipaddress import ip_network
from typing import Any

from fairlead.firewall.iptables_text import script
from fairlead.firewall.ruleset import Ruleset, edit, own_rules, value
from fairlead.firewall.tables import BY_NAME
from fairlead.model.errors import Failed, StepFailed
from fairlead.model.host import ChainKey, Family, Key, NftKey, PolicyKey, RuleKey, State, Step, Value

BUILT_IN = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
}
TARGETS = {"ACCEPT", "DROP", "REJECT", "RETURN", "DNAT", "SNAT", "MASQUERADE", "CHECKSUM"}


def empty_host() -> Ruleset:
    """The built-in chains of filter and nat, all accepting, without a rule."""
    names = [(table, chain) for table in ("filter", "nat") for chain in BUILT_IN[table]]
    return Ruleset({name: [] for name in names}, dict.fromkeys(names, "ACCEPT"))


def restore(ruleset: Ruleset, text: str) -> Ruleset:
    """Change a rule set as `iptables-restore --noflush` would.

    Raises Failed at the first line that iptables refuses; the tables before its own are changed then.
    """
    now, table = ruleset.copy(), ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
            for chain in BUILT_IN[table]:
                now.chains.setdefault((table, chain), [])
                now.policies.setdefault((table, chain), "ACCEPT")
        elif line == "COMMIT":
            ruleset.chains, ruleset.policies = now.copy().chains, now.copy().policies
        else:
            _line(now, table, line)
    return ruleset


def _line(now: Ruleset, table: str, line: str) -> None:
    verb, chain, *rest = line.split(" ", 2)
    name, argument = (table, chain), rest[0] if rest else ""
    if verb == "-N":
        if name in now.chains:
            raise Failed(f"cannot run `{line}`: Chain already exists.")
        now.chains[name] = []
        return
    if name not in now.chains:
        raise Failed(f"cannot run `{line}`: No chain/target/match by that name.")
    rules = now.chains[name]
    if verb == "-X":
        used = any(
            _jumps(rule, chain) for (each, _), all_ in now.chains.items() if each == table for rule in all_
        )
        if rules or used or chain in BUILT_IN[table]:
            raise Failed(f"cannot run `{line}`: Directory not empty or in use.")
        del now.chains[name]
    elif verb == "-F":
        rules.clear()
    elif verb == "-P":
        now.policies[name] = argument
    elif verb == "-D":
        if argument not in rules:
            raise Failed(f"cannot run `{line}`: Bad rule (does a matching rule exist in that chain?).")
        rules.remove(argument)
    else:
        position = len(rules)
        if verb == "-I":
            number, argument = argument.split(" ", 1)
            position = int(number) - 1
        target = shlex.split(argument)[shlex.split(argument).index("-j") + 1]
        if not 0 <= position <= len(rules) or (target not in TARGETS and (table, target) not in now.chains):
            raise Failed(f"cannot run `{line}`: No chain/target/match by that name.")
        rules.insert(position, argument)


def _jumps(rule: str, chain: str) -> bool:
    return rule.endswith(f"-j {chain}")


class FakeIptables:
    """The Actuator of chains, policies and rules; `rulesets` may be changed behind its back."""

    handles: tuple[type[Key], ...] = (ChainKey, PolicyKey, RuleKey)

    def __init__(self) -> None:
        self.rulesets = {Family.IPV4: empty_host(), Family.IPV6: empty_host()}

    async def observe(self, keys: Collection[Key]) -> State:
        return {key: value(self.rulesets[self._family(key)], key) for key in keys}

    async def everything(self) -> State:
        found: dict[Key, Value | None] = {}
        for family, ruleset in self.rulesets.items():
            found.update(own_rules(family, ruleset))
        return found

    async def perform(self, steps: Sequence[Step]) -> None:
        before = {family: ruleset.copy() for family, ruleset in self.rulesets.items()}
        try:
            for family, ruleset in self.rulesets.items():
                own = [step for step in steps if self._family(step.key) is family]
                restore(ruleset, script(edit(ruleset, own)[0])[0])
        except Failed as error:
            self.rulesets = before
            raise StepFailed(error.message, 0) from error

    def _family(self, key: Key) -> Family:
        if not isinstance(key, (ChainKey, PolicyKey, RuleKey)):
            raise Failed(f"cannot find {key} among the firewall's rules: it is none")
        return key.family


class FakeNftables:
    """The Actuator of our own table's elements; `elements` may be changed behind its back."""

    handles: tuple[type[Key], ...] = (NftKey,)

    def __init__(self) -> None:
        self.elements: dict[NftKey, str] = {}

    async def observe(self, keys: Collection[Key]) -> State:
        return {key: self.elements.get(self._known(key)) for key in keys}

    async def everything(self) -> State:
        return dict(self.elements)

    async def perform(self, steps: Sequence[Step]) -> None:
        elements = dict(self.elements)
        for step in steps:
            elements.pop(self._known(step.key), None)
        for step in steps:
            key = self._known(step.key)
            if isinstance(step.after, str):
                if any(_in_the_way(other, key) for other in elements):
                    raise StepFailed(f"cannot change `{key.element}` in {key.name}: it overlaps another", 0)
                elements[key] = step.after
        self.elements = elements

    def _known(self, key: Key) -> NftKey:
        if not isinstance(key, NftKey) or key.name not in BY_NAME:
            raise Failed(f"cannot find {key} in the nftables tables: it has no place there")
        return key


def _in_the_way(there: NftKey, added: NftKey) -> bool:
    """Whether an interval meets one that is there without holding the whole of it.

    (Linux 6.18 takes an interval around an older one, and refuses every other that overlaps.)
    """
    shelf = BY_NAME[added.name]
    if there.name != added.name or not shelf.interval:
        return False
    old, new = (
        [_span(kind, part) for kind, part in zip(shelf.key, key.element.split(" . "), strict=True)]
        for key in (there, added)
    )
    meet = all(a <= d and c <= b for (a, b), (c, d) in zip(old, new, strict=True))
    return meet and not all(c <= a and b <= d for (a, b), (c, d) in zip(old, new, strict=True))


def _span(kind: str, text: str) -> tuple[Any, Any]:
    if kind in ("ipv4_addr", "ipv6_addr"):
        network = ip_network(text)
        return int(network.network_address), int(network.broadcast_address)
    if kind == "inet_service":
        first, _, last = text.partition("-")
        return int(first), int(last or first)
    return text, text

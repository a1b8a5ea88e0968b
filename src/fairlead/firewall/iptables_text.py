"""The text of iptables: what iptables-save prints becomes a value, edits become a restore script."""

import re
from collections.abc import Sequence

from fairlead.firewall.ruleset import Edit, Ruleset
from fairlead.model.errors import Failed

# As far as the kernel and the tools agree on a name; anything else could change a rule's meaning.
_LINK_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}")
_FAILED_LINE = re.compile(r"\bline:? (\d+)")


def fit_for_rules(link: str) -> bool:
    """Whether the name of an interface can stand in a rule and mean just that interface."""
    return bool(_LINK_NAME.fullmatch(link)) and link not in (".", "..")


def parse(text: str) -> Ruleset:
    """The rule set that iptables-save printed (comments and counters are left out).

    Raises Failed when a line is none of iptables-save's.
    """
    ruleset = Ruleset()
    table = ""
    for line in text.splitlines():
        if not line or line.startswith("#") or line == "COMMIT":
            continue
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":"):
            chain, policy = line[1:].split()[:2]
            ruleset.chains[table, chain] = []
            if policy != "-":
                ruleset.policies[table, chain] = policy
        else:
            match = re.match(r"(?:\[\d+:\d+\] )?-A (\S+) ?(.*)", line)
            if not match or (table, match[1]) not in ruleset.chains:
                raise Failed(f"cannot read the firewall's rules: iptables-save printed `{line}`")
            ruleset.chains[table, match[1]].append(match[2])
    return ruleset


def show(ruleset: Ruleset) -> str:
    """The rule set in iptables-save's form, tables and built-in chains in the order of the value."""
    lines: list[str] = []
    for table in dict.fromkeys(table for table, _ in ruleset.chains):
        chains = [chain for each, chain in ruleset.chains if each == table]
        lines.append(f"*{table}")
        lines += [f":{chain} {ruleset.policies.get((table, chain), '-')} [0:0]" for chain in chains]
        lines += [f"-A {chain} {rule}" for chain in chains for rule in ruleset.rules(table, chain)]
        lines.append("COMMIT")
    return "".join(line + "\n" for line in lines)


def script(edits: Sequence[Edit]) -> tuple[str, tuple[Edit | None, ...]]:
    """The input for `iptables-restore --noflush`, and for each of its lines the edit it carries out.

    The tables come in the order in which the edits first name them; within a table the order is
    kept.  Chains are made with -N and policies set with -P: a `:CHAIN` line would flush the chain.
    """
    lines: list[str] = []
    sources: list[Edit | None] = []
    for table in dict.fromkeys(each.table for each in edits):
        own = [each for each in edits if each.table == table]
        lines += [f"*{table}", *(each.line for each in own), "COMMIT"]
        sources += [None, *own, None]
    return "".join(line + "\n" for line in lines), tuple(sources)


def form(line: str) -> str:
    """A line of a script without its particulars: words that name an address, a number or a link."""
    return " ".join("_" if re.search(r"[0-9./:]", word) else word for word in line.split())


def failed_edit(complaint: str, sources: Sequence[Edit | None]) -> Edit | None:
    """The edit that iptables-restore complains about, if it names a line of it."""
    match = _FAILED_LINE.search(complaint)
    number = int(match[1]) if match else 0
    return sources[number - 1] if 1 <= number <= len(sources) else None

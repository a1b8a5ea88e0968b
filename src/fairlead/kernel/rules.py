"""The iptables rules of the host: read whole, changed by what differs, one restore per change.

`iptables-restore --noflush` is a transaction for each table, not for all of them: when a later
table is refused, what an earlier one has taken is taken back here.

Reading costs some milliseconds, and 40 µs a rule.  With nftables underneath it is spared while the
generation says that nothing has changed since, by whomever.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Collection, Sequence

from fairlead.firewall.iptables_text import failed_edit, form, parse, script
from fairlead.firewall.ruleset import Edit, Ruleset, edit, own_rules, values
from fairlead.kernel.generation import Generation, Writer, counts_generations
from fairlead.model.errors import Failed, FairleadError, StepFailed, Unsupported
from fairlead.model.host import ChainKey, Family, Key, PolicyKey, RuleKey, State, Step, Value
from fairlead.process import run

TOOLS = {Family.IPV4: "iptables", Family.IPV6: "ip6tables"}
LOCK_WAIT = 25  # seconds for another program to let go of the xtables lock
LOCKED = 4  # iptables' exit code when the lock stayed taken
DEADLINE = 30.0  # seconds for one call
Form = tuple[str, str]  # table, line of a restore script without its particulars
SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"


def _program(name: str) -> str:
    """Where a program is: on PATH, or where Debian keeps it; Unsupported if nowhere."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + SYSTEM_PATH)
    if found is None:
        raise Unsupported(f"cannot reach the firewall: {name} is not installed")
    return found


def is_counted() -> bool:
    """Whether the host's iptables works on nftables, which counts all changes; False without iptables."""
    try:
        return counts_generations(_program("iptables-save"))
    except Unsupported:
        return False


class Iptables:
    """The Actuator of chains, policies and rules, in the network namespace of this process.

    `variant` is "" for the host's own choice, else "-nft" or "-legacy".  `generation` may be shared
    with others whose transactions leave these rules alone, and who say so.
    """

    handles: tuple[type[Key], ...] = (ChainKey, PolicyKey, RuleKey)

    def __init__(self, variant: str = "", generation: Generation | None = None) -> None:
        self._variant = variant
        self._generation = generation or Generation()
        self._known: dict[Family, Ruleset] = {}
        self._known_at: int | None = None  # the generation at which they stood so
        self._written: dict[Family, tuple[Ruleset, frozenset[Form]]] = {}  # and are to be read back
        self._proven: set[Form] = set()

    async def observe(self, keys: Collection[Key]) -> State:
        """What is there under exactly these keys; one reading for each address family among them."""
        families = [family for family in Family if any(_family(key) is family for key in keys)]
        read = dict(zip(families, await asyncio.gather(*map(self._read, families)), strict=True))
        found: dict[Key, Value | None] = {}
        for family, rules in read.items():
            found |= values(rules, [key for key in keys if _family(key) is family])
        return found

    async def everything(self) -> State:
        """The rules of the chains that are Docker's alone; which of others are ours only the records tell.

        None of a family whose rules cannot be read, as where its program is not installed.
        """
        found: dict[Key, Value | None] = {}
        for family in Family:
            with contextlib.suppress(Failed, Unsupported):
                found.update(own_rules(family, await self._read(family)))
        return found

    async def perform(self, steps: Sequence[Step]) -> None:
        """Carry out all the steps or none.

        Raises StepFailed with `done` 0: what had been written is taken back before.
        """
        taken: list[tuple[Family, Edit]] = []
        try:
            for family in Family:
                own = [step for step in steps if _family(step.key) is family]
                if own:
                    await self._write(family, own, taken)
        except FairleadError as error:
            raise StepFailed(error.message + await self._take_back(taken), 0) from error

    async def _write(self, family: Family, steps: Sequence[Step], taken: list[tuple[Family, Edit]]) -> None:
        try:
            await self._attempt(family, steps, taken)
        except Failed:
            # Another program may have changed the rules since they were read: look again, once.
            await self._attempt(family, steps, taken)

    async def _attempt(self, family: Family, steps: Sequence[Step], taken: list[tuple[Family, Edit]]) -> None:
        """Read, write what differs, and note in `taken` which edits the kernel has taken."""
        before = await self._read(family)
        began = self._known_at
        edits, after = edit(before, steps)
        try:
            await self._restore(family, edits)
        except Failed:
            now = await self._read(family)
            # Each table takes all of its edits or none.
            changed = {each.table for each in edits if now.content(each.table) != before.content(each.table)}
            taken += [(family, each) for each in edits if each.table in changed]
            raise
        taken += [(family, each) for each in edits]
        self._remember(family, after, began, edits)

    def _remember(self, family: Family, after: Ruleset, began: int | None, edits: Sequence[Edit]) -> None:
        """Know the rules after a change without reading them, unless somebody else's change came between.

        The kernel takes each table's edits whole, and counts them as one.  Forms of rules that are
        written for the first time are read all the same: what a version of iptables shows
        differently from what was written is noticed at once.
        """
        if began is None or began != self._known_at or not edits:
            return
        now = self._generation.note(Writer.IPTABLES, began, len({each.table for each in edits}))
        forms = frozenset((each.table, form(each.line)) for each in edits)
        if forms - self._proven:
            self._written[family] = after, forms
        elif now is not None:
            self._known_at, self._known[family] = now, after

    def _prove(self, family: Family, rules: Ruleset) -> None:
        """Believe from now on the forms of rules that stand as they were written."""
        after, forms = self._written.pop(family, (rules, frozenset()))
        tables = {table for table, _ in forms}
        if all(rules.content(table) == after.content(table) for table in tables):
            self._proven |= forms

    async def _take_back(self, taken: Sequence[tuple[Family, Edit]]) -> str:
        """Undo what was taken, newest first; what is to be added to the message when that fails too."""
        complaints: list[str] = []
        for family in reversed(Family):
            edits = [each.inverse() for whose, each in reversed(taken) if whose is family]
            try:
                await self._restore(family, edits)
            except FairleadError as error:
                complaints.append(error.message)
        return f"; and what was written before is left: {'; '.join(complaints)}" if complaints else ""

    async def _read(self, family: Family) -> Ruleset:
        program = _program(f"{TOOLS[family]}{self._variant}-save")
        now = self._generation.now() if counts_generations(program) else None
        if now is None or now != self._generation.follow(self._known_at, Writer.NFTABLES):
            self._known.clear()
        self._known_at = now
        if family in self._known:
            return self._known[family]
        finished = await run([program], deadline=DEADLINE)
        if finished.code:
            raise Failed(f"cannot read the {TOOLS[family]} rules: {finished.complaint}")
        rules = parse(finished.stdout.decode(errors="surrogateescape"))
        if now is not None and now == self._known_at == self._generation.now():
            self._known[family] = rules
            self._prove(family, rules)
        return rules

    async def _restore(self, family: Family, edits: Sequence[Edit]) -> None:
        if not edits:
            return
        text, sources = script(edits)
        name = f"{TOOLS[family]}{self._variant}-restore"
        finished = await run(
            [_program(name), "--noflush", "-w", str(LOCK_WAIT)],
            input=text.encode(errors="surrogateescape"),
            deadline=DEADLINE,
        )
        if finished.code == LOCKED:
            raise Failed(
                f"cannot change the {TOOLS[family]} rules: another program has held"
                f" the xtables lock for {LOCK_WAIT} seconds"
            )
        if finished.code:
            complaint = finished.stderr.decode(errors="replace")
            culprit = failed_edit(complaint, sources)
            what = f"write `{culprit.line}` into the table {culprit.table}" if culprit else "write the rules"
            raise Failed(f"cannot {what}: {TOOLS[family]} says {_reason(complaint)}")


def _family(key: Key) -> Family:
    if not isinstance(key, (ChainKey, PolicyKey, RuleKey)):
        raise Failed(f"cannot find {key} among the firewall's rules: it is none")
    return key.family


def _reason(complaint: str) -> str:
    lines = [line for line in complaint.splitlines() if line and not line.startswith(("Try ", "Error occ"))]
    return " ".join(lines).split(": ", 1)[-1].strip() or "nothing"

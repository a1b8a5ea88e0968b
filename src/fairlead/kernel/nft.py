"""Our own nftables tables: made when an element needs them, put right when not whole, gone when empty."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from fairlead.firewall import nft_text
from fairlead.firewall.tables import BY_NAME, TABLE, TABLE_OF, TABLES, Table
from fairlead.kernel.elements import Elements
from fairlead.kernel.generation import Generation, Writer
from fairlead.libnftables import Libnftables, Refused
from fairlead.model.errors import Failed, StepFailed
from fairlead.model.host import Key, NftKey, State, Step

# Asking for this many elements one by one takes as long as listing a shelf of some hundreds.
ASKED_ONE_BY_ONE = 64
ABSENT = "No such file or directory"

# Names and shapes cost the same however many elements there are.  Rules do not: libnftables
# fetches every element along with them.  So they are looked at with an element that is part of the
# base, and a table's rules are written again with a change of its elements, unless the generation
# of nftables says that nobody else has changed anything since they were written.
BASE = "loopback"


def _names(tables: Iterable[Table]) -> list[str]:
    return [f"list {what} {table.family}" for table in tables for what in ("sets", "maps", "chains")]


def _whole(tables: Iterable[Table] = TABLES) -> list[str]:
    return [f"list table {table.family} {TABLE}" for table in tables]


def _touched(keys: Iterable[Key]) -> tuple[Table, ...]:
    """The tables that keys belong to; all of them with an element of the base."""
    names = {_element(key).name for key in keys}
    families = {TABLE_OF[name].family for name in names}
    return tuple(table for table in TABLES if BASE in names or table.family in families)


class Nftables:
    """The Actuator of NftKey, in the network namespace of this process.

    libnftables is called in one thread of its own, in the order of the calls.
    """

    handles: tuple[type[Key], ...] = (NftKey,)

    def __init__(self, generation: Generation | None = None) -> None:
        """`generation` is told of every transaction made here."""
        self._generation = generation or Generation()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nftables")
        self._opened: Libnftables | None = None
        self._asking: Elements | None = None
        self._written: dict[str, int] = {}  # by family: the generation at which the table was written whole

    async def observe(self, keys: Collection[Key]) -> State:
        """The elements under exactly these keys; all absent while their tables are not whole."""
        wanted = [_element(key) for key in keys]
        there = await asyncio.get_running_loop().run_in_executor(self._worker, self._look, wanted)
        return {key: there.get(key) for key in wanted}

    async def everything(self) -> State:
        """Every element of our tables."""

        def look() -> State:
            elements = self._ask(*_whole()).elements
            return {key: elements[key] for key in elements}

        return await asyncio.get_running_loop().run_in_executor(self._worker, look)

    async def perform(self, steps: Sequence[Step]) -> None:
        """Carry out all the steps in one transaction, or none: StepFailed with `done` 0."""
        for step in steps:
            _element(step.key)
        try:
            await asyncio.get_running_loop().run_in_executor(self._worker, self._change, list(steps))
        except Refused as error:
            reason = nft_text.tidy_complaint(error.message)
            raise StepFailed(
                f"cannot change {_subject(steps)} of the nftables tables {TABLE}: {reason}", 0
            ) from error
        except Failed as error:
            raise StepFailed(error.message, 0) from error

    def close(self) -> None:
        """Let the library and its thread go."""
        self._worker.submit(self._close)
        self._worker.shutdown(wait=True)

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        if self._asking is not None:
            self._asking.close()
            self._asking = None

    # What follows runs in the worker thread.

    @property
    def _library(self) -> Libnftables:
        if self._opened is None:
            self._opened = Libnftables()
        return self._opened

    def _ask(self, *questions: str, terse: bool = False) -> nft_text.Found:
        """What nft shows of our tables; nothing where it says that there is no such thing."""
        answers: list[str] = []
        for question in questions:
            try:
                answers.append(self._library.run(question, terse))
            except Refused as refused:
                if ABSENT not in refused.message:
                    raise
        return nft_text.parse("".join(answers))

    def _look(self, keys: Collection[NftKey]) -> dict[NftKey, str]:
        """The elements that are there and at work."""
        tables = _touched(keys)
        if self._untouched(tables):
            return self._elements(keys)
        if any(key.name == BASE for key in keys):
            ready = self._ask(*_whole(), terse=True).intact
        else:
            ready = self._ask(*_names(tables), terse=True).complete(tables)
        return self._elements(keys) if ready else {}

    def _elements(self, keys: Collection[NftKey]) -> dict[NftKey, str]:
        found: dict[NftKey, str] = {}
        questions: list[str] = []
        for shelf in dict.fromkeys(key.name for key in keys):
            asked = [key for key in keys if key.name == shelf]
            if len(asked) > ASKED_ONE_BY_ONE:
                questions.append(f"list {nft_text.kind(shelf)} {nft_text.place(shelf)}")
            elif BY_NAME[shelf].interval:
                questions += [f"get element {nft_text.place(shelf)} {{ {key.element} }}" for key in asked]
            else:
                found |= self._single(asked)
        return found | self._ask(*questions).elements

    def _single(self, keys: Collection[NftKey]) -> dict[NftKey, str]:
        if self._asking is None:
            self._asking = Elements()
        contents = {key: self._asking.find(key) for key in keys}
        return {key: content for key, content in contents.items() if content is not None}

    def _change(self, steps: Sequence[Step]) -> None:
        tables = _touched(step.key for step in steps)
        if not (self._untouched(tables) and self._changed_at_once(steps)):
            self._change_with_care(tables, steps)
        if any(step.after is None and _element(step.key).name == BASE for step in steps):
            self._drop_if_empty()

    def _changed_at_once(self, steps: Sequence[Step]) -> bool:
        try:
            self._run(nft_text.commands(steps))
        except Refused:
            return False
        return True

    def _change_with_care(self, tables: Sequence[Table], steps: Sequence[Step]) -> None:
        """Write the tables whole along with the steps, as far as the steps are due."""
        names = self._ask(*_names(tables), terse=True)
        there = [table for table in tables if table.family in names.tables]
        if not there and all(step.after is None for step in steps):
            return
        # libnftables 1.0.6 crashes on an element that does not have the shape of its shelf.
        misfits = [table for table in there if not names.table(table).fits(table)]
        skeleton = nft_text.removal(misfits) + nft_text.skeleton(tables)
        try:
            self._run(skeleton + nft_text.commands(steps), tables)
        except Refused:
            # The steps may believe something that does not hold: look, and go by that.
            asked = [_element(step.key) for step in steps]
            found = self._elements([key for key in asked if TABLE_OF[key.name] not in misfits])
            due = [Step(step.key, found.get(_element(step.key)), step.after) for step in steps]
            due = [step for step in due if step.before != step.after]
            self._run(skeleton + nft_text.commands(due), tables)

    def _drop_if_empty(self) -> None:
        found = self._ask(*_whole())
        if not found.elements:
            self._written.clear()
            self._run(nft_text.removal(each for each in TABLES if each.family in found.tables))

    def _untouched(self, tables: Sequence[Table]) -> bool:
        """Whether the tables were written whole here, and nobody else has changed anything since."""
        now = self._generation.now()
        for family, number in self._written.items():
            self._written[family] = self._generation.follow(number, *Writer) or number
        return all(self._written.get(table.family, -1) == now for table in tables)

    def _run(self, commands: str, whole: Sequence[Table] = ()) -> None:
        """One transaction, which writes some tables whole."""
        before = self._generation.now()
        self._library.run(commands)
        after = self._generation.note(Writer.NFTABLES, before)
        if after is not None:
            self._written |= {table.family: after for table in whole}


def _element(key: Key) -> NftKey:
    if not isinstance(key, NftKey) or key.name not in BY_NAME:
        raise Failed(f"cannot find {key} in the nftables tables {TABLE}: it has no place there")
    return key


def _subject(steps: Sequence[Step]) -> str:
    first = steps[0].key
    assert isinstance(first, NftKey)
    more = f" and {len(steps) - 1} more elements" if len(steps) > 1 else ""
    return f"`{first.element}` in {first.name}{more}"

"""Our own nftables table: made when an element needs it, put right when it is not whole, gone when empty."""

import asyncio
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fairlead.firewall import nft_text
from fairlead.firewall.nft_text import FAMILY, TABLE
from fairlead.kernel.libnftables import Libnftables, Refused
from fairlead.model.errors import Failed, StepFailed
from fairlead.model.host import Key, NftKey, State, Step

# Asking for this many elements one by one takes as long as listing a shelf of a thousand.
ASKED_ONE_BY_ONE = 64
ABSENT = "No such file or directory"


@dataclass(frozen=True, slots=True)
class _View:
    """The table as it is, None when there is none, and some of its elements."""

    table: nft_text.Found | None
    elements: dict[NftKey, str]

    @property
    def intact(self) -> bool:
        return self.table is not None and self.table.intact

    @property
    def repair(self) -> str:
        """Commands that make the table whole and keep its elements, if it has shelves of our shape.

        (libnftables 1.0.6 crashes on an element that does not have the shape of its shelf.)
        """
        remove = f"delete table {FAMILY} {TABLE}\n" if self.table is not None and not self.table.fits else ""
        return remove + nft_text.skeleton()


class Nftables:
    """The Actuator of NftKey, in the network namespace of this process.

    libnftables is called in one thread of its own, in the order of the calls.
    """

    handles: tuple[type[Key], ...] = (NftKey,)

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nftables")
        self._opened: Libnftables | None = None

    async def observe(self, keys: Collection[Key]) -> State:
        """The elements under exactly these keys; all absent while the table lacks any of its rules."""
        wanted = [_element(key) for key in keys]
        view = await asyncio.get_running_loop().run_in_executor(self._worker, self._look, wanted)
        return {key: view.elements.get(key) if view.intact else None for key in wanted}

    async def perform(self, steps: Sequence[Step]) -> None:
        """Carry out all the steps in one transaction, or none: StepFailed with `done` 0."""
        for step in steps:
            _element(step.key)
        try:
            await asyncio.get_running_loop().run_in_executor(self._worker, self._change, list(steps))
        except Refused as error:
            reason = nft_text.tidy_complaint(error.message)
            raise StepFailed(
                f"cannot change {_subject(steps)} of the nftables table {TABLE}: {reason}", 0
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

    # What follows runs in the worker thread.

    @property
    def _library(self) -> Libnftables:
        if self._opened is None:
            self._opened = Libnftables()
        return self._opened

    def _table(self, terse: bool) -> nft_text.Found | None:
        """The whole table (`terse`: but its elements); None when there is none."""
        try:
            return nft_text.parse(self._library.run(f"list table {FAMILY} {TABLE}", terse))
        except Refused as refused:
            if ABSENT in refused.message:
                return None
            raise

    def _elements(self, question: str) -> dict[NftKey, str]:
        """What a question about a shelf finds; a refusal means that there is nothing of the kind."""
        try:
            return nft_text.parse(self._library.run(question)).elements
        except Refused:
            return {}

    def _look(self, keys: Collection[NftKey]) -> _View:
        table = self._table(terse=True)
        elements: dict[NftKey, str] = {}
        if table is None or not table.fits:
            return _View(table, elements)
        for shelf in dict.fromkeys(key.name for key in keys):
            asked = [key for key in keys if key.name == shelf]
            if len(asked) > ASKED_ONE_BY_ONE:
                questions = [f"list {nft_text.kind(shelf)} {FAMILY} {TABLE} {shelf}"]
            else:
                questions = [f"get element {FAMILY} {TABLE} {shelf} {{ {key.element} }}" for key in asked]
            for question in questions:
                elements |= self._elements(question)
        return _View(table, elements)

    def _change(self, steps: Sequence[Step]) -> None:
        view = self._look([_element(step.key) for step in steps])
        due = [
            Step(step.key, there, step.after)
            for step in steps
            if (there := view.elements.get(_element(step.key))) != step.after
        ]
        # Taking elements away is no reason to make a table.
        whole = view.intact or all(step.after is None for step in steps)
        if due or not whole:
            self._library.run(("" if whole else view.repair) + nft_text.commands(due))
        if any(step.after is None and _element(step.key).name == "loopback" for step in steps):
            self._drop_if_empty()

    def _drop_if_empty(self) -> None:
        table = self._table(terse=False)
        if table is not None and not table.elements:
            self._library.run(f"delete table {FAMILY} {TABLE}")


def _element(key: Key) -> NftKey:
    if not isinstance(key, NftKey) or key.name not in nft_text.BY_NAME:
        raise Failed(f"cannot find {key} in the nftables table {TABLE}: it has no place there")
    return key


def _subject(steps: Sequence[Step]) -> str:
    first = steps[0].key
    assert isinstance(first, NftKey)
    more = f" and {len(steps) - 1} more elements" if len(steps) > 1 else ""
    return f"`{first.element}` in {first.name}{more}"

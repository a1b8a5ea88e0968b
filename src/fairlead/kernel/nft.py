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
    """The table as it is: whether it exists, whether its rules are all there, some of its elements."""

    exists: bool
    intact: bool
    elements: dict[NftKey, str]


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

    def _ask(self, question: str, terse: bool = False) -> nft_text.Found | None:
        """The answer to a list or get command; None when what is asked for does not exist."""
        try:
            return nft_text.parse(self._library.run(question, terse))
        except Refused as refused:
            if ABSENT in refused.message:
                return None
            raise

    def _look(self, keys: Collection[NftKey]) -> _View:
        table = self._ask(f"list table {FAMILY} {TABLE}", terse=True)
        if table is None:
            return _View(False, False, {})
        elements: dict[NftKey, str] = {}
        for shelf in dict.fromkeys(key.name for key in keys):
            asked = [key for key in keys if key.name == shelf]
            if len(asked) > ASKED_ONE_BY_ONE:
                questions = [f"list {nft_text.kind(shelf)} {FAMILY} {TABLE} {shelf}"]
            else:
                questions = [f"get element {FAMILY} {TABLE} {shelf} {{ {key.element} }}" for key in asked]
            for question in questions:
                answer = self._ask(question)
                elements |= answer.elements if answer else {}
        return _View(True, table.intact, elements)

    def _change(self, steps: Sequence[Step]) -> None:
        view = self._look([_element(step.key) for step in steps])
        due = [
            Step(step.key, there, step.after)
            for step in steps
            if (there := view.elements.get(_element(step.key))) != step.after
        ]
        whole = view.intact or all(step.after is None for step in steps)
        if whole and not due:
            return
        try:
            self._library.run(("" if whole else nft_text.skeleton()) + nft_text.commands(due))
        except Refused:
            if whole or not view.exists:
                raise
            self._rebuild(steps)
        if any(
            step.key.name == "loopback" and step.after is None
            for step in steps
            if isinstance(step.key, NftKey)
        ):
            self._drop_if_empty()

    def _rebuild(self, steps: Sequence[Step]) -> None:
        """Make the table anew: one under our name has shelves of another shape."""
        additions = [Step(step.key, None, step.after) for step in steps if step.after is not None]
        self._library.run(
            f"delete table {FAMILY} {TABLE}\n" + nft_text.skeleton() + nft_text.commands(additions)
        )

    def _drop_if_empty(self) -> None:
        table = self._ask(f"list table {FAMILY} {TABLE}")
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

"""What others break is repaired: looked for where something hints at it, and brought back by convergence.

Only the difference is touched, and only entries that the records ask for; what nobody asked for is
somebody else's.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from fairlead.boundary import Sight
from fairlead.engine.context import Context
from fairlead.engine.counters import Counters
from fairlead.engine.files import Files
from fairlead.engine.policies import Policies
from fairlead.engine.subjects import HOST, Subject, Subjects, together
from fairlead.model.errors import FairleadError
from fairlead.model.host import Key, NamespaceKey, State, Step, SysctlKey
from fairlead.planner.deviation import KINDS, Part, Place, deviation, part_of
from fairlead.planner.steps import of_one_link

log = logging.getLogger(__name__)
ROUNDS = 5  # looks after each other, each of which may find what the last repair has uncovered
TOLD = 20  # differences that an event names
SLICE = 300  # entries of links and settings that are asked for at once
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds until what failed is tried again
ALWAYS = (Part.LINKS, Part.SETTINGS)  # what is looked at of a subject that is new

Cause = tuple[str, Part]


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be repaired, why, and when it is tried again (nanoseconds)."""

    message: str
    again: int
    pause: float


class Repair:
    """Looks at parts of the host and repairs them.  One look at a time."""

    def __init__(
        self,
        context: Context,
        subjects: Subjects,
        files: Files,
        policies: Policies,
        sight: Sight,
        counters: Counters,
    ):
        self._context = context
        self._policies = policies
        self._subjects = subjects
        self._files = files
        self._sight = sight
        self._counters = counters
        self._turn = asyncio.Lock()
        self._marks: dict[Place, int | None] = {}  # fingerprints of places that were found right
        self._met: dict[str, Subject] = {}  # subjects that were found right once
        self._touched: set[str] = set()  # subjects of which everything is looked at again
        self._rules: int | None = None  # the number of the rules when they were found right
        self._owed: set[Part] = set()
        self._failures: dict[Cause, Failure] = {}
        self._ended: list[str] = []  # processes that run again, of which nothing has been told yet

    def ended(self, what: str) -> None:
        """A process beside the engine had ended and runs again."""
        self._ended.append(f"{what} had ended")
        self._counters.add("repaired processes")

    async def look(self, parts: Collection[Part]) -> None:
        """Look at these parts, and at what an earlier look had to leave out; repair what differs."""
        async with self._turn:
            self._counters.add("looks")
            wanted = set(parts) | self._owed
            if Part.SETTINGS in wanted:
                wanted.add(Part.RULES)  # whose number costs nothing, and of which not everything tells
            self._owed.clear()
            if self._due():
                wanted |= set(KINDS)
            done: list[Step] = []
            for _ in range(ROUNDS):
                steps = await self._search(wanted)
                repaired = await self._mend(steps) if steps else ()
                done += repaired
                if not repaired:
                    break
                wanted |= {Part.LINKS, Part.RULES, Part.SETTINGS}
            lost = await self._files.restore() if Part.FILES in wanted else []
        ended, self._ended = self._ended, []
        if done or lost or ended:
            self._tell(done, lost, ended)

    # -- looking ---------------------------------------------------------------------------------

    async def _search(self, parts: set[Part]) -> tuple[Step, ...]:
        """What differs in these parts, as the steps that would be necessary."""
        subjects = self._subjects.all()
        if self._subjects.busy:
            self._owed |= parts
        number = self._sight.rules()
        if number is not None and number == self._rules:
            parts = parts - {Part.RULES}
        fresh = [each for each in subjects if self._met.get(each.id) is not each]
        unmet = set()
        if parts.isdisjoint(ALWAYS):  # the kernel has told of new links: that look is still to come
            unmet, fresh = {each.id for each in fresh}, []
        numbers = await self._fingerprints(subjects) if fresh or Part.LINKS in parts else {}
        stale = {place for place, mark in numbers.items() if mark is None or self._marks.get(place) != mark}
        failed = self._failed_keys(subjects)
        desired = together(subjects, self._keys(subjects, parts, stale, fresh) - failed)
        steps = await self._differing(desired)
        if Part.LINKS not in parts and any(_of_lost_link(step) for step in steps):
            return await self._search(parts | {Part.LINKS})
        self._note(subjects, numbers, {step.key for step in steps}, failed, unmet)
        left_out = self._subjects.busy or any(part is Part.RULES for _, part in self._failures)
        if Part.RULES in parts and not steps and not left_out:
            self._rules = number
            await self._policies.note()
        return steps

    async def _differing(self, desired: State) -> tuple[Step, ...]:
        """Asked in slices, so that requests have their turns between them."""
        near = [key for key in desired if part_of(key) in ALWAYS]
        slices = [near[start : start + SLICE] for start in range(0, len(near), SLICE)]
        slices.append([key for key in desired if part_of(key) not in ALWAYS])
        differing = self._context.reconciler.differing
        found = [await differing({key: desired[key] for key in keys}) for keys in slices if keys]
        return tuple(step for steps in found for step in steps)

    async def _fingerprints(self, subjects: Sequence[Subject]) -> dict[Place, int | None]:
        """Those of all places where something is wanted, None for what is not there."""
        places = {place for each in subjects for place in each.places}
        numbers = await self._sight.fingerprints(sorted({namespace for namespace, _ in places}))
        return {place: numbers.get(place) for place in places}

    @staticmethod
    def _near(subject: Subject) -> set[Key]:
        return {key for part in ALWAYS for key in subject.parts[part]}

    def _keys(
        self, subjects: Sequence[Subject], parts: set[Part], stale: set[Place], fresh: Sequence[Subject]
    ) -> set[Key]:
        """What is looked at: parts as a whole, of links those that may have changed, of what is new more."""
        keys: set[Key] = set()
        for each in subjects:
            for part in parts - {Part.LINKS}:
                keys.update(each.parts[part])
            for place in stale & each.places.keys():
                keys.update(each.places[place])
            if Part.SETTINGS in parts:
                keys.update(key for key in each.parts[Part.LINKS] if isinstance(key, SysctlKey))
            if each.id in self._touched:
                keys.update(key for own in each.parts.values() for key in own)
        for each in fresh:
            keys |= self._near(each)
        return keys

    def _note(
        self,
        subjects: Sequence[Subject],
        numbers: Mapping[Place, int | None],
        wrong: set[Key],
        failed: set[Key],
        unmet: set[str],
    ) -> None:
        """Remember what was found right, which what `failed` is not, and who is `unmet`."""
        bad = wrong | failed
        places = {
            place for each in subjects for place, keys in each.places.items() if not bad.isdisjoint(keys)
        }
        if numbers:
            self._marks = {place: mark for place, mark in numbers.items() if place not in places}
        pins = {key for key in wrong if isinstance(key, NamespaceKey)}
        self._touched = {each.id for each in subjects if each.state.keys() & pins}
        near = {key for key in bad if part_of(key) in ALWAYS}
        met = [each for each in subjects if each.id not in unmet]
        self._met = {each.id: each for each in met if not near & each.state.keys()}
        now = self._context.clock.now()
        there = {each.id: each for each in subjects}
        for (identity, part), failure in list(self._failures.items()):
            subject = there.get(identity)
            if subject is not None and failure.again <= now and wrong.isdisjoint(subject.parts[part]):
                del self._failures[identity, part]

    # -- repairing -------------------------------------------------------------------------------

    async def _mend(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        """Converge what differs; where that fails as a whole, each subject's parts by themselves."""
        # What is in a namespace whose pin is missing cannot be seen: it is not missing as well.
        pins = [step for step in steps if isinstance(step.key, NamespaceKey)]
        keys = {step.key for step in pins or steps}
        policies = await self._policies.lost() if any(part_of(key) is Part.RULES for key in keys) else {}
        try:
            return await self._keep(keys, policies)
        except FairleadError as error:
            log.info("repairing in pieces, since %s", error.message)
        done: list[Step] = []
        for subject in self._subjects.all():
            for part in KINDS:
                own = keys.intersection(subject.parts[part])
                extra = policies if (subject.id, part) == (HOST, Part.RULES) else {}
                try:
                    done += await self._keep(own, extra) if own else ()
                except FairleadError as error:
                    self._fail((subject.id, part), subject, error.message)
        return tuple(done)

    async def _keep(self, keys: set[Key], policies: State) -> tuple[Step, ...]:
        def desired() -> State:
            return {**policies, **together(self._subjects.all(), keys)}

        return (await self._context.reconciler.keep(desired)).steps

    def _fail(self, cause: Cause, subject: Subject, message: str) -> None:
        before, now = self._failures.get(cause), self._context.clock.now()
        pause = min(before.pause * 2, LONGEST_PAUSE) if before is not None else FIRST_PAUSE
        if before is None or before.message != message:
            log.error("cannot repair the %s of %s: %s", cause[1], subject.name, message)
        self._failures[cause] = Failure(message, now + int(pause * 1e9), pause)
        self._counters.add("repairs failed")

    def _due(self) -> bool:
        now = self._context.clock.now()
        return any(each.again <= now for each in self._failures.values())

    def _failed_keys(self, subjects: Sequence[Subject]) -> set[Key]:
        """What could not be repaired a short while ago."""
        now, there = self._context.clock.now(), {each.id: each for each in subjects}
        failed: set[Key] = set()
        for (identity, part), failure in list(self._failures.items()):
            if identity not in there:
                del self._failures[identity, part]
            elif failure.again > now:
                failed.update(there[identity].parts[part])
        return failed

    # -- telling ---------------------------------------------------------------------------------

    def _tell(self, steps: list[Step], lost: list[str], ended: list[str]) -> None:
        """One event, one line, and counts."""
        keys = {step.key for step in steps}
        subjects = [each for each in self._subjects.all() if keys & each.state.keys()]
        said = [*ended, *dict.fromkeys(map(deviation, steps)), *lost]
        self._counters.add("repairs")
        for step in steps:
            self._counters.add(f"repaired {part_of(step.key)}")
        for _ in lost:
            self._counters.add(f"repaired {Part.FILES}")
        log.warning("repaired what somebody else had changed: %s", _listed(said))
        networks = {network.id: network for each in subjects for network in each.networks}
        attributes = {"difference": _listed(said), "differences": str(len(said))}
        names = sorted(each.name for each in subjects if each.container is not None)
        if names:
            attributes["containers"] = ",".join(names)
        emit = self._context.events.emit
        if len(networks) == 1 and not any(each.id == HOST for each in subjects):
            [network] = networks.values()
            emit(
                "network", "repair", network.id, {"name": network.name, "type": network.driver, **attributes}
            )
        else:
            emit("daemon", "repair", self._context.records.hosts["host"].engine_id, attributes)


def _of_lost_link(step: Step) -> bool:
    return step.before is None and isinstance(step.key, SysctlKey) and of_one_link(step.key)


def _listed(said: list[str]) -> str:
    more = f"; and {len(said) - TOLD} more" if len(said) > TOLD else ""
    return "; ".join(said[:TOLD]) + more

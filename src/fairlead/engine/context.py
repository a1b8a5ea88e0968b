"""What all parts of the engine share: the world's edges, the records, the settings."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from fairlead.boundary import Archives, Clock, FaultPoint, Images, Machine, Runtime
from fairlead.engine.events import EventLog
from fairlead.engine.ledger import Ledger
from fairlead.model.config import Settings
from fairlead.model.records import Records
from fairlead.model.surroundings import Surroundings
from fairlead.reconcile.converge import Reconciler


@dataclass(slots=True)
class Context:
    """The shared parts.  `at` is called with a fault point's name between any two steps.

    `surroundings` is what the host was last found to be like.
    """

    settings: Settings
    ledger: Ledger
    reconciler: Reconciler
    runtime: Runtime
    images: Images
    archives: Archives
    machine: Machine
    clock: Clock
    events: EventLog
    at: FaultPoint = lambda name: None
    surroundings: Surroundings = field(default_factory=Surroundings)
    # Ids of containers that are being removed by force: nobody starts them any more.
    doomed: set[str] = field(default_factory=set)
    _locks: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    @property
    def records(self) -> Records:
        """The records as they are now."""
        return self.ledger.records

    def lock(self, identity: str) -> asyncio.Lock:
        """The lock of one container or network: whoever changes it holds it."""
        return self._locks[identity]

    def held(self, identity: str) -> bool:
        """Whether somebody is changing it now."""
        return identity in self._locks and self._locks[identity].locked()

    def forget_lock(self, identity: str) -> None:
        """Drop the lock of something that no longer exists."""
        self._locks.pop(identity, None)

    def new_id(self) -> str:
        """64 hexadecimal digits that nothing else has, never all decimal in the first twelve."""
        while True:
            identity = self.clock.chance(32).hex()
            if not identity[:12].isdigit():
                return identity

"""What must be done is tried again: a failure may be of the moment, as with a device that is busy."""

import logging
from collections.abc import Awaitable, Callable

from fairlead.boundary import Clock
from fairlead.model.errors import FairleadError

log = logging.getLogger(__name__)
PAUSES = (0.1, 0.4)  # seconds before it is tried again


async def insist(clock: Clock, work: Callable[[], Awaitable[object]], failure: str) -> bool:
    """Do it, up to three times; whether it was done.  `failure` is how the log begins to say what failed."""
    for pause in (*PAUSES, None):
        try:
            await work()
            return True
        except FairleadError as error:
            log.error("%s: %s", failure, error.message)
        if pause is not None:
            await clock.sleep(pause)
    return False

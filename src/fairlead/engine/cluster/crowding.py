"""Whether the kernel has room for all whom the containers talk to; it tells nobody but its own log."""

import logging

from fairlead.engine.context import Context

log = logging.getLogger(__name__)


class Crowding:
    """Says so when the kernel's table of neighbours was full."""

    def __init__(self, context: Context):
        self._context = context
        self._full: int | None = None  # how often it had been full at the last look

    async def look(self) -> None:
        """Log a warning if it was full since the last look."""
        table = await self._context.machine.neighbour_table()
        since = table.full - self._full if self._full is not None else 0
        self._full = table.full
        if since > 0:
            log.warning(
                "the kernel's table of IPv4 neighbours was full %d times, and packets were lost:"
                " it has room for %d in all namespaces together (net.ipv4.neigh.default.gc_thresh3)",
                since,
                table.limit,
            )

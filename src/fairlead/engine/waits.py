"""Who waits for a container to end or to be gone."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from fairlead.model.views import WaitResult


@dataclass(slots=True)
class Waits:
    """Futures by container and occasion (`ended`, `removed`)."""

    _futures: defaultdict[tuple[str, str], "list[asyncio.Future[WaitResult]]"] = field(
        default_factory=lambda: defaultdict(list)
    )

    def until(self, container_id: str, occasion: str) -> "asyncio.Future[WaitResult]":
        """A future that gets the result at the next such occasion."""
        future: asyncio.Future[WaitResult] = asyncio.get_running_loop().create_future()
        self._futures[container_id, occasion].append(future)
        return future

    def tell(self, container_id: str, occasion: str, result: WaitResult) -> None:
        """The occasion has come."""
        for future in self._futures.pop((container_id, occasion), ()):
            if not future.done():
                future.set_result(result)

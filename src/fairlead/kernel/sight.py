"""Where a look at this host is worth its while, as far as the kernel tells it for next to nothing."""

from collections.abc import Collection, Mapping

from fairlead.kernel.generation import Generation, Writer
from fairlead.kernel.links import KernelLinks


class KernelSight:
    """boundary.Sight.  `counted`: iptables, too, changes nothing without another generation of nftables."""

    def __init__(self, links: KernelLinks, generation: Generation, counted: bool):
        self._links = links
        self._generation = generation
        self._counted = counted
        self._at: int | None = None
        self._changes = 0  # of others, as far as they were noticed one by one

    async def fingerprints(self, namespaces: Collection[str]) -> Mapping[tuple[str, str], int]:
        """A number for each link, which is another one when the link is."""
        return await self._links.fingerprints(namespaces)

    def rules(self) -> int | None:
        """How often rules were found changed by others; None where that is not counted."""
        now = self._generation.now() if self._counted else None
        if now is None:
            return None
        if self._at is None or self._generation.follow(self._at, *Writer) != now:
            self._changes += 1
        self._at = now
        return self._changes

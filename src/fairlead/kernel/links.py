"""Namespaces, links, addresses, routes and kernel settings as one part of the host.

All of it happens in one thread of its own: changes have one order, the event loop never waits
for the kernel's locks, and only that thread ever enters another network namespace.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from fairlead.kernel import probing
from fairlead.kernel.apply import perform
from fairlead.kernel.fingerprint import Place, fingerprint
from fairlead.kernel.namespaces import Namespaces
from fairlead.kernel.netlink import Refused
from fairlead.kernel.observe import observe, told
from fairlead.kernel.own_links import own_links
from fairlead.kernel.visit import Visit
from fairlead.model.addresses import Address
from fairlead.model.errors import Failed, NotFound
from fairlead.model.host import (
    AddressKey,
    FdbKey,
    Key,
    LinkKey,
    LinkSettingKey,
    NamespaceKey,
    NeighbourKey,
    RouteKey,
    State,
    Step,
    SysctlKey,
)

Answer = TypeVar("Answer")
AT_ONCE = 16  # namespaces whose fingerprints are taken at once


class KernelLinks:
    """The links of the network namespace in which it is made, and of those pinned by this engine."""

    handles: tuple[type[Key], ...] = (
        NamespaceKey,
        LinkKey,
        LinkSettingKey,
        AddressKey,
        RouteKey,
        FdbKey,
        NeighbourKey,
        SysctlKey,
    )

    def __init__(self, exec_root: str, inhabitant: Callable[[str], int] = lambda name: 0):
        self._namespaces = Namespaces(exec_root, inhabitant)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kernel")

    async def observe(self, keys: Collection[Key]) -> State:
        """What is really there under exactly these keys; None for what is not.

        Foreign pins count as absent, and so does all that is in them.  An alias without a pin is
        the value "".  Raises Failed when the kernel does not answer.
        """

        def look() -> State:
            try:
                with Visit(self._namespaces) as visit:
                    return observe(visit, keys)
            except (Refused, OSError) as error:
                raise Failed(f"cannot look at the links of this host: {error}") from error

        return await self._in_thread(look)

    async def perform(self, steps: Sequence[Step]) -> None:
        """Carry out the steps in their order.  Raises StepFailed with the number of steps done.

        Runs to its end also when the caller is cancelled meanwhile.
        """

        def change() -> None:
            with Visit(self._namespaces) as visit:
                perform(visit, steps)

        await self._in_thread(change)

    async def everything(self) -> State:
        """Every namespace of this engine with its alias, also half made ones, links of the host that are
        surely its own, and what overlays were told.
        """

        def look() -> State:
            with Visit(self._namespaces) as visit:
                found = {**told(visit), **own_links(visit)}
                found.update({NamespaceKey(name): alias for name, alias in self._namespaces.owned().items()})
                return found

        return await self._in_thread(look)

    async def fingerprints(self, namespaces: Collection[str]) -> Mapping[Place, int]:
        """boundary.Sight: a number for each link, which is another one when the link is."""

        wanted, found = list(namespaces), dict[Place, int]()

        def look(some: Sequence[str]) -> None:
            with Visit(self._namespaces) as visit:
                for namespace in some:
                    with contextlib.suppress(Refused, OSError):  # no number: worth a look
                        found.update(fingerprint(visit, namespace))

        # Not all at once: others have their turns between.
        for start in range(0, len(wanted), AT_ONCE):
            await self._in_thread(partial(look, wanted[start : start + AT_ONCE]))
        return found

    async def answering(
        self, namespace: str, addresses: Collection[Address], seconds: float
    ) -> frozenset[Address]:
        """boundary.Probe: who answers an echo request from the namespace; nobody where none can be sent."""
        try:
            echo = await self._in_thread(lambda: self._namespaces.echo(namespace))
        except (NotFound, OSError):
            return frozenset()
        return await probing.answering(echo, addresses, seconds)

    def close(self) -> None:
        """Wait for what is being done and end the thread; pins and links stay."""
        self._thread.shutdown()
        self._namespaces.close()

    async def _in_thread(self, job: Callable[[], Answer]) -> Answer:
        future = asyncio.get_running_loop().run_in_executor(self._thread, job)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # The caller may undo only what is no longer being done.
            await asyncio.wait([future])
            raise

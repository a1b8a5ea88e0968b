"""Taking another host's endpoint off a global network: one that its host left behind, or that lives still.

A host that lives sees that what it has claimed and said is gone while its own membership is not, and
yields (`Claims.settle`).
"""

import logging
from dataclasses import dataclass, field

from fairlead.boundary.cluster import Unchanged, Write
from fairlead.engine.cluster.shared import Shared
from fairlead.model.errors import Conflict, NotFound
from fairlead.model.network import Network
from fairlead.overlay import keys

log = logging.getLogger(__name__)
TRIES = 20
PREFIX = "ep-"  # what an endpoint's id begins with where inspect shows one of another host
SHORT = 12  # digits of an id that say enough


@dataclass(slots=True)
class _Found:
    """Whose endpoint it is, and under which keys the store has it."""

    member_id: str
    keys: list[str] = field(default_factory=list)


class Expulsion:
    """Removes what the store has of other hosts' endpoints."""

    def __init__(self, shared: Shared):
        self._shared = shared

    async def expel(self, network: Network, reference: str) -> None:
        """Take the endpoint of another host off a network, by its container's name or its own id.

        Where several hosts have a container of that name, it is the one whose host is gone.  NotFound in
        Docker's words, Conflict where it is not said which of several, StoreAway.
        """
        await self._shared.reach(f"remove endpoint {reference} from network {network.name}")
        for _ in range(TRIES):
            await self._shared.refresh(keys.endpoints(network.id), keys.claims(network.id))
            identity, found = self._chosen(network, reference)
            conditions = [Unchanged(key, self._shared.copy.changed(key)) for key in found.keys]
            if (await self._shared.commit(conditions, [Write(key, None) for key in found.keys])).succeeded:
                log.warning(
                    "endpoint %s of another host was removed from network %s by force",
                    identity[:SHORT],
                    network.name,
                )
                return
        raise Conflict(
            f"cannot remove endpoint {reference} from network {network.name}: others changed it each time"
        )

    def _chosen(self, network: Network, reference: str) -> tuple[str, _Found]:
        found = self._found(network, reference)
        alive = self._shared.copy.members
        left_behind = {identity: each for identity, each in found.items() if each.member_id not in alive}
        among = left_behind or found
        if not among:
            raise NotFound(f"endpoint {reference} not found")
        if len(among) > 1:
            names = ", ".join(f"{PREFIX}{identity}" for identity in sorted(among))
            raise Conflict(
                f"cannot remove endpoint {reference} from network {network.name}: several hosts have one of "
                f"that name: {names}"
            )
        return next(iter(among.items()))

    def _found(self, network: Network, reference: str) -> dict[str, _Found]:
        """The other hosts' endpoints of that name or id, by their id."""
        copy, found = self._shared.copy, dict[str, _Found]()
        for said in copy.said(network.id):
            if said.member_id != copy.own_id and _is_called(reference, said.id, said.container):
                found[said.id] = _Found(said.member_id, [keys.endpoint(network.id, said.id)])
        for address, held in copy.claims.get(network.id, {}).items():
            claim = held.claim
            named = claim.endpoint_id in found or _is_called(reference, claim.endpoint_id, claim.container)
            if claim.member_id != copy.own_id and named:
                place = found.setdefault(claim.endpoint_id, _Found(claim.member_id))
                place.keys.append(keys.claim(network.id, address))
        return found


def _is_called(reference: str, identity: str, container: str) -> bool:
    return reference in (container, identity, identity[:SHORT], PREFIX + identity)

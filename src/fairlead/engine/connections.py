"""Connecting containers to networks and disconnecting them, running or not."""

import logging
from contextlib import AsyncExitStack
from dataclasses import replace

from fairlead.engine.addressing import require_addressable
from fairlead.engine.interfaces import interface_names
from fairlead.engine.ledger import drop, put
from fairlead.engine.lifecycle import Lifecycle
from fairlead.engine.parts import Parts
from fairlead.engine.stay import Stay
from fairlead.engine.wishes import names_on, network_links
from fairlead.model.container import Container
from fairlead.model.endpoint import Attachment, Endpoint
from fairlead.model.errors import Failed, Forbidden, InvalidParameter, NotFound
from fairlead.model.network import Network
from fairlead.planner.steps import transition

log = logging.getLogger(__name__)
SHARED = (
    "container sharing network namespace with another container or host cannot be connected to any other "
    "network"
)
HOST = "container cannot be disconnected from host network or connected to host network"
ALONE = "container cannot be connected to multiple networks with one of the networks in private (none) mode"


class Connections:
    """Changes the attachments of a container; a running one is converged to them at once."""

    def __init__(self, parts: Parts, lifecycle: Lifecycle):
        self._context = parts.context
        self._references = parts.references
        self._networks = parts.networks
        self._sandboxes = parts.sandboxes
        self._files = parts.files
        self._lifecycle = lifecycle

    async def connect(self, reference: str, container: str, attachment: Attachment) -> None:
        """Put a container on one more network.  Refused in Docker's words."""
        found = self._references.find(container)
        try:
            network = self._networks.find(reference)
        except NotFound:
            await self._note(reference, found.id, attachment)
            return
        async with self._context.lock(found.id):
            found = self._references.find(found.id)
            self._require_connectable(network, found, attachment)
            if not found.state.running and _attached(found, network):
                return  # nothing to do, says Docker
            attachment = replace(attachment, network=network.name)
            joined = replace(attachment, network_id=network.id)
            attached = replace(found, attachments=(*found.attachments, joined))
            stay = self._sandboxes.of(found.id)
            if not found.state.running or stay is None:
                await self._context.ledger.commit(put(_with_short_id(found, attachment, network)))
                return
            await self._grow(attached, stay, network, attachment)
        self._lifecycle.tell_network("connect", network.id, network.name, network.driver, found.id)

    async def _note(self, reference: str, identity: str, attachment: Attachment) -> None:
        """A container that does not run may be put on a network that is not there yet."""
        async with self._context.lock(identity):
            found = self._references.find(identity)
            if found.state.running:
                raise NotFound(f"network {reference} not found")
            others = tuple(each for each in found.attachments if each.network != reference)
            noted = (*others, replace(attachment, network=reference))
            await self._context.ledger.commit(put(replace(found, attachments=noted)))

    def _require_connectable(self, network: Network, container: Container, attachment: Attachment) -> None:
        """Source of the order: Docker's `connectToNetwork` and `updateNetworkSettings`."""
        mode = container.host_config.network_mode
        if container.state.running and mode.startswith("container:"):
            raise InvalidParameter(SHARED)
        require_addressable(network, attachment)
        if network.driver == "host" and mode != "host":
            raise InvalidParameter(HOST)
        if _attached(container, network):
            if container.state.running:
                raise Forbidden(
                    f"endpoint with name {container.name} already exists in network {network.name}"
                )
            return
        drivers = {self._networks.driver(each.network) for each in container.attachments}
        own = self._networks.driver(network.id)
        if drivers and "host" in (*drivers, own):
            raise InvalidParameter(SHARED)
        if drivers and "null" in (*drivers, own):
            raise InvalidParameter(ALONE)

    async def _grow(self, container: Container, stay: Stay, network: Network, attachment: Attachment) -> None:
        """One more endpoint for a running container; the way out moves if the order of names says so."""
        names, counts = interface_names(
            [(attachment, network)],
            [endpoint.interface for _, endpoint in stay.places],
            stay.sandbox.interfaces,
        )
        entered = await self._sandboxes.overlays.enter(container, [(attachment, network)], names_on)
        endpoint = self._sandboxes.new_endpoint(
            container, stay.sandbox, attachment, network, names[0], entered=entered.get(network.id)
        )
        sandbox = replace(
            stay.sandbox,
            interfaces=counts,
            links=(*stay.sandbox.links, *network_links(attachment, network)),
        )
        if not sandbox.embedded_dns and not network.default_bridge:
            sandbox = replace(sandbox, embedded_dns=True)
        try:
            after = Stay(sandbox, (*stay.places, (network, endpoint)))
            await self._change(container, stay, await self._sandboxes.led_out(container, stay, after))
        except BaseException:
            await self._sandboxes.overlays.leave([(network, endpoint)])
            raise

    async def disconnect(self, reference: str, container: str, force: bool = False) -> None:
        """Take a container off a network.  Refused in Docker's words, and in its order."""
        try:
            identity = self._references.find(container).id
        except NotFound:
            if not force:
                raise
            await self._sandboxes.overlays.expel(self._networks.find(reference), container)
            return
        try:
            network = self._networks.find(reference)
        except NotFound:
            await self._forget(reference, identity, force)
            return
        async with self._context.lock(identity):
            found = self._references.find(identity)
            if network.driver == "host" and found.state.running and _attached(found, network):
                raise InvalidParameter(HOST)
            left = replace(found, attachments=_without_network(found, network.name, network.id))
            stay = self._sandboxes.of(found.id)
            if not found.state.running or stay is None:
                await self._context.ledger.commit(put(left))
            else:
                await self._change(left, stay, await self._without(left, stay, network))
        self._lifecycle.tell_network("disconnect", network.id, network.name, network.driver, found.id)

    async def _forget(self, network: str, identity: str, force: bool) -> None:
        """Take a container that does not run off a network that is no more, or it could never start again."""
        async with self._context.lock(identity):
            found = self._references.find(identity)
            if found.state.running and not force:
                raise NotFound(f"network {network} not found")
            left = replace(found, attachments=_without_network(found, network))
            await self._context.ledger.commit(put(left))

    async def _without(self, container: Container, stay: Stay, network: Network) -> Stay:
        """The stay after the container has left a network."""
        places = tuple(place for place in stay.places if place[0].id != network.id)
        links = tuple(each for each in stay.sandbox.links if each[1] != network.id)
        after = Stay(replace(stay.sandbox, links=links), places)
        return await self._sandboxes.led_out(container, stay, after)

    async def lose(self, endpoint: Endpoint, reason: str) -> None:
        """Take a running container off a network, since its place there is no longer its own.

        It stays attached: its next start asks for a new place.
        """
        records = self._context.records
        async with self._context.lock(endpoint.container_id):
            container, stay = (
                records.containers.get(endpoint.container_id),
                self._sandboxes.of(endpoint.container_id),
            )
            network = records.networks.get(endpoint.network_id)
            if container is None or stay is None or network is None or endpoint.id not in records.endpoints:
                return
            log.warning(
                "container %s loses its place on network %s: %s", container.name, network.name, reason
            )
            await self._change(container, stay, await self._without(container, stay, network))
        self._lifecycle.tell_network("disconnect", network.id, network.name, network.driver, container.id)

    async def _change(self, container: Container, before: Stay, after: Stay) -> None:
        """From one stay to another: records of both, the kernel, then the records of the new one."""
        context = self._context
        gone = [endpoint for _, endpoint in before.places if endpoint.id not in _ids(after)]
        new = [endpoint for _, endpoint in after.places if endpoint.id not in _ids(before)]
        old, wanted = (
            self._sandboxes.state(before, container.name),
            self._sandboxes.state(after, container.name),
        )
        earlier = [put(context.records.containers[container.id]), *before.written()]
        async with AsyncExitStack() as undo:
            undo.push_async_callback(context.ledger.commit, *earlier, *(drop(endpoint) for endpoint in new))
            marked = [put(replace(endpoint, phase="removing")) for endpoint in gone]
            await context.ledger.commit(*marked, *(put(endpoint) for endpoint in new))
            self._sandboxes.overlays.settle(after.places)
            context.at("connection: records pending")
            await context.reconciler.converge(transition(old, wanted))
            undo.push_async_callback(context.reconciler.converge, transition(wanted, old))
            context.at("connection: kernel changed")
            settled = after.in_phase("settled")
            undo.push_async_callback(self._files.change, container, settled, before)
            await self._files.change(container, before, settled)
            await context.ledger.commit(
                put(container), *settled.written(), *(drop(endpoint) for endpoint in gone)
            )
            undo.pop_all()
        await self._sandboxes.overlays.leave(
            [place for place in before.places if place[1].id not in _ids(after)]
        )


def _with_short_id(container: Container, attachment: Attachment, network: Network) -> Container:
    """A container that does not run on one more network, where it is named at once, as with Docker."""
    if not network.predefined:
        aliases = dict.fromkeys((*attachment.aliases, container.id[:12]))
        attachment = replace(attachment, aliases=tuple(aliases))
    return replace(container, attachments=(*container.attachments, attachment))


def _without_network(container: Container, *names: str) -> tuple[Attachment, ...]:
    """Its attachments without those to a network of one of these names.  Failed if there is none."""
    kept = tuple(each for each in container.attachments if each.network not in names)
    if len(kept) == len(container.attachments):
        the = "" if container.state.running else "the "
        raise Failed(f"container {container.id} is not connected to {the}network {names[0]}")
    return kept


def _attached(container: Container, network: Network) -> bool:
    return any(each.network in (network.name, network.id) for each in container.attachments)


def _ids(stay: Stay) -> set[str]:
    return {endpoint.id for _, endpoint in stay.places}

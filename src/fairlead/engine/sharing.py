"""Containers in the network of another: their namespace stays while that one is away, and is its again."""

from collections.abc import Iterator
from dataclasses import replace

from fairlead.model.container import Container
from fairlead.model.endpoint import Sandbox
from fairlead.model.records import Records

KEPT = "kept"  # the phase of a sandbox whose container does not run, but others in it do


def kept(sandbox: Sandbox) -> Sandbox:
    """What is left of a sandbox while its container is away: the namespace."""
    return replace(sandbox, phase=KEPT, embedded_dns=False, links=(), interfaces={})


def is_shared(records: Records, owner_id: str) -> bool:
    """Whether a container runs in the network of this one, which is not being removed."""
    owner = records.containers.get(owner_id)
    if owner is None or owner.phase == "removing":
        return False
    return any(
        each.state.running or is_shared(records, each.id)
        for each in records.sharing(owner)
        if each.id != owner_id
    )


def owner_of(records: Records, container: Container) -> Container | None:
    """The container whose network this one shares, as far as there still is one."""
    owner, seen = container, {container.id}
    while owner.host_config.network_mode.startswith("container:"):
        target = owner.host_config.network_mode.partition(":")[2]
        found = records.containers.get(target) or records.container_named(target)
        if found is None or found.id in seen:
            return None
        seen.add(found.id)
        owner = found
    return None if owner is container else owner


def inhabitants(records: Records, name: str) -> Iterator[Container]:
    """The containers that run in the namespace that is pinned under a name."""
    sandbox = records.sandbox_named(name)
    found = [] if sandbox is None else [records.containers.get(sandbox.container_id)]
    seen: set[str] = set()
    while found:
        container = found.pop()
        if container is not None and container.id not in seen:
            seen.add(container.id)
            found += records.sharing(container)
            if container.state.running or container.state.status == "paused":
                yield container

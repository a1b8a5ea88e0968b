"""Containers in the network of another: their namespace stays while that one is away, and is its again."""

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

"""The leak audit: what the records ask for, beside all of the engine's that is on the host.

It is the reconciler's own difference, without steps, and the same question about processes, mounts,
directories and records.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields

from fairlead.boundary import Holdings
from fairlead.engine.context import Context
from fairlead.engine.networks import Networks
from fairlead.engine.sandboxes import Sandboxes
from fairlead.engine.sharing import KEPT
from fairlead.engine.stay import Stay
from fairlead.model.audit import Finding, Holding, Verdict
from fairlead.model.container import Container
from fairlead.model.host import Key, RuleKey, State, Value
from fairlead.planner.base import base_state, ipv6_base_state
from fairlead.planner.drivers import driver_of
from fairlead.planner.steps import difference, parted

SECOND_LOOK = 0.3  # seconds until what was found is looked for again: it may have been on its way
BESIDE = ("ports", "resolver")  # the processes beside the daemon
WHILE_RUNNING = ("bundle", "mount", "process")  # what a container has exactly while it runs
AT_MOST = ("control group", "runtime state")  # what it may have as well then
ALWAYS = ("root",)  # what it has as long as it is recorded
KIND = {
    "AddressKey": "address",
    "ChainKey": "chain",
    "FdbKey": "forwarding entry",
    "HeldPortKey": "held port",
    "LinkKey": "link",
    "LinkSettingKey": "link setting",
    "NameKey": "name",
    "NamespaceKey": "namespace",
    "NeighbourKey": "neighbour",
    "NftKey": "nftables element",
    "PointerKey": "name",
    "PolicyKey": "policy",
    "ResolverKey": "resolver",
    "RouteKey": "route",
    "RuleKey": "rule",
    "SysctlKey": "kernel setting",
}


class Audit:
    """Compares, and changes nothing."""

    def __init__(
        self, context: Context, networks: Networks, sandboxes: Sandboxes, holdings: Holdings | None = None
    ):
        self._context = context
        self._networks = networks
        self._sandboxes = sandboxes
        self._holdings = holdings

    async def look(self) -> tuple[Finding, ...]:
        """All that is wrong twice in a row: what an operation under way is about to mend is not told."""
        found = await self._once()
        if found:
            await self._context.clock.sleep(SECOND_LOOK)
            again = set(await self._once())
            found = tuple(each for each in found if each in again)
        return found

    async def _once(self) -> tuple[Finding, ...]:
        explained = self.explained()
        records = list(self._of_records())
        kernel = await self._of_kernel(explained)
        holdings = await self._of_holdings()
        return (*records, *kernel, *holdings)

    # -- records ---------------------------------------------------------------------------------

    def _of_records(self) -> Iterator[Finding]:
        """Records that nothing is being done about, and that have nobody they belong to."""
        records = self._context.records
        for network in records.networks.values():
            if network.phase != "settled":
                yield _record("network", network.name, f"its phase is {network.phase}")
        for container in records.containers.values():
            if container.phase != "settled":
                yield _record("container", container.name, f"its phase is {container.phase}")
        for sandbox in records.sandboxes.values():
            if sandbox.container_id not in records.containers:
                yield _record("sandbox", sandbox.name or sandbox.id[:12], "its container is gone")
            elif sandbox.phase not in ("settled", KEPT):
                yield _record("sandbox", sandbox.name or sandbox.id[:12], f"its phase is {sandbox.phase}")
        for endpoint in records.endpoints.values():
            for kind, gone in (
                ("network", endpoint.network_id not in records.networks),
                ("sandbox", endpoint.sandbox_id not in records.sandboxes),
            ):
                if gone:
                    yield _record("endpoint", endpoint.id[:12], f"its {kind} is gone")
            if endpoint.phase != "settled":
                yield _record("endpoint", endpoint.id[:12], f"its phase is {endpoint.phase}")

    # -- the kernel's network, the firewall, the processes beside the daemon -----------------------

    async def _of_kernel(self, explained: State) -> tuple[Finding, ...]:
        reconciler = self._context.reconciler
        lasting, _ = parted(self._wanted())
        steps = difference(lasting, await reconciler.observe(list(lasting)))
        surplus = self.without_others(await reconciler.surplus(explained))
        found = [_finding(step.key, step.before, step.after) for step in steps if step.key not in surplus]
        found += [_finding(key, True, None) for key in surplus]
        return tuple(found)

    def without_others(self, surplus: State) -> State:
        """What is surplus, without the rules of families that this engine was told to leave alone."""
        settings = self._context.settings
        own = {"ipv4": settings.iptables, "ipv6": settings.ip6tables}
        return {
            key: value
            for key, value in surplus.items()
            if not isinstance(key, RuleKey) or own[key.family.value]
        }

    def _wanted(self) -> State:
        """What the settled records ask for, all that others are being changed to left out."""
        context, records = self._context, self._context.records
        desired: dict[Key, Value | None] = dict(base_state(context.settings, forwards_already=True))
        under_way: dict[Key, Value | None] = {}
        for network in records.networks.values():
            state = driver_of(network).network_state(network, context.settings, context.surroundings)
            (desired if network.phase == "settled" else under_way).update(state)
        desired.update(self._sandboxes.overlays.state())
        for stay, label in self._stays():
            settled = tuple(place for place in stay.places if place[1].phase == "settled")
            state = self._sandboxes.state(Stay(stay.sandbox, settled), label)
            (desired if stay.sandbox.phase in ("settled", KEPT) else under_way).update(state)
            under_way.update(
                (key, value) for key, value in self._sandboxes.state(stay, label).items() if key not in state
            )
        return {key: value for key, value in desired.items() if key not in under_way}

    def explained(self) -> dict[Key, Value | None]:
        """All that any record accounts for, settled or not, and what IPv6 leaves standing on purpose."""
        settings = self._context.settings
        state: dict[Key, Value | None] = {
            **ipv6_base_state(settings, forwards_already=True),
            **base_state(settings, forwards_already=True),
            **self._networks.state(),
        }
        for stay, label in self._stays():
            state.update(self._sandboxes.state(stay, label))
        return state

    def _stays(self) -> Iterator[tuple[Stay, str]]:
        records = self._context.records
        for owner in dict.fromkeys(each.container_id for each in records.sandboxes.values()):
            stay = self._sandboxes.of(owner)
            if stay is not None:
                container = records.containers.get(owner)
                yield stay, container.name if container else ""

    # -- processes, mounts, directories ----------------------------------------------------------

    async def _of_holdings(self) -> tuple[Finding, ...]:
        if self._holdings is None:
            return ()
        held = await self._holdings.look()
        found = [_unexplained(each) for each in held if not self._accounts_for(each)]
        there = {(each.kind, each.owner) for each in held}
        found += [
            Finding(Verdict.MISSING, kind, container.name)
            for container in self._context.records.containers.values()
            for kind in self._needed(container)
            if (kind, container.id) not in there
        ]
        found += [
            Finding(Verdict.MISSING, "volume", volume.name)
            for volume in self._context.records.volumes.values()
            if ("volume", volume.name) not in there
        ]
        processes = Counter(each.owner for each in held if each.kind == "process" and each.owner in BESIDE)
        for name in BESIDE:
            if processes[name] != 1:
                verdict = Verdict.UNEXPLAINED if processes[name] else Verdict.MISSING
                found.append(Finding(verdict, "process", f"fairlead {name}", f"there are {processes[name]}"))
        return tuple(found)

    def _accounts_for(self, holding: Holding) -> bool:
        records = self._context.records
        if holding.kind == "volume":
            return holding.owner in records.volumes
        container = records.containers.get(holding.owner)
        if holding.kind == "process" and container is None:
            return holding.owner in BESIDE
        if not holding.ours and container is None:
            return True  # that of another engine's container
        if holding.kind in (*WHILE_RUNNING, *AT_MOST):
            return container is not None and _has_process(container)
        return container is not None

    def _needed(self, container: Container) -> tuple[str, ...]:
        if container.phase != "settled":
            return ()
        return (*ALWAYS, *WHILE_RUNNING) if _has_process(container) else ALWAYS


def _has_process(container: Container) -> bool:
    return container.state.status in ("running", "paused")


def _record(kind: str, name: str, detail: str) -> Finding:
    return Finding(Verdict.UNEXPLAINED, "record", f"{kind} {name}", detail)


def _unexplained(holding: Holding) -> Finding:
    return Finding(Verdict.UNEXPLAINED, holding.kind, holding.name)


def _finding(key: Key, there: Value | None, wanted: Value | None) -> Finding:
    kind = KIND.get(type(key).__name__, type(key).__name__)
    if wanted is None:
        return Finding(Verdict.UNEXPLAINED, kind, key_name(key))
    if there is None:
        return Finding(Verdict.MISSING, kind, key_name(key))
    return Finding(Verdict.DIFFERENT, kind, key_name(key), f"it is {there}, wanted is {wanted}")


def key_name(key: Key) -> str:
    """A key in words: its fields, without those that are empty."""
    words = []
    for field in fields(key):
        value = getattr(key, field.name)
        text = ".".join(value) if isinstance(value, tuple) else str(value)
        words.append(text)
    return " ".join(filter(None, words))

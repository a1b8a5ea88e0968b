"""From two states to steps: what differs, in the one order in which changes are made."""

from collections.abc import Mapping

from fairlead.firewall.tables import IP, TABLE_OF
from fairlead.model.host import (
    AddressFlowsKey,
    AddressKey,
    ChainKey,
    FdbKey,
    HeldPortKey,
    Key,
    LinkKey,
    LinkSetting,
    LinkSettingKey,
    Macvlan,
    NameKey,
    NamespaceKey,
    NeighbourKey,
    NftKey,
    PointerKey,
    PolicyKey,
    PortFlowsKey,
    ResolverKey,
    RouteKey,
    RuleKey,
    State,
    Step,
    SysctlKey,
    Value,
    Vxlan,
)

# What must be there before what.  Ports are bound before any rule leads to them, so that a port
# which somebody else holds is noticed while nothing has been redirected yet.  FORWARD drops
# before forwarding is switched on: a crash in between must not leave an open router.
ORDER: tuple[type, ...] = (
    NamespaceKey,
    HeldPortKey,
    PolicyKey,
    SysctlKey,
    LinkKey,
    LinkSettingKey,
    AddressKey,
    RouteKey,
    FdbKey,
    NeighbourKey,
    ChainKey,
    RuleKey,
    NftKey,
    NameKey,
    PointerKey,
    ResolverKey,
    AddressFlowsKey,
    PortFlowsKey,
)
RANK = {kind: number for number, kind in enumerate(ORDER)}

# Settings of one link, in the order in which they are made: up comes last.
SETTINGS: dict[LinkSetting, int] = {
    setting: number for number, setting in enumerate(LinkSetting) if setting is not LinkSetting.UP
}
SETTINGS[LinkSetting.UP] = len(SETTINGS)

# Keys whose absence is never wanted: None in a desired state means "leave it as it is".
LEFT_ALONE = (SysctlKey, PolicyKey, PortFlowsKey)

# Keys whose presence is never made: any other desired value than None means "may be there".
ALLOWED = (AddressFlowsKey,)

# What packets make anew at any time: dealt with last, when all that decides about new ones stands,
# and not looked at again, since those that come then are as they should be.
FLEETING = (AddressFlowsKey, PortFlowsKey)


def _rank(key: Key) -> tuple[int, int]:
    if isinstance(key, SysctlKey):
        # The settings of one interface exist only once the interface does, and come before it is up
        # and has addresses: what is received must not be dealt with otherwise first.
        return (RANK[LinkSettingKey], -1) if of_one_link(key) else (RANK[SysctlKey], 0)
    if isinstance(key, NftKey) and TABLE_OF[key.name] is not IP:
        return (RANK[SysctlKey], 1)  # guards stand before what they guard is there, and until it is gone
    if isinstance(key, LinkSettingKey):
        return (RANK[LinkSettingKey], SETTINGS[key.setting])
    return (RANK[type(key)], 0)


def indifferent(key: Key, wanted: Value | None) -> bool:
    """Whether a desired value is satisfied by anything that may be there."""
    return isinstance(key, LEFT_ALONE) if wanted is None else isinstance(key, ALLOWED)


def parted(desired: State) -> tuple[dict[Key, Value | None], dict[Key, Value | None]]:
    """What has to be looked at, lasting and fleeting entries; those that anything satisfies are left out."""
    lasting: dict[Key, Value | None] = {}
    fleeting: dict[Key, Value | None] = {}
    for key, wanted in desired.items():
        if not indifferent(key, wanted):
            (fleeting if isinstance(key, FLEETING) else lasting)[key] = wanted
    return lasting, fleeting


def of_one_link(key: SysctlKey) -> bool:
    """Whether it is a setting of one interface, not of a whole namespace."""
    return key.path[2:3] in (("conf",), ("neigh",)) and key.path[-2] not in ("all", "default")


def difference(desired: State, observed: State) -> tuple[Step, ...]:
    """The steps from observed to desired: additions and changes in order, then removals in reverse.

    Only keys of `desired` are compared; an observed state must have them all.  Law:
    replay(observed, difference(desired, observed)) equals desired, but for keys left alone.
    """
    additions: list[Step] = []
    removals: list[Step] = []
    for key, wanted in desired.items():
        there = observed.get(key)
        if wanted == there or indifferent(key, wanted):
            continue
        (additions if wanted is not None else removals).append(Step(key, there, wanted))
    additions.sort(key=lambda step: _rank(step.key))
    removals.sort(key=lambda step: _rank(step.key), reverse=True)
    return (*additions, *_without_consequences(removals, desired))


def _without_consequences(removals: list[Step], desired: State) -> list[Step]:
    """Leave out what the kernel takes away by itself together with a link or namespace that goes."""
    namespaces = {step.key.name for step in removals if isinstance(step.key, NamespaceKey)}
    links = {(step.key.namespace, step.key.name) for step in removals if isinstance(step.key, LinkKey)}
    # A macvlan has its hardware address, or its whole parent, and a VXLAN link its VNI all over the host.
    holding = {step.key for step in removals if isinstance(step.before, (Macvlan, Vxlan))}

    def vanishes(key: Key) -> bool:
        if isinstance(key, (LinkSettingKey, AddressKey, FdbKey, NeighbourKey)):
            return key.namespace in namespaces or (key.namespace, key.link) in links
        if isinstance(key, RouteKey):
            return key.namespace in namespaces
        if isinstance(key, LinkKey):
            # Others cannot have what it holds until the kernel gets round to it.
            return key.namespace in namespaces and key not in holding
        return False

    return [step for step in removals if not vanishes(step.key)]


def replay(state: State, steps: tuple[Step, ...]) -> Mapping[Key, Value | None]:
    """The state after the steps, on paper."""
    after = dict(state)
    for step in steps:
        after[step.key] = step.after
    return after


def absent(state: State) -> dict[Key, Value | None]:
    """The same entries, none of which is wanted any more."""
    return dict.fromkeys(state)


def transition(before: State, after: State) -> dict[Key, Value | None]:
    """What is desired when `after` takes the place of `before`: what only `before` had must go."""
    return {**absent(before), **after}


def describe(step: Step) -> str:
    """One line about a step, for messages: what is wanted and what is there."""
    return f"{step.key}: wanted {step.after}, found {step.before}"

"""What was found otherwise than it should be, in words, and of which part of the host it is."""

from collections.abc import Mapping
from enum import StrEnum

from fairlead.model.host import (
    AddressKey,
    ChainKey,
    FdbKey,
    HeldPortKey,
    Key,
    LinkKey,
    LinkSettingKey,
    NameKey,
    NamespaceKey,
    NeighbourKey,
    NftKey,
    PointerKey,
    PolicyKey,
    ResolverKey,
    RouteKey,
    RuleKey,
    Step,
    SysctlKey,
    Value,
)
from fairlead.planner.steps import of_one_link


class Part(StrEnum):
    """A part of the host that is looked at by itself, since something else tells that it may have changed."""

    LINKS = "links"
    SETTINGS = "settings"
    RULES = "rules"
    PORTS = "ports"
    NAMES = "names"
    FILES = "files"  # of containers, which are no entries of a state


KINDS: Mapping[Part, tuple[type[Key], ...]] = {
    Part.SETTINGS: (NamespaceKey, SysctlKey),
    Part.LINKS: (LinkKey, LinkSettingKey, AddressKey, RouteKey, FdbKey, NeighbourKey),
    Part.RULES: (ChainKey, PolicyKey, RuleKey, NftKey),
    Part.PORTS: (HeldPortKey,),
    Part.NAMES: (ResolverKey, NameKey, PointerKey),
}
Place = tuple[str, str]  # a namespace and a link in it
PART_OF: Mapping[type[Key], Part] = {kind: part for part, kinds in KINDS.items() for kind in kinds}


def part_of(key: Key) -> Part | None:
    """The part that an entry is brought back with; None for what is not kept."""
    if isinstance(key, SysctlKey) and of_one_link(key):
        return Part.LINKS  # it comes and goes with its link
    return PART_OF.get(type(key))


def place_of(key: Key, value: Value | None) -> Place | None:
    """The link that an entry is about, by namespace and name; None if it is about no link."""
    match key:
        case LinkKey(namespace, name):
            return namespace, name
        case LinkSettingKey() | AddressKey() | FdbKey() | NeighbourKey():
            return key.namespace, key.link
        case RouteKey():
            return key.namespace, getattr(value, "link", "")
        case SysctlKey() if of_one_link(key):
            return key.namespace, key.path[3]
    return None


def deviation(step: Step) -> str:
    """One step as what was wrong before it."""
    subject = _subject(step.key)
    if step.before is None:
        return f"{subject} was missing"
    if step.after is None:
        return f"{subject} was there"
    if isinstance(step.before, str) and isinstance(step.after, str):
        return f"{subject} was {step.before or 'nothing'} instead of {step.after or 'nothing'}"
    return f"{subject} was another one"


def _subject(key: Key) -> str:
    match key:
        case NamespaceKey():
            return f"the pin of network namespace {key.name}"
        case LinkKey():
            return f"link {key.name}{_in(key.namespace)}"
        case LinkSettingKey():
            return f"{key.setting} of link {key.link}{_in(key.namespace)}"
        case AddressKey():
            return f"address {key.address} of link {key.link}{_in(key.namespace)}"
        case RouteKey():
            return f"the route to {key.destination}{_in(key.namespace)}"
        case SysctlKey():
            return f"{'.'.join(key.path)}{_in(key.namespace)}"
        case FdbKey():
            return f"the forwarding entry {key.mac} of link {key.link}{_in(key.namespace)}"
        case NeighbourKey():
            return f"neighbour {key.address} of link {key.link}{_in(key.namespace)}"
        case ChainKey():
            return f"{key.family} chain {key.chain} of table {key.table}"
        case PolicyKey():
            return f"the {key.family} policy of {key.chain} of table {key.table}"
        case RuleKey():
            return f"{key.family} rule `-t {key.table} -A {key.chain} {key.text}`"
        case NftKey():
            return f"element {key.element} of {key.name}"
        case HeldPortKey():
            return f"port {key.address} {key.port}/{key.protocol}"
        case ResolverKey():
            return f"the resolver of {key.namespace}"
        case NameKey():
            return f"name {key.name}"
        case PointerKey():
            return f"the name of {key.address}"
    return str(key)


def _in(namespace: str) -> str:
    return f" in {namespace}" if namespace else ""

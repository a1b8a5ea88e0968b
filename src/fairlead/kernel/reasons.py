"""Why a step could not be done, found by looking at what is in its way."""

import errno

from fairlead.kernel.messages import BRIDGE_PORT
from fairlead.kernel.netlink import Refused
from fairlead.kernel.visit import Visit
from fairlead.kernel.wording import place
from fairlead.model.errors import FairleadError, NotFound
from fairlead.model.host import (
    AddressKey,
    Bridge,
    Dummy,
    FdbKey,
    Foreign,
    Key,
    LinkKey,
    LinkSetting,
    LinkSettingKey,
    Macvlan,
    NeighbourKey,
    Route,
    RouteKey,
    Step,
    SysctlKey,
    Value,
    Veth,
    Vlan,
    Vxlan,
)

DUMMIES = ("dummy", "ifb")  # what a link that leads nowhere is made of, best first
NO_PORT = "it is no port of a bridge"
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


def kind_of(link: Value | None) -> str:
    """The kernel's word for a kind of link."""
    match link:
        case Bridge():
            return "bridge"
        case Veth():
            return "veth"
        case Macvlan():
            return "macvlan"
        case Vxlan():
            return "vxlan"
        case Vlan():
            return "vlan"
        case Foreign() | Dummy():
            return link.kind
    return ""


def is_of_kind(link: Value, kind: str) -> bool:
    """Whether the kernel's word for a link's kind, as it is found now, is that of a value."""
    return kind in DUMMIES if isinstance(link, Dummy) else kind == kind_of(link)


def taken(kind: str) -> str:
    """Who holds the name of a link."""
    return f"a link of kind {kind} has that name"


def reason(visit: Visit, step: Step, found: Value | None, error: Exception) -> str:
    """The holder if there is one, else what is missing, else the kernel's own words.

    `found` is what is there under the step's key after the refusal `error`.
    """
    known = _known(visit, step, found, error)
    if known is not None:
        return known
    if isinstance(error, Refused):
        return error.reason
    if isinstance(error, FairleadError):
        return error.message
    return getattr(error, "strerror", None) or str(error)


def _known(visit: Visit, step: Step, found: Value | None, error: Exception) -> str | None:
    if isinstance(error, NotFound):
        return error.message
    match step.key:
        case LinkKey():
            return _holder(visit, step, found, error)
        case LinkSettingKey():
            return _missing_for_setting(visit, step.key, step.after)
        case AddressKey(namespace=namespace, link=name):
            return None if visit.link(namespace, name) else _no_link(namespace, name)
        case FdbKey(namespace=namespace, link=name):
            link = visit.link(namespace, name)
            if link is None:
                return _no_link(namespace, name)
            return None if link.master else NO_PORT
        case NeighbourKey(namespace=namespace, link=name):
            return None if visit.link(namespace, name) else _no_link(namespace, name)
        case RouteKey():
            return _other_route(visit, step, found)
        case SysctlKey():
            return _refusal_of_setting(error)
    return None


def _holder(visit: Visit, step: Step, found: Value | None, error: Exception) -> str | None:
    after = step.after
    if isinstance(after, Vxlan) and (found is None or isinstance(step.before, Vxlan)):
        return _holder_of_vni(visit, step.key, after)
    if found is not None:
        return taken(kind_of(found))
    if isinstance(after, Macvlan | Vlan) and not visit.link("", after.parent):
        return f"its parent {after.parent} is not there"
    if isinstance(after, Vlan):
        return _no_vlan(visit, after, error)
    if isinstance(after, Veth):
        other = visit.link(after.peer_namespace, after.peer)
        if other is not None:
            return f"its other end is {after.peer}{place(after.peer_namespace)}, and {taken(other.kind)}"
    return None


def _no_vlan(visit: Visit, wanted: Vlan, error: Exception) -> str | None:
    """What keeps a VLAN from its parent, which is there."""
    code = getattr(error, "code", None)
    if code == errno.EOPNOTSUPP:
        return "operation not supported: this kernel has no VLAN links (8021q)"
    return f"{wanted.parent} has a link for VLAN {wanted.number} already" if code == errno.EEXIST else None


def _holder_of_vni(visit: Visit, key: Key, wanted: Vxlan) -> str | None:
    """Which other link of the host, in its own namespace or an overlay's, has the VNI."""
    for namespace in ("", *visit.overlays()):
        for link in visit.links_of(namespace, "vxlan"):
            itself = LinkKey(namespace, link.name) == key
            if link.tunnel and link.tunnel.vni == wanted.vni and not itself:
                return f"link {link.name}{place(namespace)} has its VNI {wanted.vni}"
    return None


def _missing_for_setting(visit: Visit, key: LinkSettingKey, wanted: Value | None) -> str | None:
    link = visit.link(key.namespace, key.link)
    if link is None:
        return _no_link(key.namespace, key.link)
    if key.setting is LinkSetting.MASTER and isinstance(wanted, str) and wanted:
        bridge = visit.link(key.namespace, wanted)
        if bridge is None:
            return _no_link(key.namespace, wanted)
        if bridge.kind != "bridge":
            return f"{wanted} is a link of kind {bridge.kind}"
    if key.setting in BRIDGE_PORT and not link.master:
        return NO_PORT
    return None


def _other_route(visit: Visit, step: Step, found: Value | None) -> str | None:
    assert isinstance(step.key, RouteKey)
    route = step.after or step.before
    if isinstance(route, Route) and route.link and not visit.link(step.key.namespace, route.link):
        return _no_link(step.key.namespace, route.link)
    if isinstance(found, Route) and found != step.before:
        way = f"via {found.gateway} on {found.link}" if found.gateway else f"on {found.link}"
        return f"another route to it leads {way}"
    return None


def _refusal_of_setting(error: Exception) -> str | None:
    code = getattr(error, "errno", None)
    if code == errno.ENOENT:
        return "the kernel has no such setting"
    if code in READ_ONLY:
        return "it is read-only"
    if code == errno.EINVAL:
        return "the kernel does not accept that value"
    return None


def _no_link(namespace: str, name: str) -> str:
    return f"there is no link {name}{place(namespace)}"

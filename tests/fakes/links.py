"""Namespaces, links, addresses, routes and settings in memory, with the rules that the kernel has.

`fail_at` makes a later step fail, for tests of what happens then.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_interface

from fairlead.kernel.wording import cannot, place
from fairlead.model.addresses import Address, Interface, Subnet
from fairlead.model.errors import StepFailed
from fairlead.model.host import (
    HOST_END,
    OVERLAY,
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
    MacvlanMode,
    NamespaceKey,
    NeighbourKey,
    Route,
    RouteKey,
    State,
    Step,
    SysctlKey,
    Value,
    Veth,
    Vlan,
    Vxlan,
    mark_for,
)

LONGEST_NAME = 15
MTUS = range(68, 65536)
READ_ONLY = {("kernel", "osrelease"): "6.1.0"}
GLOBAL = {
    ("net", "ipv4", "ip_forward"): "0",
    ("net", "ipv4", "ip_unprivileged_port_start"): "1024",
    ("net", "ipv4", "ping_group_range"): "1 0",
}
PER_LINK = {
    ("ipv4", "conf"): {"route_localnet": "0", "arp_ignore": "0", "proxy_arp_pvlan": "0"},
    ("ipv6", "conf"): {"disable_ipv6": "0", "accept_ra": "1", "addr_gen_mode": "0", "forwarding": "0"},
    ("ipv4", "neigh"): {"proxy_delay": "80"},
}


ON_A_LINK = (LinkSettingKey, AddressKey, FdbKey, NeighbourKey)


class Refusal(Exception):
    """Why a step cannot be done."""


@dataclass
class FakeLink:
    """A link; `peer` is a veth's other end as (namespace, name), `parent` a macvlan's, of the host's.

    A VLAN's `parent` is of its own namespace.
    """

    kind: str
    mac: str
    mtu: int = 1500
    master: str = ""
    up: bool = False
    hairpin: bool = False
    isolated: bool = False
    keeps_mac: bool = False
    peer: tuple[str, str] | None = None
    parent: str = ""
    mode: MacvlanMode = MacvlanMode.BRIDGE
    addresses: set[Interface] = field(default_factory=set)
    learning: bool = True
    tunnel: Vxlan | None = None
    vlan: int = 0
    forwarding: dict[str, str] = field(default_factory=dict)
    neighbours: dict[Address, str] = field(default_factory=dict)


@dataclass
class FakeNamespace:
    """What one network namespace has; a new one has a loopback link that is down."""

    alias: str = ""
    links: dict[str, FakeLink] = field(
        default_factory=lambda: {"lo": FakeLink("loopback", "00:00:00:00:00:00", mtu=65536)}
    )
    routes: dict[Subnet, Route] = field(default_factory=dict)
    settings: dict[tuple[str, ...], str] = field(default_factory=lambda: dict(GLOBAL | READ_ONLY))


class FakeLinks:
    """boundary.Actuator of links, without a kernel."""

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

    def __init__(self) -> None:
        self.namespaces: dict[str, FakeNamespace] = {"": FakeNamespace()}
        self.foreign_pins: set[str] = set()
        self.performed: list[Step] = []
        self._until_failure: int | None = None
        self._made = 0
        self.has_vlans = True

    # -- what tests arrange ----------------------------------------------------------------------

    def fail_at(self, number: int) -> None:
        """Let the step of that number fail, counted from 0 over all calls from now on; once."""
        self._until_failure = number

    def foreign_link(self, name: str, kind: str, namespace: str = "") -> None:
        """Make a link of a kind that is not ours."""
        self.namespaces[namespace].links[name] = FakeLink(kind, self._new_mac())

    # -- boundary.Actuator -----------------------------------------------------------------------

    async def observe(self, keys: Collection[Key]) -> State:
        """The value under each key."""
        return {key: self._value(key) for key in keys}

    async def everything(self) -> State:
        """Every namespace but the host's own and foreign ones, links that are surely the engine's, and what
        overlays were told.
        """
        found: dict[Key, Value] = {
            NamespaceKey(name): each.alias for name, each in self.namespaces.items() if name
        }
        found |= self._own_links()
        for name in filter(lambda name: name.startswith(OVERLAY), self.namespaces):
            for link, there in self.namespaces[name].links.items():
                if there.tunnel is not None:
                    found[LinkKey(name, link)] = there.tunnel
                    found |= {FdbKey(name, link, mac): vtep for mac, vtep in there.forwarding.items()}
                    for each in filter(None, (link, there.master)):
                        told = self.namespaces[name].links[each].neighbours
                        found |= {NeighbourKey(name, each, at): mac for at, mac in told.items()}
        return found

    def _own_links(self) -> dict[Key, Value]:
        there = self.namespaces[""].links
        marked = {name for name, link in there.items() if link.mac and link.mac == mark_for(name)}
        ends = {name for name, link in there.items() if link.kind == "veth" and HOST_END.fullmatch(name)}
        own = {name for name in ends if there[name].master in marked or there[name].peer is not None}
        observed = {LinkKey("", name): self._value(LinkKey("", name)) for name in (*marked, *own)}
        return {key: value for key, value in observed.items() if value is not None}

    async def perform(self, steps: Sequence[Step]) -> None:
        """Carry out the steps; StepFailed at the first that the rules refuse."""
        for done, step in enumerate(steps):
            try:
                self._count()
                if not self._holds(step):
                    self._change(step)
            except Refusal as refusal:
                raise StepFailed(f"{cannot(step)}: {refusal}", done) from refusal
            self.performed.append(step)

    def _count(self) -> None:
        if self._until_failure == 0:
            self._until_failure = None
            raise Refusal("a fault was injected")
        if self._until_failure is not None:
            self._until_failure -= 1

    # -- looking ---------------------------------------------------------------------------------

    def _value(self, key: Key) -> Value | None:
        if isinstance(key, NamespaceKey):
            return self.namespaces[key.name].alias if key.name in self.namespaces else None
        inside = self.namespaces.get(getattr(key, "namespace", ""))
        if inside is None:
            return None
        if isinstance(key, LinkKey):
            return self._link_value(inside.links.get(key.name))
        if isinstance(key, RouteKey):
            return inside.routes.get(key.destination)
        if isinstance(key, SysctlKey):
            return self._setting(inside, key.path)
        if not isinstance(key, ON_A_LINK) or (link := inside.links.get(key.link)) is None:
            return None
        if isinstance(key, FdbKey):
            return link.forwarding.get(key.mac)
        if isinstance(key, NeighbourKey):
            return link.neighbours.get(key.address)
        if isinstance(key, AddressKey):
            return True if self._has_address(inside, key, link) else None
        assert isinstance(key, LinkSettingKey)
        return _link_setting(link, key.setting)

    @staticmethod
    def _has_address(inside: FakeNamespace, key: AddressKey, link: FakeLink) -> bool:
        """With the route that comes along with it."""
        if key.address not in link.addresses:
            return False
        alone = link.kind == "loopback" or key.address.network.prefixlen == key.address.max_prefixlen
        return alone or not link.up or inside.routes.get(key.address.network) == Route(None, key.link)

    def _link_value(self, link: FakeLink | None) -> Value | None:
        if link is None:
            return None
        if link.kind == "bridge":
            return Bridge(link.mac)
        if link.kind == "veth" and link.peer is not None:
            namespace, name = link.peer
            return Veth(namespace, name, self.namespaces[namespace].links[name].mac)
        if link.kind == "macvlan":
            return Macvlan(link.parent, link.mode, link.mac)
        if link.kind == "dummy":
            return Dummy()
        if link.kind == "vlan":
            return Vlan(link.parent, link.vlan)
        if link.tunnel is not None:
            return link.tunnel
        return Foreign(link.kind)

    def _setting(self, inside: FakeNamespace, path: tuple[str, ...]) -> str | None:
        if len(path) == 5 and path[0] == "net" and path[2] in ("conf", "neigh"):
            _, family, kind, link, name = path
            default = PER_LINK.get((family, kind), {}).get(name)
            if link not in inside.links and link not in ("all", "default"):
                return None
            new = inside.settings.get((*path[:3], "default", name), default)  # what new links begin with
            return inside.settings.get(path, new)
        return inside.settings.get(path)

    def _holds(self, step: Step) -> bool:
        if step.after is None and isinstance(step.key, (SysctlKey, LinkSettingKey)):
            return True
        found, wanted = self._value(step.key), step.after
        if isinstance(wanted, Bridge) and not wanted.mac and isinstance(found, Bridge):
            return True
        if isinstance(wanted, Macvlan) and not wanted.mac:
            return _same_place(wanted, found)
        return found == wanted

    # -- changing --------------------------------------------------------------------------------

    def _change(self, step: Step) -> None:
        key = step.key
        if isinstance(key, NamespaceKey):
            self._change_namespace(key.name, step.after)
            return
        namespace = getattr(key, "namespace", "")
        inside = self.namespaces.get(namespace)
        if inside is None:
            raise Refusal(f"there is no network namespace {namespace} of ours")
        if isinstance(key, LinkKey):
            self._change_link(inside, key, step)
        elif isinstance(key, SysctlKey):
            self._write(inside, key.path, str(step.after))
        elif isinstance(key, RouteKey):
            self._change_route(inside, key, step)
        elif isinstance(key, ON_A_LINK):
            link = inside.links.get(key.link)
            if link is None:
                raise Refusal(f"there is no link {key.link}{place(namespace)}")
            if isinstance(key, AddressKey):
                self._change_address(inside, key, link, step.after is not None)
            elif isinstance(key, FdbKey):
                _forward(link, key.mac, step.after)
            elif isinstance(key, NeighbourKey):
                self._tell(inside, key, link, step.after)
            else:
                self._set(inside, key, link, str(step.after))

    def _change_namespace(self, name: str, alias: Value | None) -> None:
        if alias is None:
            for link in list(self.namespaces[name].links):
                self._delete(name, link)
            del self.namespaces[name]
            return
        if name in self.foreign_pins:
            raise Refusal(f"/run/netns/{name} belongs to somebody else")
        for other, namespace in self.namespaces.items():
            if other and namespace.alias == alias:
                raise Refusal(f"its alias {alias} is that of /run/netns/{other}")
        self.namespaces.setdefault(name, FakeNamespace()).alias = str(alias)

    def _change_link(self, inside: FakeNamespace, key: LinkKey, step: Step) -> None:
        found, before, after = inside.links.get(key.name), step.before, step.after
        if found is not None and (
            before is None or found.kind != _kind(before) or isinstance(before, Foreign)
        ):
            raise Refusal(f"a link of kind {found.kind} has that name")
        if found is not None and isinstance(before, Bridge) and isinstance(after, Bridge):
            found.mac = after.mac
            return
        if found is not None and isinstance(after, Veth) and found.peer == (after.peer_namespace, after.peer):
            self.namespaces[after.peer_namespace].links[after.peer].mac = after.peer_mac
            return
        if found is not None and isinstance(after, Macvlan) and _same_place(after, self._link_value(found)):
            found.mac = after.mac
            return
        if found is not None and isinstance(before, Vxlan) and isinstance(after, Vxlan):
            self._check_vni(after, found)
            found.tunnel = after
            return
        if found is not None:
            self._delete(key.namespace, key.name)
        if isinstance(after, Vxlan):
            _check_name(key.name)
            self._check_vni(after, None)
            inside.links[key.name] = FakeLink("vxlan", self._new_mac(), tunnel=after)
        elif isinstance(after, Bridge):
            _check_name(key.name)
            inside.links[key.name] = FakeLink("bridge", after.mac or self._new_mac())
        elif isinstance(after, Veth):
            self._make_veth(inside, key, after)
        elif isinstance(after, Macvlan):
            self._make_macvlan(inside, key, after)
        elif isinstance(after, Dummy):
            _check_name(key.name)
            inside.links[key.name] = FakeLink("dummy", self._new_mac())
        elif isinstance(after, Vlan):
            self._make_vlan(inside, key, after)
        elif after is not None:
            raise Refusal("links of that kind are not made here")

    def _make_macvlan(self, inside: FakeNamespace, key: LinkKey, macvlan: Macvlan) -> None:
        parent = self.namespaces[""].links.get(macvlan.parent)
        if parent is None:
            raise Refusal(f"its parent {macvlan.parent} is not there")
        _check_name(key.name)
        modes = [link.mode for _, link in self._children(macvlan.parent)]
        if MacvlanMode.PASSTHRU in modes or (modes and macvlan.mode is MacvlanMode.PASSTHRU):
            raise Refusal("Invalid argument")
        inside.links[key.name] = FakeLink(
            "macvlan", macvlan.mac or self._new_mac(), parent.mtu, parent=macvlan.parent, mode=macvlan.mode
        )

    def _make_vlan(self, inside: FakeNamespace, key: LinkKey, wanted: Vlan) -> None:
        parent = inside.links.get(wanted.parent)
        if parent is None:
            raise Refusal(f"its parent {wanted.parent} is not there")
        if not self.has_vlans:
            raise Refusal("operation not supported: this kernel has no VLAN links (8021q)")
        _check_name(key.name)
        if any(each.parent == wanted.parent and each.vlan == wanted.number for each in inside.links.values()):
            raise Refusal(f"{wanted.parent} has a link for VLAN {wanted.number} already")
        inside.links[key.name] = FakeLink(
            "vlan", parent.mac, parent.mtu, parent=wanted.parent, vlan=wanted.number
        )

    def _children(self, parent: str) -> list[tuple[tuple[str, str], FakeLink]]:
        """The macvlan links on a link of the host's namespace, with where they are."""
        return [
            ((namespace, name), link)
            for namespace, inside in self.namespaces.items()
            for name, link in inside.links.items()
            if link.kind == "macvlan" and link.parent == parent
        ]

    def _check_vni(self, wanted: Vxlan, itself: FakeLink | None) -> None:
        for namespace, space in self.namespaces.items():
            for name, link in space.links.items():
                if link is itself or link.tunnel is None:
                    continue
                if (link.tunnel.vni, link.tunnel.port) == (wanted.vni, wanted.port):
                    raise Refusal(f"link {name}{place(namespace)} has its VNI {wanted.vni}")

    def _make_veth(self, inside: FakeNamespace, key: LinkKey, veth: Veth) -> None:
        other = self.namespaces.get(veth.peer_namespace)
        if other is None:
            raise Refusal(f"there is no network namespace {veth.peer_namespace} of ours")
        if veth.peer in other.links:
            kind = other.links[veth.peer].kind
            where = f"{veth.peer}{place(veth.peer_namespace)}"
            raise Refusal(f"its other end is {where}, and a link of kind {kind} has that name")
        _check_name(key.name)
        _check_name(veth.peer)
        ends = (key.namespace, key.name), (veth.peer_namespace, veth.peer)
        inside.links[key.name] = FakeLink("veth", self._new_mac(), peer=ends[1])
        other.links[veth.peer] = FakeLink("veth", veth.peer_mac or self._new_mac(), peer=ends[0])

    def _delete(self, namespace: str, name: str) -> None:
        inside = self.namespaces[namespace]
        link = inside.links.pop(name, None)
        for path in [path for path in inside.settings if path[-2] == name]:
            del inside.settings[path]
        if link is None:
            return
        inside.routes = {to: route for to, route in inside.routes.items() if route.link != name}
        inside.settings = {
            path: value for path, value in inside.settings.items() if path[2:-1] != ("conf", name)
        }
        for port in inside.links.values():
            if port.master == name:
                _leave_bridge(port)
        if link.peer is not None:
            self._delete(*link.peer)
        for where, _ in [] if namespace else self._children(name):
            self._delete(*where)
        for other in [other for other, each in inside.links.items() if each.vlan and each.parent == name]:
            self._delete(namespace, other)

    def _set(self, inside: FakeNamespace, key: LinkSettingKey, link: FakeLink, value: str) -> None:
        match key.setting:
            case LinkSetting.MTU:
                if int(value) not in MTUS:
                    raise Refusal(
                        "mtu less than device minimum"
                        if int(value) < 68
                        else "mtu greater than device maximum"
                    )
                link.mtu = int(value)
            case LinkSetting.MASTER:
                self._attach(inside, key, link, value)
            case LinkSetting.UP:
                self._raise(inside, key.link, link, value == "on")
            case LinkSetting.HAIRPIN | LinkSetting.ISOLATED | LinkSetting.LEARNING:
                if not link.master:
                    raise Refusal("it is no port of a bridge")
                setattr(link, key.setting.value, value == "on")
            case LinkSetting.MAC:
                link.mac, link.keeps_mac = value, True
            case LinkSetting.KEEPS_MAC:
                link.keeps_mac = True

    def _attach(self, inside: FakeNamespace, key: LinkSettingKey, link: FakeLink, bridge: str) -> None:
        if not bridge:
            _leave_bridge(link)
            return
        master = inside.links.get(bridge)
        if master is None:
            raise Refusal(f"there is no link {bridge}{place(key.namespace)}")
        if master.kind != "bridge":
            raise Refusal(f"{bridge} is a link of kind {master.kind}")
        if link.kind in ("bridge", "loopback"):
            raise Refusal(f"a link of kind {link.kind} cannot be a port of a bridge")
        _leave_bridge(link)
        link.master = bridge

    def _raise(self, inside: FakeNamespace, name: str, link: FakeLink, up: bool) -> None:
        if up and link.kind == "macvlan":
            others = [other for _, other in self._children(link.parent) if other is not link and other.up]
            if any(other.mac == link.mac for other in others):
                raise Refusal("Device or resource busy")
        link.up = up
        if up and link.kind == "loopback":
            link.addresses |= {ip_interface("127.0.0.1/8"), ip_interface("::1/128")}
        for address in link.addresses if up else ():
            self._connect(inside, name, address)
        if not up:
            # The kernel forgets what led over the link, and IPv6 addresses altogether.
            inside.routes = {to: route for to, route in inside.routes.items() if route.link != name}
            link.addresses = {address for address in link.addresses if address.version == 4}
            link.neighbours.clear()

    def _connect(self, inside: FakeNamespace, name: str, address: Interface) -> None:
        if address.network.prefixlen < address.max_prefixlen and not address.is_loopback:
            inside.routes.setdefault(address.network, Route(None, name))

    def _change_address(self, inside: FakeNamespace, key: AddressKey, link: FakeLink, wanted: bool) -> None:
        address = key.address
        if not wanted:
            link.addresses.discard(address)
            if inside.routes.get(address.network) == Route(None, key.link):
                del inside.routes[address.network]
            return
        if address.version == 6:
            off = self._setting(inside, ("net", "ipv6", "conf", key.link, "disable_ipv6")) == "1"
            if off:
                raise Refusal("IPv6 is disabled on this device")
            if any(each.ip == address.ip for each in link.addresses):
                raise Refusal("the link has that address with another prefix length")
        link.addresses.add(address)
        if link.up:
            self._connect(inside, key.link, address)

    def _tell(self, inside: FakeNamespace, key: NeighbourKey, link: FakeLink, mac: Value | None) -> None:
        if mac is None:
            link.neighbours.pop(key.address, None)
            return
        off = self._setting(inside, ("net", "ipv6", "conf", key.link, "disable_ipv6")) == "1"
        if key.address.version == 6 and off:
            raise Refusal("IPv6 is disabled on this device")
        link.neighbours[key.address] = str(mac)

    def _change_route(self, inside: FakeNamespace, key: RouteKey, step: Step) -> None:
        found, after = inside.routes.get(key.destination), step.after
        if after is None:
            if found != step.before:
                raise Refusal(_other_way(found))
            del inside.routes[key.destination]
            return
        assert isinstance(after, Route)
        if after.link and after.link not in inside.links:
            raise Refusal(f"there is no link {after.link}{place(key.namespace)}")
        if after.link and not inside.links[after.link].up:
            raise Refusal("Nexthop device is not up" if key.destination.version == 6 else "Network is down")
        if found is not None and step.before is None:
            raise Refusal(_other_way(found))
        link = after.link
        if after.gateway is not None:
            ways = [
                route.link
                for to, route in inside.routes.items()
                if to.version == after.gateway.version and after.gateway in to and route.gateway is None
            ]
            if not ways or (link and link not in ways):
                raise Refusal("Nexthop has invalid gateway")
            link = link or ways[0]
        inside.routes[key.destination] = Route(after.gateway, link)

    def _write(self, inside: FakeNamespace, path: tuple[str, ...], value: str) -> None:
        if self._setting(inside, path) is None:
            raise Refusal("the kernel has no such setting")
        if path in READ_ONLY:
            raise Refusal("it is read-only")
        if not value.replace(" ", "").isdigit():
            raise Refusal("the kernel does not accept that value")
        if path[-2] == "default":
            for name in inside.links:
                own = (*path[:-2], name, path[-1])
                inside.settings[own] = str(self._setting(inside, own))
        inside.settings[path] = value
        if path[-1] == "disable_ipv6" and path[-2] != "default":
            for name, link in inside.links.items():
                if path[-2] in ("all", name):
                    inside.settings[(*path[:-2], name, path[-1])] = value
                    if value == "1":
                        link.addresses = {each for each in link.addresses if each.version == 4}
                        link.neighbours = {at: mac for at, mac in link.neighbours.items() if at.version == 4}

    def _new_mac(self) -> str:
        self._made += 1
        return f"02:00:00:00:{self._made >> 8:02x}:{self._made & 255:02x}"


def _link_setting(link: FakeLink, setting: LinkSetting) -> str:
    values = {
        LinkSetting.MTU: str(link.mtu),
        LinkSetting.MASTER: link.master,
        LinkSetting.UP: "on" if link.up else "off",
        LinkSetting.HAIRPIN: "on" if link.hairpin else "off",
        LinkSetting.ISOLATED: "on" if link.isolated else "off",
        LinkSetting.LEARNING: "on" if link.learning else "off",
        LinkSetting.MAC: link.mac,
        LinkSetting.KEEPS_MAC: "on" if link.keeps_mac else "off",
    }
    return values[setting]


def _kind(value: Value | None) -> str:
    if isinstance(value, Foreign):
        return value.kind
    kinds: dict[type, str] = {
        Bridge: "bridge",
        Veth: "veth",
        Macvlan: "macvlan",
        Dummy: "dummy",
        Vlan: "vlan",
        Vxlan: "vxlan",
    }
    return kinds.get(type(value), "")


def _same_place(one: Macvlan, other: Value | None) -> bool:
    return isinstance(other, Macvlan) and (one.parent, one.mode) == (other.parent, other.mode)


def _leave_bridge(link: FakeLink) -> None:
    link.master, link.hairpin, link.isolated, link.learning = "", False, False, True
    link.forwarding = dict.fromkeys(link.forwarding, "")  # the bridge's half is gone


def _forward(link: FakeLink, mac: str, vtep: Value | None) -> None:
    if not vtep:
        link.forwarding.pop(mac, None)
        return
    if not link.master:
        raise Refusal("it is no port of a bridge")
    link.forwarding[mac] = str(vtep)


def _other_way(route: Route | None) -> str:
    if route is None:
        return "there is no such route"
    return "another route to it leads " + (
        f"via {route.gateway} on {route.link}" if route.gateway else f"on {route.link}"
    )


def _check_name(name: str) -> None:
    if not 0 < len(name) <= LONGEST_NAME:
        raise Refusal("Attribute failed policy validation")

"""What is really there under given keys: asked entry by entry, so that it costs what is asked.

The kernel is asked about single links by name and for the addresses of one link; nothing whose
length grows with the number of containers is read.
"""

import contextlib
import errno
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from fairlead.kernel.messages import (
    BRIDGE_PORT,
    FoundLink,
    namespace_number,
    read_namespace_number,
)
from fairlead.kernel.neighbours import (
    FoundNeighbour,
    forwarding_of,
    forwarding_table,
    is_permanent,
    neighbours_of,
    read_neighbour,
)
from fairlead.kernel.netlink import Refused, Request
from fairlead.kernel.routing import (
    FoundRoute,
    addresses_of,
    read_address,
    read_route,
    routes_of,
)
from fairlead.kernel.visit import Visit
from fairlead.model.addresses import Address, Interface, Subnet
from fairlead.model.errors import NotFound
from fairlead.model.host import (
    DUMMY_NAME,
    AddressKey,
    Bridge,
    Dummy,
    FdbKey,
    Foreign,
    Key,
    Link,
    LinkKey,
    LinkSetting,
    LinkSettingKey,
    Macvlan,
    MacvlanMode,
    NamespaceKey,
    NeighbourKey,
    Route,
    RouteKey,
    SysctlKey,
    Value,
    Veth,
    Vlan,
    Vxlan,
)

MISSING_PEER = Veth("", "", "")
LONGEST_SETTING = 1 << 16  # bytes
MAC_WAS_SET = "3"  # NET_ADDR_SET (Documentation/ABI/testing/sysfs-class-net)


def observe(visit: Visit, keys: Collection[Key]) -> dict[Key, Value | None]:
    """The value under each key, None for what is not there or lies in no namespace of ours."""
    return Look(visit, keys).state(keys)


def told(visit: Visit) -> dict[Key, Value]:
    """The VXLAN links of all overlay networks, with all that was told to them, whoever did."""
    look, found = Look(visit, ()), dict[Key, Value]()
    for namespace in visit.overlays():
        for link in visit.links_of(namespace, "vxlan"):
            found |= look.told(namespace, link)
    return found


def on_link(visit: Visit, key: LinkKey) -> dict[Key, Value]:
    """What is set and told on a VXLAN link, in the order in which it can be made again."""
    link = visit.link(key.namespace, key.name)
    if link is None:
        return {}
    settings = [setting for setting in LinkSetting if link.master or setting not in BRIDGE_PORT]
    settings.sort(key=lambda setting: setting is LinkSetting.UP)
    keys: list[Key] = [
        SysctlKey(key.namespace, ("net", "ipv6", "conf", key.name, name))
        for name in ("addr_gen_mode", "disable_ipv6")
    ]
    keys += [LinkSettingKey(key.namespace, key.name, setting) for setting in settings]
    look = Look(visit, keys)
    found = {**look.state(keys), **look.told(key.namespace, link)}
    of_bridge = {each for each in found if isinstance(each, NeighbourKey) and each.link != key.name}
    return {each: value for each, value in found.items() if value and each not in {key, *of_bridge}}


def _read_settings(visit: Visit, namespace: str, keys: Sequence[SysctlKey]) -> dict[SysctlKey, str | None]:
    """Kernel settings with single spaces between their words, None where they cannot be read."""
    found: dict[SysctlKey, str | None] = dict.fromkeys(keys)
    paths: dict[SysctlKey, str] = {}
    for key in keys:
        with contextlib.suppress(FileNotFoundError):
            paths[key] = setting_path(key)
    with contextlib.suppress(OSError):
        contents = visit.namespaces.read_files(namespace, list(paths.values()), LONGEST_SETTING)
        for key, content in zip(paths, contents, strict=True):
            found[key] = None if content is None else " ".join(content.decode(errors="replace").split())
    return found


def setting_path(key: SysctlKey) -> str:
    """The file of a kernel setting.  Raises FileNotFoundError for parts that would lead elsewhere."""
    if any(part in ("", ".", "..") or "/" in part or "\0" in part for part in key.path):
        raise FileNotFoundError(f"no kernel setting is called {'.'.join(key.path)}")
    return "/proc/sys/" + "/".join(key.path)


class Look:
    """The answers of one look; each question is asked once."""

    def __init__(self, visit: Visit, keys: Iterable[Key]):
        self._visit = visit
        self._links: dict[tuple[str, str], FoundLink | None] = {}
        self._masters: dict[tuple[str, int], str] = {}
        self._addresses: dict[tuple[str, int], dict[Interface, bool]] = {}
        self._direct: dict[tuple[str, int, int], set[Subnet]] = {}
        self._routes: dict[tuple[str, int], list[FoundRoute]] = {}
        self._forwarding: dict[tuple[str, int], dict[str, str]] = {}
        self._neighbours: dict[tuple[str, int, int], dict[Address, str]] = {}
        self._numbers: dict[str, dict[int, str]] = {}
        self._numbered: set[tuple[str, str]] = set()  # who was asked about whom
        self._settings: dict[SysctlKey, str | None] = {}
        # Where the other end of a veth may be: most likely in a namespace asked about.
        # A VXLAN link's packets are the host's, and so is a macvlan's parent.
        self._likely = dict.fromkeys(["", *(getattr(key, "namespace", "") for key in keys)])

    def state(self, keys: Collection[Key]) -> dict[Key, Value | None]:
        """What is there under each key."""
        answers: dict[Key, Value | None] = {}
        self._read_settings([key for key in keys if isinstance(key, SysctlKey)])
        for key in keys:
            try:
                answers[key] = self._value(key)
            except NotFound:
                answers[key] = None
        return answers

    def told(self, namespace: str, link: FoundLink) -> dict[Key, Value]:
        """A VXLAN link with its forwarding entries, its neighbours and its bridge's."""
        found: dict[Key, Value] = {LinkKey(namespace, link.name): self._vxlan(namespace, link)}
        for mac, vtep in self._forwarding_of(namespace, link.index).items():
            found[FdbKey(namespace, link.name, mac)] = vtep
        bridge = self._visit.link_numbered(namespace, link.master) if link.master else None
        for each in (link, bridge) if bridge else (link,):
            for version in (4, 6):
                for address, mac in self._neighbours_of(namespace, each.index, version).items():
                    found[NeighbourKey(namespace, each.name, address)] = mac
        return found

    def _value(self, key: Key) -> Value | None:
        match key:
            case NamespaceKey():
                return self._visit.namespaces.alias(key.name)
            case LinkKey():
                return self.link_value(key.namespace, self._link(key.namespace, key.name))
            case LinkSettingKey():
                return self._setting_value(key)
            case AddressKey():
                return True if self._has_address(key) else None
            case RouteKey():
                return self._route_value(key)
            case FdbKey():
                link = self._link(key.namespace, key.link)
                return self._forwarding_of(key.namespace, link.index).get(key.mac) if link else None
            case NeighbourKey(address=address):
                link = self._link(key.namespace, key.link)
                version = address.version
                return self._neighbours_of(key.namespace, link.index, version).get(address) if link else None
            case SysctlKey():
                return self._settings.get(key)
        return None

    def _read_settings(self, keys: Sequence[SysctlKey]) -> None:
        """All of a namespace in one go, since the way into one costs more than reading."""
        together: dict[str, list[SysctlKey]] = {}
        for key in keys:
            together.setdefault(key.namespace, []).append(key)
        for namespace, wanted in together.items():
            with contextlib.suppress(NotFound):
                self._settings |= _read_settings(self._visit, namespace, wanted)

    def _has_address(self, key: AddressKey) -> bool:
        """Whether a link has an address, and the route to its subnet that comes with it while it is up."""
        link = self._link(key.namespace, key.link)
        found = self._addresses_of(key.namespace, link.index) if link is not None else {}
        if link is None or key.address not in found:
            return False
        if not link.up or link.kind == "loopback" or not found[key.address]:
            return True
        place = (key.namespace, link.index, key.address.version)
        if place not in self._direct:
            routes = map(read_route, self._dump(key.namespace, routes_of(place[2], link.index)))
            self._direct[place] = {route.destination for route in routes if route.gateway is None}
        return key.address.network in self._direct[place]

    def _link(self, namespace: str, name: str) -> FoundLink | None:
        place = (namespace, name)
        if place not in self._links:
            link = self._links[place] = self._visit.link(namespace, name)
            if link is not None and link.master:
                self._master(namespace, link.master)
        return self._links[place]

    def _master(self, namespace: str, index: int) -> str:
        """The name of a bridge, asked for anew after its port.

        Describing first the port and then the bridge makes the kernel notice at once that they
        have a carrier; else it does so within a second, and drops what is sent until then.
        """
        place = (namespace, index)
        if place not in self._masters:
            bridge = self._visit.link_numbered(namespace, index)
            self._masters[place] = bridge.name if bridge else ""
        return self._masters[place]

    def link_value(self, namespace: str, link: FoundLink | None) -> Link | None:
        """What a link is."""
        if link is None:
            return None
        if link.kind == "bridge":
            return Bridge(link.mac)
        if link.kind == "veth":
            return self._veth(namespace, link)
        if link.kind == "macvlan" and link.mode in list(MacvlanMode):
            parent = self._peer(namespace, link)
            return Macvlan(parent[1].name if parent else "", MacvlanMode(link.mode), link.mac)
        if link.kind == "dummy" or link.kind == "ifb" and link.name.startswith(DUMMY_NAME):
            return Dummy(link.kind)
        if link.vlan and link.peer_namespace is None:
            carrier = self._peer(namespace, link)
            return Vlan(carrier[1].name if carrier else "", link.vlan)
        if link.tunnel is not None:
            return self._vxlan(namespace, link)
        return Foreign(link.kind)

    def _vxlan(self, namespace: str, link: FoundLink) -> Vxlan:
        """A VXLAN link, with port 0 if its packets are not those of the host's namespace."""
        assert link.tunnel is not None
        if link.peer_namespace is None:
            home: str | None = namespace
        else:
            home = self.namespace_numbered(namespace, link.peer_namespace)
        return link.tunnel if home == "" else replace(link.tunnel, port=0)

    def _veth(self, namespace: str, link: FoundLink) -> Veth:
        other = self._peer(namespace, link)
        if other is None:
            return MISSING_PEER
        home, peer = other
        return Veth(home, peer.name, peer.mac)

    def _peer(self, namespace: str, link: FoundLink) -> tuple[str, FoundLink] | None:
        """The other end of a veth or the parent of a macvlan, and the namespace that it is in."""
        if link.peer_namespace is None:
            home: str | None = namespace
        else:
            home = self.namespace_numbered(namespace, link.peer_namespace)
        if home is None or not link.peer:
            return None
        peer = self._visit.link_numbered(home, link.peer)
        if peer is None:
            return None
        self._links.setdefault((home, peer.name), peer)
        return home, peer

    def namespace_numbered(self, asking: str, number: int) -> str | None:
        """Which namespace of ours the asking one knows by a number."""
        known = self._numbers.setdefault(asking, {})
        if number < 0 or number in known or self._number(asking, self._likely, number):
            return known.get(number)
        self._number(asking, self._visit.namespaces.owned(), number)
        return known.get(number)

    def _number(self, asking: str, names: Iterable[str], wanted: int) -> bool:
        """Ask for the numbers of namespaces until the wanted one is found."""
        known = self._numbers[asking]
        for name in names:
            if (asking, name) in self._numbered:
                continue
            self._numbered.add((asking, name))
            with contextlib.suppress(NotFound, Refused):
                with self._visit.namespaces.handle(name) as descriptor:
                    answer = self._visit.talk(asking).get(namespace_number(descriptor))
                known[read_namespace_number(answer)] = name
                if wanted in known:
                    return True
        return False

    def _setting_value(self, key: LinkSettingKey) -> str | None:
        link = self._link(key.namespace, key.link)
        if link is None:
            return None
        match key.setting:
            case LinkSetting.MTU:
                return str(link.mtu)
            case LinkSetting.MASTER:
                return self._master(key.namespace, link.master) if link.master else ""
            case LinkSetting.UP:
                return _switch(link.up)
            case LinkSetting.HAIRPIN:
                return _switch(link.hairpin)
            case LinkSetting.ISOLATED:
                return _switch(link.isolated)
            case LinkSetting.LEARNING:
                return _switch(link.learning)
            case LinkSetting.MAC:
                return link.mac
            case LinkSetting.KEEPS_MAC:
                return _switch(_keeps_mac(link))

    def _addresses_of(self, namespace: str, index: int) -> dict[Interface, bool]:
        """Addresses, and whether a route to its subnet comes with each."""
        place = (namespace, index)
        if place not in self._addresses:
            answers = self._dump(namespace, addresses_of(index))
            self._addresses[place] = dict(map(read_address, answers))
        return self._addresses[place]

    def _forwarding_of(self, namespace: str, index: int) -> dict[str, str]:
        place = (namespace, index)
        if place not in self._forwarding:
            self._forwarding[place] = forwarding_table(self._entries(namespace, forwarding_of(index)))
        return self._forwarding[place]

    def _neighbours_of(self, namespace: str, index: int, version: int) -> dict[Address, str]:
        place = (namespace, index, version)
        if place not in self._neighbours:
            entries = self._entries(namespace, neighbours_of(index, version))
            found = {each.address: each.mac for each in entries if each.address and is_permanent(each)}
            self._neighbours[place] = found
        return self._neighbours[place]

    def _entries(self, namespace: str, request: Request) -> list[FoundNeighbour]:
        return list(map(read_neighbour, self._dump(namespace, request)))

    def _route_value(self, key: RouteKey) -> Route | None:
        place = (key.namespace, key.destination.version)
        if place not in self._routes:
            self._routes[place] = list(map(read_route, self._dump(key.namespace, routes_of(place[1]))))
        found = [route for route in self._routes[place] if route.destination == key.destination]
        if not found:
            return None
        best = min(found, key=lambda route: route.priority)
        return Route(best.gateway, self._name(key.namespace, best.link) if best.link else "")

    def _name(self, namespace: str, index: int) -> str:
        for (home, name), link in self._links.items():
            if home == namespace and link is not None and link.index == index:
                return name
        found = self._visit.link_numbered(namespace, index)
        return found.name if found else ""

    def _dump(self, namespace: str, request: Request) -> list[bytes]:
        try:
            return self._visit.talk(namespace).dump(request)
        except Refused as error:
            # A namespace in which no route was ever made has no main table; a link may just have gone.
            if error.code in (errno.ENOENT, errno.ENODEV):
                return []
            raise


def _keeps_mac(link: FoundLink) -> bool:
    """Whether somebody has set its hardware address, as far as the host's own links go."""
    with contextlib.suppress(OSError), open(f"/sys/class/net/{link.name}/addr_assign_type") as file:
        return file.read().strip() == MAC_WAS_SET
    return False


def _switch(on: bool) -> str:
    return "on" if on else "off"

"""Steps become requests, one after the other; what the kernel refuses is looked at before it counts.

A refusal is no failure when the entry already is as the step wants it, whoever made it so.
"""

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from itertools import groupby

from fairlead.kernel import messages, neighbours, routing
from fairlead.kernel.announcing import announcement
from fairlead.kernel.netlink import Refused, Request
from fairlead.kernel.observe import observe, on_link, setting_path
from fairlead.kernel.reasons import DUMMIES, is_of_kind, reason, taken
from fairlead.kernel.visit import Visit
from fairlead.kernel.wording import cannot
from fairlead.model.errors import Failed, NotFound, StepFailed
from fairlead.model.host import (
    AddressKey,
    Bridge,
    Dummy,
    FdbKey,
    Foreign,
    LinkKey,
    LinkSetting,
    LinkSettingKey,
    Macvlan,
    MacvlanMode,
    NamespaceKey,
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


def perform(visit: Visit, steps: Sequence[Step]) -> None:
    """Carry out the steps in their order.  Raises StepFailed with the number of steps done."""
    work = _Work(visit)
    done = 0
    for namespace, together in _runs(steps):
        try:
            if namespace is None:
                work.do(together[0])
            else:
                work.delete_links(namespace, together)
        except StepFailed as failure:
            raise StepFailed(failure.message, done + failure.done) from failure
        except (Failed, NotFound) as failure:
            raise StepFailed(failure.message, done) from failure
        except (Refused, OSError) as error:
            raise StepFailed(f"{cannot(together[0])}: {error}", done) from error
        done += len(together)


def _runs(steps: Sequence[Step]) -> Iterator[tuple[str | None, list[Step]]]:
    """The steps one by one, but deletions of links that follow each other in one namespace together."""

    def namespace_of_deletion(step: Step) -> str | None:
        return step.key.namespace if isinstance(step.key, LinkKey) and step.after is None else None

    for namespace, run in groupby(steps, namespace_of_deletion):
        if namespace is None:
            yield from ((None, [step]) for step in run)
        else:
            yield namespace, list(run)


def satisfied(wanted: Value | None, found: Value | None) -> bool:
    """Whether what is there is what a step wanted; "" in a wanted value leaves that part open."""
    match wanted, found:
        case Bridge(mac=""), Bridge():
            return True
        case Veth(peer_mac=""), Veth():
            return _same_ends(wanted, found)
        case Macvlan(mac=""), Macvlan():
            return _same_place(wanted, found)
        case Route(link=""), Route():
            return wanted.gateway == found.gateway
    return wanted == found


def _same_ends(one: Veth, other: Veth) -> bool:
    return (one.peer_namespace, one.peer) == (other.peer_namespace, other.peer)


def _same_place(one: Macvlan, other: Macvlan) -> bool:
    return (one.parent, one.mode) == (other.parent, other.mode)


class _Work:
    """One performance, with the numbers of the links it has met."""

    def __init__(self, visit: Visit):
        self._visit = visit
        self._indexes: dict[tuple[str, str], int] = {}
        self._carriers: dict[tuple[str, str], str] = {}

    def do(self, step: Step) -> None:
        """Carry out one step that deletes no link.  Raises Failed."""
        if step.after is None and isinstance(step.key, (SysctlKey, LinkSettingKey)):
            return  # a setting is never absent: it stays as it is, or goes with its link
        try:
            self._change(step)
        except (Refused, NotFound, OSError) as error:
            self._forget_links()
            found = observe(self._visit, [step.key])[step.key]
            if not satisfied(step.after, found):
                raise Failed(f"{cannot(step)}: {reason(self._visit, step, found, error)}") from error

    def delete_links(self, namespace: str, steps: Sequence[Step]) -> None:
        """Delete links of one namespace in the time of one, as a numbered group that nobody else uses.

        Raises StepFailed; the steps before the failing one are done.
        """
        group = int.from_bytes(os.urandom(4), "little") >> 1 | 1
        self._forget_links()
        marked = 0
        try:
            for step in steps:
                self._mark(step, group)
                marked += 1
        except (Failed, Refused) as error:
            message = error.message if isinstance(error, Failed) else f"{cannot(step)}: {error.reason}"
            raise StepFailed(message, marked) from error
        finally:
            self._delete_group(namespace, steps[0], group)

    def _mark(self, step: Step, group: int) -> None:
        assert isinstance(step.key, LinkKey)
        try:
            link = self._visit.link(step.key.namespace, step.key.name)
        except NotFound:
            return  # it went with its namespace
        if link is None or step.before is None:
            return
        if not is_of_kind(step.before, link.kind) or isinstance(step.before, Foreign):
            raise Failed(f"{cannot(step)}: {taken(link.kind)}")
        self._visit.talk(step.key.namespace).change(messages.group_link(step.key.name, group))

    def _delete_group(self, namespace: str, first: Step, group: int) -> None:
        try:
            self._visit.talk(namespace).change(messages.delete_group(group))
        except NotFound:
            return
        except Refused as error:
            if error.code != errno.ENODEV:  # no link was left to delete
                raise StepFailed(f"{cannot(first)}: {error.reason}", 0) from error

    def _change(self, step: Step) -> None:
        match step.key:
            case NamespaceKey():
                self._change_namespace(step.key.name, step.after)
            case LinkKey():
                self._change_link(step.key, step)
            case LinkSettingKey():
                self._visit.talk(step.key.namespace).change(self._setting(step.key, str(step.after)))
            case AddressKey():
                self._change_address(step.key, wanted=step.after is not None)
            case RouteKey():
                self._change_route(step.key, step)
            case SysctlKey():
                self._write_setting(step.key, str(step.after))
            case FdbKey():
                self._forward(step.key, step)
            case NeighbourKey():
                self._tell(step.key, step.after)
            case _:
                raise Failed(f"{cannot(step)}: it is no part of the kernel's links")

    def _change_namespace(self, name: str, alias: Value | None) -> None:
        self._forget_links()
        if alias:
            self._visit.namespaces.pin(name, str(alias))
        else:
            self._visit.leave(name)
            self._visit.namespaces.unpin(name)

    def _change_link(self, key: LinkKey, step: Step) -> None:
        self._forget_links()
        before, after = step.before, step.after
        talk = self._visit.talk(key.namespace)
        if isinstance(before, Bridge) and isinstance(after, Bridge):
            talk.change(messages.set_mac(key.name, after.mac))
            return
        if isinstance(before, Veth) and isinstance(after, Veth) and _same_ends(before, after):
            self._visit.talk(after.peer_namespace).change(messages.set_mac(after.peer, after.peer_mac))
            return
        if isinstance(before, Macvlan) and isinstance(after, Macvlan) and _same_place(before, after):
            talk.change(messages.set_mac(key.name, after.mac))
            return
        if isinstance(before, Vxlan) and isinstance(after, Vxlan):
            self._change_vxlan(key, before, after)
            return
        if before is not None:
            self.delete_links(key.namespace, [step])
        match after:
            case Bridge():
                talk.change(messages.new_bridge(key.name, after.mac))
            case Veth():
                with self._visit.namespaces.handle(after.peer_namespace) as home:
                    talk.change(messages.new_veth(key.name, after.peer, after.peer_mac, home))
            case Macvlan():
                self._make_macvlan(key, after)
            case Dummy():
                self._make_dummy(key)
            case Vlan():
                carrier = self._index(key.namespace, after.parent)
                talk.change(messages.new_vlan(key.name, carrier, after.number))
            case Vxlan():
                self._make_vxlan(key, after)
            case _:
                raise Failed(f"{cannot(step)}: links of that kind are not made here")

    def _make_macvlan(self, key: LinkKey, wanted: Macvlan) -> None:
        """Made where it is to be: under its name there may be another link in the host's namespace."""
        parent = self._index("", wanted.parent)
        talk = self._visit.talk(key.namespace)
        home = self._number_of_host(key.namespace) if key.namespace else None
        talk.change(messages.new_macvlan(key.name, parent, home, wanted.mode, wanted.mac))
        if wanted.mode is MacvlanMode.PASSTHRU and wanted.mac:
            # It is made with its parent's address whatever was asked, and its parent gets any other.
            try:
                talk.change(messages.set_mac(key.name, wanted.mac))
            except Refused:
                talk.change(messages.delete_link(key.name))
                raise

    def _number_of_host(self, namespace: str) -> int:
        """By which number a namespace knows the host's, which it is given if it has none."""
        talk = self._visit.talk(namespace)
        with self._visit.namespaces.handle("") as home:
            with contextlib.suppress(Refused):
                talk.change(messages.number_namespace(home))
            return messages.read_namespace_number(talk.get(messages.namespace_number(home)))

    def _make_dummy(self, key: LinkKey) -> None:
        talk = self._visit.talk(key.namespace)
        for kind in DUMMIES:
            try:
                talk.change(messages.new_dummy(key.name, kind))
                return
            except Refused as error:
                if error.code != errno.EOPNOTSUPP or kind == DUMMIES[-1]:
                    raise

    def _make_vxlan(self, key: LinkKey, wanted: Vxlan) -> None:
        """Asked of the host's namespace, whose packets its packets are to be."""
        if not key.namespace:
            self._visit.talk("").change(messages.new_vxlan(key.name, wanted, None))
            return
        with self._visit.namespaces.handle(key.namespace) as home:
            self._visit.talk("").change(messages.new_vxlan(key.name, wanted, home))

    def _change_vxlan(self, key: LinkKey, before: Vxlan, after: Vxlan) -> None:
        """Change its local address, or make it anew with all that is set and told on it."""
        talk = self._visit.talk(key.namespace)
        on_ipv4 = before.local.version == after.local.version == 4  # the kernel changes no other
        if on_ipv4 and (before.vni, before.port) == (after.vni, after.port):
            talk.change(messages.set_vxlan(key.name, after))
            return
        there = on_link(self._visit, key)
        self.delete_links(key.namespace, [Step(key, before, None)])
        try:
            self._make_vxlan(key, after)
        except Refused:
            if before.port:
                self._make_vxlan(key, before)
            raise
        finally:
            for other, value in there.items():
                self.do(Step(other, None, value))

    def _setting(self, key: LinkSettingKey, value: str) -> Request:
        match key.setting:
            case LinkSetting.MTU:
                return messages.set_mtu(key.link, int(value))
            case LinkSetting.MASTER:
                return messages.set_master(key.link, self._index(key.namespace, value) if value else 0)
            case LinkSetting.UP:
                return messages.set_up(key.link, value == "on")
            case LinkSetting.HAIRPIN | LinkSetting.ISOLATED | LinkSetting.LEARNING:
                return messages.set_port(key.link, key.setting, value == "on")
            case LinkSetting.MAC:
                return messages.set_mac(key.link, value)
            case LinkSetting.KEEPS_MAC:
                # To set it is to keep it; nothing takes that back.
                link = self._visit.link(key.namespace, key.link)
                return messages.set_mac(key.link, link.mac if link else "")

    def _change_address(self, key: AddressKey, wanted: bool) -> None:
        index = self._index(key.namespace, key.link)
        talk = self._visit.talk(key.namespace)
        if not wanted:
            talk.change(routing.delete_address(index, key.address))
            return
        try:
            talk.change(routing.new_address(index, key.address))
        except Refused as error:
            if error.code != errno.EEXIST:
                raise
            # It is there, so what is missing is the route that came with it.
            talk.change(routing.new_direct_route(index, key.address))

    def _change_route(self, key: RouteKey, step: Step) -> None:
        route = step.before if step.after is None else step.after
        if not isinstance(route, Route):
            return  # neither was there nor is wanted
        link = self._index(key.namespace, route.link) if route.link else 0
        if step.after is None:
            request = routing.delete_route(key.destination, route, link)
        else:
            request = routing.new_route(key.destination, route, link, replace=step.before is not None)
        self._visit.talk(key.namespace).change(request)

    def _forward(self, key: FdbKey, step: Step) -> None:
        index = self._index(key.namespace, key.link)
        talk = self._visit.talk(key.namespace)
        vteps = str(step.after or "").split()
        if len(vteps) != 1 or " " in str(step.before):  # of several the kernel would replace only the first
            for request in neighbours.forget(index, key.mac):
                with contextlib.suppress(Refused):  # half of it may be missing
                    talk.change(request)
        if len(vteps) == 1:  # what was no good is not brought back
            for request in neighbours.forward(index, key.mac, ip_address(vteps[0])):
                talk.change(request)

    def _tell(self, key: NeighbourKey, mac: Value | None) -> None:
        index = self._index(key.namespace, key.link)
        talk = self._visit.talk(key.namespace)
        if mac is None:
            talk.change(neighbours.delete_neighbour(index, key.address))
            return
        talk.change(neighbours.new_neighbour(index, key.address, str(mac)))
        carrier = self._carrier(key.namespace, key.link)
        if carrier:
            with contextlib.suppress(OSError):  # it is down: nobody is there who could remember anything
                self._visit.send_frame(key.namespace, carrier, announcement(key.address, str(mac)))

    def _write_setting(self, key: SysctlKey, value: str) -> None:
        descriptor = self._visit.namespaces.open_file(key.namespace, setting_path(key), os.O_WRONLY)
        try:
            os.write(descriptor, value.encode())
        finally:
            os.close(descriptor)

    def _carrier(self, namespace: str, name: str) -> str:
        """The bridge that a link is a port of, else the link; "" if there is none."""
        place = (namespace, name)
        if place not in self._carriers:
            link = self._visit.link(namespace, name)
            bridge = self._visit.link_numbered(namespace, link.master) if link and link.master else link
            self._carriers[place] = bridge.name if bridge is not None else ""
        return self._carriers[place]

    def _forget_links(self) -> None:
        self._indexes.clear()
        self._carriers.clear()

    def _index(self, namespace: str, link: str) -> int:
        """The number of a link.  Raises Refused when there is none."""
        place = (namespace, link)
        if place not in self._indexes:
            answer = self._visit.talk(namespace).get(messages.link_named(link))
            self._indexes[place] = messages.read_link_index(answer)
        return self._indexes[place]

"""What the API says beside what a plan says, and which plans are possible after a call."""

from dataclasses import replace
from typing import Any

from bench import states_model as model
from bench.states_model import EXITED, RUNNING, Deed, Plan


def halfway(plan: Plan, deed: Deed) -> list[Plan]:
    """A container that a call was about may have been left on the way."""
    own, goal = plan.containers.get(deed.about), deed.after.containers.get(deed.about)
    if own is None:
        return []
    widened = own.status | {EXITED} | (goal.status if goal else frozenset())
    return [
        plan.having(deed.about, replace(own, status=widened, stopped=stopped)) for stopped in (False, True)
    ]


def possible(deed: Deed, before: Plan) -> list[Plan]:
    """Nobody heard the answer: carried out to its end all the same."""
    if deed.allowed is None:
        return [deed.after, before, *halfway(before, deed)]
    return [deed.after] if all(status < 300 for status in deed.allowed) else [before]


def with_status(plan: Plan, seen: dict[str, Any]) -> Plan:
    """The same with each container in the one state that it was seen in."""
    for name, each in plan.containers.items():
        plan = plan.having(name, replace(each, status=frozenset({seen[name]["State"]["Status"]})))
    return plan


def compared(plan: Plan, networks: dict[str, Any], containers: dict[str, Any]) -> list[str]:
    """What the API says otherwise than a plan."""
    wrong: list[str] = []
    own = {name: each for name, each in networks.items() if name not in ("bridge", "none", "host")}
    if own.keys() != plan.networks.keys():
        return [f"networks {sorted(own)}, not {sorted(plan.networks)}"]
    if containers.keys() != plan.containers.keys():
        return [f"containers {sorted(containers)}, not {sorted(plan.containers)}"]
    for name, network in plan.networks.items():
        pools = [each["Subnet"] for each in own[name]["IPAM"]["Config"]]
        said = (own[name]["Internal"], own[name]["EnableIPv6"], own[name]["Options"], pools[0])
        options = {model.ICC: "false"} if network.kind == "icc=false" else {}
        wanted = (network.kind == "internal", network.kind == "ipv6", options, network.subnet)
        if said != wanted:
            wrong.append(f"network {name} is {said}, not {wanted}")
    for name, container in plan.containers.items():
        wrong += _compared_container(name, container, containers[name])
    return wrong


def _compared_container(name: str, plan: model.Container, seen: dict[str, Any]) -> list[str]:
    wrong: list[str] = []
    status = seen["State"]["Status"]
    if status not in plan.status:
        wrong.append(f"container {name} is {status}, not {sorted(plan.status)}")
    there = {each: place for each, place in seen["NetworkSettings"]["Networks"].items() if each not in _PLAIN}
    wanted = {each: place for each, place in plan.places.items() if each != "bridge"}
    if {each for each, place in wanted.items() if not place.lost} - there.keys() or there.keys() - wanted:
        wrong.append(f"container {name} is on {sorted(there)}, not {sorted(wanted)}")
    for each, place in wanted.items():
        if each not in there or place.lost:
            continue
        if place.alias and place.alias not in (there[each]["Aliases"] or []):
            wrong.append(f"container {name} lacks the alias {place.alias} on {each}")
        if status == RUNNING and not there[each]["IPAddress"]:
            wrong.append(f"container {name} runs without an address on {each}")
        if status == RUNNING and place.ip and there[each]["IPAddress"] != place.ip:
            wrong.append(f"container {name} has {there[each]['IPAddress']} on {each}, not {place.ip}")
    bound = seen["NetworkSettings"]["Ports"] if status == RUNNING else None
    published = {int(each["HostPort"]) for several in (bound or {}).values() for each in several or []}
    if status == RUNNING and plan.home not in ("none", "host") and published != set(plan.ports):
        internal = plan.ports and not published
        if not internal:
            wrong.append(f"container {name} publishes {sorted(published)}, not {plan.ports}")
    return wrong


_PLAIN = ("bridge", "none", "host")

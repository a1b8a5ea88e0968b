"""What a host should have after each call, on paper: what is allowed to be refused, and what is there then.

A `Plan` is a value; every call makes another one.  Where Docker's own answer depends on more than this
model knows, either outcome is allowed, and the answer says which it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bench.asking import Question

SUBNETS = ("10.71.0.0/24", "10.72.0.0/24", "10.73.0.0/24")
KINDS = ("plain", "internal", "ipv6", "icc=false")
ICC = "com.docker.network.bridge.enable_icc"
RUNNING, EXITED, CREATED = "running", "exited", "created"


@dataclass(frozen=True, slots=True)
class Network:
    """A network, as it was asked for."""

    kind: str
    subnet: str


@dataclass(frozen=True, slots=True)
class Place:
    """What a container asked for on a network; `lost` when the network has been removed since."""

    ip: str = ""
    alias: str = ""
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """A container; `status` are those that it may have."""

    home: str
    policy: str
    ports: tuple[int, ...]
    link: str
    places: Mapping[str, Place]
    status: frozenset[str] = frozenset({CREATED})
    stopped: bool = False  # by its user

    @property
    def runs(self) -> bool:
        """Whether it does, for sure."""
        return self.status == {RUNNING}


@dataclass(frozen=True, slots=True)
class Plan:
    """All that there should be."""

    networks: Mapping[str, Network] = field(default_factory=dict)
    containers: Mapping[str, Container] = field(default_factory=dict)

    def having(self, name: str, container: Container | None) -> "Plan":
        """The same with another container of that name, without one for None."""
        others = {each: value for each, value in self.containers.items() if each != name}
        return replace(self, containers=others if container is None else {**others, name: container})

    def revived(self) -> "Plan":
        """After another daemon has started: what restart policies do then."""
        plan = self
        for name, each in self.containers.items():
            if each.policy == "always" or (each.policy == "unless-stopped" and not each.stopped):
                if each.status == {EXITED} and self.starts(name) is True:
                    plan = plan.having(name, replace(each, status=frozenset({RUNNING})))
                elif EXITED in each.status:
                    plan = plan.having(name, replace(each, status=each.status | {RUNNING}))
        return plan

    def starts(self, name: str) -> bool | None:
        """Whether a container can be started; None where it depends on what is not known here."""
        own = self.containers[name]
        others = [each for other, each in self.containers.items() if other != name]
        unsure = [each for each in others if RUNNING in each.status]
        if any(set(own.ports) & set(each.ports) for each in unsure if own.home != "host" != each.home):
            return False if all(each.runs for each in unsure) and own.home not in ("none", "host") else None
        if own.link or any(place.lost for place in own.places.values()):
            return None
        for network, place in own.places.items():
            if place.ip and any(place.ip == each.places.get(network, Place()).ip for each in others):
                return None
        return True


@dataclass(frozen=True, slots=True)
class Deed:
    """A call, and what it leads to.

    `allowed` are the statuses that may answer it, None for any; a refusal changes nothing.
    """

    question: Question
    allowed: frozenset[int] | None
    after: Plan
    about: str = ""  # the container that may be found halfway when the daemon was killed meanwhile


def _deed(
    question: Question, plan: Plan, allowed: int | tuple[int, ...] | None, after: Plan, about: str = ""
) -> Deed:
    wanted = None if allowed is None else frozenset((allowed,) if isinstance(allowed, int) else allowed)
    return Deed(question, wanted, after, about)


def create_network(plan: Plan, name: str, kind: str, subnet: str) -> Deed:
    """POST /networks/create."""
    pools = [{"Subnet": subnet}]
    if kind == "ipv6":
        pools.append({"Subnet": f"fd00:{subnet.split('.')[1]}::/64"})
    body: dict[str, Any] = {
        "Name": name,
        "CheckDuplicate": True,
        "Internal": kind == "internal",
        "EnableIPv6": kind == "ipv6",
        "IPAM": {"Config": pools},
        "Options": {ICC: "false"} if kind == "icc=false" else {},
    }
    status = 201
    if name in plan.networks:
        status = 409
    elif subnet in [each.subnet for each in plan.networks.values()]:
        status = 403
    after = replace(plan, networks={**plan.networks, name: Network(kind, subnet)})
    return _deed(Question("POST", "/networks/create", body), plan, status, after)


def remove_network(plan: Plan, name: str) -> Deed:
    """DELETE /networks/NAME."""
    using = [each for each in plan.containers.values() if name in each.places and not each.places[name].lost]
    status: int | None = 204
    if name not in plan.networks:
        status = 404
    elif any(RUNNING in each.status for each in using):
        status = 403 if any(each.runs for each in using) else None
    after = replace(plan, networks={each: value for each, value in plan.networks.items() if each != name})
    for each, container in plan.containers.items():
        if name in container.places:
            places = {**container.places, name: replace(container.places[name], lost=True)}
            after = after.having(each, replace(container, places=places))
    return _deed(Question("DELETE", f"/networks/{name}"), plan, status, after)


def create_container(
    plan: Plan, name: str, home: str, place: Place, ports: tuple[int, ...], policy: str, link: str
) -> Deed:
    """POST /containers/create."""
    own = home in plan.networks
    place = replace(place, ip=_within(plan, home, place.ip)) if own else Place(lost=home not in _BUILT_IN)
    wanted = {"IPAMConfig": {"IPv4Address": place.ip} if place.ip else None, "Aliases": _listed(place.alias)}
    body = {
        "Image": "busybox",
        "Cmd": ["sleep", "100000"],
        "HostConfig": {
            "NetworkMode": home,
            "PortBindings": {f"{80 + port % 2}/tcp": [{"HostPort": str(port)}] for port in ports},
            "RestartPolicy": {"Name": policy},
            "Links": [f"{link}:friend"] if link else [],
        },
        "NetworkingConfig": {"EndpointsConfig": {home: wanted} if own else {}},
    }
    made = Container(home, policy, ports, link, {home: place} if home not in ("none", "host") else {})
    known = (own or home in _BUILT_IN) and not link
    status = 409 if name in plan.containers else 201 if known else None
    question = Question("POST", f"/containers/create?name={name}", body)
    return _deed(question, plan, status, plan.having(name, made) if name not in plan.containers else plan)


_BUILT_IN = ("bridge", "none", "host")


def _within(plan: Plan, network: str, host: str) -> str:
    return plan.networks[network].subnet.rpartition(".")[0] + f".{host}" if host else ""


def _listed(word: str) -> list[str]:
    return [word] if word else []


def start(plan: Plan, name: str) -> Deed:
    """POST /containers/NAME/start."""
    question = Question("POST", f"/containers/{name}/start")
    own = plan.containers.get(name)
    if own is None:
        return _deed(question, plan, 404, plan)
    if own.runs:
        return _deed(question, plan, 304, plan)
    can = plan.starts(name)
    status = {True: (204,), False: (500,), None: None}[can if len(own.status) == 1 else None]
    return _deed(question, plan, status, _with(plan, name, RUNNING, stopped=False), name)


def stop(plan: Plan, name: str) -> Deed:
    """POST /containers/NAME/stop, at once."""
    question = Question("POST", f"/containers/{name}/stop?t=0")
    own = plan.containers.get(name)
    if own is None:
        return _deed(question, plan, 404, plan)
    if RUNNING not in own.status:
        return _deed(question, plan, 304, plan)
    return _deed(question, plan, 204 if own.runs else None, _with(plan, name, EXITED, stopped=True), name)


def kill(plan: Plan, name: str) -> Deed:
    """POST /containers/NAME/kill."""
    question = Question("POST", f"/containers/{name}/kill")
    own = plan.containers.get(name)
    if own is None:
        return _deed(question, plan, 404, plan)
    if RUNNING not in own.status:
        return _deed(question, plan, 409, plan)
    return _deed(question, plan, 204 if own.runs else None, _with(plan, name, EXITED, stopped=True), name)


def restart(plan: Plan, name: str) -> Deed:
    """POST /containers/NAME/restart, at once."""
    question = Question("POST", f"/containers/{name}/restart?t=0")
    own = plan.containers.get(name)
    if own is None:
        return _deed(question, plan, 404, plan)
    sure = plan.starts(name) if len(own.status) == 1 else None
    if sure is None:
        halfway = own.status | {RUNNING, EXITED}
        return _deed(question, plan, None, plan.having(name, replace(own, status=halfway)), name)
    status = 204 if sure else 500
    return _deed(question, plan, status, _with(plan, name, RUNNING, stopped=False), name)


def _with(plan: Plan, name: str, status: str, stopped: bool) -> Plan:
    changed = replace(plan.containers[name], status=frozenset({status}), stopped=stopped)
    return plan.having(name, changed)


def remove(plan: Plan, name: str, force: bool) -> Deed:
    """DELETE /containers/NAME."""
    question = Question("DELETE", f"/containers/{name}?force={int(force)}")
    own = plan.containers.get(name)
    status: int | None = 204
    if own is None:
        status = 404
    elif RUNNING in own.status and not force:
        status = 409 if own.runs else None
    return _deed(question, plan, status, plan.having(name, None), name)


def rename(plan: Plan, name: str, other: str) -> Deed:
    """POST /containers/NAME/rename."""
    question = Question("POST", f"/containers/{name}/rename?name={other}")
    own = plan.containers.get(name)
    if own is None:
        return _deed(question, plan, 404, plan)
    if other in plan.containers:
        return _deed(question, plan, (400, 409), plan)
    after = plan.having(name, None).having(other, own)
    for each, container in after.containers.items():
        if container.link == name:
            after = after.having(each, replace(container, link=other))
    return _deed(question, plan, 204, after)


def connect(plan: Plan, network: str, name: str, place: Place) -> Deed:
    """POST /networks/NETWORK/connect."""
    known, own = network in plan.networks, plan.containers.get(name)
    place = replace(place, ip=_within(plan, network, place.ip) if known else "")
    wanted = {"IPAMConfig": {"IPv4Address": place.ip} if place.ip else None, "Aliases": _listed(place.alias)}
    body = {"Container": name, "EndpointConfig": wanted}
    question = Question("POST", f"/networks/{network}/connect", body)
    if own is None or not known:
        return _deed(question, plan, 404, plan)
    taken = place.ip and any(place.ip == each.places.get(network, Place()).ip for each in _others(plan, name))
    sure = own.home not in ("none", "host") and network not in own.places and not taken
    after = plan.having(name, replace(own, places={**own.places, network: place}))
    return _deed(question, plan, 200 if sure else None, after)


def _others(plan: Plan, name: str) -> list[Container]:
    return [each for other, each in plan.containers.items() if other != name]


def disconnect(plan: Plan, network: str, name: str) -> Deed:
    """POST /networks/NETWORK/disconnect."""
    own = plan.containers.get(name)
    question = Question("POST", f"/networks/{network}/disconnect", {"Container": name})
    lost = own is not None and own.places.get(network, Place()).lost
    if own is None or (network not in plan.networks and not lost):
        return _deed(question, plan, 404, plan)
    places = {each: place for each, place in own.places.items() if each != network}
    status = None if network not in own.places or own.places[network].lost else 200
    return _deed(question, plan, status, plan.having(name, replace(own, places=places)))

"""Many clients ask one daemon at once, at random, and each knows what its own things should be afterwards.

What belongs to one client is exact: its calls come one after the other, so that a sequential model
(`bench.states_model`) says how each is answered and what is there then.  What all share has allowed
answers only.  Some clients go away in the middle of a call; once somebody else holds the lock of
iptables for ten seconds.  At the end the audit must be clean.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from bench import states_model as model
from bench.asking import Call, Gone, Question, ask
from bench.states_compare import compared, halfway, possible, with_status
from bench.states_model import Deed, Place, Plan
from fairlead.lab import images
from fairlead.lab.engine import command_of
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab

LIMIT = 5.0  # seconds that a call may take
LOCK = "/run/xtables.lock"
LOCKED = 10.0  # seconds for which somebody else holds it
VANISHING = 16  # of so many changes a client hears the answers to all but one
LOOKED = 0.3  # of the answers that are followed by a look at what is there
AFTERMATH = 5.0  # seconds in which what has waited for it is done
EXPECTED = (
    "port is already allocated",
    "is not connected to",
)  # of the answers with 500, which are Docker's too
UNREAD = 20.0  # seconds until a call without any trace is taken to have been dropped with its client
SETTLED = 60.0  # seconds until what a vanished client had asked for is done
SHARED_NETWORK, SHARED_CONTAINER = "prize", "trophy"
LEGACY = "/run/legacy"  # a directory with the programs of iptables that use the lock


@dataclass(frozen=True, slots=True)
class Course:
    """How many clients, for how long, and how long each pauses between two calls at most (seconds).

    With `steps` each takes so many, however long that lasts.
    """

    clients: int = 64
    seconds: float = 120.0
    steps: int = 0
    pause: float = 0.0
    chance: int = 1
    lock: bool = True


@dataclass(slots=True)
class Report:
    """What was seen; `waits` are the seconds of each kind of call, without and with the lock held."""

    waits: dict[tuple[str, bool], list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    vanished: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def calls(self) -> int:
        """How many were answered."""
        return sum(map(len, self.waits.values()))

    def longest(self, locked: bool) -> float:
        """Seconds of the slowest call."""
        return max((max(each) for (_, held), each in self.waits.items() if held is locked), default=0.0)

    def note(self, kind: str, locked: bool, seconds: float, status: int) -> None:
        """One answered call."""
        with self.turn:
            self.waits.setdefault((kind, locked), []).append(seconds)
            self.statuses[status] += 1

    def table(self) -> str:
        """For people: calls, median, 99 of 100, longest."""
        lines = [f"{'call':28}{'lock':>6}{'count':>8}{'median':>9}{'99 %':>9}{'longest':>9}"]
        for (kind, locked), waits in sorted(self.waits.items(), key=lambda each: (each[0][1], each[0][0])):
            ordered = sorted(waits)
            marks = [ordered[len(ordered) * share // 100] for share in (50, 99)]
            lines.append(
                f"{kind:28}{'held' if locked else '':>6}{len(ordered):8}"
                + "".join(f"{each:9.3f}" for each in (*marks, ordered[-1]))
            )
        return "\n".join(lines)


@dataclass(slots=True)
class Hold:
    """When somebody else held the lock."""

    begun: float = float("inf")
    ended: float = float("inf")

    def meets(self, begun: float, ended: float) -> bool:
        """Whether a call from then to then may have waited for it."""
        return begun < self.ended + AFTERMATH and ended > self.begun


class Client:
    """One of them, with a network and two containers of its own."""

    def __init__(self, host: Host, number: int, course: Course, report: Report, held: Hold):
        self._host, self._course, self._report, self._held = host, course, report, held
        self._chance = random.Random(course.chance * 1000 + number)
        self._network = f"own{number}"
        self._subnet = f"10.{80 + number // 200}.{number % 200}.0/24"
        self._names = [f"one{number}", f"two{number}"]
        self._ports = (20000 + 2 * number,)
        self._number, self._changes = number, 0
        self.plan = Plan()

    def run(self, until: float) -> None:
        """Ask until then, and look at the end."""
        try:
            taken = 0
            while taken < self._course.steps or (not self._course.steps and time.monotonic() < until):
                taken += 1
                if self._course.pause:
                    time.sleep(self._chance.uniform(0, self._course.pause))
                self._next()
            self._settle([self.plan])
        except Exception as error:
            self._wrong(f"client of {self._network}: {type(error).__name__} {error}")

    def _next(self) -> None:
        dice = self._chance.random()
        if dice < 0.25:
            self._read()
        elif dice < 0.35:
            self._share()
        else:
            self._own(self._deed())

    def _deed(self) -> Deed:
        chance, plan = self._chance, self.plan
        name, network = chance.choice(self._names), self._network
        if network not in plan.networks and chance.random() < 0.7:
            return model.create_network(plan, network, chance.choice(("plain", "internal")), self._subnet)
        if name not in plan.containers:
            home = network if network in plan.networks and chance.random() < 0.7 else "bridge"
            ports = self._ports if name == self._names[0] else ()
            return model.create_container(plan, name, home, Place(alias="site"), ports, "", "")
        ways: list[Callable[[], Deed]] = [
            lambda: model.start(plan, name),
            lambda: model.start(plan, name),
            lambda: model.stop(plan, name),
            lambda: model.kill(plan, name),
            lambda: model.restart(plan, name),
            lambda: model.remove(plan, name, force=True),
            lambda: model.connect(plan, network, name, Place()),
            lambda: model.disconnect(plan, network, name),
            lambda: model.remove_network(plan, network),
        ]
        return chance.choice(ways)()

    # -- asking ------------------------------------------------------------------------------------

    def _ask(self, kind: str, question: Question) -> tuple[int, Any]:
        begun = time.monotonic()
        status, said = ask(self._host.socket, question)
        ended = time.monotonic()
        self._report.note(kind, self._held.meets(begun, ended), ended - begun, status)
        if status >= 500 and not any(words in str(said) for words in EXPECTED):
            self._wrong(f"{question} was answered {status} {said}")
        return status, said

    def _read(self) -> None:
        name = self._chance.choice(self._names)
        path, wanted = self._chance.choice(
            (
                ("/containers/json?all=1", {200}),
                ("/networks", {200}),
                ("/version", {200}),
                (f"/containers/{name}/json", {200 if name in self.plan.containers else 404}),
                (
                    f"/networks/{self._network}",
                    {200 if self._network in self.plan.networks else 404},
                ),
            )
        )
        status, said = self._ask("read", Question("GET", path))
        if status not in wanted:
            self._wrong(f"GET {path} was answered {status} {said}, not {wanted}")

    def _share(self) -> None:
        """What everybody makes and removes: any of these answers, never another."""
        box = {"Image": "busybox", "Cmd": ["true"]}
        kind, question, wanted = self._chance.choice(
            (
                (
                    "create network",
                    Question("POST", "/networks/create", {"Name": SHARED_NETWORK, "CheckDuplicate": True}),
                    {201, 409},
                ),
                ("remove network", Question("DELETE", f"/networks/{SHARED_NETWORK}"), {204, 403, 404}),
                (
                    "create container",
                    Question("POST", f"/containers/create?name={SHARED_CONTAINER}", box),
                    {201, 409},
                ),
                (
                    "remove container",
                    Question("DELETE", f"/containers/{SHARED_CONTAINER}?force=1"),
                    {204, 404, 409},
                ),
            )
        )
        status, said = self._ask(kind, question)
        if status not in wanted:
            self._wrong(f"{question} was answered {status} {said}, not {sorted(wanted)}")

    def _own(self, deed: Deed) -> None:
        before, kind = self.plan, _kind(deed.question)
        self._changes += 1
        if self._changes % VANISHING == self._number % VANISHING:
            with Call(self._host.socket, deed.question):
                time.sleep(self._chance.uniform(0, 0.1))
            self._report.vanished += 1
            if not self._settled(possible(deed, before), UNREAD):
                self._settle([before])  # its client had gone before it was read
            self._await_end()
            return
        status, said = self._ask(kind, deed.question)
        if deed.allowed is not None and status not in deed.allowed:
            self._wrong(f"{deed.question} was answered {status} {said}, not {sorted(deed.allowed)}")
            self._settle([deed.after, before, *halfway(before, deed)])
        elif status < 300 and (kind == "kill container" or self._chance.random() < LOOKED):
            self._settle([deed.after])
        elif status < 300:
            self.plan = deed.after
        elif deed.allowed is None:
            self._settle([before, *halfway(before, deed)])

    def _settle(self, plans: list[Plan]) -> None:
        """Wait until the API says of this client's own what one of the plans says."""
        if not self._settled(plans, SETTLED):
            networks, containers = self._seen()
            self._wrong(f"of {self._network}: {'; '.join(compared(plans[0], networks, containers))}")
            self.plan = plans[0]

    def _settled(self, plans: list[Plan], patience: float) -> bool:
        """Whether the API says it in so many seconds."""
        limit = time.monotonic() + patience
        while True:
            networks, containers = self._seen()
            for plan in plans:
                if not compared(plan, networks, containers):
                    self.plan = with_status(plan, containers)
                    return True
            if time.monotonic() > limit:
                return False
            time.sleep(0.05)

    def _await_end(self) -> None:
        """What a vanished client wanted may look done before it is: until no record says otherwise."""
        limit = time.monotonic() + SETTLED
        own = [
            f"{kind} {name}" for kind in ("network", "container") for name in (self._network, *self._names)
        ]
        while time.monotonic() < limit:
            _, said = self._ask("audit", Question("GET", "/fairlead/audit"))
            if not any(each["Name"] in own for each in said["Findings"]):
                return
            time.sleep(0.5)
        self._wrong(f"of {self._network}: {said['Findings']}")

    def _seen(self) -> tuple[dict[str, Any], dict[str, Any]]:
        networks, containers = {}, {}
        status, said = self._ask("read", Question("GET", f"/networks/{self._network}"))
        if status == 200:
            networks[self._network] = said
        for name in self._names:
            status, said = self._ask("read", Question("GET", f"/containers/{name}/json"))
            if status == 200:
                containers[name] = said
        return networks, containers

    def _wrong(self, text: str) -> None:
        with self._report.turn:
            self._report.wrong.append(text)


def _kind(question: Question) -> str:
    words = question.path.partition("?")[0].strip("/").split("/")
    noun = words[0].removesuffix("s")
    if question.method == "DELETE":
        return f"remove {noun}"
    return f"{words[-1]} {noun}"


def drive(host: Host, course: Course, tell: Callable[[str], None]) -> Report:
    """All clients at once on a host whose engine runs; the audit comes last."""
    report, held = Report(), Hold()
    clients = [Client(host, number, course, report, held) for number in range(course.clients)]
    until = time.monotonic() + course.seconds
    threads = [threading.Thread(target=each.run, args=(until,), daemon=True) for each in clients]
    for thread in threads:
        thread.start()
    if course.lock:
        time.sleep(course.seconds / 3)
        held.begun = time.monotonic()
        host.run(f"flock {LOCK} sleep {LOCKED}", check=True)
        held.ended = time.monotonic()
    for thread in threads:
        thread.join()
    report.wrong += _left(host)
    tell(report.table())
    return report


def _left(host: Host) -> list[str]:
    """What the audit says once all has come to its end, and then again when everything is removed."""
    wrong = [f"audit: {each}" for each in _audit(host)]
    clear = "docker ps -aq | xargs -r docker rm -f; docker network prune -f"
    host.run(clear, deadline=300)
    return wrong + [f"audit after all was removed: {each}" for each in _audit(host)]


def _audit(host: Host) -> list[Any]:
    limit, found = time.monotonic() + SETTLED, [Any]
    while found and time.monotonic() < limit:
        try:
            _, said = ask(host.socket, Question("GET", "/fairlead/audit"))
        except Gone as error:
            return [f"the daemon has gone: {error}"]
        found = said["Findings"]
    return found


def legacy(host: Host) -> str:
    """A command that starts an engine with the programs of iptables that use the lock."""
    names = ("iptables", "ip6tables")
    links = [
        f"ln -sf /usr/sbin/{name}-legacy{end} {LEGACY}/{name}{end}"
        for name in names
        for end in ("", "-save", "-restore")
    ]
    host.run(f"mkdir -p {LEGACY}; {'; '.join(links)}", check=True)
    return f"env PATH={LEGACY}:$PATH "


def measure(course: Course, tell: Callable[[str], None]) -> list[str]:
    """In a lab of its own; what was wrong.  Where the lock is held, iptables is the kind that minds it."""
    with Lab(f"concurrency-{os.getpid()}") as lab:
        host = lab.host(1)
        host.start_engine(command=legacy(host) + command_of("fairlead", host) if course.lock else "")
        host.run("docker load -q", input=images.busybox(), check=True)
        report = drive(host, course, tell)
        host.stop_engine()
    slow = report.longest(locked=False)
    tell(
        f"{course.clients} clients, {course.seconds:.0f} s: {report.calls} calls, {report.vanished} clients "
        f"vanished, {len(report.wrong)} disagreements; longest wait {slow:.2f} s, "
        f"{report.longest(locked=True):.2f} s with the lock held; answers {dict(report.statuses)}"
    )
    late = [f"a call took {slow:.2f} s"] if slow > LIMIT else []
    return report.wrong + late


def plan_of(clients: int | None, seconds: int | None, quick: bool) -> Course:
    """What the command line asks for."""
    course = Course(clients=8, seconds=10.0, lock=False) if quick else Course()
    if clients is not None:
        course = replace(course, clients=clients)
    return course if seconds is None else replace(course, seconds=float(seconds))

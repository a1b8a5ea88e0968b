# ruff: noqa: D102 - a rule is what its name says
"""Whatever is asked of a real daemon in whatever order, killed wherever: the host is as the records ask.

The same as `tests/laws/test_engine_states.py`, with the kernel, processes, the firewall and a daemon
that is killed with SIGKILL: while nothing goes on, in the middle of a call, or at a named fault point.
After each step the audit must be clean and the API must say what a model on paper says.
"""

import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import fairlead.engine
from bench import states_model as model
from bench.asking import Call, Gone, Question, ask
from bench.states_compare import compared, halfway, possible, with_status
from bench.states_model import Deed, Place, Plan
from fairlead.lab import images
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab
from fairlead.model.errors import Failed

SETTLED = 60.0  # seconds until what goes on has come to its end
UNREAD = 10.0  # and until a call without any trace is taken to have been dropped
FAULT = "FAIRLEAD_FAULT"
SOURCES = sorted(Path(fairlead.engine.__file__).parent.glob("*.py"))
POINTS = sorted(
    {
        point
        for source in SOURCES
        for point in re.findall(r'\.at\("([^"]+)"\)', source.read_text())
        if not point.startswith(("build", "cluster", "volume"))
    }
)
NAMES = st.sampled_from(["one", "two", "three"])
NETWORKS = st.sampled_from(["blue", "red", "green"])
HOMES = st.sampled_from(["blue", "red", "green", "blue", "red", "bridge", "bridge", "none", "host"])
PLACES = st.builds(Place, st.sampled_from(["", "", "50", "51"]), st.sampled_from(["", "site"]))
PORTS = st.sampled_from([(), (), (18080,), (18080, 18081)])
POLICIES = st.sampled_from(["", "", "always", "unless-stopped"])
# How a call ends: answered, its client goes after so many ms, the daemon is killed after so many.
FATES = st.one_of(
    st.just(("answered", 0)),
    st.just(("answered", 0)),
    st.tuples(st.sampled_from(["vanishes", "killed"]), st.integers(0, 150)),
)


class Wrong(AssertionError):
    """What is not as it should be, after which steps."""


class States(RuleBasedStateMachine):
    """One host, and the daemons that follow each other on it."""

    host: ClassVar[Host]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.story: list[str] = []
        self.plans = [Plan()]
        self.clear()

    @property
    def plan(self) -> Plan:
        """What there is, after the last step has been looked at."""
        return self.plans[0]

    def clear(self) -> None:
        """Begin with a daemon and nothing else."""
        if not self.host.engine.pid:
            self.host.start_engine()
        for each in self._get("/containers/json?all=1"):
            ask(self.host.socket, Question("DELETE", f"/containers/{each['Id']}?force=1&v=1"))
        ask(self.host.socket, Question("POST", "/networks/prune"))

    # -- a call ------------------------------------------------------------------------------------

    def do(self, deed: Deed, fate: tuple[str, int]) -> None:
        """Make the call, and note what may be the case after it."""
        way, delay = fate
        self.note(f"{deed.question}" + (f", {way} after {delay} ms" if way != "answered" else ""))
        before = self.plan
        between = halfway(before, deed)
        try:
            if way == "answered":
                self._answered(deed, *ask(self.host.socket, deed.question), between)
                return
            with Call(self.host.socket, deed.question):
                time.sleep(delay / 1000)
                if way == "killed":
                    self.host.kill_engine()
        except Gone:
            way = "killed"  # a fault point had been armed
        if way == "killed":
            self.revive([before, deed.after, *between])
        else:
            self._await_end(deed, before)

    def _await_end(self, deed: Deed, before: Plan) -> None:
        """A call whose client has gone is carried out to its end, unless it was not read by then."""
        self.plans, limit = possible(deed, before), time.monotonic() + UNREAD
        try:
            while self._wrong():
                if time.monotonic() > limit:
                    self.plans = [before]
                    return
                time.sleep(0.05)
        except Gone:  # a fault point had been armed
            self.revive([before, deed.after, *halfway(before, deed)])

    def _answered(self, deed: Deed, status: int, said: Any, between: list[Plan]) -> None:
        if deed.allowed is not None and status not in deed.allowed:
            self.fail(f"{deed.question} was answered {status} {said}, not {sorted(deed.allowed)}")
        if (
            status >= 500
            and deed.allowed is None
            and "container" not in str(said)
            and "port" not in str(said)
        ):
            self.note(f"answered {status} {said}")
        if status < 400:
            self.plans = [self.plan] if status == 304 else [deed.after]
        elif deed.allowed is None:
            self.plans = [self.plan, *between]

    def note(self, line: str) -> None:
        """Remember a step."""
        type(self).steps += 1
        self.story.append(line)

    def fail(self, wrong: str) -> None:
        """Tell what was done, and what is wrong."""
        text = "\n  ".join([wrong, "after:", *self.story, "the log ends with:", self.host.engine.log(12)])
        raise Wrong(text)

    # -- the daemon ----------------------------------------------------------------------------------

    def revive(self, plans: Sequence[Plan], point: str = "") -> None:
        """Another daemon, to which a fault point may be armed; what restart policies make of the plans."""
        self.host.kill_engine()  # if it is not dead yet
        if point:
            os.environ[FAULT] = point
        try:
            self.host.start_engine()
        except Failed:
            if not point:
                self.fail("the daemon does not start")
        finally:
            os.environ.pop(FAULT, None)
        if not self.host.engine.pid:
            self.host.start_engine()
        self.plans = [plan for each in plans for plan in (each.revived(), each)]

    @initialize()
    def furnish(self) -> None:
        """Something to work on: two networks, and two containers that run."""
        answered = ("answered", 0)
        for name, kind, subnet in zip(("blue", "red"), ("plain", "ipv6"), model.SUBNETS, strict=False):
            self.do(model.create_network(self.plan, name, kind, subnet), answered)
        for name, home, ports in (("one", "blue", (18080,)), ("two", "bridge", ())):
            self.do(model.create_container(self.plan, name, home, Place(), ports, "always", ""), answered)
            self.do(model.start(self.plan, name), answered)

    # -- rules ---------------------------------------------------------------------------------------

    @rule(name=NETWORKS, kind=st.sampled_from(model.KINDS), subnet=st.sampled_from(model.SUBNETS), fate=FATES)
    def create_network(self, name: str, kind: str, subnet: str, fate: tuple[str, int]) -> None:
        self.do(model.create_network(self.plan, name, kind, subnet), fate)

    @rule(name=NETWORKS, fate=FATES)
    def remove_network(self, name: str, fate: tuple[str, int]) -> None:
        self.do(model.remove_network(self.plan, name), fate)

    @rule(
        name=NAMES,
        home=HOMES,
        place=PLACES,
        ports=PORTS,
        policy=POLICIES,
        linked=st.booleans(),
        friend=NAMES,
        fate=FATES,
    )
    def create_container(
        self,
        name: str,
        home: str,
        place: Place,
        ports: tuple[int, ...],
        policy: str,
        linked: bool,
        friend: str,
        fate: tuple[str, int],
    ) -> None:
        link = friend if linked and home == "bridge" and friend in self.plan.containers else ""
        link = link if link and self.plan.containers[link].home == "bridge" and link != name else ""
        self.do(model.create_container(self.plan, name, home, place, ports, policy, link), fate)
        if self.host.engine.pid:
            self.settle()
            self.do(model.start(self.plan, name), ("answered", 0))

    @rule(name=NAMES, fate=FATES)
    def start(self, name: str, fate: tuple[str, int]) -> None:
        self.do(model.start(self.plan, name), fate)

    @rule(name=NAMES, fate=FATES)
    def stop(self, name: str, fate: tuple[str, int]) -> None:
        self.do(model.stop(self.plan, name), fate)

    @rule(name=NAMES, fate=FATES)
    def kill(self, name: str, fate: tuple[str, int]) -> None:
        self.do(model.kill(self.plan, name), fate)

    @rule(name=NAMES, fate=FATES)
    def restart(self, name: str, fate: tuple[str, int]) -> None:
        self.do(model.restart(self.plan, name), fate)

    @rule(name=NAMES, force=st.booleans(), fate=FATES)
    def remove(self, name: str, force: bool, fate: tuple[str, int]) -> None:
        self.do(model.remove(self.plan, name, force), fate)

    @rule(name=NAMES, other=NAMES, fate=FATES)
    def rename(self, name: str, other: str, fate: tuple[str, int]) -> None:
        self.do(model.rename(self.plan, name, other), fate)

    @rule(name=NAMES, network=NETWORKS, place=PLACES, fate=FATES)
    def connect(self, name: str, network: str, place: Place, fate: tuple[str, int]) -> None:
        self.do(model.connect(self.plan, network, name, place), fate)

    @rule(name=NAMES, network=NETWORKS, fate=FATES)
    def disconnect(self, name: str, network: str, fate: tuple[str, int]) -> None:
        self.do(model.disconnect(self.plan, network, name), fate)

    @rule()
    def crash(self) -> None:
        self.note("the daemon is killed")
        self.revive(self.plans)

    @rule()
    def stop_daemon(self) -> None:
        self.note("the daemon is stopped")
        if not self.host.stop_engine():
            self.fail("the daemon did not end")
        self.revive(self.plans)

    @rule(point=st.sampled_from(POINTS))
    def arm(self, point: str) -> None:
        """Something will be killed before long."""
        self.note(f"the daemon is killed, the next dies at `{point}`")
        self.revive(self.plans, point)

    # -- what must hold ------------------------------------------------------------------------------

    @invariant()
    def all_is_as_it_should_be(self) -> None:
        self.settle()

    def settle(self) -> None:
        """Wait until the audit is clean and the API says what a possible plan says."""
        limit, wrong = time.monotonic() + SETTLED, [""]
        while wrong and time.monotonic() < limit:
            try:
                wrong = self._wrong()
            except Gone:
                self.note("the daemon has died")
                self.revive(self.plans)
            if wrong:
                time.sleep(0.02)
        if wrong:
            self.fail("; ".join(wrong))

    def _wrong(self) -> list[str]:
        findings = self._get("/fairlead/audit")["Findings"]
        if findings:
            return [f"the audit says {findings}"]
        networks, containers = self._seen()
        found = [compared(plan, networks, containers) for plan in self.plans]
        for plan, differences in zip(self.plans, found, strict=True):
            if not differences:
                self.plans = [with_status(plan, containers)]
                return []
        return [f"against plan {number}: {each}" for number, each in enumerate(found)]

    def _seen(self) -> tuple[dict[str, Any], dict[str, Any]]:
        networks = {each["Name"]: each for each in self._get("/networks")}
        names = [each["Names"][0].strip("/") for each in self._get("/containers/json?all=1")]
        containers = {name: self._get(f"/containers/{name}/json") for name in names}
        return networks, {name: each for name, each in containers.items() if each}

    def _get(self, path: str) -> Any:
        status, document = ask(self.host.socket, Question("GET", path))
        if status == 404:
            return None
        if status != 200:
            self.fail(f"GET {path} was answered {status} {document}")
        return document


def run(host: Host, examples: int, length: int, chance: int) -> int:
    """So many histories of so many steps at most; how many steps were made.  Wrong at the first that is."""
    States.host, States.steps = host, 0
    run_state_machine_as_test(
        seed(chance)(States),
        settings=settings(
            max_examples=examples,
            stateful_step_count=length,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return States.steps


def measure(examples: int, length: int, chance: int, tell: Callable[[str], None]) -> list[str]:
    """The same in a lab of its own; what was wrong."""
    with Lab(f"states-{os.getpid()}") as lab:
        host = lab.host(1)
        host.start_engine()
        host.run("docker load -q", input=images.busybox(), check=True)
        begun = time.monotonic()
        try:
            steps = run(host, examples, length, chance)
        except Wrong as error:
            return [str(error)]
        finally:
            host.stop_engine()
    tell(f"{examples} histories, {steps} steps in {time.monotonic() - begun:.0f} s")
    return []

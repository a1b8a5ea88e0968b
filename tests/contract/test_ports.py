"""What every port holder keeps to: the real process in a namespace of its own, and the fake."""

import asyncio
import errno
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol

import pytest

from fairlead.boundary import Actuator
from fairlead.model.errors import PortTaken
from fairlead.model.host import HeldPortKey, State, Step, Target
from fairlead.resolver import supervise
from fairlead.resolver.ports import PortHolder
from tests.fakes.ports import FakePorts
from tests.kernel.virtual_host import end, private_namespace, serve

TARGET = Target(ip_address("172.17.0.2"), 80, "endpoint-1", "web")
SECOND = Target(ip_address("172.17.0.3"), 81, "endpoint-2", "site")
FAMILY = {4: "AF_INET", 6: "AF_INET6"}
STRANGER = """
import socket, time
made = socket.socket(socket.{family}, socket.{kind})
made.bind(("{address}", {port}))
if made.type == socket.SOCK_STREAM:
    made.listen()
print("ready", flush=True)
time.sleep(60)
"""


class Holder(Actuator, Protocol):
    async def everything(self) -> State: ...


class Stage:
    """A port holder with a way to let somebody else take a port."""

    def __init__(self, holder: Holder, occupy: Callable[[str, str, int], str]):
        self.holder = holder
        self.occupy = occupy  # returns what the refusal names as the holder

    def observe(self, *keys: HeldPortKey) -> list[Any]:
        return list(asyncio.run(self.holder.observe(keys)).values())

    def perform(self, *steps: Step) -> None:
        asyncio.run(self.holder.perform(steps))

    def hold(self, key: HeldPortKey, target: Target = TARGET) -> None:
        self.perform(Step(key, None, target))

    def refused(self, *steps: Step) -> PortTaken:
        with pytest.raises(PortTaken) as caught:
            self.perform(*steps)
        return caught.value


def key(protocol: str, address: str, port: int, count: int = 1) -> HeldPortKey:
    return HeldPortKey(protocol, ip_address(address), port, count)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.kernel)])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    if request.param == "fake":
        fake = FakePorts()

        def occupy_fake(protocol: str, address: str, port: int) -> str:
            fake.strangers[protocol, ip_address(address), port] = "process 7 (stranger)"
            return "process 7 (stranger)"

        yield Stage(fake, occupy_fake)
        return
    if os.geteuid() != 0:
        pytest.skip("needs root")
    started = []

    def occupy(protocol: str, address: str, port: int) -> str:
        kind = "SOCK_DGRAM" if protocol == "udp" else "SOCK_STREAM"
        family = FAMILY[ip_address(address).version]
        process = serve(STRANGER.format(family=family, kind=kind, address=address, port=port))
        started.append(process)
        return f"process {process.pid} ({Path(f'/proc/{process.pid}/comm').read_text().strip()})"

    root = str(tmp_path)
    with private_namespace():
        asyncio.run(supervise.ensure_running("ports", root))
        try:
            yield Stage(PortHolder(supervise.socket_path("ports", root)), occupy)
        finally:
            asyncio.run(supervise.stop("ports", root))
            for process in started:
                end(process)


PROTOCOLS = pytest.mark.parametrize("protocol", ["tcp", "udp"])
ADDRESSES = pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "::", "::1"])


@PROTOCOLS
@ADDRESSES
def test_what_is_held_is_seen_and_what_is_released_is_not(stage: Stage, protocol: str, address: str) -> None:
    wanted = key(protocol, address, 8080)
    assert stage.observe(wanted) == [None]
    stage.hold(wanted)
    assert stage.observe(wanted) == [TARGET]
    stage.perform(Step(wanted, TARGET, None))
    assert stage.observe(wanted) == [None]


@PROTOCOLS
def test_both_families_hold_the_same_port(stage: Stage, protocol: str) -> None:
    four, six = key(protocol, "0.0.0.0", 8080), key(protocol, "::", 8080)
    stage.perform(Step(four, None, TARGET), Step(six, None, TARGET))
    assert stage.observe(four, six) == [TARGET, TARGET]


def test_both_protocols_hold_the_same_port(stage: Stage) -> None:
    tcp, udp = key("tcp", "0.0.0.0", 53), key("udp", "0.0.0.0", 53)
    stage.perform(Step(tcp, None, TARGET), Step(udp, None, SECOND))
    assert stage.observe(tcp, udp) == [TARGET, SECOND]


def test_a_run_is_one_entry(stage: Stage) -> None:
    run = key("tcp", "0.0.0.0", 9000, 50)
    stage.hold(run)
    assert stage.observe(run, key("tcp", "0.0.0.0", 9000), key("tcp", "0.0.0.0", 9000, 49)) == [
        TARGET,
        None,
        None,
    ]
    assert asyncio.run(stage.holder.everything()) == {run: TARGET}


def test_a_step_that_holds_already_is_done(stage: Stage) -> None:
    wanted = key("tcp", "0.0.0.0", 8080)
    stage.perform(Step(wanted, None, None))
    stage.hold(wanted)
    stage.hold(wanted)
    assert stage.observe(wanted) == [TARGET]


def test_a_held_port_is_led_elsewhere(stage: Stage) -> None:
    wanted = key("tcp", "0.0.0.0", 8080)
    stage.hold(wanted)
    stage.perform(Step(wanted, TARGET, SECOND))
    assert stage.observe(wanted) == [SECOND]


def test_two_addresses_share_a_port(stage: Stage) -> None:
    stage.hold(key("tcp", "127.0.0.1", 8080))
    stage.hold(key("tcp", "127.0.0.2", 8080), SECOND)
    assert len(asyncio.run(stage.holder.everything())) == 2


@pytest.mark.parametrize(
    ("first", "second"), [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("::", "::1"), ("::1", "::")]
)
@PROTOCOLS
def test_every_address_and_one_address_collide(stage: Stage, protocol: str, first: str, second: str) -> None:
    stage.hold(key(protocol, first, 8080))
    refusal = stage.refused(Step(key(protocol, second, 8080), None, SECOND))
    assert refusal.holder == "container web"
    assert stage.observe(key(protocol, second, 8080)) == [None]


def test_a_refusal_is_in_dockers_words(stage: Stage) -> None:
    holder = stage.occupy("tcp", "0.0.0.0", 8090)
    refusal = stage.refused(Step(key("tcp", "0.0.0.0", 8090), None, TARGET))
    assert refusal.message == (
        "Error starting userland proxy: listen tcp4 0.0.0.0:8090: bind: address already in use: "
        f"held by {holder}"
    )
    assert (refusal.protocol, refusal.address, refusal.port) == ("tcp", "0.0.0.0", 8090)
    assert (refusal.errno, refusal.holder) == (errno.EADDRINUSE, holder)


@PROTOCOLS
@ADDRESSES
def test_the_process_that_has_the_port_is_named(stage: Stage, protocol: str, address: str) -> None:
    holder = stage.occupy(protocol, address, 8090)
    assert stage.refused(Step(key(protocol, address, 8090), None, TARGET)).holder == holder


@PROTOCOLS
def test_a_process_that_serves_both_families_has_the_port_in_both(stage: Stage, protocol: str) -> None:
    holder = stage.occupy(protocol, "::", 8090)
    assert stage.refused(Step(key(protocol, "0.0.0.0", 8090), None, TARGET)).holder == holder


def test_an_address_that_the_host_does_not_have(stage: Stage) -> None:
    refusal = stage.refused(Step(key("tcp", "10.9.9.9", 8083), None, TARGET))
    assert refusal.errno == errno.EADDRNOTAVAIL
    assert refusal.message == (
        "Error starting userland proxy: listen tcp4 10.9.9.9:8083: bind: cannot assign requested address"
    )


def test_after_a_refusal_exactly_the_steps_done_are_in_effect(stage: Stage) -> None:
    kept, given_up = key("udp", "0.0.0.0", 7000), key("tcp", "0.0.0.0", 7100)
    stage.hold(kept)
    stage.hold(given_up)
    holder = stage.occupy("tcp", "0.0.0.0", 9005)
    steps = [
        Step(key("tcp", "0.0.0.0", 9100), None, TARGET),
        Step(kept, TARGET, SECOND),
        Step(given_up, TARGET, None),
        Step(key("tcp", "0.0.0.0", 9000, 10), None, TARGET),
        Step(key("tcp", "0.0.0.0", 9200), None, TARGET),
    ]
    refusal = stage.refused(*steps)
    assert (refusal.port, refusal.holder) == (9005, holder)
    done = steps[: refusal.done]
    after: list[Any] = [step.after if step in done else step.before for step in steps]
    assert stage.observe(*(step.key for step in steps if isinstance(step.key, HeldPortKey))) == after


@pytest.mark.kernel
class TestProcess:
    """What only the real process can show."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Iterator[str]:
        if os.geteuid() != 0:
            pytest.skip("needs root")
        with private_namespace():
            yield str(tmp_path)
            asyncio.run(supervise.stop("ports", str(tmp_path)))

    @staticmethod
    def holder(root: str, revive: Callable[[], Awaitable[None]] | None = None) -> PortHolder:
        return PortHolder(supervise.socket_path("ports", root), revive)

    def test_it_is_started_once(self, root: str) -> None:
        async def twice() -> None:
            await asyncio.gather(*(supervise.ensure_running("ports", root) for _ in range(3)))

        asyncio.run(twice())
        path = supervise.socket_path("ports", root)
        assert os.stat(path).st_mode & 0o777 == 0o600
        assert len(running(root)) == 1

    def test_it_is_started_anew_when_it_was_killed(self, root: str) -> None:
        revive = partial(supervise.ensure_running, "ports", root)
        holder = self.holder(root, revive)
        wanted = key("tcp", "0.0.0.0", 8080)
        asyncio.run(holder.perform([Step(wanted, None, TARGET)]))
        (pid,) = running(root)
        os.kill(pid, 9)
        while pid in running(root):
            pass
        assert asyncio.run(holder.observe([wanted])) == {wanted: None}
        asyncio.run(holder.perform([Step(wanted, None, TARGET)]))
        assert asyncio.run(holder.observe([wanted])) == {wanted: TARGET}

    def test_it_lives_on_in_a_session_of_its_own(self, root: str) -> None:
        asyncio.run(supervise.ensure_running("ports", root))
        (pid,) = running(root)
        assert os.getsid(pid) not in (os.getsid(0), os.getsid(os.getppid()))

    @pytest.mark.parametrize(
        "line",
        [
            b"x\n",
            b"[]\n",
            b"{}\n",
            b'{"do": "dance"}\n',
            b'{"do": "observe"}\n',
            b'{"do": "observe", "keys": [["icmp", "0.0.0.0", 80, 1]]}\n',
            b'{"do": "observe", "keys": [["tcp", "nowhere", 80, 1]]}\n',
            b'{"do": "perform", "changes": [[["tcp", "0.0.0.0", 65535, 2], null]]}\n',
            b'{"do": "perform", "changes": [[["tcp", "0.0.0.0", "80", 1], null]]}\n',
            b"[" * 5000 + b"\n",
        ],
    )
    def test_a_malformed_request_is_refused_and_harmless(self, root: str, line: bytes) -> None:
        async def talk() -> bytes:
            await supervise.ensure_running("ports", root)
            reader, writer = await asyncio.open_unix_connection(supervise.socket_path("ports", root))
            writer.write(line)
            answered = await reader.readline()
            writer.close()
            return answered

        assert b'"error": "cannot ' in asyncio.run(talk())
        assert asyncio.run(self.holder(root).everything()) == {}

    def test_a_file_in_the_sockets_place_is_left_alone(self, root: str) -> None:
        path = Path(supervise.socket_path("ports", root))
        path.write_text("precious")
        with pytest.raises(Exception, match="another file has that name"):
            asyncio.run(supervise.ensure_running("ports", root))
        assert path.read_text() == "precious"


def running(root: str) -> list[int]:
    """The processes that were started for a directory."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            words = (directory / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if sys.executable.encode() in words[:1] and f"{root}/ports.sock".encode() in words:
            found.append(int(directory.name))
    return found

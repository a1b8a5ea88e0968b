"""Traffic that notices every gap: pings, long connections, new ones, datagrams and names, by one process.

Its sockets are born in the network namespaces that they are to be in.  Standard input: a line with the
`Plan` as JSON, then, when it is to end, any other line; prints `ready`, and in the end what it saw as JSON.
"""

import ctypes
import heapq
import json
import os
import select
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

CLONE_NEWNET = 0x40000000
ECHO_PORT = 7000  # of each container: TCP and UDP
BETWEEN_PINGS, BETWEEN_WORDS, BETWEEN_QUESTIONS, BETWEEN_KNOCKS = 0.01, 0.1, 0.2, 0.05  # seconds
PATIENCE = 10.0  # seconds for an answer; none is asked for twice
RESOLVER = ("127.0.0.11", 53)
WORD = 8  # bytes of one word of a flow
_libc = ctypes.CDLL(None, use_errno=True)

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Container:
    """One container: its namespace, whom it pings, where others find it, what it asks for."""

    namespace: str
    pinged: str
    ways: list[tuple[str, str, int]]  # namespace of the client, address, port: to its echo, by TCP
    datagrams: list[tuple[str, str, int]]  # the same, by UDP
    names: list[str]


def open_in(namespace: str, family: int, kind: int, protocol: int = 0) -> socket.socket:
    """A socket in a namespace; the process comes back to its own."""
    with open("/proc/self/ns/net") as home, open(namespace) as there:
        if _libc.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
        try:
            made = socket.socket(family, kind, protocol)
        finally:
            _libc.setns(home.fileno(), CLONE_NEWNET)
    made.setblocking(False)
    return made


@dataclass(slots=True)
class Tally:
    """What was asked, what was answered, the longest that an answer took, and what went wrong."""

    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all that was asked was answered."""
        return all(self.answered[kind] == count for kind, count in self.asked.items() if kind != "flows")

    def hear(self, kind: str, took: float) -> None:
        """One answer."""
        self.answered[kind] += 1
        self.slowest[kind] = max(self.slowest.get(kind, 0.0), took)


class Traffic:
    """All of it."""

    def __init__(self, containers: list[Container]) -> None:
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[], None]] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self.asking = True
        self.tally = Tally()
        for container in containers:
            self._serve(container.namespace)
        for each in containers:
            self._ping(each)
            for way in each.ways:
                self._converse(*way)
            for way in each.datagrams:
                self._send_datagrams(*way)
            for name in each.names:
                self._ask_names(each.namespace, name)
        self._knock([way for each in containers for way in each.ways], 0)

    # -- the loop ----------------------------------------------------------------------------------

    def run(self, until: Callable[[], bool]) -> None:
        """Go on until `until` holds, which is asked every so often."""
        while not until():
            limit = time.monotonic() + 0.1
            while (now := time.monotonic()) < limit:
                while self._due and self._due[0][0] <= now:
                    heapq.heappop(self._due)[2]()
                pause = max(0.0, min(limit, self._due[0][0] if self._due else limit) - time.monotonic())
                for number, _ in self._epoll.poll(pause):
                    if number in self._ready:
                        self._ready[number]()

    def watch(self, made: socket.socket, ready: Callable[[], None], events: int = select.EPOLLIN) -> None:
        """Call `ready` when there is something to read."""
        if made.fileno() in self._ready:
            self._epoll.modify(made.fileno(), events)
        else:
            self._epoll.register(made.fileno(), events)
        self._ready[made.fileno()] = ready

    def close(self, made: socket.socket) -> None:
        """Close a socket that may be watched."""
        if self._ready.pop(made.fileno(), None):
            self._epoll.unregister(made.fileno())
        made.close()

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` later."""
        self._number += 1
        heapq.heappush(self._due, (time.monotonic() + seconds, self._number, act))

    # -- the containers' side ----------------------------------------------------------------------

    def _serve(self, namespace: str) -> None:
        listener = open_in(namespace, socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", ECHO_PORT))
        listener.listen(64)
        self.watch(listener, lambda: self._accept(listener))
        datagrams = open_in(namespace, socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("0.0.0.0", ECHO_PORT))
        self.watch(datagrams, lambda: self._return(datagrams))

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        client.setblocking(False)
        self.watch(client, lambda: self._echo(client))

    def _echo(self, client: socket.socket) -> None:
        try:
            content = client.recv(4096)
            if content:
                client.send(content)
                return
        except OSError:
            pass
        self.close(client)

    @staticmethod
    def _return(datagrams: socket.socket) -> None:
        content, sender = datagrams.recvfrom(64)
        datagrams.sendto(content, sender)

    # -- pings -------------------------------------------------------------------------------------

    def _ping(self, container: Container) -> None:
        made = open_in(container.namespace, socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
        made.connect((container.pinged, 0))
        self._repeat(made, "pings", BETWEEN_PINGS, f"ping from {container.namespace} to {container.pinged}")

    def _send_datagrams(self, namespace: str, address: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = open_in(namespace, family, socket.SOCK_DGRAM)
        made.connect((address, port))
        self._repeat(made, "datagrams", BETWEEN_WORDS, f"datagram to {address} port {port}")

    def _repeat(self, made: socket.socket, kind: str, pause: float, what: str) -> None:
        """Send one numbered message after the other, as a ping or as it is, and see that each comes back."""
        sent: dict[int, float] = {}
        number, due = 0, time.monotonic() + pause

        def send() -> None:
            nonlocal number, due
            if not self.asking:
                return self.after(PATIENCE, finish)
            number = number % 0xFFFF + 1
            self.tally.asked[kind] += 1
            sent[number] = time.monotonic()
            try:
                made.send(struct.pack("!BBHHH", 8, 0, 0, 0, number))
            except OSError as error:
                self.tally.wrong.append(f"{what}: {error}")
            # What could not be sent in time is left out: the socket has no room for answers to many at once.
            now = time.monotonic()
            due = max(due + pause, now)
            return self.after(due - now, send)

        def hear() -> None:
            try:
                reply = made.recv(64)
            except OSError as error:
                self.tally.wrong.append(f"{what}: {error}")
                return
            began = sent.pop(struct.unpack_from("!H", reply, 6)[0], None)
            if began is not None:
                self.tally.hear(kind, time.monotonic() - began)

        def finish() -> None:
            self.tally.wrong += [f"{what}: number {each} was lost" for each in sent]

        self.watch(made, hear)
        self.after(pause, send)

    # -- connections -------------------------------------------------------------------------------

    def _converse(self, namespace: str, address: str, port: int) -> None:
        """A long flow: a numbered word, its echo, the next word."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = open_in(namespace, family, socket.SOCK_STREAM)
        made.setblocking(True)
        made.settimeout(PATIENCE)
        made.connect_ex((address, port))
        made.setblocking(False)
        number, began, what = 0, 0.0, f"flow to {address} port {port}"

        def speak() -> None:
            nonlocal number, began
            if not self.asking:
                return
            number, began = number + 1, time.monotonic()
            self.tally.asked["words"] += 1
            try:
                made.send(number.to_bytes(WORD, "big"))
            except OSError as error:
                broken(str(error))

        def hear() -> None:
            try:
                heard = made.recv(64)
            except OSError as error:
                return broken(str(error))
            if heard != number.to_bytes(WORD, "big"):
                return broken(f"heard {heard!r} in the place of {number}")
            self.tally.hear("words", time.monotonic() - began)
            return self.after(BETWEEN_WORDS, speak)

        def broken(why: str) -> None:
            self.tally.wrong.append(f"{what} is broken: {why}")
            self.close(made)

        self.tally.asked["flows"] += 1
        self.watch(made, hear)
        self.after(BETWEEN_WORDS, speak)

    def _knock(self, ways: list[tuple[str, str, int]], number: int) -> None:
        """A new connection to one after the other, for one word."""
        if not self.asking or not ways:
            return
        namespace, address, port = ways[number % len(ways)]
        self.after(BETWEEN_KNOCKS, lambda: self._knock(ways, number + 1))
        what = f"connection to {address} port {port}"
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = open_in(namespace, family, socket.SOCK_STREAM)
        self._exchange(
            made, (address, port), b"knocking", "connections", what, lambda heard: heard == b"knocking"
        )

    def _exchange(
        self,
        made: socket.socket,
        place: Place,
        said: bytes,
        kind: str,
        what: str,
        fits: Callable[[bytes], bool],
    ) -> None:
        """Connect, say one thing, hear one thing."""
        began, done = time.monotonic(), False
        self.tally.asked[kind] += 1

        def connected() -> None:
            try:
                made.send(said)
            except OSError as error:
                return end(str(error))
            return self.watch(made, hear)

        def hear() -> None:
            try:
                heard = made.recv(4096)
            except OSError as error:
                return end(str(error))
            return end("" if fits(heard) else f"heard {heard!r}")

        def end(why: str) -> None:
            nonlocal done
            if done:
                return
            done = True
            self.close(made)
            if why:
                self.tally.wrong.append(f"{what}: {why} after {time.monotonic() - began:.2f} s")
            else:
                self.tally.hear(kind, time.monotonic() - began)

        made.connect_ex(place)
        self.watch(made, connected, select.EPOLLOUT)
        self.after(PATIENCE, lambda: end("no answer"))

    # -- names -------------------------------------------------------------------------------------

    def _ask_names(self, namespace: str, name: str) -> None:
        """Ask for a name again and again: mostly by UDP, sometimes by TCP."""
        number = 0

        def ask() -> None:
            nonlocal number
            if not self.asking:
                return
            self.after(BETWEEN_QUESTIONS, ask)
            number += 1
            by_tcp = number % 8 == 0
            question = _question(name, number)
            what = f"question for {name} in {namespace} by {'TCP' if by_tcp else 'UDP'}"
            made = open_in(namespace, socket.AF_INET, socket.SOCK_STREAM if by_tcp else socket.SOCK_DGRAM)
            if by_tcp:
                question = len(question).to_bytes(2, "big") + question
            fits = partial(_is_answer, number, 2 if by_tcp else 0)
            self._exchange(made, RESOLVER, question, "names", what, fits)

        self.after(BETWEEN_QUESTIONS, ask)


def _question(name: str, number: int) -> bytes:
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)


def _is_answer(number: int, start: int, heard: bytes) -> bool:
    """Whether it is an answer to that question with at least one record."""
    if len(heard) < start + 12:
        return False
    identity, flags, _, answers = struct.unpack_from("!4H", heard, start)
    return identity == number and flags & 0x800F == 0x8000 and answers > 0


def read_plan(line: str) -> list[Container]:
    """The containers of a plan."""
    return [
        Container(
            each["namespace"],
            each["pinged"],
            [tuple(way) for way in each["ways"]],
            [tuple(way) for way in each["datagrams"]],
            each["names"],
        )
        for each in json.loads(line)
    ]


def main() -> None:
    """Serve and ask until told to end; then wait for what is still to come."""
    traffic = Traffic(read_plan(sys.stdin.readline()))
    print("ready", flush=True)
    os.set_blocking(0, False)
    waiting = select.poll()
    waiting.register(0, select.POLLIN | select.POLLHUP)
    traffic.run(lambda: bool(waiting.poll(0)))
    traffic.asking = False
    limit = time.monotonic() + 2 * PATIENCE
    tally = traffic.tally
    traffic.run(lambda: tally.complete or time.monotonic() > limit)
    report: dict[str, Any] = {"asked": tally.asked, "answered": tally.answered, "slowest": tally.slowest}
    print(json.dumps(report | {"wrong": tally.wrong}))


if __name__ == "__main__":
    main()

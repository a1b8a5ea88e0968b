"""The resolver, one process per host: it outlives the daemon, so that names are answered without it."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fairlead.dns.zone import Zone
from fairlead.model.errors import FairleadError
from fairlead.model.host import NameKey, Resolver, ResolverKey
from fairlead.resolver import beside
from fairlead.resolver.control import Reply, Request, WithSockets
from fairlead.resolver.estate import Estate, Inheritance
from fairlead.resolver.inside import Namespaces
from fairlead.resolver.name_messages import Key, Value, key_document, read_key, read_value, value_document
from fairlead.resolver.sandbox import BATCH, Opened, SandboxResolver, Tally
from fairlead.resolver.upstream import Outside

log = logging.getLogger(__name__)

SWEEP = 2.5  # seconds between looks for namespaces that have gone, and for idle connections
TIDIED_AT_ONCE = 16
LONGEST_END = 15.0  # seconds for questions and connections after a successor has taken over
BETWEEN_LOOKS = 0.1  # seconds
# Every question is short and somebody waits for it: on a busy host it goes before longer work.
PRECEDENCE = -5  # setpriority(2)

Change = tuple[Key, Value | None]


class ResolverService:
    """Answers the daemon's requests about names and resolvers."""

    def __init__(self) -> None:
        with contextlib.suppress(OSError):  # where the engine is confined it does without
            os.setpriority(os.PRIO_PROCESS, 0, PRECEDENCE)
        self._loop = asyncio.get_running_loop()
        self._namespaces = Namespaces()
        self._zone = Zone()
        self._outside = Outside(self._loop, self._namespaces)
        self._tally = Tally()
        self._sandboxes: dict[str, SandboxResolver] = {}
        self._closed: list[SandboxResolver] = []  # since the last sweep
        self._waiting = ThreadPoolExecutor(1)  # for the kernel, which takes its time to delete
        self._sweeping = self._loop.call_later(SWEEP, self._sweep)

    def answer(self, request: Request) -> Reply | WithSockets:
        """Look at keys, at everything, or carry out changes: all of one request or none."""
        match request["do"]:
            case "observe":
                keys = [read_key(each) for each in request["keys"]]
                return self._observe(keys, [keys[place] for place in request.get("copies", ())])
            case "everything":
                return {"held": [[key_document(k), value_document(v)] for k, v in self._everything()]}
            case "perform":
                keys = [read_key(key) for key, _ in request["changes"]]
                values = [value for _, value in request["changes"]]
                return self._perform([(k, read_value(k, v)) for k, v in zip(keys, values, strict=True)])
            case "count":
                return self._counts()
        raise ValueError(f"{request['do']!r} is nothing that it can do")

    def hand_over(self) -> Estate:
        """Stop reading questions; the zone, and all resolvers with their sockets."""
        self._sweeping.cancel()
        while self._closed:
            self._tidy_up()
        sandboxes, sockets = [], list[socket.socket]()
        for name, sandbox in self._sandboxes.items():
            opened = sandbox.pause()
            sockets += (opened.udp, opened.tcp)
            sandboxes.append({"name": name, "value": value_document(sandbox.value), **_origin(opened)})
        names = [[key_document(key), value_document(value)] for key, value in self._zone.everything()]
        return Estate({"names": names, "sandboxes": sandboxes}, sockets)

    def keep(self) -> None:
        """Read on."""
        for sandbox in self._sandboxes.values():
            sandbox.listen()
        self._sweeping = self._loop.call_later(SWEEP, self._sweep)

    def take_over(self, inheritance: Inheritance) -> None:
        """Answer where a predecessor did; a namespace that has gone meanwhile is left out."""
        for document, value in inheritance.document["names"]:
            key = read_key(document)
            self._change(key, read_value(key, value))
        pairs = zip(inheritance.sockets[::2], inheritance.sockets[1::2], strict=True)
        for each, (udp, tcp) in zip(inheritance.document["sandboxes"], pairs, strict=True):
            name = each["name"]
            found = read_value(ResolverKey(name), each["value"])
            if not isinstance(found, Resolver):
                raise ValueError(f"there is no value for the resolver of {name}")
            if list(self._namespaces.identity(name) or ()) != each["of"]:
                udp.close()
                tcp.close()
                continue
            opened = Opened(udp, tcp, tuple(each["of"]), each["shown"])
            self._sandboxes[name] = self._resolver(name, found, opened)

    async def finish(self) -> None:
        """Answer what was asked before: from outside, and on connections, which are closed when idle."""
        limit = self._loop.time() + LONGEST_END
        while self._loop.time() < limit:
            for sandbox in self._sandboxes.values():
                sandbox.close_idle()
            if not self._outside.busy and not any(each.talking for each in self._sandboxes.values()):
                return
            await asyncio.sleep(BETWEEN_LOOKS)

    def close(self) -> None:
        """Close every resolver."""
        self._sweeping.cancel()
        for name in list(self._sandboxes):
            self._drop(name)
        while self._closed:
            self._tidy_up()
        self._waiting.shutdown()
        self._outside.close()

    def _observe(self, keys: list[Key], copied: list[Key]) -> WithSockets:
        values = {key: self._value(key) for key in keys}
        origins, sockets = list[dict[str, Any] | None](), list[socket.socket]()
        for key in copied:
            sandbox = self._sandboxes.get(key.namespace) if isinstance(key, ResolverKey) else None
            if sandbox is None or values[key] is None:
                origins.append(None)
                continue
            origins.append(_origin(sandbox.opened))
            sockets += (sandbox.opened.udp, sandbox.opened.tcp)
        return WithSockets(
            {"values": [value_document(values[key]) for key in keys], "copied": origins}, sockets
        )

    def _value(self, key: Key) -> Value | None:
        if isinstance(key, NameKey):
            return self._zone.name(key)
        if not isinstance(key, ResolverKey):
            return self._zone.pointer(key)
        sandbox = self._sandboxes.get(key.namespace)
        return sandbox.value if sandbox is not None and sandbox.reachable() else None

    def _everything(self) -> Iterator[tuple[Key, Value]]:
        yield from self._zone.everything()
        for name, sandbox in self._sandboxes.items():
            yield ResolverKey(name), sandbox.value

    def _perform(self, changes: list[Change]) -> Reply:
        done: list[Change] = []
        for key, value in changes:
            before = self._known(key)
            try:
                self._change(key, value)
            except (FairleadError, OSError) as error:
                self._undo(done)
                reason = error.message if isinstance(error, FairleadError) else error.strerror
                return {"refused": f"cannot open a resolver in {key_document(key)[1]}: {reason}"}
            done.append((key, before))
        return {}

    def _undo(self, done: list[Change]) -> None:
        for key, before in reversed(done):
            try:
                self._change(key, before)
            except (FairleadError, OSError):
                log.exception("cannot put back %s", key)

    def _known(self, key: Key) -> Value | None:
        if not isinstance(key, ResolverKey):
            return self._value(key)
        sandbox = self._sandboxes.get(key.namespace)
        return sandbox.value if sandbox else None

    def _change(self, key: Key, value: Value | None) -> None:
        if isinstance(key, ResolverKey):
            assert value is None or isinstance(value, Resolver)
            self._change_resolver(key.namespace, value)
            return
        assert value is None or isinstance(value, str)
        if isinstance(key, NameKey):
            self._zone.set_name(key, value)
        else:
            self._zone.set_pointer(key, value)

    def _change_resolver(self, name: str, value: Resolver | None) -> None:
        sandbox = self._sandboxes.get(name)
        if sandbox is not None:
            if value is not None and sandbox.reachable():
                sandbox.set(value)
                return
            self._drop(name)
        if value is not None:
            self._sandboxes[name] = self._resolver(name, value)

    def _resolver(self, name: str, value: Resolver, opened: Opened | None = None) -> SandboxResolver:
        return SandboxResolver(
            self._loop, self._namespaces, name, value, self._zone, self._outside, self._tally, opened
        )

    def _counts(self) -> Reply:
        """Queries since this process began, by what became of them."""
        outside = self._outside
        return {
            "here": self._tally.here + BATCH.answered,
            "outside": outside.asked - outside.unanswered,
            "unanswered": outside.unanswered,
            "malformed": self._tally.malformed,
        }

    def _drop(self, name: str) -> None:
        sandbox = self._sandboxes.pop(name)
        sandbox.close()
        self._closed.append(sandbox)

    def _sweep(self) -> None:
        self._tidy_up()
        for name, sandbox in list(self._sandboxes.items()):
            if sandbox.alive():
                sandbox.close_idle()
            else:
                self._drop(name)
        self._sweeping = self._loop.call_later(SWEEP, self._sweep)

    def _tidy_up(self) -> None:
        now, self._closed = self._closed[:TIDIED_AT_ONCE], self._closed[TIDIED_AT_ONCE:]
        for sandbox in now:
            # A later resolver of that name has its own redirection in that place.
            if sandbox.name in self._sandboxes:
                continue
            try:
                self._waiting.submit(sandbox.tidy_up())
            except (FairleadError, OSError) as error:
                log.warning("cannot tidy up in network namespace %s: %s", sandbox.name, error)


def _origin(opened: Opened) -> dict[str, Any]:
    return {"of": opened.identity, "shown": opened.shown}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the resolver; the exit code.  `--socket PATH [--detach LOG]`."""
    return beside.run("resolver", ResolverService, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())

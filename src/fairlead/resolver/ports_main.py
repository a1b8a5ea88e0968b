"""The port holder, one process per host: it outlives the daemon, so that published ports stay held."""

import asyncio
import logging
import os
import resource
import sys
from collections.abc import Sequence
from typing import Any

from fairlead.model.host import HeldPortKey, Target
from fairlead.resolver import beside
from fairlead.resolver.control import Reply, Request, WithSockets
from fairlead.resolver.datagrams import Datagrams, Session
from fairlead.resolver.estate import Estate, Inheritance
from fairlead.resolver.held import HeldPorts, NotHeld
from fairlead.resolver.lookout import Lookout
from fairlead.resolver.port_messages import key_document, read_key, read_target, target_document
from fairlead.resolver.streams import Paused, Streams

log = logging.getLogger(__name__)


class PortService:
    """Answers the daemon's requests about held ports."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._lookout = Lookout(loop)
        # Half of the open files are for holding; a connection takes two, a session one.
        self._streams = Streams(loop, self._lookout, limit=files // 8)
        self._datagrams = Datagrams(loop, self._lookout, limit=files // 8)
        self._held = HeldPorts(self._lookout, self._streams, self._datagrams)
        self._paused: list[Paused] = []

    def answer(self, request: Request) -> Reply | WithSockets:
        """Look at keys, at everything, or carry out changes: all of one request or none."""
        match request["do"]:
            case "observe":
                keys = [read_key(each) for each in request["keys"]]
                targets = [self._held.target(key) for key in keys]
                copied = [keys[place] for place in request.get("copies", ())]
                sockets = [self._held.sockets(key) for key in copied]
                return WithSockets(
                    {"targets": list(map(target_document, targets)), "copied": list(map(len, sockets))},
                    [each for own in sockets for each in own],
                )
            case "everything":
                held = self._held.everything()
                return {"held": [[key_document(key), target_document(target)] for key, target in held]}
            case "perform":
                return self._perform(
                    [(read_key(key), read_target(value)) for key, value in request["changes"]]
                )
        raise ValueError(f"{request['do']!r} is nothing that it can do")

    def hand_over(self) -> Estate:
        """Stop reading; all that is held, sessions, and the connections in which nothing is under way."""
        self._lookout.rest()
        self._paused = self._streams.pause()
        held = list(self._held.everything())
        bound = [each for key, _ in held for each in self._held.sockets(key)]
        places = {each.fileno(): place for place, each in enumerate(bound)}
        sessions = self._datagrams.sessions()
        document = {
            "runs": [[key_document(key), target_document(target)] for key, target in held],
            "sessions": [
                [
                    places[each.held.fileno()],
                    each.client,
                    [(*kind, said.hex()) for *kind, said in each.source],
                ]
                for each in sessions
            ],
            "streams": [
                key_document(each.owner) for each in self._paused if isinstance(each.owner, HeldPortKey)
            ],
        }
        ends = [end for each in self._paused for end in (each.near, each.far)]
        return Estate(document, [*bound, *(each.backend for each in sessions), *ends])

    def keep(self) -> None:
        """Read on."""
        for each in self._paused:
            each.resume()
        self._lookout.resume()

    def take_over(self, inheritance: Inheritance) -> None:
        """Hold what a predecessor held, and carry on what it carried."""
        document, left = inheritance.document, list(inheritance.sockets)
        bound = list(left)
        for documents in document["runs"]:
            key, target = read_key(documents[0]), read_target(documents[1])
            if target is None:
                raise ValueError(f"{key} leads nowhere")
            self._held.take_over(key, target, left[: key.count])
            del left[: key.count]
        for place, client, source in document["sessions"]:
            whence = [(level, kind, bytes.fromhex(said)) for level, kind, said in source]
            self._datagrams.take_over(Session(bound[place], tuple(client), whence, left.pop(0)))
        for owner in document["streams"]:
            self._streams.take_over(read_key(owner), left.pop(0), left.pop(0))

    async def finish(self) -> None:
        """Carry what the successor could not take to its end."""
        for each in self._paused:
            each.let_go()
        await self._streams.finish()

    def close(self) -> None:
        """Release every port."""
        for key, _ in list(self._held.everything()):
            self._held.change(key, None)
        self._lookout.close()

    def _perform(self, changes: list[tuple[HeldPortKey, Target | None]]) -> Reply:
        done: list[tuple[HeldPortKey, Target | None]] = []
        for key, target in changes:
            before = self._held.target(key)
            try:
                self._held.change(key, target)
            except NotHeld as refused:
                self._undo(done)
                return _refusal(refused)
            done.append((key, before))
        return {}

    def _undo(self, done: list[tuple[HeldPortKey, Target | None]]) -> None:
        for key, before in reversed(done):
            try:
                self._held.change(key, before)
            except NotHeld as lost:
                log.error("cannot hold again what was just released: %s", lost)


def _refusal(refused: NotHeld) -> dict[str, Any]:
    return {
        "refused": {
            "protocol": refused.key.protocol,
            "address": str(refused.key.address),
            "port": refused.port,
            "errno": refused.errno,
            "label": refused.label,
            "pid": os.getpid(),
        }
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the port holder; the exit code.  `--socket PATH [--detach LOG]`."""
    return beside.run("ports", PortService, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())

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
from fairlead.resolver.control import Reply, Request
from fairlead.resolver.datagrams import Datagrams
from fairlead.resolver.held import HeldPorts, NotHeld
from fairlead.resolver.lookout import Lookout
from fairlead.resolver.port_messages import key_document, read_key, read_target, target_document
from fairlead.resolver.streams import Streams

log = logging.getLogger(__name__)


class PortService:
    """Answers the daemon's requests about held ports."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._lookout = Lookout(loop)
        # Half of the open files are for holding; a connection takes two, a session one.
        streams = Streams(loop, self._lookout, limit=files // 8)
        datagrams = Datagrams(loop, self._lookout, limit=files // 8)
        self._held = HeldPorts(self._lookout, streams, datagrams)

    def answer(self, request: Request) -> Reply:
        """Look at keys, at everything, or carry out changes: all of one request or none."""
        match request["do"]:
            case "observe":
                keys = [read_key(each) for each in request["keys"]]
                return {"targets": [target_document(self._held.target(key)) for key in keys]}
            case "everything":
                held = self._held.everything()
                return {"held": [[key_document(key), target_document(target)] for key, target in held]}
            case "perform":
                return self._perform(
                    [(read_key(key), read_target(value)) for key, value in request["changes"]]
                )
        raise ValueError(f"{request['do']!r} is nothing that it can do")

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

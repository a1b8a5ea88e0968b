"""etcd's words as JSON, and back.

Bytes are base64 there, 64-bit numbers are text, zero and false are left out.
The documents are those of https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/ and of rpc.proto.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fairlead.boundary.cluster import Changes, Entry, Unchanged, Write

NOTHING = "AA=="  # one zero byte: as the end of a range it means all keys from its start on


def encode(text: str) -> str:
    """A key or value as etcd's JSON has it."""
    return base64.b64encode(text.encode()).decode()


def decode(text: str) -> str:
    """The key or value again; bytes that are no text, which nobody here writes, are replaced."""
    return base64.b64decode(text).decode(errors="replace")


def next_key(key: str) -> str:
    """The first key that can come after an encoded one, which need not be text."""
    return base64.b64encode(base64.b64decode(key) + b"\0").decode()


def prefix_range(prefix: str) -> dict[str, Any]:
    """The first key with the prefix, and the end of the range of all such keys."""
    if not prefix:
        return {"key": NOTHING, "range_end": NOTHING}
    # The last byte of UTF-8 is never 255, so that it can always be raised.
    first = prefix.encode()
    end = first[:-1] + bytes([first[-1] + 1])
    return {"key": encode(prefix), "range_end": base64.b64encode(end).decode()}


def transaction(conditions: Sequence[Unchanged], writes: Sequence[Write]) -> dict[str, Any]:
    """The body of `/v3/kv/txn`."""
    return {
        "compare": [
            {
                "key": encode(each.key),
                "target": "MOD",
                "result": "EQUAL",
                "mod_revision": str(each.changed),
            }
            for each in conditions
        ],
        # Without writes etcd would compare with what the member asked happens to know.
        "success": [_operation(each) for each in writes] or [{"request_range": {"key": NOTHING}}],
    }


def _operation(write: Write) -> dict[str, Any]:
    if write.value is None:
        return {"request_delete_range": {"key": encode(write.key)}}
    put = {"key": encode(write.key), "value": encode(write.value), "lease": str(write.lease)}
    return {"request_put": put}


def entry(pair: Mapping[str, Any]) -> tuple[str, Entry]:
    """A key and what it holds."""
    value = decode(pair.get("value", ""))
    return decode(pair["key"]), Entry(value, int(pair["mod_revision"]), int(pair.get("lease", 0)))


def revision(answer: Mapping[str, Any]) -> int:
    """The revision in an answer's header."""
    return int(answer.get("header", {}).get("revision", 0))


def complaint(document: object) -> tuple[str, int]:
    """What an error document says, and its gRPC status code (-1 where it names none).

    Unary calls and streams word it differently, and so do versions of the gateway.
    """
    if not isinstance(document, dict):
        return str(document), -1
    wrapped = document.get("error")
    inner: dict[str, Any] = wrapped if isinstance(wrapped, dict) else document
    code = inner.get("grpc_code", inner.get("code", -1))
    return str(inner.get("message", inner.get("error", inner))), int(code)


@dataclass(slots=True)
class Lines:
    """Cuts a stream of bytes into documents, one a line."""

    _parts: list[bytes] = field(default_factory=list)

    def feed(self, data: bytes) -> list[Any]:
        """The documents that are complete now.  ValueError for what is no JSON."""
        *complete, rest = data.split(b"\n")
        documents = []
        for line in complete:
            self._parts.append(line)
            whole = b"".join(self._parts)
            self._parts = []
            if whole.strip():
                documents.append(json.loads(whole))
        if rest:
            self._parts.append(rest)
        return documents


@dataclass(slots=True)
class Batch:
    """Puts a watch's answers together: a large one comes in fragments, which may divide a revision."""

    _entries: dict[str, Entry | None] = field(default_factory=dict)
    _last: int = 0

    def add(self, answer: Mapping[str, Any]) -> Changes | None:
        """The changes that this answer completes, None while more fragments are to come."""
        for event in answer.get("events", ()):
            pair = event["kv"]
            self._last = int(pair["mod_revision"])
            if event.get("type") == "DELETE":
                self._entries[decode(pair["key"])] = None
            else:
                key, value = entry(pair)
                self._entries[key] = value
        if answer.get("fragment"):
            return None
        # The header may be ahead of a watch that has not caught up; without events it is not.
        changes = Changes(self._last or revision(answer), self._entries)
        self._entries, self._last = {}, 0
        return changes

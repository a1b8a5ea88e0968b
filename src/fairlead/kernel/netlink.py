"""Conversations in netlink: a request, its whole answer, then the next request.

Messages are encoded and decoded by pyroute2; the socket is plain, because a request then costs
microseconds and belongs to whichever namespace the socket was opened in.  Each request is
answered before the next is sent, since the kernel would go on with a batch after a failure in it.
"""

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyroute2.netlink import (
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
)

HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence number, port
ERROR_CODE = struct.Struct("=i")
ATTRIBUTE = struct.Struct("=HH")
ATTRIBUTE_KIND = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
ACK_HAS_ATTRIBUTES = 0x200  # NLM_F_ACK_TLVS
ACK_MESSAGE = 1  # NLMSGERR_ATTR_MSG

SOL_NETLINK = 270
CAP_ACK, EXT_ACK, GET_STRICT_CHK = 10, 11, 12

DEADLINE = 20.0  # seconds; the kernel answers at once, unless somebody holds its lock for long
LONGEST_ANSWER = 1 << 16  # bytes the kernel sends at once
DUMP_ATTEMPTS = 5  # a dump during which something changed is asked for again


class Refused(Exception):
    """The kernel said no: an errno and its reason in words."""

    def __init__(self, code: int, reason: str):
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Request:
    """A netlink message type, its flags, and the message without a header, of pyroute2 or as bytes."""

    kind: int
    message: Any
    flags: int = 0


class Conversation:
    """One netlink socket; it stays in the namespace it was opened in."""

    def __init__(self, connection: socket.socket):
        self._socket = connection
        self._number = 0
        connection.settimeout(DEADLINE)
        # Reasons in words, short acknowledgements, and dumps that the kernel filters.
        for option in (EXT_ACK, CAP_ACK, GET_STRICT_CHK):
            connection.setsockopt(SOL_NETLINK, option, 1)

    def change(self, request: Request) -> None:
        """Have the kernel change something.  Raises Refused."""
        self._send(request, NLM_F_ACK)
        self._answer()

    def get(self, request: Request) -> bytes:
        """The one message that answers.  Raises Refused."""
        self._send(request, 0)
        return self._answer()[0]

    def dump(self, request: Request) -> list[bytes]:
        """Every message of a dump, none of it changed meanwhile.  Raises Refused."""
        for _ in range(DUMP_ATTEMPTS):
            self._send(request, NLM_F_DUMP)
            messages = self._answer(dump=True)
            if not any(HEADER.unpack_from(message)[2] & NLM_F_DUMP_INTR for message in messages):
                break
        return messages

    def close(self) -> None:
        """End it; an open socket would keep its namespace alive."""
        self._socket.close()

    def _send(self, request: Request, flags: int) -> None:
        self._number += 1
        message = request.message
        if isinstance(message, bytes):
            length, kind = HEADER.size + len(message), request.flags | flags | NLM_F_REQUEST
            self._socket.send(HEADER.pack(length, request.kind, kind, self._number, 0) + message)
            return
        header = message["header"]
        header["type"] = request.kind
        header["flags"] = request.flags | flags | NLM_F_REQUEST
        header["sequence_number"] = self._number
        message.reset()
        message.encode()
        self._socket.send(message.data)

    def _receive(self) -> bytes:
        return self._socket.recv(LONGEST_ANSWER)

    def _answer(self, dump: bool = False) -> list[bytes]:
        """The messages up to the end of the answer; for an acknowledgement, none but itself."""
        messages: list[bytes] = []
        while True:
            received = self._receive()
            offset = 0
            while offset < len(received):
                length, kind, flags, number, _ = HEADER.unpack_from(received, offset)
                message = received[offset : offset + length]
                offset += (length + 3) & ~3
                if number != self._number:
                    continue  # the rest of an answer that was given up
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    _raise_if_refused(message, flags)
                    return messages or ([] if dump else [message])
                messages.append(message)
            if messages and not dump:
                return messages


def attributes(message: bytes, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """The kinds and contents of the attributes from a place on: pyroute2 takes 30 times as long for all."""
    at = start
    while at + ATTRIBUTE.size <= len(message):
        length, kind = ATTRIBUTE.unpack_from(message, at)
        if length < ATTRIBUTE.size:
            return
        yield kind & ATTRIBUTE_KIND, message[at + ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


def _raise_if_refused(message: bytes, flags: int) -> None:
    code = -ERROR_CODE.unpack_from(message, HEADER.size)[0]
    if code <= 0:
        return
    reason = os.strerror(code)
    # After the code an error repeats the request's header, the end of a dump does not.
    is_error = HEADER.unpack_from(message)[1] == NLMSG_ERROR
    offset = HEADER.size + ERROR_CODE.size + (HEADER.size if is_error else 0)
    while flags & ACK_HAS_ATTRIBUTES and offset + ATTRIBUTE.size <= len(message):
        length, kind = ATTRIBUTE.unpack_from(message, offset)
        if length < ATTRIBUTE.size:
            break
        if kind == ACK_MESSAGE:
            text = message[offset + ATTRIBUTE.size : offset + length]
            reason = text.rstrip(b"\0").decode(errors="replace").removesuffix(".")
            reason = reason.removeprefix("ipv4: ").removeprefix("ipv6: ")
        offset += (length + 3) & ~3
    raise Refused(code, reason)

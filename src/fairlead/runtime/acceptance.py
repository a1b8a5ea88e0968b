"""Whether the other side has accepted a connection: until then a console's output passes it by.

conmon sends output to the connections that it knows, and a short container may have said all
before it looks for new ones.  Source: sock_diag(7), unix_diag's peer: an unaccepted one has no inode.
"""

import asyncio
import os
import socket
import struct

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
NLMSG_ERROR = 2
UDIAG_SHOW_PEER = 4
UNIX_DIAG_PEER = 2
ALL_STATES = ANY_COOKIE = 0xFFFFFFFF
HEADER = struct.Struct("=IHHII")  # nlmsghdr
REQUEST = struct.Struct("=BBHIIIII")  # unix_diag_req
ANSWER_SIZE = 16  # unix_diag_msg
ATTRIBUTE = struct.Struct("=HH")  # rtattr

PAUSE = 0.0005  # seconds between two looks
PATIENCE = 2.0


async def until_accepted(connection: socket.socket) -> None:
    """Return when the connection is accepted, after two seconds, or at once where nobody can tell."""
    loop = asyncio.get_running_loop()
    limit = loop.time() + PATIENCE
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG) as asking:
        asking.settimeout(PATIENCE)
        inode = os.fstat(connection.fileno()).st_ino
        # Nobody tells when it happens, so it is asked for again and again.
        while _peer_inode(asking, inode) == 0 and loop.time() < limit:  # noqa: ASYNC110
            await asyncio.sleep(PAUSE)


def _peer_inode(asking: socket.socket, inode: int) -> int | None:
    """The inode of the other end, 0 before it is accepted; None where the kernel does not say."""
    request = REQUEST.pack(
        socket.AF_UNIX, 0, 0, ALL_STATES, inode & 0xFFFFFFFF, UDIAG_SHOW_PEER, ANY_COOKIE, ANY_COOKIE
    )
    try:
        asking.send(
            HEADER.pack(HEADER.size + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0) + request
        )
        answer = asking.recv(4096)
    except OSError:
        return None
    length, kind, *_ = HEADER.unpack_from(answer)
    place = HEADER.size + ANSWER_SIZE
    while kind != NLMSG_ERROR and place + ATTRIBUTE.size <= length:
        size, name = ATTRIBUTE.unpack_from(answer, place)
        if name == UNIX_DIAG_PEER:
            return int.from_bytes(answer[place + 4 : place + 8], "little")
        place += max(4, (size + 3) & ~3)
    return None

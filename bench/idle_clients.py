"""Connections that say nothing, or half of a question: run by names.py.

idle_clients.py ADDRESS COUNT SECONDS    says `ready` when all are connected; keeps them for so long
"""

import socket
import sys
import time


def keep(address: str, count: int, seconds: float) -> None:
    """Every connection that is closed by the other side is opened anew."""
    end = time.monotonic() + seconds
    kept = [_connected(address, number) for number in range(count)]
    print("ready", flush=True)
    while time.monotonic() < end:
        time.sleep(0.2)
        kept = [each if _open(each) else _connected(address, number) for number, each in enumerate(kept)]


def _connected(address: str, number: int) -> socket.socket:
    made = socket.create_connection((address, 53), timeout=5)
    if number % 2:
        made.sendall(b"\0\x40half a que")
    made.setblocking(False)
    return made


def _open(connection: socket.socket) -> bool:
    try:
        if connection.recv(1):
            return True
    except BlockingIOError:
        return True
    except OSError:
        pass
    connection.close()
    return False


if __name__ == "__main__":
    keep(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))

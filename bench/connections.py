"""A server that answers a byte and hangs up, and a client that counts: run by traffic.py.

connections.py serve PORT
connections.py ask ADDRESS PORT SECONDS    prints connections per second and the median in µs
"""

import socket
import statistics
import sys
import time


def serve(port: int) -> None:
    """Answer until killed."""
    with socket.create_server(("", port), backlog=1024) as listener:
        while True:
            connection, _ = listener.accept()
            connection.sendall(b"!")
            connection.close()


def ask(address: str, port: int, seconds: float) -> None:
    """One connection after the other."""
    took: list[float] = []
    began = time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        with socket.create_connection((address, port), timeout=5) as connection:
            if connection.recv(1) != b"!":
                raise ConnectionError("no answer")
        took.append(time.perf_counter() - now)
    print(len(took) / (time.perf_counter() - began), statistics.median(took) * 1e6)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        ask(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))

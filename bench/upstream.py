"""A name server that costs next to nothing, and one that never answers: run by names.py.

upstream.py ADDRESS SILENT_ADDRESS    says `ready`; every question to ADDRESS is answered 192.0.2.1
"""

import socket
import sys

ANSWER = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"  # the question's name, A, 60 seconds
FLAGS = b"\x81\x80\0\1\0\1\0\0\0\0"  # an answer, of one record


def serve(address: str, silent: str) -> None:
    """Answer until killed."""
    with socket.socket(type=socket.SOCK_DGRAM) as deaf, socket.socket(type=socket.SOCK_DGRAM) as server:
        deaf.bind((silent, 53))
        server.bind((address, 53))
        print("ready", flush=True)
        while True:
            query, client = server.recvfrom(512)
            end = query.index(0, 12) + 5
            server.sendto(query[:2] + FLAGS + query[12:end] + ANSWER, client)


if __name__ == "__main__":
    serve(*sys.argv[1:])

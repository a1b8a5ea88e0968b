"""Many sockets behind one registration with the event loop: thousands may be watched for little."""

import asyncio
import select
import socket
from collections.abc import Callable

BATCH = 64  # sockets served before the loop looks at anything else


class Lookout:
    """Calls a function when a socket can be read; level-triggered, so it need not be read out."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop = loop
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[], None]] = {}
        self.resume()

    def watch(self, watched: socket.socket, ready: Callable[[], None]) -> None:
        """Call `ready` whenever there is something to read or to accept; replaces an earlier function."""
        number = watched.fileno()
        if number not in self._ready:
            self._epoll.register(number, select.EPOLLIN)
        self._ready[number] = ready

    def forget(self, watched: socket.socket) -> None:
        """Stop; to be called before the socket is closed."""
        if self._ready.pop(watched.fileno(), None) is not None:
            self._epoll.unregister(watched.fileno())

    def pause(self, seconds: float) -> None:
        """Look at none of them for a while: the process has run out of something that will come back."""
        self.rest()
        self._loop.call_later(seconds, self.resume)

    def rest(self) -> None:
        """Look at none of them until `resume`."""
        self._loop.remove_reader(self._epoll.fileno())

    def close(self) -> None:
        """Forget all of them."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def resume(self) -> None:
        """Look at them."""
        if not self._epoll.closed:
            self._loop.add_reader(self._epoll.fileno(), self._look)

    def _look(self) -> None:
        for number, _ in self._epoll.poll(0, BATCH):
            ready = self._ready.get(number)
            if ready is not None:  # else forgotten by one that was served before it
                ready()

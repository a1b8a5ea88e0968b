"""Bytes between the event loop and threads: one side blocks, the other does not; a pipe is between them."""

import asyncio
import contextlib
import io
import os
import threading
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

T = TypeVar("T")
_BLOCK = 1 << 18  # bytes handed on at a time


def in_thread(work: Callable[[], T]) -> "asyncio.Future[T]":
    """Run blocking work in a thread of its own: however long it takes, it holds up nobody else's."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(error: BaseException | None, value: T | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(value)  # type: ignore[arg-type]
        else:
            outcome.set_exception(error)

    def run() -> None:
        error, value = None, None
        try:
            value = work()
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, error, value)

    threading.Thread(target=run, daemon=True, name="archive").start()
    return outcome


async def produced(work: Callable[[io.BufferedWriter], None]) -> AsyncIterator[bytes]:
    """What the work writes into its file, in a thread, as a stream.

    An error of the work is raised after what it wrote before.  When the stream is closed early,
    the work gets BrokenPipeError and is waited for.
    """
    receiving, sending = os.pipe2(os.O_CLOEXEC)

    def run() -> None:
        with open(sending, "wb") as file:
            work(file)

    reader = asyncio.StreamReader(limit=_BLOCK)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(receiving, "rb", buffering=0)
    )
    finished = in_thread(run)
    complete = False
    try:
        while piece := await reader.read(_BLOCK):
            yield piece
        complete = True
        await finished
    finally:
        transport.close()
        if not complete:
            await asyncio.wait([finished])
            finished.exception()


async def consumed(upload: AsyncIterator[bytes], work: Callable[[io.BufferedReader], T]) -> T:
    """Let the work, in a thread, read an upload as a file; what it returns.

    What the upload raises is raised here once the work has ended; the work may end early.
    """
    receiving, sending = os.pipe2(os.O_CLOEXEC)

    def run() -> T:
        with open(receiving, "rb") as file:
            return work(file)

    finished = in_thread(run)
    try:
        async for piece in upload:
            if finished.done():
                break
            await asyncio.to_thread(_write, sending, piece)
    except BrokenPipeError:
        pass  # the work has ended: its outcome tells why
    finally:
        os.close(sending)
        await asyncio.wait([finished])
    return finished.result()


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]

"""Uploads on their way to the storage: written to disk, unpacked, and never trusted.

Everything lies in the caller's scratch directory, which goes whatever happens.
"""

import asyncio
import bz2
import contextlib
import gzip
import hashlib
import lzma
import shutil
import tarfile
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from fairlead.model.errors import Failed, InvalidParameter

_BLOCK = 1 << 20  # bytes moved at a time
_OPENERS: Mapping[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
DAMAGE = (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)


def broken(reason: str = "unexpected EOF") -> InvalidParameter:
    """The error for an upload that is no usable archive, in the words that Docker's clients know."""
    return InvalidParameter(f"Error processing tar file(exit status 1): {reason}")


@contextlib.contextmanager
def writing(complaint: str) -> Iterator[None]:
    """Turns what the host's file system says (it is full, for one) into Failed: COMPLAINT: reason."""
    try:
        yield
    except OSError as error:
        raise Failed(f"{complaint}: {error.strerror}") from error


async def spool(upload: AsyncIterator[bytes], scratch: Path) -> Path:
    """Write an upload to disk and decompress it; the path of the tar.

    InvalidParameter if it is compressed and damaged.  What the upload itself raises goes through.
    """
    received = scratch / "received"
    with open(received, "wb") as file:
        waiting = bytearray()

        async def write() -> None:
            with writing("cannot keep the upload"):
                await asyncio.to_thread(file.write, bytes(waiting))
            waiting.clear()

        async for piece in upload:
            waiting += piece
            if len(waiting) >= _BLOCK:
                await write()
        await write()
    return await asyncio.to_thread(_decompressed, received)


def _decompressed(path: Path) -> Path:
    with open(path, "rb") as file:
        magic = file.read(6)
    opener = next((opener for prefix, opener in _OPENERS.items() if magic.startswith(prefix)), None)
    if opener is None:
        return path
    plain = path.with_name("decompressed")
    try:
        with opener(path, "rb") as source, open(plain, "wb") as target:
            shutil.copyfileobj(source, target, _BLOCK)
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise broken() from error
    except OSError as error:
        raise Failed(f"cannot decompress the upload: {error.strerror}") from error
    path.unlink()
    return plain


def check_tar(path: Path) -> None:
    """Read all of a tar's headers.  InvalidParameter if it is damaged; an empty file is an empty tar."""
    if path.stat().st_size == 0:
        return
    try:
        with tarfile.open(path, "r:") as archive:
            for _ in archive:
                pass
    except DAMAGE as error:
        raise broken() from error


def digest_of(path: Path) -> str:
    """The digest of a file, "sha256:...", read piece by piece."""
    with open(path, "rb") as file:
        return digest_of_stream(file)


def digest_of_stream(file: BinaryIO) -> str:
    """The digest of what is left in an open file."""
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def digest_of_bytes(content: bytes) -> str:
    """The digest of bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"

"""libnftables in this process: a command costs a tenth of a millisecond instead of a program's start."""

import ctypes

from fairlead.model.errors import Failed, Unsupported

LIBRARY = "libnftables.so.1"

# An output flag of libnftables (nftables/libnftables.h).
TERSE = 1 << 11


class Refused(Failed):
    """The library or the kernel did not take the commands; the message is the library's own."""


class Libnftables:
    """One context of the library, for the thread that made it and that thread's network namespace.

    Raises Unsupported when the library is not installed.
    """

    def __init__(self) -> None:
        try:
            library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise Unsupported(f"cannot reach nftables: {LIBRARY} is not installed") from error
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        for name in ("nft_ctx_free", "nft_ctx_buffer_output", "nft_ctx_buffer_error"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
        for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
            getattr(library, name).restype = ctypes.c_char_p
        self._library = library
        self._context = library.nft_ctx_new(0)
        if not self._context:
            raise Unsupported("cannot reach nftables: the kernel gives no netlink socket for it")
        library.nft_ctx_buffer_output(self._context)
        library.nft_ctx_buffer_error(self._context)

    def run(self, commands: str, terse: bool = False) -> str:
        """Run nft commands as one transaction; their output as text, without elements if `terse`.

        Raises Refused with the library's complaint; nothing is changed then.
        """
        self._library.nft_ctx_output_set_flags(self._context, TERSE if terse else 0)
        code = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
        output: bytes = self._library.nft_ctx_get_output_buffer(self._context)
        complaint: bytes = self._library.nft_ctx_get_error_buffer(self._context)
        if code:
            raise Refused(complaint.decode(errors="replace"))
        return output.decode()

    def close(self) -> None:
        """Give the context back."""
        if self._context:
            self._library.nft_ctx_free(self._context)
            self._context = None

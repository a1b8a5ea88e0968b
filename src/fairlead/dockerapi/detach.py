"""Detach keys: how they are written, and how they are found in what a user types.

Source of the notation: `docker attach --detach-keys`, and moby's `pkg/term` for the control codes.
"""

from fairlead.model.errors import InvalidParameter

DEFAULT_KEYS = b"\x10\x11"  # ctrl-p, ctrl-q
_CONTROL = {f"ctrl-{letter}": ord(letter) - ord("a") + 1 for letter in "abcdefghijklmnopqrstuvwxyz"}
_CONTROL |= {"ctrl-@": 0, "ctrl-[": 27, "ctrl-\\": 28, "ctrl-]": 29, "ctrl-^": 30, "ctrl-_": 31}
_CONTROL["DEL"] = 127


def parse_detach_keys(text: str) -> bytes:
    """The byte of each key in `ctrl-p,ctrl-q` or `a,b,c`; the default ones for "".

    Raises InvalidParameter without a sentence about what the keys are for: callers add theirs.
    """
    if not text:
        return DEFAULT_KEYS
    codes = bytearray()
    for key in text.split(","):
        if len(key) == 1 and ord(key) < 128:
            codes.append(ord(key))
        elif key in _CONTROL:
            codes.append(_CONTROL[key])
        else:
            raise InvalidParameter(f"Unknown character: '{key}'")
    return bytes(codes)


class DetachFilter:
    """Looks for the detach keys in a stream of input; everything else passes.

    A beginning of the keys is held back until the next bytes tell what it is.
    """

    def __init__(self, keys: bytes = DEFAULT_KEYS):
        self._keys = keys
        self._held = b""  # the beginning of the keys that has just been typed

    def feed(self, content: bytes) -> tuple[bytes, bool]:
        """What passes on, and whether the keys were typed; what follows them is dropped."""
        passed = bytearray()
        for byte in content:
            self._held += bytes((byte,))
            while not self._keys.startswith(self._held):
                passed.append(self._held[0])
                self._held = self._held[1:]
            if self._held == self._keys:
                self._held = b""
                return bytes(passed), True
        return bytes(passed), False

"""The keys that leave a container without ending it: `ctrl-p,ctrl-q` unless the user says otherwise."""

from fairlead.cli.problems import Invalid

DEFAULT = "ctrl-p,ctrl-q"
_CONTROL = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def parse_keys(text: str) -> bytes:
    """The bytes of keys with commas between: letters, or `ctrl-` and one of a-z, @ [ \\ ] ^ _ .

    Raises Invalid.
    """
    found = bytearray()
    for key in text.split(","):
        if len(key) == 1 and key.isascii():
            found += key.encode()
            continue
        letter = key.removeprefix("ctrl-")
        if letter == key or len(letter) != 1:
            raise Invalid(f"Unknown character: '{key}'")
        if "a" <= letter <= "z":
            found.append(ord(letter) - ord("a") + 1)
        elif letter in _CONTROL:
            found.append(_CONTROL[letter])
        else:
            raise Invalid(f"Unknown character: '{key}'")
    return bytes(found)


class Detacher:
    """Watches what is typed for the keys; they themselves never reach the container."""

    def __init__(self, keys: bytes):
        self._keys = keys
        self._matched = 0
        self.detached = False

    def feed(self, data: bytes) -> bytes:
        """What is to be passed on; after the last key `detached` is true and the rest is dropped."""
        if not self._keys:
            return data
        passed = bytearray()
        for byte in data:
            if byte == self._keys[self._matched]:
                self._matched += 1
                if self._matched == len(self._keys):
                    self.detached = True
                    break
                continue
            # The keys before were meant for the container after all.
            passed += self._keys[: self._matched]
            self._matched = 1 if byte == self._keys[0] else 0
            if not self._matched:
                passed.append(byte)
        return bytes(passed)

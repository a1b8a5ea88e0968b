"""Options are parsed as Docker's client parses them, so that a command line means the same to both.

`--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`, `-it`, `--flag=false`, and `--` before
words that only look like options.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.cli.kinds import BOOL, STRING, Kind
from fairlead.cli.problems import Invalid, Misuse


@dataclass(frozen=True, slots=True)
class Flag:
    """One option.  `same_as` names the option that an old spelling stands for.

    `completes` says what its value names, for completion: containers, images, networks, volumes, files.
    """

    name: str
    help: str
    kind: Kind = BOOL
    short: str = ""
    default: Any = None
    hidden: bool = False
    same_as: str = ""
    deprecated: str = ""
    completes: str = ""

    @property
    def shown(self) -> str:
        """As messages name it."""
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


HELP = Flag("help", "Print usage", hidden=True)


class Values:
    """What the command line says, by option; one that is not there has its default."""

    def __init__(self, flags: Iterable[Flag]):
        self._flags = {flag.name: flag for flag in flags}
        self._values: dict[str, Any] = {}
        self.warnings: list[str] = []

    def put(self, flag: Flag, text: str) -> None:
        """Take one use of an option.  Raises Misuse when the text is no such value."""
        try:
            value = flag.kind.read(text)
        except Invalid as problem:
            raise Misuse(f'invalid argument "{text}" for "{flag.shown}" flag: {problem}') from None
        if flag.deprecated:
            self.warnings.append(f"Flag --{flag.name} has been deprecated, {flag.deprecated}")
        name = flag.same_as or flag.name
        if not flag.kind.many:
            self._values[name] = value
        elif isinstance(value, list):
            self._values.setdefault(name, []).extend(value)
        else:
            self._values.setdefault(name, []).append(value)

    def given(self, name: str) -> bool:
        """Whether the option was used at all."""
        return name in self._values

    def any(self, name: str) -> Any:
        """The value, whatever it is."""
        if name in self._values:
            return self._values[name]
        flag = self._flags[name]
        if flag.default is not None:
            return flag.default
        return [] if flag.kind.many else flag.kind.zero

    def yes(self, name: str) -> bool:
        """An option that is on or off."""
        return bool(self.any(name))

    def text(self, name: str) -> str:
        """A text, or what a kind of its own makes of it."""
        return str(self.any(name))

    def number(self, name: str) -> int:
        """A number: plain, bytes, nanoseconds."""
        return int(self.any(name))

    def all(self, name: str) -> list[Any]:
        """Every value of an option for many."""
        return list(self.any(name))

    def pairs(self, name: str) -> dict[str, str]:
        """The values of a `name=value` option, sorted by name: in that order Docker sends them."""
        return dict(sorted(dict(self.all(name)).items()))

    def filters(self, name: str = "filter") -> dict[str, list[str]]:
        """The values of `--filter`, together by name."""
        found: dict[str, list[str]] = {}
        for key, value in self.all(name):
            found.setdefault(key, []).append(value)
        return found


@dataclass(slots=True)
class _Reader:
    words: list[str]
    by_name: dict[str, Flag]
    by_short: dict[str, Flag]
    values: Values

    def long(self, word: str) -> None:
        name, separator, value = word[2:].partition("=")
        if not name or name.startswith("-"):
            raise Misuse(f"bad flag syntax: {word}")
        flag = self.by_name.get(name)
        if flag is None:
            raise Misuse(f"unknown flag: --{name}")
        if not separator:
            value = "true" if flag.kind is BOOL else self.next(f"flag needs an argument: --{name}")
        self.values.put(flag, value)

    def short(self, word: str) -> None:
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            flag = self.by_short.get(letter)
            if flag is None:
                raise Misuse(f"unknown shorthand flag: '{letter}' in -{letter}{letters}")
            if len(letters) > 1 and letters[0] == "=":
                value, letters = letters[1:], ""
            elif flag.kind is BOOL:
                value = "true"
            elif letters:
                value, letters = letters, ""
            else:
                value = self.next(f"flag needs an argument: '{letter}' in -{letter}")
            self.values.put(flag, value)

    def next(self, complaint: str) -> str:
        if not self.words:
            raise Misuse(complaint)
        return self.words.pop(0)


def parse(
    flags: Sequence[Flag], words: Sequence[str], interspersed: bool = True, lenient: bool = False
) -> tuple[Values, list[str]]:
    """Split a command line into options and arguments.

    Not `interspersed`, the first argument ends the options.  `lenient` stops at what cannot be
    understood instead of raising Misuse: what is being completed is not whole yet.
    """
    values = Values(flags)
    by_short = {flag.short: flag for flag in flags if flag.short}
    reader = _Reader(list(words), {flag.name: flag for flag in flags}, by_short, values)
    if "h" not in by_short and "help" in reader.by_name:
        by_short["h"] = reader.by_name["help"]
    arguments: list[str] = []
    try:
        while reader.words:
            word = reader.words.pop(0)
            if word == "--":
                return values, arguments + reader.words
            if word.startswith("--"):
                reader.long(word)
            elif word.startswith("-") and word != "-":
                reader.short(word)
            elif interspersed:
                arguments.append(word)
            else:
                return values, [*arguments, word, *reader.words]
    except Misuse:
        if not lenient:
            raise
    return values, arguments


FORMAT_HELP = """Format output using a custom template:
'table':            Print output in table format with column headers (default)
'table TEMPLATE':   Print output in table format using the given Go template
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template"""

FORMAT = Flag("format", FORMAT_HELP, STRING)
FORMAT_DOCUMENT = Flag(
    "format",
    "Format output using a custom template:\n"
    "'json':             Print in JSON format\n"
    "'TEMPLATE':         Print output using the given Go template",
    STRING,
    short="f",
)

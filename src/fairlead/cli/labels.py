"""Labels and environment variables: pairs written `name=value`, on the command line or in files."""

from collections.abc import Mapping, Sequence

from fairlead.cli.problems import Invalid

_BLANKS = " \t\n\r\f\v"


def label_map(pairs: Sequence[str]) -> dict[str, str]:
    """`name=value` texts as a map; the last of a name counts, a name alone has an empty value."""
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def labels_shown(labels: Mapping[str, str] | None) -> str:
    """Labels in one cell: `a=b,c=`."""
    return ",".join(f"{name}={value}" for name, value in sorted((labels or {}).items()))


def read_pairs(
    files: Sequence[str], pairs: Sequence[str], environment: Mapping[str, str] | None
) -> list[str]:
    """The lines of the files, then the pairs.

    With an environment (for variables, not for labels) a name alone takes its value from there, and is
    left out when it has none.  Raises Invalid, and for a file that cannot be read too.
    """
    found: list[str] = []
    for path in files:
        found.extend(_lines(path, environment))
    if environment is None:
        return found + list(pairs)
    for pair in pairs:
        if "=" in pair:
            found.append(pair)
        elif pair in environment:
            found.append(f"{pair}={environment[pair]}")
        else:
            # Without a value the name alone goes to the daemon, which takes it out of the image's.
            found.append(pair)
    return found


def _lines(path: str, environment: Mapping[str, str] | None) -> list[str]:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as problem:
        raise Invalid(f"open {path}: {(problem.strerror or str(problem)).lower()}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(f"env file {path} contains invalid utf8 bytes") from None
    found = []
    for line in text.split("\n"):
        line = line.removesuffix("\r").lstrip(_BLANKS)
        if not line or line.startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if any(blank in name for blank in _BLANKS):
            raise Invalid(f"invalid env file ({path}): variable '{name}' contains whitespaces")
        if not name:
            raise Invalid(f"invalid env file ({path}): no variable name on line '{line}'")
        if separator:
            found.append(f"{name}={value}")
        elif environment is None:
            found.append(name)
        elif name in environment:
            found.append(f"{name}={environment[name]}")
    return found

"""What is wrong with a JSON text, in the words of Go's encoding/json, which clients of Docker know."""

from json import JSONDecodeError

_PLACES = (
    ("Expecting property name", "looking for beginning of object key string"),
    ("Expecting value", "looking for beginning of value"),
    ("Expecting ':'", "after object key"),
    ("Invalid control character", "in string literal"),
    ("Invalid \\", "in string escape code"),
)


def complaint(error: ValueError) -> str:
    """The complaint about a text that could not be read; other errors speak for themselves."""
    if not isinstance(error, JSONDecodeError):
        return str(error)
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string"):
        return "unexpected end of JSON input"
    if error.msg == "Extra data":
        return "unexpected content after JSON"
    what = f"invalid character {_quoted(error.doc[error.pos])}"
    for start, place in _PLACES:
        if error.msg.startswith(start):
            return f"{what} {place}"
    return f"{what} after object key:value pair or array element"


def _quoted(character: str) -> str:
    """A character as Go quotes it.  Source: Go, encoding/json, quoteChar."""
    if character == "'":
        return r"'\''"
    return "'\"'" if character == '"' else f"'{character}'"

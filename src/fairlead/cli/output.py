"""Lists are written as Docker writes them: a table, JSON lines, or what a template makes of each row."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fairlead.cli.problems import Ending, Invalid
from fairlead.cli.session import Session

_MINIMUM, _PADDING = 10, 3


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a row: its heading in tables, and how it is computed from the thing that is listed."""

    heading: str
    compute: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Listing:
    """What can be shown of one sort of thing.

    `kind` is what Docker's messages call a row; `methods` are fields that take a word, as `.Label "x"`;
    `complaints` begin the messages about a template that cannot be parsed, or carried out.
    """

    kind: str
    columns: Mapping[str, Column]
    methods: Mapping[str, Callable[[Any, str], Any]] = field(default_factory=dict)
    complaints: tuple[str, str] = ("template parsing error", "template parsing error")


def tabulate(rows: Sequence[Sequence[str]], minimum: int = _MINIMUM) -> str:
    """Align cells as Go's tabwriter does for Docker: a cell is 10 wide at least, 3 beyond the longest text.

    A column goes on as long as consecutive rows have a cell that another one follows; the last cell
    of a row is never padded.
    """
    padded = [list(row) for row in rows]
    _align(padded, rows, (0, len(rows)), 0, minimum)
    return "".join("".join(row) + "\n" for row in padded)


def _align(
    padded: list[list[str]],
    rows: Sequence[Sequence[str]],
    lines: tuple[int, int],
    column: int,
    minimum: int,
) -> None:
    line, last = lines
    while line < last:
        if len(rows[line]) <= column + 1:
            line += 1
            continue
        end = line
        while end < last and len(rows[end]) > column + 1:
            end += 1
        width = max(max(len(rows[number][column]) for number in range(line, end)) + _PADDING, minimum)
        for number in range(line, end):
            padded[number][column] = rows[number][column].ljust(width)
        _align(padded, rows, (line, end), column + 1, minimum)
        line = end


def show(
    session: Session,
    listing: Listing,
    things: Iterable[Any],
    form: str = "",
    *,
    table: Sequence[str],
    quiet: str = "",
) -> None:
    """Write things in the format that the user asked for.

    `table` names the columns of the default table, `quiet` the one field that `-q` shows alone.
    """
    if quiet and form in ("", "table"):
        for thing in things:
            session.line(str(listing.columns[quiet].compute(thing)))
        return
    if form in ("", "table"):
        rows = [[listing.columns[name].heading for name in table]]
        rows += [[str(listing.columns[name].compute(thing)) for name in table] for thing in things]
        session.write(tabulate(rows))
        return
    _show_template(session, listing, things, form)


def _show_template(session: Session, listing: Listing, things: Iterable[Any], form: str) -> None:
    from fairlead.cli.template import parse
    from fairlead.cli.template_functions import FUNCTIONS, TemplateProblem
    from fairlead.cli.template_run import Headings, Row, execute

    fields = {name: column.compute for name, column in listing.columns.items()}
    is_table = form.startswith("table")
    if form == "json":
        form = "{{json .}}"
    text = form.removeprefix("table").strip() if is_table else form
    text = text.replace("\\t", "\t").replace("\\n", "\n")
    try:
        template = parse(text)
    except TemplateProblem as problem:
        raise Ending(1, f"{listing.complaints[0]}: {problem}") from None
    lines = []
    try:
        for thing in things:
            row = Row(listing.kind, thing, fields, listing.methods)
            lines.append(execute(template, row, FUNCTIONS))
        if is_table:
            headings = Headings({name: column.heading for name, column in listing.columns.items()})
            lines.insert(0, execute(template, headings, heading_functions(FUNCTIONS)))
    except TemplateProblem as problem:
        raise Ending(1, f"{listing.complaints[1]}: {problem}") from None
    if is_table:
        session.write(tabulate([cell.split("\t") for line in lines for cell in line.split("\n")]))
    else:
        for line in lines:
            session.line(line)


def heading_functions(functions: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """In the heading of a table what changes a value leaves the name of the column alone."""

    def first(value: Any, *_: Any) -> Any:
        return value

    same = dict.fromkeys(("join", "json", "lower", "split", "title", "truncate", "upper"), first)
    return {**functions, **same}


class Inspected:
    """Documents on their way out: together as JSON, or a template's text for each."""

    def __init__(self, form: str):
        """Ending when the template cannot be understood."""
        self._form = form
        self._documents: list[Any] = []
        self._text = ""
        self._render: Callable[[Any], str] | None = None if form in ("", "json") else _renderer(form)

    def take(self, document: Any) -> None:
        """One more.  Raises Invalid when the template cannot be carried out on it."""
        if self._render:
            self._text += self._render(document) + "\n"
        else:
            self._documents.append(document)

    def write(self, session: Session) -> None:
        """All of them; without any an empty list, or an empty line."""
        if self._render:
            session.write(self._text or "\n")
            return
        from json import dumps

        layout: dict[str, Any] = {"separators": (",", ":")} if self._form else {"indent": 4}
        session.line(dumps(self._documents, ensure_ascii=False, **layout))


def _renderer(form: str) -> Callable[[Any], str]:
    from fairlead.cli.template import parse
    from fairlead.cli.template_functions import FUNCTIONS, TemplateProblem
    from fairlead.cli.template_run import execute

    try:
        template = parse(form)
    except TemplateProblem as problem:
        raise Ending(64, f"template parsing error: {problem}") from None

    def render(document: Any) -> str:
        try:
            return execute(template, document, FUNCTIONS)
        except TemplateProblem as problem:
            raise Invalid(f"template parsing error: {problem}") from None

    return render

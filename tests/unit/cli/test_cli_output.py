import json
from typing import Any

import pytest

from fairlead.cli.output import Column, Inspected, Listing, show, tabulate
from fairlead.cli.problems import Ending, Invalid
from fairlead.cli.session import Session

LISTING = Listing(
    "some.rowContext",
    {
        "ID": Column("THE ID", lambda thing: thing["id"]),
        "Name": Column("NAME", lambda thing: thing["name"]),
    },
    {"Label": lambda thing, name: thing.get(name, "")},
)
THINGS: list[dict[str, Any]] = [
    {"id": "1", "name": "short"},
    {"id": "a much longer id", "name": "x", "l": "v"},
]


def shown(capsys: pytest.CaptureFixture[str], form: str = "", quiet: str = "") -> str:
    show(Session(environment={}), LISTING, THINGS, form, table=("ID", "Name"), quiet=quiet)
    return capsys.readouterr().out


def test_cells_are_ten_wide_or_three_more_than_the_longest() -> None:
    assert tabulate([["A", "B"], ["1", "2"]]) == "A         B\n1         2\n"
    assert tabulate([["A", "B"], ["1234567890", "2"]]) == "A            B\n1234567890   2\n"
    assert tabulate([["A", "B"]], minimum=20) == "A" + " " * 19 + "B\n"


def test_an_empty_last_cell_leaves_the_padding_before_it() -> None:
    assert tabulate([["A", "B"], ["1", ""]]) == "A         B\n1         \n"


def test_a_column_ends_where_a_row_does_not_reach_it() -> None:
    rows = [["a very long cell", "x"], ["alone"], ["b", "y"]]
    assert tabulate(rows) == "a very long cell   x\nalone\nb         y\n"


def test_rows_without_cells() -> None:
    assert tabulate([]) == ""
    assert tabulate([[""], ["x"]]) == "\nx\n"


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    table = "THE ID             NAME\n1                  short\na much longer id   x\n"
    assert shown(capsys) == table
    assert shown(capsys, "table") == table
    assert shown(capsys, "table {{.ID}}\\t{{.Name}}") == table


def test_quiet_shows_one_field_unless_a_format_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, quiet="ID") == "1\na much longer id\n"
    assert shown(capsys, "table", quiet="ID") == "1\na much longer id\n"
    assert shown(capsys, "{{.Name}}", quiet="ID") == "short\nx\n"


def test_templates_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "{{.Name}}\\t{{upper .Name}}") == "short\tSHORT\nx\tX\n"
    assert [json.loads(line) for line in shown(capsys, "json").splitlines()] == [
        {"ID": "1", "Name": "short"},
        {"ID": "a much longer id", "Name": "x"},
    ]


def test_headings_stay_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, 'table {{lower .Name}}|{{json .ID}}|{{.Label "com.example.my-label"}}').splitlines()[
        0
    ] == ("NAME|THE ID|my label")


def test_bad_templates_end_the_command() -> None:
    for form in ("{{.Nosuch}}", "{{", "table {{.ID}"):
        with pytest.raises(Ending) as told:
            show(Session(environment={}), LISTING, THINGS, form, table=("ID",))
        assert told.value.code == 1
        assert told.value.message.startswith("template parsing error: template: :1")


def test_inspected_documents(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(environment={})
    for form, expected in (
        ("", '[\n    {\n        "a": "<ä>",\n        "b": []\n    }\n]\n'),
        ("json", '[{"a":"<ä>","b":[]}]\n'),
        ("{{.a}}", "<ä>\n"),
    ):
        inspected = Inspected(form)
        inspected.take({"a": "<ä>", "b": []})
        inspected.write(session)
        assert capsys.readouterr().out == expected


def test_nothing_inspected(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(environment={})
    Inspected("").write(session)
    Inspected("{{.a}}").write(session)
    assert capsys.readouterr().out == "[]\n\n"
    with pytest.raises(Invalid, match="template parsing error: template: :1:2"):
        Inspected("{{.b}}").take({"a": 1})
    with pytest.raises(Ending) as told:
        Inspected("{{.b")
    assert told.value.code == 64

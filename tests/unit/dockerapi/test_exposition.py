import math

from fairlead.dockerapi.exposition import render
from fairlead.model.metrics import MetricFamily, Sample


def test_a_family_says_what_it_is_and_then_its_numbers() -> None:
    family = MetricFamily("open_files", "gauge", "Open files", [Sample(3), Sample(0.5, {"of": "box"})])
    assert render([family]) == (
        '# HELP open_files Open files\n# TYPE open_files gauge\nopen_files 3\nopen_files{of="box"} 0.5\n'
    )


def test_what_would_end_a_text_is_escaped() -> None:
    family = MetricFamily("x", "gauge", "back\\slash and\nline", [Sample(1, {"name": 'a"b\\c\nd'})])
    lines = render([family]).splitlines()
    assert lines[0] == "# HELP x back\\\\slash and\\nline"
    assert lines[2] == 'x{name="a\\"b\\\\c\\nd"} 1'


def test_numbers_are_written_as_go_reads_them() -> None:
    values = (math.inf, -math.inf, math.nan, 1e20, 2**64, 0.1, -3.0)
    text = render([MetricFamily("x", "gauge", "", [Sample(value) for value in values])])
    written = [line.split()[1] for line in text.splitlines()[2:]]
    assert written == ["+Inf", "-Inf", "NaN", "1e+20", "1.8446744073709552e+19", "0.1", "-3"]


def test_nothing_is_an_empty_page() -> None:
    assert render([]) == ""

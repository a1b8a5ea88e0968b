import pytest

from fairlead.cli.flags import HELP, Flag, Values, parse
from fairlead.cli.kinds import FILTER, INT, LIST, MAP, STRING, STRINGS
from fairlead.cli.problems import Misuse

FLAGS = (
    Flag("all", "", short="a"),
    Flag("interactive", "", short="i"),
    Flag("tty", "", short="t"),
    Flag("name", "", STRING, short="n", default="nobody"),
    Flag("count", "", INT, short="c"),
    Flag("env", "", LIST, short="e"),
    Flag("label", "", LIST),
    Flag("words", "", STRINGS),
    Flag("opt", "", MAP, short="o"),
    Flag("filter", "", FILTER, short="f"),
    Flag("net", "", STRING, same_as="name"),
    Flag("old", "", INT, same_as="count", deprecated="use --count instead"),
    HELP,
)


def read(*words: str, interspersed: bool = True) -> tuple[Values, list[str]]:
    return parse(FLAGS, words, interspersed)


@pytest.mark.parametrize(
    "words", [("--name", "x"), ("--name=x",), ("-n", "x"), ("-nx",), ("-n=x",), ("-an", "x")]
)
def test_a_value_may_be_written_in_many_ways(words: tuple[str, ...]) -> None:
    values, arguments = read(*words)
    assert values.text("name") == "x"
    assert arguments == []


def test_defaults_and_what_was_given() -> None:
    values, _ = read("--name", "")
    assert values.text("name") == ""
    assert values.given("name")
    values, _ = read()
    assert values.text("name") == "nobody"
    assert not values.given("name")
    assert (values.number("count"), values.all("env"), values.yes("all")) == (0, [], False)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--all",), True),
        (("--all=false",), False),
        (("-a=0",), False),
        (("-a", "--all=f"), False),
        (("-ita",), True),
    ],
)
def test_switches(words: tuple[str, ...], expected: bool) -> None:
    assert read(*words)[0].yes("all") is expected


def test_letters_stand_together() -> None:
    values, arguments = read("-itnweb", "rest")
    assert values.yes("interactive")
    assert values.yes("tty")
    assert values.text("name") == "web"
    assert arguments == ["rest"]


def test_lists_maps_and_filters() -> None:
    values, _ = read(
        "-e",
        "b",
        "-e=a",
        "--words",
        "x,y",
        "--words=z",
        "-o",
        "k=v",
        "-o",
        "a=",
        "-f",
        "Name=x",
        "-f",
        "name=y",
    )
    assert values.all("env") == ["b", "a"]
    assert values.all("words") == ["x", "y", "z"]
    assert values.pairs("opt") == {"k": "v", "a": ""}
    assert values.filters() == {"name": ["x", "y"]}


def test_arguments_among_options_unless_the_first_ends_them() -> None:
    assert read("one", "-a", "two")[1] == ["one", "two"]
    values, arguments = read("-i", "one", "-a", "two", interspersed=False)
    assert arguments == ["one", "-a", "two"]
    assert not values.yes("all")


def test_two_dashes_end_the_options() -> None:
    values, arguments = read("-a", "--", "--nosuch", "-x", "--")
    assert arguments == ["--nosuch", "-x", "--"]
    assert values.yes("all")


def test_a_dash_alone_is_an_argument() -> None:
    assert read("-")[1] == ["-"]


def test_old_spellings() -> None:
    values, _ = read("--net", "host", "--old", "3")
    assert values.text("name") == "host"
    assert values.number("count") == 3
    assert values.warnings == ["Flag --old has been deprecated, use --count instead"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--nosuch",), "unknown flag: --nosuch"),
        (("--nosuch=x",), "unknown flag: --nosuch"),
        (("-ax",), "unknown shorthand flag: 'x' in -x"),
        (("-xa",), "unknown shorthand flag: 'x' in -xa"),
        (("--name",), "flag needs an argument: --name"),
        (("-in",), "flag needs an argument: 'n' in -n"),
        (("--=x",), "bad flag syntax: --=x"),
        (("---x",), "bad flag syntax: ---x"),
        (
            ("--count", "x"),
            'invalid argument "x" for "-c, --count" flag: strconv.ParseInt: parsing "x": invalid syntax',
        ),
        (
            ("--all=maybe",),
            'invalid argument "maybe" for "-a, --all" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
        (
            ("-f", "x"),
            'invalid argument "x" for "-f, --filter" flag: bad format of filter (expected name=value)',
        ),
    ],
)
def test_misuse_is_told(words: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(Misuse) as told:
        read(*words)
    assert str(told.value) == complaint


def test_what_is_not_whole_yet_is_read_as_far_as_it_goes() -> None:
    values, arguments = parse(FLAGS, ["-a", "one", "--na"], lenient=True)
    assert values.yes("all")
    assert arguments == ["one"]

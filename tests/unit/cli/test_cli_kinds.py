import pytest

from fairlead.cli import checks
from fairlead.cli.kinds import BYTES, CPUS, INT, SWAP_BYTES, UINT16, parse_duration
from fairlead.cli.problems import Invalid

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("1s", SECOND),
        ("1h30m", 5400 * SECOND),
        ("1.5s", SECOND * 3 // 2),
        (".5s", SECOND // 2),
        ("-200ms", -200_000_000),
        ("+1us", 1000),
        ("1µs2ns", 1002),
    ],
)
def test_durations(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", 'time: invalid duration ""'),
        ("x", 'time: invalid duration "x"'),
        ("3", 'time: missing unit in duration "3"'),
        ("3x", 'time: unknown unit "x" in duration "3x"'),
        ("-", 'time: invalid duration "-"'),
    ],
)
def test_what_is_no_duration(text: str, reason: str) -> None:
    with pytest.raises(Invalid) as told:
        parse_duration(text)
    assert str(told.value) == reason


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("5", 5),
        ("5b", 5),
        ("1k", 1024),
        ("1kb", 1024),
        ("1KiB", 1024),
        ("1.5m", 1572864),
        ("2 g", 2 * 1024**3),
        ("1T", 1024**4),
        (".5k", 512),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert BYTES.read(text) == size


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "invalid size: ''"),
        ("abc", "invalid size: 'abc'"),
        ("-5", "invalid size: '-5'"),
        ("1x", "invalid suffix: 'x'"),
        ("1ib", "invalid suffix: 'ib'"),
        ("1.2.3", 'strconv.ParseFloat: parsing "1.2.3": invalid syntax'),
    ],
)
def test_what_is_no_size(text: str, reason: str) -> None:
    with pytest.raises(Invalid) as told:
        BYTES.read(text)
    assert str(told.value) == reason


def test_numbers() -> None:
    assert [INT.read(text) for text in ("5", "-5", "+5", "0x10", "010", "0")] == [5, -5, 5, 16, 8, 0]
    assert SWAP_BYTES.read("-1") == -1
    assert CPUS.read("1.5") == 1_500_000_000
    for kind, text in (
        (INT, "9" * 20),
        (UINT16, "65536"),
        (UINT16, "-1"),
        (CPUS, "x"),
        (CPUS, "1.0000000001"),
    ):
        with pytest.raises(Invalid):
            kind.read(text)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("h:1.2.3.4", "h:1.2.3.4"),
        ("h=::1", "h:::1"),
        ("h:[::1]", "h:::1"),
        ("h:host-gateway", "h:host-gateway"),
        ("a=0:0:0::1", "a:::1"),
    ],
)
def test_extra_hosts(text: str, host: str) -> None:
    assert checks.extra_host(text) == host


def test_limits() -> None:
    assert checks.ulimit("nofile=10:20") == {"Name": "nofile", "Hard": 20, "Soft": 10}
    assert checks.ulimit("core=-1") == {"Name": "core", "Hard": -1, "Soft": -1}
    for text in ("nofile", "nosuch=1", "nofile=1:2:3", "nofile=x", "nofile=5:4", "nofile=-1:4"):
        with pytest.raises(Invalid):
            checks.ulimit(text)


def test_graphics_cards() -> None:
    assert checks.gpus("all")["Count"] == -1
    assert checks.gpus("2")["Count"] == 2
    request = checks.gpus('"device=0,1",driver=x,"capabilities=a,b"')
    assert request["DeviceIDs"] == ["0", "1"]
    assert request["Capabilities"] == [["a", "b", "gpu"]]
    for text in ("x=y", "count=1,count=2", "count=x", '"'):
        with pytest.raises(Invalid):
            checks.gpus(text)


@pytest.mark.parametrize(
    ("check", "texts"),
    [
        (checks.stream, ["foo", ""]),
        (checks.variable, ["", "=x"]),
        (checks.label, ["", "=x", " =x"]),
        (checks.name_server, ["", "x", "1.2.3"]),
        (checks.search_domain, ["....", "1.2", "a..b", "-a"]),
        (checks.extra_host, ["x", ":1.2.3.4", "x:y"]),
        (checks.link, ["", "::", "a:b:c"]),
        (checks.sysctl, ["x", "net.x", "vm.x=1"]),
        (checks.device_rule, ["x", "c 1:3", "d 1:1 r", "c 1:3 rwmr"]),
        (checks.device_weight, ["/dev/x", "/x:5", "/dev/x:5", "/dev/x:1001", "/dev/x:y"]),
        (checks.device_bytes, ["/dev/x:y", "x"]),
        (checks.device_operations, ["/dev/x:1m", "/dev/x:-1"]),
    ],
)
def test_what_is_refused(check: object, texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(Invalid):
            check(text)  # type: ignore[operator]

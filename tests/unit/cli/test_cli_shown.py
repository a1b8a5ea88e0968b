"""How things look that were listed, measured or copied."""

from io import StringIO
from typing import Any

import pytest

from fairlead.cli.container_list import command_shown, image_shown, names_shown, ports_shown, size_shown
from fairlead.cli.copy_paths import End, keep_ending, resolve, split, split_argument
from fairlead.cli.copying import renamed
from fairlead.cli.disk import summary
from fairlead.cli.image_list import rows
from fairlead.cli.many import natural
from fairlead.cli.problems import Ending
from fairlead.cli.progress import Display, bar, show_progress
from fairlead.cli.statistics import Sample, cpu_percent, listing, memory_used
from fairlead.cli.system import server_info


def port(private: int, public: int = 0, address: str = "", kind: str = "tcp") -> dict[str, Any]:
    found: dict[str, Any] = {"PrivatePort": private, "Type": kind}
    if public:
        found |= {"PublicPort": public, "IP": address}
    return found


@pytest.mark.parametrize(
    ("ports", "text"),
    [
        ([], ""),
        ([port(80)], "80/tcp"),
        ([port(80, 8080, "0.0.0.0"), port(80, 8080, "::")], "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"),
        ([port(82), port(81), port(80)], "80-82/tcp"),
        ([port(80), port(82)], "80/tcp, 82/tcp"),
        ([port(9000, 9000, "1.1.1.1"), port(9001, 9001, "1.1.1.1")], "1.1.1.1:9000-9001->9000-9001/tcp"),
        ([port(53, kind="udp"), port(53)], "53/tcp, 53/udp"),
    ],
)
def test_ports(ports: list[dict[str, Any]], text: str) -> None:
    assert ports_shown(ports) == text


def test_cells_of_a_container() -> None:
    assert names_shown({"Names": ["/web", "/other/web"]}, False) == "web"
    assert names_shown({"Names": ["/web", "/other/web"]}, True) == "web,other/web"
    assert command_shown({"Command": 'sh -c "echo one two three"'}, False) == '"sh -c \\"echo one two…"'
    assert command_shown({"Command": "a\tb\x01ä"}, True) == '"a\\tb\\x01ä"'
    digest = "sha256:" + "ab" * 32
    assert image_shown({"Image": digest, "ImageID": digest}, False) == "ab" * 6
    assert image_shown({"Image": f"x:1@{digest}", "ImageID": "sha256:cd"}, False) == "x:1"
    assert image_shown({"Image": "Not A Name", "ImageID": "sha256:cd"}, False) == "Not A Name"
    assert size_shown({"SizeRw": 5, "SizeRootFs": 1984172}) == "5B (virtual 1.98MB)"
    assert size_shown({}) == "0B"


def test_an_image_has_a_row_for_each_name() -> None:
    digest = "sha256:" + "a" * 64
    image = {"RepoTags": ["a:1", "a:2"], "RepoDigests": [f"a@{digest}", f"b@{digest}"]}
    shown = [(row["repository"], row["tag"], row["digest"]) for row in rows(image, False)]
    assert shown == [("a", "1", "<none>"), ("a", "2", "<none>"), ("b", "<none>", "")]
    assert [row["digest"] for row in rows(image, True)] == [digest] * 3
    assert [row["tag"] for row in rows({"RepoTags": None}, False)] == ["<none>"]


def test_disk_usage() -> None:
    found = {
        "LayersSize": 1000,
        "Images": [
            {"Size": 800, "SharedSize": 500, "Containers": 1},
            {"Size": 700, "SharedSize": 500, "Containers": 0},
        ],
        "Containers": [{"State": "running", "SizeRw": 10}, {"State": "exited", "SizeRw": 30}],
        "Volumes": [{"UsageData": {"RefCount": 0, "Size": 100}}, {"UsageData": {"RefCount": 2, "Size": -1}}],
    }
    assert [list(row.values()) for row in summary(found)] == [
        ["Images", "2", "1", "1kB", "700B (70%)"],
        ["Containers", "2", "1", "40B", "30B (75%)"],
        ["Local Volumes", "2", "1", "100B", "100B (100%)"],
        ["Build Cache", "0", "0", "0B", "0B"],
    ]


STATISTICS = {
    "id": "c0ffee" * 10,
    "name": "/web",
    "cpu_stats": {"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000, "online_cpus": 2},
    "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
    "memory_stats": {"usage": 3072, "limit": 4096, "stats": {"inactive_file": 1024}},
    "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
    "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 5}, {"op": "write", "value": 6}]},
    "pids_stats": {"current": 7},
}


def test_statistics() -> None:
    assert cpu_percent(STATISTICS) == 40.0
    assert cpu_percent({}) == 0.0
    assert memory_used(STATISTICS) == 2048
    sample = Sample("web")
    cells = {name: column.compute for name, column in listing(False).columns.items()}
    assert [cells[name](sample) for name in ("Name", "CPUPerc", "MemUsage", "PIDs")] == [
        "--",
        "--",
        "-- / --",
        "--",
    ]
    sample.document, sample.valid = STATISTICS, True
    assert {name: compute(sample) for name, compute in cells.items()} == {
        "Container": "web",
        "ID": "c0ffeec0ffee",
        "Name": "web",
        "CPUPerc": "40.00%",
        "MemUsage": "2KiB / 4KiB",
        "MemPerc": "50.00%",
        "NetIO": "11B / 22B",
        "BlockIO": "5B / 6B",
        "PIDs": "7",
    }


def test_numbers_in_names_count_as_numbers() -> None:
    assert sorted(["web10", "web9", "1", "web", "Web"], key=natural) == ["1", "Web", "web", "web9", "web10"]


def test_information_shows_what_there_is() -> None:
    text = server_info(
        {
            "Containers": 3,
            "Driver": "overlay",
            "DriverStatus": [["Backing", "ext4"]],
            "Plugins": {"Volume": ["local"], "Network": ["bridge", "host"], "Log": []},
            "SecurityOptions": ["name=seccomp,profile=default"],
            "MemTotal": 2**30,
            "Labels": ["a=b"],
            "RegistryConfig": {"InsecureRegistryCIDRs": ["127.0.0.0/8"], "Mirrors": ["http://m/"]},
            "DefaultAddressPools": [{"Base": "10.0.0.0/8", "Size": 24}],
            "LiveRestoreEnabled": True,
        }
    )
    for line in (
        " Containers: 3\n",
        " Storage Driver: overlay\n  Backing: ext4\n",
        "  Network: bridge host\n",
        " Security Options:\n  seccomp\n   Profile: default\n",
        " Total Memory: 1GiB\n",
        " Insecure Registries:\n  127.0.0.0/8\n Registry Mirrors:\n  http://m/\n",
        " Live Restore Enabled: true\n",
        "   Base: 10.0.0.0/8, Size: 24\n",
    ):
        assert line in text
    assert "HTTP Proxy" not in text


# --- progress --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("detail", "width", "text"),
    [
        ({}, 200, ""),
        ({"current": 5}, 200, "      5B"),
        ({"current": 5, "units": "things"}, 200, "5 things"),
        ({"current": 1, "total": 4}, 80, "      1B/4B"),
        ({"current": 50, "total": 100}, 111, f"[{'=' * 25}>{' ' * 25}]      50B/100B"),
        ({"current": 200, "total": 100}, 80, "    200B"),
        ({"current": 1, "total": 3, "start": 90}, 80, "      1B/3B 20s"),
        ({"current": 1, "total": 400, "start": 90}, 80, "      1B/400B 1h6m30s"),
    ],
)
def test_bars(detail: dict[str, Any], width: int, text: str) -> None:
    assert bar(detail, width, now=100.0) == text


MESSAGES = [
    {"status": "Pulling from library/x", "id": "latest"},
    {"status": "Pulling fs layer", "progressDetail": {}, "id": "aaa"},
    {"status": "Pulling fs layer", "progressDetail": {}, "id": "bbb"},
    {"status": "Downloading", "progressDetail": {"current": 1, "total": 2}, "id": "aaa"},
    {"aux": {"ID": "x"}},
    {"status": "Pull complete", "progressDetail": {}, "id": "aaa"},
    {"stream": "Loaded image: x\n"},
    {"status": "Digest: sha256:1"},
]


def test_without_a_terminal_only_what_is_final_is_written() -> None:
    out, aside = StringIO(), []
    show_progress(MESSAGES, out, aside.append)
    assert out.getvalue() == (
        "latest: Pulling from library/x\n"
        "aaa: Pulling fs layer\n"
        "bbb: Pulling fs layer\n"
        "aaa: Pull complete\n"
        "Loaded image: x\n"
        "Digest: sha256:1\n"
    )
    assert aside == [{"ID": "x"}]


def test_on_a_terminal_each_layer_keeps_its_line() -> None:
    out = StringIO()
    display = Display(out, 80, lambda: 0.0)
    for message in MESSAGES[1:4]:
        display.show(message)
    clear = "\033[2K\r"
    assert out.getvalue() == (
        f"\n\033[1A{clear}aaa: Pulling fs layer \r\033[1B"
        f"\n\033[1A{clear}bbb: Pulling fs layer \r\033[1B"
        f"\033[2A{clear}aaa: Downloading       1B/2B\r\033[2B"
    )


def test_an_error_in_the_stream_ends_the_command() -> None:
    for message in ({"errorDetail": {"message": "no"}, "error": "no"}, {"error": "no"}):
        with pytest.raises(Ending, match="no"):
            show_progress([message], None)


# --- copying ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (End("/a/x"), End("/to", True, True), ("/to", "x")),
        (End("/a/x"), End("/to/y", True), ("/to", "y")),
        (End("/a/x"), End("/to/new"), ("/to", "new")),
        (End("/a/dir", True, True), End("/to", True, True), ("/to", "dir")),
        (End("/a/dir", True, True), End("/to/new"), ("/to", "new")),
        (End("/a/dir/.", True, True), End("/to", True, True), ("/to", ".")),
        (End("/a/dir/.", True, True), End("/to/new"), ("/to", "new")),
        (End("/a/dir/", True, True), End("/to/new/"), ("/to", "new")),
    ],
)
def test_where_a_copy_ends_up(source: End, target: End, expected: tuple[str, str]) -> None:
    assert resolve(source, target) == expected


def test_copies_that_cannot_be() -> None:
    with pytest.raises(Ending, match="cannot copy directory"):
        resolve(End("/dir", True, True), End("/file", True))
    for path in ("/to/new/", "/to/new/."):
        with pytest.raises(Ending, match="no such directory"):
            resolve(End("/x"), End(path))


def test_paths() -> None:
    assert [split(path) for path in ("/a/b", "/a/b/", "/a/b/.", "/", "a")] == [
        ("/a", "b"),
        ("/a", "b"),
        ("/a/b", "."),
        ("/", "/"),
        (".", "a"),
    ]
    assert [keep_ending("/w/a", text) for text in ("a", "a/", "a/.")] == ["/w/a", "/w/a/", "/w/a/."]
    assert [split_argument(text) for text in ("web:/x", "/a:b", "./a:b", "-", "x", "web:")] == [
        ("web", "/x"),
        ("", "/a:b"),
        ("", "./a:b"),
        ("", "-"),
        ("", "x"),
        ("web", ""),
    ]


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("a", "a", "b", "b"),
        ("a/x", "a", "b", "b/x"),
        ("ab/x", "a", "b", "ab/x"),
        ("./x", ".", "b", "b/x"),
        (".", ".", "b", "b"),
        ("/", "/", "b", "b"),
        ("a", "a", "a", "a"),
    ],
)
def test_names_in_archives(name: str, old: str, new: str, expected: str) -> None:
    assert renamed(name, old, new) == expected

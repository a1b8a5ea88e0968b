"""What lies below the roots of a daemon and belongs to no part of the program."""

from pathlib import Path

from fairlead.kernel.layout import strangers

OWNER = "a" * 64


def test_only_what_no_part_keeps_there_is_strange(tmp_path: Path) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    expected = [
        "lock",
        "records.db",
        "records.db-wal",
        "records.db-shm.damaged",
        "copies",
        "storage",
        "roots",
        "volumes",
        "seccomp",
    ]
    for name in expected:
        (data / name).mkdir(parents=True)
    for name in ("containers", "crun", "storage.conf", "ports.sock", "resolver.log", "netns", "0123abcd"):
        (run / name).mkdir(parents=True)
    for name in ("hosts", "hostname", "resolv.conf", f"{OWNER}-json.log", f"{OWNER}-json.log.1"):
        (data / "containers" / OWNER / name).mkdir(parents=True)
    (data / "storage" / "overlay" / "layer").mkdir(parents=True)
    for name in ("layer", "layer.new"):
        (data / "roots" / "base" / name).mkdir(parents=True)
    assert list(strangers(str(data), str(run))) == []
    strange = [
        data / "records.db.old",
        run / "pods",
        data / "containers" / OWNER / "core",
        data / "roots" / "base" / "gone",
    ]
    for each in strange:
        each.mkdir()
    assert sorted(strangers(str(data), str(run))) == sorted(map(str, strange))


def test_roots_that_are_not_there_have_nothing_strange(tmp_path: Path) -> None:
    assert list(strangers(str(tmp_path / "data"), str(tmp_path / "run"))) == []

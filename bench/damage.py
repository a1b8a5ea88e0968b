"""Damage to the files of a record store, from a seed: the same seed does the same to the same files."""

import asyncio
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path

from fairlead.model.container import Config, Container, ContainerState, HostConfig, Volume
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.network import Network, Pool
from fairlead.model.records import TABLES, HostRecord, Record, RecordChange, Records, record_id
from fairlead.store.sqlite import SqliteStore

DATABASE = ("records.db", "records.db-wal", "records.db-shm")


def sample() -> list[Record]:
    """Records as a host with a network, ten containers and their places has them."""
    pool = Pool(ip_network("10.9.0.0/16"), gateway=ip_address("10.9.0.1"))
    made: list[Record] = [
        HostRecord(engine_id="e" * 64),
        Network("a" * 64, "blue", "bridge", 1, 1, pools=(pool,), phase="settled"),
        Volume("keep", 1, "/volumes/keep"),
    ]
    for number in range(10):
        identity, sandbox = f"{number:064x}", f"{number + 100:064x}"
        running = ContainerState(status="running", pid=100 + number, ever_started=True)
        config = Config(image="busybox", env=(f"NUMBER={number}", "PATH=" + "/bin:" * 60))
        made += [
            Container(identity, f"box{number}", 1, "i" * 64, config, HostConfig(), state=running),
            Sandbox(sandbox, identity, f"box{number}", phase="settled"),
            Endpoint(
                f"{number + 200:064x}", "a" * 64, identity, sandbox, number, "eth0", "veth0", "02:42:00"
            ),
        ]
    return made


def build(directory: Path, closed: bool) -> Records:
    """A store with the sample, one commit for each record; not `closed`: as a killed daemon leaves it."""

    async def write() -> Records:
        live = directory.with_suffix(".live")
        store = SqliteStore(str(live))
        await store.load()
        for each in sample():
            await store.commit([RecordChange(type(each), record_id(each), each)])
        gone = Volume("gone", 2, "/volumes/gone")
        for after in (gone, None):
            await store.commit([RecordChange(Volume, "gone", after)])
        if closed:
            await store.close()
            shutil.copytree(live, directory)
        else:
            store.wait()
            shutil.copytree(live, directory)
            await store.close()
        shutil.rmtree(live)
        records = Records()
        for each in sample():
            records.apply(RecordChange(type(each), record_id(each), each))
        return records

    return asyncio.run(write())


def _flip(path: Path, chance: random.Random) -> str:
    content = bytearray(path.read_bytes())
    count = chance.choice((1, 1, 1, 8, 200))
    for _ in range(count if content else 0):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return f"{count} bits flipped"


def _truncate(path: Path, chance: random.Random) -> str:
    length = chance.choice((0, chance.randrange(path.stat().st_size + 1)))
    os.truncate(path, length)
    return f"cut to {length}"


def _blank(path: Path, chance: random.Random) -> str:
    content = bytearray(path.read_bytes())
    start = chance.randrange(len(content) + 1)
    end = min(len(content), start + chance.choice((1, 100, 4096, 20000)))
    content[start:end] = chance.choice((b"\0", b"\xff", b"x")) * (end - start)
    path.write_bytes(content)
    return f"{start} to {end} blanked"


def _scramble(path: Path, chance: random.Random) -> str:
    path.write_bytes(chance.randbytes(chance.choice((1, 50, 4096, 30000))))
    return "replaced by noise"


def _append(path: Path, chance: random.Random) -> str:
    with path.open("ab") as file:
        file.write(chance.randbytes(chance.choice((1, 500, 5000))))
    return "noise appended"


def _delete(path: Path, chance: random.Random) -> str:
    path.unlink()
    return "deleted"


def _directory(path: Path, chance: random.Random) -> str:
    path.unlink()
    path.mkdir()
    return "a directory in its place"


KINDS: Sequence[Callable[[Path, random.Random], str]] = (
    _flip,
    _flip,
    _truncate,
    _truncate,
    _blank,
    _scramble,
    _append,
    _delete,
    _directory,
)


def damage(directory: Path, seed: int) -> tuple[list[str], bool]:
    """Damage one file or several: what was done, and whether any of it was to the second copies."""
    chance = random.Random(seed)
    copies = chance.random() < 0.3
    there = [directory / name for name in DATABASE if (directory / name).is_file()]
    second = [path for path in sorted((directory / "copies").iterdir()) if path.is_file()]
    chosen = chance.sample(there, chance.randint(0 if copies else 1, len(there)))
    chosen += chance.sample(second, chance.randint(1, len(second))) if copies else []
    done = [f"{path.name}: {chance.choice(KINDS)(path, chance)}" for path in chosen]
    return done, copies


def survives(directory: Path) -> Records:
    """What a store makes of the directory; that it can be written to and read again is asserted."""

    async def use() -> Records:
        store = SqliteStore(str(directory))
        found = await store.load()
        more = Volume("later", 3, "/volumes/later")
        await store.commit([RecordChange(Volume, "later", more)])
        await store.close()
        again = SqliteStore(str(directory))
        now = await again.load()
        await again.close()
        assert now.volumes["later"] == more
        after = RecordChange(Volume, "later", None)
        now.apply(after)
        found.apply(after)
        differing = {
            kind.__name__: sorted(now.table(kind).keys() ^ found.table(kind).keys()) for kind in TABLES
        }
        assert now == found, f"what was read once is not what is read again: {differing}"
        return found

    return asyncio.run(use())


@dataclass(slots=True)
class Tally:
    """What became of all variants."""

    variants: int = 0
    whole: int = 0  # every record was there
    wrong: list[str] = field(default_factory=list)


def measure(count: int, place: Path | None = None) -> Tally:
    """`count` variants: each store opens and works; all records are there while the copies are untouched."""
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=place) as name:
        sources = [(Path(name) / kind, kind == "closed") for kind in ("closed", "killed")]
        expected = [build(path, closed) for path, closed in sources][0]
        for seed in range(count):
            case = Path(name) / "case"
            shutil.copytree(sources[seed % 2][0], case)
            done, copies = damage(case, seed)
            tally.variants += 1
            try:
                found = survives(case)
            except Exception as error:
                tally.wrong.append(f"seed {seed}: {'; '.join(done)}: {error!r}")
            else:
                tally.whole += found == expected
                if found != expected and not copies:
                    tally.wrong.append(f"seed {seed}: {'; '.join(done)}: records are lost")
            shutil.rmtree(case)
    return tally

"""A full disk: commits fail and say so, nothing stored is lost, and room makes all well again."""

import subprocess
import sys

SCRIPT = """
import asyncio, logging, os, sys
from fairlead.model.container import Volume
from fairlead.model.errors import Failed
from fairlead.model.records import RecordChange
from fairlead.store.sqlite import SqliteStore

logging.disable(logging.CRITICAL)
ROOT = "/mnt/store"

def put(number):
    return RecordChange(Volume, f"v{number}", Volume(f"v{number}", number, "/x" * 2000))

async def main():
    os.makedirs(ROOT)
    store = SqliteStore(ROOT)
    await store.load()
    for number in range(5):
        await store.commit([put(number)])
    with open("/mnt/filler", "wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError:
            pass
    kept = 5
    try:
        while kept < 500:
            await store.commit([put(kept)])
            kept += 1
        raise SystemExit("a full disk took everything")
    except Failed as error:
        assert "disk is full" in error.message, error.message
    await store.close()

    store = SqliteStore(ROOT)  # a daemon that starts while the disk is full
    assert set((await store.load()).volumes) == {f"v{number}" for number in range(kept)}
    try:
        for number in range(kept, 500):
            await store.commit([put(number)])
            kept += 1
        raise SystemExit("a full disk took everything")
    except Failed:
        pass
    os.unlink("/mnt/filler")
    await store.commit([put(1000)])
    await store.close()

    for names in ((), ("records.db",)):
        for name in names:
            os.truncate(f"{ROOT}/{name}", 100)
        store = SqliteStore(ROOT)
        assert set((await store.load()).volumes) == {f"v{number}" for number in (*range(kept), 1000)}
        await store.close()

asyncio.run(main())
"""


def test_a_full_disk_loses_nothing() -> None:
    mount = "mount -t tmpfs -o size=1m none /mnt && exec " + sys.executable + " -"
    finished = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount], input=SCRIPT, capture_output=True, text=True, timeout=120
    )
    assert finished.returncode == 0, finished.stderr + finished.stdout

"""A change of a file is noticed, however it is made, and nothing else is."""

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from fairlead.kernel import file_notices
from fairlead.kernel.file_notices import FileNotices

DEADLINE = 10  # seconds


class Told:
    """Notices of two files in a directory, one of them of a directory that is not there yet."""

    def __init__(self, directory: Path):
        self._event = asyncio.Event()
        paths = [str(directory / "etc/resolv.conf"), str(directory / "run/systemd/resolve/resolv.conf")]
        self.notices = FileNotices(paths, self._event.set)

    async def of(self, change: str) -> None:
        """Fails where nothing is told of what the shell command changes."""
        self._event.clear()
        process = await asyncio.create_subprocess_shell(change)
        assert await process.wait() == 0
        async with asyncio.timeout(DEADLINE):
            await self._event.wait()

    async def not_of(self, change: str) -> None:
        """Fails where something is told.  What came before the next change has been read by then."""
        process = await asyncio.create_subprocess_shell(change)
        assert await process.wait() == 0
        if self.notices._number >= 0:
            self.notices._read()
        assert not self._event.is_set()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "etc/resolv.conf").write_text("nameserver 192.0.2.1\n")
    return tmp_path


def test_a_file_that_is_written_replaced_removed_and_made_again(directory: Path) -> None:
    async def body() -> None:
        told = Told(directory)
        os.chdir(directory / "etc")
        await told.not_of("echo x > hosts; mv hosts passwd; rm passwd")
        await told.of("echo x > resolv.conf")
        for _ in range(2):
            await told.of("echo y > new; mv new resolv.conf")
            await told.of("echo z >> resolv.conf")
        await told.of("rm resolv.conf")
        await told.of("echo x > resolv.conf")
        told.notices.close()

    asyncio.run(body())


def test_a_link_and_what_it_leads_to(directory: Path) -> None:
    async def body() -> None:
        told = Told(directory)
        os.chdir(directory)
        await told.of("ln -sf ../run/there etc/resolv.conf")
        await told.of("echo x > run/there")
        await told.of("echo x > new; mv new run/there")
        await told.of("ln -sfn ../run/elsewhere etc/resolv.conf")
        told.notices.close()

    asyncio.run(body())


def test_without_room_for_a_watcher_the_files_are_looked_at(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        monkeypatch.setattr(file_notices, "_libc", SimpleNamespace(inotify_init1=lambda flags: -1))
        told = Told(directory)
        os.chdir(directory / "etc")
        await told.of("echo y > new; mv new resolv.conf")
        await told.of("rm resolv.conf")
        monkeypatch.undo()
        await told.of("echo y > resolv.conf")
        told.notices.close()

    asyncio.run(body())


def test_directories_that_come_and_go(directory: Path) -> None:
    async def body() -> None:
        told = Told(directory)
        os.chdir(directory / "run")
        for _ in range(2):
            await told.of("mkdir systemd; mkdir systemd/resolve; echo x > systemd/resolve/resolv.conf")
            await told.of("echo yy > systemd/resolve/resolv.conf")
            await told.of("rm -r systemd")
        told.notices.close()

    asyncio.run(body())


@pytest.fixture(autouse=True)
def come_back() -> object:
    here = os.getcwd()
    yield
    os.chdir(here)

"""A real registry, Debian's docker-registry, on a loopback port of the current network namespace."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

USER, PASSWORD = "anna", "secret"
_HASHED = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"  # bcrypt of PASSWORD


@asynccontextmanager
async def registry(directory: Path, port: int = 5000, locked: bool = False) -> AsyncIterator[str]:
    """Start it; the domain to put before names.  With `locked` only USER gets in."""
    directory.mkdir(parents=True, exist_ok=True)
    lines = [
        "version: 0.1",
        "storage:",
        f"  filesystem: {{rootdirectory: {directory}/blobs}}",
        "log: {level: error, accesslog: {disabled: true}}",
        f"http: {{addr: '127.0.0.1:{port}'}}",
    ]
    if locked:
        (directory / "passwords").write_text(f"{USER}:{_HASHED}\n")
        lines.append(f"auth: {{htpasswd: {{realm: test, path: {directory}/passwords}}}}")
    configuration = directory / "config.yml"
    configuration.write_text("\n".join(lines))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with open(directory / "log", "wb") as log:
        served = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "docker-registry", "serve", str(configuration)],
            stdout=log,
            stderr=log,
        )
    try:
        await _listening(port, served, directory / "log")
        yield f"127.0.0.1:{port}"
    finally:
        served.kill()
        served.wait()


async def _listening(port: int, served: "subprocess.Popen[bytes]", log: Path) -> None:
    async with asyncio.timeout(20):
        while True:
            assert served.poll() is None, log.read_text()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return

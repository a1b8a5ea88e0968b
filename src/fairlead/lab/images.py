"""Image archives for `docker load`, made from files of this machine: no registry is needed.

    busybox   /bin/busybox with a link for each of its programs; runs sh
    web       busybox and a page; httpd on port 80; /cgi-bin/who says "HOSTNAME saw CLIENT"

Archives are the same byte for byte whenever they are made from the same busybox.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fairlead import process
from fairlead.model.errors import NotFound

BUSYBOX = Path("/bin/busybox")
CREATED = "2024-01-01T00:00:00Z"
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PAGE = b"<h1>It works</h1>\nThis page comes out of a container.\n"
WHO = b"""#!/bin/sh
echo "Content-Type: text/plain"
echo
echo "$(hostname) saw $(echo "$REMOTE_ADDR" | sed 's/[][]//g; s/^::ffff://')"
"""


@dataclass(slots=True)
class Layer:
    """Files of one image layer, by path; parent directories come by themselves."""

    members: dict[str, tuple[tarfile.TarInfo, bytes]] = field(default_factory=dict)

    def file(self, path: str, content: bytes, mode: int = 0o644) -> "Layer":
        """Add a regular file."""
        return self._add(path, tarfile.REGTYPE, mode, content=content)

    def link(self, path: str, target: str) -> "Layer":
        """Add a symbolic link."""
        return self._add(path, tarfile.SYMTYPE, 0o777, target=target)

    def directory(self, path: str, mode: int = 0o755) -> "Layer":
        """Add a directory."""
        return self._add(path, tarfile.DIRTYPE, mode)

    def tar(self) -> bytes:
        """The layer as a tar archive, in a fixed order, with fixed times."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name in sorted(self.members):
                member, content = self.members[name]
                archive.addfile(member, io.BytesIO(content))
        return buffer.getvalue()

    def _add(self, path: str, kind: bytes, mode: int, content: bytes = b"", target: str = "") -> "Layer":
        name = path.strip("/")
        parent = name.rpartition("/")[0]
        if parent and parent not in self.members:
            self.directory(parent)
        member = tarfile.TarInfo(name)
        member.type, member.mode, member.linkname, member.size = kind, mode, target, len(content)
        self.members[name] = (member, content)
        return self


def busybox_layer() -> Layer:
    """A small system.  NotFound without a static busybox on the machine."""
    if not BUSYBOX.exists():
        raise NotFound(f"cannot make an image: there is no {BUSYBOX} (Debian package busybox-static)")
    layer = Layer().file("/bin/busybox", BUSYBOX.read_bytes(), 0o755)
    for program in process.call([str(BUSYBOX), "--list"], check=True).stdout.decode().split():
        if program != "busybox":
            layer.link(f"/bin/{program}", "busybox")
    for directory in ("/dev", "/etc", "/proc", "/root", "/sys", "/usr/bin", "/var"):
        layer.directory(directory)
    layer.directory("/tmp", 0o1777)
    layer.file("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    return layer.file("/etc/group", b"root:x:0:\nnogroup:x:65534:\n")


def web_layer() -> Layer:
    """The page and the program that says who asked."""
    return Layer().file("/www/index.html", PAGE).file("/www/cgi-bin/who", WHO, 0o755)


def archive(name: str, layers: list[Layer], config: Mapping[str, object]) -> bytes:
    """A `docker save` archive of one image; `config` in the words of the image specification."""
    tars = [layer.tar() for layer in layers]
    digests = [hashlib.sha256(tar).hexdigest() for tar in tars]
    document = {
        "architecture": _architecture(),
        "os": "linux",
        "created": CREATED,
        "config": {"Env": [f"PATH={SEARCH_PATH}"], **config},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{"created": CREATED, "created_by": "fairlead lab"} for _ in digests],
    }
    text = json.dumps(document).encode()
    config_name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = {
        "Config": config_name,
        "RepoTags": [name if ":" in name else f"{name}:latest"],
        "Layers": [f"{digest}/layer.tar" for digest in digests],
    }
    outer = Layer().file(config_name, text).file("manifest.json", json.dumps([manifest]).encode())
    for digest, tar in zip(digests, tars, strict=True):
        outer.file(f"{digest}/layer.tar", tar)
    return outer.tar()


def busybox(name: str = "busybox") -> bytes:
    """The busybox image."""
    return archive(name, [busybox_layer()], {"Cmd": ["sh"]})


def web(name: str = "web") -> bytes:
    """The web server image; it shares its first layer with busybox."""
    command = ["httpd", "-f", "-p", "80", "-h", "/www"]
    config = {"Cmd": command, "ExposedPorts": {"80/tcp": {}}}
    return archive(name, [busybox_layer(), web_layer()], config)


def _architecture() -> str:
    machine = process.call(["uname", "-m"], check=True).stdout.decode().strip()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)

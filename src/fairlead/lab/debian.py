"""Image layers made of this machine's installed Debian packages: real programs without a registry."""

import os
import re
import stat
from collections.abc import Iterable

from fairlead import process
from fairlead.lab.images import Layer, archive, busybox_layer
from fairlead.model.errors import NotFound

# What a container's programs never need of their packages.
_LEFT_OUT = re.compile(
    r"/usr/share/(doc|man|locale|info|lintian|bug|doc-base|perl5|bash-completion)(/|$)|/etc/init"
)
# Packages that others depend on for the sake of a whole system.
_NOT_WANTED = frozenset(
    "debconf dpkg adduser init-system-helpers perl perl-base lsb-base sysvinit-utils systemd media-types "
    "mailcap passwd libpam-modules libpam-runtime gcc-12-base tar libjs-jquery fonts-lato "
    "javascript-common".split()
)

_NGINX = b"""\
user root;
error_log stderr;
events {}
http {
  include mime.types;
  access_log /dev/stdout;
  server { listen 80; listen [::]:80; root /usr/share/nginx/html; }
}
"""


def packages(*names: str) -> list[str]:
    """The packages and all that they depend on, as far as programs in a container need it.

    NotFound for one that is not installed.
    """
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found or name in _NOT_WANTED:
            continue
        listing = process.call(
            ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Depends}, ${Pre-Depends}", name]
        )
        status, _, depends = listing.stdout.decode().partition("\t")
        if not status.startswith("ii"):
            if name in names:
                raise NotFound(f"cannot make an image: the Debian package {name} is not installed")
            continue
        found[name] = None
        for clause in depends.split(","):
            # Of alternatives the first that is installed will do; those that are not are passed over.
            waiting += [re.split(r"[\s(:]", word.strip())[0] for word in clause.split("|") if word.strip()]
    return list(found)


def package_layer(names: Iterable[str]) -> Layer:
    """The files of installed packages, with their directories, links and modes."""
    layer = Layer()
    for name in names:
        for path in process.call(["dpkg", "-L", name], check=True).stdout.decode().splitlines():
            if path in ("/.", "") or _LEFT_OUT.search(path) or not os.path.lexists(path):
                continue
            _add(layer, path)
    return layer


def _add(layer: Layer, path: str) -> None:
    # Debian's /lib is a link to /usr/lib: a file is put where it really is.
    place = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    found = os.lstat(place)
    if stat.S_ISLNK(found.st_mode):
        layer.link(place, os.readlink(place))
    elif stat.S_ISREG(found.st_mode):
        with open(place, "rb") as file:
            layer.file(place, file.read(), stat.S_IMODE(found.st_mode))


def redis(name: str = "redis") -> bytes:
    """An image with Debian's redis-server, which listens to everybody and stores nothing."""
    layer = package_layer(packages("redis-server"))
    command = ["redis-server", "--protected-mode", "no", "--save", "", "--bind", "0.0.0.0", "-::*"]
    config = {"Cmd": command, "ExposedPorts": {"6379/tcp": {}}}
    return archive(name, [_system(), layer], config)


def flask(name: str = "flask", application: bytes = b"") -> bytes:
    """Debian's Python, flask and redis client; with an application the image runs it on port 5000."""
    layers = [_system(), package_layer(packages("python3-flask", "python3-redis"))]
    config: dict[str, object] = {"Cmd": ["python3"]}
    if application:
        layers.append(Layer().file("/app/app.py", application))
        config = {"Cmd": ["python3", "app.py"], "WorkingDir": "/app", "ExposedPorts": {"5000/tcp": {}}}
    return archive(name, layers, config)


def nginx(name: str = "nginx") -> bytes:
    """An image with Debian's nginx, which serves its welcome page on port 80 and logs to the console."""
    layer = package_layer(packages("nginx")).file("/etc/nginx/nginx.conf", _NGINX)
    layer.directory("/var/log/nginx").directory("/var/lib/nginx").directory("/run")
    config = {
        "Cmd": ["nginx", "-g", "daemon off;"],
        "ExposedPorts": {"80/tcp": {}},
        "StopSignal": "SIGQUIT",
    }
    return archive(name, [_system(), layer], config)


def _system() -> Layer:
    """busybox, and the places where Debian's programs look for their libraries."""
    layer = busybox_layer()
    for directory in ("lib", "lib64"):
        if os.path.islink(f"/{directory}"):
            layer.link(f"/{directory}", os.readlink(f"/{directory}"))
    return layer

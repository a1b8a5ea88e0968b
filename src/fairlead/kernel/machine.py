"""What the engine reads of its host, and the files and directories that it keeps there."""

import asyncio
import contextlib
import ipaddress
import os
import platform
import shutil
import socket
import struct
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from fairlead import process
from fairlead.kernel.messages import link_named, read_link_index
from fairlead.kernel.neighbour_table import neighbour_table
from fairlead.kernel.netlink import Conversation, Refused
from fairlead.kernel.routing import addresses_of, read_address
from fairlead.model.addresses import Address, Interface, Subnet
from fairlead.model.errors import Failed
from fairlead.model.surroundings import USUAL_MTU, NeighbourTable
from fairlead.model.views import HostFacts

RTF_UP = 0x0001  # linux/route.h
RTF_REJECT = 0x0200
RESOLV_CONF, RESOLVED_CONF = "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"
REMEMBERED = 1 << 14  # destinations of routes
LARGEST_FILE = 1 << 20  # bytes that a hosts file may have
MOUNT_DEADLINE = 60.0  # seconds that a device of a volume may take


class HostMachine:
    """boundary.Machine on the host that the daemon runs on."""

    def __init__(self, data_root: str, runtime: str, runtimes: tuple[str, ...], started: int):
        """`runtime` is the OCI runtime in use; `started` when the daemon began, in nanoseconds."""
        self._data_root = data_root
        self._runtime = runtime
        self._runtimes = runtimes
        self._started = started

    # -- reading ---------------------------------------------------------------------------------

    async def routes(self) -> Sequence[Subnet]:
        """Every destination in the main tables, default routes left out."""
        return [*_routes4(_text("/proc/net/route")), *_routes6(_text("/proc/net/ipv6_route"))]

    async def addresses(self) -> Sequence[Address]:
        """The host's own addresses, by its local routing table."""
        return _local_addresses(_text("/proc/net/fib_trie"))

    async def link_addresses(self, link: str) -> Sequence[Interface]:
        """The addresses of one link of the daemon's network namespace, link-local ones left out."""
        talk = Conversation(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0))
        try:
            index = read_link_index(talk.get(link_named(link)))
            found = map(read_address, talk.dump(addresses_of(index)))
            return [interface for interface, _ in found if not interface.ip.is_link_local]
        except Refused as error:
            raise Failed(f"cannot read the addresses of link {link}: {error.reason}") from error
        finally:
            talk.close()

    async def forwarding(self) -> bool:
        """Whether IPv4 forwarding is on in the daemon's network namespace."""
        return _text("/proc/sys/net/ipv4/ip_forward").strip() == "1"

    async def resolv_conf(self) -> str:
        """The host's /etc/resolv.conf."""
        return _text(RESOLV_CONF)

    async def resolved_conf(self) -> str:
        """What systemd-resolved asks itself."""
        return _text(RESOLVED_CONF)

    async def hosts_file(self) -> str:
        """The host's /etc/hosts."""
        return _text("/etc/hosts")

    async def uplink_mtu(self) -> int:
        """The MTU of the link that leads out: the smallest where several do, 1500 without one."""
        links = uplinks4(_text("/proc/net/route")) or uplinks6(_text("/proc/net/ipv6_route"))
        sizes = [_text(f"/sys/class/net/{link}/mtu").strip() for link in links]
        return min((int(size) for size in sizes if size.isdigit()), default=USUAL_MTU)

    async def local_ports(self) -> range:
        """The ports that programs get when they name none (`ip_local_port_range`), empty if unknown."""
        words = _text("/proc/sys/net/ipv4/ip_local_port_range").split()
        return range(int(words[0]), int(words[1]) + 1) if len(words) == 2 else range(0)

    async def neighbour_table(self) -> NeighbourTable:
        """The kernel's table of IPv4 neighbours, which all network namespaces share."""
        try:
            return neighbour_table()
        except Refused as error:
            raise Failed(f"cannot read the kernel's table of neighbours: {error.reason}") from error

    async def facts(self) -> HostFacts:
        """Name, kernel, processors and memory of this machine."""
        release = dict(line.split("=", 1) for line in _text("/etc/os-release").splitlines() if "=" in line)
        memory = next(
            (line for line in _text("/proc/meminfo").splitlines() if line.startswith("MemTotal:")), ""
        )
        unified = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
        return HostFacts(
            name=socket.gethostname(),
            kernel=platform.release(),
            operating_system=release.get("PRETTY_NAME", "Linux").strip('"'),
            os_version=release.get("VERSION_ID", "").strip('"'),
            architecture=platform.machine(),
            cpus=os.cpu_count() or 1,
            memory=int(memory.split()[1]) * 1024 if memory else 0,
            root_filesystem=_filesystem(self._data_root),
            runtime=self._runtime,
            runtimes=self._runtimes,
            cgroup_version="2" if unified else "1",
            bridge_nf_iptables=_text("/proc/sys/net/bridge/bridge-nf-call-iptables").strip() == "1",
            bridge_nf_ip6tables=_text("/proc/sys/net/bridge/bridge-nf-call-ip6tables").strip() == "1",
            started=self._started,
        )

    async def exists(self, path: str) -> bool:
        """Whether there is something at the path."""
        return os.path.lexists(path)

    async def usage(self, path: str) -> int:
        """Bytes that a directory tree takes."""
        return await asyncio.to_thread(_usage, path)

    # -- files of containers ---------------------------------------------------------------------

    def directory(self, container_id: str) -> str:
        """Where the files of one container are kept."""
        return os.path.join(self._data_root, "containers", container_id)

    async def write_files(self, container_id: str, files: Mapping[str, str]) -> None:
        """Write in place, so that a file mounted into a container changes there too."""
        directory = self.directory(container_id)
        try:
            os.makedirs(directory, mode=0o710, exist_ok=True)
            for name, text in files.items():
                descriptor = os.open(
                    os.path.join(directory, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644
                )
                with os.fdopen(descriptor, "w") as file:
                    file.write(text)
        except OSError as error:
            raise Failed(f"cannot write the files of container {container_id[:12]}: {error}") from error

    async def read_file(self, container_id: str, name: str) -> str:
        """The text of one of its files; "" too where the container has made it larger than makes sense."""
        path = os.path.join(self.directory(container_id), name)
        return _text(path) if os.path.exists(path) and os.path.getsize(path) <= LARGEST_FILE else ""

    async def missing_files(self, container_id: str, names: Collection[str]) -> Collection[str]:
        """Those of its files that are not there, or empty."""
        paths = {name: os.path.join(self.directory(container_id), name) for name in names}
        return [name for name, path in paths.items() if not _has_content(path)]

    async def remove_files(self, container_id: str) -> None:
        """Delete the container's directory; fine when there is none."""
        await asyncio.to_thread(_remove_tree, self.directory(container_id))

    # -- volumes ---------------------------------------------------------------------------------

    def _volume(self, name: str) -> str:
        return os.path.join(self._data_root, "volumes", name)

    async def make_volume(self, name: str) -> str:
        """The path of the volume's content, made if it is not there."""
        path = os.path.join(self._volume(name), "_data")
        try:
            os.makedirs(path, mode=0o755, exist_ok=True)
        except OSError as error:
            raise Failed(f"cannot make volume {name}: {error}") from error
        return path

    async def mount_volume(self, path: str, options: Mapping[str, str]) -> None:
        """Mount a device there as mount(8) does, in the daemon's namespace; fine when one is mounted."""
        if _is_mounted(path):
            return
        given = ["-o", options["o"]] if options.get("o") else []
        command = ["mount", "-t", options["type"], *given, "--", options["device"], path]
        done = await process.run(command, deadline=MOUNT_DEADLINE)
        if done.code:
            said = done.stderr.decode(errors="replace").strip().removeprefix("mount: ").partition("\n")[0]
            raise Failed(
                f"error while mounting volume '{path}': failed to mount local volume: "
                f"mount {options['device']}:{path}: {said}"
            )

    async def unmount_volume(self, path: str) -> None:
        """Unmount it, once for each time that something was mounted; what is busy goes out of sight."""
        while _is_mounted(path):
            done = await process.run(["umount", "--lazy", "--", path], deadline=MOUNT_DEADLINE)
            if done.code:
                raise Failed(f"cannot unmount the volume at {path}: {done.stderr.decode(errors='replace')}")

    async def remove_volume(self, name: str) -> None:
        """Delete the volume's directory; fine when there is none."""
        await asyncio.to_thread(_remove_tree, self._volume(name))

    async def fill_volume(self, path: str, root: str, destination: str) -> None:
        """Copy what lies at `destination` in the root into the volume, if that is empty."""
        try:
            await asyncio.to_thread(_fill, path, root, destination)
        except OSError as error:
            raise Failed(f"cannot fill the volume at {path}: {error}") from error

    async def ensure_directory(self, path: str) -> bool:
        """Make the directory and its parents; False where something else is already."""
        if os.path.lexists(path):
            return os.path.isdir(path)
        try:
            os.makedirs(path, mode=0o755, exist_ok=True)
        except OSError as error:
            raise Failed(
                f"error while creating mount source path '{path}': mkdir {path}: {error.strerror}"
            ) from error
        return True


def _has_content(path: str) -> bool:
    try:
        return os.stat(path).st_size > 0
    except OSError:
        return False


def _filesystem(path: str) -> str:
    """The kind of filesystem that a path lies on, by the mount nearest to it; the later of two counts."""
    place = os.path.realpath(path)
    nearest, kind = "", ""
    for line in _text("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        target = left.split(" ")[4].replace("\\040", " ").replace("\\134", "\\")
        above = target == "/" or place == target or place.startswith(f"{target}/")
        if above and len(target) >= len(nearest):
            nearest, kind = target, right.split(" ")[0]
    return kind


def _is_mounted(path: str) -> bool:
    """Whether a mount is at the path; binds within one filesystem are seen in this table only."""
    escaped = os.path.realpath(path).replace("\\", "\\134").replace(" ", "\\040")
    return any(line.split(" ")[4] == escaped for line in _text("/proc/self/mountinfo").splitlines())


def _text(path: str) -> str:
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _routes4(text: str) -> list[Subnet]:
    """Destinations in /proc/net/route; numbers there are in host byte order (proc(5))."""
    found: list[Subnet] = []
    for line in text.splitlines()[1:]:
        words = line.split()
        flags = int(words[3], 16)
        if not flags & RTF_UP or flags & RTF_REJECT:
            continue
        network = _destination4(words[1], words[7])
        if network.prefixlen:
            found.append(network)
    return found


@lru_cache(maxsize=REMEMBERED)
def _destination4(address: str, mask: str) -> ipaddress.IPv4Network:
    """Remembered, since a host with many networks is asked for the same again with each new one."""
    packed = (ipaddress.IPv4Address(struct.pack("=I", int(each, 16))) for each in (address, mask))
    return ipaddress.IPv4Network("/".join(map(str, packed)))


@lru_cache(maxsize=REMEMBERED)
def _destination6(address: str, length: str) -> ipaddress.IPv6Network | None:
    network = ipaddress.IPv6Network((bytes.fromhex(address), int(length, 16)))
    plain = 0 < network.prefixlen < 128 and not (network.is_link_local or network.is_multicast)
    return network if plain else None


def _routes6(text: str) -> list[Subnet]:
    """Global destinations in /proc/net/ipv6_route."""
    found: list[Subnet] = []
    for line in text.splitlines():
        words = line.split()
        network = _destination6(words[0], words[1])
        if network is not None:
            found.append(network)
    return found


def uplinks4(text: str) -> list[str]:
    """The links of the best default route in /proc/net/route, and of the halves that a VPN puts before it."""
    routes: list[tuple[int, str, int]] = []
    for line in text.splitlines()[1:]:
        words = line.split()
        length = int(words[7], 16).bit_count()
        if length <= 1 and int(words[3], 16) & RTF_UP and not int(words[3], 16) & RTF_REJECT:
            routes.append((length, words[0], int(words[6])))
    return _best(routes)


def uplinks6(text: str) -> list[str]:
    """The same in /proc/net/ipv6_route."""
    routes: list[tuple[int, str, int]] = []
    for line in text.splitlines():
        words = line.split()
        length, flags = int(words[1], 16), int(words[8], 16)
        if length <= 1 and flags & RTF_UP and not flags & RTF_REJECT:
            routes.append((length, words[9], int(words[5], 16)))
    return _best(routes)


def _best(routes: list[tuple[int, str, int]]) -> list[str]:
    """The links of the default routes with the lowest metric, and of all halves of one."""
    lowest = min((metric for length, _, metric in routes if length == 0), default=0)
    return [link for length, link, metric in routes if length == 1 or metric == lowest]


def _local_addresses(text: str) -> list[Address]:
    """The /32 host LOCAL leaves of /proc/net/fib_trie."""
    found: set[Address] = set()
    last = ""
    for line in text.splitlines():
        word = line.strip()
        if word.startswith("|--"):
            last = word[3:].strip()
        elif word.startswith("/32 host LOCAL"):
            found.add(ipaddress.ip_address(last))
    return sorted(found, key=int)


def _usage(path: str) -> int:
    total = 0
    for directory, _, files in os.walk(path):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(directory, name)).st_size
    return total


def _remove_tree(path: str) -> None:
    if not os.path.lexists(path):
        return
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise Failed(f"cannot delete {path}: {error}") from error


def _fill(path: str, root: str, destination: str) -> None:
    source = os.path.realpath(os.path.join(root, destination.lstrip("/")))
    inside = source.startswith(os.path.realpath(root) + os.sep)
    if not inside or not os.path.isdir(source) or os.listdir(path):
        return
    _copy_tree(source, path)


def _copy_tree(source: str, target: str) -> None:
    """Copy a tree with owners, modes, times and links as they are."""
    for entry in os.scandir(source):
        place = os.path.join(target, entry.name)
        if entry.is_dir(follow_symlinks=False):
            os.mkdir(place)
            _copy_tree(entry.path, place)
        elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
            shutil.copy2(entry.path, place, follow_symlinks=False)
            _own_as(entry.path, place)
    shutil.copystat(source, target)
    _own_as(source, target)


def _own_as(source: str, target: str) -> None:
    status = os.lstat(source)
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)

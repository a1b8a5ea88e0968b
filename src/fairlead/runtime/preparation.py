"""Looks up what a container's OCI document depends on, and has its system call filter ready compiled."""

import base64
import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fairlead.boundary import Launch
from fairlead.model.container import Container, HostConfig, MountPoint
from fairlead.model.errors import StartFailed
from fairlead.runtime import devices, logs, mounts, seccomp, sharedmemory, spec
from fairlead.runtime.bundle import Bundles
from fairlead.runtime.ociruntime import CRUN, OciRuntime
from fairlead.runtime.rootpath import Root
from fairlead.runtime.spec import Document, Found
from fairlead.runtime.traits import Traits
from fairlead.runtime.users import ProcessUser, look_up

SECCOMP_BASE = "/usr/share/containers/seccomp.json"  # from containers-common
# For our own use after a restart of the daemon.
LOG_SIZE, LOG_FILES = "fairlead.log.size", "fairlead.log.files"
_INIT_PROGRAMS = ("docker-init", "tini", "catatonit")
_INIT_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/usr/libexec/podman"


class Filters:
    """System call filters that crun has compiled once, kept under --data-root.

    Compiling one costs crun more than all the rest of making a container.
    """

    def __init__(self, directory: str, runtime: OciRuntime):
        self._directory = directory
        self._runtime = runtime
        self._known: dict[str, str] = {}

    def key(self, profile: Mapping[str, Any]) -> str:
        """The name of a profile's compiled form with this runtime, "" if the runtime takes none."""
        if self._runtime.name != CRUN:
            return ""
        text = f"{self._runtime.identity} {json.dumps(profile, sort_keys=True)}"
        return hashlib.sha256(text.encode()).hexdigest()

    def compiled(self, key: str) -> str:
        """The compiled form in base64, "" if there is none yet."""
        if key and key not in self._known:
            with contextlib.suppress(FileNotFoundError), open(f"{self._directory}/{key}", "rb") as file:
                self._known[key] = base64.b64encode(file.read()).decode("ascii")
        return self._known.get(key, "")

    def keep(self, key: str, container_id: str) -> None:
        """Take over what crun has compiled for a container that was just made with the profile itself."""
        if not key or key in self._known:
            return
        fresh = f"{self._directory}/{key}.{container_id}"
        with contextlib.suppress(OSError):
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            shutil.copyfile(f"{self._runtime.state(container_id)}/seccomp.bpf", fresh)
            if os.path.getsize(fresh):
                os.replace(fresh, f"{self._directory}/{key}")


class Preparation:
    """Turns launches into documents; everything here blocks for a moment on the disk."""

    def __init__(self, traits: Traits, filters: Filters, bundles: Bundles, seccomp_base: str = SECCOMP_BASE):
        self._traits = traits
        self._filters = filters
        self._bundles = bundles
        self._base = _base_profile(seccomp_base)

    def document(self, launch: Launch) -> tuple[Document, str]:
        """The OCI document, and the key under which the filter is to be kept that crun will compile.

        Raises StartFailed or InvalidParameter in Docker's words.
        """
        container, own = launch.container, launch.container.host_config
        if own.init and not launch.init_path:
            launch = replace(launch, init_path=_init_program())
        _check_propagation(launch.mounts)
        with Root(launch.root.path) as root:
            user = self._user(root, container.config.user, own)
            if container.config.working_dir:
                root.ensure_directory(container.config.working_dir)
        found = Found(
            user, devices.gather(own), devices.numbers(own), sharedmemory.place(launch, self._bundles)
        )
        rotation = logs.rotation(own.log_config)
        notes = {LOG_SIZE: str(rotation.size), LOG_FILES: str(rotation.files)}
        document = spec.document(launch, found, self._traits, notes)
        profile = self._profile(container)
        if profile is None:
            return document, ""
        key = self._filters.key(profile)
        compiled = self._filters.compiled(key)
        return spec.with_seccomp(document, profile, compiled), "" if compiled else key

    def user(self, container: Container, name: str, root_path: str) -> ProcessUser:
        """Who an exec runs as.  StartFailed in Docker's words."""
        with Root(root_path) as root:
            return self._user(root, name, container.host_config)

    @staticmethod
    def _user(root: Root, name: str, own: HostConfig) -> ProcessUser:
        return look_up(name, own.group_add or (), root.read("/etc/passwd"), root.read("/etc/group"))

    def _profile(self, container: Container) -> Document | None:
        chosen = spec.security_options(container.host_config).seccomp
        held = spec.held(container, self._traits)
        if chosen == "unconfined":
            return None
        if chosen:
            return seccomp.resolve(seccomp.parse(chosen), held, self._traits.architecture)
        return seccomp.default(self._base, held, self._traits.architecture)


def _base_profile(path: str) -> Mapping[str, Any] | None:
    try:
        with open(path, encoding="utf-8") as file:
            return seccomp.parse(file.read())
    except FileNotFoundError:
        return None


def _init_program() -> str:
    for name in _INIT_PROGRAMS:
        found = shutil.which(name, path=_INIT_PATH)
        if found:
            return found
    raise StartFailed(f"cannot start an init process: none of {', '.join(_INIT_PROGRAMS)} is installed", 127)


def _check_propagation(points: tuple[MountPoint, ...]) -> None:
    """StartFailed in Docker's words where a bind shall share mounts that its source does not share."""
    for point in points:
        shared, slave = mounts.is_shared(point.propagation), mounts.is_slave(point.propagation)
        if point.type != "bind" or not (shared or slave):
            continue
        place, tags = _mount_of(point.source)
        if "shared:" not in tags and not (slave and "master:" in tags):
            kind = "a shared mount" if shared else "a shared or slave mount"
            raise StartFailed(f"path {point.source} is mounted on {place} but it is not {kind}")


def _mount_of(path: str) -> tuple[str, str]:
    """The mount point that holds a path, and its propagation tags."""
    real = os.path.realpath(path)
    best, tags = "/", ""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.split()
            place = fields[4]
            inside = real == place or real.startswith(f"{place.rstrip('/')}/")
            if inside and len(place) >= len(best):
                best, tags = place, " ".join(fields[6 : fields.index("-")])
    return best, tags

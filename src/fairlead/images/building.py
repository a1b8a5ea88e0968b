"""Builds by buildah, on the storage that everything else here uses.

Buildah runs as the first process of a process namespace of its own, with mounts of its own:
whoever ends it ends every command of the build and every mount at once.  It dies with the engine.
What it may leave in the storage (working containers) and among the control groups carries the
build's mark, so that a later look finds it.
"""

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from fairlead import process
from fairlead.boundary import Progress
from fairlead.boundary.build import Enter
from fairlead.dockerapi.buildstream import Narration
from fairlead.dockerapi.dockerfile import Dockerfile, parse_dockerfile
from fairlead.dockerapi.reference import parse_reference
from fairlead.images.catalogue import CatalogueReader
from fairlead.images.registries import Registries, registry_domain, write_credentials
from fairlead.images.scope import Scope
from fairlead.images.spool import spool, writing
from fairlead.images.tools import Tools
from fairlead.images.untarring import unpack
from fairlead.model.build import BuildFailed, BuildPlace, BuildRequest
from fairlead.model.errors import Failed, FairleadError, InvalidParameter

_MARK = "fairlead-build-"
_BLOCK = 65536
_LARGEST_DOCKERFILE = 16 << 20  # bytes
_LAST_WORDS = 10.0  # seconds that what was killed may take to go
_CGROUPS = Path("/sys/fs/cgroup")
# A pin that is seen in these mounts would keep another container's namespace alive: only the own one stays.
_LAUNCH = """own=$1; shift
for pin in /run/netns/*; do [ "$pin" = "$own" ] || [ ! -e "$pin" ] || umount -l "$pin" 2>/dev/null; done
exec "$@"
"""


class BuildahBuilder:
    """The real `Builder`."""

    def __init__(self, tools: Tools, reader: CatalogueReader, registries: Registries):
        self._tools, self._reader, self._registries = tools, reader, registries
        self._under_way: set[str] = set()

    async def build(
        self,
        identity: str,
        request: BuildRequest,
        context: AsyncIterator[bytes],
        enter: Enter,
        progress: Progress,
    ) -> str:
        """See `Builder`."""
        async with self._tools.scratch() as scratch:
            received = await spool(context, scratch)
            directory = scratch / "context"
            text = await asyncio.to_thread(_unpacked, received, directory, request.dockerfile)
            plan = parse_dockerfile(text, request.dockerfile).until(request.target)
            plan = plan.with_labels(request.labels)
            (scratch / "Dockerfile").write_text(text, encoding="utf-8", errors="surrogateescape")
            environment = await self._environment(scratch, plan, request)
            mark = _MARK + identity[:12]
            self._under_way.add(mark)
            try:
                async with enter() as place:
                    argv = _command(scratch, mark, request, place, self._may_reuse(request))
                    return await self._run(argv, environment, plan, progress)
            finally:
                self._under_way.discard(mark)
                await asyncio.shield(self._sweep(mark))

    async def clear(self) -> None:
        """See `Builder`."""
        await self._sweep(_MARK)

    async def _run(
        self, argv: list[str], environment: Mapping[str, str], plan: Dockerfile, progress: Progress
    ) -> str:
        narration = Narration(plan, self._identify, self._base)
        started = await process.start(argv, stderr=asyncio.subprocess.STDOUT, environment=environment)
        assert started.stdout is not None
        try:
            while piece := await started.stdout.read(_BLOCK):
                for message in narration.feed(piece.decode(errors="replace")):
                    await progress(message)
            code = await started.wait()
        finally:
            if started.returncode is None:
                await asyncio.shield(_end(started))
        if code:
            raise BuildFailed(*narration.complaint())
        for message in narration.finish():
            await progress(message)
        if not narration.image:
            raise Failed("cannot find the image: buildah did not say which one it has built")
        return narration.image

    async def _environment(self, scratch: Path, plan: Dockerfile, request: BuildRequest) -> dict[str, str]:
        """What buildah reads: the storage, the registries with their credentials, no defaults of others."""
        registries, settings = scratch / "registries.conf", scratch / "containers.conf"
        domains = {parse_reference(name).domain for name in plan.bases() if _is_reference(name)}
        insecure = [domain for domain in domains if await self._registries.insecure(domain)]
        registries.write_text(self._registries.text(insecure, short_names=True))
        settings.write_text("[containers]\ndefault_ulimits = []\n[engine]\ncgroup_manager = 'cgroupfs'\n")
        (scratch / "policy.json").write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        credentials = {registry_domain(server): each for server, each in request.credentials.items()}
        write_credentials(scratch / "auth.json", credentials)
        return {
            **self._tools.environment(scratch),
            "CONTAINERS_CONF": str(settings),
            "CONTAINERS_REGISTRIES_CONF": str(registries),
        }

    def _may_reuse(self, request: BuildRequest) -> bool:
        """Whether steps of earlier builds count; buildah knows no choice between those."""
        if request.cache_from:
            return any(self._base(name) for name in request.cache_from)
        return not request.no_cache

    def _identify(self, digits: str) -> str:
        images = self._reader.read().images
        return next((identity for identity in images if identity.startswith(digits)), "")

    def _base(self, name: str) -> str:
        try:
            return self._reader.read().find(name).id
        except FairleadError:
            return ""

    async def _sweep(self, mark: str) -> None:
        """Take away what carries a mark and belongs to no build under way."""
        for path in self._tools.graph_root.glob("overlay-containers/*/userdata/buildah.json"):
            text = await asyncio.to_thread(_text_of, path)
            if mark in text and not any(each in text for each in self._under_way):
                with contextlib.suppress(Failed):
                    await self._tools.storage("delete-container", path.parent.parent.name)
        for pattern in (f"{mark}*", f"*/{mark}*"):
            for group in _CGROUPS.glob(pattern):
                if group.name not in self._under_way:
                    _remove_groups(group)


async def _end(started: asyncio.subprocess.Process) -> None:
    """Kill a build and wait until nothing of it is left that could still write its output."""
    with contextlib.suppress(ProcessLookupError):
        started.kill()
    await started.wait()
    assert started.stdout is not None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORDS):
            while await started.stdout.read(_BLOCK):
                pass


def _text_of(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _remove_groups(directory: Path) -> None:
    """Remove a control group and those below it; one with processes stays."""
    for inner in [each for each in directory.glob("*") if each.is_dir()]:
        _remove_groups(inner)
    with contextlib.suppress(OSError):
        directory.rmdir()


def _is_reference(name: str) -> bool:
    try:
        return bool(parse_reference(name))
    except FairleadError:
        return False


def _unpacked(received: Path, directory: Path, dockerfile: str) -> str:
    """Unpack the context; the Dockerfile's text.  InvalidParameter in Docker's words."""
    with writing("cannot unpack the build context"):
        directory.mkdir(mode=0o755)
        with Scope(str(directory)) as scope, open(received, "rb") as file:
            unpack(scope, "/", file, keep_kinds=False)
        received.unlink()
    try:
        with (
            Scope(str(directory)) as scope,
            open(scope.open(dockerfile, os.O_RDONLY | os.O_NONBLOCK), "rb") as file,
        ):
            text = file.read(_LARGEST_DOCKERFILE + 1)
    except OSError as error:
        raise InvalidParameter(f"Cannot locate specified Dockerfile: {dockerfile}") from error
    if len(text) > _LARGEST_DOCKERFILE:
        raise InvalidParameter(f"cannot use {dockerfile}: it is larger than 16 MiB")
    return text.decode("utf-8", "surrogateescape")


def _command(scratch: Path, mark: str, request: BuildRequest, place: BuildPlace, reuse: bool) -> list[str]:
    launch = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"]
    launch += ["--mount-proc", "sh", "-c", _LAUNCH, "sh", place.namespace or "-"]
    options = {
        "format": "docker",
        "layers": "true",
        "force-rm": "true",
        "skip-unused-stages": "false",
        "identity-label": "false",
        "http-proxy": "false",
        "isolation": "oci",
        "runtime": shutil.which("runc") or "runc",
        "retry": 0,
        "authfile": scratch / "auth.json",
        "cgroup-parent": f"/{mark}",
        "network": f"ns:{place.namespace}" if place.namespace else place.mode,
        "file": scratch / "Dockerfile",
        "pull": "always" if request.pull else "false",
        **request.limits,
    }
    if not Path("/etc/containers/policy.json").exists():
        options["signature-policy"] = scratch / "policy.json"
    if not reuse:
        options["no-cache"] = "true"
    if request.target:
        options["target"] = request.target
    many = {
        "build-arg": [f"{name}={value}" for name, value in request.arguments.items()],
        "label": [f"{name}={value}" for name, value in request.labels.items()],
        "add-host": [each.replace("=", ":", 1) for each in request.extra_hosts],
        "ulimit": [f"{name}={soft}:{hard}" for name, soft, hard in request.ulimits],
        "dns": place.servers,
        "dns-search": place.search,
        "dns-option": place.options,
    }
    given = [f"--{name}={value}" for name, value in options.items()]
    given += [f"--{name}={value}" for name, values in many.items() for value in values]
    return [*launch, "buildah", "build", *given, str(scratch / "context")]

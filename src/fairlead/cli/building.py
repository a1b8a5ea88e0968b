"""`build`: a context is packed and sent, and what becomes of it is shown."""

import json
import os
import sys
from io import StringIO
from pathlib import Path
from typing import Any

from fairlead.cli import checks, credentials
from fairlead.cli.build_context import pack_directory, pack_stdin
from fairlead.cli.commands import Arguments, command
from fairlead.cli.flags import Flag, Values
from fairlead.cli.kinds import BOOL, BYTES, INT, LIST, STRING, STRINGS, SWAP_BYTES, listed
from fairlead.cli.problems import Ending
from fairlead.cli.progress import show_progress
from fairlead.cli.session import Session
from fairlead.cli.units import human_size


@command(
    "build [OPTIONS] PATH | URL | -",
    Flag("add-host", 'Add a custom host-to-IP mapping ("host:ip")', listed(checks.extra_host)),
    Flag("build-arg", "Set build-time variables", LIST),
    Flag("cache-from", "Images to consider as cache sources", STRINGS),
    Flag("cgroup-parent", 'Set the parent cgroup for the "RUN" instructions during build', STRING),
    Flag("compress", "Compress the build context using gzip"),
    Flag("cpu-period", "Limit the CPU CFS (Completely Fair Scheduler) period", INT),
    Flag("cpu-quota", "Limit the CPU CFS (Completely Fair Scheduler) quota", INT),
    Flag("cpu-shares", "CPU shares (relative weight)", INT, short="c"),
    Flag("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)", STRING),
    Flag("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)", STRING),
    Flag("disable-content-trust", "Skip image verification", BOOL, default=True),
    Flag(
        "file", 'Name of the Dockerfile (Default is "PATH/Dockerfile")', STRING, short="f", completes="files"
    ),
    Flag("force-rm", "Always remove intermediate containers"),
    Flag("iidfile", "Write the image ID to the file", STRING, completes="files"),
    Flag("isolation", "Container isolation technology", STRING),
    Flag("label", "Set metadata for an image", LIST),
    Flag("memory", "Memory limit", BYTES, short="m"),
    Flag("memory-swap", "Swap limit equal to memory plus swap: -1 to enable unlimited swap", SWAP_BYTES),
    Flag(
        "network",
        "Set the networking mode for the RUN instructions during build",
        STRING,
        default="default",
        completes="networks",
    ),
    Flag("no-cache", "Do not use cache when building the image"),
    Flag("platform", "Set platform if server is multi-platform capable", STRING),
    Flag("pull", "Always attempt to pull a newer version of the image"),
    Flag("quiet", "Suppress the build output and print image ID on success", short="q"),
    Flag("rm", "Remove intermediate containers after a successful build", BOOL, default=True),
    Flag("security-opt", "Security options", STRINGS),
    Flag("shm-size", 'Size of "/dev/shm"', BYTES),
    Flag("squash", "Squash newly built layers into a single new layer"),
    Flag("tag", 'Name and optionally a tag in the "name:tag" format', LIST, short="t", completes="images"),
    Flag("target", "Set the target build stage to build.", STRING),
    Flag("ulimit", "Ulimit options", listed(checks.ulimit, "ulimit")),
    arguments=Arguments(1, 1, "files"),
    aliases=("image build", "build", "builder build"),
)
def build(session: Session, values: Values, words: list[str]) -> None:
    """Pack, send, show."""
    place, dockerfile = words[0], values.text("file")
    if place == "-" and dockerfile == "-":
        raise Ending(1, "invalid argument: can't use stdin for both build context and dockerfile")
    if "://" in place or place.startswith(("git@", "github.com/")):
        raise Ending(1, f"cannot build from {place}: fetch it first, and name the directory")
    if place == "-":
        packed, name = pack_stdin(sys.stdin.buffer, dockerfile)
    else:
        packed, name = pack_directory(place, dockerfile)
    quiet = values.yes("quiet")
    with packed:
        if not quiet:
            size = human_size(os.fstat(packed.fileno()).st_size)
            session.line(f"Sending build context to Docker daemon  {size}")
            session.flush()
        answer = session.client.images.build(packed, _query(values, name), credentials.header_of_all(session))
        built: list[str] = []
        shown = StringIO() if quiet else sys.stdout
        show_progress(answer, shown, lambda aux: built.append(str(aux.get("ID", ""))))
    if isinstance(shown, StringIO):
        built = shown.getvalue().split()[-1:]
        session.line("".join(built))
    if path := values.text("iidfile"):
        if not built:
            raise Ending(1, f"cannot write {path}: the engine did not tell the image's id")
        Path(path).write_text(built[-1], encoding="ascii")


def _query(values: Values, dockerfile: str) -> dict[str, Any]:
    arguments = {}
    for each in values.all("build-arg"):
        key, separator, value = each.partition("=")
        arguments[key] = value if separator else os.environ.get(key)
    labels = {key: value for key, _, value in (each.partition("=") for each in values.all("label"))}
    numbers = {
        "memory": "memory",
        "memswap": "memory-swap",
        "cpushares": "cpu-shares",
        "cpuperiod": "cpu-period",
        "cpuquota": "cpu-quota",
        "shmsize": "shm-size",
    }
    return {
        "dockerfile": dockerfile,
        "t": values.all("tag"),
        "buildargs": json.dumps(arguments) if arguments else "",
        "labels": json.dumps(labels) if labels else "",
        "ulimits": json.dumps(limits) if (limits := values.all("ulimit")) else "",
        "extrahosts": json.dumps(hosts) if (hosts := values.all("add-host")) else "",
        "target": values.text("target"),
        "networkmode": values.text("network"),
        "platform": values.text("platform"),
        "cpusetcpus": values.text("cpuset-cpus"),
        "cpusetmems": values.text("cpuset-mems"),
        "nocache": values.yes("no-cache"),
        "pull": values.yes("pull"),
        "q": values.yes("quiet"),
        "squash": values.yes("squash"),
        **{name: str(number) for name, option in numbers.items() if (number := values.number(option))},
    }

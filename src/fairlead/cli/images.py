"""Commands that bring images, take them away, and name them: pull, push, load, save, import, tag, rm."""

import sys
from typing import Any

from fairlead.cli import credentials
from fairlead.cli.commands import Arguments, command
from fairlead.cli.files import TERMINAL, check_output
from fairlead.cli.files import save as save_stream
from fairlead.cli.flags import Flag, Values
from fairlead.cli.kinds import BOOL, LIST, STRING
from fairlead.cli.many import each
from fairlead.cli.problems import Ending, Invalid
from fairlead.cli.progress import show_progress
from fairlead.cli.reference import Reference, parse_reference
from fairlead.cli.session import Session
from fairlead.client.transport import Documents

_PLATFORM = Flag("platform", "Set platform if server is multi-platform capable", STRING)
_TRUST = Flag("disable-content-trust", "Skip image verification", BOOL, default=True)
_SIGNING = Flag("disable-content-trust", "Skip image signing", BOOL, default=True)
_QUIET = Flag("quiet", "Suppress verbose output", short="q")


def _reference(text: str, complaint: str = "") -> Reference:
    try:
        return parse_reference(text)
    except Invalid as problem:
        raise Ending(1, f"{complaint}{problem}") from None


def _named(session: Session, values: Values, text: str) -> Reference:
    """The image of a pull or push: all its tags with -a, else one; that it is `latest` is said aloud."""
    reference = _reference(text)
    if values.yes("all-tags"):
        if reference.tag or reference.digest:
            raise Ending(1, "tag can't be used with --all-tags/-a")
        return reference
    named = reference.with_default_tag()
    if named != reference and not values.yes("quiet"):
        session.line(f"Using default tag: {named.tag}")
    return named


@command(
    "pull [OPTIONS] NAME[:TAG|@DIGEST]",
    Flag("all-tags", "Download all tagged images in the repository", short="a"),
    _TRUST,
    _PLATFORM,
    _QUIET,
    arguments=Arguments(1, 1, "images"),
    aliases=("image pull", "pull"),
)
def pull(session: Session, values: Values, words: list[str]) -> None:
    """Download an image."""
    wanted = _named(session, values, words[0])
    documents = session.client.images.pull(
        wanted.whole_repository,
        wanted.digest or wanted.tag,
        values.text("platform"),
        credentials.header(session, wanted.domain),
    )
    show_progress(documents, None if values.yes("quiet") else sys.stdout)
    session.line(wanted.full)


@command(
    "push [OPTIONS] NAME[:TAG]",
    Flag("all-tags", "Push all tags of an image to the repository", short="a"),
    _SIGNING,
    Flag("platform", "Push a platform-specific manifest as a single-platform image to the registry.", STRING),
    _QUIET,
    arguments=Arguments(1, 1, "images"),
    aliases=("image push", "push"),
)
def push(session: Session, values: Values, words: list[str]) -> None:
    """Upload an image."""
    wanted = _named(session, values, words[0])
    documents = session.client.images.push(
        wanted.whole_repository,
        wanted.tag,
        credentials.header(session, wanted.domain),
        values.text("platform"),
    )
    show_progress(documents, None if values.yes("quiet") else sys.stdout)
    if values.yes("quiet"):
        session.line(wanted.full)


@command(
    "load [OPTIONS]",
    Flag("input", "Read from tar archive file, instead of STDIN", STRING, short="i", completes="files"),
    Flag("platform", "Load only the given platform variant", STRING),
    Flag("quiet", "Suppress the load output", short="q"),
    aliases=("image load", "load"),
)
def load(session: Session, values: Values, _: list[str]) -> None:
    """Take images from an archive."""
    path = values.text("input")
    if not path and session.interactive(0):
        raise Ending(1, "requested load from stdin, but stdin is empty")
    quiet = values.yes("quiet") or not session.interactive(1)
    try:
        with open(path, "rb") if path else sys.stdin.buffer as archive:
            answer = session.client.images.load(archive, quiet)
    except OSError as problem:
        raise Ending(1, f"open {path}: {(problem.strerror or str(problem)).lower()}") from None
    if answer.header("Content-Type").startswith("application/json"):
        show_progress(answer.documents(), sys.stdout)
    else:
        session.write(answer.read().decode(errors="replace"))


@command(
    "save [OPTIONS] IMAGE [IMAGE...]",
    Flag("output", "Write to a file, instead of STDOUT", STRING, short="o", completes="files"),
    Flag("platform", "Save only the given platform variant", STRING),
    arguments=Arguments(1, None, "images"),
    aliases=("image save", "save"),
)
def save(session: Session, values: Values, words: list[str]) -> None:
    """Write images as a tar archive."""
    path = values.text("output")
    if not path and session.interactive(1):
        raise Ending(1, TERMINAL)
    try:
        check_output(path)
    except Invalid as problem:
        raise Ending(1, f"failed to save image: {problem}") from None
    save_stream(session, session.client.images.save(words).pieces(), path)


@command(
    "import [OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    Flag("change", "Apply Dockerfile instruction to the created image", LIST, short="c"),
    Flag("message", "Set commit message for imported image", STRING, short="m"),
    _PLATFORM,
    arguments=Arguments(1, 2, "files"),
    aliases=("image import", "import"),
)
def import_(session: Session, values: Values, words: list[str]) -> None:
    """Make an image of a filesystem in a tar archive."""
    source, name = words[0], words[1] if len(words) > 1 else ""
    if name:
        _reference(name)
    further: dict[str, Any] = {
        "repository": name,
        "message": values.text("message"),
        "changes": values.all("change"),
        "platform": values.text("platform"),
    }
    images = session.client.images
    if source.startswith(("http://", "https://", "ftp://")):
        documents = images.import_(source, None, **further)
    elif source == "-":
        documents = images.import_("-", sys.stdin.buffer, **further)
    else:
        try:
            with open(source, "rb") as archive:
                documents = images.import_("-", archive, **further)
        except OSError as problem:
            raise Ending(1, f"open {source}: {(problem.strerror or str(problem)).lower()}") from None
    show_progress(documents, sys.stdout)


@command(
    "tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    arguments=Arguments(2, 2, "images"),
    aliases=("image tag", "tag"),
)
def tag(session: Session, values: Values, words: list[str]) -> None:
    """Give an image a further name."""
    complaint = f'Error parsing reference: "{words[1]}" is not a valid repository/tag: '
    target = _reference(words[1], complaint)
    if target.digest:
        raise Ending(1, "refusing to create a tag with a digest reference")
    session.client.images.tag(words[0], target.whole_repository, target.with_default_tag().tag)


def _remove(session: Session, values: Values, words: list[str]) -> int:
    def act(name: str) -> Documents:
        return session.client.images.remove(name, values.yes("force"), values.yes("no-prune"))

    def say(name: str, found: Documents) -> str | None:
        lines = [
            f"Deleted: {item['Deleted']}" if item.get("Deleted") else f"Untagged: {item['Untagged']}"
            for item in found
        ]
        return "\n".join(lines) or None

    missing = "said" if values.yes("force") else "fails"
    return each(session, words, act, missing=missing, say=say)


_REMOVAL = (
    Flag("force", "Force removal of the image", short="f"),
    Flag("no-prune", "Do not delete untagged parents"),
    Flag("platform", "Remove only the given platform variant", STRING),
)
_SOME = Arguments(1, None, "images")
_ALIASES = ("image rm", "image remove", "rmi")
rm = command("rm [OPTIONS] IMAGE [IMAGE...]", *_REMOVAL, arguments=_SOME, aliases=_ALIASES)(_remove)
rmi = command("rmi [OPTIONS] IMAGE [IMAGE...]", *_REMOVAL, arguments=_SOME, aliases=_ALIASES)(_remove)

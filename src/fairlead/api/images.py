"""Images: listed, shown, fetched, sent, loaded, saved, named, removed."""

import base64
import binascii
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from fairlead.api.exchange import JSON_TYPE, Answer, Outlet, Request, json_answer, json_line, send_archive
from fairlead.api.facade import Engine
from fairlead.boundary import Progress
from fairlead.dockerapi import image as documents
from fairlead.dockerapi.filters import Filters, parse_filters
from fairlead.dockerapi.platform import parse_platform
from fairlead.dockerapi.selection import check_images, parse_prune, shown_image
from fairlead.dockerapi.status import progress_error
from fairlead.dockerapi.times import SECOND
from fairlead.model.errors import FairleadError, InvalidParameter, Unsupported
from fairlead.model.image import ANY_PLATFORM, Credentials
from fairlead.model.views import ImageView


async def index(engine: Engine, request: Request) -> Answer:
    """GET /images/json."""
    filters = parse_filters(request.query.text("filters"))
    if request.version < (1, 41) and request.query.text("filter"):
        # The one filter of old: a name, with or without a tag.
        filters = replace(filters, values={**filters.values, "reference": (request.query.text("filter"),)})
    check_images(filters)
    before = await _created(engine, filters.get("before"), min)
    since = await _created(engine, filters.get("since"), max)
    now, everything = time.time_ns(), await engine.images.list()
    between = frozenset() if request.query.truth("all") else documents.intermediate(everything)
    shown = [
        view
        for each in everything
        if each.image.id not in between
        and (view := shown_image(filters, each, now, before, since)) is not None
    ]
    shown.sort(key=lambda view: documents.created_seconds(view.image), reverse=True)
    wanted = request.query.truth("shared-size") and request.version >= (1, 42)
    shared = documents.shared_sizes([each.image for each in everything]) if wanted else {}
    return json_answer(
        [
            documents.render_summary(view, request.version, shared=shared.get(view.image.id, -1))
            for view in shown
        ]
    )


async def _created(
    engine: Engine, references: tuple[str, ...], choose: Callable[[list[int]], int]
) -> int | None:
    """The creation time that a before or since filter stands for, None without one."""
    times = [documents.created_seconds(await engine.images.inspect(each)) for each in references]
    return choose(times) if times else None


async def inspect(engine: Engine, request: Request) -> Answer:
    """GET /images/{name}/json."""
    image = await engine.images.inspect(request.variables["name"])
    return json_answer(documents.render_inspect(image, request.version))


async def history(engine: Engine, request: Request) -> Answer:
    """GET /images/{name}/history."""
    return json_answer(documents.render_history(await engine.images.history(request.variables["name"])))


class ProgressStream:
    """Progress as lines of JSON; the head of the answer goes out with the first of them."""

    def __init__(self, request: Request):
        self._request = request
        self._outlet: Outlet | None = None

    async def tell(self, message: Mapping[str, object]) -> None:
        """Send one message.  ConnectionError when the client has gone."""
        if self._outlet is None:
            self._outlet = await self._request.stream(JSON_TYPE)
        await self._outlet.write(json_line(message))

    async def tell_if_heard(self, message: Mapping[str, object]) -> None:
        """The same for work that goes on without its client."""
        with contextlib.suppress(ConnectionError):
            await self.tell(message)

    async def run(
        self, work: Callable[[Progress], Awaitable[None]], lasting: bool, always: bool = False
    ) -> None:
        """Do the work and tell of it.

        An error before the first message is raised, and so answered with its status; later ones
        become the last message, and with `always` every one does.  With `lasting` the work is
        finished though the client has gone.
        """
        try:
            await work(self.tell_if_heard if lasting else self.tell)
            if self._outlet is None:
                self._outlet = await self._request.stream(JSON_TYPE)
        except FairleadError as error:
            if self._outlet is None and not always:
                raise
            await self.tell_if_heard(progress_error(error))


def credentials(request: Request) -> Credentials:
    """What X-Registry-Auth says: JSON in URL-safe base64; nothing for no header.

    Clients differ in padding and alphabet; what cannot be read counts as nothing, as in Docker.
    """
    return read_credentials(header_document(request, "X-Registry-Auth"))


def header_document(request: Request, name: str) -> Mapping[str, object]:
    """The JSON object that a header holds in base64; an empty one for what cannot be read."""
    text = request.header(name).strip().translate(str.maketrans("+/", "-_")).rstrip("=")
    try:
        document = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def read_credentials(document: Mapping[str, object]) -> Credentials:
    """An AuthConfig document."""

    def text(*names: str) -> str:
        values = (document.get(name) for name in names)
        return next((value for value in values if isinstance(value, str) and value), "")

    return Credentials(
        username=text("username", "Username"),
        password=text("password", "Password"),
        identity_token=text("identitytoken", "IdentityToken"),
        server=text("serveraddress", "ServerAddress"),
    )


def _named(name: str, tag: str) -> str:
    """A reference from the two halves that the API takes it in; the tag may be a digest.

    A tag of its own takes the place of one in the name.
    """
    if not tag:
        return name
    place, slash, last = name.rpartition("/")
    if ":" in last and "@" not in last:
        name = place + slash + last.rpartition(":")[0]
    return f"{name}@{tag}" if ":" in tag else f"{name}:{tag}"


async def create(engine: Engine, request: Request) -> None:
    """POST /images/create: pull with fromImage; import with fromSrc."""
    query = request.query
    name, source = query.text("fromImage"), query.text("fromSrc")
    progress = ProgressStream(request)
    if name:
        reference, given = _named(name, query.text("tag")), credentials(request)
        platform = parse_platform(query.text("platform")) if query.text("platform") else ANY_PLATFORM

        async def pull(tell: Progress) -> None:
            await engine.images.pull(reference, given, tell, platform)

        await progress.run(pull, lasting=False)
        return
    if not source:
        raise InvalidParameter("cannot create an image: neither fromImage nor fromSrc is given")
    if source != "-":
        raise Unsupported(f"cannot import {source}: this engine imports from the request's body only")

    async def take_in(tell: Progress) -> None:
        image = await engine.images.import_(
            request.upload(),
            _named(query.text("repo"), query.text("tag")),
            query.text("message"),
            tuple(line for text in query.all("changes") for line in text.splitlines() if line.strip()),
        )
        await tell({"status": f"sha256:{image.id}"})

    await progress.run(take_in, lasting=True)


async def load(engine: Engine, request: Request) -> None:
    """POST /images/load; `quiet` leaves out all but the names."""
    quiet = request.query.truth("quiet", default=True)

    async def take_in(tell: Progress) -> None:
        async def chosen(message: Mapping[str, object]) -> None:
            if not quiet or "stream" in message:
                await tell(message)

        await engine.images.load(request.upload(), chosen)

    # Docker says 200 before it looks at the archive; its clients look for an error in what follows.
    await ProgressStream(request).run(take_in, lasting=True, always=True)


async def push(engine: Engine, request: Request) -> None:
    """POST /images/{name}/push."""
    reference, given = _named(request.variables["name"], request.query.text("tag")), credentials(request)

    async def send(tell: Progress) -> None:
        await engine.images.push(reference, given, tell)

    await ProgressStream(request).run(send, lasting=False)


async def save_one(engine: Engine, request: Request) -> None:
    """GET /images/{name}/get."""
    await _save(engine, request, (request.variables["name"],))


async def save(engine: Engine, request: Request) -> None:
    """GET /images/get."""
    names = tuple(name for text in request.query.all("names") for name in text.split(",") if name)
    if not names:
        raise InvalidParameter("cannot save images: no names are given")
    await _save(engine, request, names)


async def _save(engine: Engine, request: Request, names: tuple[str, ...]) -> None:
    await send_archive(request, await engine.images.save(names))


async def tag(engine: Engine, request: Request) -> Answer:
    """POST /images/{name}/tag."""
    query = request.query
    await engine.images.tag(request.variables["name"], _named(query.text("repo"), query.text("tag")))
    return Answer(201)


async def remove(engine: Engine, request: Request) -> Answer:
    """DELETE /images/{name}."""
    steps = await engine.images.remove(
        request.variables["name"],
        force=request.query.truth("force"),
        prune=not request.query.truth("noprune"),
    )
    return json_answer(documents.render_removed(steps))


async def prune(engine: Engine, request: Request) -> Answer:
    """POST /images/prune: untagged ones only, unless the filter `dangling` is false."""
    filters = parse_filters(request.query.text("filters"))
    selection = parse_prune("images", filters, time.time_ns())

    between = documents.intermediate(await engine.images.list())

    def chosen(view: ImageView) -> bool:
        if view.image.id in between:
            return False  # it goes with those made of it
        if _dangling_only(filters) and view.image.tags:
            return False
        created = documents.created_seconds(view.image) * SECOND
        return selection.chooses(view.image.config.labels, created)

    steps, space = await engine.images.prune(chosen)
    return json_answer({"ImagesDeleted": documents.render_removed(steps) or None, "SpaceReclaimed": space})


def _dangling_only(filters: Filters) -> bool:
    return filters.truth("dangling") is not False


async def distribution(engine: Engine, request: Request) -> Answer:
    """GET /distribution/{name}/json."""
    found = await engine.images.look_up(request.variables["name"], credentials(request))
    return json_answer(documents.render_distribution(found))


async def search(engine: Engine, request: Request) -> Answer:
    """GET /images/search."""
    raise Unsupported("cannot search for images: this engine asks no index; name the image to pull it")

"""POST /build: an image from a Dockerfile and its context, told step by step."""

from collections.abc import Mapping

from fairlead.api.exchange import Answer, Request
from fairlead.api.facade import Engine
from fairlead.api.images import ProgressStream, header_document, read_credentials
from fairlead.boundary import Progress
from fairlead.dockerapi.build import parse_build
from fairlead.dockerapi.system import architecture
from fairlead.model.build import BuildFailed
from fairlead.model.errors import NotFound


async def build(engine: Engine, request: Request) -> None:
    """POST /build."""
    own = architecture((await engine.facts()).architecture)
    given = header_document(request, "X-Registry-Config")
    credentials = {server: read_credentials(each) for server, each in given.items() if isinstance(each, dict)}
    query = request.query
    order = parse_build(query.flat(), query.all("t"), query.all("extrahosts"), credentials, own)

    async def work(tell: Progress) -> None:
        kept: list[Mapping[str, object]] = []

        async def keep(message: Mapping[str, object]) -> None:
            kept.append(message)

        try:
            identity = await engine.builds.build(order, request.upload(), keep if order.quiet else tell)
        except BuildFailed:
            for message in kept:
                await tell(message)
            raise
        if order.quiet:
            await tell({"stream": f"sha256:{identity}\n"})
            return
        await tell({"aux": {"ID": f"sha256:{identity}"}})
        await tell({"stream": f"Successfully built {identity[:12]}\n"})
        for tag in order.tags:
            await tell({"stream": f"Successfully tagged {tag}\n"})

    await ProgressStream(request).run(work, lasting=False)


async def cancel(engine: Engine, request: Request) -> Answer:
    """POST /build/cancel: builds have no ids here; one ends with the connection that asked for it."""
    raise NotFound(f"no such build: {request.query.text('id')}")

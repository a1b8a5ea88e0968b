"""Whoever turns a context and a Dockerfile into an image."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from fairlead.boundary.images import Progress
from fairlead.model.build import BuildPlace, BuildRequest

Enter = Callable[[], AbstractAsyncContextManager[BuildPlace]]


class Builder(Protocol):
    """Builds images into the storage that `Images` shows."""

    async def build(
        self,
        identity: str,
        request: BuildRequest,
        context: AsyncIterator[bytes],
        enter: Enter,
        progress: Progress,
    ) -> str:
        """The id of the new image, 64 digits, without a name.

        `context` is a tar, plain or compressed.  `enter` gives the place for its commands once all
        is known to be in order; progress gets Docker's messages up to the last step's.
        InvalidParameter for an unusable context or Dockerfile, BuildFailed for a step that fails.
        Cancelled, it ends whatever it started and leaves only images of finished steps.
        """
        ...

    async def clear(self) -> None:
        """Take away what builds left behind whose engine was killed."""
        ...

"""Pulling and pushing: skopeo carries the blobs, Docker's clients get Docker's messages."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fairlead.boundary import Progress
from fairlead.dockerapi.reference import Reference
from fairlead.images.progress import Blobs, step
from fairlead.images.registries import Registries, registry_domain, write_credentials
from fairlead.images.tools import Tools, complaint
from fairlead.model.errors import Failed, FairleadError, NotFound, Unauthorized
from fairlead.model.image import Credentials

_DENIED = "requested access to the resource is denied"
_MANIFEST_UNKNOWN = "manifest unknown: "
_NAME_UNKNOWN = "name unknown: "
_REFUSED = "invalid username/password"
_UNAUTHORIZED = "unauthorized: authentication required"


class Registry:
    """One conversation with a registry per call."""

    def __init__(self, tools: Tools, registries: Registries):
        self._tools = tools
        self._registries = registries

    async def pull(
        self, reference: Reference, credentials: Credentials, stored: frozenset[str], progress: Progress
    ) -> str:
        """Copy an image into the storage under the reference; the digest of its manifest.

        `stored` are the digests of the compressed layers that the storage has.  NotFound if the
        registry does not have it or does not show it; Failed for anything else, in Docker's words.
        """
        async with self._session(reference, credentials, "src-") as (scratch, options):
            await progress(
                {"status": f"Pulling from {reference.path}", "id": reference.tag or reference.familiar}
            )
            inspect = [option.replace("--src-", "--") for option in options]
            finished = await self._tools.skopeo(
                scratch, "inspect", *inspect, "--no-tags", f"docker://{_remote(reference)}"
            )
            if finished.code:
                raise await self._pull_error(complaint(finished), reference, credentials)
            found = json.loads(finished.stdout)
            layers = list(dict.fromkeys(found["Layers"] or ()))
            for layer in layers:
                there = layer in stored
                await progress(step("Already exists" if there else "Pulling fs layer", _short(layer)))
            blobs = Blobs()
            waited_for = {_short(layer) for layer in layers if layer not in stored}

            async def watch(line: str) -> None:
                blob = blobs.take(line)
                if blob is None or blob.digits not in waited_for:
                    return
                status = "Already exists" if blob.skipped else "Download complete"
                moving = step("Downloading", blob.digits, blob.current, blob.total)
                await progress(step(status, blob.digits) if blob.done else moving)

            exact = f"docker://{reference.with_digest(found['Digest'])}"
            finished = await self._tools.copy(
                scratch, *options, exact, f"containers-storage:{reference}", watch=watch
            )
            if finished.code:
                raise await self._pull_error(complaint(finished), reference, credentials)
            for layer in layers:
                if _short(layer) in waited_for and not blobs.skipped(layer):
                    await progress(step("Pull complete", _short(layer)))
            return str(found["Digest"])

    async def push(
        self, reference: Reference, layers: Sequence[str], credentials: Credentials, progress: Progress
    ) -> str:
        """Copy the image of a reference to its registry; the digest of the manifest there.

        `layers` are its diff ids, lowest first.  Failed with the registry's words.
        """
        async with self._session(reference, credentials, "dest-") as (scratch, options):
            for layer in layers:
                await progress(step("Preparing", _short(layer)))
            blobs = Blobs()
            own = {_short(layer) for layer in layers}

            async def watch(line: str) -> None:
                blob = blobs.take(line)
                if blob is not None and blob.digits in own and not blob.done:
                    await progress(step("Pushing", blob.digits, blob.current, blob.total))

            kept = scratch / "digest"
            finished = await self._tools.copy(
                scratch,
                *options,
                f"--digestfile={kept}",
                f"containers-storage:{reference}",
                f"docker://{_remote(reference)}",
                watch=watch,
            )
            if finished.code:
                raise await self._push_error(complaint(finished), reference, credentials)
            digest = kept.read_text().strip()
            size, sent = await self._manifest(scratch, reference.with_digest(digest), options)
            for layer, blob in zip(layers, sent, strict=False):
                there = blobs.skipped(layer) or blobs.skipped(blob)
                await progress(step("Layer already exists" if there else "Pushed", _short(layer)))
        await progress({"status": f"{reference.tag}: digest: {digest} size: {size}"})
        told = {"Tag": reference.tag, "Digest": digest, "Size": size}
        await progress({"progressDetail": {}, "aux": told})
        return digest

    async def authenticate(self, credentials: Credentials) -> None:
        """Ask the registry that they name whether it takes them.

        Unauthorized if it does not, Failed if it cannot be asked, both in Docker's words.
        """
        if not credentials.username:
            raise Unauthorized("cannot log in: give a user name and a password")
        domain = registry_domain(credentials.server)
        insecure = await self._registries.insecure(domain)
        options = [f"--username={credentials.username}", "--password-stdin"]
        options += ["--tls-verify=false"] if insecure else []
        async with self._tools.scratch() as scratch:
            options.append(f"--authfile={scratch / 'auth.json'}")
            secret = credentials.password.encode()
            finished = await self._tools.skopeo(scratch, "login", *options, domain, input=secret)
        if not finished.code:
            return
        text = complaint(finished)
        if _REFUSED in text:
            place = f"{'http' if insecure else 'https'}://{domain}/v2/"
            raise Unauthorized(f"login attempt to {place} failed with status: 401 Unauthorized")
        raise Failed(_cause(text))

    async def _manifest(
        self, scratch: Path, reference: Reference, options: Sequence[str]
    ) -> tuple[int, Sequence[str]]:
        """The size of a manifest in the registry, and the digests of its layers."""
        inspect = [option.replace("--dest-", "--") for option in options]
        finished = await self._tools.skopeo(scratch, "inspect", *inspect, "--raw", f"docker://{reference}")
        if finished.code:
            raise Failed(f"cannot look at what was pushed: {complaint(finished)}")
        layers = json.loads(finished.stdout).get("layers") or ()
        return len(finished.stdout), [str(layer["digest"]) for layer in layers]

    @asynccontextmanager
    async def _session(
        self, reference: Reference, credentials: Credentials, side: str
    ) -> AsyncIterator[tuple[Path, list[str]]]:
        """A scratch directory, and skopeo's options for this registry.  Secrets are in a file there."""
        async with self._tools.scratch() as scratch:
            secrets = scratch / "auth.json"
            write_credentials(secrets, reference.domain, credentials)
            options = [f"--authfile={secrets}"]
            if await self._registries.insecure(reference.domain):
                options.append(f"--{side}tls-verify=false")
            yield scratch, options

    async def _pull_error(self, text: str, reference: Reference, credentials: Credentials) -> FairleadError:
        """The error in Docker's words.  Source: moby, distribution/errors.go."""
        if _DENIED in text:
            return NotFound(
                f"pull access denied for {reference.familiar_name}, repository does not exist or may "
                f"require 'docker login': denied: {_DENIED}"
            )
        if _MANIFEST_UNKNOWN in text:
            reason = text[text.index(_MANIFEST_UNKNOWN) :]
            return NotFound(f"manifest for {reference.familiar} not found: {reason}")
        if _NAME_UNKNOWN in text:
            reason = text[text.index(_NAME_UNKNOWN) :]
            return NotFound(f"repository {reference.familiar_name} not found: {reason}")
        return await self._push_error(text, reference, credentials)

    async def _push_error(self, text: str, reference: Reference, credentials: Credentials) -> FairleadError:
        anonymous = not (credentials.username or credentials.identity_token)
        if _UNAUTHORIZED in text:
            if anonymous:
                scheme = "http" if await self._registries.insecure(reference.domain) else "https"
                place = (
                    f"{reference.domain}/v2/{reference.path}/manifests/{reference.digest or reference.tag}"
                )
                return Failed(f'Head "{scheme}://{place}": no basic auth credentials')
            return Failed(_UNAUTHORIZED)
        if _DENIED in text:
            return Failed(f"denied: {_DENIED}")
        return Failed(_cause(text))


def _cause(text: str) -> str:
    """The cause alone, as Docker tells it; skopeo puts before it what it was doing."""
    start = text.find('Get "')
    return text[start:] if start >= 0 else text


def _remote(reference: Reference) -> str:
    """The reference for a registry: of tag and digest the digest counts."""
    return str(reference.with_digest(reference.digest) if reference.digest else reference)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]

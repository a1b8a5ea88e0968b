"""Pulling and pushing: skopeo carries the blobs, Docker's clients get Docker's messages."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fairlead.boundary import Progress
from fairlead.dockerapi.reference import DEFAULT_DOMAIN, Reference
from fairlead.images.catalogue import Catalogue
from fairlead.images.manifest import distribution, is_list
from fairlead.images.progress import Blobs, step
from fairlead.images.registries import Registries, registry_domain, write_credentials
from fairlead.images.tools import Tools, complaint
from fairlead.model.errors import Failed, FairleadError, NotFound, Unauthorized
from fairlead.model.image import ANY_PLATFORM, Credentials, Distribution, Platform
from fairlead.process import Finished

_NO_SUCH_PLATFORM = "no image found in"  # a list of manifests
_DENIED = "requested access to the resource is denied"
_MANIFEST_UNKNOWN = "manifest unknown: "
_NAME_UNKNOWN = "name unknown: "
_NAME_UNKNOWN_REASON = f"{_NAME_UNKNOWN}repository name not known to registry"
_NO_LIST = "fetching tags list: invalid status code from registry 404"
_REFUSED = "invalid username/password"
_MIRRORS = re.compile(r"\(Mirrors also failed: \[.*\]\): ")
_UNAUTHORIZED = "unauthorized: authentication required"


@dataclass(frozen=True, slots=True)
class _Session:
    """A scratch directory, and skopeo's options for one registry; secrets are in a file there."""

    scratch: Path
    options: tuple[str, ...]

    def of(self, side: str) -> list[str]:
        """The options for the side of a copy that is the registry: src or dest."""
        return [option.replace("--tls", f"--{side}-tls") for option in self.options]


class Registry:
    """One conversation with a registry per call."""

    def __init__(self, tools: Tools, registries: Registries):
        self._tools = tools
        self._registries = registries

    async def tags(self, reference: Reference, credentials: Credentials) -> Sequence[str]:
        """All tags of a repository, sorted.  NotFound and Failed as pull.

        skopeo asks no mirror for a list, so they are asked here, before Docker Hub.
        """
        own = reference.domain == DEFAULT_DOMAIN
        async with self._session(reference, credentials) as session:
            places = [
                (f"docker://{domain}/{reference.path}", ["--tls-verify=false"] if insecure else [])
                for domain, insecure in (self._registries.mirrors if own else ())
            ]
            for place, options in [*places, (f"docker://{reference.name}", [*session.options])]:
                finished = await self._tools.skopeo(session.scratch, "list-tags", *options, place)
                if not finished.code:
                    return sorted(json.loads(finished.stdout)["Tags"] or ())
            raise await self._pull_error(complaint(finished), reference, credentials)

    async def look_up(self, reference: Reference, credentials: Credentials) -> Distribution:
        """What the registry has under a reference.  NotFound and Failed in its own words."""
        async with self._session(reference, credentials) as session:
            place = f"docker://{_remote(reference)}"
            found = []
            for what in (["--raw"], ["--config", "--raw"]):
                finished = await self._tools.skopeo(
                    session.scratch, "inspect", *session.options, *what, place
                )
                if finished.code:
                    raise await self._look_error(complaint(finished), reference, credentials)
                found.append(finished.stdout)
                if is_list(finished.stdout):
                    break
        return distribution(*found)

    async def pull(
        self,
        reference: Reference,
        credentials: Credentials,
        stored: Catalogue,
        progress: Progress,
        platform: Platform = ANY_PLATFORM,
    ) -> str:
        """Copy an image into the storage under the reference; the digest of its manifest.

        Nothing is copied if an image of that digest is stored.  NotFound if the registry does not
        have it or does not show it; Failed for anything else, in Docker's words.
        """
        async with self._session(reference, credentials) as session:
            place = f"docker://{_remote(reference)}"
            finished = await self._tools.skopeo(
                session.scratch, *_overrides(platform), "inspect", *session.options, "--no-tags", place
            )
            if finished.code:
                if _NO_SUCH_PLATFORM in finished.complaint:
                    wanted = "/".join(filter(None, (platform.os or "linux", platform.architecture)))
                    raise NotFound(f"no matching manifest for {wanted} in the manifest list entries")
                raise await self._pull_error(complaint(finished), reference, credentials)
            found = json.loads(finished.stdout)
            exact = reference.with_digest(str(found["Digest"]))
            shown = reference.tag or reference.familiar
            await progress({"status": f"Pulling from {reference.path}", "id": shown})
            if stored.fetched(exact.digest, platform) is None:
                layers = list(dict.fromkeys(found["Layers"] or ()))
                there = {layer.compressed_digest for layer in stored.layers.values()}
                for layer in layers:
                    await progress(
                        step("Already exists" if layer in there else "Pulling fs layer", _short(layer))
                    )
                missing = [layer for layer in layers if layer not in there]
                finished = await self._fetch(session, exact, reference, missing, progress, platform)
                if finished.code:
                    raise await self._pull_error(complaint(finished), reference, credentials)
            return exact.digest

    async def _fetch(
        self,
        session: _Session,
        exact: Reference,
        name: Reference,
        missing: Sequence[str],
        progress: Progress,
        platform: Platform,
    ) -> Finished:
        """Copy one image into the storage, telling how the missing layers travel."""
        blobs, waited_for = Blobs(), {_short(layer) for layer in missing}

        async def watch(line: str) -> None:
            blob = blobs.take(line)
            if blob is None or blob.digits not in waited_for:
                return
            status = "Already exists" if blob.skipped else "Download complete"
            moving = step("Downloading", blob.digits, blob.current, blob.total)
            await progress(step(status, blob.digits) if blob.done else moving)

        source, target = f"docker://{exact}", f"containers-storage:{name}"
        finished = await self._tools.copy(
            session.scratch, *session.of("src"), source, target, watch=watch, options=_overrides(platform)
        )
        for layer in missing if not finished.code else ():
            if not blobs.skipped(layer):
                await progress(step("Pull complete", _short(layer)))
        return finished

    async def push(
        self, reference: Reference, layers: Sequence[str], credentials: Credentials, progress: Progress
    ) -> str:
        """Copy the image of a reference to its registry; the digest of the manifest there.

        `layers` are its diff ids, lowest first.  Failed with the registry's words.
        """
        blobs, own = Blobs(), {_short(layer) for layer in layers}

        async def watch(line: str) -> None:
            blob = blobs.take(line)
            if blob is not None and blob.digits in own and not blob.done:
                await progress(step("Pushing", blob.digits, blob.current, blob.total))

        async with self._session(reference, credentials) as session:
            for layer in layers:
                await progress(step("Preparing", _short(layer)))
            kept = session.scratch / "digest"
            options = [*session.of("dest"), f"--digestfile={kept}"]
            source, target = f"containers-storage:{reference}", f"docker://{_remote(reference)}"
            finished = await self._tools.copy(session.scratch, *options, source, target, watch=watch)
            if finished.code:
                raise await self._push_error(complaint(finished), reference, credentials)
            digest = kept.read_text().strip()
            size, sent = await self._manifest(session, reference.with_digest(digest))
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

    async def _manifest(self, session: _Session, exact: Reference) -> tuple[int, Sequence[str]]:
        """The size of a manifest in the registry, and the digests of its layers."""
        finished = await self._tools.skopeo(
            session.scratch, "inspect", *session.options, "--raw", f"docker://{exact}"
        )
        if finished.code:
            raise Failed(f"cannot look at what was pushed: {complaint(finished)}")
        layers = json.loads(finished.stdout).get("layers") or ()
        return len(finished.stdout), [str(layer["digest"]) for layer in layers]

    @asynccontextmanager
    async def _session(self, reference: Reference, credentials: Credentials) -> AsyncIterator[_Session]:
        async with self._tools.scratch() as scratch:
            secrets = scratch / "auth.json"
            write_credentials(secrets, {reference.domain: credentials})
            options = [f"--authfile={secrets}"]
            if await self._registries.insecure(reference.domain):
                options.append("--tls-verify=false")
            yield _Session(scratch, tuple(options))

    async def _look_error(self, text: str, reference: Reference, credentials: Credentials) -> FairleadError:
        text = _last(text)
        for reason in (_MANIFEST_UNKNOWN, _NAME_UNKNOWN):
            if reason in text:
                return NotFound(text[text.index(reason) :])
        if _UNAUTHORIZED in text or _DENIED in text:
            return Unauthorized(f"{_DENIED if _DENIED in text else _UNAUTHORIZED}")
        return await self._push_error(text, reference, credentials)

    async def _pull_error(self, text: str, reference: Reference, credentials: Credentials) -> FairleadError:
        """The error in Docker's words.  Source: moby, distribution/errors.go."""
        text = _last(text)
        if _DENIED in text:
            return NotFound(
                f"pull access denied for {reference.familiar_name}, repository does not exist or may "
                f"require 'docker login': denied: {_DENIED}"
            )
        if _MANIFEST_UNKNOWN in text:
            reason = text[text.index(_MANIFEST_UNKNOWN) :]
            return NotFound(f"manifest for {reference.familiar} not found: {reason}")
        if _NAME_UNKNOWN in text or _NO_LIST in text:
            reason = text[text.index(_NAME_UNKNOWN) :] if _NAME_UNKNOWN in text else _NAME_UNKNOWN_REASON
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


def _last(text: str) -> str:
    """The complaint about the registry that was asked last: mirrors before it do not count."""
    return _MIRRORS.sub("", text)


def _cause(text: str) -> str:
    """The cause alone, as Docker tells it; skopeo puts before it what it was doing."""
    start = text.find('Get "')
    return text[start:] if start >= 0 else text


def _remote(reference: Reference) -> str:
    """The reference for a registry: of tag and digest the digest counts."""
    return str(reference.with_digest(reference.digest) if reference.digest else reference)


def _overrides(platform: Platform) -> list[str]:
    """skopeo's options for another platform than the machine's."""
    words = (("os", platform.os), ("arch", platform.architecture), ("variant", platform.variant))
    return [f"--override-{name}={word}" for name, word in words if word]


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]

"""Image references: `busybox`, `registry:5000/team/box:v1@sha256:...`, parsed once and shown in both forms.

The familiar form is what people type and read (`busybox:latest`); the full form is what storage
and registries use (`docker.io/library/busybox:latest`).  Source of the grammar and of the
shortening rules: github.com/distribution/reference, reference.go and normalize.go.
"""

import re
from dataclasses import dataclass, replace

from fairlead.model.errors import InvalidParameter

DEFAULT_DOMAIN = "docker.io"
_OLD_DEFAULT_DOMAIN = "index.docker.io"
_OFFICIAL = "library/"
DEFAULT_TAG = "latest"
_LONGEST_NAME = 255  # characters of domain and path together

_DOMAIN_COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_IPV6 = r"\[(?:[a-fA-F0-9:]+)\]"
_DOMAIN = rf"(?:{_DOMAIN_COMPONENT}(?:\.{_DOMAIN_COMPONENT})*|{_IPV6})(?::[0-9]+)?"
_PATH_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_TAG = r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"(?P<domain>{_DOMAIN})/(?P<path>{_PATH_COMPONENT}(?:/{_PATH_COMPONENT})*)"
    rf"(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?",
    re.ASCII,
)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


@dataclass(frozen=True, slots=True)
class Reference:
    """A repository, and perhaps a tag, a digest or both."""

    domain: str  # "docker.io", "registry:5000"
    path: str  # "library/busybox"
    tag: str = ""
    digest: str = ""  # "sha256:..."

    @property
    def name(self) -> str:
        """The repository in full: `docker.io/library/busybox`."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """The repository as people write it: `busybox`."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        short = self.path.removeprefix(_OFFICIAL)
        return self.path if "/" in short else short

    @property
    def familiar(self) -> str:
        """The reference as people write it, with what it has of tag and digest."""
        return self.familiar_name + self._suffix

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.name + self._suffix

    def with_default_tag(self) -> "Reference":
        """The same with the tag `latest` if it names no tag and no digest."""
        return self if self.tag or self.digest else replace(self, tag=DEFAULT_TAG)

    def with_tag(self, tag: str) -> "Reference":
        """The same repository with this tag and no digest.  InvalidParameter for a malformed tag."""
        return replace(self, tag=checked_tag(tag), digest="")

    def with_digest(self, digest: str) -> "Reference":
        """The same repository with this digest and no tag.  InvalidParameter for a malformed digest."""
        return replace(self, tag="", digest=checked_digest(digest))


def parse_reference(text: str) -> Reference:
    """The reference that the text means, the default domain and `library/` filled in.

    A missing tag stays missing.  InvalidParameter in Docker's words: `invalid reference format`
    and its variants.
    """
    if _IDENTIFIER.fullmatch(text):
        raise InvalidParameter(
            f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
        )
    domain, rest = _split_domain(text)
    repository = rest.partition("@")[0].partition(":")[0]
    if repository != repository.lower():
        raise InvalidParameter("invalid reference format: repository name must be lowercase")
    match = _REFERENCE.fullmatch(f"{domain}/{rest}")
    # A full match may divide the text elsewhere (a port looks like a tag); the domain is settled already.
    if match is None or match["domain"] != domain:
        raise InvalidParameter("invalid reference format")
    if len(domain) + 1 + len(match["path"]) > _LONGEST_NAME:
        raise InvalidParameter(f"repository name must not be more than {_LONGEST_NAME} characters")
    digest = checked_digest(match["digest"]) if match["digest"] else ""
    return Reference(domain, match["path"], match["tag"] or "", digest)


def _split_domain(text: str) -> tuple[str, str]:
    """A first component is a domain if it could not be a plain name: a dot, a colon, `localhost`."""
    first, slash, rest = text.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = DEFAULT_DOMAIN, text
    if first == _OLD_DEFAULT_DOMAIN:
        first = DEFAULT_DOMAIN
    if first == DEFAULT_DOMAIN and "/" not in rest:
        rest = _OFFICIAL + rest
    return first, rest


def checked_tag(tag: str) -> str:
    """The tag itself.  InvalidParameter if no tag can be spelled so."""
    if not re.fullmatch(_TAG, tag, re.ASCII):
        raise InvalidParameter("invalid tag format")
    return tag


def checked_digest(digest: str) -> str:
    """The digest itself.  InvalidParameter if it is malformed, unknown or of the wrong length."""
    algorithm, _, digits = digest.partition(":")
    if not re.fullmatch(_DIGEST, digest, re.ASCII):
        raise InvalidParameter("invalid reference format")
    if algorithm not in _DIGEST_LENGTHS:
        raise InvalidParameter("unsupported digest algorithm")
    if len(digits) != _DIGEST_LENGTHS[algorithm]:
        raise InvalidParameter("invalid checksum digest length")
    if digits != digits.lower():
        raise InvalidParameter("invalid checksum digest format")
    return digest


def image_id(text: str) -> str | None:
    """The 64 digits if the text is a whole image id, with or without `sha256:`; else None."""
    digits = text.removeprefix("sha256:")
    return digits if _IDENTIFIER.fullmatch(digits) else None

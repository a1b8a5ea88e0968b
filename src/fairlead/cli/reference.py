"""Names of images: `busybox` is `docker.io/library/busybox:latest`, and is shown as `busybox:latest`.

The grammar is that of the distribution project's reference package.
"""

import re
from dataclasses import dataclass, replace

from fairlead.cli.problems import Invalid

HUB = "docker.io"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_TAG = r"[\w][\w.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_FORM = re.compile(
    rf"(?P<domain>{_DOMAIN})/(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A registry, a repository in it, and perhaps a tag or a digest."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def full(self) -> str:
        """With everything: `docker.io/library/busybox:latest`."""
        return f"{self.domain}/{self.path}{self._end}"

    @property
    def whole_repository(self) -> str:
        """Without a tag: `docker.io/library/busybox`."""
        return f"{self.domain}/{self.path}"

    @property
    def repository(self) -> str:
        """As people write it, without a tag."""
        if self.domain != HUB:
            return f"{self.domain}/{self.path}"
        rest = self.path.removeprefix("library/")
        return rest if "/" not in rest else self.path

    @property
    def familiar(self) -> str:
        """As people write it."""
        return f"{self.repository}{self._end}"

    @property
    def _end(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def with_default_tag(self) -> "Reference":
        """The same, tagged `latest` when it says neither tag nor digest."""
        return self if self.tag or self.digest else replace(self, tag="latest")


def parse_reference(text: str) -> Reference:
    """Read a name.  Raises Invalid in Docker's words."""
    if re.fullmatch(r"[0-9a-f]{64}", text):
        raise Invalid(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    domain, rest = _split(text)
    name = rest.partition("@")[0].partition(":")[0]
    if name != name.lower():
        raise Invalid(f"invalid reference format: repository name ({name}) must be lowercase")
    match = _FORM.fullmatch(f"{domain}/{rest}")
    if not match:
        raise Invalid("invalid reference format")
    return Reference(domain, match["path"], match["tag"] or "", match["digest"] or "")


def _split(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    is_domain = "." in first or ":" in first or first == "localhost" or first != first.lower()
    if not slash or not is_domain:
        domain, rest = HUB, text
    else:
        domain = HUB if first == "index.docker.io" else first
    if domain == HUB and "/" not in rest:
        rest = f"library/{rest}"
    return domain, rest


def is_id(text: str) -> bool:
    """Whether it is the whole id of an image, not a name."""
    return bool(re.fullmatch(r"(sha256:)?[0-9a-f]{64}", text))

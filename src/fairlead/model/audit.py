"""What a leak audit finds: what is there and nothing explains, what is missing, what is otherwise."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What is wrong with one thing."""

    UNEXPLAINED = "unexplained"  # it is there, is this engine's, and no record asks for it
    MISSING = "missing"  # a record asks for it
    DIFFERENT = "different"  # it is there, and not as a record asks for it


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as the records say; `kind` is a noun such as link, rule, process, record."""

    verdict: Verdict
    kind: str
    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Holding:
    """Something beside the kernel's network that the engine has on the host.

    `kind` is bundle, control group, files, mount, process, root or volume; `owner` is the
    container's id, the volume's name, or what a process beside the daemon is called.
    """

    kind: str
    name: str
    owner: str

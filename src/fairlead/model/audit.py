"""What a leak audit finds: what is there and nothing explains, what is missing, what is otherwise."""

from dataclasses import dataclass
from enum import StrEnum

# The attribute of a control group that says whose it is: the engine's exec root.
MARK = "trusted.fairlead"


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

    `kind` is bundle, control group, file, files, mount, process, root, runtime state or volume; `owner`
    is the container's id, the volume's name, what a process beside the daemon is called, or "" for a
    file that belongs to nothing.  `ours`: for sure; what is not may be another engine's.
    """

    kind: str
    name: str
    owner: str
    ours: bool = True

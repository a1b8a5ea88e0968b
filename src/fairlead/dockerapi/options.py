"""The small languages inside Docker's documents: ports, signals, restart policies, sizes.

Each function reads one of them and refuses what is wrong in the words that Docker's users know.
"""

import re

from fairlead.model.container import RestartPolicy
from fairlead.model.errors import InvalidParameter

RESTART_POLICIES = ("", "no", "always", "unless-stopped", "on-failure")

# Linux's signals as most architectures number them.
_IN_ORDER = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP "
    "TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split()
SIGNALS = {name: number for number, name in enumerate(_IN_ORDER, 1)}
SIGNALS |= {"IOT": 6, "CLD": 17, "POLL": 29, "UNUSED": 31, "RTMIN": 34, "RTMAX": 64}
SIGNALS |= {f"RTMIN+{step}": 34 + step for step in range(1, 16)}
SIGNALS |= {f"RTMAX-{step}": 64 - step for step in range(1, 15)}


def parse_signal(text: str) -> int:
    """The number of a signal: `TERM`, `SIGTERM`, `term`, `15`; InvalidParameter otherwise."""
    number = SIGNALS.get(text.upper().removeprefix("SIG"), 0)
    if text.isascii() and text.isdigit() and len(text) < 4:
        number = int(text)
    if 0 < number <= 64:
        return number
    raise InvalidParameter(f"Invalid signal: {text}")


def parse_port(text: str) -> int:
    """A port number 0..65535 in decimal; InvalidParameter in Docker's words."""
    if re.fullmatch(r"[0-9]{1,5}", text) and int(text) <= 65535:
        return int(text)
    raise InvalidParameter(f'invalid port specification: "{text}"')


def parse_container_port(text: str) -> tuple[int, str]:
    """Port and protocol of `80/tcp`, `53/UDP` or `80`.

    Any protocol is accepted here, as Docker does: a container with an unknown one can be made
    but not started.
    """
    port, _, protocol = text.partition("/")
    return parse_port(port), protocol.lower() or "tcp"


def parse_exposed_port(text: str) -> str:
    """An exposed port, or a span, with its protocol always named: `80` becomes `80/tcp`."""
    port, _, protocol = text.partition("/")
    span = check_host_port(port) if "-" in port else str(parse_port(port))
    return f"{span}/{protocol.lower() or 'tcp'}"


def check_host_port(text: str) -> str:
    """A host port: empty, one number, or a span `8000-8010`; as it was, or InvalidParameter."""
    if not text:
        return text
    first, dash, last = text.partition("-")
    try:
        ends = (parse_port(first), parse_port(last) if dash else 65535)
    except InvalidParameter:
        ends = (1, 0)
    if ends[0] > ends[1]:
        raise InvalidParameter(f'invalid port specification: "{text}"')
    return text


def check_restart_policy(policy: RestartPolicy) -> None:
    """InvalidParameter unless the policy is one that exists and its retries make sense."""
    if policy.name not in RESTART_POLICIES:
        raise InvalidParameter(f"invalid restart policy '{policy.name}'")
    # With no name at all Docker takes any number.
    if policy.maximum_retry_count and policy.name not in ("", "on-failure"):
        raise InvalidParameter(f"maximum retry count cannot be used with restart policy '{policy.name}'")
    if policy.maximum_retry_count < 0:
        raise InvalidParameter("maximum retry count cannot be negative")


def parse_size(text: str) -> int:
    """Bytes of a size such as `10m`, `1GB`, `512`, in powers of 1024; InvalidParameter otherwise."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kKmMgGtTpP])?(?:[iI]?[bB])?", text)
    if match is None:
        raise InvalidParameter(f"invalid size: '{text}'")
    return int(float(match[1]) * 1024 ** (" kmgtp".index((match[2] or " ").lower())))

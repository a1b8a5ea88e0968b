"""What a container's processes may do as root: Docker's default capabilities, changed as asked."""

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet

from fairlead.model.errors import InvalidParameter

# In the kernel's order: a capability's place is its bit (source: linux/capability.h).
CAPABILITIES = tuple(
    f"CAP_{name}"
    for name in (
        "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
        "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO "
        "SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME "
        "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG "
        "WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
    ).split()
)
# Source: Docker's `oci/caps/defaults.go`.
DEFAULT = frozenset(
    f"CAP_{name}"
    for name in (
        "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP "
        "NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"
    ).split()
)
ALL = "ALL"


def from_mask(mask: int) -> frozenset[str]:
    """The capabilities whose bits are set."""
    return frozenset(name for bit, name in enumerate(CAPABILITIES) if mask >> bit & 1)


def _normalized(names: Iterable[str], title: str) -> set[str]:
    normalized = set()
    for name in names:
        upper = name.upper()
        full = upper if upper == ALL or upper.startswith("CAP_") else f"CAP_{upper}"
        if full not in (ALL, "CAP_ALL") and full not in CAPABILITIES:
            raise InvalidParameter(f'invalid {title}: unknown capability: "{full}"')
        normalized.add(ALL if full == "CAP_ALL" else full)
    return normalized


def effective(
    add: Iterable[str], drop: Iterable[str], privileged: bool, available: Collection[str]
) -> tuple[str, ...]:
    """The container's capabilities, in the kernel's order, none that the daemon itself lacks.

    A privileged container gets all of them, whatever is added or dropped.  Raises
    InvalidParameter for an unknown name.  Source: Docker's `caps.TweakCapabilities`.
    """
    added, dropped = _normalized(add, "CapAdd"), _normalized(drop, "CapDrop")
    wanted: AbstractSet[str]
    if privileged:
        wanted = set(CAPABILITIES)
    elif ALL in added:
        wanted = set(CAPABILITIES) - dropped
    elif ALL in dropped:
        wanted = added
    else:
        wanted = (DEFAULT - dropped) | added
    return tuple(name for name in CAPABILITIES if name in wanted and name in available)

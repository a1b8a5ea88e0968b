"""Which system calls a container may make: the default profile, or the user's, resolved for its capabilities.

Pure.  A profile is JSON in the form that Docker and containers-common share: rules with
conditions on capabilities and architectures; what comes out is the form of the OCI runtime
specification.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from fairlead.model.errors import InvalidParameter

ALLOW, REFUSE = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
_EPERM, _ENOSYS = 1, 38
# Namespace flags of clone(2); source: linux/sched.h.
_NAMESPACE_FLAGS = (0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x00020000)
_ARCHITECTURES = {
    "amd64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    "arm64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
    "x86": ("SCMP_ARCH_X86",),
    "arm": ("SCMP_ARCH_ARM",),
}
# System calls for the holders of one of these capabilities only (Docker's rule, by capability).
_GATED: Mapping[str, str] = {
    "CAP_SYS_ADMIN": "bpf fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr "
    "move_mount name_to_handle_at open_tree perf_event_open quotactl quotactl_fd setdomainname "
    "sethostname setns syslog umount umount2 unshare",
    "CAP_BPF": "bpf",
    "CAP_PERFMON": "perf_event_open",
    "CAP_SYSLOG": "syslog",
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module init_module finit_module",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev",
    "CAP_SYS_RAWIO": "iopl ioperm",
    "CAP_SYS_TIME": "settimeofday stime clock_settime clock_settime64",
    "CAP_SYS_TTY_CONFIG": "vhangup",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
}
_NEVER = (
    "add_key create_module get_kernel_syms kexec_file_load kexec_load keyctl move_pages nfsservctl "
    "pivot_root query_module request_key swapoff swapon sysfs userfaultfd uselib ustat vm86 vm86old"
)


def parse(text: str) -> Mapping[str, Any]:
    """A profile given by the user.  InvalidParameter when it is not one."""
    try:
        profile = json.loads(text)
    except ValueError as error:
        raise InvalidParameter(f"Decoding seccomp profile failed: {error}") from error
    if not isinstance(profile, dict) or not isinstance(profile.get("defaultAction"), str):
        raise InvalidParameter("Decoding seccomp profile failed: it has no defaultAction")
    rules = profile.get("syscalls") or []
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise InvalidParameter("Decoding seccomp profile failed: syscalls is not a list of rules")
    return profile


def resolve(profile: Mapping[str, Any], capabilities: Collection[str], architecture: str) -> dict[str, Any]:
    """The profile with its conditions decided.  `architecture` in Go's naming, as in "amd64"."""
    resolved: dict[str, Any] = {
        "defaultAction": profile["defaultAction"],
        "architectures": list(profile.get("architectures") or _ARCHITECTURES.get(architecture, ())),
        "syscalls": [],
    }
    for key in ("defaultErrnoRet", "flags"):
        if profile.get(key) is not None:
            resolved[key] = profile[key]
    for rule in profile.get("syscalls") or ():
        if _applies(rule, capabilities, architecture):
            resolved["syscalls"].append(_rule(rule))
    return resolved


def _applies(rule: Mapping[str, Any], capabilities: Collection[str], architecture: str) -> bool:
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    if includes.get("arches") and architecture not in includes["arches"]:
        return False
    if not set(includes.get("caps") or ()) <= set(capabilities):
        return False
    if architecture in (excludes.get("arches") or ()):
        return False
    return not set(excludes.get("caps") or ()) & set(capabilities)


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    resolved: dict[str, Any] = {
        "names": list(rule.get("names") or [rule.get("name", "")]),
        "action": rule.get("action", REFUSE),
    }
    if rule.get("errnoRet") is not None:
        resolved["errnoRet"] = rule["errnoRet"]
    if rule.get("args"):
        fields = ("index", "value", "valueTwo", "op")
        resolved["args"] = [{key: arg[key] for key in fields if key in arg} for arg in rule["args"]]
    return resolved


def default(
    base: Mapping[str, Any] | None, capabilities: Collection[str], architecture: str
) -> dict[str, Any]:
    """The profile of a container that asked for none.

    `base` is the list of known system calls that the distribution ships; what Docker keeps for
    holders of a capability is taken out of it.  Without one, everything else is allowed.
    """
    resolved = resolve(base or {"defaultAction": ALLOW}, capabilities, architecture)
    refused = _refused(capabilities)
    special = {"clone", "clone3"} if "CAP_SYS_ADMIN" not in capabilities else set()
    rules = [_without(rule, refused | special) for rule in resolved["syscalls"]]
    rules = [rule for rule in rules if rule["names"]]
    rules.append({"names": sorted(refused), "action": REFUSE, "errnoRet": _EPERM})
    if special:
        rules += _clone_rules(resolved["defaultAction"])
    return {**resolved, "syscalls": rules}


def _refused(capabilities: Collection[str]) -> set[str]:
    gated = {name for names in _GATED.values() for name in names.split()}
    held = {name for capability in capabilities for name in _GATED.get(capability, "").split()}
    return (gated - held) | set(_NEVER.split())


def _without(rule: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {**rule, "names": [name for name in rule["names"] if name not in names]}


def _clone_rules(default_action: str) -> Iterable[dict[str, Any]]:
    """clone without new namespaces; clone3, whose flags a filter cannot see, is said to be missing."""
    yield {"names": ["clone3"], "action": REFUSE, "errnoRet": _ENOSYS}
    if default_action == ALLOW:
        for flag in _NAMESPACE_FLAGS:
            argument = {"index": 0, "value": flag, "valueTwo": flag, "op": "SCMP_CMP_MASKED_EQ"}
            yield {"names": ["clone"], "action": REFUSE, "errnoRet": _EPERM, "args": [argument]}
    else:
        argument = {"index": 0, "value": sum(_NAMESPACE_FLAGS), "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
        yield {"names": ["clone"], "action": ALLOW, "args": [argument]}

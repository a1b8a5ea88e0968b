"""System call filters, resolved for what a container may do."""

import json
from typing import Any

import pytest

from fairlead.model.errors import InvalidParameter
from fairlead.runtime import seccomp
from fairlead.runtime.capabilities import CAPABILITIES, DEFAULT
from fairlead.runtime.preparation import SECCOMP_BASE

BASE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "archMap": [],
    "syscalls": [
        {"names": ["read", "write", "mount", "clone", "clone3", "keyctl"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_CHROOT"]}},
        {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64"]}},
        {"names": ["s390_pci"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390"]}},
        {
            "names": ["socket"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 40, "valueTwo": 0, "op": "SCMP_CMP_NE", "comment": "no vsock"}],
            "excludes": {"caps": ["CAP_AUDIT_WRITE"]},
        },
    ],
}


def verdict(profile: dict[str, Any], name: str) -> set[tuple[str, int | None]]:
    """What the rules say of a system call without regard to arguments; empty: the default."""
    return {(rule["action"], rule.get("errnoRet")) for rule in profile["syscalls"] if name in rule["names"]}


ALLOWED = {("SCMP_ACT_ALLOW", None)}
REFUSED = {("SCMP_ACT_ERRNO", 1)}


def test_conditions_are_decided() -> None:
    resolved = seccomp.resolve(BASE, DEFAULT, "amd64")
    assert resolved["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    assert resolved["defaultErrnoRet"] == 38
    assert verdict(resolved, "chroot") == verdict(resolved, "arch_prctl") == ALLOWED
    assert verdict(resolved, "s390_pci") == verdict(resolved, "socket") == set()
    resolved = seccomp.resolve(BASE, (), "arm64")
    assert verdict(resolved, "chroot") == verdict(resolved, "arch_prctl") == set()
    [rule] = [rule for rule in resolved["syscalls"] if rule["names"] == ["socket"]]
    assert rule["args"] == [{"index": 0, "value": 40, "valueTwo": 0, "op": "SCMP_CMP_NE"}]


@pytest.mark.parametrize("base", [BASE, None])
def test_the_default_keeps_from_a_container_what_docker_keeps(base: dict[str, Any] | None) -> None:
    own = seccomp.default(base, DEFAULT, "amd64")
    for name in ("mount", "umount2", "unshare", "setns", "bpf", "keyctl", "init_module", "reboot"):
        assert verdict(own, name) == REFUSED, name
    assert verdict(own, "clone3") == {("SCMP_ACT_ERRNO", 38)}
    assert not verdict(own, "chroot") & REFUSED
    of_admin = seccomp.default(base, DEFAULT | {"CAP_SYS_ADMIN"}, "amd64")
    for name in ("mount", "clone", "clone3"):
        assert verdict(of_admin, name) in (ALLOWED, set()), name
    assert verdict(of_admin, "keyctl") == REFUSED


def test_clone_makes_no_namespaces() -> None:
    listed = [rule for rule in seccomp.default(BASE, (), "amd64")["syscalls"] if "clone" in rule["names"]]
    assert listed == [
        {
            "names": ["clone"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
        }
    ]
    refused = [rule for rule in seccomp.default(None, (), "amd64")["syscalls"] if "clone" in rule["names"]]
    assert {rule["args"][0]["value"] for rule in refused} == {
        1 << bit for bit in range(32) if 0x7E020000 >> bit & 1
    }
    assert {rule["action"] for rule in refused} == {"SCMP_ACT_ERRNO"}


def test_the_distributions_profile_can_be_used() -> None:
    try:
        with open(SECCOMP_BASE, encoding="utf-8") as file:
            base = seccomp.parse(file.read())
    except FileNotFoundError:
        pytest.skip("containers-common is not installed")
    own = seccomp.default(base, DEFAULT, "amd64")
    for name in ("read", "openat", "execve", "futex", "ptrace", "setuid"):
        assert verdict(own, name) == ALLOWED, name
    assert not verdict(own, "mount") & ALLOWED
    every = seccomp.default(base, CAPABILITIES, "amd64")
    assert verdict(every, "mount") == ALLOWED


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"defaultAction": 1}', '{"defaultAction":"x","syscalls":[1]}']
)
def test_what_is_no_profile_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="Decoding seccomp profile failed"):
        seccomp.parse(text)


def test_a_users_profile_may_be_in_the_runtimes_own_form() -> None:
    own = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"name": "mkdir", "action": "SCMP_ACT_ERRNO", "errnoRet": 5}],
    }
    resolved = seccomp.resolve(seccomp.parse(json.dumps(own)), (), "amd64")
    assert resolved == {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}],
    }

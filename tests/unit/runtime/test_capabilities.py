"""Capabilities as Docker hands them out."""

import pytest

from fairlead.model.errors import InvalidParameter
from fairlead.runtime.capabilities import CAPABILITIES, DEFAULT, effective, from_mask


def test_without_a_wish_they_are_dockers() -> None:
    assert set(effective((), (), False, CAPABILITIES)) == DEFAULT
    # What Docker's containers show in /proc/self/status.
    assert from_mask(0xA80425FB) == DEFAULT


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        (("NET_ADMIN",), (), DEFAULT | {"CAP_NET_ADMIN"}),
        (("cap_net_admin",), ("MKNOD",), (DEFAULT | {"CAP_NET_ADMIN"}) - {"CAP_MKNOD"}),
        ((), ("ALL",), set()),
        (("CHOWN",), ("all",), {"CAP_CHOWN"}),
        (("ALL",), ("SYS_ADMIN",), set(CAPABILITIES) - {"CAP_SYS_ADMIN"}),
        (("ALL",), (), set(CAPABILITIES)),
        (("CHOWN",), ("CHOWN",), DEFAULT),
    ],
)
def test_wishes(add: tuple[str, ...], drop: tuple[str, ...], expected: set[str]) -> None:
    assert set(effective(add, drop, False, CAPABILITIES)) == set(expected)


def test_privileged_means_all_that_the_daemon_has() -> None:
    assert effective((), ("ALL",), True, CAPABILITIES) == CAPABILITIES
    have = set(CAPABILITIES) - {"CAP_SYS_RESOURCE"}
    assert set(effective((), (), True, have)) == have


def test_they_come_in_the_kernels_order() -> None:
    names = effective(("ALL",), (), False, CAPABILITIES)
    assert names == CAPABILITIES and len(names) == 41 and names[21] == "CAP_SYS_ADMIN"


@pytest.mark.parametrize(("add", "drop", "title"), [(("FOO",), (), "CapAdd"), ((), ("foo",), "CapDrop")])
def test_unknown_ones_are_refused_in_dockers_words(
    add: tuple[str, ...], drop: tuple[str, ...], title: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        effective(add, drop, False, CAPABILITIES)
    assert caught.value.message == f'invalid {title}: unknown capability: "CAP_FOO"'

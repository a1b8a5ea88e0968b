"""Users and groups by the rules and in the words of Docker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.errors import StartFailed
from fairlead.runtime.users import ProcessUser, look_up

PASSWD = """root:x:0:0:root:/root:/bin/sh
# a comment:x:7:7::/:/bin/sh
anna:x:1000:100:Anna:/home/anna:/bin/sh
homeless:x:1001:100:::/bin/sh
broken:x:one:two::/:/bin/sh
short:x:5
"""
GROUP = "root:x:0:\nusers:x:100:bert,anna\nwheel:x:10:anna\nempty:x:11\n"


@pytest.mark.parametrize(
    ("user", "additional", "expected"),
    [
        ("", (), ProcessUser(0, 0, (0,), "/root")),
        ("anna", (), ProcessUser(1000, 100, (100, 10), "/home/anna")),
        ("1000", (), ProcessUser(1000, 100, (100, 10), "/home/anna")),
        ("anna:wheel", (), ProcessUser(1000, 10, (10,), "/home/anna")),
        ("anna:4711", (), ProcessUser(1000, 4711, (4711,), "/home/anna")),
        ("12345:54321", (), ProcessUser(12345, 54321, (54321,), "/")),
        ("33", (), ProcessUser(33, 0, (0,), "/")),
        ("homeless", (), ProcessUser(1001, 100, (100,), "/")),
        ("root", ("users", "77"), ProcessUser(0, 0, (0, 100, 77), "/root")),
        (":wheel", (), ProcessUser(0, 10, (10,), "/root")),
    ],
)
def test_looking_up(user: str, additional: tuple[str, ...], expected: ProcessUser) -> None:
    assert look_up(user, additional, PASSWD, GROUP) == expected


@pytest.mark.parametrize(
    ("user", "additional", "message"),
    [
        ("nobody", (), "unable to find user nobody: no matching entries in passwd file"),
        ("broken", (), "unable to find user broken: no matching entries in passwd file"),
        ("root:nogroup", (), "unable to find group nogroup: no matching entries in group file"),
        ("root", ("foo",), "Unable to find group foo: no matching entries in group file"),
        ("4294967296", (), "uids and gids must be in range 0-2147483647"),
        ("0:4294967296", (), "uids and gids must be in range 0-2147483647"),
    ],
)
def test_what_is_not_there(user: str, additional: tuple[str, ...], message: str) -> None:
    with pytest.raises(StartFailed) as caught:
        look_up(user, additional, PASSWD, GROUP)
    assert caught.value.message == message


def test_an_image_without_files() -> None:
    assert look_up("", (), "", "") == ProcessUser(0, 0, (0,), "/")
    assert look_up("7:8", ("9",), "", "") == ProcessUser(7, 8, (8, 9), "/")


@given(st.text(), st.text(), st.text(max_size=30))
def test_any_text_is_looked_up_or_refused(passwd: str, group: str, user: str) -> None:
    try:
        found = look_up(user, (), passwd, group)
    except StartFailed:
        return
    assert found.groups[0] == found.gid and found.uid >= 0

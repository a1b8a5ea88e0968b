"""Names and options of volumes: what is wrong is known before anything is made."""

import pytest

from fairlead.engine.volumes import check_name, check_options
from fairlead.model.errors import InvalidParameter


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": "1g"}, 'invalid option: "size"'),
        ({"device": "tmpfs"}, 'missing required option: "type"'),
        ({"o": "bind", "type": "none"}, 'missing required option: "device"'),
    ],
)
def test_options_of_volumes(options: dict[str, str], words: str) -> None:
    check_options("data", {})
    check_options("data", {"type": "none", "o": "bind", "device": "/srv"})
    with pytest.raises(InvalidParameter, match=words):
        check_options("data", options)


def test_names_of_volumes() -> None:
    check_name("ab")
    with pytest.raises(InvalidParameter, match="volume name is too short"):
        check_name("a")
    with pytest.raises(InvalidParameter, match="includes invalid characters"):
        check_name("a b")

import pytest

from fairlead.client.address import Address, parse_address
from fairlead.client.errors import InvalidAddress


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unix:///run/x.sock", Address("unix:///run/x.sock", path="/run/x.sock")),
        ("tcp://host:1234", Address("tcp://host:1234", host="host", port=1234)),
        ("tcp://host", Address("tcp://host:2375", host="host", port=2375)),
        ("tcp://:9/", Address("tcp://127.0.0.1:9", host="127.0.0.1", port=9)),
        ("tcp://[::1]:5", Address("tcp://[::1]:5", host="::1", port=5)),
        ("tcp://[::1]", Address("tcp://[::1]:2375", host="::1", port=2375)),
    ],
)
def test_addresses(text: str, expected: Address) -> None:
    assert parse_address(text) == expected


def test_tls_has_a_port_of_its_own() -> None:
    assert parse_address("tcp://host", tls=True).port == 2376


@pytest.mark.parametrize(
    "text", ["", "host", "unix://", "bad://x", "tcp://host:port", "tcp://h:0", "tcp://h:70000"]
)
def test_what_names_no_daemon_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_address(text)

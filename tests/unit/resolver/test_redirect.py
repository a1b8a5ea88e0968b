"""A redirection is recognised only when it is whole."""

import pytest

from fairlead.resolver.redirect import leads_to

WHOLE = """\
table ip fairlead {
	chain names {
		type filter hook output priority raw; policy accept;
		oifname != "lo" return
		ip daddr 127.0.0.11 udp dport 53 udp dport set 40000
		ip daddr 127.0.0.11 tcp dport 53 tcp dport set 40001
		ip saddr 127.0.0.11 udp sport 40000 udp sport set 53
		ip saddr 127.0.0.11 tcp sport 40001 tcp sport set 53
	}
}
"""


def test_a_whole_one_tells_its_ports() -> None:
    assert leads_to(WHOLE) == (40000, 40001)


@pytest.mark.parametrize("missing", range(5))
def test_one_without_a_rule_is_not_whole(missing: int) -> None:
    lines = WHOLE.splitlines(keepends=True)
    del lines[3 + missing]
    assert leads_to("".join(lines)) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        WHOLE.replace("udp sport 40000", "udp sport 40009"),
        WHOLE.replace("127.0.0.11 tcp sport", "127.0.0.12 tcp sport"),
        WHOLE.replace("\t}\n}", "\t\tip saddr 127.0.0.11 tcp sport 40001 tcp sport set 54\n\t}\n}"),
    ],
)
def test_one_that_was_changed_is_not_whole(text: str) -> None:
    assert leads_to(text) is None

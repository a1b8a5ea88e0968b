"""Complaints about JSON are those that Go's decoder makes."""

import json

import pytest

from fairlead.dockerapi.jsonwords import complaint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("garbage}", "invalid character 'g' looking for beginning of value"),
        ("{invalid", "invalid character 'i' looking for beginning of object key string"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"label":["tes', "unexpected end of JSON input"),
        ('{"a":', "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ("{} more", "unexpected content after JSON"),
        ("['x']", r"invalid character '\'' looking for beginning of value"),
    ],
)
def test_words(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        json.loads(text)
    assert complaint(caught.value) == said


def test_other_errors_speak_for_themselves() -> None:
    assert complaint(ValueError("a string contains a zero byte")) == "a string contains a zero byte"

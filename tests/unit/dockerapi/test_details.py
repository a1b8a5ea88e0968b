"""What `docker logs --details` shows before a line."""

from dataclasses import replace

import pytest

from fairlead.dockerapi.details import log_details
from fairlead.model.container import Config, LogConfig
from tests.unit.dockerapi.documents import view


def details(**options: str) -> bytes:
    """Of a container with two labels and two variables."""
    config = Config(image="busybox", labels={"a": "b", "c": "d e"}, env=("V=1", "W=x=y"))
    box = replace(view().container, config=config)
    options = {name.replace("_", "-"): value for name, value in options.items()}
    return log_details(
        replace(box, host_config=replace(box.host_config, log_config=LogConfig(options=options)))
    )


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, b" "),
        ({"labels": "a,c,nosuch"}, b"a=b,c=d+e "),
        ({"labels_regex": "^a"}, b"a=b "),
        ({"labels_regex": "["}, b" "),
        ({"env": "W", "labels": "a"}, b"W=x%3Dy,a=b "),
        ({"env_regex": "[VW]"}, b"V=1,W=x%3Dy "),
        (
            {"tag": "{{.ImageName}}/{{ .DaemonName }}/{{.Nosuch}}"},
            b"tag=busybox%2Fdocker%2F%7B%7B.Nosuch%7D%7D ",
        ),
    ],
)
def test_attributes(options: dict[str, str], shown: bytes) -> None:
    assert details(**options) == shown

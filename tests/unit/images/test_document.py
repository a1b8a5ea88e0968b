"""Configuration documents lead back to the same values, and what is no document is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.images.document import Document, Event, parse_document, render_document
from fairlead.model.container import HealthCheck
from fairlead.model.errors import InvalidParameter
from fairlead.model.image import ImageConfig

texts = st.text(max_size=12)
many = st.lists(texts, max_size=3).map(tuple)
times = st.integers(0, 10**12)
checks = st.builds(HealthCheck, test=many, interval=times, timeout=times, retries=st.integers(0, 9))
configs = st.builds(
    ImageConfig,
    env=many,
    cmd=st.none() | many,
    entrypoint=st.none() | many,
    working_dir=texts,
    user=texts,
    exposed_ports=st.sets(texts, max_size=3).map(lambda ports: tuple(sorted(ports))),
    volumes=st.sets(texts, max_size=3).map(lambda paths: tuple(sorted(paths))),
    labels=st.dictionaries(texts, texts, max_size=3),
    stop_signal=texts,
    shell=st.none() | many,
    on_build=many,
    health_check=st.none() | checks,
)
events = st.builds(Event, texts, texts, texts, texts, st.booleans())
documents = st.builds(
    Document,
    config=configs,
    layers=many,
    created=texts,
    architecture=texts,
    os=texts,
    author=texts,
    comment=texts.filter(bool),
    parent=st.just("") | st.just("ab" * 32),
    docker_version=texts,
    history=st.lists(events, max_size=3).map(tuple),
)


@given(documents)
def test_documents_lead_back(document: Document) -> None:
    assert parse_document(render_document(document)) == document


def test_dockers_own_document_is_understood() -> None:
    text = json.dumps(
        {
            "architecture": "amd64",
            "author": "Me <m@x>",
            "config": {
                "Hostname": "7854e5dcee39",
                "Env": ["PATH=/bin", "A=b"],
                "Cmd": ["x"],
                "Entrypoint": None,
                "Volumes": None,
                "ExposedPorts": {"81/tcp": {}, "80/tcp": {}},
                "Labels": None,
                "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5_000_000_000},
            },
            "container_config": {"Cmd": ["sh"]},
            "created": "2026-11-21T04:43:28.668488941Z",
            "docker_version": "20.10.24+dfsg1",
            "history": [
                {"created": "2021-01-01T00:00:00Z", "created_by": "_base"},
                {"created": "2026-11-21T04:43:28Z", "comment": "my words", "empty_layer": True},
            ],
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": ["sha256:aa", "sha256:bb"]},
        }
    )
    document = parse_document(text.encode())
    assert (document.author, document.comment, document.layers) == (
        "Me <m@x>",
        "my words",
        ("sha256:aa", "sha256:bb"),
    )
    config = document.config
    assert (config.cmd, config.entrypoint, config.exposed_ports) == (("x",), None, ("80/tcp", "81/tcp"))
    assert config.health_check == HealthCheck(("CMD", "true"), interval=5_000_000_000)
    assert [event.seconds for event in document.history] == [1609459200, 1795236208]
    assert document.history[1].empty_layer


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b'{"config": 5}',
        b'{"config": {"Env": [1]}}',
        b'{"config": {"Cmd": "sh"}}',
        b'{"config": {"Labels": []}}',
        b'{"config": {"Healthcheck": {"Interval": "5s"}}}',
        b'{"rootfs": {"diff_ids": {}}}',
        b'{"history": [1]}',
        b'{"created": 5}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_what_is_no_document_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidParameter, match="cannot read the image configuration"):
        parse_document(text)

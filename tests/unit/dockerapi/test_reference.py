"""References parse as the distribution grammar says and are shown as Docker shows them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.dockerapi.reference import Reference, image_id, parse_reference
from fairlead.model.errors import InvalidParameter

DIGEST = "sha256:" + "a1" * 32

components = st.from_regex(r"[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}", fullmatch=True)
paths = st.lists(components, min_size=1, max_size=3).map("/".join)
domains = st.from_regex(
    r"([a-z0-9]{1,5}\.){1,2}[a-z]{2,3}(:[0-9]{1,5})?|localhost(:[0-9]{2,4})?", fullmatch=True
)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
digests = st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:".__add__)


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("busybox", "docker.io/library/busybox", "busybox"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("library/busybox", "docker.io/library/busybox", "busybox"),
        ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("index.docker.io/team/box", "docker.io/team/box", "team/box"),
        ("team/box", "docker.io/team/box", "team/box"),
        ("docker.io/library/team/box", "docker.io/library/team/box", "library/team/box"),
        ("localhost/box", "localhost/box", "localhost/box"),
        ("registry:5000/box:v1", "registry:5000/box:v1", "registry:5000/box:v1"),
        ("[::1]:5000/box", "[::1]:5000/box", "[::1]:5000/box"),
        (f"busybox:1@{DIGEST}", f"docker.io/library/busybox:1@{DIGEST}", f"busybox:1@{DIGEST}"),
        ("sha256:12345", "docker.io/library/sha256:12345", "sha256:12345"),
    ],
)
def test_names_are_filled_in_and_shortened(text: str, full: str, familiar: str) -> None:
    reference = parse_reference(text)
    assert (str(reference), reference.familiar) == (full, familiar)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid reference format"),
        ("UPPER", "invalid reference format: repository name must be lowercase"),
        ("team/Box:v1", "invalid reference format: repository name must be lowercase"),
        ("box:", "invalid reference format"),
        ("box:BAD!", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("-box", "invalid reference format"),
        ("box:" + "x" * 129, "invalid reference format"),
        ("box\n", "invalid reference format"),
        ('bo"x', "invalid reference format"),
        ("bo\u0660x", "invalid reference format"),
        ("box@sha256:12", "invalid reference format"),
        ("box@sha256:" + "a" * 63, "invalid checksum digest length"),
        ("box@md9:" + "a" * 64, "unsupported digest algorithm"),
        ("a" * 64, f"invalid repository name ({'a' * 64}), cannot specify 64-byte hexadecimal strings"),
        ("b/" + "a" * 260, "repository name must not be more than 255 characters"),
    ],
)
def test_malformed_references_are_refused_in_dockers_words(text: str, message: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_reference(text)
    assert caught.value.message == message


@given(domains, paths, st.just("") | tags, st.just("") | digests)
def test_both_forms_lead_back_to_the_same_reference(domain: str, path: str, tag: str, digest: str) -> None:
    reference = Reference(domain, path, tag, digest)
    assert parse_reference(str(reference)) == reference
    assert parse_reference(reference.familiar) == reference


@given(paths, tags)
def test_names_without_a_domain_lead_back_too(path: str, tag: str) -> None:
    text = f"{path}:{tag}"
    first = path.partition("/")[0]
    if "/" in path and ("." in first or first == "localhost"):
        return
    if path.startswith("library/") and path.count("/") == 1 or len(path) == 64:
        return
    reference = parse_reference(text)
    assert reference.domain == "docker.io"
    assert reference.familiar == text
    assert parse_reference(str(reference)) == reference


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        reference = parse_reference(text)
    except InvalidParameter:
        return
    assert parse_reference(reference.familiar) == reference


def test_default_tag_only_where_nothing_is_named() -> None:
    assert parse_reference("box").with_default_tag().tag == "latest"
    assert parse_reference("box:v1").with_default_tag().tag == "v1"
    assert parse_reference(f"box@{DIGEST}").with_default_tag().tag == ""


def test_ids() -> None:
    assert image_id("ab" * 32) == image_id("sha256:" + "ab" * 32) == "ab" * 32
    assert image_id("ab" * 31) is None
    assert image_id("busybox") is None

"""Dockerfiles are counted and named as Docker does it; what cannot be one is refused in its words."""

import pytest

from fairlead.dockerapi.dockerfile import parse_dockerfile
from fairlead.model.errors import InvalidParameter

TEXT = """\
# syntax=docker/dockerfile:1
ARG BASE=busybox
FROM --platform=linux/amd64 $BASE AS Build
  run echo one \\
      # in between

      && echo two
SHELL ["/bin/ash", "-ec"]
RUN --network=none exit 3
RUN ["/bin/tool", "a b"]
FROM reg.test:5000/base:1
COPY --from=build /x /x
FROM build
"""


def test_steps_are_numbered_through_all_stages() -> None:
    plan = parse_dockerfile(TEXT)
    assert [len(stage) for stage in plan.stages] == [5, 2, 1]
    assert plan.total == 9
    assert (plan.number(0, 1), plan.number(1, 2), plan.number(2, 1)) == (2, 8, 9)
    assert plan.stages[0][1].text == "run echo one       && echo two"
    assert plan.stages[0][1].keyword == "RUN"
    assert list(plan.bases()) == ["reg.test:5000/base:1"]


def test_a_target_ends_the_file_by_name_or_number() -> None:
    plan = parse_dockerfile(TEXT)
    assert plan.until("") == plan
    assert plan.until("BUILD").total == 6
    assert plan.until("1").total == 8
    labelled = plan.until("build").with_labels({"b": "1", "a": "2"})
    assert (labelled.total, labelled.stages[-1][-1].text) == (7, 'LABEL "a"="2" "b"="1"')
    with pytest.raises(InvalidParameter, match="failed to reach build target late in Dockerfile"):
        plan.until("late")


def test_commands_are_shown_with_their_shell() -> None:
    plan = parse_dockerfile(TEXT)
    assert plan.command(0, 2) == "/bin/sh -c echo one       && echo two"
    assert plan.command(0, 4) == "/bin/ash -ec exit 3"
    assert plan.command(0, 5) == "/bin/tool a b"


def test_another_escape_character() -> None:
    plan = parse_dockerfile("# escape=`\nFROM x\nRUN a `\n b\\\nRUN c\n")
    assert [each.text for each in plan.stages[0]] == ["FROM x", "RUN a  b\\", "RUN c"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the Dockerfile (in/File) cannot be empty"),
        ("# only words\n\n", "the Dockerfile (in/File) cannot be empty"),
        ("FROM x\n\nFETCH y\n", "dockerfile parse error line 3: unknown instruction: FETCH"),
        ("RUN x\n", "No build stage in current context"),
        ("ARG x\n", "No build stage in current context"),
        ("# escape=x\nFROM y\n", "invalid ESCAPE 'x'. Must be ` or \\"),
    ],
)
def test_what_cannot_be_built(text: str, words: str) -> None:
    with pytest.raises(InvalidParameter) as failure:
        parse_dockerfile(text, "in/File")
    assert failure.value.message == words

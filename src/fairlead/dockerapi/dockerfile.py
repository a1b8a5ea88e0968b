"""Dockerfiles, as far as their steps have to be counted and named: buildah does the rest.

Source: the Dockerfile reference, "Format" and "Parser directives"; the words are those of
Docker's parser.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fairlead.model.errors import InvalidParameter

_KEYWORDS = frozenset(
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL "
    "STOPSIGNAL USER VOLUME WORKDIR".split()
)
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$")
_COMMENT = re.compile(r"\s*#")
_DEFAULT_SHELL = ("/bin/sh", "-c")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction on one line; `line` counts from 1."""

    keyword: str
    text: str
    line: int

    @property
    def rest(self) -> str:
        """What follows the keyword."""
        return self.text[len(self.keyword) :].strip()


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """The instructions before the first FROM, and those of each stage, FROM first."""

    arguments: tuple[Instruction, ...]
    stages: tuple[tuple[Instruction, ...], ...]

    def until(self, target: str) -> "Dockerfile":
        """Without what comes after the stage that a build ends with; "" is the last stage.

        A stage is meant by its name or its number.  InvalidParameter if there is none.
        """
        if not target:
            return self
        for number, stage in enumerate(self.stages):
            if target.lower() in (stage_name(stage), str(number)):
                return Dockerfile(self.arguments, self.stages[: number + 1])
        raise InvalidParameter(f"failed to reach build target {target} in Dockerfile")

    def with_labels(self, labels: Mapping[str, str]) -> "Dockerfile":
        """With the labels that a client asks for: one more step at the end."""
        if not labels:
            return self
        text = "LABEL " + " ".join(f'"{name}"="{value}"' for name, value in sorted(labels.items()))
        last = (*self.stages[-1], Instruction("LABEL", text, 0))
        return Dockerfile(self.arguments, (*self.stages[:-1], last))

    @property
    def total(self) -> int:
        """How many steps it has."""
        return len(self.arguments) + sum(len(stage) for stage in self.stages)

    def number(self, stage: int, step: int) -> int:
        """The number of a step in the whole file; stages count from 0, steps from 1."""
        return len(self.arguments) + sum(len(each) for each in self.stages[:stage]) + step

    def command(self, stage: int, step: int) -> str:
        """The command line of a RUN step, as Docker shows it: with its shell, or its words."""
        steps = self.stages[stage]
        rest = _without_flags(steps[step - 1].rest)
        words = _words(rest)
        if words is not None:
            return " ".join(words)
        shells = [_words(each.rest) for each in steps[: step - 1] if each.keyword == "SHELL"]
        shell = next((each for each in reversed(shells) if each), _DEFAULT_SHELL)
        return " ".join([*shell, rest])

    def bases(self) -> Iterator[str]:
        """What the stages are made from, as far as it is written out and not another stage."""
        names = {stage_name(stage) for stage in self.stages}
        for stage in self.stages:
            base = _without_flags(stage[0].rest).split()[:1]
            if base and "$" not in base[0] and base[0].lower() not in names | {"scratch"}:
                yield base[0]


def parse_dockerfile(text: str, name: str = "Dockerfile") -> Dockerfile:
    """The file's instructions.  InvalidParameter in Docker's words if it cannot be one."""
    instructions = list(_instructions(text))
    if not instructions:
        raise InvalidParameter(f"the Dockerfile ({name}) cannot be empty")
    arguments: list[Instruction] = []
    stages: list[list[Instruction]] = []
    for each in instructions:
        if each.keyword not in _KEYWORDS:
            raise InvalidParameter(
                f"dockerfile parse error line {each.line}: unknown instruction: {each.keyword}"
            )
        if each.keyword == "FROM":
            stages.append([each])
        elif stages:
            stages[-1].append(each)
        elif each.keyword == "ARG":
            arguments.append(each)
        else:
            raise InvalidParameter("No build stage in current context")
    if not stages:
        raise InvalidParameter("No build stage in current context")
    return Dockerfile(tuple(arguments), tuple(map(tuple, stages)))


def _instructions(text: str) -> Iterator[Instruction]:
    lines = text.removeprefix("\ufeff").splitlines()
    continued = re.compile(re.escape(_escape(lines)) + r"[ \t]*$")
    collected, begin = "", 0
    for number, line in enumerate(lines, 1):
        if _COMMENT.match(line) or (collected and not line.strip()):
            continue
        begin = begin or number
        shortened = continued.sub("", line)
        collected += shortened if collected else shortened.lstrip()
        if shortened == line:
            if collected.strip():
                yield _instruction(collected.strip(), begin)
            collected, begin = "", 0
    if collected.strip():
        yield _instruction(collected.strip(), begin)


def _instruction(text: str, line: int) -> Instruction:
    return Instruction(text.split(maxsplit=1)[0].upper(), text, line)


def _escape(lines: Sequence[str]) -> str:
    """The character that continues a line: a backslash, unless a directive at the top says otherwise."""
    for line in lines:
        match = _DIRECTIVE.match(line)
        if match is None:
            break
        if match[1].lower() == "escape":
            if match[2] not in ("\\", "`"):
                raise InvalidParameter(f"invalid ESCAPE '{match[2]}'. Must be ` or \\")
            return match[2]
    return "\\"


def stage_name(stage: Sequence[Instruction]) -> str:
    """The name that FROM gives a stage, in lower case; "" for none."""
    words = _without_flags(stage[0].rest).split()
    return words[2].lower() if len(words) == 3 and words[1].lower() == "as" else ""


def _without_flags(text: str) -> str:
    while text.startswith("--"):
        text = text.partition(" ")[2].lstrip()
    return text


def _words(text: str) -> tuple[str, ...] | None:
    """The words of an instruction in its JSON form, None for another form."""
    try:
        words = json.loads(text) if text.startswith("[") else None
    except ValueError:
        return None
    if isinstance(words, list) and all(isinstance(word, str) for word in words):
        return tuple(words)
    return None

"""What buildah says about a build, told as Docker's stream of messages.

Buildah announces each step of a stage by a line; what the step's command prints comes in between.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from fairlead.dockerapi.dockerfile import Dockerfile

_STEP = re.compile(r"(?:\[(\d+)/\d+\] )?STEP (\d+)/(\d+): (.*)$")
_DONE = re.compile(r"--> (Using cache )?([0-9a-f]{11,64})$")
_WHOLE = re.compile(r"[0-9a-f]{64}")
_ERROR = "Error: "
_UNUSED = re.compile(r"\[Warning\] one or more build args were not consumed: \[(.*)\]$")
_AT_STEP = re.compile(r'(?:error )?building at STEP "(.*?)": (.*)$', re.DOTALL)
_EXIT = re.compile(r"while running runtime: exit status (\d+)$")
_NOT_THERE = re.compile(r'copier: (?:stat|get): (?:lstat |stat )?"?/?(.*?)"?: no such file or directory')
_NO_REPOSITORY = re.compile(r"requested access to the resource is denied|repository name not known")
_COMMIT = "COMMIT"
_COMMITTING = re.compile(r"(?:\[\d+/\d+\] )?COMMIT$")
# Where a line that is not finished may be buildah's, or may still become so.
_BEGINNINGS = ("STEP ", "--> ", _ERROR, _COMMIT, "[Warning] one or more build args")
_HELD = re.compile(r"(?:\[\d+/\d+\] )?(?:STEP |COMMIT)|" + "|".join(map(re.escape, _BEGINNINGS)))
_STAGE = re.compile(r"\[\d*(?:/\d*(?:\](?: (?:S?T?E?P?|C?O?M?M?I?T?))?)?)?")
# Longer than any line that buildah itself writes.
_LONGEST_HELD = 4096

Message = Mapping[str, object]


class Narration:
    """Takes buildah's output in pieces and gives the messages that it stands for.

    `identify` completes the first digits of an image's id, or gives "" when it is not stored;
    `base` gives the id of the image that a name means, or "".
    """

    def __init__(self, plan: Dockerfile, identify: Callable[[str], str], base: Callable[[str], str]):
        self._plan, self._identify, self._base = plan, identify, base
        self._text = ""
        self._error, self._held = "", ""
        self._stage, self._step = 0, 0  # as buildah counts them
        self._own = 0  # the step in the stage of the file; 0 for a trigger of its base
        self._from = ""
        self._between = False
        self.image = ""  # the id of the whole, once it is done

    def feed(self, text: str) -> Iterator[Message]:
        """The messages for the next piece of output."""
        *lines, rest = (self._text + text).split("\n")
        self._text = ""
        for line in lines:
            yield from self._line(line)
        # Between two steps only buildah itself speaks, and it ends its lines.
        clear = 0 if self._between else _clear(rest)
        if rest[:clear]:
            yield from self._released()
            yield _stream(rest[:clear])
        self._text = rest[clear:]

    def finish(self) -> Iterator[Message]:
        """What is left when buildah has ended well."""
        text, self._text = self._text, ""
        yield from self._line(text) if text else ()
        yield from self._released()

    def complaint(self) -> tuple[str, int]:
        """Why the build failed, in Docker's words, and the exit code of the command that did, or 0."""
        if self._text:
            list(self._line(self._text))
        text = self._error.removeprefix(_ERROR).strip() or "buildah ended without a word"
        match = _AT_STEP.match(text)
        if match is None:
            return _reason(text), 0
        instruction, reason = match.groups()
        keyword = instruction.split(maxsplit=1)[0].upper() if instruction.strip() else ""
        ended = _EXIT.search(reason)
        if keyword == "RUN" and ended:
            command, code = self._command(instruction), int(ended[1])
            return f"The command '{command}' returned a non-zero code: {code}", code
        missing = _NOT_THERE.search(reason)
        if keyword in ("ADD", "COPY") and missing:
            return (
                f"{keyword} failed: file not found in build context or excluded by .dockerignore: "
                f"stat {missing[1]}: file does not exist",
                0,
            )
        return _reason(reason), 0

    def _line(self, line: str) -> Iterator[Message]:
        done = _DONE.search(line)
        if done and _COMMITTING.fullmatch(self._held):
            self._held = ""
        yield from self._released()
        found = _STEP.search(line)
        if found and self._follows(found):
            yield from self._before(line[: found.start()])
            yield from self._begin(found)
        elif done:
            yield from self._before(line[: done.start()])
            yield from self._done(done)
        elif _ERROR in line:
            before, marker, after = line.partition(_ERROR)
            yield from self._before(before)
            self._error = self._held = marker + after
        elif committing := _COMMITTING.search(line):
            yield from self._before(line[: committing.start()])
            self._held = committing[0]
        elif unused := _UNUSED.search(line):
            yield _stream(f"[Warning] One or more build-args [{unused[1]}] were not consumed\n")
        elif self._between and _WHOLE.fullmatch(line):
            self.image = line
        else:
            yield _stream(f"{line}\n")

    def _follows(self, found: re.Match[str]) -> bool:
        """Whether a line announces the step that has to come next: a command may print such lines too."""
        stage, step = int(found[1] or 1) - 1, int(found[2])
        next_one = (stage, step) == (self._stage, self._step + 1)
        return next_one or (stage > self._stage and step == 1) or (stage, step) == (0, 1)

    def _released(self) -> Iterator[Message]:
        """A line that looked like buildah's, and was a command's."""
        held, self._held = self._held, ""
        if held:
            yield _stream(f"{held}\n")

    @staticmethod
    def _before(rest: str) -> Iterator[Message]:
        """What a command had printed of a line when it ended."""
        if rest:
            yield _stream(rest)

    def _begin(self, found: re.Match[str]) -> Iterator[Message]:
        yield from self._told_base()
        self._between = False
        stage, step, total = int(found[1] or 1) - 1, int(found[2]), self._plan.total
        if (stage, step) == (0, 1):
            for number, argument in enumerate(self._plan.arguments, 1):
                yield _stream(f"Step {number}/{total} : {argument.text}\n")
        self._stage, self._step = stage, step
        if stage >= len(self._plan.stages):
            yield _stream(f"Step {step}/{found[3]} : {found[4]}\n")
            return
        # Triggers of the base come after FROM, and count for buildah alone.
        steps = self._plan.stages[stage]
        triggers = max(0, int(found[3]) - len(steps)) if step > 1 else 0
        self._own = 1 if step == 1 else step - triggers if step - triggers > 1 else 0
        if not self._own:
            if step == 2:
                yield _stream(f"# Executing {triggers} build trigger{'s' if triggers > 1 else ''}\n")
            return
        text, number = steps[self._own - 1].text, self._plan.number(stage, self._own)
        if step == 1:
            words = [word for word in found[4].split() if not word.startswith("--")]
            self._from = words[1] if len(words) > 1 else ""
        yield _stream(f"Step {number}/{total} : {text}\n")

    def _told_base(self) -> Iterator[Message]:
        """After FROM its image, which is there only when the next step begins."""
        name, self._from = self._from, ""
        if name and (identity := self._base(name)):
            yield _stream(f" ---> {identity[:12]}\n")

    def _done(self, done: re.Match[str]) -> Iterator[Message]:
        if done[1]:
            yield _stream(" ---> Using cache\n")
            return
        self._between = True
        if self._from:
            yield from self._told_base()
            return
        yield _stream(f" ---> {(self._identify(done[2]) or done[2])[:12]}\n")

    def _command(self, instruction: str) -> str:
        """The command of the step that failed; of what no line of the file says, as buildah tells it."""
        stage, step = self._stage, self._own
        known = stage < len(self._plan.stages) and 0 < step <= len(self._plan.stages[stage])
        if known and self._plan.stages[stage][step - 1].keyword == "RUN":
            return self._plan.command(stage, step)
        return instruction.partition(" ")[2]


def _clear(rest: str) -> int:
    """How much of an unfinished line is a command's for sure."""
    if len(rest) > _LONGEST_HELD:
        return len(rest)
    found = _HELD.search(rest)
    if found:
        return found.start()
    for begin in range(max(0, len(rest) - max(map(len, _BEGINNINGS))), len(rest)):
        tail = rest[begin:]
        if _STAGE.fullmatch(tail) or any(each.startswith(tail) for each in _BEGINNINGS):
            return begin
    return len(rest)


def _reason(text: str) -> str:
    text = text.removeprefix("creating build container: ")
    if _NO_REPOSITORY.search(text):
        return f"pull access denied, repository does not exist or may require 'docker login': {text}"
    return text


def _stream(text: str) -> Message:
    return {"stream": text}

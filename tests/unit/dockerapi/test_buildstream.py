"""Buildah's output becomes Docker's messages, however it is cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.dockerapi.buildstream import Narration
from fairlead.dockerapi.dockerfile import parse_dockerfile

FILE = "ARG B=box\nFROM $B AS one\nRUN echo hi\nFROM one\nCOPY a /\n"
BASE, FIRST, WHOLE = "b" * 64, "1" * 64, "2" * 64
OUTPUT = (
    "[1/2] STEP 1/2: FROM box AS one\n[1/2] STEP 2/2: RUN echo hi\nhi\nSTEP 9/9: not one\nCOMMIT\n"
    "Error: a command's own\n50%\r100%--> 11111111111\n"
    "[2/2] STEP 1/2: FROM 1111\n[2/2] STEP 2/2: COPY a /\n--> Using cache " + WHOLE + "\n"
    "[2/2] COMMIT\n--> 22222222222\n[Warning] one or more build args were not consumed: [X]\n" + WHOLE + "\n"
)
TOLD = (
    "Step 1/5 : ARG B=box\nStep 2/5 : FROM $B AS one\n ---> bbbbbbbbbbbb\nStep 3/5 : RUN echo hi\n"
    "hi\nSTEP 9/9: not one\nCOMMIT\nError: a command's own\n50%\r100% ---> 111111111111\n"
    "Step 4/5 : FROM one\nStep 5/5 : COPY a /\n ---> Using cache\n ---> 222222222222\n"
    "[Warning] One or more build-args [X] were not consumed\n"
)


def narration(file: str = FILE) -> Narration:
    stored = {"1": FIRST, "2": WHOLE}
    return Narration(
        parse_dockerfile(file),
        lambda digits: stored.get(digits[0], ""),
        lambda name: BASE if name == "box" else "",
    )


@given(st.lists(st.integers(0, len(OUTPUT)), max_size=12).map(sorted))
def test_the_stream_is_dockers(cuts: list[int]) -> None:
    teller, told = narration(), ""
    for begin, end in zip([0, *cuts], [*cuts, len(OUTPUT)], strict=True):
        told += "".join(str(each["stream"]) for each in teller.feed(OUTPUT[begin:end]))
    told += "".join(str(each["stream"]) for each in teller.finish())
    assert told == TOLD
    assert teller.image == WHOLE


def test_output_without_a_newline_is_told_at_once() -> None:
    teller = narration()
    list(teller.feed("[1/2] STEP 1/2: FROM box AS one\n[1/2] STEP 2/2: RUN echo hi\n"))
    assert list(teller.feed("10%")) == [{"stream": "10%"}]
    assert list(teller.feed("\r20%\n")) == [{"stream": "\r20%\n"}]


@pytest.mark.parametrize(
    ("said", "words", "code"),
    [
        (
            'Error: building at STEP "RUN echo hi": while running runtime: exit status 7\n',
            "The command '/bin/sh -c echo hi' returned a non-zero code: 7",
            7,
        ),
        (
            'some words, no newlineError: building at STEP "RUN echo hi": while running runtime: exit status 1',
            "The command '/bin/sh -c echo hi' returned a non-zero code: 1",
            1,
        ),
        (
            'Error: building at STEP "COPY a /": checking on sources under "/c": copier: stat: "/a": '
            "no such file or directory\n",
            "COPY failed: file not found in build context or excluded by .dockerignore: "
            "stat a: file does not exist",
            0,
        ),
        ("Error: creating build container: it is late\n", "it is late", 0),
        ("", "buildah ended without a word", 0),
    ],
)
def test_failures_have_dockers_words(said: str, words: str, code: int) -> None:
    teller = narration()
    list(teller.feed("[1/2] STEP 1/2: FROM box AS one\n[1/2] STEP 2/2: RUN echo hi\n"))
    list(teller.feed(said))
    assert teller.complaint() == (words, code)


def test_triggers_of_the_base_are_no_steps_of_the_file() -> None:
    teller, output = (
        narration("FROM box\nRUN one\nRUN two\n"),
        "STEP 1/3: FROM box\nSTEP 2/5: RUN trigger\nx\n--> ",
    )
    output += f"{FIRST[:11]}\nSTEP 3/5: COPY . /\nSTEP 4/5: RUN one\nSTEP 5/5: RUN two\n"
    told = "".join(str(each["stream"]) for each in teller.feed(output))
    assert told == (
        "Step 1/3 : FROM box\n ---> bbbbbbbbbbbb\n# Executing 2 build triggers\nx\n ---> 111111111111\n"
        "Step 2/3 : RUN one\nStep 3/3 : RUN two\n"
    )
    list(teller.feed('Error: building at STEP "RUN two": while running runtime: exit status 9\n'))
    assert teller.complaint() == ("The command '/bin/sh -c two' returned a non-zero code: 9", 9)

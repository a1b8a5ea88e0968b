"""The same for each of many names: what goes well is printed at once, what does not is said at the end."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from fairlead.cli.session import Session
from fairlead.client.errors import ClientError, Refused

_AT_ONCE = 50


def natural(name: str) -> list[tuple[int, Any]]:
    """A key to sort names by, in which numbers count as numbers: web2 before web10."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"([0-9]+)", name) if part]


def each(
    session: Session,
    names: Sequence[str],
    act: Callable[[str], Any],
    *,
    missing: str = "fails",
    at_once: bool = False,
    say: Callable[[str, Any], str | None] | None = None,
) -> int:
    """Do `act` with each name; the exit code, 1 when any failed.

    What is not there `fails`, or is only `said`, or is `skipped`.
    `say` makes the line for a name of what `act` returned, else it is the name itself; None prints none.
    `at_once` works on up to fifty together, where each takes its time.
    """
    problems, failed = [], False
    for name, result in zip(names, _results(names, act, at_once), strict=True):
        if not isinstance(result, ClientError):
            line = say(name, result) if say else name
            if line is not None:
                session.line(line)
            continue
        is_missing = isinstance(result, Refused) and result.not_found
        if not (is_missing and missing == "skipped"):
            problems.append(str(result))
        failed = failed or not is_missing or missing == "fails"
    for problem in problems:
        session.complain(problem)
    return 1 if failed else 0


def _results(names: Sequence[str], act: Callable[[str], Any], at_once: bool) -> Any:
    def attempt(name: str) -> Any:
        try:
            return act(name)
        except ClientError as problem:
            return problem

    if not at_once or len(names) < 2:
        return map(attempt, names)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(len(names), _AT_ONCE)) as pool:
        return list(pool.map(attempt, names))

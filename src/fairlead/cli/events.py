"""`fairlead events`."""

import time
from collections.abc import Callable
from typing import Any

from fairlead.cli.commands import command
from fairlead.cli.flags import FORMAT_DOCUMENT, Flag, Values
from fairlead.cli.kinds import FILTER, STRING
from fairlead.cli.problems import Ending
from fairlead.cli.session import Session
from fairlead.cli.times import option

Document = dict[str, Any]
_FORMAT = Flag("format", FORMAT_DOCUMENT.help, STRING)


@command(
    "events [OPTIONS]",
    Flag("filter", "Filter output based on conditions provided", FILTER, short="f"),
    _FORMAT,
    Flag("since", "Show all events created since timestamp", STRING),
    Flag("until", "Stream events until this timestamp", STRING),
    aliases=("system events", "events"),
)
def events(session: Session, values: Values, _: list[str]) -> None:
    """Write a line for everything that happens, as it happens."""
    now = time.time_ns()
    form = values.text("format")
    write = _writer(form)
    found = session.client.system.events(
        option(values, "since", now),
        option(values, "until", now),
        values.filters(),
    )
    for event in found:
        session.line(write(event))
        session.output.flush()


def _writer(form: str) -> Callable[[Document], str]:
    if not form:
        return line
    from fairlead.cli.template import parse
    from fairlead.cli.template_functions import FUNCTIONS, TemplateProblem, compact_json
    from fairlead.cli.template_run import Row, execute

    if form == "json":
        return compact_json

    class Event(Row):
        """An event, whose fields have other names in templates than in JSON."""

        def as_json(self) -> str:
            return compact_json(self.thing)

    try:
        template = parse(form)
        execute(template, Event("events.Message", {}, _FIELDS), FUNCTIONS)
    except TemplateProblem as problem:
        raise Ending(64, f"Error parsing format: {problem}") from None

    def write(event: Document) -> str:
        try:
            return execute(template, Event("events.Message", event, _FIELDS), FUNCTIONS)
        except TemplateProblem as problem:
            raise Ending(1, str(problem)) from None

    return write


def _actor(event: Document) -> Document:
    actor = event.get("Actor") or {}
    return {"ID": actor.get("ID", ""), "Attributes": actor.get("Attributes") or {}}


_FIELDS: dict[str, Callable[[Document], Any]] = {
    "Type": lambda event: event.get("Type", ""),
    "Action": lambda event: event.get("Action", ""),
    "Actor": _actor,
    "Status": lambda event: event.get("status", ""),
    "ID": lambda event: event.get("id", ""),
    "From": lambda event: event.get("from", ""),
    "Scope": lambda event: event.get("scope", ""),
    "Time": lambda event: event.get("time", 0),
    "TimeNano": lambda event: event.get("timeNano", 0),
}


def line(event: Document) -> str:
    """`2026-11-21T05:18:00.693105217Z container create 4bda6678 (image=busybox, name=web)`."""
    nanoseconds = event.get("timeNano") or int(event.get("time", 0)) * 1_000_000_000
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    local = time.localtime(seconds)
    zone = time.strftime("%z", local)
    shown = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    moment = f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{fraction:09d}{shown}"
    actor = event.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    text = f"{moment} {event.get('Type')} {event.get('Action')} {actor.get('ID')}"
    if not attributes:
        return text
    return text + " (" + ", ".join(f"{name}={attributes[name]}" for name in sorted(attributes)) + ")"

"""`fairlead doctor`: whether the host is as it should be."""

from typing import Any

from fairlead.cli.commands import command
from fairlead.cli.flags import Flag, Values
from fairlead.cli.problems import Ending
from fairlead.cli.session import Session

Document = dict[str, Any]
FLAGS = (
    Flag("audit", "List what is on the host and nothing explains, and what is missing"),
    Flag("json", "Print one JSON document"),
)


@command("doctor [OPTIONS]", *FLAGS)
def doctor(session: Session, values: Values, _: list[str]) -> int:
    """Look at the host; 1 if something does not work, or with --audit is not as the records say."""
    if values.yes("audit"):
        return audit(session, values)
    from fairlead.cli.doctor_checks import check

    return check(session, values.yes("json"))


def audit(session: Session, values: Values) -> int:
    """Compare the host with the daemon's records."""
    found = session.client.system.audit()
    if values.yes("json"):
        from fairlead.cli.template_functions import compact_json

        session.line(compact_json(found))
    else:
        session.write("".join(f"{_line(each)}\n" for each in found["Findings"]))
        session.line("the host is as the records say" if found["Clean"] else _count(found["Findings"]))
    if not found["Clean"]:
        raise Ending(1, "")
    return 0


def _line(finding: Document) -> str:
    detail = f": {finding['Detail']}" if finding["Detail"] else ""
    return f"{finding['Verdict']} {finding['Kind']} {finding['Name']}{detail}"


def _count(findings: list[Document]) -> str:
    return f"{len(findings)} {'thing is' if len(findings) == 1 else 'things are'} not as the records say"

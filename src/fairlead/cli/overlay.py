"""`fairlead overlay`: how the networks over several hosts stand, and whether they are as they should be."""

from typing import Any

from fairlead.cli.commands import command
from fairlead.cli.flags import FORMAT_DOCUMENT, Values
from fairlead.cli.output import tabulate
from fairlead.cli.problems import Ending
from fairlead.cli.session import Session
from fairlead.cli.system import formatted

Document = dict[str, Any]
SHORT = 12  # digits of an id


@command("status [OPTIONS]", FORMAT_DOCUMENT, aliases=("overlay status",))
def status(session: Session, values: Values, _: list[str]) -> int:
    """Show the store, the hosts, and the networks that they share."""
    found = session.client.system.overlay()
    _show(session, values, found)
    return 0


@command("verify [OPTIONS]", FORMAT_DOCUMENT, aliases=("overlay verify",))
def verify(session: Session, values: Values, _: list[str]) -> int:
    """The same, compared with the kernel, and with a container of each host asked; 1 if anything is wrong."""
    found = session.client.system.overlay(verify=True)
    _show(session, values, found)
    if not values.text("format"):
        session.write(_findings(found))
    if not found["Sound"]:
        raise Ending(1, "")
    return 0


def _show(session: Session, values: Values, found: Document) -> None:
    if values.text("format"):
        formatted(session, values.text("format"), found, "overlay")
        return
    session.write(f"Store: {found['Store']} ({'away: ' + found['Away'] if found['Away'] else 'near'})\n\n")
    hosts = [("HOST", "VTEP", "ADVERTISED", "GENERATION", "ID")]
    for member, note in [(found["Self"], " (this one)"), *((each, "") for each in found["Others"])]:
        texts = (member["Name"] + note, member["Vtep"], member["Advertised"], str(member["Generation"]))
        hosts.append((*texts, member["ID"][:SHORT]))
    networks = [("NETWORK", "ID", "VNI", "HERE", "ELSEWHERE", "KERNEL")]
    for each in found["Networks"]:
        kernel = "present" if each["Present"] else "not needed"
        counts = (str(each["Vni"]), str(each["Here"]), str(each["Elsewhere"]))
        networks.append((each["Name"], each["ID"][:SHORT], *counts, kernel))
    session.write(tabulate(hosts) + "\n" + tabulate(networks))


def _findings(found: Document) -> str:
    lines = []
    for network in found["Networks"]:
        for path in network["Paths"]:
            verdict = "answers" if path["Answers"] else "DOES NOT ANSWER"
            lines.append(f"{network['Name']}: a container on {path['Name']} ({path['Vtep']}) {verdict}")
        lines += [f"{network['Name']}: {text}" for text in network["Wrong"] or ()]
        if network["Present"] and not network["Wrong"]:
            lines.append(f"{network['Name']}: the kernel has what the store says")
    return "\n" + "\n".join(lines) + "\n" if lines else ""

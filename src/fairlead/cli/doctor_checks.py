"""`fairlead doctor` without --audit: the host, and what the daemon says of its networks, under all checks."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from fairlead.cli.problems import Ending
from fairlead.cli.session import Session
from fairlead.client.errors import ClientError
from fairlead.explain.checks import Severity, as_document, examine
from fairlead.kernel.condition import look
from fairlead.model.condition import Condition, NetworkFacts, Port

Document = dict[str, Any]
BRIDGE, MTU = "com.docker.network.bridge.name", "com.docker.network.driver.mtu"


def check(session: Session, as_json: bool) -> int:
    """Print what is wrong; 1 if any of it is an error."""
    complaints = examine(_with_networks(session, look()))
    if as_json:
        from fairlead.cli.template_functions import compact_json

        session.line(compact_json(as_document(complaints)))
    else:
        for each in complaints:
            session.line(f"{each.code} {each.severity.value}: {each.sentence}\n      {each.remedy}")
        if not complaints:
            session.line("nothing is wrong")
    if any(each.severity is Severity.ERROR for each in complaints):
        raise Ending(1, "")
    return 0


def _with_networks(session: Session, host: Condition) -> Condition:
    try:
        networks = [_network(each) for each in session.client.networks.list()]
        stopped = [
            session.client.containers.inspect(each["Id"])
            for each in session.client.containers.list(all=True)
            if each["State"] != "running"
        ]
    except ClientError as problem:
        return replace(host, daemon=str(problem))
    wanted = [(port, each["Name"].removeprefix("/")) for each in stopped for port in _ports(each)]
    return replace(host, networks=tuple(networks), wanted_ports=tuple(wanted))


def _network(document: Document) -> NetworkFacts:
    options = document["Options"] or {}
    bridge = options.get(BRIDGE) or f"br-{document['Id'][:12]}" if document["Driver"] == "bridge" else ""
    pools = (document["IPAM"] or {}).get("Config") or ()
    subnets = tuple(ip_network(each["Subnet"], strict=False) for each in pools if each.get("Subnet"))
    return NetworkFacts(document["Name"], bridge, subnets, int(options.get(MTU) or 0))


def _ports(document: Document) -> list[Port]:
    """The host ports that a container publishes by number."""
    found = []
    for inner, bindings in (document["HostConfig"].get("PortBindings") or {}).items():
        protocol = inner.partition("/")[2] or "tcp"
        for each in bindings or ():
            if each["HostPort"].isdigit():
                found.append((protocol, int(each["HostPort"])))
    return found

"""`fairlead explain FROM TO[:PORT]`: whether one reaches the other, by which way, and what decides."""

from ipaddress import ip_address
from typing import Any

from fairlead.cli.commands import Arguments, command
from fairlead.cli.flags import Flag, Values
from fairlead.cli.problems import Ending
from fairlead.cli.session import Session
from fairlead.explain.path import Question, explain
from fairlead.explain.scene import Membership, Party, Publication, Scene
from fairlead.kernel import scene as kernel
from fairlead.model.addresses import Address

Document = dict[str, Any]
FLAGS = (Flag("json", "Print one JSON document"),)
BRIDGE = "com.docker.network.bridge.name"
HOST = "host"
MORE = """FROM is a container, an address outside of the host, or `host`.
TO is a container, an address, or `host` (its address on the way out), with a
port as in web:80 or web:53/udp; without one it is a ping."""


@command("explain [OPTIONS] FROM TO[:PORT[/PROTOCOL]]", *FLAGS, arguments=Arguments(2, 2), more=MORE)
def explain_(session: Session, values: Values, words: list[str]) -> int:
    """Follow a packet, and say what decides; 1 if it does not arrive."""
    scene = look(session)
    found = explain(scene, question(scene, *words))
    if values.yes("json"):
        from fairlead.cli.template_functions import compact_json

        document = {"Reaches": found.reaches, "Hops": list(found.hops), "Sentence": found.sentence}
        session.line(compact_json(document))
    else:
        session.write("".join(f"  {hop}\n" for hop in found.hops))
        session.line(f"{'yes' if found.reaches else 'no'}: {found.sentence}")
    if not found.reaches:
        raise Ending(1, "")
    return 0


def look(session: Session) -> Scene:
    """The host that this process is in, with the containers that the daemon knows."""
    client = session.client
    bridges = {each["Id"]: _bridge(each) for each in client.networks.list()}
    documents = [client.containers.inspect(each["Id"]) for each in client.containers.list(all=True)]
    return Scene(
        kernel.inside(),
        kernel.rules(),
        kernel.elements(),
        tuple(_party(each, bridges) for each in documents),
        kernel.bridged_packets_pass(),
    )


def question(scene: Scene, source: str, target: str) -> Question:
    """What is asked.  Ending when it names nobody."""
    place, port, protocol = _split(target)
    sender: Party | Address | None = None if source == HOST else _named(scene, source)
    receiver = _own_address(scene) if place == HOST else _named(scene, place)
    return Question(sender, receiver, protocol, port)


def _split(target: str) -> tuple[str, int, str]:
    """`web`, `web:80`, `web:53/udp`, `[::1]:80`."""
    place, protocol = target, "tcp"
    if target.rpartition("/")[2] in ("tcp", "udp", "sctp"):
        place, _, protocol = target.rpartition("/")
    name, _, port = place.rpartition(":")
    if place.endswith("]") or not name or (":" in name and not name.endswith("]")):
        name, port = place, ""  # no port, or an IPv6 address
    if port and not (port.isdigit() and 0 < int(port) < 1 << 16):
        raise Ending(1, f"cannot explain the way to {target}: {port} is no port")
    return name.strip("[]"), int(port or 0), protocol


def _named(scene: Scene, name: str) -> Party | Address:
    for party in scene.parties:
        if party.name == name:
            return party
    try:
        return ip_address(name)
    except ValueError:
        raise Ending(
            1, f"cannot explain the way: {name} is no container, no address, and not `host`"
        ) from None


def _own_address(scene: Scene) -> Address:
    for route in sorted(scene.host.routes, key=lambda each: each.destination.prefixlen):
        for interface in scene.host.links[route.link].addresses:
            if interface.version == route.destination.version and not interface.ip.is_link_local:
                return interface.ip
    return ip_address("127.0.0.1")


def _bridge(network: Document) -> str:
    if network["Driver"] != "bridge":
        return ""
    name: str = (network["Options"] or {}).get(BRIDGE) or f"br-{network['Id'][:12]}"
    return name


def _party(document: Document, bridges: dict[str, str]) -> Party:
    running = document["State"]["Running"]
    own = document["HostConfig"]["NetworkMode"] != HOST
    return Party(
        document["Name"].removeprefix("/"),
        running,
        tuple(_memberships(document, bridges)),
        tuple(_published(document)),
        kernel.inside(document["State"]["Pid"]) if running and own else None,
    )


def _memberships(document: Document, bridges: dict[str, str]) -> list[Membership]:
    found = []
    for name, each in document["NetworkSettings"]["Networks"].items():
        texts = (each["IPAddress"], each["GlobalIPv6Address"])
        addresses = tuple(ip_address(text) for text in texts if text)
        if addresses:
            found.append(Membership(name, bridges.get(each["NetworkID"], ""), addresses))
    return found


def _published(document: Document) -> list[Publication]:
    """What it publishes now; while it does not run, what it is going to by number."""
    running = document["State"]["Running"]
    ports = document["NetworkSettings"]["Ports"] if running else document["HostConfig"]["PortBindings"]
    found = []
    for inner, bindings in (ports or {}).items():
        number, _, protocol = inner.partition("/")
        for each in bindings or ():
            if each["HostPort"].isdigit():
                address = ip_address(each["HostIp"] or "0.0.0.0")
                place = (protocol or "tcp", address, int(each["HostPort"]))
                found.append(Publication(*place, int(number.partition("-")[0])))
    return found

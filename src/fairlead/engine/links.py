"""What `--link` means on the default bridge: who is meant, which ports are opened, what is told of them.

Source of the names and forms: Docker's `links.ToEnv`.
"""

import posixpath
from collections.abc import Sequence
from ipaddress import IPv4Address

from fairlead.model.container import Container, exposed
from fairlead.model.endpoint import Opening
from fairlead.model.errors import Failed, InvalidParameter
from fairlead.model.network import Network
from fairlead.model.records import Records

OWN = ("PATH", "HOME", "HOSTNAME")


def targets(records: Records, container: Container) -> list[tuple[Container, str, IPv4Address]]:
    """The running targets of its links on the default bridge, with their aliases and addresses."""
    places = {
        target: endpoint.ipv4.ip
        for target, _ in container.links
        for endpoint in records.endpoints_of(target)
        if endpoint.ipv4 is not None
        and endpoint.phase == "settled"
        and records.networks[endpoint.network_id].default_bridge
    }
    return [
        (records.containers[target], alias, places[target])
        for target, alias in container.links
        if target in records.containers and target in places
    ]


def require_running(records: Records, container: Container) -> None:
    """Refuse to start a container with a link to one that does not run, is no more, or is elsewhere."""
    for target, alias in container.links:
        found = records.containers.get(target)
        if found is None or not found.state.running:
            name = found.name if found else target
            raise Failed(f"Cannot link to a non running container: /{name} AS /{container.name}/{alias}")
        if _on_default(container) and not _on_default(found):
            raise Failed(f"Cannot link to /{found.name}, as it does not belong to the default network")


def _on_default(container: Container) -> bool:
    return any(each.network == "bridge" for each in container.attachments)


def openings(records: Records, container: Container, network: Network) -> tuple[Opening, ...]:
    """What its links open: exposed ports of the targets, where containers may not talk to each other."""
    if not network.default_bridge or network.icc:
        return ()
    return tuple(
        Opening(address, number, protocol)
        for target, _, address in targets(records, container)
        for number, protocol in _ordered(target.config.exposed_ports)
    )


def told(records: Records, container: Container) -> tuple[str, ...]:
    """The environment variables about every running target of its links."""
    return tuple(
        variable
        for target, alias, address in targets(records, container)
        for variable in environment(container.name, alias, address, target)
    )


def environment(child: str, alias: str, address: IPv4Address, target: Container) -> list[str]:
    """The variables about one target: where its exposed ports are, its name, and its environment."""
    prefix = short(alias).upper().replace("-", "_")
    variables = []
    ports = _ordered(target.config.exposed_ports)
    if ports:
        number, protocol = ports[0]
        variables.append(f"{prefix}_PORT={protocol}://{address}:{number}")
    for number, protocol in ports:
        start = f"{prefix}_PORT_{number}_{protocol.upper()}"
        variables += [
            f"{start}={protocol}://{address}:{number}",
            f"{start}_ADDR={address}",
            f"{start}_PORT={number}",
            f"{start}_PROTO={protocol}",
        ]
    variables += _ranges(prefix, address, ports)
    variables.append(f"{prefix}_NAME=/{child}/{alias}")
    for text in target.config.env:
        name, separator, value = text.partition("=")
        if separator and name not in OWN:
            variables.append(f"{prefix}_ENV_{name}={value}")
    return variables


def parsed_link(text: str) -> tuple[str, str]:
    """Name and alias of `name:alias`, `name`, or `/name:/holder/alias` as inspect shows them.

    An alias is a path below the holder's name; "" where it names nothing.  InvalidParameter for
    another form.
    Source: Docker's `opts.ParseLink` and `RegisterLink`.
    """
    name, colon, alias = text.partition(":")
    if not text:
        raise InvalidParameter("empty string specified for links")
    if ":" in alias:
        raise InvalidParameter(f"bad format for links: {text}")
    if not colon:
        alias = name
    elif name.startswith("/"):
        name, alias = name[1:], short(alias)
    return name, posixpath.normpath(f"/{alias}").lstrip("/")


def short(alias: str) -> str:
    """What the linking container itself calls the target of an alias `a/b`: b."""
    return alias.rpartition("/")[2]


def _ranges(prefix: str, address: IPv4Address, ports: list[tuple[int, str]]) -> list[str]:
    """What is told of runs of ports beside each of them: under the first one's number, where they end."""
    variables = []
    for first, protocol in ports:
        if (first - 1, protocol) in ports or (first + 1, protocol) not in ports:
            continue
        last = first
        while (last + 1, protocol) in ports:
            last += 1
        start = f"{prefix}_PORT_{first}_{protocol.upper()}"
        variables += [
            f"{start}_START={protocol}://{address}:{first}",
            f"{start}_PORT_START={first}",
            f"{start}_END={protocol}://{address}:{last}",
            f"{start}_PORT_END={last}",
        ]
    return variables


def _ordered(ports: Sequence[str]) -> list[tuple[int, str]]:
    """Ports by number, TCP before UDP."""
    return sorted(set(exposed(ports)))

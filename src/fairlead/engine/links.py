"""What `--link` means on the default bridge: who is meant, and environment variables about them.

Source of the names and forms: Docker's `links.ToEnv`.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address

from fairlead.model.container import Container
from fairlead.model.records import Records

OWN = ("PATH", "HOME", "HOSTNAME")


def targets(records: Records, container: Container) -> list[tuple[Container, str, IPv4Address]]:
    """The running targets of its links on the default bridge, with their aliases and addresses."""
    places = {
        endpoint.container_id: endpoint.ipv4.ip
        for endpoint in records.endpoints.values()
        if endpoint.ipv4 is not None
        and endpoint.phase == "settled"
        and records.networks[endpoint.network_id].default_bridge
    }
    return [
        (records.containers[target], alias, places[target])
        for target, alias in container.links
        if target in records.containers and target in places
    ]


def environment(child: str, alias: str, address: IPv4Address, target: Container) -> list[str]:
    """The variables about one target: where its exposed ports are, its name, and its environment."""
    prefix = alias.upper().replace("-", "_")
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
    variables.append(f"{prefix}_NAME=/{child}/{alias}")
    for text in target.config.env:
        name, separator, value = text.partition("=")
        if separator and name not in OWN:
            variables.append(f"{prefix}_ENV_{name}={value}")
    return variables


def _ordered(exposed: Sequence[str]) -> list[tuple[int, str]]:
    """Ports by number, TCP before UDP."""
    ports = [text.partition("/")[::2] for text in exposed]
    return sorted(((int(number), protocol or "tcp") for number, protocol in ports), key=lambda each: each)

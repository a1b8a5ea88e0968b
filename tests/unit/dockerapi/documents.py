"""Values to render: a container, a network, with as little in them as a test needs."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address

from fairlead.model.container import Config, Container, ContainerState, HostConfig
from fairlead.model.endpoint import Attachment, Endpoint, PublishedPort, Sandbox
from fairlead.model.network import Network, Pool
from fairlead.model.views import AttachedNetwork, ContainerView

ID = "ab" * 32
MINUTE = 60_000_000_000
BRIDGE = Network("b1" * 32, "bridge", "bridge", MINUTE, 1, pools=(Pool(IPv4Network("172.17.0.0/16")),))
BLUE = Network("b2" * 32, "blue", "bridge", MINUTE, 2, pools=(Pool(IPv4Network("10.10.0.0/24")),))


def endpoint(network: Network, *ports: PublishedPort, ip: str = "172.17.0.2/16") -> Endpoint:
    return Endpoint(
        id="ee" * 32,
        network_id=network.id,
        container_id=ID,
        sandbox_id="5a" * 32,
        sequence=1,
        interface="eth0",
        host_interface="veth1",
        mac="02:42:ac:11:00:02",
        ipv4=IPv4Interface(ip),
        gateway4=IPv4Address("172.17.0.1"),
        ports=ports,
        names=("web", "db", ID[:12]),
    )


def published(host_port: int, port: int, protocol: str = "tcp", count: int = 1) -> tuple[PublishedPort, ...]:
    """As a binding without a host address is held: on both families."""
    return tuple(
        PublishedPort(protocol, address, host_port, port, count)
        for address in (IPv4Address("0.0.0.0"), IPv6Address("::"))
    )


def view(
    *ports: PublishedPort,
    status: str = "running",
    network: Network = BRIDGE,
    attachment: Attachment | None = None,
    config: Config | None = None,
    host_config: HostConfig | None = None,
    **state: object,
) -> ContainerView:
    running = status in ("running", "paused")
    container = Container(
        id=ID,
        name="web",
        created=MINUTE,
        image_id="1a" * 32,
        config=config or Config(image="busybox", env=("PATH=/bin",)),
        host_config=host_config or HostConfig(),
        path="sleep",
        args=("3600",),
        state=replace(ContainerState(status), **state),  # type: ignore[arg-type]
    )
    attached = AttachedNetwork(
        network.name,
        attachment or Attachment(network.name),
        network,
        endpoint(network, *ports) if running else None,
    )
    sandbox = Sandbox("5a" * 32, ID, "web") if running else None
    return ContainerView(container, "busybox", (attached,), sandbox, "/run/netns/5a" if running else "")

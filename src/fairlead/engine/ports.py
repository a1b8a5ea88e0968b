"""Which host ports a container gets: the ones it names, or free ones; conflicts name the holder."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from fairlead.model.addresses import Address
from fairlead.model.container import Container, PortRequest, exposed
from fairlead.model.endpoint import Endpoint, PublishedPort
from fairlead.model.errors import Failed, InvalidParameter, PortTaken
from fairlead.model.records import Place

DYNAMIC_PORTS = range(49153, 65536)  # where ports are chosen from on a host that does not say (IANA's)
ANY4, ANY6 = IPv4Address("0.0.0.0"), IPv6Address("::")


def exposed_requests(ports: Iterable[str], named: Sequence[PortRequest]) -> list[PortRequest]:
    """What --publish-all adds: a request for each exposed port that none names already."""
    taken = {(each.container_port, each.protocol) for each in named}
    return [PortRequest(*key) for key in dict.fromkeys(exposed(ports)) if key not in taken]


class ChosenPortTaken(Failed):
    """Somebody beside the engine holds a port that was the engine's choice: choosing again may help."""


class Turns:
    """Spans of ports are gone through in turn, so that what was freed is not taken again at once.

    Source: libnetwork `portallocator.go`; there each address, protocol and span has a turn of its own too.
    """

    def __init__(self, chosen: range = DYNAMIC_PORTS):
        """`chosen` is the span of ports that nobody names."""
        self.chosen = chosen
        self._last: dict[tuple[str, Address, range], int] = {}

    def ports(self, protocol: str, address: Address, span: range) -> Iterator[int]:
        """All the ports of a span, from the one behind the last chosen one on."""
        last = self._last.get((protocol, address, span), span[-1])
        behind = last + 1 - span.start
        return (span[(behind + number) % len(span)] for number in range(len(span)))

    def chose(self, protocol: str, addresses: Iterable[Address], span: range, port: int) -> None:
        """The next search goes on behind this port."""
        for address in addresses:
            self._last[protocol, address, span] = port


class Allocation:
    """Chooses host ports one request after the other; remembers what it has chosen."""

    def __init__(
        self,
        holder: Callable[[Place], str | None],
        default_address: Address,
        turns: Turns,
        routed: Collection[int] = (),
        versions: Collection[int] = (4, 6),
    ):
        """`holder` names the container that has a place; `turns` says where a search for a free one begins.

        Of the IP versions in `routed` no port of the host is taken: packets come to the container's own.
        Host addresses of a version not in `versions` are left out, as Docker leaves them out.
        """
        self._own: dict[Place, str] = {}
        self._others = holder
        self._default = default_address
        self._turns = turns
        self._routed = routed
        self._versions = versions

    def _holder(self, place: Place) -> str | None:
        return self._own.get(place) or self._others(place)

    def publish(self, requests: Iterable[PortRequest], container: str) -> tuple[PublishedPort, ...]:
        """The ports for these requests, runs of neighbours put together.

        Raises Failed in Docker's words, with the holder, when a port is taken.
        """
        singles: list[PublishedPort] = []
        for request in docker_order(requests):
            singles += self._one(request, container)
        return merge(singles)

    def _one(self, request: PortRequest, container: str) -> list[PublishedPort]:
        wanted = self._addresses(request.host_address)
        addresses = tuple(address for address in wanted if address.version not in self._routed)
        port = self._choose(request, addresses) if addresses else 0
        for address in addresses:
            self._own[request.protocol, address, port] = container
        published = []
        for address in wanted:
            if address not in addresses and not address.is_unspecified:
                raise InvalidParameter(
                    f"cannot publish port {request.container_port} on {address}: the container's network "
                    "has no part in the host's ports, packets are routed to the container's own address"
                )
            number = port if address in addresses else 0
            published.append(PublishedPort(request.protocol, address, number, request.container_port))
        return published

    def _addresses(self, wanted: str) -> tuple[Address, ...]:
        found = (ANY4, ANY6) if self._default == ANY4 else (self._default,)
        if wanted:
            found = (ip_address(wanted),)
        return tuple(address for address in found if address.version in self._versions)

    def _choose(self, request: PortRequest, addresses: tuple[Address, ...]) -> int:
        span = span_of(request) or self._turns.chosen
        for port in self._turns.ports(request.protocol, addresses[0], span):
            if all(self._holder((request.protocol, address, port)) is None for address in addresses):
                if len(span) > 1:
                    self._turns.chose(request.protocol, addresses, span, port)
                return port
        if not span_of(request):
            raise Failed("all ports are allocated")
        holders = (self._holder((request.protocol, address, span[0])) for address in addresses)
        holder = next(each for each in holders if each is not None)
        if len(span) > 1:
            raise Failed(
                f"all ports are allocated: {request.host_port}: {span[0]} is held by container {holder}"
            )
        raise Failed(
            f"Bind for {addresses[0]}:{span[0]} failed: port is already allocated: held by container {holder}"
        )


def span_of(request: PortRequest) -> range:
    """The host's ports that a request names, none where it leaves the choice to the engine."""
    first, _, last = request.host_port.partition("-")
    return range(int(first), int(last or first) + 1) if first and int(first) else range(0)


def docker_order(requests: Iterable[PortRequest]) -> list[PortRequest]:
    """Requests as Docker serves them: from the highest container port down, then from the highest host port.

    Source: the sort of go-connections' `nat.SortPortMap`.
    """

    def host_port(request: PortRequest) -> int:
        return int(request.host_port.partition("-")[0] or 0)

    last_first = list(requests)[::-1]
    return sorted(last_first, key=lambda each: (-each.container_port, each.protocol, -host_port(each)))


def merge(ports: Sequence[PublishedPort]) -> tuple[PublishedPort, ...]:
    """Put neighbours together: equal protocol and address, both port numbers one higher."""
    merged: list[PublishedPort] = []
    last: dict[tuple[str, Address], int] = {}
    for port in sorted(ports, key=lambda each: each.container_port):
        lane = (port.protocol, port.host_address)
        where = last.get(lane)
        if where is not None:
            run = merged[where]
            outer = 0 if run.routed else run.host_port + run.count
            follows = (outer, run.container_port + run.count)
            if follows == (port.host_port, port.container_port):
                merged[where] = PublishedPort(
                    run.protocol, run.host_address, run.host_port, run.container_port, run.count + 1
                )
                continue
        last[lane] = len(merged)
        merged.append(port)
    return tuple(merged)


def port_failure(container: Container, endpoint: Endpoint, reason: str) -> Failed:
    """The error of a port that cannot be published, as Docker words it."""
    return Failed(
        "driver failed programming external connectivity on endpoint "
        f"{container.name} ({endpoint.id}): {reason}"
    )


def port_taken(container: Container, endpoint: Endpoint, taken: PortTaken) -> Failed:
    """The error of a port that somebody beside the engine holds: ChosenPortTaken where others might do."""
    error = port_failure(container, endpoint, taken.message)
    named = (
        each
        for each in container.host_config.port_bindings
        if each.protocol == taken.protocol and taken.port in span_of(each)
    )
    return error if any(named) else ChosenPortTaken(error.message)

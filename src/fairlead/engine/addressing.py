"""Which addresses and aliases a container may ask of a network."""

from fairlead.model.endpoint import Attachment
from fairlead.model.errors import Conflict, InvalidParameter
from fairlead.model.network import Network


def require_addressable(network: Network, attachment: Attachment) -> None:
    """Refuse addresses and aliases where Docker does not support them."""
    fixed = [address for address in (attachment.ipv4, attachment.ipv6) if address is not None]
    if network.default_bridge or network.driver in ("host", "null"):
        if fixed:
            raise InvalidParameter("user specified IP address is supported on user defined networks only")
        if attachment.aliases:
            raise InvalidParameter(
                "network-scoped alias is supported only for containers in user defined networks"
            )
    elif any(address.version not in _requested_versions(network) for address in fixed):
        raise InvalidParameter(
            "user specified IP address is supported only when connecting to networks with user configured "
            "subnets"
        )


def _requested_versions(network: Network) -> set[int]:
    """The IP versions whose subnet the user chose."""
    return {pool.subnet.version for pool in network.pools if pool.subnet_requested}


def require_possible(networks: list[tuple[Attachment, Network]]) -> None:
    """The same for everything that a container asks of its networks at start."""
    for attachment, network in networks:
        require_addressable(network, attachment)
    if any(network.driver in ("host", "null") for _, network in networks) and len(networks) > 1:
        raise Conflict(
            "container cannot be connected to multiple networks with one of the networks in private "
            "(none) mode"
        )

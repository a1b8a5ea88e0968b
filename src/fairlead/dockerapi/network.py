"""Networks: request bodies read into commands, and what inspect and list show."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from fairlead.dockerapi.container_parse import ENDPOINT_SCHEMA, parse_attachment
from fairlead.dockerapi.kinds import (
    BOOLEAN,
    TEXT,
    TEXT_MAP,
    Field,
    array_schema,
    as_object,
    member,
    mistyped,
    nullable,
    object_schema,
    or_null,
    parse_fields,
)
from fairlead.dockerapi.times import rfc3339
from fairlead.dockerapi.version import Version
from fairlead.model.addresses import Address, Subnet
from fairlead.model.cluster import RemoteEndpoint
from fairlead.model.commands import CreateNetwork
from fairlead.model.endpoint import Attachment, Endpoint
from fairlead.model.errors import Failed, InvalidParameter
from fairlead.model.network import Network, Pool
from fairlead.model.views import NetworkView

_CREATE = (
    Field("Name", "name", TEXT),
    Field("Driver", "driver", TEXT),
    Field("Internal", "internal", BOOLEAN),
    Field("Attachable", "attachable", BOOLEAN),
    Field("Ingress", "ingress", BOOLEAN),
    Field("EnableIPv4", "enable_ipv4", nullable(BOOLEAN)),
    Field("EnableIPv6", "enable_ipv6", BOOLEAN),
    Field("CheckDuplicate", "check_duplicate", BOOLEAN),
    Field("Scope", "scope", TEXT),
    Field("ConfigOnly", "config_only", BOOLEAN),
    Field("Options", "options", TEXT_MAP),
    Field("Labels", "labels", TEXT_MAP),
)
_POOL = (
    Field("Subnet", "subnet", TEXT),
    Field("IPRange", "ip_range", TEXT),
    Field("Gateway", "gateway", TEXT),
    Field("AuxiliaryAddresses", "auxiliary", TEXT_MAP),
)
CREATE_SCHEMA = object_schema(
    _CREATE,
    {
        "IPAM": object_schema(
            (),
            {
                "Driver": TEXT.schema,
                "Options": TEXT_MAP.schema,
                "Config": array_schema(or_null(object_schema(_POOL))),
            },
        ),
        "ConfigFrom": object_schema((), {"Network": TEXT.schema}),
    },
)
CONNECT_SCHEMA = object_schema((), {"Container": TEXT.schema, "EndpointConfig": ENDPOINT_SCHEMA})
DISCONNECT_SCHEMA = object_schema((), {"Container": TEXT.schema, "Force": BOOLEAN.schema})
_LISTS_MEMBERS_BEFORE = Version(1, 28)
_SPEAKS_OF_IPV4 = Version(1, 47)


def parse_create(document: object, version: Version) -> CreateNetwork:
    """The body of `POST /networks/create`.

    Raises InvalidParameter, and Failed for a subnet that is none: Docker answers 500 there.
    """
    body = as_object(document, "")
    values: dict[str, Any] = parse_fields(_CREATE, body)
    if values["enable_ipv4"] is None or version < _SPEAKS_OF_IPV4:
        values["enable_ipv4"] = True
    ipam = as_object(member(body, "IPAM"), "IPAM")
    pools = member(ipam, "Config")
    if pools is not None and not isinstance(pools, list):
        raise mistyped("IPAM.Config", "an array", pools)
    source = as_object(member(body, "ConfigFrom"), "ConfigFrom")
    return CreateNetwork(
        **values,
        config_from=_text(member(source, "Network"), "ConfigFrom.Network"),
        pools=tuple(
            _parse_pool(pool, f"IPAM.Config[{index}]", values["name"])
            for index, pool in enumerate(pools or ())
        ),
        ipam_driver=_text(member(ipam, "Driver"), "IPAM.Driver") or "default",
        ipam_options=_options(member(ipam, "Options")),
    )


def _text(value: object, where: str) -> str:
    return "" if value is None else TEXT.parse(value, where)


def _options(value: object) -> Mapping[str, str] | None:
    return None if value is None else TEXT_MAP.parse(value, "IPAM.Options")


def _parse_pool(value: object, where: str, network: str) -> Pool:
    given = parse_fields(_POOL, value, where)
    gateway = None
    if given["gateway"]:
        gateway = _address(
            given["gateway"], f"invalid gateway address {given['gateway']} in Ipam configuration"
        )
    subnet = _subnet(given["subnet"])
    return Pool(
        subnet=subnet,
        ip_range=_range(given["ip_range"], subnet) if given["ip_range"] else None,
        gateway=gateway,
        gateway_requested=gateway is not None,
        auxiliary={
            name: _address(
                text, f"non parsable secondary ip address ({name}:{text}) passed for network {network}"
            )
            for name, text in given["auxiliary"].items()
        },
    )


def _subnet(text: str) -> Subnet:
    """An address with a prefix length; host bits are dropped, as Docker drops them when it uses it."""
    try:
        return _cidr(text)
    except ValueError as error:
        raise Failed(f"Invalid subnet {text} : invalid CIDR address: {text}") from error


def _cidr(text: str) -> Subnet:
    """ADDRESS/LENGTH and nothing else: no masks.  Raises ValueError."""
    if not text.partition("/")[2].isdecimal():
        raise ValueError(text)
    return ip_network(text, strict=False)


def _range(text: str, subnet: Subnet) -> Subnet:
    try:
        return _cidr(text)
    except ValueError as error:
        raise InvalidParameter(
            f'failed to parse pool request for address space "LocalDefault" pool "{subnet}" '
            f'subpool "{text}": Invalid Address SubPool'
        ) from error


def _address(text: str, complaint: str) -> Address:
    try:
        return ip_address(text)
    except ValueError as error:
        raise InvalidParameter(complaint) from error


def parse_connect(document: object) -> tuple[str, Attachment]:
    """The body of `POST /networks/{id}/connect`: the container, and the attachment without a network."""
    body = as_object(document, "")
    container = _text(member(body, "Container"), "Container")
    # The unmatched bracket is Docker's; the docker CLI shows the text as it is.
    complaint = "Invalid {family} address: {text})"
    return container, parse_attachment("", member(body, "EndpointConfig"), "EndpointConfig", complaint)


def parse_disconnect(document: object) -> tuple[str, bool]:
    """The body of `POST /networks/{id}/disconnect`: the container, and whether to force it."""
    body = as_object(document, "")
    force = member(body, "Force")
    container = _text(member(body, "Container"), "Container")
    return container, force is not None and BOOLEAN.parse(force, "Force")


def render_network(view: NetworkView, version: Version, listed: bool = False) -> dict[str, object]:
    """The answer of inspect; `listed`: as an entry of the list, which names members up to API 1.27 only."""
    network = view.network
    shown = not listed or version < _LISTS_MEMBERS_BEFORE
    members, remotes = (view.members, view.remotes) if shown else ((), ())
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": rfc3339(network.created),
        "Scope": network.scope,
        "Driver": network.driver,
        **({"EnableIPv4": network.enable_ipv4} if version >= _SPEAKS_OF_IPV4 else {}),
        "EnableIPv6": network.enable_ipv6,
        "IPAM": _ipam(network),
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": network.ingress,
        "ConfigFrom": {"Network": network.config_from},
        "ConfigOnly": network.config_only,
        "Containers": {
            **{endpoint.container_id: _member(endpoint, name) for endpoint, name in members},
            # Source: moby `api/server/router/network`, for an endpoint without a sandbox on this host.
            **{f"ep-{remote.id}": _member(remote, remote.container) for remote in remotes},
        },
        "Options": dict(network.options),
        "Labels": dict(network.labels),
    }


def _ipam(network: Network) -> dict[str, object]:
    return {
        "Driver": network.ipam_driver,
        "Options": None if network.ipam_options is None else dict(network.ipam_options),
        "Config": [_pool(pool) for pool in network.pools],
    }


def _pool(pool: Pool) -> dict[str, object]:
    document: dict[str, object] = {"Subnet": str(pool.subnet)}
    if pool.ip_range:
        document["IPRange"] = str(pool.ip_range)
    if pool.gateway and pool.gateway_requested:
        document["Gateway"] = str(pool.gateway)
    if pool.auxiliary:
        document["AuxiliaryAddresses"] = {name: str(address) for name, address in pool.auxiliary.items()}
    return document


def _member(endpoint: Endpoint | RemoteEndpoint, name: str) -> dict[str, object]:
    return {
        "Name": name,
        "EndpointID": endpoint.id,
        "MacAddress": endpoint.mac,
        "IPv4Address": str(endpoint.ipv4 or ""),
        "IPv6Address": str(endpoint.ipv6 or ""),
    }

"""What the daemon and the resolver say to each other, as JSON; parsed where it comes in."""

from ipaddress import ip_address, ip_network
from typing import Any

from fairlead.model.host import NameKey, PointerKey, Resolver, ResolverKey

Key = ResolverKey | NameKey | PointerKey
Value = Resolver | str


def key_document(key: Key) -> list[str]:
    """A key as [kind, parts...]."""
    match key:
        case ResolverKey():
            return ["resolver", key.namespace]
        case NameKey():
            return ["name", key.network_id, key.name, str(key.address)]
        case PointerKey():
            return ["pointer", key.network_id, str(key.address)]


def read_key(document: Any) -> Key:
    """The key of such an array.  Raises ValueError."""
    match document:
        case ["resolver", str(namespace)] if namespace and "/" not in namespace:
            return ResolverKey(namespace)
        case ["name", str(network_id), str(name), str(address)]:
            return NameKey(network_id, name, ip_address(address))
        case ["pointer", str(network_id), str(address)]:
            return PointerKey(network_id, ip_address(address))
    raise ValueError(f"{document!r} is not a key")


def value_document(value: Value | None) -> Any:
    """A resolver as an object, a name or endpoint as it is, None as None."""
    if not isinstance(value, Resolver):
        return value
    return {
        "networks": value.networks,
        "network_names": value.network_names,
        "upstreams": value.upstreams,
        "search": value.search,
        "links": value.links,
        "internal": value.internal,
        "inside": value.inside,
        "closed": value.closed,
        "subnets": [str(each) for each in value.subnets],
        "ndots": value.ndots,
    }


def read_value(key: Key, document: Any) -> Value | None:
    """The value that belongs to a key.  Raises ValueError, TypeError or KeyError."""
    if document is None:
        return None
    if not isinstance(key, ResolverKey):
        if not isinstance(document, str):
            raise ValueError(f"{document!r} is no text")
        return document
    upstreams = _texts(document["upstreams"])
    for each in upstreams:
        ip_address(each)
    networks, names = _texts(document["networks"]), _texts(document["network_names"])
    if names and len(names) != len(networks):
        raise ValueError("there are more or fewer names than networks")
    links = [_texts(each) for each in document["links"]]
    return Resolver(
        networks=networks,
        upstreams=upstreams,
        search=_texts(document["search"]),
        links=tuple((name, network, target) for name, network, target in links),
        internal=bool(document["internal"]),
        network_names=names,
        inside=_texts(document["inside"]),
        closed=_texts(document["closed"]),
        subnets=tuple(ip_network(each) for each in _texts(document["subnets"])),
        ndots=int(document["ndots"]),
    )


def _texts(document: Any) -> tuple[str, ...]:
    if not isinstance(document, list) or not all(isinstance(each, str) for each in document):
        raise ValueError(f"{document!r} is no list of texts")
    return tuple(document)

"""The keys of the shared store: each is built and read here alone (decision 010)."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from fairlead.model.addresses import Address

ROOT = "/fairlead/v1/"
POOLS = ROOT + "pools"
_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class MemberKey:
    """A host."""

    member_id: str


@dataclass(frozen=True, slots=True)
class NetworkKey:
    """A global network."""

    network_id: str


@dataclass(frozen=True, slots=True)
class NameIsTaken:
    """Which network has a name."""

    name: str


@dataclass(frozen=True, slots=True)
class VniIsTaken:
    """Which network has a VNI."""

    vni: int


@dataclass(frozen=True, slots=True)
class ClaimKey:
    """Who holds an address of a network."""

    network_id: str
    address: Address


@dataclass(frozen=True, slots=True)
class EndpointKey:
    """A host's endpoint on a network."""

    network_id: str
    endpoint_id: str


@dataclass(frozen=True, slots=True)
class PoolsCounter:
    """Moved by everything that chooses or gives back a subnet."""


StoreKey = MemberKey | NetworkKey | NameIsTaken | VniIsTaken | ClaimKey | EndpointKey | PoolsCounter


def member(member_id: str) -> str:
    """Where a host is."""
    return f"{ROOT}members/{member_id}"


def network(network_id: str) -> str:
    """Where a network is."""
    return f"{ROOT}networks/{network_id}"


def name(network_name: str) -> str:
    """Where the id of the network that is called so is."""
    return f"{ROOT}names/{network_name}"


def vni(number: int) -> str:
    """Where the id of the network that has this VNI is."""
    return f"{ROOT}vnis/{number}"


def claim(network_id: str, address: Address) -> str:
    """Where the holder of an address is."""
    return f"{ROOT}claims/{network_id}/{address}"


def claims(network_id: str) -> str:
    """What the keys of all claims on a network begin with."""
    return f"{ROOT}claims/{network_id}/"


def endpoints(network_id: str) -> str:
    """What the keys of all endpoints of a network begin with."""
    return f"{ROOT}endpoints/{network_id}/"


def endpoint(network_id: str, endpoint_id: str) -> str:
    """Where an endpoint is."""
    return f"{ROOT}endpoints/{network_id}/{endpoint_id}"


def is_id(text: str) -> bool:
    """Whether a text is an id: 64 hexadecimal digits."""
    return _ID.fullmatch(text) is not None


def parse(key: str) -> StoreKey | None:
    """What a key of the store stands for; None if this version writes none such."""
    if not key.startswith(ROOT):
        return None
    match key.removeprefix(ROOT).split("/"):
        case ["pools"]:
            return PoolsCounter()
        case ["members", identity] if is_id(identity):
            return MemberKey(identity)
        case ["networks", identity] if is_id(identity):
            return NetworkKey(identity)
        case ["names", called] if called:
            return NameIsTaken(called)
        case ["vnis", number] if re.fullmatch(r"[1-9][0-9]{0,7}", number):
            return VniIsTaken(int(number))
        case ["claims", identity, address] if is_id(identity):
            return _claim(identity, address)
        case ["endpoints", network_id, identity] if is_id(network_id) and is_id(identity):
            return EndpointKey(network_id, identity)
    return None


def _claim(network_id: str, text: str) -> ClaimKey | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return ClaimKey(network_id, address) if str(address) == text else None

"""What the interfaces of a sandbox are called, and which further addresses and settings they get."""

from collections.abc import Collection, Mapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface

from fairlead.model.addresses import Interface
from fairlead.model.endpoint import INTERFACE_NAME, INTERFACE_SYSCTLS, Attachment
from fairlead.model.errors import InvalidParameter
from fairlead.model.network import Network

# Docker gives a link-local address the mask of its block.
LINK_LOCAL_MASKS = {4: 16, 6: 64}


def interface_names(
    wishes: Sequence[tuple[Attachment, Network]], taken: Collection[str], had: Mapping[str, int]
) -> tuple[list[str], Mapping[str, int]]:
    """A name for each, in this order, and how many of each prefix there have been then.

    `had` is how many there have been before: a number is not used twice.  InvalidParameter where
    two ask for one name.
    """
    used, counts, names = set(taken), dict(had), []
    for attachment, network in wishes:
        asked = (attachment.driver_options or {}).get(INTERFACE_NAME, "")
        if asked and asked in used:
            raise InvalidParameter(f"cannot name an interface {asked} on network {network.name}: it is taken")
        used.add(asked)
    for attachment, network in wishes:
        name = (attachment.driver_options or {}).get(INTERFACE_NAME, "")
        prefix = network.interface_prefix
        while not name:
            candidate = f"{prefix}{counts.get(prefix, 0)}"
            counts[prefix] = counts.get(prefix, 0) + 1
            name = "" if candidate in used else candidate
        used.add(name)
        names.append(name)
    return names, counts


def interface_sysctls(attachment: Attachment, interface: str) -> dict[str, str]:
    """The settings that an attachment asks for its interface, by their whole names."""
    text = (attachment.driver_options or {}).get(INTERFACE_SYSCTLS, "")
    pairs = (each.strip().partition("=") for each in text.split(",") if each.strip())
    return {_with_name(name.split("."), interface): value for name, _, value in pairs}


def _with_name(parts: list[str], interface: str) -> str:
    return "/".join(interface if part.upper() == "IFNAME" else part for part in parts)


def link_local_interfaces(attachment: Attachment) -> tuple[Interface, ...]:
    """The further addresses that an attachment asks for, with their masks."""
    return tuple(
        IPv4Interface((address, LINK_LOCAL_MASKS[4]))
        if address.version == 4
        else IPv6Interface((address, LINK_LOCAL_MASKS[6]))
        for address in attachment.link_local
    )

"""What a container asks of its networks and of its sandbox."""

from fairlead.model.container import Container
from fairlead.model.endpoint import Attachment
from fairlead.model.network import Network


def ipv6_wishes(container: Container) -> dict[str, str]:
    """What the container itself asks of IPv6 in its sandbox; the runtime sees to its other settings."""
    wishes = container.host_config.sysctls or {}
    names = [f"net.ipv6.conf.{links}.disable_ipv6" for links in ("all", "default")]
    return {name: wishes[name].strip() for name in names if wishes.get(name, "").strip() in ("0", "1")}


def network_links(attachment: Attachment, network: Network) -> tuple[tuple[str, str, str], ...]:
    """The names that links give to others on a user-defined network: (name, network's id, target's name)."""
    pairs = (text.partition(":")[::2] for text in attachment.links)
    return tuple((alias or target, network.id, target) for target, alias in pairs)


def names_on(container: Container, attachment: Attachment, network: Network) -> tuple[str, ...]:
    """What neighbours may call the container: its name, aliases, short id and hostname."""
    if network.default_bridge:
        return ()
    names = [container.name, *attachment.aliases, container.id[:12], container.config.hostname]
    return tuple(dict.fromkeys(name for name in names if name))


def is_first(container: Container, network: Network) -> bool:
    """Whether it is the network that the container was made for: --mac-address is about that one."""
    first = next(iter(container.attachments), None)
    return first is not None and first.network in (network.name, network.id)

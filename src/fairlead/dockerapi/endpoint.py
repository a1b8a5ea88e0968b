"""What Docker shows of a container's place on its networks (EndpointSettings)."""

from fairlead.dockerapi.version import Version
from fairlead.model.endpoint import Attachment, Endpoint
from fairlead.model.views import AttachedNetwork, ContainerView

_PREDEFINED = frozenset({"bridge", "host", "none", "default"})
_HAS_DNS_NAMES = Version(1, 44)
_HAS_PLAIN_ALIASES = Version(1, 45)
_HAS_PRIORITIES = Version(1, 48)


def render_networks(
    view: ContainerView, version: Version, brief: bool = False
) -> dict[str, dict[str, object]]:
    """Its networks by name; `brief` as the list of containers shows them, without names and links."""
    return {each.name: _render(view, each, version, brief) for each in view.networks}


def _render(
    view: ContainerView, attached: AttachedNetwork, version: Version, brief: bool
) -> dict[str, object]:
    attachment = attached.attachment
    document: dict[str, object] = {
        "IPAMConfig": _ipam(attachment),
        "Links": list(attachment.links) or None if not brief else None,
        "Aliases": _aliases(view, attached, version) if not brief else None,
        "NetworkID": _network_id(attached),
        **_addresses(attached.endpoint),
        "DriverOpts": _driver_options(attachment) if not brief else None,
    }
    if version >= _HAS_PRIORITIES:
        document["GwPriority"] = attachment.gateway_priority
    if version >= _HAS_DNS_NAMES:
        document["DNSNames"] = _dns_names(view, attached) if not brief else None
    return document


def _network_id(attached: AttachedNetwork) -> str:
    """The network's id, from the first time on that the container joined it."""
    return attached.endpoint.network_id if attached.endpoint else attached.attachment.network_id


def _addresses(endpoint: Endpoint | None) -> dict[str, object]:
    if endpoint is None:
        return {
            "EndpointID": "",
            "Gateway": "",
            "IPAddress": "",
            "IPPrefixLen": 0,
            "IPv6Gateway": "",
            "GlobalIPv6Address": "",
            "GlobalIPv6PrefixLen": 0,
            "MacAddress": "",
        }
    return {
        "EndpointID": endpoint.id,
        "Gateway": str(endpoint.gateway4 or ""),
        "IPAddress": str(endpoint.ipv4.ip) if endpoint.ipv4 else "",
        "IPPrefixLen": endpoint.ipv4.network.prefixlen if endpoint.ipv4 else 0,
        "IPv6Gateway": str(endpoint.gateway6 or ""),
        "GlobalIPv6Address": str(endpoint.ipv6.ip) if endpoint.ipv6 else "",
        "GlobalIPv6PrefixLen": endpoint.ipv6.network.prefixlen if endpoint.ipv6 else 0,
        "MacAddress": endpoint.mac,
    }


def _ipam(attachment: Attachment) -> dict[str, object] | None:
    document: dict[str, object] = {}
    if attachment.ipv4:
        document["IPv4Address"] = str(attachment.ipv4)
    if attachment.ipv6:
        document["IPv6Address"] = str(attachment.ipv6)
    if attachment.link_local:
        document["LinkLocalIPs"] = [str(address) for address in attachment.link_local]
    return document if document or attachment.has_ipam else None


def _driver_options(attachment: Attachment) -> dict[str, str] | None:
    return None if attachment.driver_options is None else dict(attachment.driver_options)


def _aliases(view: ContainerView, attached: AttachedNetwork, version: Version) -> list[str] | None:
    """The aliases asked for; up to API 1.44 also the short id and the hostname, as Docker adds them.

    It adds them on user-defined networks.
    """
    attachment, container = attached.attachment, view.container
    aliases = list(attachment.aliases)
    short = container.id[:12]
    if version >= _HAS_PLAIN_ALIASES:
        aliases = [alias for alias in aliases if alias != short]
    elif _has_names(view, attached):
        added = (short,) if _shares(view) else (short, container.config.hostname)
        aliases += [name for name in dict.fromkeys(added) if name and name not in aliases]
    return aliases if aliases or attachment.has_aliases else None


def _shares(view: ContainerView) -> bool:
    """Whether it uses another container's sandbox, so that networks connected before its start stay idle."""
    return view.container.host_config.network_mode.startswith("container:")


def _has_names(view: ContainerView, attached: AttachedNetwork) -> bool:
    """Whether Docker has named it on this network: a user-defined one that it has tried to join."""
    state = view.container.state
    tried = attached.endpoint or attached.attachment.network_id or state.ever_started or state.error
    known = attached.network or attached.attachment.network_id
    return bool(known and attached.name not in _PREDEFINED and tried)


def _dns_names(view: ContainerView, attached: AttachedNetwork) -> list[str] | None:
    if not _has_names(view, attached):
        return None
    if attached.endpoint and attached.endpoint.names:
        return list(attached.endpoint.names)
    container = view.container
    return list(dict.fromkeys((container.name, *attached.attachment.aliases, container.id[:12])))

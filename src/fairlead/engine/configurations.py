"""Networks that are configuration only: nobody is on them, others are made like them.

Source of the rules and the words: libnetwork `network.go` validateConfiguration, applyConfigurationTo.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fairlead.model.commands import CreateNetwork
from fairlead.model.errors import Forbidden, NotFound
from fairlead.model.network import Network

NO_ENDPOINT = "cannot create endpoint on configuration-only network"


def require_configuration(request: CreateNetwork) -> None:
    """Refuse a configuration that says what only a network in use can be."""
    if request.ingress or request.internal or request.attachable or request.scope:
        raise Forbidden(
            "configuration network can only contain network specific fields. Network operator fields like "
            "[ ingress | internal | attachable | scope ] are not supported."
        )
    if request.config_from:
        raise Forbidden("a configuration network cannot depend on another configuration network")


def configured(
    request: CreateNetwork, existing: Sequence[Network], defaults: Mapping[str, Mapping[str, str]]
) -> CreateNetwork:
    """The request with what its configuration network says, else with the daemon's default options.

    `defaults` are options by driver.  Forbidden where the request says such things itself, NotFound
    where there is no such configuration.
    """
    if request.config_only:
        return request
    if not request.config_from:
        options = {**defaults.get(request.driver or "bridge", {}), **request.options}
        return replace(request, options=options)
    if (
        request.ipam_driver not in ("", "default")
        or request.enable_ipv6
        or request.labels
        or request.ipam_options
        or request.pools
    ):
        raise Forbidden(
            "user specified configurations are not supported if the network depends on a configuration "
            "network"
        )
    if request.options:
        raise Forbidden(
            "network driver options are not supported if the network depends on a configuration network"
        )
    source = source_of(request.config_from, existing)
    return replace(
        request,
        pools=source.pools,
        enable_ipv4=source.enable_ipv4,
        enable_ipv6=source.enable_ipv6,
        ipam_driver=source.ipam_driver,
        ipam_options=source.ipam_options,
        options=source.options,
        labels=source.labels,
    )


def source_of(name: str, existing: Sequence[Network]) -> Network:
    """The configuration network of that name; NotFound if there is none."""
    for network in existing:
        if network.config_only and network.name == name:
            return network
    raise NotFound(f'configuration network "{name}" does not exist')


def require_unused(network: Network, existing: Sequence[Network]) -> None:
    """Refuse to remove a configuration that networks were made like."""
    if network.config_only and any(each.config_from == network.name for each in existing):
        raise Forbidden(f'error while removing network: configuration network "{network.name}" is in use')

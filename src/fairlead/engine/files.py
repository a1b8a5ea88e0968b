"""The files that a container gets from the engine: written before it starts, rewritten when they change."""

from collections.abc import Mapping

from fairlead.engine.context import Context
from fairlead.engine.hostfiles import (
    EMBEDDED_SERVER,
    ResolvConf,
    hosts_text,
    is_loopback,
    parse_resolv_conf,
    reachable,
)
from fairlead.engine.sandboxes import Sandboxes, Stay
from fairlead.model.container import Container, HostsEntry

DESTINATIONS = {"resolv.conf": "/etc/resolv.conf", "hostname": "/etc/hostname", "hosts": "/etc/hosts"}


class Files:
    """hosts, hostname and resolv.conf of each container, in its own directory."""

    def __init__(self, context: Context, sandboxes: Sandboxes):
        self._context = context
        self._sandboxes = sandboxes

    async def write(self, container: Container, stay: Stay) -> None:
        """Write all three for a container with a sandbox of its own."""
        texts = {
            "hostname": f"{container.config.hostname}\n",
            "hosts": await self._hosts(container, stay),
            "resolv.conf": await self._resolv_conf(container, stay),
        }
        await self._context.machine.write_files(container.id, texts)

    def binds(self, owner_id: str) -> Mapping[str, str]:
        """Where the files of a container are mounted, by their paths on the host."""
        directory = self._context.machine.directory(owner_id)
        return {destination: f"{directory}/{name}" for name, destination in DESTINATIONS.items()}

    async def _hosts(self, container: Container, stay: Stay) -> str:
        if not stay.sandbox.name:
            return await self._context.machine.hosts_file()
        hostname, domain = container.config.hostname, container.config.domainname
        names = (f"{hostname}.{domain}", hostname) if domain else (hostname,)
        own = [
            HostsEntry(interface.ip, names)
            for _, endpoint in stay.places
            for interface in (endpoint.ipv4, endpoint.ipv6)
            if interface is not None
        ]
        return hosts_text([*self._linked(container, stay), *own], container.host_config.extra_hosts or ())

    def _linked(self, container: Container, stay: Stay) -> list[HostsEntry]:
        """The entries of links on the default bridge: alias, hostname and name of each target."""
        entries = []
        containers = self._context.records.containers
        for target_id, alias in container.links:
            target, target_stay = containers.get(target_id), self._sandboxes.of(target_id)
            if target is None or target_stay is None:
                continue
            address = next((e.ipv4 for n, e in target_stay.places if n.default_bridge and e.ipv4), None)
            if address is not None and any(network.default_bridge for network, _ in stay.places):
                names = dict.fromkeys((alias, target.config.hostname, target.name))
                entries.append(HostsEntry(address.ip, tuple(names)))
        return entries

    async def _resolv_conf(self, container: Container, stay: Stay) -> str:
        text = await self._context.machine.resolv_conf()
        host, settings, own = parse_resolv_conf(text), self._context.settings, container.host_config
        if not stay.sandbox.name and not (own.dns or own.dns_search or own.dns_options):
            return text
        servers = own.dns or settings.dns
        search = own.dns_search or settings.dns_search
        options = own.dns_options or settings.dns_opt
        if stay.sandbox.embedded_dns:
            words = options or host.options
            if not any(word.startswith("ndots:") for word in words):
                words = (*words, "ndots:0")
            return ResolvConf((EMBEDDED_SERVER,), search or host.search, words).text()
        if not (servers or search or options) and not any(map(is_loopback, host.servers)) and host.servers:
            return text
        ipv6 = any(endpoint.ipv6 for _, endpoint in stay.places)
        return ResolvConf(
            servers or reachable(host, ipv6), search or host.search, options or host.options
        ).text()

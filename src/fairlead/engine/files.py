"""The files that a container gets from the engine: written before it starts, edited when they change."""

from collections.abc import Mapping

from fairlead.engine import links
from fairlead.engine.context import Context
from fairlead.engine.hostfiles import (
    EMBEDDED_SERVER,
    ResolvConf,
    edited,
    filtered,
    hosts_text,
    in_force,
    moved,
    own_names,
    parse_resolv_conf,
    reachable,
    without,
)
from fairlead.engine.sandboxes import Sandboxes
from fairlead.engine.stay import Stay
from fairlead.model.addresses import Address
from fairlead.model.container import Container, HostsEntry

DESTINATIONS = {"resolv.conf": "/etc/resolv.conf", "hostname": "/etc/hostname", "hosts": "/etc/hosts"}


class Files:
    """hosts, hostname and resolv.conf of each container, in its own directory."""

    def __init__(self, context: Context, sandboxes: Sandboxes):
        self._context = context
        self._sandboxes = sandboxes

    async def write(self, container: Container, stay: Stay) -> None:
        """Write all three for a container with a sandbox of its own."""
        await self._context.machine.write_files(container.id, await self._texts(container, stay))

    async def _texts(self, container: Container, stay: Stay) -> dict[str, str]:
        return {
            "hostname": f"{container.config.hostname}\n",
            "hosts": await self._hosts(container, stay),
            "resolv.conf": await self._resolv_conf(container, stay),
        }

    async def change(self, container: Container, before: Stay, after: Stay) -> None:
        """Replace what follows from one stay by what follows from another; what it wrote itself stays."""
        machine = self._context.machine
        text = await machine.read_file(container.id, "hosts")
        if text:
            old, new = self._entries(container, before), self._entries(container, after)
            gone = [entry for entry in old if entry not in new]
            texts = {"hosts": edited(text, gone, [entry for entry in new if entry not in old])}
        else:
            texts = {"hosts": await self._hosts(container, after)}
        resolv_conf = await self._resolv_conf(container, after)
        if resolv_conf != await self._resolv_conf(container, before):
            texts["resolv.conf"] = resolv_conf
        await machine.write_files(container.id, texts)

    async def restore(self) -> list[str]:
        """Write again what is missing, or empty, of running containers' files: what it was, in words.

        What a container has written there itself stays.
        """
        context, lost = self._context, list[str]()
        for container in list(context.records.containers.values()):
            stay = self._sandboxes.of(container.id)
            if stay is None or stay.sandbox.phase != "settled" or context.held(container.id):
                continue
            missing = await context.machine.missing_files(container.id, list(DESTINATIONS))
            if missing:
                texts = await self._texts(container, stay)
                await context.machine.write_files(container.id, {name: texts[name] for name in missing})
                lost += [f"the file {DESTINATIONS[name]} of {container.name} was missing" for name in missing]
        return lost

    async def move(self, container: Container, name: str, address: Address) -> None:
        """Let the hosts entry that begins with a name lead to another address."""
        text = await self._context.machine.read_file(container.id, "hosts")
        changed = moved(text, name, address)
        if changed != text:
            await self._context.machine.write_files(container.id, {"hosts": changed})

    async def unlink(self, container: Container, name: str) -> None:
        """Take away the hosts entry that begins with a name."""
        text = await self._context.machine.read_file(container.id, "hosts")
        left = without(text, name)
        if left != text:
            await self._context.machine.write_files(container.id, {"hosts": left})

    def binds(self, owner_id: str) -> Mapping[str, str]:
        """Where the files of a container are mounted, by their paths on the host."""
        directory = self._context.machine.directory(owner_id)
        return {destination: f"{directory}/{name}" for name, destination in DESTINATIONS.items()}

    async def _hosts(self, container: Container, stay: Stay) -> str:
        extra = container.host_config.extra_hosts or ()
        if not stay.sandbox.name and not extra:
            return await self._context.machine.hosts_file()
        return hosts_text(self._entries(container, stay), extra, self._gateway())

    def _gateway(self) -> Address | None:
        """What containers reach the host by: what the settings say, else its address on docker0."""
        if (chosen := self._context.settings.host_gateway_ip) is not None:
            return chosen
        networks = self._context.records.networks.values()
        pools = next((network.pools for network in networks if network.default_bridge), ())
        return next((pool.gateway for pool in pools if pool.subnet.version == 4), None)

    def _entries(self, container: Container, stay: Stay) -> list[HostsEntry]:
        """The targets of its links by alias, hostname and name, then its own names."""
        entries = []
        if any(network.default_bridge for network, _ in stay.places):
            for target, alias, address in links.targets(self._context.records, container):
                names = dict.fromkeys((links.short(alias), target.config.hostname, target.name))
                entries.append(HostsEntry(address, tuple(names)))
        own = own_names(container.config.hostname, container.config.domainname)
        return entries + [
            HostsEntry(interface.ip, own)
            for _, endpoint in stay.asked
            for interface in (endpoint.ipv4, endpoint.ipv6)
            if interface is not None
        ]

    async def _resolv_conf(self, container: Container, stay: Stay) -> str:
        machine = self._context.machine
        shared = not stay.sandbox.name  # the host's own namespace reaches all that the host reaches
        text = await machine.resolv_conf()
        if not shared:
            text = in_force(text, await machine.resolved_conf())
        host, settings, own = parse_resolv_conf(text), self._context.settings, container.host_config
        servers = own.dns or settings.dns
        search = own.dns_search or settings.dns_search
        options = own.dns_options or settings.dns_opt
        if stay.sandbox.embedded_dns:
            words = options or host.options
            if not any(word.startswith("ndots:") for word in words):
                words = (*words, "ndots:0")
            return ResolvConf((EMBEDDED_SERVER,), search or host.search, words).text()
        ipv6 = any(endpoint.ipv6 for _, endpoint in stay.places)
        if not (servers or search or options):
            return text if shared else filtered(text, ipv6)
        known = host.servers if shared else reachable(host, ipv6)
        return ResolvConf(servers or known, search or host.search, options or host.options).text()

"""Making a container: everything that can be refused is refused before anything is written."""

from dataclasses import replace

from fairlead.engine.context import Context
from fairlead.engine.defaults import command_line, complete, merge_image
from fairlead.engine.fitting import require_platform, require_processors
from fairlead.engine.ledger import drop, put
from fairlead.engine.links import parsed_link
from fairlead.engine.mounts import Mounts
from fairlead.engine.networks import Networks
from fairlead.engine.references import References
from fairlead.model.commands import CreateContainer
from fairlead.model.container import Config, Container, HostConfig
from fairlead.model.endpoint import Attachment
from fairlead.model.errors import Failed, FairleadError, InvalidParameter, NotFound

CONFLICT = "conflicting options: "
HOST_LINKS = (
    CONFLICT + "host type networking can't be used with links. This would result in undefined behavior"
)


class Creation:
    """Turns a request into a container's record and root filesystem."""

    def __init__(self, context: Context, references: References, networks: Networks, mounts: Mounts):
        self._context = context
        self._references = references
        self._networks = networks
        self._mounts = mounts

    async def create(self, request: CreateContainer) -> tuple[str, tuple[str, ...]]:
        """Make the container: its id, and warnings.  Errors in Docker's words; nothing is left then."""
        context = self._context
        image = await context.images.resolve(request.config.image)
        require_platform(request.platform, request.config.image, image)
        config = merge_image(request.config, image.config)
        path, args = command_line(config)
        host_config = self._with_target(complete(request.host_config, context.settings))
        self._require_consistent(request.config, host_config)
        self._require_sharers(host_config)
        if host_config.nano_cpus or host_config.cpuset_cpus:
            require_processors(host_config, (await context.machine.facts()).cpus)
        name = self._references.new_name(request.name)
        links = self._links(host_config)
        identity = context.new_id()
        container = Container(
            id=identity,
            name=name,
            created=context.clock.now(),
            image_id=image.id,
            config=await self._with_hostname(config, host_config, identity),
            host_config=host_config,
            path=path,
            args=args,
            attachments=self._attachments(request, host_config),
            links=links,
            sequence=context.ledger.next_sequence(),
        )
        warnings = await self._warnings(host_config)
        # The record comes first, pending: whatever is made after it is found by it.
        try:
            await context.ledger.commit(put(container))
            context.at("create: record pending")
            mounts = await self._mounts.resolve(config, host_config)
            container = replace(container, mounts=mounts)
            await context.images.prepare(identity, image)
            context.at("create: root made")
            await context.images.release(identity)
            context.at("create: root released")
            await context.ledger.commit(put(replace(container, phase="settled")))
        except BaseException:
            await self._take_back(container)
            raise
        context.events.emit("container", "create", identity, self.attributes(container))
        return identity, warnings

    async def _warnings(self, host_config: HostConfig) -> tuple[str, ...]:
        """What works otherwise than one may think (Docker's `verifyPlatformContainerSettings`)."""
        mode, warnings = host_config.network_mode, []
        if mode not in ("host", "none") and not await self._context.machine.forwarding():
            warnings.append("IPv4 forwarding is disabled. Networking will not work.")
        if host_config.oom_kill_disable and not host_config.memory:
            warnings.append(
                "OOM killer is disabled for the container, but no memory limit is set, this can result in "
                "the system running out of resources."
            )
        if mode == "host" and host_config.port_bindings:
            warnings.append("Published ports are discarded when using host network mode")
        return tuple(warnings)

    async def _take_back(self, container: Container) -> None:
        context = self._context
        try:
            await context.images.discard(container.id)
        except FairleadError:
            await context.ledger.commit(put(replace(container, phase="removing")))
            raise
        await context.ledger.commit(drop(container))

    @staticmethod
    def attributes(container: Container) -> dict[str, str]:
        """What events say of a container: its labels, image and name."""
        return {**container.config.labels, "image": container.config.image, "name": container.name}

    async def _with_hostname(self, config: Config, host_config: HostConfig, identity: str) -> Config:
        """The hostname asked for, else the host's in its namespace, else the short id."""
        if config.hostname:
            return config
        if host_config.network_mode == "host":
            return replace(config, hostname=(await self._context.machine.facts()).name)
        return replace(config, hostname=identity[:12])

    def _with_target(self, host_config: HostConfig) -> HostConfig:
        """The id of the container whose network it shares, in place of a name that may change.

        A container that is not there yet is looked for again at the start.
        """
        kind, separator, name = host_config.network_mode.partition(":")
        if kind != "container" or not separator or not name:
            return host_config
        try:
            return replace(host_config, network_mode=f"container:{self._references.find(name).id}")
        except FairleadError:
            return host_config

    def _attachments(self, request: CreateContainer, host_config: HostConfig) -> tuple[Attachment, ...]:
        """The networks it will be on: those that are named, else the one of its network mode.

        The mode's own comes first.  Source: Docker's `updateContainerNetworkSettings`.
        """
        mode = host_config.network_mode
        if mode.startswith("container:") or request.config.network_disabled:
            return ()
        first = "bridge" if mode == "default" else mode
        wanted = {self._known(each.network): each for each in request.attachments}
        wanted = {name: replace(each, network=name) for name, each in wanted.items()}
        own = wanted.pop(self._known(first), None) or wanted.pop(mode, None)
        if own is None and wanted and mode not in ("host", "none"):
            return tuple(wanted.values())
        return (replace(own or Attachment(first), network=self._known(first)), *wanted.values())

    def _known(self, reference: str) -> str:
        """The network's name if there is such a network, else the reference as it is."""
        try:
            return self._networks.find(reference).name
        except FairleadError:
            return reference

    def _links(self, host_config: HostConfig) -> tuple[tuple[str, str], ...]:
        """Links as the default bridge has them; on other networks they are part of the attachment."""
        if _is_user_defined(host_config.network_mode):
            return ()
        links: dict[str, str] = {}
        for text in host_config.links or ():
            name, alias = parsed_link(text)
            target = self._link_target(name)
            if target.host_config.network_mode == "host":
                raise InvalidParameter(HOST_LINKS)
            # Of two alike the first counts, and one without a name of its own is none.
            if alias:
                links.setdefault(alias, target.id)
        return tuple((target, alias) for alias, target in links.items())

    def _link_target(self, name: str) -> Container:
        """The container that a link leads to: the one whose network it has, if it has another's."""
        try:
            target = self._references.find(name)
            while target.host_config.network_mode.startswith("container:"):
                target = self._references.find(target.host_config.network_mode.partition(":")[2])
        except FairleadError as error:
            raise InvalidParameter(f"could not get container for {name}: {error.message}") from error
        return target

    def _require_sharers(self, host_config: HostConfig) -> None:
        """Refuse to share processes or memory with a container that is not there."""
        for mode in (host_config.pid_mode, host_config.ipc_mode):
            if mode.startswith("container:"):
                try:
                    self._references.find(mode.partition(":")[2])
                except NotFound as error:
                    raise InvalidParameter(error.message) from error

    def _require_consistent(self, config: Config, host_config: HostConfig) -> None:
        """Refuse options that contradict each other (Docker's `verifyContainerSettings`).

        `config` is what was asked for: what an image says contradicts nothing.
        """
        if host_config.auto_remove and host_config.restart_policy.name not in ("", "no"):
            raise InvalidParameter("can't create 'AutoRemove' container with restart policy")
        if config.working_dir and not config.working_dir.startswith("/"):
            raise InvalidParameter(
                f"the working directory '{config.working_dir}' is invalid, it needs to be an absolute path"
            )
        if any(each.container_port == 0 for each in host_config.port_bindings):
            raise InvalidParameter("cannot publish port 0 of a container: nobody can listen there")
        if host_config.uts_mode == "host" and config.hostname:
            raise InvalidParameter(CONFLICT + "hostname and the UTS mode")
        mode = host_config.network_mode
        if mode == "host" and host_config.links:
            raise InvalidParameter(HOST_LINKS)
        if not mode.startswith("container:"):
            return
        if not mode.partition(":")[2]:
            raise InvalidParameter("Invalid network mode: invalid container format container:<name|id>")
        refused = (
            (bool(config.hostname), "hostname and the network mode"),
            (
                bool(host_config.links),
                "container type network can't be used with links. This would result in undefined behavior",
            ),
            (bool(host_config.dns), "dns and the network mode"),
            (bool(host_config.extra_hosts), "custom host-to-IP mapping and the network mode"),
            (bool(config.mac_address), "mac-address and the network mode"),
            (
                bool(host_config.port_bindings) or host_config.publish_all_ports,
                "port publishing and the container type network mode",
            ),
            (bool(config.exposed_ports), "port exposing and the container type network mode"),
        )
        for is_so, what in refused:
            if is_so:
                raise InvalidParameter(CONFLICT + what)


def _is_user_defined(mode: str) -> bool:
    return mode not in ("", "default", "bridge", "host", "none") and not mode.startswith("container:")


def require_joinable(container: Container, running: bool, joining: str) -> None:
    """Refuse to share the network of a container that does not run, or is the one with the id `joining`."""
    if container.id == joining:
        raise Failed("cannot join own network")
    if not running:
        raise Failed(f"cannot join network of a non running container: {container.id}")

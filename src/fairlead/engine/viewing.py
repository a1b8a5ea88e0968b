"""Containers as inspect and list show them, put together from the records."""

from fairlead.engine.execs import Execs
from fairlead.engine.files import DESTINATIONS
from fairlead.engine.parts import Parts
from fairlead.engine.stay import Stay
from fairlead.model.container import Container
from fairlead.model.endpoint import Sandbox, alias_directory
from fairlead.model.errors import FairleadError
from fairlead.model.network import Network
from fairlead.model.views import AttachedNetwork, ContainerView


class Viewing:
    """Renders records into views."""

    def __init__(self, parts: Parts, execs: Execs):
        self._context = parts.context
        self._references = parts.references
        self._networks = parts.networks
        self._sandboxes = parts.sandboxes
        self._execs = execs

    def view(self, container: Container) -> ContainerView:
        """Everything about a container but its sizes."""
        machine, runtime = self._context.machine, self._context.runtime
        owner = self._files_owner(container)
        directory = machine.directory(owner.id)
        paths = {name: f"{directory}/{name}" if owner.has_files else "" for name in DESTINATIONS}
        stay = self._sandboxes.of(container.id) if container.state.running else None
        return ContainerView(
            container=container,
            image_name=container.config.image,
            networks=self._attached(container, stay),
            way_out=next((each for _, each in stay.places if each.implied), None) if stay else None,
            sandbox=self._sandbox(container, stay),
            sandbox_key=self._sandbox_key(container),
            hostname_path=paths["hostname"],
            hosts_path=paths["hosts"],
            resolv_conf_path=paths["resolv.conf"],
            log_path=runtime.log_path(container.id) if container.state.ever_started else "",
            links=self._links(container),
            names=self._names(container),
            exec_ids=self._execs.of(container.id),
        )

    def _files_owner(self, container: Container) -> Container:
        """Whose files it sees: its own, or those of the container whose network it shares."""
        mode = container.host_config.network_mode
        if not mode.startswith("container:"):
            return container
        try:
            return self._references.find(mode.partition(":")[2])
        except FairleadError:
            return container

    def _attached(self, container: Container, stay: Stay | None) -> tuple[AttachedNetwork, ...]:
        endpoints = {network.id: endpoint for network, endpoint in stay.places} if stay else {}
        attached = []
        for attachment in container.attachments:
            network: Network | None
            try:
                network = self._networks.find(attachment.network)
            except FairleadError:
                network = None
            endpoint = endpoints.get(network.id) if network else None
            name = network.name if network else attachment.network
            attached.append(AttachedNetwork(name, attachment, network, endpoint))
        return tuple(attached)

    def _sandbox(self, container: Container, stay: Stay | None) -> Sandbox | None:
        """The sandbox that it has, or had when it last ran."""
        if stay is not None:
            return stay.sandbox
        return Sandbox(container.sandbox_id, container.id, container.name) if container.sandbox_id else None

    def _sandbox_key(self, container: Container) -> str:
        if not container.sandbox_id:
            return ""
        directory = alias_directory(self._context.settings.exec_root)
        shared = container.host_config.network_mode == "host"
        return f"{directory}/{'default' if shared else container.sandbox_id[:12]}"

    def _links(self, container: Container) -> tuple[str, ...]:
        containers = self._context.records.containers
        return tuple(
            # A target that has been removed is kept by the name that it had.
            f"/{containers[target].name if target in containers else target}:/{container.name}/{alias}"
            for target, alias in container.links
        )

    def _names(self, container: Container) -> tuple[str, ...]:
        """What it and other containers' links call it, in the order of Docker's list: by name."""
        names = [
            f"/{other.name}/{alias}"
            for other in self._context.records.linked_to(container.id)
            for target, alias in other.links
            if target == container.id
        ]
        return tuple(sorted([f"/{container.name}", *names]))

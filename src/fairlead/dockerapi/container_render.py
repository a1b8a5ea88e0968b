"""What Docker shows of a container: the documents of inspect and of the list."""

from collections.abc import Sequence

from fairlead.dockerapi.container_status import describe_status
from fairlead.dockerapi.endpoint import render_networks
from fairlead.dockerapi.fields import render_config, render_host_config
from fairlead.dockerapi.times import SECOND, rfc3339
from fairlead.dockerapi.version import Version
from fairlead.model.container import Container, ContainerState, Health, exposed
from fairlead.model.views import ContainerView

STORAGE_DRIVER = "overlay2"


def render_inspect(view: ContainerView, version: Version, size: bool = False) -> dict[str, object]:
    """The answer of `GET /containers/{id}/json`."""
    container = view.container
    document: dict[str, object] = {
        "Id": container.id,
        "Created": rfc3339(container.created),
        "Path": container.path,
        "Args": list(container.args),
        "State": _state(container.state),
        "Image": f"sha256:{container.image_id}",
        "ResolvConfPath": view.resolv_conf_path,
        "HostnamePath": view.hostname_path,
        "HostsPath": view.hosts_path,
        "LogPath": view.log_path,
        "Name": f"/{container.name}",
        "RestartCount": container.state.restart_count,
        "Driver": STORAGE_DRIVER,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": list(view.exec_ids) or None,
        # Links are shown as they were resolved, not as they were asked for.
        "HostConfig": render_host_config(container.host_config, version)
        | {"Links": list(view.links) or None},
        "GraphDriver": {"Data": dict(view.graph), "Name": STORAGE_DRIVER},
    }
    if size:
        document |= {"SizeRw": max(view.size_rw, 0), "SizeRootFs": max(view.size_root, 0)}
    return document | {
        "Mounts": _mounts(container),
        "Config": render_config(container.config, version),
        "NetworkSettings": _network_settings(view, version),
    }


def render_summary(view: ContainerView, version: Version, now: int, size: bool = False) -> dict[str, object]:
    """One entry of the answer of `GET /containers/json`; `now` dates the status."""
    container = view.container
    document: dict[str, object] = {
        "Id": container.id,
        "Names": list(view.names) or [f"/{container.name}"],
        "Image": view.image_name,
        "ImageID": f"sha256:{container.image_id}",
        "Command": format_command(container.path, container.args),
        "Created": container.created // SECOND,
        "Ports": list_ports(view),
    }
    if size:
        document |= {"SizeRootFs": max(view.size_root, 0)}
        document |= {"SizeRw": view.size_rw} if view.size_rw > 0 else {}
    return document | {
        "Labels": dict(container.config.labels),
        "State": container.state.status,
        "Status": describe_status(container.state, now),
        "HostConfig": {"NetworkMode": container.host_config.network_mode},
        "NetworkSettings": {"Networks": render_networks(view, version, brief=True)},
        "Mounts": _mounts(container),
    }


def format_command(path: str, args: Sequence[str]) -> str:
    """A command line for people: words with blanks in quotes.

    Source: moby `container/view.go`, the `Command` of a list entry.
    """
    return " ".join((path, *(f"'{arg}'" if " " in arg else arg for arg in args)))


def port_map(view: ContainerView) -> dict[str, list[tuple[str, int]] | None]:
    """What a running container exposes ("80/tcp"), and the host addresses and ports that lead there.

    None stands for exposed and not published, port 0 for one that is reached at the container's own
    address.  Only bridges that reach the outside tell of ports.
    """
    container = view.container
    if (
        not container.state.running
        or not view.way_out
        and not any(
            each.endpoint and each.network and each.network.driver == "bridge" and not each.network.internal
            for each in view.networks
        )
    ):
        return {}
    asked = {(request.container_port, request.protocol) for request in container.host_config.port_bindings}
    named = {f"{port}/{protocol}" for port, protocol in asked.union(exposed(container.config.exposed_ports))}
    ports: dict[str, list[tuple[str, int]] | None] = dict.fromkeys(sorted(named))
    for span in view.ports:
        for step in range(span.count):
            name = f"{span.container_port + step}/{span.protocol}"
            bindings = ports.get(name) or []
            bindings.append((str(span.host_address), 0 if span.routed else span.host_port + step))
            ports[name] = bindings
    return ports


def list_ports(view: ContainerView) -> list[dict[str, object]]:
    """The ports as the list has them."""
    entries: list[dict[str, object]] = []
    for name, bindings in port_map(view).items():
        number, _, protocol = name.partition("/")
        mapped = [(address, port) for address, port in bindings or () if port]
        if not mapped:
            entries.append({"PrivatePort": int(number), "Type": protocol})
        for address, port in mapped:
            entries.append({"IP": address, "PrivatePort": int(number), "PublicPort": port, "Type": protocol})
    return entries


def _state(state: ContainerState) -> dict[str, object]:
    document: dict[str, object] = {
        "Status": state.status,
        "Running": state.running,
        "Paused": state.status == "paused",
        "Restarting": state.status == "restarting",
        "OOMKilled": state.oom_killed,
        "Dead": state.status == "dead",
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": rfc3339(state.started),
        "FinishedAt": rfc3339(state.finished),
    }
    if state.health is not None:
        document["Health"] = _health(state.health)
    return document


def _health(health: Health) -> dict[str, object]:
    return {
        "Status": health.status,
        "FailingStreak": health.failing_streak,
        "Log": [
            {
                "Start": rfc3339(result.start),
                "End": rfc3339(result.end),
                "ExitCode": result.exit_code,
                "Output": result.output,
            }
            for result in health.log
        ],
    }


def _mounts(container: Container) -> list[dict[str, object]]:
    """The mounts, without the ones of --tmpfs, which Docker shows in HostConfig only."""
    hidden = container.host_config.tmpfs or {}
    documents = []
    for mount in container.mounts:
        if mount.type == "tmpfs" and mount.destination in hidden:
            continue
        document: dict[str, object] = {"Type": mount.type}
        if mount.name:
            document["Name"] = mount.name
        document |= {"Source": mount.source, "Destination": mount.destination}
        if mount.driver:
            document["Driver"] = mount.driver
        documents.append(
            document | {"Mode": mount.mode, "RW": mount.writable, "Propagation": mount.propagation}
        )
    return documents


def _network_settings(view: ContainerView, version: Version) -> dict[str, object]:
    networks = render_networks(view, version)
    # The flat members of old tell of the default bridge alone.
    first = networks.get("bridge") or {}
    return {
        "Bridge": "",
        "SandboxID": view.sandbox.id if view.sandbox else "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": {
            name: bindings
            if bindings is None
            else [{"HostIp": address, "HostPort": str(port or "")} for address, port in bindings]
            for name, bindings in port_map(view).items()
        },
        "SandboxKey": view.sandbox_key,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": first.get("EndpointID", ""),
        "Gateway": first.get("Gateway", ""),
        "GlobalIPv6Address": first.get("GlobalIPv6Address", ""),
        "GlobalIPv6PrefixLen": first.get("GlobalIPv6PrefixLen", 0),
        "IPAddress": first.get("IPAddress", ""),
        "IPPrefixLen": first.get("IPPrefixLen", 0),
        "IPv6Gateway": first.get("IPv6Gateway", ""),
        "MacAddress": first.get("MacAddress", ""),
        "Networks": networks,
    }

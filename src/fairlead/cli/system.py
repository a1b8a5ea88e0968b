"""`fairlead info` and `version`."""

import platform
from typing import Any

from fairlead import __version__
from fairlead.cli.commands import command
from fairlead.cli.flags import FORMAT_DOCUMENT, Values
from fairlead.cli.problems import Ending
from fairlead.cli.session import Session
from fairlead.cli.times import calendar
from fairlead.cli.units import human_binary_size
from fairlead.client.errors import ClientError
from fairlead.client.transport import LATEST

Document = dict[str, Any]
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_NEWEST = ".".join(map(str, LATEST))


def _client(session: Session, version: str) -> Document:
    return {
        "Platform": {"Name": "Fairlead"},
        "Version": __version__,
        "ApiVersion": version,
        "DefaultAPIVersion": _NEWEST,
        "GitCommit": "",
        "PythonVersion": platform.python_version(),
        "Os": "linux",
        "Arch": _MACHINES.get(platform.machine(), platform.machine()),
        "BuildTime": "",
        "Context": "default",
    }


def formatted(session: Session, form: str, document: Document, name: str) -> None:
    """Write a document as JSON, or what a template makes of it; `name` is the command's, for complaints."""
    from fairlead.cli.template import parse
    from fairlead.cli.template_functions import FUNCTIONS, TemplateProblem, compact_json
    from fairlead.cli.template_run import execute

    if form == "json":
        session.line(compact_json(document))
        return
    try:
        template = parse(form)
    except TemplateProblem as problem:
        raise Ending(64, f"template parsing error: {problem}") from None
    try:
        session.line(execute(template, document, FUNCTIONS))
    except TemplateProblem as problem:
        session.line()
        raise Ending(1, str(problem).replace("template: :", f"template: {name}:", 1)) from None


@command("version [OPTIONS]", FORMAT_DOCUMENT)
def version(session: Session, values: Values, _: list[str]) -> int:
    """Say who we are and who the daemon is."""
    problem = None
    server: Document | None = None
    negotiated = _NEWEST
    try:
        server = session.client.system.version()
        negotiated = session.client.transport.version
    except ClientError as error:
        problem = error
    client = _client(session, negotiated)
    if values.text("format"):
        formatted(session, values.text("format"), {"Client": client, "Server": server}, "version")
    else:
        session.write(_client_text(client) + (_server_text(server) if server else ""))
    if problem:
        raise Ending(1, str(problem))
    return 0


def _client_text(client: Document) -> str:
    shown = client["ApiVersion"]
    if shown != _NEWEST:
        shown += f" (downgraded from {_NEWEST})"
    return (
        f"Client: {client['Platform']['Name']}\n"
        f" Version:           {client['Version']}\n"
        f" API version:       {shown}\n"
        f" Python version:    {client['PythonVersion']}\n"
        f" OS/Arch:           {client['Os']}/{client['Arch']}\n"
        f" Context:           {client['Context']}\n"
    )


_DETAILS = (
    ("API version", "ApiVersion"),
    ("Go version", "GoVersion"),
    ("Git commit", "GitCommit"),
    ("Built", "BuildTime"),
    ("OS/Arch", "Os"),
    ("Experimental", "Experimental"),
)


def _server_text(server: Document) -> str:
    name = (server.get("Platform") or {}).get("Name")
    text = f"\nServer: {name}\n" if name else "\nServer:\n"
    components = server.get("Components") or [
        {"Name": "Engine", "Version": server["Version"], "Details": server}
    ]
    for component in components:
        text += f" {component['Name']}:\n"
        text += _field("Version", component.get("Version", ""))
        details = component.get("Details") or {}
        if component["Name"] != "Engine":
            text += "".join(_field(field, details[field]) for field in sorted(details))
            continue
        for label, field in _DETAILS:
            if field in details:
                text += _field(label, _detail(field, details))
    return text


def _field(label: str, value: Any) -> str:
    return f"  {label + ':':<17}{value}\n"


def _detail(field: str, details: Document) -> str:
    if field == "ApiVersion":
        return f"{details['ApiVersion']} (minimum version {details.get('MinAPIVersion', '')})"
    if field == "Os":
        return f"{details['Os']}/{details.get('Arch', '')}"
    return calendar(details[field]) if field == "BuildTime" else str(details[field])


@command("info [OPTIONS]", FORMAT_DOCUMENT, aliases=("system info", "info"))
def info(session: Session, values: Values, _: list[str]) -> None:
    """Say what the daemon has and how it is set up."""
    form = values.text("format")
    client = {"Debug": session.debug, **_client(session, ""), "Plugins": [], "Warnings": None}
    if form:
        found = session.client.system.info()
        formatted(session, form, {**found, "ClientInfo": client}, "")
        return
    session.write(
        f"Client: {client['Platform']['Name']}\n Version:    {__version__}\n Context:    default\n"
        f" Debug Mode: {_go(session.debug)}\n\nServer:\n"
    )
    found = session.client.system.info()
    session.write(server_info(found))
    for warning in found.get("Warnings") or []:
        session.complain(warning)


def _go(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# What `info` shows: how it is indented and called, its field, and whether an empty one is left out.
_COUNTS = (
    (" Containers", "Containers", False),
    ("  Running", "ContainersRunning", False),
    ("  Paused", "ContainersPaused", False),
    ("  Stopped", "ContainersStopped", False),
    (" Images", "Images", False),
    (" Server Version", "ServerVersion", True),
    (" Storage Driver", "Driver", True),
)
_DRIVERS = (
    (" Logging Driver", "LoggingDriver", True),
    (" Cgroup Driver", "CgroupDriver", True),
    (" Cgroup Version", "CgroupVersion", True),
)
_MACHINE = (
    (" Kernel Version", "KernelVersion", True),
    (" Operating System", "OperatingSystem", True),
    (" OSType", "OSType", True),
    (" Architecture", "Architecture", True),
    (" CPUs", "NCPU", False),
)
_DAEMON = (
    (" Name", "Name", True),
    (" ID", "ID", True),
    (" Docker Root Dir", "DockerRootDir", False),
    (" Debug Mode", "Debug", False),
)
_PROXIES = (
    (" HTTP Proxy", "HttpProxy", True),
    (" HTTPS Proxy", "HttpsProxy", True),
    (" No Proxy", "NoProxy", True),
)
_CLUSTER = (
    (" Cluster Store", "ClusterStore", True),
    (" Cluster Advertise", "ClusterAdvertise", True),
)


def _lines(found: Document, fields: tuple[tuple[str, str, bool], ...]) -> list[str]:
    return [
        f"{label}: {_go(found.get(field, ''))}"
        for label, field, optional in fields
        if not optional or found.get(field)
    ]


def server_info(found: Document) -> str:
    """The daemon's part of `info`, as text."""
    lines = _lines(found, _COUNTS)
    lines += [f"  {name}: {value}" for name, value in found.get("DriverStatus") or []]
    lines += _lines(found, _DRIVERS)
    lines += _plugins(found.get("Plugins") or {})
    lines.append(f" Swarm: {(found.get('Swarm') or {}).get('LocalNodeState') or 'inactive'}")
    if found.get("Runtimes"):
        lines.append(f" Runtimes: {' '.join(found['Runtimes'])}")
        lines.append(f" Default Runtime: {found.get('DefaultRuntime', '')}")
    lines.append(f" Init Binary: {found.get('InitBinary', '')}")
    for label, field in (("containerd", "ContainerdCommit"), ("runc", "RuncCommit"), ("init", "InitCommit")):
        lines.append(f" {label} version: {(found.get(field) or {}).get('ID', '')}")
    lines += _security(found.get("SecurityOptions") or [])
    lines += _lines(found, _MACHINE)
    lines.append(f" Total Memory: {human_binary_size(found.get('MemTotal', 0))}")
    lines += _lines(found, _DAEMON)
    lines += _lines(found, _PROXIES)
    if found.get("Labels"):
        lines += [" Labels:", *(f"  {label}" for label in found["Labels"])]
    lines.append(f" Experimental: {_go(found.get('ExperimentalBuild', False))}")
    lines += _lines(found, _CLUSTER)
    lines += _registries(found.get("RegistryConfig") or {})
    lines.append(f" Live Restore Enabled: {_go(found.get('LiveRestoreEnabled', False))}")
    pools = found.get("DefaultAddressPools") or []
    if pools:
        lines.append(" Default Address Pools:")
        lines += [f"   Base: {pool['Base']}, Size: {pool['Size']}" for pool in pools]
    return "\n".join(lines) + "\n\n"


def _plugins(plugins: Document) -> list[str]:
    lines = [" Plugins:"]
    for kind in ("Volume", "Network", "Authorization", "Log"):
        names = plugins.get(kind) or []
        if names or kind != "Authorization":
            lines.append(f"  {kind}: {' '.join(names)}")
    return lines


def _security(options: list[str]) -> list[str]:
    lines = [" Security Options:"] if options else []
    for option in options:
        pairs = [part.partition("=") for part in option.split(",")]
        lines += [f"  {value}" for name, _, value in pairs if name == "name"]
        lines += [f"   Profile: {value}" for name, _, value in pairs if name == "profile"]
    return lines


def _registries(registries: Document) -> list[str]:
    lines = []
    insecure = [
        str(index["Name"])
        for index in (registries.get("IndexConfigs") or {}).values()
        if not index.get("Secure")
    ]
    insecure += registries.get("InsecureRegistryCIDRs") or []
    if insecure or registries.get("IndexConfigs"):
        lines += [" Insecure Registries:", *(f"  {name}" for name in insecure)]
    if registries.get("Mirrors"):
        lines += [" Registry Mirrors:", *(f"  {mirror}" for mirror in registries["Mirrors"])]
    return lines

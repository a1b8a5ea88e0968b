"""Request bodies about containers, read once into commands."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from fairlead.dockerapi.detach import parse_detach_keys
from fairlead.dockerapi.driver_options import check_driver_options
from fairlead.dockerapi.fields import (
    CONFIG,
    HOST_CONFIG,
    HOST_CONFIG_SCHEMA,
    RESTART_POLICY,
    SIZE,
    parse_config,
    parse_host_config,
)
from fairlead.dockerapi.kinds import (
    BOOLEAN,
    INTEGER,
    TEXT,
    TEXT_MAP,
    TEXTS,
    WORDS,
    Field,
    as_object,
    map_schema,
    member,
    nullable,
    object_schema,
    or_null,
    parse_fields,
)
from fairlead.dockerapi.validate import check_config, check_host_config, check_mac
from fairlead.dockerapi.version import Version
from fairlead.model.addresses import Address
from fairlead.model.commands import CommitContainer, CreateContainer, ExecRequest, UpdateContainer
from fairlead.model.container import Config, HostConfig, RestartPolicy
from fairlead.model.endpoint import Attachment
from fairlead.model.errors import InvalidParameter

_ENDPOINT = (
    Field("Aliases", "aliases", nullable(TEXTS)),
    Field("Links", "links", TEXTS),
    Field("MacAddress", "mac", TEXT),
    Field("DriverOpts", "driver_options", nullable(TEXT_MAP)),
    Field("GwPriority", "gateway_priority", INTEGER),
)
_IPAM = (
    Field("IPv4Address", "ipv4", TEXT),
    Field("IPv6Address", "ipv6", TEXT),
    Field("LinkLocalIPs", "link_local", TEXTS),
)
_EXEC = (
    Field("Cmd", "command", WORDS),
    Field("Env", "environment", TEXTS),
    Field("User", "user", TEXT),
    Field("WorkingDir", "working_dir", TEXT),
    Field("Tty", "tty", BOOLEAN),
    Field("AttachStdin", "attach_stdin", BOOLEAN),
    Field("AttachStdout", "attach_stdout", BOOLEAN),
    Field("AttachStderr", "attach_stderr", BOOLEAN),
    Field("Privileged", "privileged", BOOLEAN),
    Field("DetachKeys", "detach_keys", TEXT),
    Field("ConsoleSize", "console_size", SIZE),
)
_EXEC_START = (
    Field("Detach", "detach", BOOLEAN),
    Field("Tty", "tty", BOOLEAN),
    Field("ConsoleSize", "console_size", SIZE),
)
ENDPOINT_SCHEMA = object_schema(_ENDPOINT, {"IPAMConfig": object_schema(_IPAM)})
CREATE_SCHEMA = object_schema(
    CONFIG,
    {
        "HostConfig": HOST_CONFIG_SCHEMA,
        "NetworkingConfig": object_schema((), {"EndpointsConfig": map_schema(or_null(ENDPOINT_SCHEMA))}),
    },
)
EXEC_SCHEMA, EXEC_START_SCHEMA = object_schema(_EXEC), object_schema(_EXEC_START)
# What an update may change; zero and "" leave a value as it is.
_UPDATABLE = frozenset(
    "cpu_shares memory nano_cpus cgroup_parent blkio_weight cpu_period cpu_quota cpu_realtime_period "
    "cpu_realtime_runtime cpuset_cpus cpuset_mems kernel_memory memory_reservation memory_swap "
    "pids_limit".split()
)
_UPDATE = tuple(field for field in HOST_CONFIG if field.attribute in _UPDATABLE)
UPDATE_SCHEMA = object_schema(_UPDATE, {"RestartPolicy": RESTART_POLICY.schema})


def parse_create(document: object, name: str, platform: str, version: Version) -> CreateContainer:
    """The body of `POST /containers/create`.  InvalidParameter if it can never work."""
    body = as_object(document, "")
    if all(member(body, field.json) is None for field in CONFIG):
        raise InvalidParameter("Config cannot be empty in order to create a container")
    config = parse_config(body)
    host_config = _as_of(parse_host_config(member(body, "HostConfig")), version)
    check_config(config)
    check_host_config(host_config)
    networking = as_object(member(body, "NetworkingConfig"), "NetworkingConfig")
    where = "NetworkingConfig.EndpointsConfig"
    endpoints = as_object(member(networking, "EndpointsConfig"), where)
    if len(endpoints) > 1 and version < (1, 44):
        raise InvalidParameter(
            f"Container cannot be connected to network endpoints: {', '.join(sorted(endpoints))}"
        )
    for network, settings in endpoints.items():
        if settings is None and version < (1, 44):
            raise InvalidParameter(f"no EndpointSettings for {network}")
    attachments = tuple(
        parse_attachment(network, settings, f"{where}.{network}") for network, settings in endpoints.items()
    )
    return CreateContainer(name, config, host_config, attachments, platform)


def _as_of(host_config: HostConfig, version: Version) -> HostConfig:
    """What a client of that API version means: defaults and members changed over time."""
    changes: dict[str, object] = {}
    if version < (1, 25):
        changes["auto_remove"] = False
    if version < (1, 40) and not host_config.ipc_mode:
        changes["ipc_mode"] = "shareable"
    if version >= (1, 42):
        changes |= {"kernel_memory": 0, "kernel_memory_tcp": 0}
    else:
        changes["console_size"] = (0, 0)
    if host_config.pids_limit is not None and host_config.pids_limit <= 0:
        changes["pids_limit"] = None
    return replace(host_config, **changes)  # type: ignore[arg-type]


def parse_attachment(
    network: str, document: object, where: str, complaint: str = "invalid {family} address: {text}"
) -> Attachment:
    """An EndpointSettings document; null is one without wishes.

    `complaint` words a wrong address: create and connect differ in Docker.
    """
    settings = as_object(document, where)
    values = parse_fields(_ENDPOINT, settings, where)
    ipam = member(settings, "IPAMConfig")
    wanted = parse_fields(_IPAM, ipam, f"{where}.IPAMConfig")
    aliases = values.pop("aliases")
    values["mac"] = check_mac(values["mac"]) if values["mac"] else ""
    check_driver_options(values["driver_options"] or {})
    ipv4, ipv6 = wanted["ipv4"], wanted["ipv6"]
    return Attachment(
        network=network,
        **values,
        aliases=aliases or (),
        has_aliases=aliases is not None,
        ipv4=_address4(ipv4, complaint) if ipv4 else None,
        ipv6=_address6(ipv6, complaint) if ipv6 else None,
        link_local=tuple(_link_local(text) for text in wanted["link_local"]),
        has_ipam=ipam is not None,
    )


def _address4(text: str, complaint: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError as error:
        raise InvalidParameter(complaint.format(family="IPv4", text=text)) from error


def _address6(text: str, complaint: str) -> IPv6Address:
    try:
        return IPv6Address(text)
    except ValueError as error:
        raise InvalidParameter(complaint.format(family="IPv6", text=text)) from error


def _link_local(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError as error:
        raise InvalidParameter(f"invalid link-local IP address: {text}") from error


def parse_update(document: object, version: Version) -> UpdateContainer:
    """The body of `POST /containers/{id}/update`: only what it changes."""
    body = as_object(document, "")
    given = parse_fields(_UPDATE, body)
    if version >= (1, 42):
        given.pop("kernel_memory")
    values: dict[str, int | str | None] = {
        field.attribute: given[field.attribute]
        for field in _UPDATE
        if given.get(field.attribute, field.kind.empty) != field.kind.empty
    }
    policy: RestartPolicy | None = None
    if (document_policy := member(body, "RestartPolicy")) is not None:
        policy = RESTART_POLICY.parse(document_policy, "RestartPolicy")
    # Checked as a whole configuration would be, everything else at rest.
    check_host_config(HostConfig(**values, restart_policy=policy or RestartPolicy()))  # type: ignore[arg-type]
    return UpdateContainer(values, policy if policy and policy.name else None)


def parse_exec_create(document: object, version: Version) -> ExecRequest:
    """The body of `POST /containers/{id}/exec`."""
    values = parse_fields(_EXEC, document)
    if not values["command"]:
        raise InvalidParameter("No exec command specified")
    if any(not text or text.startswith("=") for text in values["environment"]):
        raise InvalidParameter("invalid environment variable: it needs a name before the equals sign")
    try:
        parse_detach_keys(values["detach_keys"])
    except InvalidParameter as error:
        raise InvalidParameter(f"Invalid escape keys ({values['detach_keys']}) provided") from error
    if version < (1, 42):
        values["console_size"] = (0, 0)
    return ExecRequest(**values)


def parse_exec_start(document: object, version: Version) -> tuple[bool, bool, tuple[int, int]]:
    """The body of `POST /exec/{id}/start`: detach, terminal, size of the terminal (height, width)."""
    values = parse_fields(_EXEC_START, document)
    size = values["console_size"] if version >= (1, 42) else (0, 0)
    return values["detach"], values["tty"], size


def parse_commit(
    document: object, query: Mapping[str, str], changes: Sequence[str], pause: bool
) -> CommitContainer:
    """The body and query of `POST /commit`; each of `changes` may hold several instructions, a line each."""
    body = as_object(document, "")
    config: Config | None = None
    if any(member(body, field.json) is not None for field in CONFIG):
        config = parse_config(body)
        check_config(config)
    repository, tag = query.get("repo", ""), query.get("tag", "")
    return CommitContainer(
        reference=f"{repository}:{tag}" if repository and tag else repository,
        author=query.get("author", ""),
        comment=query.get("comment", ""),
        pause=pause,
        config=config,
        changes=tuple(line for text in changes for line in text.splitlines() if line.strip()),
    )

"""Carries out a parsed template on a JSON document, or on a row that computes its fields when asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fairlead.cli.template import (
    Action,
    Branch,
    Call,
    Leave,
    Literal,
    Node,
    Operand,
    Pipe,
    Template,
    Text,
    parse,
)
from fairlead.cli.template_functions import (
    ARITIES,
    FUNCTIONS,
    LAZY,
    MISSING,
    OF_TEXT,
    TemplateProblem,
    compact_json,
    struct_of,
    true,
    written,
)

# Fields that Docker's types have although a document may leave them out, and what they are then.
ABSENT: dict[str, Any] = {
    **dict.fromkeys(("Health", "Healthcheck", "IPAMConfig", "Init", "SizeRootFs", "SizeRw"), None),
    **dict.fromkeys(("StopTimeout", "UsageData"), None),
    **dict.fromkeys(("Aliases", "Links", "Mounts", "OnBuild", "Shell"), []),
    **dict.fromkeys(("Annotations", "StorageOpt", "Sysctls", "Tmpfs"), {}),
    **dict.fromkeys(("MacAddress", "Platform", "Runtime", "StopSignal", "Variant"), ""),
    **dict.fromkeys(("ArgsEscaped", "AutoRemove", "NetworkDisabled"), False),
}

# What Go's types call a field that JSON calls otherwise: templates may say either.
_SPELLINGS = {
    "APIVersion": "ApiVersion",
    "CPUPeriod": "CpuPeriod",
    "CPUQuota": "CpuQuota",
    "CPURealtimePeriod": "CpuRealtimePeriod",
    "CPURealtimeRuntime": "CpuRealtimeRuntime",
    "CPUShares": "CpuShares",
    "DNS": "Dns",
    "DNSOptions": "DnsOptions",
    "DNSSearch": "DnsSearch",
    "HostIP": "HostIp",
    "HTTPProxy": "HttpProxy",
    "HTTPSProxy": "HttpsProxy",
    "ID": "Id",
    "NanoCPUs": "NanoCpus",
}

# Maps from text to text: an entry that is not there is no mistake.
_MAPS = frozenset(("Annotations", "Attributes", "DriverOpts", "Labels", "Options", "Sysctls", "Tmpfs"))

# Fields whose null is a list or a map to Go, and so writes as an empty one.
_NULL: dict[str, Any] = {
    **dict.fromkeys(
        (
            "Binds",
            "CapAdd",
            "CapDrop",
            "Cmd",
            "Devices",
            "DeviceRequests",
            "DnsOptions",
            "Dns",
            "DnsSearch",
            "Entrypoint",
            "Env",
            "ExecIDs",
            "ExtraHosts",
            "GroupAdd",
            "MaskedPaths",
            "ReadonlyPaths",
            "SecondaryIPAddresses",
            "SecondaryIPv6Addresses",
            "SecurityOpt",
            "Ulimits",
            "VolumesFrom",
        ),
        [],
    ),
    **dict.fromkeys(
        ("DriverOpts", "ExposedPorts", "Labels", "Options", "PortBindings", "Ports", "Volumes"), {}
    ),
}


class Row:
    """Something listed: fields by name, each computed from the thing when a template asks for it.

    `kind` is what Go calls its type, for messages.  A field that takes a word (`Label`) is in `methods`.
    """

    def __init__(
        self,
        kind: str,
        thing: Any,
        fields: Mapping[str, Callable[[Any], Any]],
        methods: Mapping[str, Callable[[Any, str], Any]] | None = None,
    ):
        self.kind, self.thing, self.fields, self.methods = kind, thing, fields, methods or {}

    def as_json(self) -> str:
        """Every field, sorted by name; what HTML would trip over is escaped, as Docker does in rows."""
        record = {name: self.fields[name](self.thing) for name in sorted(self.fields)}
        text = compact_json(record)
        for mark in "<>&":
            text = text.replace(mark, f"\\u{ord(mark):04x}")
        return text


class Headings:
    """What a template sees in the place of a row when it makes the heading of a table."""

    def __init__(self, fields: Mapping[str, str]):
        self.fields = fields


class _Stop(Exception):
    """break or continue, on its way to the loop around it."""

    def __init__(self, word: str):
        super().__init__(word)
        self.word = word


@dataclass(slots=True)
class _Run:
    template: Template
    functions: Mapping[str, Callable[..., Any]]
    out: list[str] = field(default_factory=list)
    variables: list[tuple[str, Any]] = field(default_factory=list)

    def problem(self, node: Node, source: str, text: str) -> TemplateProblem:
        where = self.template.line_and_column(node.position)
        return TemplateProblem(f'template: :{where}: executing "" at <{source}>: {text}')

    def walk(self, nodes: tuple[Node, ...], dot: Any) -> None:
        for node in nodes:
            match node:
                case Text():
                    self.out.append(node.text)
                case Action():
                    value = self.pipe(node.pipe, dot)
                    if not node.pipe.variables:
                        self.out.append(written(value))
                case Branch():
                    self.branch(node, dot)
                case Leave():
                    raise _Stop(node.word)
                case Call():
                    self.call(node, dot)

    def call(self, node: Call, dot: Any) -> None:
        if node.name not in self.template.defined:
            raise TemplateProblem(f'template: no template "{node.name}" associated with template ""')
        value = self.pipe(node.pipe, dot) if node.pipe else None
        outer, self.variables = self.variables, [("$", value)]
        self.walk(self.template.defined[node.name], value)
        self.variables = outer

    def branch(self, node: Branch, dot: Any) -> None:
        count = len(self.variables)
        value = self.pipe(node.pipe, dot, assign=node.word != "range")
        if node.word == "range":
            self.range(node, value, dot)
        elif true(value):
            self.walk(node.body, value if node.word == "with" else dot)
        else:
            self.walk(node.otherwise, dot)
        del self.variables[count:]

    def range(self, node: Branch, value: Any, dot: Any) -> None:
        items: list[tuple[Any, Any]]
        if isinstance(value, dict):
            items = [(name, value[name]) for name in sorted(value)]
        elif isinstance(value, list):
            items = list(enumerate(value))
        elif isinstance(value, int) and not isinstance(value, bool):
            items = [(number, number) for number in range(value)]
        elif value is None:
            items = []
        else:
            raise self.problem(node.pipe, node.pipe.source, f"range can't iterate over {written(value)}")
        if not items:
            self.walk(node.otherwise, dot)
        count = len(self.variables)
        for key, item in items:
            self.assign(node.pipe, [key, item] if len(node.pipe.variables) == 2 else [item])
            try:
                self.walk(node.body, item)
            except _Stop as stop:
                if stop.word == "break":
                    break
            finally:
                del self.variables[count:]

    def assign(self, pipe: Pipe, values: list[Any]) -> None:
        for name, value in zip(pipe.variables, values, strict=False):
            if pipe.declares:
                self.variables.append((name, value))
                continue
            for place in reversed(range(len(self.variables))):
                if self.variables[place][0] == name:
                    self.variables[place] = (name, value)
                    break

    def pipe(self, pipe: Pipe, dot: Any, assign: bool = True) -> Any:
        value: Any = None
        for number, operands in enumerate(pipe.commands):
            value = self.command(operands, dot, [value] if number else [])
        if assign and pipe.variables:
            self.assign(pipe, [value])
        return value

    def command(self, operands: tuple[Operand, ...], dot: Any, piped: list[Any]) -> Any:
        first, rest = operands[0], operands[1:]
        base = first.base
        if isinstance(base, str) and base in LAZY:
            return self.lazy(base, rest, dot, piped)
        arguments = [self.operand(operand, dot) for operand in rest] + piped
        if isinstance(base, str) and base in self.functions:
            return self.fields(first, self.function(operands, arguments), first.fields)
        if isinstance(base, Literal) and base.value is None:
            raise self.problem(first, "nil", "nil is not a command")
        if not arguments:
            return self.operand(first, dot)
        return self.method(first, dot, arguments)

    def lazy(self, word: str, operands: tuple[Operand, ...], dot: Any, piped: list[Any]) -> Any:
        value: Any = None
        for operand in operands:
            value = self.operand(operand, dot)
            if true(value) == (word == "or"):
                return value
        return piped[0] if piped else value

    def function(self, operands: tuple[Operand, ...], arguments: list[Any]) -> Any:
        node, name = operands[0], str(operands[0].base)
        least, most = ARITIES.get(name, (0, None))
        if len(arguments) < least or (most is not None and len(arguments) > most):
            wanted = str(least) if most is not None else f"at least {least}"
            count = f"wrong number of args for {name}: want {wanted} got {len(arguments)}"
            raise self.problem(node, name, count)
        if name in OF_TEXT and not isinstance(arguments[0], str):
            self.not_text(operands, arguments[0])
        whole = " ".join(operand.source for operand in operands)
        try:
            return self.functions[name](*arguments)
        except TemplateProblem as problem:
            raise self.problem(node, whole, str(problem)) from None
        except (TypeError, AttributeError, ValueError):
            raise self.problem(node, whole, f"wrong type of argument for {name}") from None

    def not_text(self, operands: tuple[Operand, ...], value: Any) -> None:
        node = operands[1] if len(operands) > 1 else operands[0]
        if isinstance(node.base, Literal):
            raise self.problem(node, node.source, f"expected string; found {node.source}")
        raise self.problem(node, node.source, f"wrong type for value; expected string; got {_type_of(value)}")

    def method(self, node: Operand, dot: Any, arguments: list[Any]) -> Any:
        name = node.fields[-1] if node.fields else node.source
        if node.fields:
            owner = self.fields(node, self.base(node, dot), node.fields[:-1])
            if isinstance(owner, Row) and name in owner.methods and len(arguments) == 1:
                return owner.methods[name](owner.thing, str(arguments[0]))
            if isinstance(owner, Headings) and name == "Label":
                return label_heading(str(arguments[0]))
            if isinstance(owner, Row | Headings) and name in owner.fields:
                text = f"wrong number of args for {name}: want 0 got {len(arguments)}"
                raise self.problem(node, node.source, text)
        text = f"{name} has arguments but cannot be invoked as function"
        raise self.problem(node, node.source, text)

    def operand(self, node: Operand, dot: Any) -> Any:
        return self.fields(node, self.base(node, dot), node.fields)

    def base(self, node: Operand, dot: Any) -> Any:
        base = node.base
        if isinstance(base, Pipe):
            return self.pipe(base, dot)
        if isinstance(base, Literal):
            return base.value
        if base == ".":
            return dot
        if base.startswith("$"):
            return next(value for name, value in reversed(self.variables) if name == base)
        return None if base in LAZY else self.function((node,), [])

    def fields(self, node: Operand, value: Any, names: tuple[str, ...]) -> Any:
        owner = ""
        for name in names:
            value = self.field(node, value, name, owner)
            owner = name
        return value

    def field(self, node: Operand, value: Any, name: str, owner: str) -> Any:
        if isinstance(value, Row):
            if name not in value.fields:
                text = f"can't evaluate field {name} in type *{value.kind}"
                raise self.problem(node, node.source, text)
            return value.fields[name](value.thing)
        if isinstance(value, Headings):
            return value.fields.get(name, "<no value>")
        if isinstance(value, dict):
            return self.entry(node, value, name, owner)
        if value is None:
            raise self.problem(node, node.source, f"nil pointer evaluating interface {{}}.{name}")
        text = f"can't evaluate field {name} in type {_type_of(value)}"
        raise self.problem(node, node.source, text)

    def entry(self, node: Operand, value: dict[str, Any], name: str, owner: str) -> Any:
        if name not in value and _SPELLINGS.get(name) in value:
            name = _SPELLINGS[name]
        if name in value:
            found = value[name]
            return _NULL.get(name) if found is None else found
        struct = struct_of(value)
        if name in struct:
            return struct[name]
        if owner in _MAPS:
            return MISSING
        if name in ABSENT:
            return ABSENT[name]
        raise self.problem(node, node.source, f'map has no entry for key "{name}"')


def _type_of(value: Any) -> str:
    return {str: "string", bool: "bool", int: "int", float: "float64", list: "[]interface {}"}.get(
        type(value), type(value).__name__
    )


def label_heading(label: str) -> str:
    """The heading of a column that shows one label: the last part of its name, without dashes."""
    return label.rpartition(".")[2].replace("-", " ").replace("_", " ")


def execute(template: Template, value: Any, functions: Mapping[str, Callable[..., Any]] = FUNCTIONS) -> str:
    """The text that a template makes of a value.  Raises TemplateProblem in Go's words."""
    run = _Run(template, functions, variables=[("$", value)])
    run.walk(template.nodes, value)
    return "".join(run.out)


def render(source: str, value: Any) -> str:
    """Parse and carry out at once."""
    return execute(parse(source), value)


__all__ = ["ABSENT", "Row", "TemplateProblem", "execute", "parse", "render"]

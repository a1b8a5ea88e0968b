"""Go templates, as far as people write them after `--format`: parsed here, carried out in `template_run`.

Text and actions; fields, variables, pipelines, parentheses; if, else, range, with, break, continue,
define and template; comments and trimmed white space.  The grammar is that of Go's text/template.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from fairlead.cli.template_functions import NAMES, TemplateProblem, unquote


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a template; `position` counts characters from its beginning."""

    position: int


@dataclass(frozen=True, slots=True)
class Text(Node):
    """Written as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A number, a string, true, false or nil."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Operand(Node):
    """A value (the dot, a variable, a function, a literal, a pipeline in parentheses), then fields of it."""

    base: "str | Literal | Pipe"
    fields: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Pipe(Node):
    """Commands, each given the value of the one before as its last argument; then assigned to variables."""

    commands: tuple[tuple[Operand, ...], ...]
    variables: tuple[str, ...] = ()
    declares: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class Action(Node):
    """A pipeline whose value is written, unless it is assigned."""

    pipe: Pipe


@dataclass(frozen=True, slots=True)
class Branch(Node):
    """if, with or range, and what happens otherwise."""

    word: str
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Leave(Node):
    """break or continue."""

    word: str


@dataclass(frozen=True, slots=True)
class Call(Node):
    """Another template, carried out with a value as its dot."""

    name: str
    pipe: Pipe | None


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template and those that it defines."""

    source: str
    nodes: tuple[Node, ...]
    defined: dict[str, tuple[Node, ...]]

    def line_and_column(self, position: int) -> str:
        """As Go's messages count: lines from 1, characters from 0."""
        before = self.source[:position]
        return f"{before.count(chr(10)) + 1}:{position - (before.rfind(chr(10)) + 1)}"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


_TOKENS = re.compile(
    r"""(?P<space>\s+)
      | (?P<string>"(?:[^"\\\n]|\\.)*" | `[^`]*`)
      | (?P<char>'(?:[^'\\\n]|\\.)*')
      | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|[0-9][0-9_]*(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+))
      | (?P<field>\.[^\W\d]\w*)
      | (?P<variable>\$\w*)
      | (?P<name>[^\W\d]\w*)
      | (?P<sign>:=|=|\||,|\(|\)|\.)""",
    re.VERBOSE,
)
_KEYWORDS = ("if", "else", "end", "range", "with", "define", "template", "block", "break", "continue")


def _lex(source: str) -> list[_Token]:
    tokens: list[_Token] = []
    position, trim = 0, False
    while True:
        start = source.find("{{", position)
        text = source[position:] if start < 0 else source[position:start]
        shown, offset = (text.lstrip(), len(text) - len(text.lstrip())) if trim else (text, 0)
        if start >= 0 and re.match(r"\{\{-\s", source[start:]):
            shown = shown.rstrip()
        if shown:
            tokens.append(_Token("text", shown, position + offset))
        if start < 0:
            return tokens
        position, trim = _lex_action(source, start, tokens)


def _lex_action(source: str, start: int, tokens: list[_Token]) -> tuple[int, bool]:
    line = source[:start].count("\n") + 1
    position = start + (3 if re.match(r"\{\{-\s", source[start:]) else 2)
    comment = re.compile(r"\s*/\*(.*?)\*/(\s-)?\}\}", re.DOTALL).match(source, position)
    if comment:
        return comment.end(), bool(comment.group(2))
    tokens.append(_Token("open", "", start))
    while True:
        close = re.compile(r"(\s+-)?\}\}").match(source, position)
        if close:
            tokens.append(_Token("close", "", close.start()))
            return close.end(), bool(close.group(1))
        found = _TOKENS.match(source, position)
        if not found:
            raise TemplateProblem(_unexpected(source, position, line))
        if found.lastgroup == "space":
            tokens.append(_Token("space", " ", position))
        else:
            tokens.append(_Token(str(found.lastgroup), found.group(), position))
        position = found.end()


def _unexpected(source: str, position: int, line: int) -> str:
    rest = source[position:]
    if not rest or "}}" not in rest:
        return f"template: :{line}: unclosed action"
    if rest[0] in "\"`'":
        return f"template: :{line}: unterminated quoted string"
    return f"template: :{line}: unexpected {rest[0]!r} in operand".replace("'", '"')


@dataclass(slots=True)
class _Parser:
    source: str
    tokens: list[_Token]
    place: int = 0
    variables: list[str] = field(default_factory=lambda: ["$"])
    defined: dict[str, tuple[Node, ...]] = field(default_factory=dict)
    loops: int = 0

    def fail(self, text: str, position: int | None = None) -> TemplateProblem:
        where = len(self.source) if position is None else position
        return TemplateProblem(f"template: :{self.source[:where].count(chr(10)) + 1}: {text}")

    def peek(self, spaces: bool = False) -> _Token:
        place = self.place
        while not spaces and place < len(self.tokens) and self.tokens[place].kind == "space":
            place += 1
        if place >= len(self.tokens):
            return _Token("end", "EOF", len(self.source))
        return self.tokens[place]

    def next(self, spaces: bool = False) -> _Token:
        while not spaces and self.place < len(self.tokens) and self.tokens[self.place].kind == "space":
            self.place += 1
        token = self.peek(spaces)
        self.place += 1
        return token

    def nodes(self, context: str = "") -> tuple[tuple[Node, ...], str]:
        """Until the end, or the {{end}} or {{else}} of `context`; which of them it was."""
        found: list[Node] = []
        while True:
            token = self.next(spaces=True)
            if token.kind == "end":
                if context:
                    raise self.fail("unexpected EOF")
                return tuple(found), ""
            if token.kind == "text":
                found.append(Text(token.position, token.text))
                continue
            word = self.peek()
            if word.kind == "name" and word.text in ("end", "else"):
                if not context:
                    raise self.fail(f"unexpected {{{{{word.text}}}}}", word.position)
                self.next()
                if word.text == "end":
                    self.close("end")
                return tuple(found), word.text
            node = self.action(word)
            if node is not None:
                found.append(node)

    def action(self, word: _Token) -> Node | None:
        if word.kind != "name" or word.text not in _KEYWORDS:
            pipe = self.pipe("command")
            self.close("command")
            return Action(word.position, pipe)
        self.next()
        if word.text in ("break", "continue"):
            self.close(word.text)
            if not self.loops:
                raise self.fail(f"{{{{{word.text}}}}} outside {{{{range}}}}", word.position)
            return Leave(word.position, word.text)
        if word.text in ("define", "template", "block"):
            return self.template(word)
        return self.branch(word)

    def template(self, word: _Token) -> Node | None:
        name = self.next()
        if name.kind != "string":
            raise self.fail(f"unexpected {name.text!r} in {word.text} clause", name.position)
        pipe = None if self.peek().kind == "close" else self.pipe(word.text)
        self.close(word.text)
        if word.text != "template":
            self.defined[unquote(name.text)], _ = self.nodes(word.text)
        return None if word.text == "define" else Call(word.position, unquote(name.text), pipe)

    def branch(self, word: _Token) -> Branch:
        count = len(self.variables)
        pipe = self.pipe(word.text)
        self.close(word.text)
        self.loops += word.text == "range"
        body, end = self.nodes(word.text)
        self.loops -= word.text == "range"
        otherwise: tuple[Node, ...] = ()
        if end == "else":
            following = self.peek()
            if following.kind == "name" and following.text in ("if", "with"):
                self.next()
                otherwise = (self.branch(following),)
            else:
                self.close("else")
                otherwise, end = self.nodes(word.text)
                if end == "else":
                    raise self.fail("expected end; found {{else}}", following.position)
        del self.variables[count:]
        return Branch(word.position, word.text, pipe, body, otherwise)

    def close(self, context: str) -> None:
        token = self.next()
        if token.kind != "close":
            raise self.fail(f"unexpected <{token.text}> in {context}", token.position)

    def pipe(self, context: str) -> Pipe:
        start = self.peek()
        variables, declares = self.assignment(context)
        commands: list[tuple[Operand, ...]] = []
        while True:
            commands.append(self.command(context))
            if self.peek().text != "|" or self.peek().kind != "sign":
                break
            self.next()
        self.variables.extend(variables if declares else ())
        source = self.source[start.position : self.peek().position].strip()
        return Pipe(start.position, tuple(commands), variables, declares, source)

    def assignment(self, context: str) -> tuple[tuple[str, ...], bool]:
        before = self.place
        variables: list[str] = []
        while self.peek().kind == "variable":
            variables.append(self.next().text)
            sign = self.next()
            if sign.text == "," and context == "range" and len(variables) == 1:
                continue
            if sign.text in (":=", "="):
                return tuple(variables), sign.text == ":="
            break
        self.place = before
        return (), False

    def command(self, context: str) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while True:
            token = self.peek()
            if token.kind in ("close", "end") or (token.kind == "sign" and token.text in ("|", ")")):
                break
            operands.append(self.operand(context))
            if self.peek(spaces=True).kind == "space" or self.peek().kind in ("close", "end"):
                continue
            if self.peek().text not in ("|", ")"):
                raise self.fail(f'unexpected "{self.peek().text}" in operand', self.peek().position)
        if not operands:
            missing = "missing value for " + context
            raise self.fail("unclosed action" if self.peek().kind == "end" else missing)
        return tuple(operands)

    def operand(self, context: str) -> Operand:
        token = self.next()
        start, fields = token.position, []
        base: str | Literal | Pipe = ""
        if token.kind == "field":
            base, fields = ".", [token.text[1:]]
        elif token.text == "." and token.kind == "sign":
            base = "."
        elif token.kind == "variable":
            if token.text not in self.variables:
                raise self.fail(f'undefined variable "{token.text}"', token.position)
            base = token.text
        elif token.text == "(" and token.kind == "sign":
            base = self.pipe("parenthesized pipeline")
            if self.next().text != ")":
                raise self.fail("unclosed left paren", token.position)
        elif token.kind == "name" and token.text not in ("true", "false", "nil"):
            if token.text not in NAMES:
                raise self.fail(f'function "{token.text}" not defined', token.position)
            base = token.text
        elif token.kind in ("name", "string", "char", "number"):
            base = Literal(token.position, _literal(token), token.text)
        else:
            raise self.fail(f'unexpected "{token.text}" in {context}', token.position)
        while self.peek(spaces=True).kind == "field":
            following = self.next()
            # Go says where a chain goes wrong by its second link.
            start = following.position if base != "." or len(fields) == 1 else start
            fields.append(following.text[1:])
        end = self.tokens[self.place - 1]
        source = self.source[token.position : end.position + len(end.text)]
        return Operand(start, base, tuple(fields), source)


def _literal(token: _Token) -> Any:
    if token.kind == "name":
        return {"true": True, "false": False, "nil": None}[token.text]
    if token.kind == "string":
        return unquote(token.text)
    if token.kind == "char":
        return ord(unquote('"' + token.text[1:-1] + '"'))
    digits = token.text.replace("_", "")
    return float(digits) if re.search(r"[.eE]", digits) and "x" not in digits.lower() else int(digits, 0)


def parse(source: str) -> Template:
    """Understand a template.  Raises TemplateProblem in Go's words."""
    parser = _Parser(source, _lex(source))
    nodes, _ = parser.nodes()
    return Template(source, nodes, parser.defined)

"""What Go's text/template gives for the same template and Docker's types is the expected text throughout."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.cli.template import parse
from fairlead.cli.template_functions import FUNCTIONS, TemplateProblem, Time
from fairlead.cli.template_run import Row, execute, render

THING: dict[str, Any] = {
    "Name": "/web",
    "Id": "c0ffee",
    "Count": 3,
    "Ratio": 0.5,
    "Big": 1e21,
    "On": True,
    "Off": False,
    "Nothing": None,
    "Config": {"Cmd": ["sh", "-c"], "Entrypoint": None, "Labels": {"b": "2", "a": "1"}, "Env": []},
    "State": {"Running": True, "Pid": 42},
    "NetworkSettings": {
        "Networks": {"two": {"IPAddress": "10.0.0.2"}, "one": {"IPAddress": "10.0.0.1"}},
        "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "81/tcp": None},
    },
    "Mounts": [
        {
            "Type": "bind",
            "Source": "/s",
            "Destination": "/d",
            "Mode": "",
            "RW": True,
            "Propagation": "rprivate",
        }
    ],
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{.Name}}", "/web"),
        ("{{ .Name }}-{{.Count}}", "/web-3"),
        ("{{.State.Pid}} {{.State.Running}}", "42 true"),
        ("{{.Ratio}} {{.Big}} {{.On}}", "0.5 1e+21 true"),
        ("{{.Nothing}}", "<nil>"),
        ("{{.ID}}", "c0ffee"),
        ("{{.Config.Cmd}} {{.Config.Entrypoint}} {{.Config.Env}}", "[sh -c] [] []"),
        ("{{.Config.Labels}}", "map[a:1 b:2]"),
        ("{{.Config.Labels.a}}{{.Config.Labels.nosuch}}{{if .Config.Labels.x}}y{{end}}", "1<no value>"),
        ("{{.NetworkSettings.Ports}}", "map[80/tcp:[{0.0.0.0 8080}] 81/tcp:[]]"),
        ("{{.Mounts}} {{.RestartPolicy}}", "[{bind  /s /d   true rprivate}] {no 0}"),
        ("{{.IPAM.Config}}", "[{172.17.0.0/16   map[]}]"),
        ("{{(index .IPAM.Config 0).Subnet}}{{(index .IPAM.Config 0).Gateway}}", "172.17.0.0/16"),
        ('{{index .Config.Cmd 1}} {{index .Config.Labels "a"}} {{index .Config.Labels "x"}}', "-c 1 "),
        ('{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', "8080"),
        ("{{range .Config.Cmd}}[{{.}}]{{end}}", "[sh][-c]"),
        ("{{range $i, $c := .Config.Cmd}}{{$i}}={{$c}};{{end}}", "0=sh;1=-c;"),
        (
            "{{range $k, $v := .NetworkSettings.Networks}}{{$k}}:{{$v.IPAddress}} {{end}}",
            "one:10.0.0.1 two:10.0.0.2 ",
        ),
        ("{{range .Config.Env}}x{{else}}none{{end}}", "none"),
        ('{{range .Config.Cmd}}{{if eq . "-c"}}{{break}}{{end}}{{.}}{{end}}', "sh"),
        ('{{range .Config.Cmd}}{{if eq . "sh"}}{{continue}}{{end}}{{.}}{{end}}', "-c"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{if .On}}a{{else}}b{{end}}{{if .Off}}a{{else if .On}}c{{else}}b{{end}}", "ac"),
        ("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none"),
        ('{{if and .On .Count (not .Off)}}yes{{end}}{{or .Off .Nothing "last"}}', "yeslast"),
        ("{{if or .On .NoSuchField}}short{{end}}", "short"),
        ("{{with .State}}{{.Pid}}{{end}}{{with .Nothing}}x{{else}}y{{end}}", "42y"),
        ("{{with $x := .Name}}{{$x}}{{$.Count}}{{end}}", "/web3"),
        ("{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}", "12"),
        ("{{$x := 1}}{{if .On}}{{$x = 5}}{{end}}{{$x}}", "5"),
        ("{{json .Config.Cmd}} {{json .Name}} {{json .Nothing}}", '["sh","-c"] "/web" null'),
        ('{{.Name | printf "%s-%d" | upper}}', "/WEB-%!D(MISSING)"),
        (
            '{{printf "%05d|%-6s|%6.2f|%q|%v|%t|%x|%%" .Count .Name .Ratio .Name .Config.Cmd .On 255}}',
            '00003|/web  |  0.50|"/web"|[sh -c]|true|ff|%',
        ),
        ('{{print 1 2 "a" 3}}|{{println "a" 1}}', "1 2a3|a 1\n"),
        (
            '{{join .Config.Cmd ","}} {{split "a,b" ","}} {{lower "ABC"}} {{title "web server"}}',
            "sh,-c [a b] abc Web Server",
        ),
        ('{{pad "x" 1 2}}|{{truncate "hello" 2}}|{{slice "hello" 1 3}}|{{len "ä"}}', " x  |he|el|2"),
        (
            '{{eq .Count 1 3}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt "b" "a"}} {{ge 1 2}}',
            "true true true true true false",
        ),
        (
            '{{html "<a href=\'x\'>"}} {{urlquery "a b&c"}} {{js "it\'s"}}',
            "&lt;a href=&#39;x&#39;&gt; a+b%26c it\\'s",
        ),
        ("a {{- .Count -}} b", "a3b"),
        ("a {{/* nothing */}}b{{- /* trims */ -}} c", "a bc"),
        ('{{"quo\\"ted\\n"}}{{`raw\\n`}}', 'quo"ted\nraw\\n'),
        ("{{1.5}} {{0x10}} {{'a'}} {{-3}} {{true}}", "1.5 16 97 -3 true"),
        ('{{define "x"}}[{{.}}]{{end}}{{template "x" .Name}}{{template "x" .Count}}', "[/web][3]"),
        ('{{block "b" .Count}}<{{.}}>{{end}}', "<3>"),
        ("{{.}}", None),
    ],
)
def test_templates(template: str, expected: str | None) -> None:
    text = render(template, THING)
    if expected is not None:
        assert text == expected
    else:
        assert text.startswith("map[Big:1e+21 Config:map[Cmd:[sh -c] Entrypoint:<nil>")


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{{.Name", "template: :1: unclosed action"),
        ("a\n{{.Name", "template: :2: unclosed action"),
        ("{{}}", "template: :1: missing value for command"),
        ("{{if}}x{{end}}", "template: :1: missing value for if"),
        ("{{if .On}}", "template: :1: unexpected EOF"),
        ("{{end}}", "template: :1: unexpected {{end}}"),
        ("{{else}}", "template: :1: unexpected {{else}}"),
        ("{{nosuch .Name}}", 'template: :1: function "nosuch" not defined'),
        ("{{$x}}", 'template: :1: undefined variable "$x"'),
        ("{{range .Config.Cmd}}{{$x := .}}{{end}}{{$x}}", 'template: :1: undefined variable "$x"'),
        ('{{"a}}', "template: :1: unterminated quoted string"),
        ("{{(.Name}}", "template: :1: unclosed left paren"),
        ("{{break}}", "template: :1: {{break}} outside {{range}}"),
        ("{{if .On}}a{{else}}b{{else}}c{{end}}", "template: :1: expected end; found {{else}}"),
    ],
)
def test_what_is_no_template(template: str, complaint: str) -> None:
    with pytest.raises(TemplateProblem) as told:
        parse(template)
    assert str(told.value) == complaint


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{{.Foo}}", ':1:2: executing "" at <.Foo>: map has no entry for key "Foo"'),
        ("{{.Foo.Bar}}", ':1:6: executing "" at <.Foo.Bar>: map has no entry for key "Foo"'),
        ("x\n {{.Foo}}", ':2:3: executing "" at <.Foo>: map has no entry for key "Foo"'),
        ("{{.Name.Foo}}", ':1:7: executing "" at <.Name.Foo>: can\'t evaluate field Foo in type string'),
        (
            "{{.Nothing.Foo}}",
            ':1:10: executing "" at <.Nothing.Foo>: nil pointer evaluating interface {}.Foo',
        ),
        (
            "{{index .Config.Cmd 9}}",
            ':1:2: executing "" at <index .Config.Cmd 9>: error calling index: index out of range: 9',
        ),
        (
            "{{eq .Name 1}}",
            ':1:2: executing "" at <eq .Name 1>: error calling eq: incompatible types for comparison',
        ),
        ("{{join .Name}}", ':1:2: executing "" at <join>: wrong number of args for join: want 2 got 1'),
        ("{{lower 3}}", ':1:8: executing "" at <3>: expected string; found 3'),
        (
            "{{lower .Count}}",
            ':1:8: executing "" at <.Count>: wrong type for value; expected string; got int',
        ),
        ("{{nil}}", ':1:2: executing "" at <nil>: nil is not a command'),
        ("{{range .Name}}{{end}}", ':1:8: executing "" at <.Name>: range can\'t iterate over /web'),
        ("{{len .Count}}", ':1:2: executing "" at <len .Count>: error calling len: len of type int'),
        (
            "{{slice .Name 9}}",
            ':1:2: executing "" at <slice .Name 9>: error calling slice: index out of range: 9',
        ),
    ],
)
def test_what_cannot_be_carried_out(template: str, complaint: str) -> None:
    with pytest.raises(TemplateProblem) as told:
        render(template, THING)
    assert str(told.value) == f"template: {complaint}"


def test_rows_compute_only_what_is_asked_for() -> None:
    def never(_: object) -> str:
        raise AssertionError

    fields = {"Name": lambda thing: thing["n"], "Slow": never}
    row = Row(
        "some.rowContext",
        {"n": "x", "l": {"a": "1"}},
        fields,
        {"Label": lambda thing, name: thing["l"].get(name, "")},
    )
    assert execute(parse('{{.Name}}{{.Label "a"}}{{.Label "b"}}'), row, FUNCTIONS) == "x1"
    with pytest.raises(TemplateProblem, match=r"can't evaluate field Nosuch in type \*some.rowContext"):
        execute(parse("{{.Nosuch}}"), row, FUNCTIONS)
    with pytest.raises(TemplateProblem, match="wrong number of args for Name: want 0 got 1"):
        execute(parse('{{.Name "x"}}'), row, FUNCTIONS)


def test_a_row_as_json_is_sorted_and_safe_in_html() -> None:
    row = Row("x", {}, {"B": lambda _: "a->b", "A": lambda _: None})
    assert execute(parse("{{json .}}"), row, FUNCTIONS) == '{"A":null,"B":"a-\\u003eb"}'


def test_times_are_written_as_go_writes_them() -> None:
    assert render("{{.T}} {{json .T}}", {"T": Time("2026-11-21T04:35:39.50Z")}) == (
        '2026-11-21 04:35:39.5 +0000 UTC "2026-11-21T04:35:39.50Z"'
    )


@given(st.text(alphabet="{}.$|\"'`ab()-/* \n=:,19", max_size=24))
def test_any_text_is_carried_out_or_refused_in_words(source: str) -> None:
    try:
        text = render(source, {"a": [1, {"b": None}], "b": "x"})
    except TemplateProblem as problem:
        assert str(problem).startswith("template: ")
    else:
        assert "{{" in source or text == source

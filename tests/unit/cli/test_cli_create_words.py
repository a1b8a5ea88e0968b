"""What the words of `run` and `create` mean, one sort of word after the other."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.cli.detaching import DEFAULT, Detacher, parse_keys
from fairlead.cli.endpoints import endpoints, is_user_defined, network
from fairlead.cli.flags import Values, parse
from fairlead.cli.labels import label_map, labels_shown, read_pairs
from fairlead.cli.mounting import binds_and_volumes, devices, mount
from fairlead.cli.problems import Ending, Invalid
from fairlead.cli.publishing import parse_exposed, parse_published
from fairlead.cli.reference import parse_reference
from fairlead.cli.run_body import capabilities, create_body, restart_policy
from fairlead.cli.run_options import SHARED
from fairlead.cli.subnets import pools


def values(*words: str) -> Values:
    found, rest = parse(SHARED, words)
    assert not rest
    return found


def body(*words: str, environment: dict[str, str] | None = None) -> dict[str, Any]:
    return create_body(values(*words), "image", [], environment or {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", {"80/tcp": ("", "")}),
        ("8080:80", {"80/tcp": ("", "8080")}),
        ("1.2.3.4:8080:80/udp", {"80/udp": ("1.2.3.4", "8080")}),
        ("1.2.3.4::80", {"80/tcp": ("1.2.3.4", "")}),
        ("[::1]:8080:80", {"80/tcp": ("::1", "8080")}),
        ("::1:8080:80", {"80/tcp": ("::1", "8080")}),
        ("90-91:80-81", {"80/tcp": ("", "90"), "81/tcp": ("", "91")}),
        ("80-81", {"80/tcp": ("", ""), "81/tcp": ("", "")}),
        ("90-95:80", {"80/tcp": ("", "90-95")}),
        ("80/SCTP", {"80/sctp": ("", "")}),
        ("published=90,target=80,protocol=udp", {"80/udp": ("", "90")}),
    ],
)
def test_publishing(text: str, expected: dict[str, tuple[str, str]]) -> None:
    exposed, bindings = parse_published([text])
    assert exposed.keys() == expected.keys()
    assert bindings == {port: [{"HostIp": ip, "HostPort": host}] for port, (ip, host) in expected.items()}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no port specified: <empty>"),
        ("abc", "invalid containerPort: abc"),
        ("80:x", "invalid containerPort: x"),
        ("x:80", "invalid hostPort: x"),
        ("99999:80", "invalid hostPort: 99999"),
        ("8000-7000:80", "invalid hostPort: 8000-7000"),
        ("1-2:80-83", "invalid ranges specified for container and host Ports: 80-83 and 1-2"),
        ("80:80/foo", "invalid proto: foo"),
        ("1.2.3:80:80", "invalid IP address: 1.2.3"),
        ("80:80:80:80", "invalid IP address: 80:80"),
        ("published=1,nonsense", "invalid publish opts format (should be name=value but got 'nonsense')"),
    ],
)
def test_what_cannot_be_published(text: str, reason: str) -> None:
    with pytest.raises(Invalid) as told:
        parse_published([text])
    assert str(told.value) == reason


def test_one_port_in_several_places() -> None:
    _, bindings = parse_published(["1:80", "2:80"])
    assert [binding["HostPort"] for binding in bindings["80/tcp"]] == ["1", "2"]


def test_exposing() -> None:
    assert list(parse_exposed(["5", "7-8/udp"])) == ["5/tcp", "7/udp", "8/udp"]
    for text in ("1:2", "a", "9-8"):
        with pytest.raises(Invalid):
            parse_exposed([text])


def test_volumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    binds, volumes = binds_and_volumes(["/a:/b:ro", "name:/c", "/d", "./here:/e", ".:/f"])
    assert binds == ["/a:/b:ro", "name:/c", f"{tmp_path}/here:/e", f"{tmp_path}:/f"]
    assert volumes == {"/d": {}}


def test_mounts() -> None:
    assert mount("type=bind,src=/a,dst=/b,ro") == {
        "Type": "bind",
        "Target": "/b",
        "Source": "/a",
        "ReadOnly": True,
    }
    assert mount("target=/b")["Type"] == "volume"
    assert mount('type=volume,dst=/b,"volume-opt=o=a,b"')["VolumeOptions"] == {
        "DriverConfig": {"Options": {"o": "a,b"}}
    }
    assert mount("type=tmpfs,dst=/b,tmpfs-mode=1777,tmpfs-size=1k")["TmpfsOptions"] == {
        "Mode": 0o1777,
        "SizeBytes": 1024,
    }
    assert "ReadOnly" not in mount("dst=/b,readonly=false")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x", "invalid field 'x' must be a key=value pair"),
        ("type=bind", "target is required"),
        ("type=,dst=/b", "type is required"),
        ("dst=/b,foo=1", "unexpected key 'foo' in 'foo=1'"),
        ("dst=/b,ro=maybe", "invalid value for ro: maybe"),
        ("type=bind,dst=/b,volume-nocopy", "cannot mix 'volume-*' options with mount type 'bind'"),
        ("dst=/b,bind-propagation=shared", "cannot mix 'bind-*' options with mount type 'volume'"),
        ("type=tmpfs,dst=/b,tmpfs-mode=9", "invalid value for tmpfs-mode: 9"),
    ],
)
def test_what_is_no_mount(text: str, reason: str) -> None:
    with pytest.raises(Invalid) as told:
        mount(text)
    assert str(told.value) == reason


def test_devices(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"x{name}").touch()
    found = devices(f"{tmp_path}/x*:r")
    assert [mapping["PathInContainer"] for mapping in found] == [f"{tmp_path}/xa", f"{tmp_path}/xb"]
    assert {mapping["CgroupPermissions"] for mapping in found} == {"r"}
    assert devices("/dev/a:/dev/b:rw") == [
        {"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "rw"}
    ]
    for text, reason in (
        ("x", "x is not an absolute path"),
        ("/x:y:z", "bad mode specified: z"),
        ("/a:/b:rw:c", "bad format for path: /a:/b:rw:c"),
        ("/a*:/b", "device with * suffix can't have dst: /a*:/b"),
    ):
        with pytest.raises(Invalid) as told:
            devices(text)
        assert str(told.value) == reason


def test_networks() -> None:
    assert network("plain") == {"name": "plain"}
    assert network("name=n,ALIAS=a,alias=b,driver-opt=K=V,gw-priority=-3") == {
        "name": "n",
        "alias": ["a", "b"],
        "driver-opt": {"k": "v"},
        "gw-priority": -3,
    }
    for text in (
        "a=b",
        "alias=x",
        "name=n,ip",
        "name=n,gw-priority=x",
        "name=n,mac-address=x",
        "name=n,driver-opt=x",
    ):
        with pytest.raises(Invalid):
            network(text)
    assert not any(is_user_defined(name) for name in ("default", "bridge", "host", "none", "container:x"))


def test_the_first_network_takes_the_older_options() -> None:
    mode, found = endpoints(
        values("--network", "one", "--network", "two", "--ip", "1.2.3.4", "--network-alias", "a")
    )
    assert mode == "one"
    assert found["one"]["IPAMConfig"] == {"IPv4Address": "1.2.3.4"}
    assert found["one"]["Aliases"] == ["a"]
    assert found["two"]["Aliases"] is None
    assert list(endpoints(values())[1]) == ["default"]


@pytest.mark.parametrize(
    "words",
    [
        ("--network", "host", "--network-alias", "a"),
        ("--network", "a", "--network", "host"),
        ("--network", "a", "--network", "a"),
        ("--network", "name=a,ip=1.1.1.1", "--ip", "1.1.1.2"),
        ("--network", ""),
    ],
)
def test_networks_that_contradict_each_other(words: tuple[str, ...]) -> None:
    with pytest.raises(Invalid):
        endpoints(values(*words))


def test_variables_and_labels(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_bytes("\ufeff# comment\n\n A=1\r\nB\nHERE\nC=x=y # kept\n".encode())
    assert read_pairs([str(file)], ["D", "E=", "HERE"], {"HERE": "yes"}) == [
        "A=1",
        "HERE=yes",
        "C=x=y # kept",
        "D",
        "E=",
        "HERE=yes",
    ]
    assert read_pairs([str(file)], ["D"], None)[1:3] == ["B", "HERE"]
    assert label_map(["a=1", "b", "a=2"]) == {"a": "2", "b": ""}
    assert labels_shown({"b": "2", "a": ""}) == "a=,b=2"
    for content, reason in (
        (b"a b=c\n", "contains whitespaces"),
        (b"=x\n", "no variable name"),
        (b"\xff", "utf8"),
    ):
        file.write_bytes(content)
        with pytest.raises(Invalid, match=reason):
            read_pairs([str(file)], [], {})
    with pytest.raises(Invalid, match="open /nowhere: no such file or directory"):
        read_pairs(["/nowhere"], [], {})


def test_the_document() -> None:
    found = body("-it", "--entrypoint", "", "-e", "A", "--rm", "--init=false", environment={"A": "1"})
    assert found["OpenStdin"]
    assert found["StdinOnce"]
    assert found["Entrypoint"] == [""]
    assert found["Env"] == ["A=1"]
    assert found["HostConfig"]["AutoRemove"]
    assert found["HostConfig"]["Init"] is False
    assert "Healthcheck" not in found
    plain = body()
    assert plain["Entrypoint"] is None
    assert plain["Cmd"] is None
    assert plain["AttachStdout"]
    assert "Init" not in plain["HostConfig"]


def test_health() -> None:
    assert body("--health-cmd", "x", "--health-retries", "2")["Healthcheck"] == {
        "Test": ["CMD-SHELL", "x"],
        "Retries": 2,
    }
    assert body("--no-healthcheck")["Healthcheck"] == {"Test": ["NONE"]}
    for words in (("--no-healthcheck", "--health-cmd", "x"), ("--health-interval", "-1s")):
        with pytest.raises(Invalid):
            body(*words)


def test_policies_and_capabilities() -> None:
    assert restart_policy("on-failure:3") == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert restart_policy("") == {"Name": "", "MaximumRetryCount": 0}
    for text in ("on-failure:x", ":3"):
        with pytest.raises(Invalid):
            restart_policy(text)
    assert capabilities(["net_admin", "CAP_NET_ADMIN", "sys_time"]) == ["CAP_NET_ADMIN", "CAP_SYS_TIME"]
    assert capabilities(["x", "all"]) == ["ALL"]
    assert capabilities([]) is None


def test_security(tmp_path: Path) -> None:
    profile = tmp_path / "p.json"
    profile.write_text('{ "a": [1,\n 2] }')
    host = body("--security-opt", f"seccomp={profile}", "--security-opt", "systempaths=unconfined")[
        "HostConfig"
    ]
    assert host["SecurityOpt"] == ['seccomp={"a":[1,2]}']
    assert host["MaskedPaths"] == []
    profile.write_text("no json")
    for option in ("foo", f"seccomp={profile}", "seccomp=/nowhere"):
        with pytest.raises(Invalid):
            body("--security-opt", option)


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("busybox", "docker.io/library/busybox", "busybox"),
        ("busybox:1", "docker.io/library/busybox:1", "busybox:1"),
        ("a/b", "docker.io/a/b", "a/b"),
        ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("index.docker.io/library/x", "docker.io/library/x", "x"),
        ("localhost/x:t", "localhost/x:t", "localhost/x:t"),
        ("host:5000/a/b", "host:5000/a/b", "host:5000/a/b"),
        ("x@sha256:" + "a" * 64, "docker.io/library/x@sha256:" + "a" * 64, "x@sha256:" + "a" * 64),
    ],
)
def test_names_of_images(text: str, full: str, familiar: str) -> None:
    found = parse_reference(text)
    assert (found.full, found.familiar) == (full, familiar)


def test_default_tags() -> None:
    assert parse_reference("a").with_default_tag().familiar == "a:latest"
    assert parse_reference("a:1").with_default_tag().tag == "1"
    assert parse_reference("a@sha256:" + "a" * 64).with_default_tag().tag == ""


@pytest.mark.parametrize(
    "text", ["", "A", "a:", "a b", "a//b", "-a", "a:" + "x" * 129, "f" * 64, "a@sha256:1", "a/B"]
)
def test_what_names_no_image(text: str) -> None:
    with pytest.raises(Invalid):
        parse_reference(text)


def test_pools() -> None:
    assert pools(["10.0.0.0/16"], ["10.0.1.0/24"], ["10.0.0.1"], {"a": "10.0.0.9"}) == [
        {
            "Subnet": "10.0.0.0/16",
            "AuxiliaryAddresses": {"a": "10.0.0.9"},
            "IPRange": "10.0.1.0/24",
            "Gateway": "10.0.0.1",
        }
    ]
    assert pools(["10.0.0.0/16", "fd00::/64"], [], ["fd00::1"], {}) == [
        {"Subnet": "10.0.0.0/16"},
        {"Subnet": "fd00::/64", "Gateway": "fd00::1"},
    ]


@pytest.mark.parametrize(
    ("subnets", "ranges", "gateways", "auxiliary", "message"),
    [
        ([], [], ["1.1.1.1"], {}, "every ip-range or gateway must have a corresponding subnet"),
        (
            ["10.1.0.0/16", "10.1.1.0/24"],
            [],
            [],
            {},
            "multiple overlapping subnet configuration is not supported",
        ),
        (["10.1.0.0/16"], [], ["1.1.1.1"], {}, "no matching subnet for gateway 1.1.1.1"),
        (["10.1.0.0/16"], ["1.1.1.0/24"], [], {}, "no matching subnet for range 1.1.1.0/24"),
        (["10.1.0.0/16"], [], [], {"a": "1.1.1.1"}, "no matching subnet for aux-address 1.1.1.1"),
    ],
)
def test_pools_that_do_not_fit(
    subnets: list[str], ranges: list[str], gateways: list[str], auxiliary: dict[str, str], message: str
) -> None:
    with pytest.raises(Ending) as told:
        pools(subnets, ranges, gateways, auxiliary)
    assert told.value.message == message


def test_detach_keys() -> None:
    assert parse_keys(DEFAULT) == b"\x10\x11"
    assert parse_keys("ctrl-@,a,ctrl-[,ctrl-_") == b"\0a\x1b\x1f"
    for text in ("", "ctrl-", "ctrl-A", "ab", "ctrl-1", "ä"):
        with pytest.raises(Invalid):
            parse_keys(text)


@given(st.lists(st.binary(max_size=6)), st.sampled_from([b"\x10\x11", b"aab", b"x"]))
def test_what_is_typed_goes_through_but_for_the_keys(typed: list[bytes], keys: bytes) -> None:
    detacher = Detacher(keys)
    passed = b""
    for data in typed:
        passed += detacher.feed(data)
        if detacher.detached:
            break
    everything = b"".join(typed)
    if keys in everything and keys != b"aab":
        assert detacher.detached
        assert passed == everything[: everything.index(keys)]
    elif not detacher.detached:
        # The beginning of the keys waits for what comes next.
        assert everything.startswith(passed)
        assert len(everything) - len(passed) < len(keys)

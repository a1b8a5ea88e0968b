"""The parameters of a build."""

import pytest

from fairlead.dockerapi.build import parse_build
from fairlead.model.build import BuildRequest
from fairlead.model.errors import FairleadError, InvalidParameter, Unsupported


def parsed(*tags: str, **values: str) -> BuildRequest:
    hosts = values.pop("extrahosts", "")
    return parse_build(values, tags, hosts.split(";"), {}, "amd64")


def test_everything_that_is_taken_over() -> None:
    request = parsed(
        "a",
        "reg:5000/b:1",
        dockerfile="in/File",
        buildargs='{"A": "1", "UNSET": null}',
        labels='{"x": "y"}',
        nocache="1",
        pull="true",
        q="0",
        target="one",
        networkmode="shop",
        extrahosts='["far:192.0.2.9"]',
        memory="1000",
        memswap="-1",
        cpusetcpus="0-1",
        cachefrom='["old:1"]',
        ulimits='[{"Name": "nofile", "Soft": 1, "Hard": 2}]',
        platform="linux/amd64",
        rm="1",
    )
    assert request == BuildRequest(
        dockerfile="in/File",
        tags=("a:latest", "reg:5000/b:1"),
        arguments={"A": "1"},
        target="one",
        no_cache=True,
        pull=True,
        labels={"x": "y"},
        network_mode="shop",
        extra_hosts=("far:192.0.2.9",),
        cache_from=("old:1",),
        limits={"memory": 1000, "memory-swap": -1, "cpuset-cpus": "0-1"},
        ulimits=(("nofile", 1, 2),),
    )
    assert parsed() == BuildRequest()


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        ({"squash": "1"}, InvalidParameter, "squash is only supported with experimental mode"),
        ({"version": "2"}, Unsupported, "BuildKit"),
        ({"remote": "https://x.test/a.git"}, Unsupported, "cannot build from https://x.test/a.git"),
        ({"platform": "linux/riscv64"}, InvalidParameter, "linux/riscv64"),
        ({"buildargs": "{"}, InvalidParameter, "invalid JSON in buildargs"),
        ({"buildargs": "[]"}, InvalidParameter, "buildargs"),
        ({"labels": '{"a": 1}'}, InvalidParameter, "labels.a must be a string"),
        ({"memory": "much"}, InvalidParameter, "memory"),
        ({"cpusetcpus": "--privileged"}, InvalidParameter, "cpusetcpus"),
        ({"cachefrom": "[1]"}, InvalidParameter, "cachefrom must be an array of strings"),
        ({"extrahosts": '["--x"]'}, InvalidParameter, "invalid extra host"),
        ({"ulimits": '[{"Name": 1}]'}, InvalidParameter, "ulimits"),
    ],
)
def test_what_is_refused(values: dict[str, str], kind: type[FairleadError], words: str) -> None:
    with pytest.raises(kind, match=words):
        parsed(**values)


@pytest.mark.parametrize("tag", ["A", "a:b:c", "a@sha256:" + "0" * 64])
def test_names_that_no_image_can_get(tag: str) -> None:
    with pytest.raises(InvalidParameter):
        parsed(tag)


def test_extra_hosts_come_several_times_and_in_one() -> None:
    hosts = parsed(extrahosts="a:192.0.2.1;b:192.0.2.2,c:192.0.2.3").extra_hosts
    assert hosts == ("a:192.0.2.1", "b:192.0.2.2", "c:192.0.2.3")

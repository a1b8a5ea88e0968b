"""Flags and daemon.json: what is right is read, what is wrong is refused by name."""

import json
from ipaddress import IPv4Interface, ip_network

import pytest

from fairlead.daemon.config import combine, options, read_file
from fairlead.daemon.main import command
from fairlead.daemon.options import BY_KEY, OPTIONS, Kind
from fairlead.engine.defaults import complete
from fairlead.model.config import AddressPool
from fairlead.model.container import HostConfig, LogConfig
from fairlead.model.errors import InvalidParameter
from fairlead.model.guards import Guard

PATH = "/etc/fairlead/daemon.json"


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(InvalidParameter, match="nonsense"):
        read_file('{"nonsense": 1}', PATH)


WRONG = {
    Kind.TEXT: 5,
    Kind.NUMBER: "5",
    Kind.SWITCH: "false",
    Kind.TEXTS: "x",
    Kind.POOLS: {},
    Kind.ULIMITS: [],
    Kind.MAP: ["x=y"],
    Kind.MAPS: {"bridge": "x=y"},
}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.key)
def test_a_wrong_type_is_named(option: object) -> None:
    with pytest.raises(InvalidParameter, match=option.key):  # type: ignore[attr-defined]
        read_file(json.dumps({option.key: WRONG[option.kind]}), PATH)  # type: ignore[attr-defined]


def test_what_flag_and_file_both_say_is_named() -> None:
    with pytest.raises(InvalidParameter, match="bip"):
        combine({"bip": "10.0.0.1/24"}, {"bip": "10.0.0.1/24"}, PATH)


def test_every_key_is_dockers_or_named_like_its_flag() -> None:
    assert BY_KEY["dns-opts"].name == "dns-opt"
    assert BY_KEY["hosts"].name == "host"


def test_values_become_settings() -> None:
    settings = options(
        {
            "bip": "192.168.99.1/24",
            "default-address-pool": ["base=10.0.0.0/8,size=24"],
            "default-ulimit": ["nofile=1024:2048"],
            "iptables": False,
            "ipv6": True,
            "fixed-cidr-v6": "fd00:99::/64",
        }
    ).settings
    assert settings.ipv6
    assert settings.fixed_cidr_v6 == ip_network("fd00:99::/64")
    assert settings.bip == IPv4Interface("192.168.99.1/24")
    assert settings.default_address_pools == (AddressPool(ip_network("10.0.0.0/8"), 24),)
    assert (settings.default_ulimits[0].soft, settings.default_ulimits[0].hard) == (1024, 2048)
    assert settings.iptables is False


def test_options_of_networks_are_read_from_flags_and_file_alike() -> None:
    wanted = {"bridge": {"com.docker.network.driver.mtu": "1400", "x": "a=b"}, "macvlan": {"parent": "eth0"}}
    flags = ["bridge=com.docker.network.driver.mtu=1400", "macvlan=parent=eth0", "bridge=x=a=b"]
    assert options({"default-network-opt": flags}).settings.default_network_options == wanted
    file = read_file(json.dumps({"default-network-opts": wanted}), PATH)
    assert options(file).settings.default_network_options == wanted
    for wrong in ("bridge", "bridge=x", "=x=y", "bridge==y"):
        with pytest.raises(InvalidParameter, match="default-network-opt"):
            options({"default-network-opt": [wrong]})


def test_containers_without_a_logging_driver_get_the_daemons_with_its_options() -> None:
    settings = options({"log-opt": ["max-size=1m", "max-file=3"]}).settings
    assert (
        settings.log_config == options({"log-opt": {"max-size": "1m", "max-file": "3"}}).settings.log_config
    )
    plain = complete(HostConfig(log_config=LogConfig("")), settings).log_config
    assert plain == LogConfig("json-file", {"max-size": "1m", "max-file": "3"})
    own = HostConfig(log_config=LogConfig("json-file", {"max-file": "1"}))
    assert complete(own, settings).log_config.options == {"max-size": "1m", "max-file": "1"}
    assert complete(HostConfig(log_config=LogConfig("none")), settings).log_config.options == {}


def test_flags_of_dockerd_without_a_meaning_here_are_taken() -> None:
    words = [
        "--experimental",
        "--userland-proxy-path=/x",
        "--network-control-plane-mtu",
        "1400",
        "--icc=false",
    ]
    given = command.make_context("daemon", words).params
    assert given["icc"] is False
    assert not {"experimental", "userland_proxy_path"} & given.keys()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"bip": "10.9.0.1/24", "bridge": "none"}, "mutually exclusive options"),
        ({"bip": "10.9.0.1/24", "bridge": "br0"}, "mutually exclusive options"),
        ({"icc": False, "iptables": False}, "ICC=false uses iptables to function"),
        ({"default-gateway": "nonsense"}, "default-gateway"),
        ({"default-gateway-v6": "nonsense"}, "default-gateway-v6"),
        ({"host-gateway-ip": "nonsense"}, "host-gateway-ip"),
        ({"log-driver": "nonsense"}, "cannot set log-driver: .*nonsense"),
    ],
)
def test_settings_that_cannot_be_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        options(values)


@pytest.mark.parametrize("bip", ["nonsense", "192.168.98.0/24", "192.168.98.1", "192.168.98.255/24"])
def test_a_bip_that_no_bridge_can_have_is_refused(bip: str) -> None:
    with pytest.raises(InvalidParameter, match="bip"):
        options({"bip": bip})


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_a_file_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match=PATH):
        read_file(text, PATH)


def test_guards_are_switched_off_by_name() -> None:
    assert options({"allow": ["spoofing"]}).settings.allow == {Guard.SPOOFING}
    assert options({"allow-direct-routing": True}).settings.allow == {Guard.DIRECT_ROUTING}
    both = options({"allow": ["spoofing"], "allow-direct-routing": True}).settings.allow
    assert both == {Guard.SPOOFING, Guard.DIRECT_ROUTING}
    assert options({"allow-direct-routing": False}).settings.allow == frozenset()


def test_a_guard_that_there_is_not_is_named() -> None:
    with pytest.raises(InvalidParameter, match='cannot allow "spoof": it is none of direct-routing,'):
        options({"allow": ["spoof"]})

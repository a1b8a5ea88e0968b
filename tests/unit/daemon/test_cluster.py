"""The flags of a cluster: what is right is read, what is wrong or unsafe is refused."""

import json
from ipaddress import ip_address

import pytest

from fairlead.daemon.cluster import cluster, interface_address, split
from fairlead.daemon.config import options, read_file
from fairlead.model.addresses import Address
from fairlead.model.config import Cluster
from fairlead.model.errors import InvalidParameter

NEAR, HERE = "etcd://127.0.0.1:2379", "192.0.2.1:2376"


def address_of(name: str) -> Address:
    if name != "eth0":
        raise OSError(19, "No such device")
    return ip_address("192.0.2.7")


def test_all_that_can_be_said() -> None:
    given = [
        "kv.cacertfile=/ca", "kv.certfile=/cert", "kv.keyfile=/key", "kv.path=/blue/",
        "discovery.heartbeat=2", "discovery.ttl=9",
    ]  # fmt: skip
    store = "etcd://10.0.0.5:2379,[2001:db8::5]:2379,etcd.lan,10.0.0.5:2379/site"
    assert cluster(store, "eth0:2376", given, address_of=address_of) == Cluster(
        store=store,
        endpoints=("10.0.0.5:2379", "[2001:db8::5]:2379", "etcd.lan:2379"),
        advertise="192.0.2.7:2376",
        vtep=ip_address("192.0.2.7"),
        prefix="/site/blue",
        ca="/ca",
        certificate="/cert",
        key="/key",
        heartbeat=2,
        ttl=9,
    )


def test_flags_and_file_mean_the_same() -> None:
    document = {
        "cluster-store": "etcd://10.0.0.5:2379",
        "cluster-advertise": "[2001:db8::1]:2376",
        "cluster-store-opts": {"kv.insecure": "true", "discovery.ttl": "30"},
        "overlay-port": 8472,
    }
    from_file = options(read_file(json.dumps(document), "daemon.json")).settings
    from_flags = options(
        {
            "cluster-store": "etcd://10.0.0.5:2379",
            "cluster-advertise": "[2001:db8::1]:2376",
            "cluster-store-opt": ["kv.insecure=true", "discovery.ttl=30"],
            "overlay-port": 8472,
        }
    ).settings
    assert from_file == from_flags
    assert from_file.cluster and from_file.cluster.vtep == ip_address("2001:db8::1")
    assert (from_file.cluster.heartbeat, from_file.cluster.ttl, from_file.overlay_port) == (10, 30, 8472)


def test_without_flags_there_is_no_cluster() -> None:
    settings = options({}).settings
    assert settings.cluster is None and settings.overlay_port == 4789


@pytest.mark.parametrize(
    ("given", "times"),
    [
        ([], (3, 10)),
        (["discovery.heartbeat=5"], (5, 15)),
        (["discovery.ttl=2"], (1, 2)),
        (["discovery.ttl=60"], (20, 60)),
    ],
)
def test_times_follow_one_another(given: list[str], times: tuple[int, int]) -> None:
    made = cluster(NEAR, HERE, given)
    assert made and (made.heartbeat, made.ttl) == times


REFUSED = [
    ("", HERE, [], "--cluster-advertise must be accompanied by --cluster-store configuration"),
    (NEAR, "", [], "--cluster-store must be accompanied by --cluster-advertise configuration"),
    ("", "", ["kv.path=x"], "there is no --cluster-store"),
    ("consul://127.0.0.1:8500", HERE, [], "discovery service not supported"),
    ("127.0.0.1:2379", HERE, [], "discovery service not supported"),
    ("etcd://", HERE, [], "missing host"),
    ("etcd://a,,b", HERE, [], "missing host"),
    ("etcd://127.0.0.1:http", HERE, [], "http is no port"),
    ("etcd://127.0.0.1:99999", HERE, [], "99999 is no port"),
    (NEAR, "192.0.2.1", [], "missing port in address"),
    (NEAR, "eth1:2376", [], "invalid cluster advertise IP address or interface name .eth1:2376. : No such"),
    (NEAR, "0.0.0.0:2376", [], "0.0.0.0 is not the address of a host"),
    (NEAR, "2001:db8::1:2376", [], "too many colons"),
    (NEAR, HERE, ["nonsense=1"], "there is no option nonsense"),
    (NEAR, HERE, ["discovery.ttl=x"], "discovery.ttl must be a number of seconds, not 'x'"),
    (NEAR, HERE, ["discovery.ttl=0"], "discovery.ttl must be positive"),
    (NEAR, HERE, ["discovery.ttl=5", "discovery.heartbeat=5"], "must be greater than discovery.heartbeat"),
    (NEAR, HERE, ["kv.certfile=/cert"], "cannot use TLS with the cluster store"),
    (NEAR, HERE, ["kv.certfile=/cert", "kv.keyfile=/key"], "kv.cacertfile must be given"),
]


@pytest.mark.parametrize(("store", "advertise", "given", "words"), REFUSED)
def test_what_is_wrong_is_named(store: str, advertise: str, given: list[str], words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        cluster(store, advertise, given, address_of=address_of)


@pytest.mark.parametrize("host", ["10.0.0.5", "etcd.lan", "[2001:db8::5]", "127.0.0.1:2379,10.0.0.5"])
def test_a_store_elsewhere_without_tls_must_be_asked_for(host: str) -> None:
    with pytest.raises(InvalidParameter, match="without TLS"):
        cluster(f"etcd://{host}", HERE, [])
    with pytest.raises(InvalidParameter, match="without TLS"):
        cluster(f"etcd://{host}", HERE, ["kv.insecure=false"])
    assert cluster(f"etcd://{host}", HERE, ["kv.insecure=true"])
    assert cluster(f"etcd://{host}", HERE, ["kv.cacertfile=/ca"])
    flags = {"cluster-store": f"etcd://{host}", "cluster-advertise": HERE}
    assert options({**flags, "tls": False}).settings.cluster
    with pytest.raises(InvalidParameter, match="without TLS"):
        options({**flags, "tls": True})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9:4001", "[::1]:2379", "localhost"])
def test_a_store_on_this_host_needs_none(host: str) -> None:
    assert cluster(f"etcd://{host}", HERE, [])


@pytest.mark.parametrize("port", [0, 65536])
def test_an_overlay_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(InvalidParameter, match="overlay-port"):
        options({"overlay-port": port})


def test_an_interface_has_its_address() -> None:
    with pytest.raises(OSError, match="No such device"):
        interface_address("not-there")
    assert split("[fe80::1]:1") == ("fe80::1", 1)

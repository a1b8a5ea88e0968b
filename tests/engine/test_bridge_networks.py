"""User-defined bridges: their subnets and their options, and what a refusal leaves behind: nothing."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from docker import DockerClient
from docker.errors import APIError

from fairlead.lab.host import Host
from fairlead.lab.lab import Lab
from fairlead.lab.traces import look

BRIDGE = "com.docker.network.bridge."
MODE4, MODE6 = f"{BRIDGE}gateway_mode_ipv4", f"{BRIDGE}gateway_mode_ipv6"

REFUSED = [
    ("-o com.docker.network.driver.mtu=-1", "invalid MTU number: -1"),
    ("-o com.docker.network.driver.mtu=66000", "invalid MTU number: 66000"),
    ("--ipv6 -o com.docker.network.driver.mtu=1000", "invalid MTU number: 1000"),
    (f"-o {BRIDGE}inhibit_ipv4=no", f"failed to parse {BRIDGE}inhibit_ipv4 value: no"),
    (
        f"-o {BRIDGE}host_binding_ipv4=x",
        f"failed to parse {BRIDGE}host_binding_ipv4 value: x (nil ip)",
    ),
    ("-o com.docker.network.container_iface_prefix=a/b", 'cannot name interfaces "a/b0"'),
    (f"-o {MODE4}=open", f"failed to parse {MODE4} value: open (unknown gateway mode open)"),
    (f"-o {MODE6}=isolated", "gateway mode 'isolated' can only be used for an internal network"),
    (f"-o {BRIDGE}name=eth0", "existing interface eth0 is not a bridge"),
    (f"-o {BRIDGE}name=docker0", "conflicts with network bridge (docker0): networks have same bridge name"),
    ("--ipv4=false", "IPv4 or IPv6 must be enabled"),
    ("--ipv4=false --ipv6 --subnet 10.3.0.0/24", "IPv4 is disabled"),
    ("--subnet 10.3.0.0/24 --subnet 10.4.0.0/24", "bridge driver doesn't support multiple subnets"),
    ("--subnet 10.3.0.0/31", "failed to allocate gateway (): No available addresses on this pool"),
    ("--subnet 10.3.0.0/32", "failed to allocate gateway (): No available addresses on this pool"),
    ("--subnet 10.3.0.0/24 --gateway 10.3.0.255", "(10.3.0.255): Address already in use"),
    ("--subnet 10.3.0.0/24 --aux-address a=10.3.0.1", "(a:10.3.0.1): Address already in use"),
    ("--subnet 10.3.0.0/24 --aux-address a=10.3.0.5 --aux-address b=10.3.0.5", "Address already in use"),
    ("--subnet 127.3.0.0/24", "cannot use subnet 127.3.0.0/24"),
    ("--subnet 224.0.0.0/24", "cannot use subnet 224.0.0.0/24"),
]


def inspect(host: Host, network: str) -> Any:
    return json.loads(host.run(f"docker network inspect {network}", check=True).stdout)[0]


def test_what_cannot_be_is_refused_and_changes_nothing(clean: Host) -> None:
    before = look(clean)
    lines = "\n".join(
        f"docker network create {flags} wrong 2>&1 | tr '\\n' ' '; echo" for flags, _ in REFUSED
    )
    answers = clean.run(lines).stdout.splitlines()
    for (flags, words), answer in zip(REFUSED, answers, strict=True):
        assert words in answer, f"{flags}: {answer}"
    assert look(clean).since(before) == {}
    assert clean.run("docker network ls -q | wc -l").stdout.strip() == "3"


def test_of_a_hundred_creates_of_one_name_one_succeeds(clean: Host) -> None:
    def create(_: int) -> int:
        # A connection of its own for each, as a hundred clients have.
        client = DockerClient(base_url=f"unix://{clean.socket}", version="1.43")
        try:
            client.networks.create("one", check_duplicate=True)
            return 201
        except APIError as error:
            return int(error.response.status_code)
        finally:
            client.close()

    with ThreadPoolExecutor(25) as pool:
        codes = list(pool.map(create, range(100)))
    assert sorted(codes) == [201] + [409] * 99
    assert clean.run("ip -br link show type bridge | wc -l").stdout.strip() == "2"


def test_addresses_come_from_the_range_until_it_is_used_up(clean: Host) -> None:
    flags = "--subnet 10.3.0.0/24 --ip-range 10.3.0.8/30 --aux-address printer=10.3.0.9"
    clean.run(f"docker network create {flags} --ipv6 --subnet fd00:3::/64 --ip-range fd00:3::f0/126 ranged")
    run = "docker run -d --network ranged busybox sleep 1000"
    assert [clean.run(run).ok for _ in range(3)] == [True, True, False]
    assert "no available IPv4 addresses on this network's address pools: ranged (" in clean.run(run).stderr
    members = inspect(clean, "ranged")["Containers"].values()
    assert sorted(each["IPv4Address"] for each in members) == ["10.3.0.10/24", "10.3.0.11/24"]
    assert sorted(each["IPv6Address"] for each in members) == ["fd00:3::f1/64", "fd00:3::f2/64"]


def test_ipv6_without_a_subnet_gets_one_of_the_engines_own(clean: Host) -> None:
    clean.run("docker network create --ipv6 six; docker network create --ipv6 seven", check=True)
    first, second = (inspect(clean, name)["IPAM"]["Config"][1]["Subnet"] for name in ("six", "seven"))
    assert first.startswith("fd") and first.endswith("/64") and first != second
    assert first.split(":")[:3] == second.split(":")[:3]
    seen = clean.run("docker run --rm --network six busybox ip -6 addr show eth0", check=True).stdout
    assert first.removesuffix("/64") + "2/64" in seen


def test_a_network_may_do_without_ipv4(clean: Host) -> None:
    clean.run("docker network create --ipv4=false --ipv6 --subnet fd00:4::/64 only6", check=True)
    clean.run("docker run -d --name web --network only6 -p 8080:80 web", check=True)
    assert clean.run("docker exec web ip -4 addr show eth0", check=True).stdout == ""
    assert inspect(clean, "only6")["EnableIPv4"] is False
    for address in ("127.0.0.1", clean.address, "[::1]", "[fd00:4::2]:80"):
        place = address if address.endswith(":80") else f"{address}:8080"
        assert "It works" in clean.run(f"curl -s -m 5 http://{place}/").stdout, place


def test_routes_of_the_host_are_avoided_and_halves_of_the_default_route_are_not(clean: Host) -> None:
    clean.stop_engine()  # after which the first subnet that is free is the next
    clean.start_engine()
    clean.run("ip route add 172.18.0.0/15 dev eth0; ip route add 172.20.9.0/24 dev eth0", check=True)
    clean.run("ip route add 0.0.0.0/1 dev eth0; ip route add 128.0.0.0/1 dev eth0", check=True)
    clean.run("docker network create aside", check=True)
    assert inspect(clean, "aside")["IPAM"]["Config"][0]["Subnet"] == "172.21.0.0/16"
    for route in ("172.18.0.0/15", "172.20.9.0/24", "0.0.0.0/1", "128.0.0.0/1"):
        clean.run(f"ip route del {route}", check=True)


def test_pools_of_the_daemons_own_are_used_up_and_say_so(clean: Host) -> None:
    clean.stop_engine()
    pools = ("base=10.5.0.0/29,size=30", "base=fd00:5::/63,size=64")  # docker0 takes the first
    clean.start_engine(*(word for pool in pools for word in ("--default-address-pool", pool)))
    created = [clean.run(f"docker network create --ipv6 n{n}") for n in range(2)]
    assert [each.ok for each in created] == [True, False]
    assert "could not find an available, non-overlapping IPv4 address pool" in created[1].stderr
    assert [each["Subnet"] for each in inspect(clean, "n0")["IPAM"]["Config"]] == [
        "10.5.0.4/30",
        "fd00:5::/64",
    ]
    clean.run("docker network rm n0", check=True)
    clean.stop_engine()
    clean.start_engine()


def test_options_do_what_they_say(clean: Host) -> None:
    prefix, binding = "com.docker.network.container_iface_prefix=lan", f"{BRIDGE}host_binding_ipv4=127.0.0.1"
    clean.run(f"docker network create -o {prefix} -o {binding} named", check=True)
    clean.run(
        "docker run -d --name web --network named -p 8080:80 web; docker network create zoo", check=True
    )
    clean.run("docker network connect zoo web; docker network disconnect named web", check=True)
    clean.run("docker network connect named web", check=True)
    links = clean.run("docker exec web ls /sys/class/net", check=True).stdout.split()
    assert links == ["eth0", "lan1", "lo"]
    assert clean.run("docker port web", check=True).stdout == "80/tcp -> 127.0.0.1:8080\n"
    clean.run(f"docker network create -o {BRIDGE}inhibit_ipv4=true -o {BRIDGE}name=bare bare", check=True)
    assert clean.run("ip -4 -br addr show bare").stdout.split()[2:] == []
    gateway = inspect(clean, "bare")["IPAM"]["Config"][0]["Gateway"]
    assert gateway in clean.run("docker run --rm --network bare busybox ip route", check=True).stdout


def test_an_isolated_network_is_a_bridge_without_an_address(clean: Host) -> None:
    clean.run(f"docker network create --internal -o {MODE4}=isolated -o {BRIDGE}name=apart apart", check=True)
    assert clean.run("ip -4 -br addr show apart").stdout.split()[2:] == []
    clean.run("docker run -d --name one --network apart busybox sleep 1000", check=True)
    inside = clean.run("docker run --rm --network apart busybox sh -c 'ip route; ping -c 2 -W 4 one'")
    assert inside.ok and "default" not in inside.stdout


def test_a_routed_network_is_known_by_its_own_addresses(lab: Lab, clean: Host) -> None:
    outside = lab.outside
    outside.run(f"ip route add 10.6.0.0/24 via {clean.address}", check=True)
    clean.run(f"docker network create --subnet 10.6.0.0/24 -o {MODE4}=routed routed", check=True)
    clean.run("docker run -d --name web --network routed -p 8080:80 web", check=True)
    clean.run("docker run -d --name shut --network routed web", check=True)
    ports = json.loads(clean.run("docker inspect -f '{{json .NetworkSettings.Ports}}' web").stdout)
    assert ports == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": ""}]}
    assert clean.run("ss -Htln sport 8080").stdout == ""
    assert "It works" in outside.run("curl -s -m 5 http://10.6.0.2/").stdout
    assert not outside.run("curl -s -m 1 http://10.6.0.3/").ok
    assert outside.run("ping -c 2 -W 4 10.6.0.3").ok
    ask = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 203.0.113.10 80"
    told = clean.run(f'docker run --rm --network routed busybox sh -c "{ask}"').stdout
    assert "outside saw 10.6.0.4" in told, "its packets leave with its own address"
    refused = clean.run("docker run --rm --network routed -p 127.0.0.1:80:80 busybox true")
    assert "cannot publish port 80 on 127.0.0.1" in refused.stderr
    outside.run("ip route del 10.6.0.0/24", check=True)


def test_an_unprotected_network_lets_everything_in_by_the_containers_addresses(lab: Lab, clean: Host) -> None:
    lab.outside.run(f"ip route add 10.7.0.0/24 via {clean.address}", check=True)
    clean.run(f"docker network create --subnet 10.7.0.0/24 -o {MODE4}=nat-unprotected loose", check=True)
    clean.run("docker run -d --name web --network loose -p 8080:80 web", check=True)
    clean.run("docker run -d --name open --network loose web", check=True)
    for place in ("10.7.0.3", "10.7.0.2", f"{clean.address}:8080"):
        assert "It works" in lab.outside.run(f"curl -s -m 5 http://{place}/").stdout, place
    lab.outside.run("ip route del 10.7.0.0/24", check=True)


@pytest.mark.parametrize("words", ["-f type=builtin", "-f dangling=true", "-f driver=null -f driver=bridge"])
def test_lists_show_what_their_filters_say(clean: Host, words: str) -> None:
    clean.run("docker network create --label a=1 red; docker network create blue", check=True)
    clean.run("docker run -d --network red busybox sleep 1000", check=True)
    expected = {
        "-f type=builtin": ["bridge", "host", "none"],
        "-f dangling=true": ["blue"],
        "-f driver=null -f driver=bridge": ["blue", "bridge", "none", "red"],
    }[words]
    assert clean.run(f"docker network ls {words} --format '{{{{.Name}}}}'").stdout.split() == expected


def test_prune_and_rm_take_what_nobody_is_on(clean: Host) -> None:
    clean.run("for n in red blue green; do docker network create --label c=$n $n; done", check=True)
    clean.run("docker run -d --name on --network red busybox sleep 1000", check=True)
    assert "blue" not in clean.run("docker network prune -f --filter until=1h").stdout
    assert clean.run("docker network prune -f --filter label!=c=green").stdout.split()[2:] == ["blue"]
    identity = inspect(clean, "green")["Id"][:6]
    removed = clean.run(f"docker network rm {identity} red")
    assert removed.stdout.split() == [identity]
    assert "has active endpoints" in removed.stderr


def test_a_network_is_made_like_a_configuration_that_nobody_is_on(clean: Host) -> None:
    flags = "--subnet 10.7.0.0/24 --gateway 10.7.0.9 --label a=b -o com.docker.network.driver.mtu=1400"
    clean.run(f"docker network create --config-only {flags} plan", check=True)
    plan = inspect(clean, "plan")
    assert (plan["Driver"], plan["ConfigOnly"], plan["Labels"]) == ("null", True, {"a": "b"})
    assert clean.run("ip -br link show type bridge | wc -l").stdout.strip() == "1"
    refused = clean.run("docker run --rm --network plan busybox true")
    assert "cannot create endpoint on configuration-only network" in refused.stderr
    # Its subnet is free for others until a network is made like it.
    clean.run("docker network create --subnet 10.7.0.0/24 other && docker network rm other", check=True)
    clean.run("docker network create --config-from plan made", check=True)
    made = inspect(clean, "made")
    assert made["ConfigFrom"] == {"Network": "plan"}
    assert [made[each] for each in ("IPAM", "Options", "Labels")] == [
        plan[each] for each in ("IPAM", "Options", "Labels")
    ]
    assert 'network "plan" is in use' in clean.run("docker network rm plan").stderr
    link = clean.run("docker run --rm --network made busybox ip addr show eth0", check=True).stdout
    assert "mtu 1400" in link and "10.7.0.1/24" in link
    assert clean.run("docker network prune -f", check=True).stdout.split()[-1] == "made"
    clean.run("docker network rm plan", check=True)

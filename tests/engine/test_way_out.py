"""Published ports go where the way out goes, and stay open meanwhile."""

from fairlead.lab.host import Host

ROUTE = "docker exec web ip route show default"


def chain(host: Host) -> str:
    return host.run("iptables -S DOCKER", check=True).stdout


def page(host: Host) -> str:
    return host.run("curl -s -m 3 127.0.0.1:8080", check=True).stdout


def test_ports_move_with_the_way_out_and_back(clean: Host) -> None:
    clean.run("docker network create --subnet 10.10.0.0/24 alpha", check=True)
    clean.run("docker run -d --name web -p 8080:80 web", check=True)
    clean.run("until curl -s -m 1 127.0.0.1:8080 >/dev/null; do sleep 0.1; done", deadline=20, check=True)
    before = page(clean)
    assert "-d 172.17.0.2/32" in chain(clean)

    clean.run("docker network connect alpha web", check=True)
    assert "via 10.10.0.1" in clean.run(ROUTE, check=True).stdout
    assert "-d 10.10.0.2/32" in chain(clean)
    assert "-d 172.17.0.2/32" not in chain(clean)
    assert page(clean) == before
    assert "8080" in clean.run("docker port web", check=True).stdout

    clean.run("docker network disconnect alpha web", check=True)
    assert "via 172.17.0.1" in clean.run(ROUTE, check=True).stdout
    assert "-d 172.17.0.2/32" in chain(clean)
    assert page(clean) == before


def test_ports_are_published_once_there_is_a_way_out(clean: Host) -> None:
    clean.run("docker network create --internal --subnet 10.11.0.0/24 inner", check=True)
    clean.run("docker run -d --name web --network inner -p 8081:80 web", check=True)
    assert "10.11.0.2" not in chain(clean)
    clean.run("docker network connect bridge web", check=True)
    assert "-d 172.17.0.2/32" in chain(clean)
    clean.run("until curl -s -m 1 127.0.0.1:8081 >/dev/null; do sleep 0.1; done", deadline=20, check=True)

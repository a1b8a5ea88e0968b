"""Containers in the network of another keep it when that one is restarted."""

from fairlead.lab.host import Host

INODE = "docker exec child readlink /proc/self/ns/net"
PAGE = "curl -s -m 5 http://127.0.0.1:8080/"


def start(host: Host) -> str:
    """A parent that only holds the network and publishes a port, and a child that serves it."""
    host.run("docker run -d --name parent -p 8080:80 busybox sleep 1000", check=True)
    host.run("docker run -d --name child --network container:parent web", check=True)
    assert "It works" in host.run(PAGE).stdout
    return host.run(INODE, check=True).stdout


def test_the_namespace_is_the_same_after_every_restart(clean: Host) -> None:
    inode = start(clean)
    clean.run("docker restart -t 0 parent", check=True)
    assert clean.run(INODE).stdout == inode
    assert "It works" in clean.run(PAGE).stdout
    clean.kill_engine()
    clean.start_engine()
    clean.run("docker restart -t 0 parent", check=True)
    assert clean.run(INODE).stdout == inode
    assert "It works" in clean.run(PAGE).stdout
    assert (
        clean.run("docker exec child cat /etc/hosts").stdout
        == clean.run("docker exec parent cat /etc/hosts").stdout
    )


def test_it_waits_for_a_parent_that_is_stopped_also_over_a_restart_of_the_daemon(clean: Host) -> None:
    inode = start(clean)
    clean.run("docker stop -t 0 parent", check=True)
    assert clean.run("docker exec child ls /sys/class/net").stdout == "lo\n"
    assert clean.run("ss -Htln sport 8080").stdout == ""
    clean.kill_engine()
    clean.start_engine()
    assert clean.run("ip netns").stdout.split()[0] == "parent"
    clean.run("docker start parent", check=True)
    assert clean.run(INODE).stdout == inode
    assert "It works" in clean.run(PAGE).stdout


def test_the_last_one_takes_it_along(clean: Host) -> None:
    start(clean)
    clean.run("docker stop -t 0 parent; docker stop -t 0 child", check=True)
    assert clean.run("ip netns").stdout == ""
    clean.run("docker start parent; docker start child", check=True)
    assert "It works" in clean.run(PAGE).stdout
    clean.run("docker rm -f parent", check=True)
    assert clean.run("ip netns").stdout == ""
    assert clean.run("docker exec child ls /sys/class/net").stdout == "lo\n"

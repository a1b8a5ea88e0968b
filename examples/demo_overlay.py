"""The demonstration of networks over several hosts: three engines, three members of etcd, one network.

Run by `make demo-overlay`, as root.  Everything happens in virtual hosts on a LAN of their own; the
machine's own network is not touched.  Ends with an error as soon as something is not as told.
"""

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from story import BOLD, GREEN, PLAIN, RED, Story, Untrue, settled

from fairlead.lab import debian, images, traces
from fairlead.lab.etcd import Etcd
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab
from fairlead.model.errors import FairleadError

HOSTS = 3
APPLICATION = Path(__file__).parent / "flask-redis/app.py"
ETCDCTL = "etcdctl --endpoints {address}:2379"


def archives() -> list[list[bytes]]:
    """The images that each host needs."""
    with ThreadPoolExecutor() as pool:
        redis = pool.submit(debian.redis)
        flask = pool.submit(debian.flask, "flask-redis", APPLICATION.read_bytes())
        busybox = images.busybox()
        return [[busybox, redis.result()], [busybox, flask.result()], [busybox]]


def begin(story: Story, lab: Lab, etcd: Etcd) -> list[Host]:
    """The cluster: a store that all agree on, and an engine on each host, with its images."""
    hosts = [lab.host(number) for number in range(1, HOSTS + 1)]
    story.chapter(
        "Three hosts on a LAN, with etcd and an engine on each",
        "etcd is the only thing that they share: there is no scheduler and no leader among the engines.",
    )
    with ThreadPoolExecutor() as pool:
        needed = pool.submit(archives)
        began = time.monotonic()
        etcd.start()
        print(f"   three members of etcd agree after {time.monotonic() - began:.1f} s")
        print(f"   {BOLD}fairlead daemon {' '.join(etcd.engine_flags)}{PLAIN}")

        def start(host: Host, images: list[bytes]) -> None:
            host.start_engine(*etcd.engine_flags)
            for archive in images:
                host.run("docker load --quiet", input=archive, check=True, deadline=120)

        list(pool.map(start, hosts, needed.result()))
    return hosts


def one_network(story: Story, hosts: list[Host]) -> None:
    """Made on one host, there on all."""
    first, second, third = hosts
    story.chapter("A network is made on one host, and is there on all")
    story.do(first, "docker network create -d overlay demo")
    began = time.monotonic()
    there = settled(lambda: third.run("docker network inspect demo").ok, 5)
    story.see(f"the third host has it {time.monotonic() - began:.2f} s later", there)
    listed = story.do(third, "docker network ls")
    story.see("its scope is global", "overlay   global" in listed.stdout)
    for number, host in enumerate(hosts, 1):
        story.do(host, f"docker run -d --name c{number} --network demo busybox sleep 1000")
    settled(lambda: all(first.run(f"docker exec c1 ping -c 1 -W 1 c{n}").ok for n in (2, 3)))
    ping = story.do(first, "docker exec c1 ping -c 3 c3")
    story.see("c1 reaches c3 on another host by its name", "3 packets received" in ping.stdout)
    story.do(first, "docker exec c1 ip route")
    story.do(second, "ip -n $(ip netns list | grep -o '^overlay-[0-9a-f]*') -brief link")
    story.do(
        second, "bridge -n $(ip netns list | grep -o '^overlay-[0-9a-f]*') fdb show dev vxlan0 | grep dst"
    )


def application(story: Story, lab: Lab, hosts: list[Host]) -> None:
    """Two tiers on two hosts."""
    first, second, third = hosts
    story.chapter("An application on two hosts", "redis on the first, the web server on the second.")
    story.do(first, "docker run -d --name redis --network demo redis")
    story.do(second, "docker run -d --name web --network demo -p 5000:5000 flask-redis")
    settled(lambda: lab.outside.run(f"curl -sf -m 2 http://{second.address}:5000/").ok, 20)
    for _ in range(2):
        page = story.do(lab.outside, f"curl -sS -m 5 http://{second.address}:5000/")
    story.see("the counter in redis rises", "times" in page.stdout)
    story.do(first, "docker restart -t 0 redis")
    again = settled(lambda: third.run(f"curl -sf -m 2 http://{second.address}:5000/").ok, 20)
    story.see("after redis was restarted the page comes again", again)


def store(story: Story, etcd: Etcd, hosts: list[Host]) -> None:
    """What is in etcd, and a member of it gone."""
    first, second, _ = hosts
    story.chapter("What they share")
    keys = story.do(
        first, ETCDCTL.format(address=first.address) + " get --prefix --keys-only /fairlead/v1/ | grep ."
    )
    story.see("three members are there", keys.stdout.count("/members/") == HOSTS)
    story.do(first, "fairlead overlay status")
    story.chapter("A member of etcd dies")
    etcd.kill(first)
    ping = story.do(first, "docker exec c1 ping -c 2 c2")
    story.see("containers go on", "2 packets received" in ping.stdout)
    story.do(second, "docker run -d --name late --network demo busybox sleep 1000", deadline=30)
    reached = settled(lambda: first.run("docker exec c1 ping -c 1 -W 1 late").ok)
    story.see("and a container that starts meanwhile is reached from the other hosts", reached)


def away(story: Story, hosts: list[Host]) -> None:
    """Everything away again."""
    story.chapter("Away with it")
    for host in hosts:
        host.run("docker ps -aq | xargs -r docker rm -f", check=True)
    gone = settled(lambda: hosts[1].run("docker network rm demo").ok)
    story.see("the network goes once nobody is on it", gone)
    nowhere = settled(lambda: not any(host.run("docker network inspect demo").ok for host in hosts))
    story.see("and it is gone on all hosts", nowhere)
    for host in hosts:
        left = host.run("ip netns list").stdout.split()
        story.see(f"no namespace is left on {host.name}", not left)


def tell() -> int:
    """Tell the story; how many claims were checked."""
    story = Story()
    print(f"{BOLD}fairlead: one network over three hosts{PLAIN}")
    machine = traces.machine_network()
    with Lab(f"demo-{os.getpid()}", HOSTS) as lab:
        etcd = Etcd([lab.host(number) for number in range(1, HOSTS + 1)], HOSTS)
        hosts = begin(story, lab, etcd)
        one_network(story, hosts)
        application(story, lab, hosts)
        store(story, etcd, hosts)
        away(story, hosts)
    story.chapter("Nothing is left on this machine", "The virtual hosts and their LAN are gone.")
    story.see("the machine's own links and firewall rules are as before", traces.machine_network() == machine)
    return story.checks


def main() -> None:
    """Tell the story."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that the lab is taken down
    try:
        checks = tell()
    except (Untrue, FairleadError) as error:
        print(f"\n{RED}The demo failed: {error}{PLAIN}", file=sys.stderr)
        sys.exit(1)
    print(f"\n{GREEN}All of it was so: {checks} claims were checked.{PLAIN}")


if __name__ == "__main__":
    main()

"""The demonstration: containers on docker0 and a published port, told as a story.

Run by `make demo`, as root.  Everything happens in a virtual host, which has network, mounts,
processes and control groups of its own; the machine's own network is not touched, and the last
chapter proves it.  Ends with an error as soon as something is not as told.

    demo.py [--engine fairlead|dockerd]
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from story import BOLD, GREEN, PLAIN, RED, Story, Untrue, settled

from fairlead.lab import images, traces
from fairlead.lab.lab import Lab
from fairlead.model.errors import FairleadError


def start(story: Story, lab: Lab, engine: str) -> None:
    """An engine and two images in an empty host."""
    host = lab.host(1)
    story.chapter(
        "An engine in a virtual host",
        f"{host.name} has its own network: {host.address} on a LAN with an outside that is its gateway,",
        "its name server and the internet. Nobody outside has a route to any container.",
    )
    story.do(host, "ip -brief address")
    began = time.monotonic()
    host.start_engine(kind=engine)
    print(f"\n   {BOLD}{engine}{PLAIN} answers on {host.socket} after {time.monotonic() - began:.2f} s")
    story.do(host, "docker version --format 'client {{.Client.Version}}, server {{.Server.Version}}'")

    story.chapter("Images from this machine's own /bin/busybox", "No registry is needed.")
    with tempfile.TemporaryDirectory() as directory:
        for name, content in (("busybox", images.busybox()), ("web", images.web())):
            archive = Path(directory, f"{name}.tar")
            archive.write_bytes(content)
            story.do(host, f"docker load --input {archive}")
    listed = story.do(host, "docker images")
    story.see("both images are there", all(name in listed.stdout for name in ("busybox", "web")))


def two_containers(story: Story, lab: Lab) -> None:
    """Neighbours on docker0, and the way out."""
    host = lab.host(1)
    story.chapter("Two containers on docker0")
    for name in ("one", "two"):
        story.do(host, f"docker run -d --name {name} busybox sleep 1000")
    story.do(host, "docker ps")
    inside = story.do(host, "docker exec one ip address show eth0")
    story.see("the first container has the first address, 172.17.0.2", "inet 172.17.0.2/16" in inside.stdout)
    ping = story.do(host, "docker exec one ping -c 2 172.17.0.3")
    story.see("they reach each other", "2 packets received" in ping.stdout)
    out = story.do(host, "docker exec two wget -q -O - http://www.example.com/")
    story.see(f"the outside sees the host's address, {host.address}: masquerade", host.address in out.stdout)


def published_port(story: Story, lab: Lab, engine: str) -> None:
    """A web server that the LAN can reach."""
    host = lab.host(1)
    story.chapter("A web server with a published port")
    story.do(host, "docker run -d --name web -p 8080:80 web")
    settled(lambda: host.run("curl --silent --fail --max-time 1 http://localhost:8080/").ok)
    here = story.do(host, "curl -sS http://localhost:8080/")
    story.see("the host gets the page through localhost", "It works" in here.stdout)
    there = story.do(lab.outside, f"curl -sS http://{host.address}:8080/")
    story.see("the outside gets it through the host's address", "It works" in there.stdout)
    who = story.do(lab.outside, f"curl -sS http://{host.address}:8080/cgi-bin/who")
    story.see(
        f"and the server sees the true client, {lab.outside.address}", lab.outside.address in who.stdout
    )
    refused = lab.outside.run("curl --silent --max-time 3 http://172.17.0.4/")
    story.see("the container's own address leads nowhere out there", not refused.ok)
    if engine == "fairlead":
        processes = story.do(host, "ps -e -o pid,rss,args | cut -c 1-110")
        story.see(
            "no process stands between the port and the container", "docker-proxy" not in processes.stdout
        )
        names = story.do(host, "ip netns list").stdout.split()
        story.see("each container's network namespace has its name", {"one", "two", "web"} <= set(names))


def how(story: Story, lab: Lab) -> None:
    """What made it work, in the words of the usual tools."""
    host = lab.host(1)
    story.chapter("How: nothing but the kernel")
    containers = "{{range .Containers}}{{.Name}} {{.IPv4Address}} {{.MacAddress}}{{println}}{{end}}"
    story.do(host, "docker network inspect bridge")
    network = story.do(host, f"docker network inspect bridge --format '{containers}'")
    story.see("three containers are on it", len(network.stdout.split()) == 9)
    story.do(host, "ip -brief link; bridge link")
    nat = story.do(host, "iptables-save -t nat | grep -v '^#'")
    story.see(
        "the port is translated",
        "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.4:80"
        in nat.stdout,
    )
    filtered = story.do(host, "iptables-save -t filter | grep -v '^#'")
    for chain in ("DOCKER", "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2", "DOCKER-USER"):
        story.see(f"there is the chain {chain}", f":{chain} " in filtered.stdout)


def clear(story: Story, lab: Lab, before: traces.Traces) -> None:
    """Everything away again, by the engine itself."""
    host = lab.host(1)
    story.chapter(
        "Away with it", "The engine runs on; what the host has is compared with before the containers."
    )
    story.do(host, "docker rm --force one two web")
    story.do(host, "docker rmi web busybox")
    settled(lambda: not traces.look(host).since(before))  # mounts and processes go a moment later
    after = traces.look(host)
    for kind, lines in after.since(before).items():
        print(f"   {RED}left: {kind}: {lines}{PLAIN}")
    for kind, count in after.counts().items():
        story.see(
            f"{kind.replace('_', ' ')}: none left over ({count} as before)", kind not in after.since(before)
        )
    story.see("the engine ends when it is asked to", host.stop_engine())


def tell(engine: str) -> int:
    """Tell the story; how many claims were checked."""
    story = Story()
    print(f"{BOLD}fairlead: a container engine whose heart is the network{PLAIN}")
    machine = traces.machine_network()
    with Lab(f"demo-{os.getpid()}") as lab:
        start(story, lab, engine)
        before = traces.look(lab.host(1))
        two_containers(story, lab)
        published_port(story, lab, engine)
        how(story, lab)
        held = traces.held_by(lab)
        clear(story, lab, before)
    story.chapter("Nothing is left on this machine", "The virtual host and its LAN are gone.")
    for kind, count in held.counts().items():
        print(f"   {count} {kind} while it ran")
    remaining = held.remaining()
    for thing in remaining:
        print(f"   {RED}left: {thing}{PLAIN}")
    story.see("none of them is left, no mount and no file", not remaining)
    story.see("the machine's own links and firewall rules are as before", traces.machine_network() == machine)
    return story.checks


def main() -> None:
    """Parse the command line and tell the story."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that the lab is taken down
    parser = argparse.ArgumentParser(description="containers on docker0 and a published port")
    parser.add_argument("--engine", default="fairlead", choices=["fairlead", "dockerd"])
    try:
        checks = tell(parser.parse_args().engine)
    except (Untrue, FairleadError) as error:
        print(f"\n{RED}The demo failed: {error}{PLAIN}", file=sys.stderr)
        sys.exit(1)
    print(f"\n{GREEN}All of it was so: {checks} claims were checked.{PLAIN}")


if __name__ == "__main__":
    main()

"""`fairlead doctor` finds what is really wrong with a host, and nothing on one where all is well."""

import json
import sys

import pytest

from fairlead.lab.host import Host

DOCTOR = f"{sys.executable} -m fairlead doctor"
SEVERE = {"FL103", "FL201", "FL202", "FL205", "FL207", "FL301", "FL501", "FL502"}

# Commands that break something, by the code that tells of it, and those that mend it.
WITH_DAEMON = {
    "FL301": ("ip route add 172.17.128.0/17 via 198.51.100.1", "ip route del 172.17.128.0/17"),
    "FL302": (
        "docker network create -o com.docker.network.driver.mtu=9000 large",
        "docker network rm large",
    ),
    "FL303": (
        "cp /bin/sleep /run/NetworkManager; (/run/NetworkManager 300 >/dev/null 2>&1 & echo $! > /run/nm.pid)",
        "kill $(cat /run/nm.pid)",
    ),
    "FL304": (
        "mkdir -p /run/systemd/network; printf '[Match]\\nName=en* br*\\n' > /run/systemd/network/all.network;"
        " cp /bin/sleep /run/systemd-networkd; (/run/systemd-networkd 300 >/dev/null 2>&1 & echo $! > /run/networkd.pid)",
        "kill $(cat /run/networkd.pid); rm -r /run/systemd",
    ),
    "FL405": ("true", "true"),
    "FL501": (
        "echo nameserver 127.0.0.11 >> /etc/resolv.conf",
        "grep -v 127.0.0.11 /etc/resolv.conf > /run/resolv; cat /run/resolv > /etc/resolv.conf",
    ),
    "FL502": (
        "echo nameserver 127.0.0.53 >> /etc/resolv.conf",
        "grep -v 127.0.0.53 /etc/resolv.conf > /run/resolv; cat /run/resolv > /etc/resolv.conf",
    ),
    "FL601": (
        "docker create --name idle -p 8099:80 busybox true;"
        " (nohup busybox httpd -f -p 8099 >/dev/null 2>&1 & echo $! > /run/httpd.pid); sleep 0.1;"
        " until ss -Hlnt | grep -q :8099; do sleep 0.05; done",
        "docker rm idle; kill $(cat /run/httpd.pid)",
    ),
}
WITHOUT_DAEMON = {
    "FL101": ("true", "true"),
    "FL103": (
        "grep -v overlay /proc/filesystems > /run/filesystems;"
        " mount --bind /run/filesystems /proc/filesystems",
        "umount /proc/filesystems",
    ),
    "FL201": ("sysctl -qw net.ipv4.ip_forward=0", "sysctl -qw net.ipv4.ip_forward=1"),
    "FL202": (
        "ip addr add fd00:77::1/64 dev docker0 nodad; sysctl -qw net.ipv6.conf.all.forwarding=0",
        "ip addr del fd00:77::1/64 dev docker0; sysctl -qw net.ipv6.conf.all.forwarding=1",
    ),
    "FL203": (
        "sysctl -qw net.ipv4.conf.all.rp_filter=1; ip link add eth7 type bridge; ip link set eth7 up;"
        " ip addr add 192.0.2.7/24 dev eth7; ip route add default via 192.0.2.1 metric 500",
        "sysctl -qw net.ipv4.conf.all.rp_filter=0; ip link del eth7",
    ),
    "FL204": (
        "sysctl -qw net.bridge.bridge-nf-call-iptables=0",
        "sysctl -qw net.bridge.bridge-nf-call-iptables=1",
    ),
    "FL205": ("iptables -I FORWARD -i docker0 -j DROP", "iptables -D FORWARD -i docker0 -j DROP"),
    "FL207": (
        "nft 'add table inet strange; add chain inet strange way "
        "{ type filter hook forward priority 5; policy drop; }'",
        "nft delete table inet strange",
    ),
}


def codes(host: Host, words: str = "") -> list[str]:
    """What it tells, in order."""
    result = host.run(f"{words} {DOCTOR} --json")
    document = json.loads(result.stdout)
    assert document["Sound"] == (result.code == 0)
    assert result.stderr == ""
    return [each["Code"] for each in document["Findings"]]


@pytest.fixture
def sound(clean: Host) -> Host:
    assert codes(clean) == []
    return clean


def test_a_sound_host_has_nothing_wrong(sound: Host) -> None:
    assert sound.run(DOCTOR, check=True).stdout == "nothing is wrong\n"


@pytest.mark.parametrize(
    ("daemon", "broken"), [(True, WITH_DAEMON), (False, WITHOUT_DAEMON)], ids=["running", "down"]
)
def test_what_is_wrong_is_found(sound: Host, daemon: bool, broken: dict[str, tuple[str, str]]) -> None:
    if not daemon:
        sound.stop_engine()
    try:
        for breaks, _ in broken.values():
            sound.run(breaks, check=True)
        assert codes(sound, "ulimit -n 1024;" if daemon else "") == list(broken)
        text = sound.run(DOCTOR)
        assert text.code == 1
        assert all(f"{code} error: " in text.stdout for code in SEVERE & set(broken))
    finally:
        for _, mends in broken.values():
            sound.run(mends)
        if not daemon:
            sound.start_engine()
    assert codes(sound) == []


def test_missing_programs_and_lost_rules_are_found(sound: Host) -> None:
    sound.stop_engine()
    try:
        sound.run("iptables -P FORWARD DROP; iptables-save > /run/rules; iptables -F FORWARD", check=True)
        assert codes(sound) == ["FL101", "FL206"]
        sound.run("iptables-restore /run/rules; iptables -P FORWARD ACCEPT", check=True)
        # What is not installed is a directory of programs without these two.
        sound.run(
            "mkdir /run/bin; ln -s $(ls -d /usr/bin/* /usr/sbin/* | grep -v conmon) /run/bin;"
            " rm -f /run/bin/crun /run/bin/runc",
            check=False,
        )
        assert codes(sound, "PATH=/run/bin") == ["FL101", "FL102", "FL102"]
    finally:
        sound.start_engine()


def test_a_host_without_name_servers_is_told(sound: Host) -> None:
    text = sound.run("cat /etc/resolv.conf", check=True).stdout
    sound.run("truncate -s 0 /etc/resolv.conf", check=True)
    assert codes(sound) == ["FL503"]
    sound.run("cat > /etc/resolv.conf", input=text, check=True)

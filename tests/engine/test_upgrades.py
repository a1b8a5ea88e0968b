"""The daemon is killed, stopped, and replaced by another release under traffic: nobody notices."""

from bench.upgrades import Plan, Upgrades
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab

BESIDE = "pgrep -f 'dns_main|ports_main'"


def test_nothing_is_lost_while_the_daemon_comes_and_goes(lab: Lab, clean: Host) -> None:
    upgrades = Upgrades(lab, Plan(containers=5, rounds=3, ways=("kill", "stop", "upgrade")))
    upgrades.prepare()
    beside = clean.run(BESIDE, check=True).stdout.split()
    report = upgrades.play()
    assert not set(beside) & set(clean.run(BESIDE, check=True).stdout.split())
    assert report.wrong == []
    asked, answered = report.traffic["asked"], report.traffic["answered"]
    for kind in ("pings", "datagrams", "connections", "names"):
        assert asked[kind] == answered[kind] > 50
    assert asked["words"] == answered["words"] > 50
    assert asked["flows"] == 15

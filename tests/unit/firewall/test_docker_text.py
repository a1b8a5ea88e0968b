"""The rules of each case are, text for text and in order, those that dockerd 20.10 writes.

A case is a folder whose name is the rule: `records.json` says what there is, in the order in
which it came, `ruleset.txt` what iptables-save shows then.  Two cases go beyond dockerd on
purpose: long runs of ports, and the user's chain for IPv6.
"""

import json
from collections.abc import Mapping
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

import pytest

from fairlead.firewall import policy, publish
from fairlead.firewall.iptables_text import parse, show
from fairlead.firewall.ruleset import Ruleset, edit, value
from fairlead.model.endpoint import Endpoint, PublishedPort
from fairlead.model.host import Family, Key, NftKey, Step, Value
from fairlead.model.network import BRIDGE_NAME, Network, Pool

CASES = Path(__file__).parents[2] / "cases" / "firewall"


def network(number: int, record: Mapping[str, Any]) -> Network:
    """A bridge network from {"bridge", "subnets", "options"?, "internal"?}."""
    return Network(
        f"{number:064x}",
        record["bridge"],
        "bridge",
        0,
        number,
        pools=tuple(Pool(ip_network(subnet)) for subnet in record["subnets"]),
        internal=record.get("internal", False),
        enable_ipv6=any(":" in subnet for subnet in record["subnets"]),
        options={BRIDGE_NAME: record["bridge"], **record.get("options", {})},
    )


def endpoint(number: int, record: Mapping[str, Any]) -> Endpoint:
    """A place from {"addresses", "ports": ["tcp 0.0.0.0 88 80 COUNT?"]}."""
    ports = []
    for text in record["ports"]:
        protocol, address, *numbers = text.split()
        ports.append(PublishedPort(protocol, ip_address(address), *map(int, numbers)))
    interfaces = {each.version: each for each in map(ip_interface, record["addresses"])}
    return Endpoint(
        f"{number}", "", "", "", number, "eth0", "veth", "",
        ipv4=interfaces.get(4), ipv6=interfaces.get(6), ports=tuple(ports),
    )  # fmt: skip


def build(records: Mapping[str, Any], family: Family) -> Ruleset:
    """The rule set of a host where everything in the records came in its order."""
    proxy = records.get("userland_proxy", True)
    networks = {each["bridge"]: network(number, each) for number, each in enumerate(records["networks"])}
    states = [policy.base(family, proxy)]
    states += [policy.network_rules(each, [family], proxy) for each in networks.values()]
    for number, each in enumerate(records["endpoints"]):
        place = endpoint(number, each)
        states.append(publish.publish_rules(networks[each["bridge"]], place, [family], proxy))
    ruleset = parse((CASES / "empty-host.txt").read_text())
    for state in states:
        ruleset = add(ruleset, state)
    return ruleset


def add(ruleset: Ruleset, state: Mapping[Key, Value]) -> Ruleset:
    """The rule set with a fragment more."""
    own = {key: wanted for key, wanted in state.items() if not isinstance(key, NftKey)}
    steps = [Step(key, value(ruleset, key), wanted) for key, wanted in own.items()]
    return edit(ruleset, steps)[1]


FOLDERS = sorted(folder.name for folder in CASES.iterdir() if folder.is_dir())


@pytest.mark.parametrize("name", FOLDERS)
def test_case(name: str) -> None:
    records = json.loads((CASES / name / "records.json").read_text())
    family = Family(records.get("family", "ipv4"))
    assert show(build(records, family)) == (CASES / name / "ruleset.txt").read_text()


@pytest.mark.parametrize("name", FOLDERS)
def test_everything_goes_again(name: str) -> None:
    records = json.loads((CASES / name / "records.json").read_text())
    family = Family(records.get("family", "ipv4"))
    before = build({**records, "networks": [], "endpoints": []}, family)
    full = build(records, family)
    proxy = records.get("userland_proxy", True)
    for number, each in enumerate(records["networks"]):
        own = network(number, each)
        state = policy.network_rules(own, [family], proxy)
        for place_number, place in enumerate(records["endpoints"]):
            if place["bridge"] == each["bridge"]:
                state |= publish.publish_rules(own, endpoint(place_number, place), [family], proxy)
        full = edit(full, [Step(key, None, None) for key in state if not isinstance(key, NftKey)])[1]
    assert {name: rules for name, rules in full.chains.items() if rules} == {
        name: rules for name, rules in before.chains.items() if rules
    }

"""What a sandbox is made of: IPv6 only where a network has it, and settings before links are up."""

from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_network

from fairlead.model.config import Settings
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.host import AddressKey, LinkKey, LinkSetting, LinkSettingKey, State, SysctlKey, Value
from fairlead.model.network import Network, Pool
from fairlead.model.surroundings import Surroundings
from fairlead.planner.bridge import endpoint_state
from fairlead.planner.sandbox import sandbox_state
from fairlead.planner.steps import difference

SANDBOX = Sandbox("a" * 64, "c" * 64, "box")
PLAIN = Network(
    "1" * 64,
    "plain",
    "bridge",
    0,
    1,
    pools=(Pool(ip_network("10.10.0.0/24"), gateway=ip_address("10.10.0.1")),),
)
SIX = Network(
    "2" * 64,
    "six",
    "bridge",
    0,
    2,
    enable_ipv6=True,
    pools=(
        Pool(ip_network("10.20.0.0/24"), gateway=ip_address("10.20.0.1")),
        Pool(ip_network("fd00:20::/64"), gateway=ip_address("fd00:20::1")),
    ),
)


def place(network: Network, interface: str) -> tuple[Network, Endpoint]:
    number = network.sequence
    return network, Endpoint(
        f"{number:064x}",
        network.id,
        SANDBOX.container_id,
        SANDBOX.id,
        number,
        interface,
        f"veth{number}",
        "02:42:0a:0a:00:02",
        ipv4=IPv4Interface("10.10.0.2/24"),
        ipv6=IPv6Interface("fd00:20::2/64") if network.enable_ipv6 else None,
    )


def state(*places: tuple[Network, Endpoint]) -> State:
    desired = dict(sandbox_state(SANDBOX, places, Surroundings()))
    for network, endpoint in places:
        desired |= endpoint_state(network, SANDBOX, endpoint, "box", Settings(), Surroundings())
    return desired


def ipv6_off(desired: State, link: str) -> Value | None:
    return desired.get(SysctlKey("box", ("net", "ipv6", "conf", link, "disable_ipv6")))


def test_nothing_speaks_ipv6_without_a_network_that_has_it() -> None:
    for desired in (state(), state(place(PLAIN, "eth0"))):
        assert {ipv6_off(desired, link) for link in ("all", "default", "lo")} == {"1"}
    assert ipv6_off(state(place(PLAIN, "eth0")), "eth0") == "1"


def test_ipv6_is_on_at_the_links_that_have_it_alone() -> None:
    desired = state(place(PLAIN, "eth0"), place(SIX, "eth1"))
    assert [ipv6_off(desired, link) for link in ("all", "lo", "eth0", "eth1")] == ["1", "0", "1", "0"]


def test_what_the_container_asks_for_all_its_links_counts() -> None:
    wishing = replace(SANDBOX, sysctls={"net.ipv6.conf.all.disable_ipv6": "0"})
    desired = dict(sandbox_state(wishing, [place(PLAIN, "eth0")], Surroundings()))
    network, endpoint = place(PLAIN, "eth0")
    desired |= endpoint_state(network, wishing, endpoint, "box", Settings(), Surroundings())
    assert [ipv6_off(desired, link) for link in ("all", "lo", "eth0")] == ["0", "0", "0"]


def test_settings_of_a_link_come_before_it_is_up_and_has_addresses() -> None:
    desired = state(place(SIX, "eth0"))
    keys = [step.key for step in difference(desired, dict.fromkeys(desired))]
    switch = keys.index(SysctlKey("box", ("net", "ipv6", "conf", "eth0", "disable_ipv6")))
    assert keys.index(LinkKey("", "veth2")) < switch
    assert switch < keys.index(LinkSettingKey("box", "eth0", LinkSetting.UP))
    assert switch < keys.index(AddressKey("box", "eth0", IPv6Interface("fd00:20::2/64")))

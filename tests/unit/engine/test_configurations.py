"""Configuration networks: what they may say, and what is made like them."""

from ipaddress import ip_address, ip_network

import pytest

from fairlead.engine.configurations import configured, require_configuration, require_unused
from fairlead.model.commands import CreateNetwork
from fairlead.model.errors import Forbidden, NotFound
from fairlead.model.network import MTU, Network, Pool

POOL = Pool(ip_network("10.7.0.0/24"), gateway=ip_address("10.7.0.9"), gateway_requested=True)
SOURCE = Network(
    "1" * 64, "plan", "null", 0, 0, pools=(POOL,), enable_ipv6=True, options={MTU: "1400"}, config_only=True
)
OTHER = Network("2" * 64, "blue", "bridge", 0, 1)


@pytest.mark.parametrize("field", ["internal", "attachable", "ingress", "scope"])
def test_a_configuration_says_nothing_about_its_use(field: str) -> None:
    value: object = "local" if field == "scope" else True
    with pytest.raises(Forbidden, match="can only contain network specific fields"):
        require_configuration(CreateNetwork("plan", config_only=True, **{field: value}))  # type: ignore[arg-type]


def test_a_configuration_has_no_configuration() -> None:
    with pytest.raises(Forbidden, match="cannot depend on another configuration network"):
        require_configuration(CreateNetwork("plan", config_only=True, config_from="other"))


def test_a_network_is_made_like_its_configuration() -> None:
    request = CreateNetwork("blue", config_from="plan", internal=True)
    made = configured(request, [OTHER, SOURCE], {"bridge": {"unused": "x"}})
    assert (made.pools, made.enable_ipv6, made.options) == ((POOL,), True, {MTU: "1400"})
    assert (made.name, made.internal, made.config_from) == ("blue", True, "plan")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (CreateNetwork("red", config_from="plan", pools=(POOL,)), "user specified configurations"),
        (CreateNetwork("red", config_from="plan", enable_ipv6=True), "user specified configurations"),
        (CreateNetwork("red", config_from="plan", labels={"a": "b"}), "user specified configurations"),
        (CreateNetwork("red", config_from="plan", ipam_driver="x"), "user specified configurations"),
        (CreateNetwork("red", config_from="plan", ipam_options={"a": "b"}), "user specified configurations"),
        (CreateNetwork("red", config_from="plan", options={"a": "b"}), "network driver options"),
    ],
)
def test_what_the_configuration_says_is_not_said_again(request_: CreateNetwork, words: str) -> None:
    with pytest.raises(Forbidden, match=words):
        configured(request_, [SOURCE], {})


@pytest.mark.parametrize("name", ["absent", "blue", SOURCE.id])
def test_a_configuration_is_found_by_its_name(name: str) -> None:
    with pytest.raises(NotFound, match=f'configuration network "{name}" does not exist'):
        configured(CreateNetwork("red", config_from=name), [OTHER, SOURCE], {})


def test_the_daemons_options_are_for_networks_of_the_driver_that_say_nothing_else() -> None:
    defaults = {"bridge": {MTU: "1400", "x": "1"}}
    assert configured(CreateNetwork("red", options={"x": "2"}), [], defaults).options == {
        MTU: "1400",
        "x": "2",
    }
    assert configured(CreateNetwork("red", driver="macvlan"), [], defaults).options == {}
    assert configured(CreateNetwork("red", config_only=True), [], defaults).options == {}


def test_a_configuration_in_use_is_not_removed() -> None:
    made = Network("3" * 64, "red", "bridge", 0, 2, config_from="plan")
    require_unused(SOURCE, [OTHER, SOURCE])
    require_unused(made, [made, SOURCE])
    with pytest.raises(Forbidden, match='configuration network "plan" is in use'):
        require_unused(SOURCE, [made, SOURCE])

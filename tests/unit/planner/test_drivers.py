"""Every kind of network that the engine says it has is in the table, and no other."""

from fairlead.dockerapi.system import NETWORK_DRIVERS
from fairlead.model.config import Settings
from fairlead.model.network import Network
from fairlead.model.surroundings import Surroundings
from fairlead.planner.drivers import DRIVERS, driver_of


def test_the_api_lists_the_drivers_that_there_are() -> None:
    assert sorted(DRIVERS) == list(NETWORK_DRIVERS)


def test_a_network_of_a_kind_that_is_not_known_asks_for_nothing() -> None:
    network = Network("1" * 64, "old", "bridge-of-yore", 0, 1)
    assert driver_of(network).network_state(network, Settings(), Surroundings()) == {}

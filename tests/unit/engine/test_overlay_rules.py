"""What an overlay network is refused for before anything is done."""

import pytest

from fairlead.engine.network_rules import require_sound
from fairlead.model.commands import CreateNetwork
from fairlead.model.errors import InvalidParameter


@pytest.mark.parametrize("value", ["", "true", "false"])
def test_encryption_is_refused_whatever_its_value(value: str) -> None:
    request = CreateNetwork("shop", driver="overlay", options={"encrypted": value})
    with pytest.raises(InvalidParameter) as caught:
        require_sound(request, [])
    assert caught.value.message.startswith("cannot create network shop: encryption is not built yet")


def test_an_mtu_is_a_number() -> None:
    request = CreateNetwork("shop", driver="overlay", options={"com.docker.network.driver.mtu": "small"})
    with pytest.raises(InvalidParameter, match="mtu value: small"):
        require_sound(request, [])

"""Whose network a container uses, and which addresses are promised: looked up, not walked for."""

from dataclasses import replace
from ipaddress import IPv4Address

from fairlead.engine.sharing import is_shared, owner_of
from fairlead.model.container import Container, ContainerState, HostConfig
from fairlead.model.endpoint import Attachment
from fairlead.model.records import Records
from tests.unit.engine.places import bridge, container


def using(name: str, target: Container, running: bool = True) -> Container:
    state = ContainerState(status="running" if running else "exited")
    return replace(
        container(name), host_config=HostConfig(network_mode=f"container:{target.id}"), state=state
    )


def records(*containers: Container) -> Records:
    return Records(containers={each.id: each for each in containers})


def test_a_network_is_shared_as_long_as_somebody_runs_in_it() -> None:
    web = container("web")
    assert not is_shared(records(web), web.id)
    assert is_shared(records(web, using("side", web)), web.id)
    assert not is_shared(records(web, using("side", web, running=False)), web.id)
    assert not is_shared(records(replace(web, phase="removing"), using("side", web)), web.id)


def test_it_is_shared_through_others_that_share_it() -> None:
    web = container("web")
    side = using("side", web, running=False)
    far = using("far", side)
    assert is_shared(records(web, side, far), web.id)
    assert owner_of(records(web, side, far), far) == web
    assert owner_of(records(web), web) is None
    assert owner_of(records(side, far), far) is None, "whose network it was is no more"


def test_addresses_that_others_asked_for_are_promised() -> None:
    network, address = bridge(), IPv4Address("172.17.0.9")
    asking = replace(container("web"), attachments=(Attachment(network.name, ipv4=address),))
    found = records(asking, container("box"))
    assert found.promised(network, container("box").id) == {address}
    assert found.promised(network, asking.id) == set()

"""A few of the histories that `python -m bench states` makes in their hundreds; always the same ones."""

from bench import states
from fairlead.lab.host import Host


def test_the_host_is_always_what_the_records_ask_for(host: Host) -> None:
    assert states.run(host, examples=2, length=12, chance=1) > 12

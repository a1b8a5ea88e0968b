"""The parts of the engine that most of the others work with, handed on as one value."""

from dataclasses import dataclass

from fairlead.engine.context import Context
from fairlead.engine.files import Files
from fairlead.engine.networks import Networks
from fairlead.engine.references import References
from fairlead.engine.sandboxes import Sandboxes
from fairlead.engine.volumes import Volumes


@dataclass(frozen=True, slots=True)
class Parts:
    """What finds containers and networks, and what places the ones on the others."""

    context: Context
    references: References
    networks: Networks
    sandboxes: Sandboxes
    files: Files
    volumes: Volumes

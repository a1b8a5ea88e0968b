"""The world as the engine may see it: Protocols that adapters implement and fakes imitate."""

from fairlead.boundary.host import Actuator, Clock, FaultPoint, Holdings, Machine, Probe, RecordStore, Sight
from fairlead.boundary.images import Archives, Images, Progress
from fairlead.boundary.runtime import ExecProcess, Exit, Launch, Runtime, Stream
from fairlead.model.commands import ExecRequest, LogQuery
from fairlead.model.views import LogLine, Usage

__all__ = [
    "Actuator",
    "Archives",
    "Clock",
    "ExecProcess",
    "ExecRequest",
    "Exit",
    "FaultPoint",
    "Holdings",
    "Images",
    "Launch",
    "LogLine",
    "LogQuery",
    "Machine",
    "Probe",
    "Progress",
    "RecordStore",
    "Runtime",
    "Sight",
    "Stream",
    "Usage",
]

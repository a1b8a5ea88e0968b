"""Numbers about an engine, as Prometheus understands them: families of samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sample:
    """One number; `suffix` is added to its family's name (the parts of a histogram have some)."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """Samples of one name; `kind` is counter, gauge or histogram."""

    name: str
    kind: str
    meaning: str
    samples: Sequence[Sample]

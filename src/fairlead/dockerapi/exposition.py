"""Numbers as text for Prometheus.

Source: its text-based format, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/).
"""

import math
from collections.abc import Iterable, Mapping

from fairlead.model.metrics import MetricFamily

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(families: Iterable[MetricFamily]) -> str:
    """The families in their order, each with its meaning and kind."""
    lines: list[str] = []
    for family in families:
        meaning = family.meaning.replace("\\", "\\\\").replace("\n", "\\n")
        lines += [f"# HELP {family.name} {meaning}", f"# TYPE {family.name} {family.kind}"]
        lines += [
            f"{family.name}{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}"
            for sample in family.samples
        ]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return str(int(value)) if value == int(value) and abs(value) < 1 << 53 else repr(float(value))

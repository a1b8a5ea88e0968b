"""The document of `GET /fairlead/audit`, in the manner of Docker's."""

from collections.abc import Sequence

from fairlead.model.audit import Finding


def render_audit(found: Sequence[Finding]) -> dict[str, object]:
    """All that is not as the records say."""
    return {
        "Clean": not found,
        "Findings": [
            {"Verdict": each.verdict.value, "Kind": each.kind, "Name": each.name, "Detail": each.detail}
            for each in found
        ],
    }

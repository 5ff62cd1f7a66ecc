"""A comparison for programs, shaped as ``reports/schema/comparison.schema.json`` says."""

from __future__ import annotations

from typing import Any

import msgspec

from gauntlet_reports.comparison import Comparison

SCHEMA_VERSION = 1


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain data."""
    held: dict[str, Any] = msgspec.to_builtins(comparison)
    return {
        "schema": SCHEMA_VERSION,
        "status": comparison.status,
        "equal": comparison.equal,
        "verdict": comparison.verdict,
        "headline": comparison.headline,
        "counts": comparison.counts,
        **{name: held[name] for name in ("before", "after", "notes", "band", "uncertain")},
        "facts": [
            {**msgspec.to_builtins(fact), "differs": fact.differs} for fact in comparison.facts
        ],
        **{name: held[name] for name in ("changes", "behaviours", "records")},
        "shifts": [
            {**msgspec.to_builtins(shift), "ratio": shift.ratio} for shift in comparison.shifts
        ],
    }


def render_comparison_json(comparison: Comparison) -> str:
    """The document as text, indented, ending in a line end."""
    encoded = msgspec.json.encode(comparison_document(comparison))
    return msgspec.json.format(encoded, indent=1).decode() + "\n"

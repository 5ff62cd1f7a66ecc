"""results.json: everything that was found in one run, for programs."""

from __future__ import annotations

from typing import Any

import msgspec

from gauntlet_reports.flakes import attempts_at, class_of
from gauntlet_reports.groups import unexpected
from gauntlet_reports.outcomes import (
    entries,
    headline,
    outcome_of,
    overall_status,
    repro_of,
    totals,
)
from gauntlet_reports.run_data import SCHEMA_VERSION, Result, RunData
from gauntlet_reports.signatures import groups_of, signature_of


def document(run: RunData) -> dict[str, Any]:
    """The run as plain data, shaped as ``reports/schema/results.schema.json`` says."""
    listed = entries(run)
    return {
        "schema": SCHEMA_VERSION,
        "run": {**run.info, "folder": run.folder, "state": run.state},
        "status": overall_status(run),
        "headline": headline(run),
        "totals": totals(run),
        "results": [
            {
                **msgspec.to_builtins(entry.result),
                "outcome": outcome_of(entry.result),
                "signature": signature_of(entry.result),
                **_later(entry.result, run),
                "repro": repro_of(entry, run),
            }
            for entry in listed
            if entry.result
        ],
        "signatures": [
            {"signature": group.signature, "cases": group.cases, "example": group.example.case}
            for group in groups_of(unexpected(listed))
        ],
        "unfinished": [
            {
                "case": entry.case.name,
                "seed": entry.unfinished.seed,
                "repetition": entry.unfinished.repetition,
                "at": entry.unfinished.at,
                "repro": repro_of(entry, run),
            }
            for entry in listed
            if entry.unfinished
        ],
        "not_reached": [case.name for case in run.not_reached],
        "notes": run.notes,
    }


def _later(result: Result, run: RunData) -> dict[str, Any]:
    """What became of a failure when it ran again; nothing for what did not."""
    made = attempts_at(result, run)
    if not made:
        return {}
    flake = class_of(result, run)
    return {
        "flake": msgspec.to_builtins(flake) if flake else None,
        "attempts": [msgspec.to_builtins(attempt) for attempt in made],
    }


def render_json(run: RunData) -> str:
    """results.json as text, indented, ending in a line end."""
    return msgspec.json.format(msgspec.json.encode(document(run)), indent=1).decode() + "\n"

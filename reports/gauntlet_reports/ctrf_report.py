"""ctrf.json: the run in the Common Test Report Format (ctrf.io, specification 1.0.0).

The format has five statuses. An error or an unfinished case is ``failed`` there, so that nobody
takes a broken run for a clean one, and an expected failure is ``other``; ``rawStatus`` has the
outcome itself. A later attempt at a failure is a retry that leaves its status as it was.
"""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import datetime
from typing import Any, Literal

import msgspec

from gauntlet_reports.flakes import attempts_at, class_of
from gauntlet_reports.outcomes import Entry, Outcome, entries, message_of, outcome_of, repro_of
from gauntlet_reports.run_data import PlannedCase, Result, RunData
from gauntlet_reports.signatures import signature_of
from gauntlet_reports.text import clipped, clipped_head, visible

Status = Literal["passed", "failed", "skipped", "pending", "other"]

_SPECIFICATION = "1.0.0"
_STATUS: dict[Outcome, Status] = {
    "pass": "passed",
    "fail": "failed",
    "hang": "failed",
    "crash": "failed",
    "unexpected_pass": "failed",
    "error": "failed",
    "unfinished": "failed",
    "expected": "other",
    "not_run": "skipped",
    "unsupported": "skipped",
    "not_reached": "pending",
}
# The classes of failures that some attempts at the same case do not have.
_FLAKY = ("seed-dependent", "load-dependent")
# Readers hold whole files in memory; the journal keeps what is left out here.
_TEXT_LIMIT = 16 * 1024


def render_ctrf(run: RunData) -> str:
    """The run as CTRF, indented, ending in a line end."""
    listed = entries(run)
    plan = {case.name: case for case in run.planned}
    tests = [_test(entry, run, plan.get(entry.case.name)) for entry in listed]
    document: dict[str, Any] = {
        "reportFormat": "CTRF",
        "specVersion": _SPECIFICATION,
        # The same run has the same id, however often its reports are made.
        "reportId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"gauntlet:{run.folder}:{run.started}")),
        "generatedBy": "gauntlet",
        "results": {
            "tool": {"name": "gauntlet", **_text("version", _nested(run, "versions", "gauntlet"))},
            "summary": _summary(run, listed, tests),
            "tests": tests,
            "environment": _environment(run),
        },
    }
    if _milliseconds(run.ended):
        document["timestamp"] = run.ended
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n"


def _summary(run: RunData, listed: list[Entry], tests: list[dict[str, Any]]) -> dict[str, Any]:
    counts = Counter(test["status"] for test in tests)
    start, stop = _milliseconds(run.started), _milliseconds(run.ended)
    return {
        "tests": len(tests),
        **{status: counts[status] for status in ("passed", "failed", "skipped")},
        **{status: counts[status] for status in ("pending", "other")},
        "flaky": sum(test.get("flaky", False) for test in tests),
        "suites": len({(entry.case.method, entry.case.kind) for entry in listed}),
        "start": start,
        "stop": max(start, stop),
        "extra": {"outcomes": dict(Counter(entry.outcome for entry in listed)), "state": run.state},
    }


def _environment(run: RunData) -> dict[str, Any]:
    command = run.text("command")
    return {
        "appName": "gauntlet",
        **_text("appVersion", _nested(run, "versions", "revision")),
        **_text("osPlatform", _nested(run, "fingerprint", "kernel", "name")),
        **_text("osRelease", _nested(run, "fingerprint", "kernel", "release")),
        **_text("osVersion", _nested(run, "fingerprint", "kernel", "version")),
        **_text("testEnvironment", run.text("target")),
        "extra": {
            "run": visible(run.folder),
            "seed": run.text("seed"),
            "profile": run.text("profile"),
            "command": visible(command),
        },
    }


def _test(entry: Entry, run: RunData, planned: PlannedCase | None) -> dict[str, Any]:
    case, result = entry.case, entry.result
    name = case.name + (f" (repetition {entry.repetition})" if entry.repetition else "")
    test: dict[str, Any] = {
        "name": visible(name),
        "status": _STATUS[entry.outcome],
        "rawStatus": entry.outcome,
        "duration": round(result.duration_ms) if result else 0,
        "suite": [visible(case.method or "unknown"), visible(case.kind or "unknown")],
        "type": visible(case.kind or "unknown"),
        **_text("filePath", planned.file if planned else ""),
    }
    if planned and planned.line > 0:
        test["line"] = planned.line
    if entry.outcome != "pass":
        test |= _text("message", clipped(message_of(entry), _TEXT_LIMIT))
    test["extra"] = {
        **_text("clause", case.clause or ""),
        **_text("contract", case.contract or ""),
        **_text("subject", case.subject or ""),
        **_text("repro", repro_of(entry, run)),
    }
    return test | _evidence(result, run) if result else test


def _evidence(result: Result, run: RunData) -> dict[str, Any]:
    found: dict[str, Any] = _times(result)
    failures = [f"{f.file}:{f.line}: {f.message}" for f in result.failures]
    trace = "\n".join(part for part in (*failures, result.lanes, result.processes) if part)
    found |= _text("trace", clipped(trace, _TEXT_LIMIT))
    if result.output:
        found["stdout"] = visible(clipped_head(result.output, _TEXT_LIMIT)).split("\n")
    labels: dict[str, Any] = {"seed": result.seed}
    if signature := signature_of(result):
        labels["signature"] = signature
    if made := attempts_at(result, run):
        flake = class_of(result, run)
        labels |= {"class": flake.name} if flake else {}
        found["flaky"] = flake is not None and flake.name in _FLAKY
        found["retries"] = len(made)
        found["retryAttempts"] = [
            _attempt(attempt, number) for number, attempt in enumerate([result, *made], start=1)
        ]
    return {**found, "labels": labels}


def _attempt(result: Result, number: int) -> dict[str, Any]:
    return {
        "attempt": number,
        "status": _STATUS[outcome_of(result)],
        "duration": round(result.duration_ms),
        **_times(result),
        **_text("message", clipped(result.reason, _TEXT_LIMIT)),
        "extra": {"seed": result.seed, "verdict": result.verdict},
    }


def _times(result: Result) -> dict[str, int]:
    stop = _milliseconds(result.at)
    return {"start": stop - round(result.duration_ms), "stop": stop} if stop else {}


def _milliseconds(moment: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 time with its zone; 0 for whatever is none."""
    try:
        time = datetime.fromisoformat(moment)
    except ValueError:
        return 0
    return round(time.timestamp() * 1000) if time.tzinfo else 0


def _nested(run: RunData, *names: str) -> str:
    value: Any = run.info
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _text(name: str, value: str) -> dict[str, str]:
    """The entry, fit to be shown, or nothing where there is no text."""
    return {name: visible(value)} if value else {}

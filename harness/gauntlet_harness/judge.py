"""From what a runner left behind to a verdict; pure, so that every way of dying can be tested."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from gauntlet_harness.cases import RED, SCHEMA, SKIPPED, Case, Failure, Result, result_for
from gauntlet_harness.signals import signal_name

# docs/protocol.md: at most 1 MiB.
LARGEST_LINE = 1 << 20


@dataclass(frozen=True)
class RunnerEnd:
    """How a runner ended and what it left."""

    status: int  # As subprocess has it: negative is the signal that ended it.
    lines: bytes  # The whole results file.
    output: str = ""  # The end of what it printed.
    duration_ms: float = 0.0
    timed_out_after_s: float | None = None  # The harness had to end it.
    processes: str = ""  # States and stacks taken before that.
    leftovers: list[str] = field(default_factory=list)


def judge(case: Case, *, seed: int, repetition: int, profile: str, end: RunnerEnd) -> Result:
    """Return the result of one run of a case; never raises, whatever the runner wrote."""
    said, complaint = _read_line(case, repetition, end.lines)
    result = said or result_for(case, seed=seed, repetition=repetition, profile=profile)
    if said is None:
        result.duration_ms = end.duration_ms
    result.output = result.output or end.output
    result.processes = result.processes or end.processes
    if end.timed_out_after_s is not None:
        result.become(
            "hang", f"the runner was still alive after {end.timed_out_after_s:.0f} s and was killed"
        )
    elif end.status < 0:
        _died_by_signal(result, said, -end.status)
    elif said is None:
        result.reason = f"the runner ended with status {end.status} and {complaint}"
    else:
        _hold_against(result, end.status)
    _count_leftovers(result, end.leftovers)
    return result


def _read_line(case: Case, repetition: int, data: bytes) -> tuple[Result | None, str]:
    """Return the one line that a runner has to write, or None and what is wrong with it."""
    lines = [line for line in data.split(b"\n") if line.strip()]
    if not lines:
        return None, "wrote no result line"
    if len(lines) > 1:
        return None, f"wrote {len(lines)} result lines instead of one"
    if len(lines[0]) > LARGEST_LINE:
        return None, f"wrote a result line of {len(lines[0])} bytes, more than 1 MiB"
    if not data.endswith(b"\n"):
        return None, "wrote a result line that is cut off"
    try:
        result = msgspec.json.decode(lines[0], type=Result)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return None, f"wrote a result line that is not understood: {error}"
    if result.schema != SCHEMA:
        return None, f"wrote a result line of schema {result.schema}; this harness knows {SCHEMA}"
    if result.case != case.name:
        return None, f"wrote the result of another case, {result.case}"
    if result.repetition != repetition:
        return None, f"wrote the result of repetition {result.repetition}, not {repetition}"
    return result, ""


def _died_by_signal(result: Result, said: Result | None, number: int) -> None:
    name = signal_name(number)
    if said is not None and result.verdict in ("hang", "crash", "error"):
        result.reason = f"{result.reason} (the runner then died by {name})"
        return
    when = "after it had written its result" if said else "without a result line"
    result.become("crash", f"the runner died by {name} {when}")


def _hold_against(result: Result, status: int) -> None:
    """Do not believe a pass that something else contradicts."""
    if result.verdict == "pass":
        if status != 0:
            result.become("error", f"it said pass, yet the runner ended with status {status}")
        elif result.failures or result.leftovers:
            result.become("error", "it said pass, yet it names failures or leftovers")
        elif result.faults.planned > 0 and result.faults.fired == 0:
            result.become(
                "error",
                f"of {result.faults.planned} planned faults none fired: the case proved nothing",
            )
    elif result.verdict in SKIPPED and status != 0:
        result.become("error", f"it said {result.verdict} and ended with status {status}")
    elif result.verdict in RED and status == 0:
        result.reason += " (the runner ended with status 0 all the same)"


def _count_leftovers(result: Result, leftovers: list[str]) -> None:
    if not leftovers:
        return
    result.leftovers = [*result.leftovers, *leftovers]
    listed = ", ".join(leftovers)
    # A runner that was killed had no chance to tidy up: for it a leftover is no finding of its own.
    if result.verdict in ("pass", "unsupported", "not_run", "fail"):
        for leftover in leftovers:
            message = f"left behind: {leftover}"
            result.failures = [*result.failures, Failure("harness", 0, message)]
        if result.verdict != "fail":
            result.become("fail", f"it left behind {listed}")

"""A run as the reports see it: run.json and journal.jsonl of one folder, read forgivingly."""

from __future__ import annotations

import shlex
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from gauntlet_reports.expiry import expiry_notes

SCHEMA_VERSION = 1

Verdict = Literal["pass", "fail", "hang", "crash", "unsupported", "not_run", "error"]


class Failure(msgspec.Struct, frozen=True):
    """One failed assertion, in whichever process of the case it failed."""

    file: str = ""
    line: int = 0
    message: str = ""


class Faults(msgspec.Struct, frozen=True):
    """Faults that were asked for, and those that really happened."""

    planned: int = 0
    fired: int = 0


class Shared(msgspec.Struct, frozen=True):
    """Something that a case could not keep private, and why."""

    what: str = ""
    why: str = ""


class Isolation(msgspec.Struct, frozen=True):
    """What a case had for itself, and what it shared with the machine."""

    private: list[str] = []
    shared: list[Shared] = []


class KernelLine(msgspec.Struct, frozen=True):
    """A line of the kernel's log that appeared while a case ran, and of which kind it is."""

    kind: str = ""
    text: str = ""


class PlannedCase(msgspec.Struct, kw_only=True):
    """One entry of the suite's list, as run.json keeps it under `cases`."""

    name: str
    method: str = ""
    kind: str = ""
    subject: str | None = None
    contract: str | None = None
    clause: str | None = None
    needs: list[str] = []
    file: str = ""
    line: int = 0


class Result(msgspec.Struct, kw_only=True):
    """One ended case: the fields of a result line, when it ended and whether it was foreseen."""

    case: str
    verdict: Verdict
    method: str = ""
    kind: str = ""
    subject: str | None = None
    contract: str | None = None
    clause: str | None = None
    seed: int = 0
    repetition: int = 0
    profile: str = ""
    duration_ms: float = 0.0
    failures: list[Failure] = []
    reason: str = ""
    remedy: str = ""
    faults: Faults = Faults()
    measured: dict[str, int | float] = {}
    observed: dict[str, str] = {}
    lanes: str = ""
    processes: str = ""
    output: str = ""
    leftovers: list[str] = []
    isolation: Isolation = Isolation()
    kernel: list[KernelLine] = []
    at: str = ""
    expected: bool = False
    expectation: str = ""
    """The expectation that covers the case, or covered it until ``expired_on``."""
    expired_on: str = ""
    attempt: int = 0
    trouble: str = ""


class FlakeClass(msgspec.Struct, kw_only=True):
    """What the later attempts at a failed case say of its failure, and how many failed."""

    case: str
    name: str = msgspec.field(name="class")
    attempts: int = 0
    failed: int = 0


class Start(msgspec.Struct, kw_only=True):
    """A case that was written down before it ran."""

    case: str
    seed: int = 0
    repetition: int = 0
    at: str = ""
    scope: str = ""
    pid: int = 0
    attempt: int = 0


class RunEvent(msgspec.Struct, kw_only=True):
    """What became of the run as a whole: started, resumed, finished or interrupted."""

    state: str
    at: str = ""


class Unfinished(msgspec.Struct, kw_only=True):
    """A case that started and of whose end the journal knows nothing: it, or the machine, died."""

    case: PlannedCase
    seed: int
    repetition: int
    at: str


class RunData(msgspec.Struct, kw_only=True):
    """Everything a report needs; texts are as the run left them, neither escaped nor cut."""

    folder: str
    info: dict[str, Any] = {}
    planned: list[PlannedCase] = []
    results: list[Result] = []
    attempts: dict[str, list[Result]] = {}
    classes: dict[str, FlakeClass] = {}
    unfinished: list[Unfinished] = []
    not_reached: list[PlannedCase] = []
    events: list[RunEvent] = []
    notes: list[str] = []
    # "journal.jsonl line 7 is of schema 2", where these reports know only an older one; else "".
    newer_schema: str = ""

    def text(self, *names: str) -> str:
        """The first of these run.json fields that is there, else ``""``; a list as a command."""
        for name in names:
            value = self.info.get(name)
            if isinstance(value, list):
                return shlex.join(str(part) for part in value)
            if value is not None and not isinstance(value, dict):
                return str(value)
        return ""

    @property
    def target(self) -> str:
        """The name of the system that was validated: ``local`` where the run does not tell."""
        return self.text("target") or "local"

    @property
    def state(self) -> str:
        """The last word about the run: of the journal, else of run.json, else ``unknown``."""
        if self.events:
            return self.events[-1].state
        return self.text("state", "status") or "unknown"

    @property
    def reminders(self) -> list[str]:
        """What somebody has to do soon, although nothing is wrong yet."""
        return expiry_notes(self.info)

    @property
    def started(self) -> str:
        """When the run began, ISO 8601, or ``""``."""
        return self.text("started") or (self.events[0].at if self.events else "")

    @property
    def ended(self) -> str:
        """When the run ended or was last heard of, ISO 8601, or ``""``."""
        if self.text("ended"):
            return self.text("ended")
        return max([e.at for e in self.events] + [r.at for r in self.results], default="")

    @property
    def elapsed_s(self) -> float | None:
        """How long the run took, in seconds; None when nothing readable tells it.

        What the harness measured counts, for the times of day may come from a clock that was set.
        """
        measured = self.info.get("elapsed_s")
        if isinstance(measured, int | float):
            return float(measured)
        try:
            begin, end = datetime.fromisoformat(self.started), datetime.fromisoformat(self.ended)
            return max(0.0, (end - begin).total_seconds())
        except (ValueError, TypeError):
            return None


class _Envelope(msgspec.Struct):
    event: str
    schema: Any = SCHEMA_VERSION


Decoded = TypeVar("Decoded")


def load_run(folder: Path) -> RunData:
    """Read a run folder.

    A missing or damaged file is no error: whatever could not be read is told in ``notes``, and a
    case whose end is unreadable counts as unfinished, never as passed.
    """
    run = RunData(folder=folder.resolve().name)
    _read_info(folder / "run.json", run)
    running = _read_journal(folder / "journal.jsonl", run)
    if run.text("state") == "interrupted" and run.state in ("started", "resumed"):
        # A full disk: run.json tells of the end for which the journal had no room any more.
        run.events.append(RunEvent(state="interrupted", at=run.text("ended")))
        running.clear()
    _settle(run, running)
    return run


def damage_of_info(folder: Path) -> str:
    """Return why a run's run.json is not what any harness leaves, ``""`` if it is or is missing.

    For whoever would rather refuse a run than forgive it; the line names the file.
    """
    path = folder / "run.json"
    try:
        msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{path}: {error.strerror}"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"{path} is not understood: {error}"
    return ""


def _read_info(path: Path, run: RunData) -> None:
    try:
        info = msgspec.json.decode(path.read_bytes().decode("utf-8", "replace"))
    except OSError as error:
        run.notes.append(f"run.json could not be read: {error.strerror}")
        return
    except msgspec.DecodeError as error:
        run.notes.append(f"run.json is not JSON: {error}")
        return
    if not isinstance(info, dict):
        run.notes.append("run.json is not an object")
        return
    version = info.get("schema", SCHEMA_VERSION)
    _note_newer(run, version, "run.json")
    if version != SCHEMA_VERSION:
        run.notes.append(f"run.json has schema {version}; these reports know {SCHEMA_VERSION}")
    cases = info.pop("cases", [])
    run.info = info
    for entry in cases if isinstance(cases, list) else []:
        try:
            run.planned.append(msgspec.convert(entry, PlannedCase))
        except msgspec.ValidationError as error:
            run.notes.append(f"run.json lists a case that is not understood: {error}")


def _read_journal(path: Path, run: RunData) -> dict[tuple[str, int], Start]:
    """Fill the run's results and events; return the starts that nothing accounts for."""
    running: dict[tuple[str, int], Start] = {}
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        run.notes.append(f"journal.jsonl could not be read: {error.strerror}")
        return running
    for number, raw in enumerate(lines, start=1):
        line = raw.decode("utf-8", "replace")
        if not line.strip():
            continue
        try:
            _take(line, number, run, running)
        except msgspec.DecodeError as error:
            if number == len(lines):
                run.notes.append(f"journal.jsonl ends in the middle of line {number}")
            else:
                run.notes.append(f"journal.jsonl line {number} is not understood: {error}")
    return running


def _note_newer(run: RunData, schema: object, where: str) -> None:
    if isinstance(schema, int) and schema > SCHEMA_VERSION and not run.newer_schema:
        run.newer_schema = f"{where} is of schema {schema}"


def _take(line: str, number: int, run: RunData, running: dict[tuple[str, int], Start]) -> None:
    envelope = msgspec.json.decode(line, type=_Envelope)
    _note_newer(run, envelope.schema, f"journal.jsonl line {number}")
    event = envelope.event
    if event == "start":
        start = msgspec.json.decode(line, type=Start)
        if not start.attempt:
            running[start.case, start.repetition] = start
    elif event == "end":
        result = msgspec.json.decode(line, type=Result)
        if result.attempt:
            # The first verdict stays the verdict.
            run.attempts.setdefault(result.case, []).append(result)
            return
        running.pop((result.case, result.repetition), None)
        run.results.append(result)
    elif event == "class":
        flake = msgspec.json.decode(line, type=FlakeClass)
        run.classes[flake.case] = flake
    elif event == "run":
        turn = msgspec.json.decode(line, type=RunEvent)
        run.events.append(turn)
        if turn.state in ("interrupted", "finished"):
            # The harness ended these itself, in good order: they were not reached, that is all.
            running.clear()


def _settle(run: RunData, running: dict[tuple[str, int], Start]) -> None:
    """Complete the results from the plan, and find what started or was planned but never ended."""
    plan = {case.name: case for case in run.planned}
    latest = {(result.case, result.repetition): result for result in run.results}
    doubled = len(run.results) - len(latest)
    if doubled:
        run.notes.append(f"{doubled} cases ended more than once; the last end counts")
    run.results = list(latest.values())
    for result in run.results:
        _complete(result, plan.get(result.case))
    run.unfinished = [
        Unfinished(
            case=plan.get(start.case) or _guess(start.case),
            seed=start.seed,
            repetition=start.repetition,
            at=start.at,
        )
        for key, start in running.items()
        if key not in latest
    ]
    seen = {result.case for result in run.results} | {open_.case.name for open_ in run.unfinished}
    run.not_reached = [case for case in run.planned if case.name not in seen]


def _complete(result: Result, planned: PlannedCase | None) -> None:
    """What a runner that died could not say about its case stands in the plan."""
    known = planned or _guess(result.case)
    result.method = result.method or known.method
    result.kind = result.kind or known.kind
    result.subject = result.subject or known.subject
    result.contract = result.contract or known.contract
    result.clause = result.clause or known.clause


def _guess(name: str) -> PlannedCase:
    """Method, kind and subject as the name `<Method><Kind>.<...>/<subject>` tells them."""
    suite, _, rest = name.partition(".")
    subject = rest.partition("/")[2] or None
    for kind in ("Conformance", "Properties", "Races", "Crashes", "Overload"):
        if suite.endswith(kind):
            words = "".join(f"_{c.lower()}" if c.isupper() else c for c in suite[: -len(kind)])
            return PlannedCase(
                name=name, method=words.lstrip("_"), kind=kind.lower(), subject=subject
            )
    return PlannedCase(name=name, subject=subject)

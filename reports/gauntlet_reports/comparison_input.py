"""The runs that are compared: a run's folder, its journal, or a results.json, read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from gauntlet_reports.run_data import (
    SCHEMA_VERSION,
    PlannedCase,
    Result,
    RunData,
    Unfinished,
    damage_of_info,
    load_run,
)


class ComparisonInputError(ValueError):
    """What was given cannot be compared; the message is one line that names the file."""


class _Line(msgspec.Struct):
    schema: int = SCHEMA_VERSION
    event: str = ""


class _Unfinished(msgspec.Struct):
    case: str
    seed: int = 0
    repetition: int = 0
    at: str = ""


class _Results(msgspec.Struct):
    schema: int
    run: dict[str, Any]
    results: list[Result]
    unfinished: list[_Unfinished] = []
    not_reached: list[str] = []
    notes: list[str] = []


def load_for_comparison(path: Path) -> RunData:
    """Read one side of a comparison.

    Reports forgive whatever can be forgiven; here a run that cannot be read, is of a newer schema
    or holds no result at all is a ComparisonInputError, because against nothing everything looks
    fixed or lost. A journal that was cut short is a run like any other: what it lost is told.
    """
    try:
        real = path.resolve(strict=True)
    except RuntimeError:  # Python 3.11 tells of a loop of links like this, later ones by errno.
        raise ComparisonInputError(f"{path}: its links lead in a circle") from None
    except OSError as error:
        raise ComparisonInputError(f"{path}: {error.strerror}") from None
    if real.is_dir():
        return _load_folder(real)
    if real.name in ("journal.jsonl", "run.json"):
        return _load_folder(real.parent)
    return _load_results(real)


def _load_folder(folder: Path) -> RunData:
    journal = folder / "journal.jsonl"
    try:
        with journal.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise ComparisonInputError(f"{journal}: {error.strerror}") from None
    if damage := damage_of_info(folder):
        raise ComparisonInputError(damage)
    run = load_run(folder)
    if run.newer_schema:
        raise ComparisonInputError(
            f"{folder}/{run.newer_schema}; this comparison knows {SCHEMA_VERSION}"
        )
    if not run.results:
        raise ComparisonInputError(f"{journal}: no case of this run has ended")
    return run


def _refuse_newer(schema: object, where: str) -> None:
    if isinstance(schema, int) and schema > SCHEMA_VERSION:
        raise ComparisonInputError(
            f"{where} is of schema {schema}; this comparison knows {SCHEMA_VERSION}"
        )


def _load_results(path: Path) -> RunData:
    try:
        raw = path.read_bytes()
        _refuse_newer(msgspec.json.decode(raw, type=_Line).schema, str(path))
        held = msgspec.json.decode(raw, type=_Results)
    except OSError as error:
        raise ComparisonInputError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ComparisonInputError(f"{path} is no results.json: {error}") from None
    if not held.results:
        raise ComparisonInputError(f"{path}: no case of this run has ended")
    return RunData(
        folder=str(held.run.get("folder", path.parent.name)),
        info=held.run,
        results=held.results,
        unfinished=[
            Unfinished(
                case=PlannedCase(name=one.case),
                seed=one.seed,
                repetition=one.repetition,
                at=one.at,
            )
            for one in held.unfinished
        ],
        not_reached=[PlannedCase(name=name) for name in held.not_reached],
        notes=held.notes,
    )

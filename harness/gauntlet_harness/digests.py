"""The digest of a run: what it is compared with, and which expectations are running out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from gauntlet_harness.errors import UsageError
from gauntlet_harness.expectations import load_expectations, today
from gauntlet_harness.run_folder import RunFolder, find_run, nights_in
from gauntlet_harness.validate import EXPECTATIONS
from gauntlet_reports.comparison import compare
from gauntlet_reports.comparison_input import ComparisonInputError, load_for_comparison
from gauntlet_reports.digest import Digest, Expiry, digest_of
from gauntlet_reports.run_data import RunData, load_run

PREVIOUS = "previous"


def make_digest(root: Path, folder: RunFolder, baseline: RunData | None) -> Digest:
    """Return the digest of a run, compared with the baseline where there is one."""
    run = load_run(folder.path)
    told = run.text("expectations")
    cases = [case.name for case in run.planned] or [result.case for result in run.results]
    fingerprint = run.info.get("fingerprint")
    return digest_of(
        run,
        compare(baseline, run) if baseline else None,
        expiries=expiries(
            Path(told) if told else root / EXPECTATIONS,
            fingerprint if isinstance(fingerprint, dict) else {},
            cases,
            target_kind=run.text("target_kind") or "local",
        ),
    )


def expiries(
    folder: Path,
    fingerprint: Mapping[str, Any],
    cases: Sequence[str],
    day: date | None = None,
    *,
    target_kind: str = "local",
) -> list[Expiry]:
    """Return the entries for this system that have expired or will within two weeks."""
    day = day or today()
    known = load_expectations(folder, fingerprint, day, target_kind=target_kind)
    found = [
        Expiry(
            id=entry.id,
            owner=entry.owner,
            expires=entry.expires,
            expired=entry.expired(day),
            cases=own,
        )
        for entry in (*known.expired, *known.expiring(day))
        if (own := tuple(filter(entry.is_for, cases)))
    ]
    return sorted(found, key=lambda one: (one.expires, one.id))


def find_baseline(
    root: Path, runs: Path, name: str, folder: RunFolder | None, base: Path
) -> RunData | None:
    """Return the run to compare with, or None where ``previous`` finds no earlier night.

    ``folder`` is the run that it is for, None when that is still to be made; ``base`` is where a
    relative path begins. A baseline that is missing, is the run itself or leads back to itself is
    a UsageError.
    """
    if name == PREVIOUS:
        return _previous(runs, folder) if folder else None
    path = base / name
    if folder is None and runs / "latest" in (runs / name, Path(os.path.normpath(path))):
        raise UsageError(
            f"baseline {name} will be this night itself, and so a circle; {PREVIOUS} is the"
            " night before"
        )
    if not (path.is_file() or path.is_dir() or path.is_symlink()):
        path = find_run(root, name, runs).path
    run = _load(path)
    if folder and (path.resolve() == folder.path.resolve() or run.folder == folder.path.name):
        raise UsageError(f"baseline {name} is the run itself")
    return run


def _previous(runs: Path, folder: RunFolder) -> RunData | None:
    """The last night of the same target before this one that was finished."""
    night = folder.read_info().night
    for earlier in nights_in(runs, night.target if night else ""):
        if earlier.folder.path.name < folder.path.name and earlier.info.state == "finished":
            return _load(earlier.folder.path)
    return None


def _load(path: Path) -> RunData:
    try:
        return load_for_comparison(path)
    except ComparisonInputError as error:
        raise UsageError(f"baseline {error}") from None

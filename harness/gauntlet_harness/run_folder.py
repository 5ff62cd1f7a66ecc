"""The folder of a run: where it is, its run.json, and finding an earlier one by name."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from gauntlet_harness import sweep
from gauntlet_harness.cases import SCHEMA, Case, Profile
from gauntlet_harness.errors import HarnessError, UsageError
from gauntlet_harness.journal import is_being_written, now, read_journal, sync_folder
from gauntlet_harness.near import did_you_mean
from gauntlet_harness.target_kinds import TargetKind
from gauntlet_reports.run_data import damage_of_info

# How far back an unfinished run is looked for to sweep up after it.
_REMEMBERED_RUNS = 20


class Night(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a run a night: the configuration that asked for it, and for which target."""

    config: str
    target: str  # Its name; another kind of target is reached in another way.
    target_kind: TargetKind = "local"
    suites: list[str] = []  # Those that it names; a repetition must be told the same.


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the harness or the machine did to a run, in words, and whom it hit."""

    kind: Literal["killed", "restarted", "journal"]
    words: str
    blamed: str | None = None  # The case whose verdict says no more than that.


class RunInfo(msgspec.Struct, kw_only=True):
    """run.json: what the run was asked to do, on which system, and when."""

    schema: int = SCHEMA
    fingerprint: dict[str, Any] = {}
    versions: dict[str, str] = {}
    command: list[str] = []
    suites: list[str] = []
    preset: str = "release"
    target: str = "local"  # The name of a night's target.
    target_kind: TargetKind = "local"
    seed: int = 0
    profile: Profile = "smoke"
    selection: str | None = None
    jobs: int = 1
    budget_s: float | None = None
    rerun: bool = False
    started: str = ""
    ended: str | None = None
    elapsed_s: float | None = None  # By the monotonic clock, all stretches together.
    state: str = "running"
    status: int | None = None
    boot: str = ""  # Another one when the run is resumed: the machine went down.
    expectations: str | None = None  # The folder, where it is not the project's own.
    night: Night | None = None
    trouble: list[Trouble] = []
    cases: list[Case] = []
    expiring: list[dict[str, str]] = []


class RunFolder:
    """A run's folder and the files in it. One harness process at a time writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal_path = path / "journal.jsonl"
        self.artifacts = path / "artifacts"
        self.work = path / "work"
        # There from the beginning of a night until its digest was given to whoever is to have it.
        self.digest_due = path / "digest.due"

    @classmethod
    def create(cls, runs: Path, out: Path | None) -> RunFolder:
        """Make the folder, ``<UTC time>-<short>`` in ``runs`` unless ``out`` names one."""
        folder = cls(make_folder(runs, out))
        try:
            folder.artifacts.mkdir()
        except OSError as error:
            raise UsageError(f"{folder.artifacts}: cannot be written: {error.strerror}") from None
        if out is None:
            _point_latest_to(folder.path)
        return folder

    def write_info(self, info: RunInfo) -> None:
        """Write run.json; whoever reads it sees the old one or the new one."""
        text = json.dumps(msgspec.to_builtins(info), indent=1) + "\n"
        new = self.path / "run.json.new"
        try:
            with new.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.rename(self.path / "run.json")
            sync_folder(self.path)
        except OSError as error:
            raise HarnessError(f"{new}: {error.strerror}") from None

    def owe_digest(self) -> None:
        """Note that somebody is to be given the digest of this run."""
        try:
            self.digest_due.touch()
        except OSError as error:
            raise HarnessError(f"{self.digest_due}: {error.strerror}") from None

    def read_info(self) -> RunInfo:
        """Read run.json."""
        path = self.path / "run.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=RunInfo)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} is not understood: {error}") from None

    def finish_info(self, info: RunInfo, state: str, status: int) -> None:
        """Write the end of the run into run.json."""
        info.ended, info.state, info.status = now(), state, status
        self.write_info(info)


def make_folder(runs: Path, out: Path | None, prefix: str = "") -> Path:
    """Make the folder ``out``, or else a new ``<prefix><UTC time>-<short>`` in ``runs``.

    Raises UsageError where that cannot be done, or ``out`` holds something already.
    """
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = out or runs / f"{prefix}{moment}-{secrets.token_hex(2)}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise UsageError(f"--out {path}: the folder is not empty")
        sync_folder(path.parent)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        option = "--out " if out else ""
        raise UsageError(f"{option}{path}: cannot be written: {why}") from None
    return path


def _point_latest_to(path: Path) -> None:
    latest = path.parent / "latest"
    new = path.parent / f".latest-{os.getpid()}"
    # A convenience: a file system without symbolic links must not stop a run.
    with contextlib.suppress(OSError):
        new.symlink_to(path.name)
        new.replace(latest)


@dataclass(frozen=True)
class NightRun:
    """The run of a night and what its run.json says."""

    folder: RunFolder
    info: RunInfo


def nights_in(runs: Path, target: str) -> list[NightRun]:
    """Return the nights of a target, newest first; a run.json that is damaged is none."""
    found = []
    for path in sorted(runs.glob("*/run.json"), reverse=True):
        if path.parent.is_symlink():
            continue
        folder = RunFolder(path.parent)
        with contextlib.suppress(UsageError):
            info = folder.read_info()
            if info.night and info.night.target == target:
                found.append(NightRun(folder, info))
    return found


def find_run(root: Path, name: str, runs: Path | None = None) -> RunFolder:
    """Return the folder of a run named by its path, by its name under runs/ or as ``latest``.

    ``runs`` is another folder of runs than the checkout's own.
    """
    runs = runs or root / "runs"
    for candidate in (Path(name), runs / name):
        if _is_run(candidate):
            return RunFolder(candidate.resolve())
    # The store and the folders of benches lie there as well.
    known = sorted(p.name for p in runs.iterdir() if _is_run(p)) if runs.is_dir() else []
    hint = did_you_mean(name, known)
    if not hint:
        hint = f"; the last one is {known[-1]}" if known else "; there is none under runs/ yet"
    raise UsageError(f"no run is called {name}{hint}")


def find_readable_run(root: Path, name: str) -> RunFolder:
    """Return the folder of a run as ``find_run`` does, if this version can read what it says.

    A run.json that is no JSON object is a UsageError: a harness leaves a whole one or none. So is a
    journal that cannot be opened or has a line of a newer schema: half of what it says would be
    taken for the whole. A run without a journal has had no case yet.
    """
    folder = find_run(root, name)
    if damage := damage_of_info(folder.path):
        raise UsageError(damage)
    path = folder.journal_path
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                schema = _schema_of(line)
                if schema > SCHEMA:
                    raise UsageError(
                        f"{path} line {number} is of schema {schema}; this harness knows {SCHEMA}"
                    )
    except FileNotFoundError:
        pass
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    return folder


class _Line(msgspec.Struct):
    schema: int = SCHEMA


def _schema_of(line: bytes) -> int:
    """The schema of a line; a damaged one is told of by whoever reads it."""
    try:
        return msgspec.json.decode(line, type=_Line).schema
    except (msgspec.DecodeError, UnicodeDecodeError):
        return SCHEMA


def _is_run(path: Path) -> bool:
    return (path / "run.json").is_file() or (path / "journal.jsonl").is_file()


def sweep_dead_runs(runs: Path) -> list[str]:
    """Remove what the runners of killed harnesses left, and return it in words."""
    folders = sorted(runs.glob("*/journal.jsonl"), reverse=True) if runs.is_dir() else []
    removed: list[str] = []
    for journal in folders[:_REMEMBERED_RUNS]:
        if not is_being_written(journal):
            removed += sweep_scopes(read_journal(journal).scopes)
    return removed


def sweep_scopes(scopes: Sequence[str]) -> list[str]:
    """Remove what carries one of these scopes, and return it in words."""
    # By the mark alone: their sessions are long over and the number may belong to anyone.
    return [left for scope in scopes for left in sweep.sweep_scope(scope, None)]

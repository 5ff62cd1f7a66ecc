"""``nightly``: what a configuration asks for, from the first case to the digest in the morning."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gauntlet_harness.after_run import store_and_report
from gauntlet_harness.digest_send import render_digest, send
from gauntlet_harness.digests import PREVIOUS, find_baseline, make_digest
from gauntlet_harness.errors import (
    STATUS_FAILED,
    STATUS_MACHINE,
    STATUS_OK,
    GauntletError,
    HarnessError,
    UsageError,
)
from gauntlet_harness.journal import is_being_written
from gauntlet_harness.nightly_config import NightConfig, read_night_config
from gauntlet_harness.run_folder import Night, NightRun, RunFolder, nights_in
from gauntlet_harness.signals import Stop, signals_noted
from gauntlet_harness.suite import find_suites
from gauntlet_harness.targets import LocalTarget, Target
from gauntlet_harness.validate import EXPECTATIONS, Request

# A broken night that began longer ago than this is finished first, and then the next one begins.
_SAME_NIGHT = timedelta(hours=18)


@dataclass(frozen=True)
class Place:
    """Where a night happens: the checkout, the configuration, and the folder of its runs."""

    root: Path
    config_path: Path
    config: NightConfig

    @property
    def base(self) -> Path:
        """Where the relative paths of the configuration begin."""
        return self.config_path.parent

    @property
    def runs(self) -> Path:
        """The folder of the runs."""
        return self.base / self.config.runs if self.config.runs else self.root / "runs"

    @property
    def expectations(self) -> Path | None:
        """The folder of the expectations, None for the project's own."""
        return self.base / self.config.expectations if self.config.expectations else None


def run_nights(
    root: Path,
    config_path: Path,
    command: Sequence[str],
    prepare: Callable[[str], None],
    *,
    only_resume: bool = False,
) -> int:
    """Run the night of every target of a configuration; return the exit status of the worst.

    A night that was killed is finished instead of a new one, and with ``only_resume`` nothing else
    is done; SIGTERM and SIGINT end it in order.
    """
    path = config_path.resolve()
    place = Place(root, path, read_night_config(path))
    _check(place)
    stop = Stop()
    statuses = []
    with _locked(place.runs), signals_noted(stop):
        for one in place.config.targets:
            target = LocalTarget(one.name, root, place.runs, place.config.preset, prepare)
            with contextlib.closing(target):
                statuses += _night_of(place, target, command, stop, only_resume)
            if stop.by:
                break
    return next((s for s in (STATUS_FAILED, STATUS_MACHINE) if s in statuses), STATUS_OK)


def _check(place: Place) -> None:
    """Refuse now what would otherwise only be found out in the morning."""
    for one in place.config.targets:
        baseline = place.config.baseline_of(one.name)
        find_baseline(place.root, place.runs, baseline, None, place.base)
    folder = place.expectations or place.root / EXPECTATIONS
    if place.expectations and not folder.is_dir():
        raise UsageError(f"{place.config_path}: expectations {folder}: no such folder")
    if place.config.suites:
        find_suites(place.root, place.config.preset, _suites(place))


def _suites(place: Place) -> list[Path]:
    return [place.base / suite for suite in place.config.suites]


@contextlib.contextmanager
def _locked(runs: Path) -> Iterator[None]:
    """Keep a second night out of the same folder: they would resume each other's runs."""
    try:
        runs.mkdir(parents=True, exist_ok=True)
        file = (runs / "night.lock").open("a")
    except OSError as error:
        raise HarnessError(f"{runs}: cannot be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{runs}: a night is going on here already") from None
        yield


def _night_of(
    place: Place, target: Target, command: Sequence[str], stop: Stop, only_resume: bool
) -> list[int]:
    """The nights that are due: the rest of a broken one, and a new one unless it was tonight's."""
    late = nights_not_told(place.runs, target.name)
    statuses = [_tell_late(place, target.name, night) for night in late]
    broken = broken_night(place.runs, target.name)
    if only_resume and broken is None:
        if not statuses:
            print(f"{target.name}: no night was cut short", flush=True)
        return statuses
    target.push()
    statuses.append(_one_night(place, target, command, stop, broken.folder if broken else None))
    if broken and not only_resume and not is_tonight(broken) and not stop.by:
        statuses.append(_one_night(place, target, command, stop, None))
    return statuses


def broken_night(runs: Path, target: str) -> NightRun | None:
    """Return the last night of a target if it was killed and has not ended since."""
    for night in nights_in(runs, target)[:1]:
        if night.info.state == "running" and not is_being_written(night.folder.journal_path):
            return night
    return None


def nights_not_told(runs: Path, target: str) -> list[NightRun]:
    """Return the nights that ended and were killed before their digest was out, oldest first."""
    return [
        night
        for night in reversed(nights_in(runs, target))
        if night.info.state != "running" and night.folder.digest_due.exists()
    ]


def is_tonight(night: NightRun) -> bool:
    """Return whether a night began so lately that its rest is the night that is asked for."""
    try:
        started = datetime.fromisoformat(night.info.started)
    except ValueError:
        return False
    return abs(datetime.now(UTC) - started) < _SAME_NIGHT


def _one_night(
    place: Place, target: Target, command: Sequence[str], stop: Stop, broken: RunFolder | None
) -> int:
    """Run, tell, tidy; return the exit status."""
    config = place.config
    request = Request(
        profile=config.profile,
        selection=config.select,
        seed=config.master_seed(datetime.now().astimezone()),
        jobs=config.jobs,
        budget_s=config.budget_s,
        suites=_suites(place),
        preset=config.preset,
        command=command,
        runs=place.runs,
        expectations=place.expectations,
        night=Night(
            config=str(place.config_path),
            target=target.name,
            target_kind=target.kind,
            suites=[str(suite.resolve()) for suite in _suites(place)],
        ),
        stop=stop,
    )
    for left in target.reset():
        print(f"removed what a killed run had left: {left}", file=sys.stderr)
    before = target.collect()
    try:
        status = target.run(request, broken)
    except GauntletError as error:
        folder = target.collect()
        if folder is None or (before and folder.path == before.path and not broken):
            raise  # It never began: there is nothing to tell but this.
        print(f"gauntlet: {error}", file=sys.stderr)
        status = error.status
    folder = target.collect()
    if folder is None:
        raise HarnessError(f"{place.runs}: the night has left no run")
    _keep_console(folder, target.console())
    told = _tell(place, target.name, folder)
    retain(place, target.name, folder)
    return status or told


def _keep_console(folder: RunFolder, lines: list[str]) -> None:
    if lines:
        # A full disk has been told of already.
        with contextlib.suppress(OSError):
            (folder.path / "console.txt").write_text("\n".join(lines) + "\n")


def _tell_late(place: Place, target: str, night: NightRun) -> int:
    """Make up for what was to follow the last case of a night; return its exit status."""
    folder = night.folder
    print(f"{folder.path.name} has ended without its digest: here it is", flush=True)
    reported = store_and_report(place.root, folder.path, None)
    told = _tell(place, target, folder)
    return night.info.status or (told if reported else STATUS_MACHINE)


def _tell(place: Place, target: str, folder: RunFolder) -> int:
    """Print the digest and deliver it, after which it is due no more; return the exit status."""
    status = _deliver_digest(place, target, folder)
    folder.digest_due.unlink(missing_ok=True)
    return status


def _deliver_digest(place: Place, target: str, folder: RunFolder) -> int:
    base = place.base
    name = place.config.baseline_of(target)
    try:
        baseline = find_baseline(place.root, place.runs, name, folder, base)
        digest = make_digest(place.root, folder, baseline)
    except GauntletError as error:
        print(f"gauntlet: no digest: {error}", file=sys.stderr)
        return error.status
    print(render_digest(digest, "text"), end="", flush=True)
    status = STATUS_OK
    for delivery in place.config.digest:
        if problem := send(digest, delivery, base):
            print(f"gauntlet: {problem}", file=sys.stderr)
            status = STATUS_MACHINE
    return status


def retain(place: Place, target: str, newest: RunFolder) -> None:
    """Remove the oldest nights beyond those to keep, never the baseline or a broken one."""
    kept = {newest.path.resolve()}
    for baseline in {place.config.baseline_of(one.name) for one in place.config.targets}:
        if baseline != PREVIOUS:
            kept |= {(place.base / baseline).resolve(), (place.runs / baseline).resolve()}
    for night in nights_in(place.runs, target)[place.config.retention :]:
        path = night.folder.path.resolve()
        if path not in kept and night.info.state != "running":
            shutil.rmtree(path, ignore_errors=True)

"""Many nights that never happened, as run folders, to test and to measure the store with.

``python -m gauntlet_reports.synthetic_nights FOLDER NIGHTS CASES`` writes them. The same numbers
give the same nights: one case in five hundred fails for some weeks, a few fail now and then, and
every case measures one value that drifts and jumps.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from gauntlet_reports.run_data import Result, RunData, RunEvent
from gauntlet_reports.sample_run import Line, ended, planned_cases, run_info

FIRST_NIGHT = datetime(2026, 1, 1, 2, 0, tzinfo=UTC)
# Of so many cases one fails for a stretch of nights, and one now and then.
_ONE_REGRESSES_IN = 500
_ONE_IS_FLAKY_IN = 1000
_STRETCH = 20  # nights
_FLAKY_RATE = 0.05
_KERNEL_EVERY = 60  # nights
_WRONG = "message {} was accepted and never came out"


class Night:
    """One night: what its journal says."""

    def __init__(self, number: int, cases: list[Line]) -> None:
        self.number = number
        self.cases = cases
        self.began = FIRST_NIGHT + timedelta(days=number)
        self._chance = random.Random(number)

    @property
    def run_id(self) -> str:
        """The name of its folder."""
        return f"{self.began:%Y%m%dT%H%M%SZ}-{self.number:04x}"

    def info(self) -> Line:
        """Its run.json."""
        info = run_info(self.cases, started=_written(self.began), state="finished", status=0)
        kernel = {"name": "Linux", "release": f"6.18.{self.number // _KERNEL_EVERY}"}
        return info | {
            "ended": _written(self.began + timedelta(hours=1)),
            "fingerprint": info["fingerprint"] | {"kernel": kernel},
        }

    def lines(self, templates: list[Line]) -> Iterator[Line]:
        """Its journal."""
        yield _turn("started", self.began)
        for place, template in enumerate(templates):
            at = _written(self.began + timedelta(milliseconds=100 * place))
            case, seed = template["case"], self._chance.randrange(2**32)
            yield _start(case, seed, at)
            yield template | self._outcome(place) | {"seed": seed, "at": at}
        yield _turn("finished", self.began + timedelta(hours=1))

    def run(self, templates: list[Line]) -> RunData:
        """What reading its folder would give, for whoever needs no journals."""
        ends = [line for line in self.lines(templates) if line["event"] == "end"]
        info = self.info()
        info.pop("cases")
        return RunData(
            folder=self.run_id,
            info=info,
            results=msgspec.convert(ends, list[Result]),
            events=[RunEvent(state="finished")],
        )

    def _outcome(self, place: int) -> Line:
        drift = 1 + self.number / 1000
        level = (1000 + place) * (2 if self.number >= 200 and place % 100 == 0 else 1)
        value = round(level * drift * self._chance.uniform(0.9, 1.1))
        told: Line = {"measured": {"round_trip_ns": value}}
        if place % _ONE_REGRESSES_IN == 1:
            broken = (place * 7) % 300 <= self.number < (place * 7) % 300 + _STRETCH
        else:
            flaky = place % _ONE_IS_FLAKY_IN == 2
            broken = flaky and self._chance.random() < _FLAKY_RATE
        if broken:
            told |= {"verdict": "fail", "reason": _WRONG.format(place)}
        return told


def write_nights(folder: Path, count: int, cases: int) -> list[Path]:
    """Write the folders of so many nights with so many cases; return them, oldest first."""
    templates = templates_of(planned := planned_cases(cases)[:cases])
    return [write_night(folder, Night(number, planned), templates) for number in range(count)]


def templates_of(cases: list[Line]) -> list[Line]:
    """What is the same every night in the lines of the ends of these cases."""
    chance = random.Random(1)
    return [ended(case, "pass", chance) for case in cases]


def write_night(folder: Path, night: Night, templates: list[Line]) -> Path:
    """Write the folder of one night and return it."""
    path = folder / night.run_id
    path.mkdir(parents=True)
    (path / "run.json").write_bytes(msgspec.json.encode(night.info()))
    with (path / "journal.jsonl").open("wb") as journal:
        journal.writelines(msgspec.json.encode(line) + b"\n" for line in night.lines(templates))
    return path


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _turn(state: str, moment: datetime) -> Line:
    return {"schema": 1, "event": "run", "state": state, "at": _written(moment)}


def _start(case: Any, seed: int, at: str) -> Line:
    asked = {"case": case, "seed": seed, "repetition": 0, "scope": "r7", "pid": 4000, "at": at}
    return {"schema": 1, "event": "start", **asked}


if __name__ == "__main__":
    write_nights(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

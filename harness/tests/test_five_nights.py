"""Five nights that go wrong in five ways, and what the digest of each morning says of them.

``pytest harness/tests/test_five_nights.py --digests FILE`` writes the five down as they were sent.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gauntlet_reports.store import Store

Eventually = Callable[[Callable[[], object], str], None]
COUNTING = Path(__file__).parent / "helpers" / "counting_gauntlet.py"
WAITS = "WaitsRaces.Runner_WaitsToBeLetGo/a"
KNOWN = "PipesConformance.Write_FailsWithEpipe/fifo"


class Nights:
    """A checkout with a configuration, and its nights one after the other."""

    def __init__(
        self, base: Path, suite: Path, environment: dict[str, str], mornings: Path | None
    ) -> None:
        self.base = base
        self.mornings = mornings
        self.suite = suite
        self.signals = base / "signals"
        self.signals.mkdir()
        self.runs = base / "runs"
        self.expectations = base / "expectations"
        self.expectations.mkdir()
        self.expect(datetime.now(UTC) + timedelta(days=400))
        self.profile = "smoke"
        self.let_go()
        self.environment = {
            **environment,
            "FAKE_CASES": "4",
            "FAKE_RACES": "2",
            "FAKE_ONLY": "Plain,FailsWithEpipe,WaitsToBeLetGo/a",
            "FAKE_SIGNAL_FOLDER": str(self.signals),
        }

    def expect(self, expires: datetime) -> None:
        """Write the one expectation: a failure that all these nights have."""
        (self.expectations / "known.toml").write_text(
            textwrap.dedent(f"""\
            [[expectation]]
            id = "fifo-without-epipe"
            cases = ["{KNOWN}"]
            when = {{ target_kind = "local" }}
            verdicts = ["fail"]
            says = "the clause does not hold"
            kind = "known bug"
            reason = "the fake fifo never says EPIPE"
            link = "suites/fake.cpp"
            owner = "pipes team"
            expires = {expires.date().isoformat()}
            """)
        )

    def let_go(self) -> None:
        (self.signals / "go-a").touch()

    def hold(self) -> None:
        (self.signals / "go-a").unlink()

    @property
    def running(self) -> bool:
        return (self.signals / "running-a").exists()

    def config(self, budget: str | None, baseline: str | Path, runs: Path | None = None) -> Path:
        path = self.base / "night.toml"
        path.write_text(
            textwrap.dedent(f"""\
            {f'budget = "{budget}"' if budget else "# No budget: every case once."}
            profile = "{self.profile}"
            seed = 11
            jobs = 1
            suites = ["{self.suite}"]
            runs = "{runs or self.runs}"
            expectations = "expectations"
            baseline = "{baseline}"

            [[targets]]
            name = "here"

            [[digest]]
            to = "file"
            path = "digest.txt"

            [[digest]]
            to = "file"
            form = "markdown"
            path = "digest.md"
            """)
        )
        return path

    def command(self, config: Path) -> list[str]:
        return [sys.executable, "-m", "gauntlet_harness", "nightly", str(config)]

    def run(
        self, baseline: str | Path, budget: str | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return self.finish(self.command(self.config(budget, baseline)), **variables)

    def finish(self, command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.base,
            timeout=300,
            env={**self.environment, **variables},
            check=False,
        )

    def digest(self, night: str = "") -> str:
        """What the file has, without what differs from night to night.

        One that has a name is kept for people.
        """
        text = (self.base / "digest.txt").read_text()
        if night and self.mornings:
            with self.mornings.open("a") as kept:
                kept.write(f"## {night}\n```\n{text}```\n\n")
        text = re.sub(r"\d{8}T\d{6}Z-\w{4}", "RUN", text)
        text = re.sub(r"took [^,]+", "took T", text)
        text = re.sub(r"harness/gauntlet repro (\S+) --seed .*", r"REPRO \1", text)
        return text.replace(str(self.base), "BASE")

    def sections(self, night: str = "") -> str:
        """The digest without its numbers."""
        return self.digest(night).rpartition("\n\n")[0]

    def last(self) -> Path:
        return (self.runs / "latest").resolve()


@pytest.fixture
def nights(
    tmp_path: Path, fake_suite: Path, environment: dict[str, str], request: pytest.FixtureRequest
) -> Nights:
    return Nights(tmp_path, fake_suite, environment, request.config.getoption("digests"))


@pytest.fixture(scope="module")
def kept() -> list[Path]:
    """The quiet night before, once there has been one."""
    return []


@pytest.fixture
def quiet(nights: Nights, kept: list[Path]) -> Path:
    """A night in which nothing was planted: what the others are compared with."""
    if not kept:
        done = nights.run("previous")
        assert (done.returncode, done.stderr) == (0, "")
        assert nights.sections() == "Nothing to compare with; nothing failed."
        kept.append(nights.last())
    return kept[0]


def test_night_like_the_one_before_says_that_nothing_changed(nights: Nights, quiet: Path) -> None:
    done = nights.run(quiet)
    assert (done.returncode, done.stderr) == (0, "")
    answer, numbers, origin = nights.digest().replace("\n\n", "\n").splitlines()
    assert answer == "Nothing changed."
    assert numbers == "8 cases: 7 passed, 1 failed as expected, took T, seed 11"
    assert origin == "run RUN on here, compared with RUN"
    assert done.stdout.endswith((nights.base / "digest.txt").read_text())
    with Store.open(nights.runs / "store.sqlite", write=False) as store:
        assert store.runs()[0].run_id == nights.last().name


def test_planted_regression_is_told_with_its_signature_and_its_command(
    nights: Nights, quiet: Path
) -> None:
    done = nights.run(quiet, FAKE_BROKEN="Case_Passes/plain_0002")
    assert done.returncode == 1
    assert nights.sections("A planted regression") == textwrap.dedent("""\
        1 changed: 1 regression.

        Regressions:
          - fail: plain: the planted bug shows
            PlainConformance.Case_Passes/plain_0002
            repeat it: REPRO PlainConformance.Case_Passes/plain_0002""")
    fixed = nights.run("previous")
    assert fixed.returncode == 0
    assert nights.sections() == textwrap.dedent("""\
        1 changed: 1 fixed.

        Fixed:
          - passes now
            PlainConformance.Case_Passes/plain_0002""")


def test_failure_that_ran_again_is_told_with_its_class(nights: Nights, quiet: Path) -> None:
    nights.profile = "full"  # Which runs what failed again without being asked.
    done = nights.run(quiet, FAKE_BROKEN="Case_Passes/plain_0002")
    assert done.returncode == 1
    assert nights.sections() == textwrap.dedent("""\
        1 changed: 1 regression.

        Regressions:
          - fail: plain: the planted bug shows
            PlainConformance.Case_Passes/plain_0002 (deterministic: failed again in 6 of 6 attempts)
            repeat it: REPRO PlainConformance.Case_Passes/plain_0002""")


def test_planted_flake_is_newly_flaky(nights: Nights, quiet: Path) -> None:
    # A second of this budget is a look at its clock, about one a case: the four races get several.
    config = nights.config("40s", quiet)
    command = [sys.executable, str(COUNTING), "nightly", str(config)]
    done = nights.finish(command, FAKE_FLAKY="Case_Races/plain_0001")
    assert done.returncode == 1
    text = re.sub(r"in \d+ of \d+", "in K of N", nights.sections("A planted flake"))
    assert text == textwrap.dedent("""\
        1 changed: 1 newly flaky.

        Newly flaky:
          - fail in K of N repetitions: plain: the planted race was lost
            PlainRaces.Case_Races/plain_0001
            repeat it: REPRO PlainRaces.Case_Races/plain_0001""")


def test_killed_night_is_resumed_and_its_case_blamed_once(
    nights: Nights, quiet: Path, eventually: Eventually
) -> None:
    nights.hold()
    (nights.signals / "running-a").unlink(missing_ok=True)
    config = nights.config(None, quiet)
    night = subprocess.Popen(
        nights.command(config),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=nights.base,
        env=nights.environment,
        start_new_session=True,
    )
    eventually(lambda: nights.running, "the case runs")
    os.killpg(night.pid, signal.SIGKILL)
    night.wait()
    killed = nights.last()
    done = nights.finish(nights.command(config))
    assert done.returncode == 1
    assert nights.last() == killed
    journal = [json.loads(text) for text in (killed / "journal.jsonl").read_text().splitlines()]
    assert sum(line["event"] == "start" and line["case"] == WAITS for line in journal) == 1
    assert [
        line["verdict"] for line in journal if line.get("case") == WAITS and "verdict" in line
    ] == ["crash"]
    assert nights.sections("Killed by SIGKILL in the middle, and resumed") == textwrap.dedent(f"""\
        Machine trouble. Nothing changed.

        Machine trouble:
          - the run was killed while {WAITS} ran; it was resumed, and that case was not run again
            repeat it: REPRO {WAITS}""")


def test_full_disk_stops_the_night_and_what_was_written_stays(nights: Nights, quiet: Path) -> None:
    small = nights.base / "small"
    small.mkdir()
    kept = nights.base / "kept"
    config = nights.config(None, quiet, small / "runs")
    words = ["unshare", "-rm", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], check=False).returncode:
        pytest.skip("unshare -rm is not permitted here: no small file system to fill")
    script = (
        f'mount -t tmpfs -o size=14m tmpfs {small} && {{ "$@"; status=$?;'
        f" rm {small}/eaten; cp -r {small}/runs {kept}; exit $status; }}"
    )
    done = nights.finish(
        [*words, script, "sh", *nights.command(config)],
        FAKE_EATER="Case_Races/plain_0000",
        FAKE_EATEN=str(small),
    )
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("gauntlet: the disk is full: less than 8 MiB are left for ")
    text = re.sub(r"\d of 8", "N of 8", nights.sections("A full disk"))
    assert text == textwrap.dedent("""\
        The night did not finish: N of 8 cases ran. Nothing changed.

        Machine trouble:
          - the disk is full: less than 8 MiB are left for BASE/small/runs/RUN""")
    (folder,) = [path.parent for path in kept.glob("2*/run.json")]
    journal = [json.loads(text) for text in (folder / "journal.jsonl").read_text().splitlines()]
    assert journal[-1]["state"] == "interrupted"
    verdicts = {line["case"]: line["verdict"] for line in journal if line["event"] == "end"}
    assert set(verdicts.values()) <= {"pass", "fail"}
    assert "PlainRaces.Case_Races/plain_0000" in verdicts


def test_expired_expectation_is_told_instead_of_a_regression(nights: Nights, quiet: Path) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    day = yesterday.date()
    nights.expect(yesterday)
    done = nights.run(quiet)
    assert done.returncode == 1
    assert nights.sections("An expired expectation") == textwrap.dedent(f"""\
        1 changed: 1 case of an expired expectation.

        Expired expectations:
          - fifo-without-epipe (owner pipes team) expired on {day}: its cases fail again
            {KNOWN}
            repeat it: REPRO {KNOWN}""")
    soon = datetime.now(UTC) + timedelta(days=14)
    nights.expect(soon)
    assert nights.run(quiet).returncode == 0
    assert nights.sections().endswith(
        "Expectations that expire within 14 days:\n"
        f"  - fifo-without-epipe (owner pipes team) expires on {soon.date()}"
    )

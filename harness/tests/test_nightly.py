"""``nightly``'s configuration, read strictly, and what is decided before and between nights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from gauntlet_harness.digests import expiries
from gauntlet_harness.errors import UsageError
from gauntlet_harness.nightly import Place, broken_night, is_tonight, retain
from gauntlet_harness.nightly_config import read_night_config
from gauntlet_harness.run_folder import Night, RunFolder, RunInfo, nights_in
from gauntlet_harness.signals import Stop
from gauntlet_harness.targets import LocalTarget

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Starter = Callable[..., "subprocess.Popen[str]"]
Eventually = Callable[[Callable[[], object], str], None]
ONE_TARGET = '[[targets]]\nname = "here"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "night.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "missing required field `targets`"),
        ("targets = []", "length >= 1"),
        ('bugdet = "6h"\n' + ONE_TARGET, "unknown field `bugdet`; did you mean budget?"),
        (
            '[[targets]]\nnane = "here"',
            "unknown field `nane` - at `$.targets[0]`; did you mean name?",
        ),
        ('[[targets]]\nkind = "locl"', "'locl' - at `$.targets[0].kind`; did you mean local?"),
        (
            ONE_TARGET + '[[digest]]\nto = "fil"',
            "'fil' - at `$.digest[0].to`; did you mean file?",
        ),
        (
            ONE_TARGET + '[[digest]]\nto = "smtp"\nsender = "a"\nrecipients = ["b"]\nprot = 25',
            "unknown field `prot` - at `$.digest[0]`; did you mean port?",
        ),
        (ONE_TARGET + '[[digest]]\nto = "smtp"\nsender = "a"\nrecipients = []', "length >= 1"),
        (ONE_TARGET + '[[digest]]\nto = "webhook"\nurl = "file:///etc"', "begins with http"),
        ('profile = "ful"\n' + ONE_TARGET, "'ful' - at `$.profile`; did you mean full?"),
        ('budget = "soon"\n' + ONE_TARGET, "budget must be a time such as 90s"),
        ('seed = "today"\n' + ONE_TARGET, "or \"date\", not 'today'"),
        ("seed = -1\n" + ONE_TARGET, "seed must be a whole number from 0 to"),
        ("jobs = 0\n" + ONE_TARGET, "`int` >= 1 - at `$.jobs`"),
        ("retention = 0\n" + ONE_TARGET, "`int` >= 1 - at `$.retention`"),
        (ONE_TARGET + ONE_TARGET, "two targets have the same name"),
        ('budget = 6h\n' + ONE_TARGET, "(at line 1, column"),
        ('expectations = "none"\n' + ONE_TARGET, "no such folder"),
        ('suites = ["none"]\n' + ONE_TARGET, "not an executable file"),
        ('baseline = "20260101T000000Z-0000"\n' + ONE_TARGET, "no run is called 20260101T0"),
        ('baseline = "latest"\n' + ONE_TARGET, "baseline latest will be this night itself"),
        ('baseline = "runs/latest"\nruns = "runs"\n' + ONE_TARGET, "will be this night itself"),
        ('baseline = "circle"\n' + ONE_TARGET, "circle: "),
    ],
)  # fmt: skip
def test_wrong_configuration_is_one_line_and_status_2(
    quick_gauntlet: Command, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "circle").symlink_to("circle")
    done = quick_gauntlet("nightly", written(tmp_path, text))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert said in line
    assert not list(tmp_path.glob("**/run.json"))


def test_configuration_of_the_manual_is_read(tmp_path: Path) -> None:
    manual = Path(__file__).resolve().parents[2] / "docs" / "nightly.md"
    text = manual.read_text().partition("```toml\n")[2].partition("```")[0]
    config = read_night_config(written(tmp_path, text))
    assert config.budget_s == 6 * 3600
    assert config.master_seed(datetime(2026, 11, 28, 23, 59)) == 20261128
    assert [type(one).__name__ for one in config.digest] == [
        "FileDelivery", "CommandDelivery", "SmtpDelivery", "WebhookDelivery",
    ]  # fmt: skip


def night(runs: Path, name: str, **given: object) -> RunFolder:
    folder = RunFolder.create(runs, runs / name)
    info = RunInfo(
        started=datetime.now().astimezone().isoformat(), state="finished",
        night=Night(config="/night.toml", target="here"),
    )  # fmt: skip
    for key, value in given.items():
        setattr(info, key, value)
    folder.write_info(info)
    folder.journal_path.touch()
    return folder


def place(tmp_path: Path, more: str = "") -> Place:
    path = written(tmp_path, 'runs = "runs"\nretention = 2\n' + more + ONE_TARGET)
    return Place(tmp_path, path, read_night_config(path))


def test_only_the_last_night_is_resumed_and_only_if_it_has_no_end(tmp_path: Path) -> None:
    here = place(tmp_path)
    assert broken_night(here.runs, "here") is None
    night(here.runs, "1", state="running")
    night(here.runs, "2")
    assert broken_night(here.runs, "here") is None
    night(here.runs, "3", state="running")
    assert broken_night(here.runs, "elsewhere") is None
    broken = broken_night(here.runs, "here")
    assert broken is not None
    assert broken.folder.path.name == "3"
    assert is_tonight(broken)
    night(here.runs, "4", state="interrupted")
    assert broken_night(here.runs, "here") is None


def test_old_broken_night_is_not_tonights(tmp_path: Path) -> None:
    old = (datetime.now().astimezone() - timedelta(hours=19)).isoformat()
    night(tmp_path, "1", state="running", started=old)
    broken = broken_night(tmp_path, "here")
    assert broken is not None
    assert not is_tonight(broken)


def test_retention_removes_the_oldest_nights_and_nothing_else(tmp_path: Path) -> None:
    here = place(tmp_path, 'baseline = "1"\n')
    for name in "123456":
        night(here.runs, name)
    night(here.runs, "0", night=None)
    night(here.runs, "01", night=Night(config="/x.toml", target="elsewhere"))
    night(here.runs, "11", state="running")
    retain(here, "here", RunFolder(here.runs / "6"))
    left = sorted(path.name for path in here.runs.iterdir())
    assert left == ["0", "01", "1", "11", "5", "6"]


def test_damaged_run_is_no_night(tmp_path: Path) -> None:
    night(tmp_path, "1")
    night(tmp_path, "2")
    (tmp_path / "2" / "run.json").write_text("{")
    assert [one.folder.path.name for one in nights_in(tmp_path, "here")] == ["1"]


def test_target_tells_of_itself(tmp_path: Path) -> None:
    asked: list[str] = []
    target = LocalTarget("here", tmp_path, tmp_path, "dev", asked.append)
    target.push()
    assert asked == ["dev"]
    assert target.fingerprint()["kernel"]["release"] == os.uname().release
    assert target.reset() == []
    assert target.collect() is None
    folder = night(tmp_path, "1")
    found = target.collect()
    assert found is not None
    assert found.path == folder.path
    assert isinstance(target.console(), list)
    target.close()
    assert target.console() == []


def test_expiry_warns_fourteen_days_ahead_and_only_of_own_cases(tmp_path: Path) -> None:
    def entry(name: str, expires: str, when: str = "") -> str:
        return (
            f'[[expectation]]\nid = "{name}"\ncases = ["{name}.*"]\nverdicts = ["fail"]\n'
            f'says = "lost"\nkind = "waiver"\nreason = "r"\nlink = "l"\nowner = "o"\n'
            f"expires = {expires}\n{when}"
        )

    (tmp_path / "all.toml").write_text(
        entry("Past", "2026-11-27")
        + entry("Today", "2026-11-28")
        + entry("Soon", "2026-12-12")
        + entry("Later", "2026-12-13")
        + entry("Elsewhere", "2026-11-27", 'when = { architecture = "vax" }\n')
        + entry("NoCase", "2026-11-27")
    )
    cases = ["Past.A", "Today.A", "Soon.A", "Later.A", "Elsewhere.A", "Soon.B"]
    found = expiries(tmp_path, {"kernel": {"machine": "x86_64"}}, cases, date(2026, 11, 28))
    assert [(one.id, one.expired, one.cases) for one in found] == [
        ("Past", True, ("Past.A",)),
        ("Today", False, ("Today.A",)),
        ("Soon", False, ("Soon.A", "Soon.B")),
    ]


def test_resume_without_a_broken_night_does_nothing(
    quick_gauntlet: Command, tmp_path: Path
) -> None:
    config = written(tmp_path, f'runs = "runs"\n{ONE_TARGET}')
    done = quick_gauntlet("nightly", config, "--resume")
    assert (done.returncode, done.stdout) == (0, "here: no night was cut short\n")
    assert not list(tmp_path.glob("**/run.json"))


def test_request_to_stop_is_noted_by_its_name() -> None:
    stop = Stop()
    assert stop.by is None
    stop.note(signal.SIGTERM)
    assert stop.by == "SIGTERM"


def test_stopped_night_tells_what_it_has(
    start_gauntlet: Starter,
    quick_gauntlet: Command,
    fake_suite: Path,
    tmp_path: Path,
    eventually: Eventually,
) -> None:
    config = written(tmp_path, f'runs = "runs"\nsuites = ["{fake_suite}"]\njobs = 1\n{ONE_TARGET}')
    (tmp_path / "signals").mkdir()
    variables = {
        "FAKE_ONLY": "WaitsToBeLetGo/a,Plain", "FAKE_CASES": "2",
        "FAKE_SIGNAL_FOLDER": str(tmp_path / "signals"),
    }  # fmt: skip
    started = start_gauntlet("nightly", config, **variables)
    eventually((tmp_path / "signals" / "running-a").exists, "the case runs")
    second = quick_gauntlet("nightly", config)
    assert second.returncode == 2
    assert "a night is going on here already" in second.stderr
    started.send_signal(signal.SIGTERM)
    out, err = started.communicate(timeout=120)
    assert (started.returncode, err) == (3, "")
    assert "The night did not finish: " in out
    assert "  - the night was not finished: interrupted\n" in out
    folder = (tmp_path / "runs" / "latest").resolve()
    assert (folder / "index.html").exists()
    assert json.loads((folder / "run.json").read_text())["state"] == "interrupted"


KILLED_ONCE = """\
#!/bin/sh
test -e killed || { touch killed; kill -9 $PPID; exit 1; }
{ echo; echo NIGHT; cat; } >>sent
"""


@pytest.mark.parametrize("words", [[], ["--resume"]], ids=["next night", "resume"])
def test_night_that_was_killed_before_its_digest_is_told_by_the_next_start_once(
    gauntlet: Command, fake_suite: Path, tmp_path: Path, words: list[str]
) -> None:
    reader = tmp_path / "reader"
    reader.write_text(KILLED_ONCE)
    reader.chmod(0o755)
    told = f'[[digest]]\nto = "command"\ncommand = ["{reader}"]\n'
    plain = f'profile = "smoke"\nruns = "runs"\nsuites = ["{fake_suite}"]\n'
    config = written(tmp_path, plain + ONE_TARGET + told)
    only = {"FAKE_ONLY": "Plain", "FAKE_CASES": "2"}
    killed = gauntlet("nightly", config, **only)
    assert killed.returncode == -signal.SIGKILL
    first = (tmp_path / "runs" / "latest").resolve()
    assert json.loads((first / "run.json").read_text())["state"] == "finished"
    (first / "index.html").unlink()  # As if it had been killed still earlier.

    done = gauntlet("nightly", config, *words, **only)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{first.name} has ended without its digest: here it is\n")
    assert (first / "index.html").exists()
    gauntlet("nightly", config, "--resume", **only)
    nights = [one.folder.path.name for one in nights_in(tmp_path / "runs", "here")][::-1]
    sent = (tmp_path / "sent").read_text().split("\nNIGHT\n")[1:]
    assert len(nights) == (1 if words else 2)
    assert [text.splitlines()[-1].split()[1] for text in sent] == nights


def test_baseline_that_is_the_run_itself_is_refused(
    quick_gauntlet: Command, tmp_path: Path
) -> None:
    folder = night(tmp_path / "runs", "1")
    end = {"schema": 1, "event": "end", "case": "A", "verdict": "pass", "repetition": 0, "seed": 1}
    folder.journal_path.write_text(json.dumps(end) + "\n")
    done = quick_gauntlet("digest", folder.path, "--baseline", folder.path)
    assert done.returncode == UsageError.status
    assert "is the run itself" in done.stderr
    first = quick_gauntlet("digest", folder.path, "--format", "markdown")
    assert (first.returncode, first.stdout.splitlines()[0]) == (
        0,
        "# Nothing to compare with; nothing failed.",
    )

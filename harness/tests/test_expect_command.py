"""``expect``: entries suggested from a run, looked over and listed; what a run makes of them."""

from __future__ import annotations

import json
import random
import subprocess
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gauntlet_harness.expect_suggest import fold
from gauntlet_reports.sample_run import FINGERPRINT, ended, run_info, write_run

Command = Callable[..., "subprocess.CompletedProcess[str]"]
FAILS = "PipesConformance.Write_FailsWithEpipe/fifo"
PASSES = "PipesConformance.Write_PassesWithEpipe/pipe"
TODAY = datetime.now(UTC).date()
ENTRY: dict[str, Any] = {
    "id": "fifo-tells-of-a-broken-pipe",
    "cases": [FAILS],
    "verdicts": ["fail"],
    "says": "EPIPE",
    "kind": "known bug",
    "reason": "because",
    "link": "there",
    "owner": "somebody",
    "expires": TODAY + timedelta(days=100),
}


@pytest.fixture
def suites(root: Path, fake_suite: Path) -> None:
    """A built tree whose only suite is the fake one."""
    build = root / "build" / "release"
    build.mkdir(parents=True)
    (build / "suites.json").write_text(json.dumps({"suites": [str(fake_suite)]}))


def keep(root: Path, **given: Any) -> Path:
    """Write one entry into the tree's expectations."""
    folder = root / "reports" / "expectations"
    folder.mkdir(parents=True, exist_ok=True)
    entry = ENTRY | given
    lines = [
        f"{key} = {value.isoformat() if hasattr(value, 'isoformat') else json.dumps(value)}"
        for key, value in entry.items()
        if key != "when"
    ]
    lines += [f"when.{key} = {json.dumps(text)}" for key, text in entry.get("when", {}).items()]
    (folder / "some.toml").write_text("\n".join(["[[expectation]]", *lines, ""]))
    return folder


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


@pytest.mark.usefixtures("suites")
def test_check_counts_what_holds(quick_gauntlet: Command, root: Path) -> None:
    keep(root)
    done = quick_gauntlet("expect", "check")
    assert (done.returncode, done.stdout) == (0, "1 entry in 1 file, 1 hold here\n")
    keep(root, when={"libc": "musl"})
    assert quick_gauntlet("expect", "check").stdout == "1 entry in 1 file, 0 hold here\n"


@pytest.mark.usefixtures("suites")
def test_check_tells_of_the_end_and_fails_after_it(quick_gauntlet: Command, root: Path) -> None:
    keep(root, expires=TODAY + timedelta(days=13))
    done = quick_gauntlet("expect", "check")
    assert done.returncode == 0
    assert "fifo-tells-of-a-broken-pipe" in done.stdout
    keep(root, expires=TODAY - timedelta(days=1))
    done = quick_gauntlet("expect", "check")
    assert done.returncode == 1
    assert "(expired), owner somebody" in done.stdout


@pytest.mark.usefixtures("suites")
def test_an_entry_that_matches_nothing_is_refused_by_check_and_by_a_run(
    quick_gauntlet: Command, root: Path
) -> None:
    keep(root, cases=[FAILS, FAILS.replace("Fails", "Failes")])
    said = refused(quick_gauntlet("expect", "check"))
    assert "some.toml: entry fifo-tells-of-a-broken-pipe: no case is called" in said
    assert f"did you mean {FAILS}" in said
    # A selection does not change what the whole list holds.
    assert refused(quick_gauntlet("validate", "--select", "queues")) == said
    keep(root, cases=["Nothing.*"], when={"kernel": "<2"})
    assert quick_gauntlet("expect", "check").returncode == 0


@pytest.mark.usefixtures("suites")
def test_list_shows_each_entry(quick_gauntlet: Command, root: Path) -> None:
    keep(root, cases=["PipesConformance.*"], when={"libc": "musl"})
    heads, line = quick_gauntlet("expect", "list").stdout.splitlines()
    assert heads.split("\t") == ["id", "kind", "cases", "holds here", "expires"]
    expires = ENTRY["expires"].isoformat()
    assert line.split("\t") == [ENTRY["id"], "known bug", "2", "no", expires]


@pytest.mark.usefixtures("suites")
def test_a_run_expects_warns_and_says_what_has_expired(gauntlet: Command, root: Path) -> None:
    only = {"FAKE_ONLY": "WithEpipe"}
    keep(root, expires=TODAY + timedelta(days=3))
    done = gauntlet("validate", **only)
    assert done.returncode == 0, done.stderr
    assert "fifo-tells-of-a-broken-pipe expires in 3 days" in done.stdout
    keep(root, expires=TODAY - timedelta(days=1))
    done = gauntlet("validate", **only)
    assert done.returncode == 1
    assert f"the expectation {ENTRY['id']} expired on" in done.stdout
    keep(root, cases=[PASSES])
    done = gauntlet("validate", **only)
    assert done.returncode == 1
    assert f"UNEXPECTED PASS {PASSES}" in done.stdout


@pytest.mark.usefixtures("suites")
def test_what_is_suggested_has_to_be_reviewed_and_then_covers_the_failure(
    gauntlet: Command, root: Path
) -> None:
    only = {"FAKE_ONLY": "WithEpipe"}
    assert gauntlet("validate", **only).returncode == 1
    done = gauntlet("expect", "suggest", "--from", "latest", **only)
    assert done.returncode == 0, done.stderr
    (entry,) = tomllib.loads(done.stdout)["expectation"]
    assert (entry["id"], entry["cases"]) == ("write-fails-with-epipe", [FAILS])
    assert entry["expires"] == TODAY + timedelta(days=90)
    file = keep(root) / "some.toml"
    file.write_text(done.stdout)
    assert "reason is empty" in refused(gauntlet("expect", "check", **only))
    assert "reason is empty" in refused(gauntlet("validate", **only))
    reviewed = done.stdout.replace('reason = ""', 'reason = "why"')
    file.write_text(reviewed.replace('owner = ""', 'owner = "me"'))
    assert gauntlet("expect", "check", **only).returncode == 0
    again = gauntlet("validate", **only)
    assert again.returncode == 0, again.stdout
    left = gauntlet("expect", "suggest", "--from", "latest", **only)
    assert left.stdout == ""
    assert "nothing failed unexpectedly" in left.stderr


def planned(name: str) -> dict[str, Any]:
    case = {"name": name, "method": "pipes", "kind": "races", "subject": name.partition("/")[2]}
    return case | {"contract": "channel", "clause": None, "needs": [], "file": "a.cpp", "line": 1}


def test_one_signature_is_one_entry_and_a_repetition_that_passed_makes_it_flaky(
    quick_gauntlet: Command, root: Path
) -> None:
    cases = [planned(f"PipesRaces.A/{subject}") for subject in ("fifo", "pipe", "pipe_resized")]
    chance = random.Random(1)
    lost = {"failures": [{"file": "a.cpp", "line": 1, "message": "message 2 was lost"}]}
    torn = {"failures": [{"file": "a.cpp", "line": 1, "message": 'it is "torn"\n\x7f'}]}
    lines = [
        ended(cases[0], "fail", chance, reason="", **lost),
        ended(cases[1], "fail", chance, reason="", **lost),
        ended(cases[2], "fail", chance, reason="", **torn),
        ended(cases[2], "pass", chance, repetition=1),
        ended(cases[0], "error", chance, repetition=1),
        ended(cases[0], "fail", chance, repetition=2, expected=True),
    ]
    write_run(root / "runs" / "one", run_info(cases, fingerprint=FINGERPRINT), lines)
    done = quick_gauntlet("expect", "suggest", "--from", "one")
    both, flaky = tomllib.loads(done.stdout)["expectation"]
    # Without the suites nothing shows that a pattern would be exact.
    assert both["cases"] == ["PipesRaces.A/fifo", "PipesRaces.A/pipe"]
    assert "cannot be listed" in done.stderr
    assert (both["kind"], flaky["kind"]) == ("known bug", "flaky")
    assert both["when"] == {"kernel": "Linux 6.18", "libc": "glibc 2.36"}
    assert both["signature"] != flaky["signature"]
    assert (both["id"], flaky["id"]) == ("a", "a-2")
    assert both["verdicts"] == ["fail"]


NAMES = ["A.One/pipe", "A.One/fifo", "A.Two/pipe", "A.Two/fifo", "B.Three"]


@pytest.mark.parametrize(
    ("cases", "folded"),
    [
        (NAMES[:2], ["A.One/*"]),
        (NAMES[:4], ["A.*"]),
        (NAMES[:3], ["A.One/*", "A.Two/pipe"]),
        ([NAMES[0], NAMES[2]], ["A.*/pipe"]),
        (NAMES[4:], ["B.Three"]),
        (NAMES, ["*"]),
    ],
)
def test_a_pattern_fits_exactly_the_cases_that_failed(cases: list[str], folded: list[str]) -> None:
    assert fold(cases, NAMES) == folded


def test_a_pattern_that_fits_a_case_more_is_none() -> None:
    assert fold(["A.x1", "A.x3"], ["A.x1", "A.x2", "A.x3"]) == ["A.x1", "A.x3"]
    assert fold(["A.x1", "A.x3"], None) == ["A.x1", "A.x3"]


@pytest.mark.parametrize("words", [("--from", "nowhere"), ("--from", "")])
def test_a_run_that_is_not_there_is_refused(quick_gauntlet: Command, words: tuple[str]) -> None:
    assert "no run is called" in refused(quick_gauntlet("expect", "suggest", *words))

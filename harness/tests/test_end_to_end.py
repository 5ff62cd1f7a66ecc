"""Whole runs of the fake suite through the command line: files, words and exit statuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]
PLAIN = {"FAKE_CASES": "12", "FAKE_ONLY": "Plain"}


def ends(folder: Path) -> dict[str, dict[str, object]]:
    lines = [json.loads(text) for text in (folder / "journal.jsonl").read_text().splitlines()]
    return {line["case"]: line for line in lines if line["event"] == "end"}


def assert_refused(done: subprocess.CompletedProcess[str], said: str, status: int = 2) -> None:
    assert (done.returncode, done.stdout) == (status, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert said in done.stderr


def test_clean_run_passes_and_names_its_folder_last(
    gauntlet: Command, fake_suite: Path, root: Path
) -> None:
    done = gauntlet("validate", "--suite", fake_suite, "--seed", "5", **PLAIN)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    folder = Path(lines[-1])
    assert lines[0] == "seed 5, profile smoke"
    assert lines[-2] == "12 passed, 0 failed, 0 skipped"
    assert folder.parent == root / "runs"
    assert (root / "runs" / "latest").resolve() == folder
    assert sorted(path.name for path in folder.iterdir()) == [
        "artifacts",
        "ctrf.json",
        "index.html",
        "journal.jsonl",
        "junit.xml",
        "profile.json",
        "results.json",
        "run.json",
    ]
    info = json.loads((folder / "run.json").read_text())
    assert (info["seed"], info["profile"], info["state"], info["status"]) == (
        5,
        "smoke",
        "finished",
        0,
    )
    assert info["fingerprint"]["kernel"]["release"] == os.uname().release
    assert len(info["cases"]) == 12
    assert info["started"] <= info["ended"]
    assert info["command"][:2] == ["harness/gauntlet", "validate"]


def test_every_way_to_end_has_its_verdict(
    gauntlet: Command, fake_suite: Path, root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = gauntlet(
        "validate", "--suite", fake_suite, "--out", out, "--jobs", "4",
        "--select", "not waits and not name:_Hangs/",
    )  # fmt: skip
    assert done.returncode == 1
    verdicts = {name.partition(".")[2]: end["verdict"] for name, end in ends(out).items()}
    assert verdicts == {
        "Write_PassesWithEpipe/pipe": "pass",
        "Write_FailsWithEpipe/fifo": "fail",
        "Runner_DiesBySignal/pipe": "crash",
        "Runner_DiesBySignalAfterPassing/fifo": "crash",
        "Runner_HangsByItsOwnWord/fifo": "hang",
        "Runner_EndsWithoutALine/posix_mq": "error",
        "Runner_WritesGarbage/posix_mq": "error",
        "Runner_WritesHalfALine/posix_mq": "error",
        "Runner_PassesWithStatus1/posix_mq": "error",
        "Fault_NeverFires/posix_mq": "error",
        "Fault_Fires/posix_mq": "pass",
        "Notify_IsUnsupported/posix_mq": "unsupported",
        "Root_IsMissing/posix_mq": "not_run",
        "Runner_LeavesAProcess/posix_mq": "fail",
        "Runner_LeavesAName/posix_mq": "fail",
    }
    assert done.stdout.splitlines()[-2] == "2 passed, 11 failed, 2 skipped"
    # A failure is told at once, with its reason and the command that repeats it.
    told = done.stdout.splitlines()
    place = told.index("FAIL PipesConformance.Write_FailsWithEpipe/fifo: the clause does not hold")
    assert told[place + 1].startswith(
        "  reproduce: harness/gauntlet repro PipesConformance.Write_FailsWithEpipe/fifo --seed "
    )
    artifact = out / "artifacts" / "PipesConformance.Write_FailsWithEpipe-fifo-0.txt"
    assert "expected EPIPE, saw 0" in artifact.read_text()
    name = str(ends(out)["QueuesConformance.Runner_LeavesAName/posix_mq"]["leftovers"])
    left = re.search(r"/dev/shm/fake-\w+", name)
    assert left is not None
    assert not Path(left[0]).exists()


def test_time_out_is_a_hang_and_ends_the_whole_family(
    gauntlet: Command, fake_suite: Path, tmp_path: Path
) -> None:
    # A deadline below the protocol's grace brings the harness's own time-out to 3 s.
    out = tmp_path / "out"
    done = gauntlet(
        "validate", "--suite", fake_suite, "--out", out, "--select", "name:_Hangs/",
        FAKE_DEADLINE_S="-12",
    )  # fmt: skip
    assert done.returncode == 1
    (end,) = ends(out).values()
    assert end["verdict"] == "hang"
    text = str(end["processes"])
    assert text.count("process ") == 2
    assert "wchan" in text
    for pid in re.findall(r"process (\d+) ", text):
        status = Path(f"/proc/{pid}/status")
        assert not status.exists() or "(zombie)" in status.read_text()


def test_errors_alone_are_status_3(gauntlet: Command, fake_suite: Path) -> None:
    done = gauntlet("validate", "--suite", fake_suite, "--select", "WritesGarbage or IsMissing")
    assert done.returncode == 3


def test_skips_alone_do_not_count_as_passed(gauntlet: Command, fake_suite: Path) -> None:
    done = gauntlet("validate", "--suite", fake_suite, "--select", "IsMissing")
    assert done.stdout.splitlines()[-2] == "0 passed, 0 failed, 1 skipped"


def test_budget_used_up_leaves_the_rest_not_run(
    gauntlet: Command, fake_suite: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    many = {"FAKE_CASES": "120", "FAKE_ONLY": "Plain"}
    gauntlet("validate", "--suite", fake_suite, "--out", out, "--budget", "1s", **many)
    verdicts = [end["verdict"] for end in ends(out).values()]
    assert len(verdicts) == 120
    assert 0 < verdicts.count("pass") < 120
    assert verdicts.count("pass") + verdicts.count("not_run") == 120


def test_seed_is_drawn_told_and_stored(gauntlet: Command, fake_suite: Path) -> None:
    done = gauntlet("validate", "--suite", fake_suite, FAKE_CASES="1", FAKE_ONLY="Plain")
    told = re.match(r"seed (\d+), profile smoke", done.stdout)
    assert told is not None
    info = json.loads((Path(done.stdout.splitlines()[-1]) / "run.json").read_text())
    assert info["seed"] == int(told[1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seed", "-1"], "--seed must be a whole number from 0 to 4294967295, not '-1'"),
        (["--seed", "4294967296"], "not '4294967296'"),
        (["--budget", "soon"], "--budget must be a time such as"),
        (["--select", "pips"], "did you mean pipes"),
        (["--select", "pipes and"], "at column 10"),
        (["--select", "pipe and races and conformance"], "no case matches"),
        (["--target", "moon"], "there is only 'local'"),
        (["--profile", "huge"], "huge"),
        (["--jobs", "0"], "--jobs"),
        (["--out", "/proc/nowhere/run"], "--out /proc/nowhere/run: cannot be written"),
        (["--out", "/dev/null"], "cannot be written"),
        (["--resume", "nowhere"], "no run is called nowhere"),
        (["--resume", "nowhere", "--seed", "1"], "leave --seed out"),
        (["--frobnicate"], "frobnicate"),
        (["--suite", "/nowhere"], "not an executable file"),
    ],
)
def test_wrong_usage_of_validate_is_one_line_and_status_2(
    quick_gauntlet: Command, fake_suite: Path, words: list[str], said: str
) -> None:
    suite = [] if "--resume" in words else ["--suite", str(fake_suite)]
    assert_refused(quick_gauntlet("validate", *suite, *words), said)


@pytest.mark.parametrize("text", ["", "no program\n", "#!/no/such/interpreter\n"])
def test_suite_that_the_system_will_not_run_is_wrong_usage(
    quick_gauntlet: Command, tmp_path: Path, text: str
) -> None:
    suite = tmp_path / "suite"
    suite.write_text(text)
    suite.chmod(0o755)
    assert_refused(quick_gauntlet("validate", "--suite", str(suite)), f"--suite {suite}: cannot be")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nightly", "x.toml"], "x.toml: No such file or directory"),
        (["validat"], "there is no command 'validat'; did you mean validate?"),
        (["report", "nowhere"], "no run is called nowhere"),
        (["repro"], "CASE"),
    ],
)
def test_other_wrong_usage_is_one_line_and_status_2(
    quick_gauntlet: Command, words: list[str], said: str
) -> None:
    assert_refused(quick_gauntlet(*words), said)


def test_no_built_suite_is_status_3(quick_gauntlet: Command) -> None:
    assert_refused(quick_gauntlet("list"), "there is no built suite", status=3)


def test_suite_that_cannot_list_is_status_3(quick_gauntlet: Command, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no such option >&2\nexit 2\n")
    broken.chmod(0o755)
    assert_refused(quick_gauntlet("list", "--suite", broken), "no such option", status=3)
    broken.write_text("#!/bin/sh\necho hello\n")
    assert_refused(quick_gauntlet("list", "--suite", broken), "not understood", status=3)


def test_filled_out_folder_is_refused(
    quick_gauntlet: Command, fake_suite: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious").write_text("")
    assert_refused(quick_gauntlet("validate", "--suite", fake_suite, "--out", out), "is not empty")


def test_list_json_is_the_array_with_the_agreed_keys(
    quick_gauntlet: Command, fake_suite: Path
) -> None:
    done = quick_gauntlet("list", "--json", "--suite", fake_suite, "--select", "pipes and fifo")
    rows = json.loads(done.stdout)
    assert len(rows) == 3
    for row in rows:
        assert list(row) == ["name", "method", "kind", "subject", "contract", "clause", "needs"]
        assert (row["method"], row["subject"]) == ("pipes", "fifo")


def test_built_suites_are_found_by_their_index(
    gauntlet: Command, fake_suite: Path, root: Path
) -> None:
    build = root / "build" / "dev"
    build.mkdir(parents=True)
    (build / "suites.json").write_text(json.dumps({"suites": [str(fake_suite)]}))
    done = gauntlet("list", "--preset", "dev", **PLAIN)
    assert len(done.stdout.splitlines()) == 12


def test_repro_shows_everything_and_its_status(gauntlet: Command, fake_suite: Path) -> None:
    words = ["--suite", str(fake_suite), "--seed", "77"]
    failed = gauntlet("repro", "PipesConformance.Write_FailsWithEpipe/fifo", *words)
    assert failed.returncode == 1
    for said in ("fail", "seed        77", "p1 |send 2---", "saw 0"):
        assert said in failed.stdout
    passed = gauntlet(
        "repro", "PipesConformance.Write_PassesWithEpipe/pipe", *words, "--repeat", "3"
    )
    assert passed.returncode == 0
    assert "of 3 repetitions: 3 passed" in passed.stdout
    skipped = gauntlet("repro", "QueuesConformance.Root_IsMissing/posix_mq", *words)
    assert skipped.returncode == 125
    error = gauntlet("repro", "QueuesOverload.Runner_WritesGarbage/posix_mq", *words)
    assert error.returncode == 3
    unknown = gauntlet("repro", "PipesConformance.Write_FailsWithEpip/fifo", *words)
    assert_refused(unknown, "did you mean PipesConformance.Write_FailsWithEpipe/fifo")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("json", '"schema"'),
        ("junit", "<testsuites"),
        ("ktap", "KTAP version 1"),
        ("ctrf", '"reportFormat": "CTRF"'),
        ("markdown", "2 passed"),
    ],
)
def test_report_prints_each_form(gauntlet: Command, fake_suite: Path, form: str, said: str) -> None:
    gauntlet("validate", "--suite", fake_suite, FAKE_CASES="2", FAKE_ONLY="Plain")
    done = gauntlet("report", "latest", "--format", form)
    assert (done.returncode, done.stderr) == (0, "")
    assert said in done.stdout


def test_report_makes_the_page_again(gauntlet: Command, fake_suite: Path) -> None:
    done = gauntlet("validate", "--suite", fake_suite, FAKE_CASES="1", FAKE_ONLY="Plain")
    folder = Path(done.stdout.splitlines()[-1])
    (folder / "index.html").unlink()
    again = gauntlet("report", folder.name)
    assert (again.returncode, again.stdout) == (0, f"{folder / 'index.html'}\n")
    assert (folder / "index.html").stat().st_size > 0
    near = gauntlet("report", folder.name[:-1] + "x")
    assert_refused(near, f"did you mean {folder.name}")


def test_doctor_tells_words_and_not_only_colours(
    quick_gauntlet: Command, fake_suite: Path, root: Path
) -> None:
    build = root / "build" / "release"
    build.mkdir(parents=True)
    (build / "suites.json").write_text(json.dumps({"suites": [str(fake_suite)]}))
    done = quick_gauntlet("doctor")
    assert done.returncode in (0, 3)
    for topic in ("system", "python", "ptrace", "cores", "load", "disk", "limits"):
        assert re.search(rf"^(ok|lacks|limited|-)\s+{topic}: ", done.stdout, re.MULTILINE), topic
    assert "ok      private ipc: yes" in done.stdout
    assert "limited private network: clone(CLONE_NEWNET): EPERM -> run as root" in done.stdout
    assert "ok      tracing: yes" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["validate"],
        ["list"],
        ["repro"],
        ["report"],
        ["doctor"],
        ["selftest"],
        ["nightly"],
        ["digest"],
    ],
)
def test_help_has_words_for_newcomers(quick_gauntlet: Command, command: list[str]) -> None:
    done = quick_gauntlet(*command, "--help")
    assert done.returncode == 0
    assert "Usage: harness/gauntlet" in done.stdout


def test_output_is_plain_where_there_is_no_terminal(gauntlet: Command, fake_suite: Path) -> None:
    done = gauntlet("validate", "--suite", fake_suite, FAKE_CASES="3", FAKE_ONLY="Plain,Epipe")
    assert "\x1b" not in done.stdout
    assert "100 %: " in done.stdout

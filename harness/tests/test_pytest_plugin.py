"""The pytest plugin: cases are items with markers, verdicts are outcomes, others are let be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def plain_pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A pytester whose pytest knows the plugin, installed or not, exactly once."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    here = Path(__file__).resolve()
    monkeypatch.setenv("PYTHONPATH", str(here.parents[1]))
    return pytester


@pytest.fixture
def run_suite(plain_pytester: pytest.Pytester, fake_suite: Path) -> Iterator[object]:
    def run(*words: str) -> pytest.RunResult:
        return plain_pytester.runpytest_subprocess(
            "-p", "gauntlet_harness.pytest_plugin", "-p", "no:cacheprovider",
            "--gauntlet-suite", str(fake_suite), "--strict-markers", "-rA", *words,
            timeout=60,
        )  # fmt: skip

    return run  # type: ignore[return-value]


def test_every_verdict_has_its_outcome(run_suite, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv(
        "FAKE_ONLY",
        "Epipe,DiesBySignal/,ByItsOwnWord,EndsWithoutALine,WritesGarbage,NeverFires,"
        "IsUnsupported,IsMissing,Fault_Fires",
    )
    result = run_suite()
    result.assert_outcomes(passed=2, failed=6, skipped=2)
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.fnmatch_lines_random(
        [
            "*fail: PipesConformance.Write_FailsWithEpipe/fifo*",
            "*suites/fake.cpp:9: expected EPIPE, saw 0*",
            "*p1 |send 2---*",
            "*promise*POSIX.1-2024 write(): clause of fifo*",
            "*reproduce*harness/gauntlet repro PipesConformance.Write_FailsWithEpipe/fifo --seed *",
            "*crash: PipesCrashes.Runner_DiesBySignal/pipe*",
            "*the runner died by SIGSEGV without a result line*",
            "*hang: PipesRaces.Runner_HangsByItsOwnWord/fifo*",
            "*error: QueuesOverload.Runner_WritesGarbage/posix_mq*",
            "*none fired*",
            "SKIPPED*unsupported: mq_notify: ENOSYS",
            "SKIPPED*not_run: root is missing (remedy: run as root)",
            "gauntlet: 10 cases, profile smoke, seed *",
        ]
    )


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["-m", "pipes and crashes"], 2),
        (["-m", "pipes and crashes and not fifo"], 1),
        (["-m", "posix_mq and conformance"], 4),
        (["-k", "fifo"], 3),
        (["-k", "FailsWithEpipe"], 1),
        (["-m", "channel and races"], 2),
    ],
)
def test_markers_and_names_choose(run_suite, words: list[str], count: int) -> None:  # type: ignore[no-untyped-def]
    result = run_suite("--collect-only", "-q", *words)
    items = [line for line in result.outlines if line.startswith("gauntlet::")]
    assert len(items) == count, result.stdout.str()


def test_master_seed_is_taken_and_checked(run_suite, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("FAKE_ONLY", "PassesWithEpipe")
    run_suite("--gauntlet-seed", "7").stdout.fnmatch_lines(["*1 cases, profile smoke, seed 7"])
    wrong = run_suite("--gauntlet-seed", "-7")
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR
    wrong.stderr.fnmatch_lines(["ERROR: --seed must be a whole number*"])


def test_python_tests_run_beside_only_when_named(  # type: ignore[no-untyped-def]
    run_suite, plain_pytester: pytest.Pytester, monkeypatch
) -> None:
    monkeypatch.setenv("FAKE_ONLY", "PassesWithEpipe")
    path = plain_pytester.makepyfile(test_beside="def test_beside(): pass")
    run_suite().assert_outcomes(passed=1)
    run_suite(str(path)).assert_outcomes(passed=2)


def test_missing_suite_is_a_usage_error(plain_pytester: pytest.Pytester) -> None:
    result = plain_pytester.runpytest_subprocess(
        "-p", "gauntlet_harness.pytest_plugin", "--gauntlet-suite", "/nowhere"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --gauntlet-suite /nowhere: not an executable file"])


def test_other_pytest_runs_are_not_disturbed(plain_pytester: pytest.Pytester) -> None:
    plain_pytester.makepyfile("def test_one(): pass\ndef test_two(): assert False")
    result = plain_pytester.runpytest_subprocess("-p", "gauntlet_harness.pytest_plugin")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*gauntlet:*")

"""The digests for people (Markdown, terminal) and the files: complete, harmless, never half."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path

import pytest

import gauntlet_reports.write
from gauntlet_reports import (
    Format,
    RunData,
    headline,
    load_run,
    render,
    repro_command,
    summary_lines,
    totals,
    write_reports,
)
from gauntlet_reports.sample_run import (
    NASTY,
    ended,
    planned_cases,
    run_info,
    write_run,
    write_sample,
)

FORMATS: tuple[Format, ...] = ("html", "json", "junit", "ktap", "markdown")


@pytest.fixture(name="run")
def fixture_run(tmp_path: Path) -> RunData:
    return load_run(write_sample(tmp_path))


def red_names(run: RunData) -> list[str]:
    bad = ("fail", "hang", "crash", "error")
    return [result.case for result in run.results if result.verdict in bad and not result.expected]


def test_markdown_has_headline_table_and_every_failure_with_its_command(run: RunData) -> None:
    text = render(run, "markdown")
    assert text.startswith(f"# Gauntlet: {headline(run)}\n")
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert table[0] == "| method | conformance | properties | races | crashes | overload |"
    assert len({line.count(" |") for line in table}) == 1
    for name in red_names(run):
        assert f"`harness/gauntlet repro {name} --seed " in text
    assert text.index("Trouble of the harness") < text.index("## What failed")
    assert "Remedy: run as root, or set kernel.yama.ptrace\\_scope to 1" in text


def test_markdown_shows_nasty_text_as_text(run: RunData) -> None:
    outside = re.sub(r"^(`{3,})\n.*?\n\1$", "", render(run, "markdown"), flags=re.M | re.S)
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", outside)
    assert "document.title" in outside
    assert not re.search(r"(?<!\\)<", outside)
    assert not re.search(r"(?<!\\)\x60tick", outside)


def test_a_code_block_is_not_left_by_backticks_in_the_text(run: RunData) -> None:
    failed = next(r for r in run.results if r.verdict == "fail" and not r.expected)
    failed.lanes = "a\n```\n# not a title\n````\n"
    blocks = re.findall(r"^(`{3,})\n(.*?)\n\1$", render(run, "markdown"), re.M | re.S)
    assert any("# not a title" in block for _, block in blocks)


def test_the_summary_ends_with_the_headline_and_names_every_failure(run: RunData) -> None:
    lines = summary_lines(run, color=False)
    assert lines[-1].startswith(headline(run))
    assert not any("\x1b" in line or "\n" in line for line in lines)
    for name in red_names(run):
        assert any(name in line for line in lines)
        assert any(
            line.startswith(f"  repeat it: harness/gauntlet repro {name} ") for line in lines
        )


def test_the_summary_in_colour_says_the_same(run: RunData) -> None:
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in summary_lines(run, color=True)]
    assert plain == summary_lines(run, color=False)
    assert any("\x1b[" in line for line in summary_lines(run, color=True))


def test_the_command_repeats_exactly_what_ran() -> None:
    assert repro_command("PipesRaces.A_B/fifo", 7) == (
        "harness/gauntlet repro PipesRaces.A_B/fifo --seed 7"
    )
    assert repro_command("a b;c", 7, "full").endswith("repro 'a b;c' --seed 7 --profile full")


def test_the_command_finds_the_suites_where_the_run_found_them(tmp_path: Path) -> None:
    command = ["harness/gauntlet", "validate", "--suite", "/opt/their suite", "--preset=asan"]
    cases = planned_cases()[:3]
    info = run_info(cases, command=command, profile="full")
    line = ended(cases[0], "fail", random.Random(1), profile="full", seed=9)
    run = load_run(write_run(tmp_path, info, [line]))
    told = (
        f"repro {cases[0]['name']} --seed 9 --profile full --suite '/opt/their suite' --preset asan"
    )
    formats: tuple[Format, ...] = ("json", "junit", "ktap", "markdown")
    for fmt in formats:
        assert told in render(run, fmt)
    assert '"tail":" --profile full --suite \'/opt/their suite\' --preset asan"' in render(
        run, "html"
    )


def test_write_reports_writes_whole_files_and_nothing_else(tmp_path: Path) -> None:
    folder = write_sample(tmp_path)
    write_reports(folder)
    names = {path.name for path in folder.iterdir()}
    made = {"results.json", "junit.xml", "ctrf.json", "index.html", "profile.json"}
    assert names == {"run.json", "journal.jsonl"} | made
    run = load_run(folder)
    assert json.loads((folder / "results.json").read_text())["totals"] == totals(run)
    first = {name: (folder / name).read_bytes() for name in names}
    write_reports(folder)
    assert first == {name: (folder / name).read_bytes() for name in names}


def test_a_report_that_cannot_be_written_leaves_the_old_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_sample(tmp_path)
    write_reports(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(gauntlet_reports.write, "render", lambda run, fmt: "half")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_reports(folder)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("fmt", FORMATS)
def test_every_format_renders_a_run_of_which_nothing_is_known(tmp_path: Path, fmt: Format) -> None:
    assert render(load_run(tmp_path), fmt).endswith("\n")


@pytest.mark.parametrize("fmt", FORMATS)
def test_every_format_renders_nasty_names_everywhere(tmp_path: Path, fmt: Format) -> None:
    case = planned_cases()[0] | {
        "name": NASTY,
        "method": NASTY,
        "kind": NASTY,
        "subject": NASTY,
        "clause": NASTY,
    }
    end = {
        "event": "end",
        "case": NASTY,
        "verdict": "fail",
        "reason": NASTY,
        "measured": {NASTY: 1e300},
        "observed": {NASTY: NASTY},
        "leftovers": [NASTY],
        "isolation": {"private": [NASTY], "shared": [{"what": NASTY, "why": NASTY}]},
        "failures": [{"file": NASTY, "line": -1, "message": NASTY}],
    }
    info = {"cases": [case], "seed": NASTY, "selection": NASTY, "fingerprint": {NASTY: NASTY}}
    text = render(load_run(write_run(tmp_path, info, [end])), fmt)
    assert "gnirts" in text
    text.encode("utf-8")

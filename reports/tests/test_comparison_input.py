"""What may be compared: folders, journals and results.json; and what is refused, in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gauntlet_reports import load_run, render
from gauntlet_reports.comparison import compare
from gauntlet_reports.comparison_input import ComparisonInputError, load_for_comparison
from gauntlet_reports.sample_run import write_sample


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return write_sample(tmp_path / "sample")


def test_a_folder_its_journal_and_its_results_are_the_same_run(sample: Path) -> None:
    results = sample / "results.json"
    results.write_text(render(load_run(sample), "json"), encoding="utf-8")
    folder = load_for_comparison(sample)
    assert load_for_comparison(sample / "journal.jsonl") == folder
    comparison = compare(folder, load_for_comparison(results))
    assert comparison.equal
    assert comparison.differing == []


def refused(path: Path) -> str:
    with pytest.raises(ComparisonInputError) as caught:
        load_for_comparison(path)
    said = str(caught.value)
    assert "\n" not in said
    return said


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "nowhere")


def test_a_circle_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert "circle" in refused(tmp_path / "a")


def test_a_folder_without_a_journal_is_refused(tmp_path: Path) -> None:
    assert "journal.jsonl: No such file" in refused(tmp_path)


def test_a_journal_in_which_nothing_ended_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text("no line of a journal\n")
    assert "no case of this run has ended" in refused(tmp_path)


def test_a_journal_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    # Nothing is mapped at address 0: it opens, and the first byte is an I/O error, also for root.
    (tmp_path / "journal.jsonl").symlink_to("/proc/self/mem")
    assert refused(tmp_path).endswith("journal.jsonl: Input/output error")


def test_a_newer_journal_is_refused(sample: Path) -> None:
    journal = sample / "journal.jsonl"
    lines = journal.read_text().splitlines()
    lines[4] = lines[4].replace('"schema": 1', '"schema": 2')
    journal.write_text("\n".join(lines) + "\n")
    assert "line 5 is of schema 2; this comparison knows 1" in refused(sample)


@pytest.mark.parametrize("name", ["run.json", "results.json"])
def test_newer_documents_are_refused(sample: Path, name: str) -> None:
    path = sample / name
    if name == "results.json":
        path.write_text(render(load_run(sample), "json"), encoding="utf-8")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 3}))
    assert "is of schema 3" in refused(path)


def test_what_is_no_run_at_all_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text("[]")
    assert "is no results.json" in refused(path)


def test_a_journal_that_was_cut_is_a_run_whose_last_case_never_ended(sample: Path) -> None:
    whole = load_for_comparison(sample)
    journal = sample / "journal.jsonl"
    text = journal.read_text().rstrip("\n")
    last_end = text.rindex('{"schema": 1, "event": "end"')
    journal.write_text(text[: last_end + 60])
    cut = load_for_comparison(sample)
    comparison = compare(whole, cut)
    assert any("ends in the middle of line" in note for note in comparison.notes)
    assert [c.kind for c in comparison.changes if c.regressed] == ["no_verdict"]

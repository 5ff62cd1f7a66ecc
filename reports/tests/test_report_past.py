"""The page of a run among others: what changed, kinds of failure, the nights before, trends."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gauntlet_reports import RunData, load_run
from gauntlet_reports.background import Background, background_of
from gauntlet_reports.failure_groups import failure_groups, groups_not_met, signatures_of
from gauntlet_reports.history import LETTERS, History, Seen, history_of, history_words
from gauntlet_reports.html_report import render_html
from gauntlet_reports.outcomes import LOOKS, entries, outcome_of
from gauntlet_reports.overview import overview
from gauntlet_reports.page_reader import Page
from gauntlet_reports.past import NIGHTS
from gauntlet_reports.sample_past import SampleNight, SamplePast, SamplePoint
from gauntlet_reports.sample_run import (
    NASTY,
    Line,
    ended,
    planned_cases,
    run_info,
    write_run,
    write_sample,
)

CASES = planned_cases()


@pytest.fixture(name="run", scope="module")
def fixture_run(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    return load_run(write_sample(tmp_path_factory.mktemp("run")))


@pytest.fixture(name="background", scope="module")
def fixture_background(run: RunData, tmp_path_factory: pytest.TempPathFactory) -> Background:
    before = load_run(finished(tmp_path_factory.mktemp("before"), ["pass"] * len(CASES)))
    return background_of(run, before, SamplePast(run))


@pytest.fixture(name="page", scope="module")
def fixture_page(run: RunData, background: Background) -> Page:
    return Page(render_html(run, background))


def finished(folder: Path, verdicts: list[str], **given: object) -> Path:
    """A run that ended in good order, its first cases with these verdicts."""
    chance = random.Random(1)
    cases = CASES[: len(verdicts)]
    lines: list[Line] = [
        ended(case, verdict, chance, **given) for case, verdict in zip(cases, verdicts, strict=True)
    ]
    return write_run(folder, run_info(cases, state="finished"), lines)


def history_in(background: Background) -> History:
    assert background.history is not None
    return background.history


def test_every_outcome_has_a_letter_of_its_own() -> None:
    assert LETTERS.keys() == LOOKS.keys()
    assert len(set(LETTERS.values())) == len(LETTERS)


@pytest.mark.parametrize(
    ("strip", "words"),
    [
        ("p" * 25 + "fp" + "fpp", "30 nights: 28 pass, 2 fail, last failed 2 nights ago"),
        ("ppf", "3 nights: 2 pass, 1 fail, last failed in this run"),
        ("hp", "2 nights: 1 pass, 1 hang, last failed 1 night ago"),
        ("..px", "4 nights: 1 pass, 1 expected, 2 without it"),
        ("p", "1 night: 1 pass"),
    ],
)
def test_a_strip_is_told_in_words(strip: str, words: str) -> None:
    assert history_words(strip) == words


def test_a_run_is_the_last_of_its_nights_whether_it_is_stored_or_not(run: RunData) -> None:
    history = history_of(run, SamplePast(run))
    assert len(history.nights) == NIGHTS
    assert history.nights[-1].run_id == run.folder
    assert {len(strip) for strip in history.strips.values()} == {NIGHTS}
    worst = {r.case: LETTERS[outcome_of(r)] for r in run.results}
    assert {case: history.strips[case][-1] for case in worst} == worst

    class Stored(SamplePast):
        def runs(self, limit: int | None = None) -> list[SampleNight]:
            own = SampleNight(run.folder, datetime.fromisoformat(run.started), {})
            later = SampleNight("later", datetime(2026, 12, 24, tzinfo=UTC), {})
            return [later, own, *super().runs()][:limit]

    assert history_of(run, Stored(run)).nights == history.nights


def test_a_short_past_makes_short_strips_and_none_makes_one_night(run: RunData) -> None:
    assert {len(s) for s in history_of(run, SamplePast(run, nights=4)).strips.values()} == {5}
    alone = history_of(run, SamplePast(run, nights=0))
    assert {len(strip) for strip in alone.strips.values()} == {1}
    assert alone.trends == []
    assert "Last 1 night<" in render_html(run, Background(history=alone))


def test_a_run_that_does_not_say_when_it_began_has_no_nights_before(tmp_path: Path) -> None:
    run = load_run(write_sample(tmp_path))
    past = SamplePast(run)
    run.info["started"] = "once"
    run.events.clear()
    assert len(history_of(run, past).nights) == 1


def test_a_value_outside_of_all_before_comes_first_and_has_a_table(
    run: RunData, page: Page
) -> None:
    jumped = run.results[7]

    class Jump(SamplePast):
        def trend(self, case: str, name: str, nights: int) -> list[SamplePoint]:
            points = super().trend(case, name, nights)
            factor = 0.01 if case == jumped.case else 1.0
            return [
                SamplePoint(p.run_id, p.started, p.low * factor, p.median * factor, p.high * factor)
                for p in points
            ]

    trends = history_of(run, Jump(run)).trends
    assert (trends[0].case, trends[0].moved) == (jumped.case, True)
    assert trends[0].points[-1].median == jumped.measured["round_trip_ns"]
    assert len(trends[0].points) == NIGHTS
    plots = [a for a in page.all("svg") if a.get("class") == "plot"]
    assert len(plots) == 40
    for plot in plots:
        assert "round_trip_ns over 30 nights: usually" in str(plot["aria-label"])
    assert page.text().count("As a table") == len(plots)


def test_shifted_values_are_looked_at_first(run: RunData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gauntlet_reports.trends._LOOKED_AT", 1)
    wanted = run.results[-1].case
    history = history_of(run, SamplePast(run), [(wanted, "round_trip_ns")])
    assert [trend.case for trend in history.trends] == [wanted]
    assert history.measured_values == 1


def test_failures_are_grouped_and_new_groups_come_first(run: RunData) -> None:
    listed = entries(run)
    signatures = signatures_of(listed)
    groups = failure_groups(listed, signatures, run.folder, history_of(run, SamplePast(run)))
    assert groups[0].new
    assert not any(group.new for group in groups[1:])
    assert not any(member.outcome in ("pass", "expected") for g in groups for member in g.members)
    assert sum(len(group.members) for group in groups) == sum(s is not None for s in signatures)
    alone = failure_groups(listed, signatures, run.folder, None)
    assert not any(group.new for group in alone), "without a past nothing is known to be new"


def test_a_group_that_only_this_run_has_is_new_although_it_is_stored_already(run: RunData) -> None:
    listed = entries(run)
    signatures = signatures_of(listed)
    past = history_of(run, SamplePast(run))
    own = Seen(run.folder, run.started, run.folder, run.started, 1)
    stored = History(past.nights, past.strips, dict.fromkeys(filter(None, signatures), own))
    assert all(group.new for group in failure_groups(listed, signatures, run.folder, stored))
    assert {one.signature for one in groups_not_met([], past)} == past.seen.keys()


def test_the_page_names_groups_with_their_first_run_and_those_it_has_not_met(
    page: Page, background: Background
) -> None:
    text = " ".join(page.text().split())
    assert "channel claims: a message came out twice" in text
    assert history_in(background).nights[3].run_id in text
    assert "1 kind of the last 30 nights that this run has not met" in text


def test_changes_since_the_baseline_are_told_and_filtered(page: Page, run: RunData) -> None:
    text = " ".join(page.text().split())
    assert "Changes since" in text
    assert "regressions" in text
    links = {attributes.get("href") for attributes in page.all("a")}
    assert "#change=regression" in links
    changed = [row for row in page.data()["rows"] if row[7].get("change") == "regression"]
    assert len(changed) == 5
    assert {row[1] for row in changed} >= {
        r.case for r in run.results if r.verdict in ("hang", "crash")
    }


def test_the_overview_tells_of_the_machine_before_all_else(
    run: RunData, background: Background
) -> None:
    listed = entries(run)
    groups = failure_groups(listed, signatures_of(listed), run.folder, background.history)
    told = [(s.tone, s.section) for s in overview(run, listed, groups, background)]
    sections = [section for _, section in told]
    assert sections == ["trouble", "trouble", "changes", "signatures"]
    assert told[0][0] == "trouble"


def test_an_overview_of_a_quiet_night_says_that_nothing_changed(tmp_path: Path) -> None:
    run = load_run(finished(tmp_path, ["pass"] * 3))
    background = background_of(run, run)
    (sentence,) = overview(run, entries(run), [], background)
    assert (sentence.tone, sentence.section) == ("good", "changes")
    assert "3 unchanged" in sentence.words


def test_expired_expectations_name_the_cases_that_fail_again(tmp_path: Path) -> None:
    folder = finished(tmp_path, ["fail"] * 7, expectation="kernel-bug", expired_on="2026-11-20")
    text = " ".join(Page(render_html(load_run(folder))).text().split())
    assert "kernel-bug expired on 2026-11-20; 7 cases fail again" in text
    assert "and 2 more" in text
    assert "1 expectation has expired; its cases fail again." in text


def test_the_data_of_strips_is_written_once_for_all_that_share_it(
    page: Page, background: Background
) -> None:
    data = page.data()
    history = history_in(background)
    assert len(data["strips"]) == len(set(data["strips"])) < 20
    for row in data["rows"]:
        assert data["strips"][row[7]["strip"]] == history.strips[row[1]]
    assert [night[0] for night in data["nights"]] == [night.run_id for night in history.nights]


def test_names_of_nights_and_signatures_are_harmless(run: RunData) -> None:
    class Nasty(SamplePast):
        def runs(self, limit: int | None = None) -> list[SampleNight]:
            return [
                SampleNight(f"{night.run_id}{NASTY}", night.started, {NASTY: 1})
                for night in super().runs(limit)
            ]

        def history(self, run_id: str, nights: int = NIGHTS) -> dict[str, list[str | None]]:
            return {case: [NASTY] for case in super().history(run_id.removesuffix(NASTY), nights)}

    page = Page(render_html(run, background_of(run, None, Nasty(run))))
    assert (page.count("img"), page.count("script")) == (0, 2)


def test_the_page_with_everything_still_holds_nothing_that_is_fetched(
    page: Page, run: RunData
) -> None:
    for tag, attributes in page.tags:
        assert not {"src", "srcset", "style", "action"} & attributes.keys(), tag
        assert str(attributes.get("href", "#")).startswith(("#", "data:image/svg+xml,"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    fragments = {str(a["href"])[1:] for a in page.all("a") if "=" not in str(a["href"])}
    assert fragments <= set(ids), "each part that is named is there"
    assert [a.get("scope") for a in page.all("th") if not a.get("scope")] == []


def test_a_page_without_a_past_says_nothing_of_one(run: RunData) -> None:
    page = Page(render_html(run))
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert ids.isdisjoint({"changes", "trends", "nights", "change"})
    assert not any("strip" in row[7] for row in page.data()["rows"])


def test_what_the_kernel_said_stands_first_with_the_cases_that_ran_meanwhile(
    tmp_path: Path,
) -> None:
    said = [{"kind": "oops", "text": "BUG: kernel NULL pointer dereference"}]
    page = Page(render_html(load_run(finished(tmp_path, ["pass"] * 5, kernel=said))))
    text = " ".join(page.text().split())
    assert "The kernel logged 1 line during cases: oops." in text
    assert text.index("BUG: kernel NULL") < text.index("Nothing failed that was not expected")
    assert "and 2 more" in text
    assert page.data()["rows"][0][7]["kernel"] == "oops: BUG: kernel NULL pointer dereference"

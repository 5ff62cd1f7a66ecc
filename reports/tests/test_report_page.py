"""index.html as a document: harmless with any text, small, readable without its script."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from gauntlet_reports import RunData, load_run, render
from gauntlet_reports.groups import METHODS, NO_SUBJECT, matrix
from gauntlet_reports.interruptions import interrupted_calls
from gauntlet_reports.outcomes import entries
from gauntlet_reports.page_data import _cost, script_safe
from gauntlet_reports.page_reader import Page
from gauntlet_reports.sample_run import (
    NASTY,
    Line,
    ended,
    planned_cases,
    run_info,
    write_run,
    write_sample,
)
from gauntlet_reports.text import visible

IMAGE_AS_TEXT = "&lt;img src=x onerror=alert(1)&gt;"
LIMIT_BYTES = 2_000_000


def page_of(folder: Path, lines: list[Line], **info: Any) -> str:
    cases = [
        {"name": line["case"], **{key: line[key] for key in ("method", "kind", "subject")}}
        for line in lines
    ]
    return render(load_run(write_run(folder, run_info(cases, **info), lines)), "html")


@pytest.fixture(name="run")
def fixture_run(tmp_path: Path) -> RunData:
    return load_run(write_sample(tmp_path))


@pytest.fixture(name="page")
def fixture_page(run: RunData) -> Page:
    return Page(render(run, "html"))


def test_no_text_becomes_an_element(page: Page) -> None:
    assert page.count("img") == 0
    assert page.count("script") == 2
    assert not [name for _, attributes in page.tags for name in attributes if name[:2] == "on"]


def test_a_text_that_reached_the_page_as_markup_would_be_noticed(run: RunData) -> None:
    broken = Page(render(run, "html").replace(IMAGE_AS_TEXT, "<img src=x>"))
    assert broken.count("img") > 0


def test_nasty_names_and_facts_are_as_harmless_as_nasty_outputs(tmp_path: Path) -> None:
    case = planned_cases()[0] | dict.fromkeys(
        ("name", "method", "kind", "subject", "clause", "contract"), NASTY
    )
    line = ended(case, "fail", random.Random(1), reason=NASTY, output=NASTY)
    page = Page(page_of(tmp_path, [line], seed=NASTY, selection=NASTY, command=[NASTY]))
    assert (page.count("img"), page.count("script")) == (0, 2)
    assert {"\x00", "\x1b", "\u202e"}.isdisjoint(render(load_run(tmp_path), "html"))


def test_data_cannot_end_its_element_nor_open_a_comment() -> None:
    text = json.dumps({"a": "</script><!-- <script> ]]> &lt; \u2028"}, ensure_ascii=False)
    safe = script_safe(text)
    assert not set("<>&") & set(safe)
    assert json.loads(safe) == json.loads(text)


def test_the_page_holds_nothing_that_is_fetched_and_runs_nothing_but_its_own(run: RunData) -> None:
    text = render(run, "html")
    page = Page(text)
    for tag, attributes in page.tags:
        for name in ("src", "srcset", "action", "formaction", "poster", "data", "style"):
            assert name not in attributes, (tag, attributes)
        if "href" in attributes:
            assert re.match(r"#|data:image/svg\+xml,", attributes["href"] or ""), attributes
    assert not re.search(r"@import|url\(", text[: text.index("</style>")])
    policy = next(a["content"] for _, a in page.tags if "http-equiv" in a) or ""
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    sources = [data for tag, data in page.texts if tag == "style"]
    sources += [data for tag, data in page.texts if tag == "script" and '"use strict"' in data]
    assert len(sources) == 2
    for source in sources:
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_matrix_and_failures_are_there_without_the_script(run: RunData, page: Page) -> None:
    text = " ".join(page.text().split())
    for result in run.results:
        if result.verdict in ("fail", "hang", "crash", "error") and not result.expected:
            assert f"{result.case}" in text
            assert f"harness/gauntlet repro {result.case} --seed {result.seed}" in text
    assert "p1 |send 2---" in text
    cells = {
        attributes["aria-label"]
        for tag, attributes in page.tags
        if tag == "a" and "cell" in (attributes.get("class") or "").split()
    }
    assert "pipe, conformance: 1 failed, 4 passed" in cells
    assert "posix_mq, overload: 3 unsupported" in cells
    assert "reference_channel, conformance: 5 passed" in cells


def test_overview_has_ten_methods_and_shows_which_have_nothing(page: Page) -> None:
    text = page.text()
    for method in METHODS:
        assert method.replace("_", " ") in text
    cells = {attributes.get("aria-label") for _, attributes in page.tags}
    assert any(cell and cell.startswith("pipes, crashes: ") for cell in cells)
    empty = [a for tag, a in page.tags if a.get("aria-label") == "nothing planned"]
    assert len(empty) >= 5 * 5, "five methods of the sample have no case"


def test_faults_that_fired_are_counted_for_each_subject(run: RunData) -> None:
    rows = {
        row.subject: row.fired
        for group in matrix(entries(run)).methods
        for row in group.rows
        if group.method == "semaphores"
    }
    assert rows["sysv_sem"] == sum(
        result.faults.fired for result in run.results if result.subject == "sysv_sem"
    )
    assert rows["sysv_sem"] > 0
    assert rows[NO_SUBJECT] == 0


def test_overview_sums_subjects_clauses_and_verdicts(run: RunData) -> None:
    overview = {row.method: row for row in matrix(entries(run)).overview}
    assert list(overview) == list(METHODS)
    assert (overview["pipes"].subjects, overview["pipes"].clauses) == (2, 5)
    assert (overview["futures"].subjects, overview["futures"].cells[0].outcome) == (0, None)
    cases = sum(cell.total for row in overview.values() for cell in row.cells)
    assert cases == len(planned_cases())


def test_interrupted_calls_are_a_table_of_calls_and_handlers(run: RunData, page: Page) -> None:
    rows = {row.call: row for row in interrupted_calls(entries(run))}
    assert list(rows) == ["sem_timedwait", "sem_wait"]
    wait = rows["sem_wait"]
    assert wait.plain is not None
    assert wait.plain.seen == "EINTR"
    assert wait.restart is not None
    assert wait.restart.seen == "goes on"
    assert wait.stop is not None
    assert rows["sem_timedwait"].restart is None
    assert "Handler with SA_RESTART" in page.text()


def test_run_without_interrupted_calls_has_no_such_table(tmp_path: Path) -> None:
    cases = planned_cases()[:1]
    end = ended(cases[0], "pass", random.Random(1))
    folder = write_run(tmp_path / "run", run_info(cases), [end])
    assert "interrupted-title" not in render(load_run(folder), "html")


def test_every_case_is_in_the_data_with_what_its_drawer_shows(run: RunData, page: Page) -> None:
    data = page.data()
    assert len(data["rows"]) == len(planned_cases())
    by_name = {row[1]: row for row in data["rows"]}
    failed = next(r for r in run.results if r.leftovers)
    detail = by_name[failed.case][7]
    assert detail["seed"] == failed.seed
    assert detail["leftovers"].split("\n") == failed.leftovers
    assert len(detail["failures"]) == 12
    assert detail["more"] == 18
    assert data["strings"][detail["reason"]] == failed.reason
    assert data["isolations"][detail["isolation"]][1] == [
        ["network", "unshare(CLONE_NEWNET): Operation not permitted"]
    ]


def test_headers_and_controls_are_what_a_screen_reader_expects(page: Page) -> None:
    for tag, attributes in page.tags:
        if tag == "th":
            assert attributes.get("scope") in ("row", "col", "rowgroup")
        if tag == "button":
            assert attributes.get("type") in ("button", "reset")
        if tag == "svg":
            assert attributes.get("aria-label")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        for name in ("aria-labelledby",):
            assert attributes.get(name, ids[0]) in ids


def test_trouble_comes_before_failures_and_failures_before_the_matrix(run: RunData) -> None:
    text = render(run, "html")
    places = [text.index(f'<section id="{name}"') for name in ("trouble", "failures", "matrix")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (
            None,
            [
                "No case was run",
                "Nothing was judged, so nothing could fail.",
                "nothing to cross",
                "There were no cases to ask.",
                "No case has ended",
                "There is no fingerprint",
                "No case has said what it had for itself.",
            ],
        ),
        (
            "pass",
            [
                "1 passed",
                "Nothing failed that was not expected to.",
                "Every case that was reached could be asked",
            ],
        ),
    ],
)
def test_empty_states_are_worded(tmp_path: Path, verdict: str | None, words: list[str]) -> None:
    if verdict:
        page_of(tmp_path, [ended(planned_cases()[0], verdict, random.Random(1))])
    text = Page(render(load_run(tmp_path), "html")).text()
    for expected in words:
        assert expected in text


def test_the_cost_of_a_text_is_what_it_takes_in_the_page() -> None:
    plain = "plain ~!#$%'()*+,-./:;=?@[]^_`{|}"
    for text in ("", plain, NASTY, *map(chr, range(0x180))):
        taken = script_safe(json.dumps(visible(text), ensure_ascii=False))
        assert _cost(text) == len(taken.encode()), repr(text)


def many(number: int, verdict: str, **given: Any) -> list[Line]:
    chance = random.Random(5)
    cases = planned_cases(extra=number)[-number:]
    return [ended(case, verdict, chance, **given) for case in cases]


HEAVY = {
    "output": "<&>\x1b" * 5_000,
    "lanes": "p1 |<send>|\n" * 1_000,
    "processes": "#0 syscall\n" * 1_000,
    "failures": [{"file": "x.cpp", "line": n, "message": "\x01" * 300} for n in range(40)],
    "reason": "<" * 5_000,
    "clause": "&" * 5_000,
    "leftovers": ["/dev/shm/<" * 20] * 5,
}


@pytest.mark.parametrize("verdict", ["pass", "fail", "not_run", "error"])
def test_a_thousand_cases_with_the_worst_texts_stay_below_the_limit(
    tmp_path: Path, verdict: str
) -> None:
    text = page_of(tmp_path, many(1000, verdict, **HEAVY))
    assert len(text.encode()) < LIMIT_BYTES
    assert len(Page(text).data()["rows"]) == 1000


def test_reasons_that_all_differ_stay_below_the_limit_too(tmp_path: Path) -> None:
    lines = many(1000, "fail")
    for number, line in enumerate(lines):
        line["reason"] = line["clause"] = f"{number} " + "<" * 5_000
    assert len(page_of(tmp_path, lines).encode()) < LIMIT_BYTES


def test_a_cut_text_says_so_and_an_output_keeps_its_end(tmp_path: Path) -> None:
    output = "begin\n" + "x" * 3_000_000 + "\nthe last words"
    lanes = "the first lane\n" + "x" * 3_000_000
    data = Page(page_of(tmp_path, many(1, "fail", output=output, lanes=lanes))).data()
    detail = data["rows"][0][7]
    assert detail["output"].endswith("\nthe last words")
    assert "characters before this are left out]" in detail["output"]
    assert detail["lanes"].startswith("the first lane\n")
    assert re.search(r"\[[\d,]+ more characters\]$", detail["lanes"])


def test_failures_keep_their_texts_when_passes_talk_too_much(tmp_path: Path) -> None:
    loud = many(900, "pass", output="chatter\n" * 8_000)
    failed = many(901, "fail", output="evidence\n" * 5_000)[-1:]
    rows = Page(page_of(tmp_path, loud + failed)).data()["rows"]
    assert rows[0][7]["output"] == "evidence\n" * 5_000

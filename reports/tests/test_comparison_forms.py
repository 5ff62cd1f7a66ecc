"""A comparison as text, JSON, Markdown and a page: complete, harmless, usable without a script."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import random
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gauntlet_reports import load_run
from gauntlet_reports.comparison import Comparison, compare
from gauntlet_reports.comparison_html import render_comparison_html
from gauntlet_reports.comparison_json import render_comparison_json
from gauntlet_reports.comparison_markdown import render_comparison_markdown
from gauntlet_reports.comparison_terminal import comparison_lines
from gauntlet_reports.page_reader import Page
from gauntlet_reports.sample_run import (
    FINGERPRINT,
    NASTY,
    Line,
    ended,
    planned_cases,
    run_info,
    write_run,
)

jsonschema: Any = importlib.import_module("jsonschema")
SCHEMA = Path(__file__).resolve().parent.parent / "schema" / "comparison.schema.json"
CASES = planned_cases()[:6]
# Several lines would be the record of a search.
SLY = NASTY.replace("\r\n", " ")


@pytest.fixture
def differing(tmp_path: Path) -> Comparison:
    """A regression with nasty texts, one fixed, a behaviour, a record and shifts."""
    chance = random.Random(1)
    table = "openat #1 fails with EIO -> {}\n2 of 94 tried\n"
    old = [
        ended(
            CASES[0],
            "pass",
            chance,
            measured={},
            observed={"calls": table.format("told"), "order": "fifo"},
        ),
        ended(CASES[1], "fail", chance, measured={}),
        *[ended(case, "pass", chance, measured={"a_ns": 1.5}) for case in CASES[2:]],
    ]
    new = [
        ended(
            CASES[0],
            "fail",
            chance,
            reason=NASTY,
            observed={"calls": table.format(SLY), "order": SLY},
        ),
        ended(CASES[1], "pass", chance),
        *[ended(case, "pass", chance, measured={"a_ns": 150.5}) for case in CASES[2:]],
    ]
    other = FINGERPRINT | {"libc": NASTY}
    first = write_run(tmp_path / "first", run_info(CASES), old)
    second = write_run(tmp_path / "second", run_info(CASES, fingerprint=other), new)
    return compare(load_run(first), load_run(second))


@pytest.fixture
def equal(tmp_path: Path) -> Comparison:
    chance = random.Random(1)
    lines = [ended(case, "pass", chance) for case in CASES]
    run = load_run(write_run(tmp_path / "run", run_info(CASES), lines))
    return compare(run, run)


def test_json_fits_its_schema(differing: Comparison, equal: Comparison) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    for comparison in (differing, equal):
        document = json.loads(render_comparison_json(comparison))
        assert [error.message for error in validator.iter_errors(document)] == []
    document = json.loads(render_comparison_json(differing))
    assert (document["status"], document["equal"]) == (1, False)
    assert [change["kind"] for change in document["changes"]] == ["regression", "fixed"]
    assert document["changes"][0]["why"] == NASTY
    assert len(document["shifts"]) == len(CASES) - 2
    wrongs: list[Line] = [{"status": 3}, {"changes": [{"case": "a"}]}, {"more": 1}, {"counts": {}}]
    for wrong in wrongs:
        assert list(validator.iter_errors(document | wrong))


def test_the_page_needs_neither_network_nor_script(differing: Comparison) -> None:
    text = render_comparison_html(differing)
    page = Page(text)
    assert page.all("script") == []
    assert page.all("img") == []
    addresses = [
        attributes[name]
        for _, attributes in page.tags
        for name in ("href", "src", "action")
        if name in attributes
    ]
    assert addresses
    assert all(str(one).startswith(("#", "data:image/svg+xml,")) for one in addresses)
    assert "@import" not in text
    assert "url(" not in text
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    (policy,) = [a["content"] for a in page.all("meta") if "http-equiv" in a]
    assert policy is not None
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_the_page_can_be_read_by_headings_tables_and_keyboard(differing: Comparison) -> None:
    page = Page(render_comparison_html(differing))
    assert len(page.all("h1")) == 1
    assert ("html", {"lang": "en"}) in page.tags
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert len(page.all("table")) >= 5
    assert all(a.get("scope") in ("col", "row") for a in page.all("th"))
    ids = {str(a["id"]) for _, a in page.tags if "id" in a}
    links = [str(a["href"])[1:] for a in page.all("a")]
    assert set(links) <= ids
    labelled = [str(a["aria-labelledby"]) for a in page.all("section")]
    assert set(labelled) <= ids
    assert all(a.get("tabindex") == "0" for a in page.all("pre"))
    opened = [a for a in page.all("details") if "open" in a]
    assert [a["id"] for a in opened] == ["kind-regression"]


def test_the_head_of_the_page_shows_whether_something_regressed(
    differing: Comparison, equal: Comparison
) -> None:
    looks = ((differing, "bad", "\N{BALLOT X}"), (equal, "good", "\N{CHECK MARK}"))
    for comparison, tone, glyph in looks:
        page = Page(render_comparison_html(comparison))
        assert page.all("header")[0]["class"] == f"top {tone}"
        assert f"{glyph} {comparison.verdict}" in page.text()


def test_nasty_texts_are_seen_and_do_nothing(differing: Comparison) -> None:
    page = Page(render_comparison_html(differing))
    assert "<img src=x onerror=alert(1)>" in page.text()
    for text in (render_comparison_html(differing), render_comparison_markdown(differing)):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u202e]", text)
    markdown = render_comparison_markdown(differing)
    outside = re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)
    assert "<img" not in re.sub(r"\\.", "", outside)


def test_markdown_tells_every_part(differing: Comparison, equal: Comparison) -> None:
    text = render_comparison_markdown(differing)
    for heading in ("Systems", "Changed behaviours", "Searches that met", "Shifted values"):
        assert f"\n## {heading}" in text
    assert text.startswith("# Gauntlet: 1 regression, 1 fixed, 4 unchanged\n")
    assert "repeat it: `harness/gauntlet repro " in text
    quiet = render_comparison_markdown(equal)
    assert quiet.count("\n## ") == 1
    assert "Equal: every case is as it was." in quiet


def test_the_terminal_tells_the_verdict_last_and_has_colours_only_when_asked(
    differing: Comparison, equal: Comparison
) -> None:
    lines = comparison_lines(differing, color=False)
    assert lines[-2:] == ["1 regression, 1 fixed, 4 unchanged", "1 case regressed."]
    assert "\x1b" not in "".join(lines)
    assert not any(re.search(r"[\x00-\x1f]", line) for line in lines)
    assert "\x1b[1;31m1 case regressed.\x1b[0m" in comparison_lines(differing, color=True)
    assert comparison_lines(equal, color=False)[-2:] == [
        "6 unchanged",
        "Equal: every case is as it was.",
    ]


def test_long_lists_are_cut_and_say_so(tmp_path: Path) -> None:
    chance = random.Random(1)
    cases = planned_cases(80)
    good = write_run(tmp_path / "a", run_info(cases), [ended(c, "pass", chance) for c in cases])
    bad = write_run(tmp_path / "b", run_info(cases), [ended(c, "fail", chance) for c in cases])
    comparison = compare(load_run(good), load_run(bad))
    assert f"  and {len(cases) - 10:,} more" in comparison_lines(comparison, color=False)
    assert f"… and {len(cases) - 50:,} more." in render_comparison_markdown(comparison)
    assert Page(render_comparison_html(comparison)).text().count("repro ") >= len(cases)

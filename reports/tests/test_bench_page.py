"""A bench: what is worked out of its values, and its page as a document."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gauntlet_reports.bench import Aim, Table, read_tables, render_bench_json
from gauntlet_reports.bench_page import render_bench_html
from gauntlet_reports.bench_plot import AXIS_LEFT, AXIS_RIGHT, plot_of
from gauntlet_reports.bench_words import aim_lines, headline
from gauntlet_reports.page_parts import page_file
from gauntlet_reports.page_reader import Page
from gauntlet_reports.sample_bench import sample_bench, sample_series, sample_tables
from gauntlet_reports.sample_run import NASTY

# Imported by name because it comes without types of its own.
jsonschema: Any = importlib.import_module("jsonschema")

SCHEMA = Path(__file__).resolve().parent.parent / "schema" / "bench.schema.json"
NONE = "\N{EN DASH}"
STREAM, IDLE, ABSENT = sample_tables()


def changed(table: Table, **given: Any) -> Table:
    return msgspec.structs.replace(table, **given)


@pytest.fixture(name="text")
def fixture_text() -> str:
    return render_bench_html(sample_bench())


@pytest.fixture(name="page")
def fixture_page(text: str) -> Page:
    return Page(text)


def cells_of(text: str, heading: str) -> list[str]:
    """The cells of the table row that a heading begins."""
    row = next(
        found
        for found in re.findall(r"<tr[^>]*>(.*?)</tr>", text, re.S)
        if re.search(rf'scope="row">(?:<span[^>]*>. </span>)?{re.escape(heading)}</th>', found)
    )
    return [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td.*?</td>", row, re.S)]


def test_median_is_the_middle_or_the_higher_of_two() -> None:
    assert sample_series("x", 9, 1, 5).median == 5
    assert sample_series("x", 9, 1, 5, 7).median == 7


def test_ranks_follow_the_medians_and_what_is_better() -> None:
    assert [one.name for one in STREAM.ranked()] == ["reference", "mutex + cond", "pipe, 1 MiB"]
    idle = changed(IDLE, series=IDLE.series[::-1])
    assert [one.name for one in idle.ranked()] == ["reference", "reference, told to spin on"]
    less = changed(STREAM, better="less")
    assert [one.name for one in less.ranked()] == ["pipe, 1 MiB", "mutex + cond", "reference"]


def test_ratio_is_the_median_of_the_ratios_of_each_repetition() -> None:
    # 10 / 5, 30 / 6, 20 / 40: not 20 / 6, the ratio of the medians.
    assert STREAM.ratio(STREAM.series[2]) == 2
    assert STREAM.ratio(sample_series("other turns", 1, 2)) is None
    assert STREAM.ratio(sample_series("nothing", 0, 1, 2)) is None
    assert ABSENT.ratio(STREAM.series[0]) is None


def test_ratio_leaves_out_what_was_measured_between_other_cpus() -> None:
    near, far, moved = (70.0, 75.0), (480.0, 470.0), (70.0, 480.0)
    reference = sample_series("reference", 3, 9, 7, 4, lines=(near, moved, near, far))
    peer = sample_series("peer", 1, 1, 1, 1, lines=(near, far, far, far))
    assert changed(STREAM, series=[reference, peer]).ratio(peer) == 4
    never = sample_series("peer", 1, 1, 1, 1, lines=(far, near, far, near))
    assert changed(STREAM, series=[reference, never]).ratio(never) is None


def test_figures_stand_in_the_table(text: str) -> None:
    assert cells_of(text, "mutex + cond") == ["6", "5", "40", "3", "0.5", "2"]
    assert cells_of(text, "reference") == ["20", "10", "30", "3", "0.95", NONE]
    assert cells_of(text, "POSIX mq") == ["not measured: No space left on device"]
    assert "98.4 ns" in text


def test_aims_are_told_in_words(page: Page) -> None:
    words = re.sub(r"\s+", " ", page.text())
    assert (
        "Aim: reference / mutex + cond at least 3. Measured 2 in 3 repetitions: ✗ missed" in words
    )
    assert "Aim: per cent of a CPU at most 0.5. Measured 0.128: ✓ reached" in words
    assert f"Aim: reference / POSIX mq at least 3. {NONE} not measured" in words
    assert "2 of 4 aims reached, 1 missed, 1 not measured" in words
    assert "not measured: it takes two CPUs" in words
    assert "of two CPUs" in words


def test_head_tells_of_machine_and_run(page: Page) -> None:
    words = page.text()
    for told in ("Linux 6.18.44", "2026-11-28 09:00:00 UTC", "5 min 31 s", "all rows, 3 repet"):
        assert told in words
    assert "0.30 on 2 CPUs" in words
    assert "busy" not in words


def test_busy_machine_is_told() -> None:
    assert "1.10 on 2 CPUs: the machine was busy" in render_bench_html(sample_bench(load=1.1))
    assert "busy, so" not in render_bench_html(sample_bench(load=1.0))


def test_each_value_is_a_mark_where_it_belongs() -> None:
    plot = plot_of(STREAM)
    assert plot is not None
    assert [tick.label for tick in plot.ticks] == ["0", "10", "20", "30", "40"]
    assert (plot.ticks[0].x, plot.ticks[-1].x) == (AXIS_LEFT, AXIS_RIGHT)
    reference = plot.lines[0]
    width = AXIS_RIGHT - AXIS_LEFT
    assert reference.marks == [AXIS_LEFT + width * part for part in (0.25, 0.5, 0.75)]
    assert (reference.median, reference.label) == (AXIS_LEFT + width / 2, "20")
    assert plot_of(ABSENT) is None


@pytest.mark.parametrize("largest", [0.0, 1e-9, 0.00013, 0.3, 1, 6.5, 99.975, 1069, 8e12])
def test_axis_holds_the_largest_value(largest: float) -> None:
    plot = plot_of(changed(IDLE, series=[sample_series("reference", largest, 0.0)]))
    assert plot is not None
    assert 2 <= len(plot.ticks) <= 7
    assert len({tick.label for tick in plot.ticks}) == len(plot.ticks)
    (line,) = plot.lines
    assert AXIS_LEFT <= min(line.marks) <= max(line.marks) <= AXIS_RIGHT
    assert max(line.marks) > (AXIS_LEFT + AXIS_RIGHT) / 2 or largest == 0


def test_a_thousand_values_stay_few_marks() -> None:
    values = [0.05 + 0.0001 * number for number in range(1000)]
    page = Page(render_bench_html(sample_bench([changed(IDLE, series=[
        sample_series("reference", *values, 6.5)])])))  # fmt: skip
    assert len([mark for mark in page.all("path") if mark.get("class") == "mark"]) < 50


def test_the_reference_has_a_shape_of_its_own(page: Page) -> None:
    marks = [name for name, of in page.tags if of.get("class") == "mark"]
    # Of row 2 the reference 3, its two measured peers 3 each; of row 7 two of the reference's.
    assert (marks.count("path"), marks.count("circle")) == (5, 6)
    assert [data.strip() for tag, data in page.texts if data.strip() == "◆"] == ["◆"] * 3


def test_every_part_can_be_reached_and_has_a_name(page: Page) -> None:
    regions = [of for name, of in page.tags if of.get("role") == "region"]
    assert len(regions) == 5
    assert all(of.get("tabindex") == "0" and of.get("aria-label") for of in regions)
    drawings = page.all("svg")
    assert len(drawings) == 2
    assert all(of.get("role") == "img" for of in drawings)
    assert "reference 20, mutex + cond 6, pipe, 1 MiB 2" in str(drawings[0]["aria-label"])
    ids = [of["id"] for _, of in page.tags if of.get("id")]
    assert len(ids) == len(set(ids))
    targets = [str(of["href"])[1:] for of in page.all("a")]
    assert targets
    assert set(targets) <= set(ids)


def test_page_needs_nothing_from_elsewhere(text: str, page: Page) -> None:
    assert page.count("script") == 0
    assert [link["href"] for link in page.all("link") if link["rel"] != "icon"] == []
    assert "url(" not in page_file("bench.css")
    policy = next(of["content"] for of in page.all("meta") if of.get("http-equiv"))
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in str(policy)
    assert not [name for _, of in page.tags for name in of if name == "style" or name[:2] == "on"]


def test_no_text_becomes_an_element(page: Page) -> None:
    nasty = '"><img src=x onerror=alert(1)>\x1b[31m\u202e' + NASTY
    hostile = Table(
        row=2,
        title=nasty,
        unit=nasty,
        better="less",
        bare_line_ns=1.0,
        series=[
            sample_series("reference" + nasty, 1, 2, 3),
            sample_series(nasty, 1, 2, 3),
            sample_series("gone", why=nasty),
        ],
        aims=[Aim(nasty, "at most", 1.0, 2.0, None, reached=False)],
        notes=[nasty],
    )
    bench = msgspec.structs.replace(
        sample_bench([hostile]),
        started=nasty,
        command=[nasty],
        fingerprint={nasty: {nasty: nasty}, "libc": nasty},
        versions={nasty: nasty},
    )
    text = render_bench_html(bench)
    met = Page(text)
    assert met.count("img") == met.count("script") == 0
    assert not [name for _, of in met.tags for name in of if name[:2] == "on"]
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert all(line.isprintable() for line in aim_lines(bench, color=False))


def test_terminal_lines_say_the_same_without_colour() -> None:
    plain, painted = (aim_lines(sample_bench(), color) for color in (False, True))
    assert plain[0] == (
        "row 2  throughput, 1 to 1, 8 B: reference / mutex + cond 2 in 3 repetitions"
        " (at least 3): missed"
    )
    assert plain[-2:] == [
        "row 9  one to one in place, 64 B: not measured: it takes two CPUs",
        headline(sample_bench()),
    ]
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in painted] == plain
    assert painted != plain


def test_row_without_an_aim_shows_its_values_and_says_what_it_notes() -> None:
    note = "lossy: 65.9 % of the messages sent were missed"
    broadcast = Table(
        row=10,
        title="broadcast, one to 3",
        unit="M msg/s",
        better="more",
        bare_line_ns=94.0,
        series=[
            sample_series("reference broadcast, lossy", 0.5, 0.4, 0.6),
            sample_series("a pipe to each, 1 MiB", 0.1, 0.2, 0.1),
        ],
        aims=[],
        notes=[note],
    )
    bench = sample_bench([broadcast])
    assert f"row 10  broadcast, one to 3: {note}" in aim_lines(bench, color=False)
    text = render_bench_html(bench)
    assert note in text
    assert "a pipe to each, 1 MiB" in text


def test_document_is_as_its_schema_says_and_reads_back() -> None:
    document = json.loads(render_bench_json(sample_bench()))
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
    assert read_tables(json.dumps(document["tables"]).encode()) == sample_tables()
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | {"load": ["high"]}, schema)


@pytest.mark.parametrize("change", [{"values": [-1]}, {"values": ["1"]}, {"name": None}])
def test_values_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    one = msgspec.to_builtins(STREAM)
    one["series"][0] |= change
    with pytest.raises(msgspec.DecodeError):
        read_tables(json.dumps([one]).encode())

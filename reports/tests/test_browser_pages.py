"""Every page in a real browser: quiet, readable, narrow, and usable by keyboard alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gauntlet_reports import load_run
from gauntlet_reports.bench_page import render_bench_html
from gauntlet_reports.changes import KINDS
from gauntlet_reports.comparison import compare
from gauntlet_reports.comparison_html import render_comparison_html
from gauntlet_reports.page_browser import Browser
from gauntlet_reports.profile import profile_of, side_by_side
from gauntlet_reports.profile_html import render_profile_html
from gauntlet_reports.sample_bench import sample_bench, sample_series, sample_tables
from gauntlet_reports.sample_comparison import write_two_runs

PAGES = ["run", "nights", "comparison", "equal", "profile", "profiles", "bench"]
# The drawer of a case is a part of the first two alone.
WITH_A_LIST = ["run", "nights"]


@pytest.fixture(name="pages", scope="module")
def fixture_pages(
    tmp_path_factory: pytest.TempPathFactory, sample: Path, nights: Path
) -> dict[str, str]:
    """The address of each page."""
    folder = tmp_path_factory.mktemp("pages")
    first, second = (load_run(path) for path in write_two_runs(folder))
    before, after = profile_of(first), profile_of(second)
    texts = {
        "comparison": render_comparison_html(compare(first, second)),
        "equal": render_comparison_html(compare(first, first)),
        "profile": render_profile_html(side_by_side(before)),
        "profiles": render_profile_html(side_by_side(before, after)),
        "bench": bench_page(),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {
        "run": (sample / "index.html").as_uri(),
        "nights": (nights / "index.html").as_uri(),
        **{name: (folder / f"{name}.html").as_uri() for name in texts},
    }


def bench_page() -> str:
    """A bench with a name as long as the longest of the real ones."""
    stream, *others = sample_tables()
    long = sample_series("reference line, loan and borrow", 25, 26, 27)
    tables = [msgspec.structs.replace(stream, series=[*stream.series, long]), *others]
    return render_bench_html(sample_bench(tables, load=1.5))


def unfold(browser: Browser) -> None:
    browser.ask("document.querySelectorAll('details').forEach((one) => { one.open = true; })")


def open_drawer(browser: Browser) -> None:
    browser.ask("document.querySelector('#rows button').click()")
    browser.until("document.getElementById('drawer').open")


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_fetched_and_nothing_is_complained_about(
    browser: Browser, pages: dict[str, str], page: str
) -> None:
    browser.open(pages[page])
    unfold(browser)
    if page in WITH_A_LIST:
        open_drawer(browser)
    browser.settle()
    assert browser.fetched() == [pages[page]]
    assert browser.complaints == []


def test_the_title_of_a_red_run_says_so(browser: Browser, address: str) -> None:
    browser.open(address)
    assert str(browser.ask("document.title")).startswith("\N{BALLOT X} ")


@pytest.mark.parametrize("page", PAGES)
def test_a_complaint_and_a_request_would_be_seen(
    browser: Browser, pages: dict[str, str], page: str
) -> None:
    browser.open(pages[page])
    browser.ask("console.error('planted')")
    browser.ask(
        "new Promise((r) => { const i = new Image(); i.onerror = r; i.src = 'planted.png'; })"
    )
    assert any("planted" in complaint for complaint in browser.complaints)
    assert any("Content Security Policy" in complaint for complaint in browser.complaints)


@pytest.mark.parametrize("width", [400, 600, 1280])
@pytest.mark.parametrize("page", PAGES)
def test_nothing_sticks_out_sideways(
    browser: Browser, pages: dict[str, str], page: str, width: int
) -> None:
    browser.resize(width)
    browser.open(pages[page])
    unfold(browser)
    assert browser.ask("document.documentElement.scrollWidth") <= width
    if page in WITH_A_LIST:
        open_drawer(browser)
        drawer = "document.getElementById('drawer')"
        assert browser.ask(f"{drawer}.scrollWidth <= {drawer}.clientWidth") is True
    browser.ask(f"document.querySelector('h1').style.width = '{width + 1}px'")
    assert browser.ask("document.documentElement.scrollWidth") > width


@pytest.mark.parametrize("page", ["comparison", "profiles"])
def test_on_a_narrow_screen_no_name_is_broken_into_pieces(
    browser: Browser, pages: dict[str, str], page: str
) -> None:
    names = "[...document.querySelectorAll('main tbody th[scope=row]')]"
    browser.open(pages[page])
    unfold(browser)
    assert browser.ask(f"{names}.length") >= 5
    browser.resize(600)
    # Whatever is about a case has most of the page's width for its name.
    narrow = f"{names}.filter((one) => one.closest('.stacks') && one.clientWidth < 400).length"
    assert browser.ask(narrow) == 0
    browser.resize(1280)
    heads = "[...document.querySelectorAll('.stacks > thead')]"
    assert browser.ask(f"{heads}.every((one) => one.checkVisibility())") is True


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_every_text_has_the_contrast_that_wcag_asks_for(
    browser: Browser, pages: dict[str, str], page: str, scheme: str
) -> None:
    browser.prefer(scheme)
    browser.open(pages[page])
    unfold(browser)
    assert browser.low_contrasts() == []
    browser.ask("document.querySelector('.verdict').style.color = 'rgb(128, 128, 128)'")
    assert len(browser.low_contrasts()) == 1


@pytest.mark.parametrize("page", PAGES)
def test_the_keyboard_alone_reaches_what_can_be_chosen_folded_or_scrolled(
    browser: Browser, pages: dict[str, str], page: str
) -> None:
    # Few enough cases that no more of them come up while one walks.
    browser.open(pages[page] + ("#verdict=fail" if page in WITH_A_LIST else ""))
    reachable = "a[href], button:enabled, input, select, summary, [tabindex='0']"
    browser.ask(
        f"window.left = new Set([...document.querySelectorAll({reachable!r})].filter("
        "(one) => one.checkVisibility()))"
    )
    total = int(browser.ask("left.size"))
    assert total > 3
    browser.press("Tab", 9)
    assert browser.ask("document.activeElement.className") == "skip"
    for _ in range(total):
        browser.ask("left.delete(document.activeElement)")
        browser.press("Tab", 9)
    assert browser.ask("[...left].map((one) => one.outerHTML.slice(0, 120))") == []


def test_every_class_of_a_comparison_is_unfolded_by_the_keyboard(
    browser: Browser, pages: dict[str, str]
) -> None:
    browser.open(pages["comparison"])
    folds = "[...document.querySelectorAll('.kind')]"
    ids = browser.ask(f"{folds}.map((one) => one.id)")
    assert ids == [f"kind-{kind}" for kind in KINDS if kind != "unchanged"]
    for kind in ids:
        fold = f"document.getElementById('{kind}')"
        was = browser.ask(f"{fold}.open")
        browser.ask(f"{fold}.querySelector('summary').focus()")
        browser.press("Enter", 13)
        assert browser.ask(f"{fold}.open") is not was
    assert browser.ask(f"{folds}.filter((one) => one.open).length") < len(ids)


def test_the_plots_of_a_bench_can_be_reached_and_read(
    browser: Browser, pages: dict[str, str]
) -> None:
    browser.open(pages["bench"])
    labels = browser.ask(
        "[...document.querySelectorAll('[tabindex=\"0\"]')].map((e) => e.ariaLabel)"
    )
    assert "Plot of row 2, throughput, 1 to 1, 8 B" in labels
    assert "Figures of row 7, idle: CPU time of a receiver" in labels
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        words = "getComputedStyle(document.querySelector('.dots .name')).fill"
        assert browser.ask(words) == browser.ask("getComputedStyle(document.body).color")
    cut = "[...document.querySelectorAll('.dots text')].filter((t) => t.getBBox().x < 0).length"
    assert browser.ask(cut) == 0

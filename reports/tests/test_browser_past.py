"""What the page of a run shows of the nights before, in a browser."""

from __future__ import annotations

from pathlib import Path

from gauntlet_reports import load_run
from gauntlet_reports.history import history_of, history_words
from gauntlet_reports.outcomes import LOOKS
from gauntlet_reports.page_browser import Browser
from gauntlet_reports.sample_past import SamplePast

DRAWER = "document.getElementById('drawer')"


def test_strips_have_shapes_and_the_words_that_python_has_for_them(
    browser: Browser, nights: Path
) -> None:
    browser.open((nights / "index.html").as_uri())
    run = load_run(nights)
    strips = history_of(run, SamplePast(run)).strips
    labels = "[...document.querySelectorAll('#rows tr')].map((row) => ["
    labels += "row.querySelector('.case').textContent,"
    labels += "row.querySelector('.strip').getAttribute('aria-label')])"
    told = browser.ask(labels)
    assert len(told) == 200
    assert [words for _, words in told] == [history_words(strips[case]) for case, _ in told]
    shapes = browser.ask("Object.values(marks).map((mark) => mark(0))")
    assert len(set(shapes)) == len(shapes) == len(LOOKS)
    assert browser.ask("document.querySelectorAll('#strip-key li').length") > 4
    browser.ask("document.querySelector('#rows button').click()")
    browser.until(f"{DRAWER}.open")
    assert "30 nights: " in str(browser.ask(f"{DRAWER}.innerText"))
    assert browser.ask(f"{DRAWER}.querySelectorAll('details tbody tr').length") == 30

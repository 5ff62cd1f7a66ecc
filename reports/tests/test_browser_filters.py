"""The list of cases in a browser: mouse, keys and the address choose the same cases."""

from __future__ import annotations

from pathlib import Path

from gauntlet_reports import load_run, totals, write_reports
from gauntlet_reports.page_browser import Browser
from gauntlet_reports.sample_run import planned_cases, write_sample

ROWS = "document.querySelectorAll('#rows tr').length"
SHOWN = "document.getElementById('shown').textContent"
HASH = "location.hash"


def test_the_address_filters_the_list(browser: Browser, address: str, sample: Path) -> None:
    planned = len(planned_cases())
    browser.open(address)
    assert browser.ask(SHOWN) == f"{planned} cases"
    browser.open(address + "#method=pipes&kind=crashes&subject=fifo")
    assert browser.ask(SHOWN) == f"3 of {planned} cases"
    assert browser.ask(ROWS) == 3
    assert browser.ask("document.getElementById('method').value") == "pipes"
    browser.ask("location.hash = '#verdict=fail,hang'")
    counts = totals(load_run(sample))
    browser.until(f"{SHOWN} === '{counts['fail'] + counts['hang']} of {planned} cases'")
    browser.ask("location.hash = '#q=NOVERYMUCHSUCHCASE'")
    browser.until("!document.getElementById('nothing').hidden")
    browser.ask("location.hash = '#matrix'")
    browser.ask("new Promise((done) => requestAnimationFrame(done))")
    assert browser.ask(SHOWN) == f"0 of {planned} cases"
    browser.ask("location.hash = ''")
    browser.until(f"{SHOWN} === '{planned} cases'")


def test_a_cell_of_the_matrix_filters_the_list(browser: Browser, address: str) -> None:
    browser.open(address)
    browser.ask("document.querySelector('#matrix .cell.o-hang').focus()")
    browser.press("Enter", 13)
    browser.until(f"{ROWS} === 3")
    assert str(browser.ask(HASH)) == "#method=pipes&kind=crashes&subject=fifo"
    assert browser.ask("scrollY") > 0


def test_a_cell_of_the_methods_filters_the_list_over_all_subjects(
    browser: Browser, address: str
) -> None:
    browser.open(address)
    browser.ask("document.querySelector('#methods .cell.o-hang').click()")
    browser.until(f"{ROWS} === 6")
    assert str(browser.ask(HASH)) == "#method=pipes&kind=crashes"


def test_what_is_chosen_stands_in_the_address(browser: Browser, address: str) -> None:
    browser.open(address)
    browser.ask("document.querySelector('#verdicts [data-verdict=crash]').click()")
    assert str(browser.ask(HASH)) == "#verdict=crash"
    pressed = "document.querySelector('[data-verdict=crash]').getAttribute('aria-pressed')"
    assert browser.ask(pressed) == "true"
    browser.press("/", 191)
    for letter in "sock":
        browser.press(letter)
    browser.until(f"{SHOWN}.startsWith('1 of')")
    assert str(browser.ask(HASH)) == "#verdict=crash&q=sock"
    browser.ask("document.querySelector('.filters [type=reset]').click()")
    assert str(browser.ask(HASH)) == ""
    browser.ask("document.querySelector('th[data-sort=slowest] button').click()")
    assert str(browser.ask(HASH)) == "#sort=slowest"
    sorted_by = "document.querySelector('th[data-sort=slowest]').getAttribute('aria-sort')"
    assert browser.ask(sorted_by) == "descending"
    slowest = "document.querySelector('#slowest a.case').textContent"
    assert browser.ask("document.querySelector('#rows .case').textContent") == browser.ask(slowest)


def test_choices_are_steps_that_back_undoes_and_a_typed_word_is_one(
    browser: Browser, nights: Path
) -> None:
    browser.open((nights / "index.html").as_uri())
    choose = (
        "((id, value) => { const s = document.getElementById(id); s.value = value;"
        " s.dispatchEvent(new Event('change')); })"
    )
    browser.ask(f"{choose}('kind', 'races')")
    browser.ask(f"{choose}('method', 'sockets')")
    for word in ("u", "un", "unix_s"):
        browser.ask(
            f"(q => {{ q.value = '{word}'; q.dispatchEvent(new Event('input')); }})"
            "(document.getElementById('q'))"
        )
    assert str(browser.ask(HASH)) == "#method=sockets&kind=races&q=unix_s"
    browser.ask("history.back()")
    browser.until("location.hash === '#method=sockets&kind=races'")
    browser.until("document.getElementById('q').value === ''")
    browser.ask("history.back()")
    browser.until("location.hash === '#kind=races'")
    browser.until("document.getElementById('method').value === ''")
    browser.ask("history.forward()")
    browser.until("document.getElementById('method').value === 'sockets'")


def test_changes_and_kinds_of_failure_are_filters_of_the_address(
    browser: Browser, nights: Path
) -> None:
    address = (nights / "index.html").as_uri()
    browser.complaints.clear()
    browser.open(address + "#change=new_failure")
    assert browser.ask(ROWS) == 1
    assert browser.ask("document.getElementById('change').value") == "new_failure"
    browser.open(address)
    browser.ask("document.querySelector('#signatures a').focus()")
    browser.press("Enter", 13)
    browser.until("location.hash.startsWith('#signature=')")
    browser.until(f"{ROWS} === 2")
    assert browser.ask("document.getElementById('signature').value") != ""
    assert browser.complaints == []


def test_all_choices_stand_in_one_row_and_the_longest_is_no_wider_than_its_place(
    browser: Browser, nights: Path
) -> None:
    browser.resize(1280)
    browser.open((nights / "index.html").as_uri())
    browser.ask(
        "document.querySelector('#signature option:last-child').textContent = 'what '.repeat(60)"
    )
    low = "[...document.querySelectorAll('.filters select, .filters > button')].map((one) =>"
    assert len(set(browser.ask(f"{low} Math.round(one.getBoundingClientRect().bottom))"))) == 1
    assert browser.ask("document.getElementById('signature').offsetWidth") > 80


def test_a_run_of_thousands_is_listed_in_parts_and_found_at_once(
    browser: Browser, tmp_path: Path
) -> None:
    write_sample(tmp_path, extra=5000)
    write_reports(tmp_path)
    browser.open((tmp_path / "index.html").as_uri())
    total = 5000 + len(planned_cases())
    assert browser.ask(SHOWN) == f"{total:,} cases"
    assert browser.ask(ROWS) < 1000
    browser.ask(
        "(q => { q.value = 'GeneratedProgram4711_'; q.dispatchEvent(new Event('input')); })"
        "(document.getElementById('q'))"
    )
    assert browser.ask(SHOWN) == f"1 of {total:,} cases"


def test_a_run_without_cases_opens_without_complaint(browser: Browser, tmp_path: Path) -> None:
    write_reports(tmp_path)
    browser.complaints.clear()
    browser.open((tmp_path / "index.html").as_uri())
    assert browser.ask("document.getElementById('nothing').textContent") == "This run has no cases."
    assert browser.complaints == []

"""The drawer of a case in a browser: opened and left by keys, complete, harmless."""

from __future__ import annotations

import json

from gauntlet_reports.page_browser import Browser

DRAWER = "document.getElementById('drawer')"
TITLE = "document.getElementById('drawer-title').textContent"
FOCUS = "document.activeElement.dataset.index"
HASH = "location.hash"


def test_the_keyboard_alone_walks_opens_and_closes(browser: Browser, address: str) -> None:
    browser.open(address + "#verdict=fail")
    browser.press("j")
    assert browser.ask(FOCUS) == "0"
    browser.press("j")
    browser.press("ArrowDown", 40)
    browser.press("k")
    assert browser.ask(FOCUS) == "1"
    browser.press("Enter", 13)
    browser.until(f"{DRAWER}.open")
    second = browser.ask(TITLE)
    assert "case=" in str(browser.ask(HASH))
    browser.press("j")
    browser.until(f"{TITLE} !== {json.dumps(second)}")
    assert browser.ask("document.getElementById('next').disabled") is True
    browser.press("Escape", 27)
    browser.until(f"!{DRAWER}.open && location.hash === '#verdict=fail'")
    browser.until(f"{FOCUS} === '2'")


def test_the_drawer_shows_everything_about_a_case(browser: Browser, address: str) -> None:
    browser.open(address + "#verdict=fail&q=pipe")
    browser.ask("document.querySelector('#rows button').click()")
    browser.until(f"{DRAWER}.open")
    shown = str(browser.ask(f"{DRAWER}.innerText"))
    for words in (
        "Promise",
        "POSIX.1-2024 write()",
        "message 2 was accepted and never came out",
        "suites/contracts/channel/conformance.cpp:40",
        "p1  |send 2---",
        "harness/gauntlet repro PipesConformance.",
        "round_trip_ns",
        "first come, first served",
        "Private: ipc, mount, pid.",
        "Shared: network",
    ):
        assert words in shown
    assert browser.ask(f"getComputedStyle({DRAWER}.querySelector('pre')).whiteSpace") == "pre"


def test_back_closes_the_drawer_and_a_link_to_a_case_opens_it(
    browser: Browser, address: str
) -> None:
    browser.open(address)
    browser.ask("document.querySelector('#failures a.case').click()")
    browser.until(f"{DRAWER}.open")
    title = browser.ask(TITLE)
    link = browser.ask("location.href")
    browser.ask("history.back()")
    browser.until(f"!{DRAWER}.open && !location.hash.includes('case=')")
    browser.open(str(link))
    browser.until(f"{DRAWER}.open")
    assert browser.ask(TITLE) == title


def test_nasty_output_is_shown_as_it_was_printed(browser: Browser, address: str) -> None:
    browser.open(address + "#verdict=crash")
    browser.ask("document.querySelector('#rows button').click()")
    browser.until(f"{DRAWER}.open")
    shown = str(browser.ask(f"{DRAWER}.textContent"))
    assert "</script><script>document.title='taken'</script>" in shown
    assert "\\x00\\x01\\x07red\\x7f" in shown
    assert browser.ask("document.title") != "taken"
    assert browser.ask("document.images.length") == 0

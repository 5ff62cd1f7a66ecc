"""index.html in a real browser: no complaint, nothing fetched; mouse, keys and address agree.

Chromium is spoken to over its debugging pipe (`--remote-debugging-pipe`, DevTools protocol): every
console message and every request is seen, and nothing listens on a port.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import pytest

from gauntlet_reports import load_run, totals, write_reports
from gauntlet_reports.bench_page import render_bench_html
from gauntlet_reports.history import history_of, history_words
from gauntlet_reports.outcomes import LOOKS
from gauntlet_reports.sample_bench import sample_bench, sample_series, sample_tables
from gauntlet_reports.sample_past import SamplePast
from gauntlet_reports.sample_run import planned_cases, write_sample, write_sample_reports

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Only ever waited for in full when the browser is stuck; a loaded machine is slow, not stuck.
DEADLINE_S = 120.0
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


class Browser:
    """One headless Chromium with one page; ends, with all its processes, when the block ends."""

    def __init__(self) -> None:
        assert CHROMIUM is not None
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        there, self._out = (_high(descriptor) for descriptor in os.pipe())
        self._in, back = (_high(descriptor) for descriptor in os.pipe())
        # The browser reads commands on descriptor 3 and answers on 4.
        self._pid = os.posix_spawn(
            CHROMIUM,
            [CHROMIUM, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"],
            dict(os.environ),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, there, 3),
                (os.POSIX_SPAWN_DUP2, back, 4),
            ],
            setsid=True,
        )
        os.close(there)
        os.close(back)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def __enter__(self) -> Browser:
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._in)
        os.close(self._out)
        self._profile.cleanup()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its answer; what is said meanwhile is collected."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + DEADLINE_S
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self._collect(answer)

    def open(self, address: str) -> None:
        """Load a page from the start and wait until its script has run."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)
        self.until("location.protocol === 'file:' && document.readyState === 'complete'")

    def ask(self, expression: str) -> Any:
        """Evaluate an expression, or await a promise, in the page."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until a condition holds, by asking again and again."""
        deadline = time.monotonic() + DEADLINE_S
        while not self.ask(condition):
            assert time.monotonic() < deadline, f"never came true: {condition}"

    def press(self, key: str, code: int = 0) -> None:
        """Press and release a key as a person would."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        named = {"key": key, "windowsVirtualKeyCode": code or ord(key[0].upper())}
        self.call("Input.dispatchKeyEvent", type="keyDown", **named, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._in], [], [], max(0.0, left))
            assert ready, "the browser said nothing for too long"
            read = os.read(self._in, 1 << 20)
            assert read, "the browser ended"
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))

    def _collect(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded":
                self.complaints.append(json.dumps(parameters))


def _high(descriptor: int) -> int:
    """The descriptor moved away from 3 and 4, which are given a meaning in the browser."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved


@pytest.fixture(name="folder", scope="module")
def fixture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_sample(tmp_path_factory.mktemp("browser"))
    write_reports(folder)
    return folder


@pytest.fixture(name="address", scope="module")
def fixture_address(folder: Path) -> str:
    return (folder / "index.html").as_uri()


@pytest.fixture(name="browser", scope="module")
def fixture_browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture(name="nights", scope="module")
def fixture_nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose page has a baseline and nights before it."""
    folder = tmp_path_factory.mktemp("nights")
    write_sample_reports(folder)
    return folder


ROWS = "document.querySelectorAll('#rows tr').length"
SHOWN = "document.getElementById('shown').textContent"
DRAWER = "document.getElementById('drawer')"
TITLE = "document.getElementById('drawer-title').textContent"
FOCUS = "document.activeElement.dataset.index"


def hash_of(browser: Browser) -> str:
    return str(browser.ask("location.hash"))


def test_nothing_is_fetched_and_nothing_is_complained_about(browser: Browser, address: str) -> None:
    browser.requests.clear()
    browser.complaints.clear()
    browser.open(address)
    browser.ask("document.querySelector('#rows button').click()")
    browser.until(f"{DRAWER}.open")
    browser.ask("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    fetched = [url for url in browser.requests if not url.startswith(("data:", "about:"))]
    assert fetched == [address]
    assert browser.complaints == []
    assert str(browser.ask("document.title")).startswith("\N{BALLOT X} ")


def test_a_complaint_and_a_request_would_be_seen(browser: Browser, address: str) -> None:
    browser.open(address)
    browser.complaints.clear()
    browser.requests.clear()
    browser.ask("console.error('planted')")
    browser.ask(
        "new Promise((r) => { const i = new Image(); i.onerror = r; i.src = 'planted.png'; })"
    )
    assert any("planted" in complaint for complaint in browser.complaints)
    assert any("Content Security Policy" in complaint for complaint in browser.complaints)


def test_the_address_filters_the_list(browser: Browser, address: str, folder: Path) -> None:
    planned = len(planned_cases())
    browser.open(address)
    assert browser.ask(SHOWN) == f"{planned} cases"
    browser.open(address + "#method=pipes&kind=crashes&subject=fifo")
    assert browser.ask(SHOWN) == f"3 of {planned} cases"
    assert browser.ask(ROWS) == 3
    assert browser.ask("document.getElementById('method').value") == "pipes"
    browser.ask("location.hash = '#verdict=fail,hang'")
    counts = totals(load_run(folder))
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
    assert hash_of(browser) == "#method=pipes&kind=crashes&subject=fifo"
    assert browser.ask("scrollY") > 0


def test_a_cell_of_the_methods_filters_the_list_over_all_subjects(
    browser: Browser, address: str
) -> None:
    browser.open(address)
    browser.ask("document.querySelector('#methods .cell.o-hang').click()")
    browser.until(f"{ROWS} === 6")
    assert hash_of(browser) == "#method=pipes&kind=crashes"


def test_what_is_chosen_stands_in_the_address(browser: Browser, address: str) -> None:
    browser.open(address)
    browser.ask("document.querySelector('#verdicts [data-verdict=crash]').click()")
    assert hash_of(browser) == "#verdict=crash"
    pressed = "document.querySelector('[data-verdict=crash]').getAttribute('aria-pressed')"
    assert browser.ask(pressed) == "true"
    browser.press("/", 191)
    for letter in "sock":
        browser.press(letter)
    browser.until(f"{SHOWN}.startsWith('1 of')")
    assert hash_of(browser) == "#verdict=crash&q=sock"
    browser.ask("document.querySelector('.filters [type=reset]').click()")
    assert hash_of(browser) == ""
    browser.ask("document.querySelector('th[data-sort=slowest] button').click()")
    assert hash_of(browser) == "#sort=slowest"
    sorted_by = "document.querySelector('th[data-sort=slowest]').getAttribute('aria-sort')"
    assert browser.ask(sorted_by) == "descending"
    slowest = "document.querySelector('#slowest a.case').textContent"
    assert browser.ask("document.querySelector('#rows .case').textContent") == browser.ask(slowest)


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
    assert "case=" in hash_of(browser)
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


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("drawer", [False, True])
def test_nothing_sticks_out_sideways(
    browser: Browser, address: str, width: int, drawer: bool
) -> None:
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=900,
        deviceScaleFactor=1,
        mobile=False,
    )
    browser.open(address + "#verdict=fail")
    browser.ask("document.querySelector('details').open = true")
    if drawer:
        browser.ask("document.querySelector('#rows button').click()")
        browser.until(f"{DRAWER}.open")
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask(f"{DRAWER}.scrollWidth <= {DRAWER}.clientWidth") is True
    browser.ask(f"document.querySelector('h1').style.width = '{width + 1}px'")
    assert browser.ask("document.documentElement.scrollWidth") > width


CONTRAST = """(() => {
  const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const paper = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const e of document.querySelectorAll('.chip, .cell, .cell small, p, dt, dd, a, h1, th')) {
    if (!e.checkVisibility()) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(paper(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) low.push(e.className + ' ' + e.tagName + ' ' + ratio.toFixed(2));
  }
  return [...new Set(low)];
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_asks_for(
    browser: Browser, address: str, scheme: str
) -> None:
    browser.call(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
    )
    browser.open(address)
    assert browser.ask(CONTRAST) == []
    browser.ask("document.querySelector('.verdict').style.color = 'rgb(128, 128, 128)'")
    assert len(browser.ask(CONTRAST)) == 1


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
    assert hash_of(browser) == "#method=sockets&kind=races&q=unix_s"
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


def test_a_page_with_a_past_is_quiet_too(browser: Browser, nights: Path) -> None:
    address = (nights / "index.html").as_uri()
    browser.requests.clear()
    browser.complaints.clear()
    browser.open(address)
    browser.ask("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert [url for url in browser.requests if not url.startswith(("data:", "about:"))] == [address]
    assert browser.complaints == []


@pytest.mark.parametrize("width", [400, 1280])
def test_what_the_past_adds_does_not_stick_out_sideways(
    browser: Browser, nights: Path, width: int
) -> None:
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=900,
        deviceScaleFactor=1,
        mobile=False,
    )
    browser.open((nights / "index.html").as_uri())
    browser.ask("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert browser.ask("document.documentElement.scrollWidth") <= width


@pytest.fixture(name="bench", scope="module")
def fixture_bench(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a bench's page, with a name as long as the longest of the real ones."""
    stream, *others = sample_tables()
    long = sample_series("reference line, loan and borrow", 25, 26, 27)
    tables = [msgspec.structs.replace(stream, series=[*stream.series, long]), *others]
    page = tmp_path_factory.mktemp("bench") / "index.html"
    page.write_text(render_bench_html(sample_bench(tables, load=1.5)), encoding="utf-8")
    return page.as_uri()


def test_the_page_of_a_bench_is_quiet_and_each_plot_can_be_reached(
    browser: Browser, bench: str
) -> None:
    browser.requests.clear()
    browser.complaints.clear()
    browser.open(bench)
    met = []
    for _ in range(30):
        browser.press("Tab", 9)
        met.append(browser.ask("document.activeElement.getAttribute('aria-label')"))
    assert "Plot of row 2, throughput, 1 to 1, 8 B" in met
    assert "Figures of row 7, idle: CPU time of a receiver" in met
    assert [url for url in browser.requests if not url.startswith(("data:", "about:"))] == [bench]
    assert browser.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_bench_can_be_read(browser: Browser, bench: str, scheme: str) -> None:
    browser.call(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
    )
    browser.open(bench)
    assert browser.ask(CONTRAST) == []
    words = "getComputedStyle(document.querySelector('.dots .name')).fill"
    assert browser.ask(words) == browser.ask("getComputedStyle(document.body).color")
    cut = "[...document.querySelectorAll('.dots text')].filter((t) => t.getBBox().x < 0).length"
    assert browser.ask(cut) == 0


@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_of_a_bench_does_not_stick_out_sideways(
    browser: Browser, bench: str, width: int
) -> None:
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=900,
        deviceScaleFactor=1,
        mobile=False,
    )
    browser.open(bench)
    browser.ask("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert browser.ask("document.documentElement.scrollWidth") <= width

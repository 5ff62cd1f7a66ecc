"""Fixtures that several files of tests share: the browser and the pages that it opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gauntlet_reports import write_reports
from gauntlet_reports.page_browser import CHROMIUM, Browser
from gauntlet_reports.sample_run import write_sample, write_sample_reports


@pytest.fixture(scope="session")
def _chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(_chromium: Browser) -> Browser:
    """The one browser of all tests, as if it had just been started."""
    _chromium.begin_anew()
    return _chromium


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sample run with its reports."""
    folder = write_sample(tmp_path_factory.mktemp("browser"))
    write_reports(folder)
    return folder


@pytest.fixture(scope="session")
def address(sample: Path) -> str:
    """The page of the sample run."""
    return (sample / "index.html").as_uri()


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose page has a baseline and nights before it."""
    folder = tmp_path_factory.mktemp("nights")
    write_sample_reports(folder)
    return folder

"""A pytest plugin: every case of a suite is an item, run and judged as by the harness.

Does nothing unless ``--gauntlet-suite BINARY`` is given::

    pytest --gauntlet-suite build/release/suites/gauntlet_suites -m "pipes and crashes" -k fifo
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

from gauntlet_harness.campaign import new_scope_maker
from gauntlet_harness.cases import SKIPPED, Case, Profile, Result
from gauntlet_harness.errors import GauntletError
from gauntlet_harness.guardian import Guardian
from gauntlet_harness.homes import Homes
from gauntlet_harness.progress import repro_command
from gauntlet_harness.repro import describe
from gauntlet_harness.runner import Job, run_one
from gauntlet_harness.seeds import draw_seed, parse_seed
from gauntlet_harness.server import Servers
from gauntlet_harness.suite import Listed, find_suites, list_all

_PLUGIN = "gauntlet-suites"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; the first of them wakes the plugin."""
    group = parser.getgroup("gauntlet", "cases of Gauntlet suites")
    group.addoption(
        "--gauntlet-suite",
        action="append",
        default=[],
        metavar="BINARY",
        help="collect every case of this suite; may be given again",
    )
    group.addoption(
        "--gauntlet-profile",
        choices=("smoke", "full", "soak"),
        default="smoke",
        help="how much each case does",
    )
    group.addoption(
        "--gauntlet-seed", metavar="N", help="the master seed; drawn and shown unless given"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the part that collects, if a suite was asked for."""
    paths: list[str] = config.getoption("--gauntlet-suite")
    if not paths:
        return
    given: str | None = config.getoption("--gauntlet-seed")
    try:
        seed = draw_seed() if given is None else parse_seed(given)
        profile: Profile = config.getoption("--gauntlet-profile")
        suites = find_suites(config.rootpath, "release", [Path(path) for path in paths])
        listed = list_all(suites, profile)
    except GauntletError as error:
        raise pytest.UsageError(str(error).replace("--suite", "--gauntlet-suite")) from None
    for name in sorted({name for entry in listed for name in _markers(entry.case)}):
        config.addinivalue_line("markers", f"{name}: cases of a Gauntlet suite")
    config.pluginmanager.register(SuitePlugin(listed, profile, seed), _PLUGIN)


def _markers(case: Case) -> Iterable[str]:
    return [
        word for word in (case.method, case.kind, case.subject, case.contract) if word is not None
    ]


class SuitePlugin:
    """Holds what the items of one pytest session share."""

    def __init__(self, listed: list[Listed], profile: Profile, seed: int) -> None:
        self.listed = listed
        self.profile = profile
        self.seed = seed
        self.make_scope = new_scope_maker()

    def pytest_report_header(self) -> str:
        """Say the seed first, so that no failure can be without it."""
        return f"gauntlet: {len(self.listed)} cases, profile {self.profile}, seed {self.seed}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Without paths on the command line the suites are all there is, whatever ``testpaths``."""
        if session.config.args_source is not pytest.Config.ArgsSource.ARGS:
            session.config.args = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> None:
        """Add the cases, before -k and -m choose among the items."""
        node = SuiteNode.from_parent(session, name="gauntlet", nodeid="gauntlet")
        items += [
            CaseItem.from_parent(node, name=entry.case.name, plugin=self, listed=entry)
            for entry in self.listed
        ]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Keep the guardian, the servers and a folder for the runners while the items run."""
        with (
            tempfile.TemporaryDirectory(prefix="gauntlet-pytest-") as home,
            Guardian() as self._guardian,
            Servers() as self._servers,
        ):
            self._homes = Homes(Path(home))
            return (yield)

    def run(self, listed: Listed) -> tuple[Job, Result]:
        """Run one case."""
        job = Job(listed.suite, listed.case, self.profile, self.seed)
        scope = self.make_scope()
        return job, run_one(job, scope, self._homes, self._guardian, self._servers)


class SuiteNode(pytest.Collector):
    """The parent of all cases."""

    def collect(self) -> list[pytest.Item]:
        """Nothing: the cases are added all at once."""
        return []


class CaseFailedError(Exception):
    """A verdict that is no pass; its text is the whole report."""


class CaseItem(pytest.Item):
    """One case."""

    def __init__(self, *, plugin: SuitePlugin, listed: Listed, **rest: Any) -> None:
        super().__init__(**rest)
        self._plugin = plugin
        self._listed = listed
        for name in _markers(listed.case):
            self.add_marker(name)

    def runtest(self) -> None:
        """Run the case; every verdict but pass becomes an outcome by an exception."""
        try:
            job, result = self._plugin.run(self._listed)
        except GauntletError as error:
            raise CaseFailedError(f"error: {error}") from None
        self.user_properties += [("seed", result.seed), ("verdict", result.verdict)]
        self.user_properties += sorted(result.measured.items())
        if result.verdict == "pass":
            return
        if result.verdict in SKIPPED:
            remedy = f" (remedy: {result.remedy})" if result.remedy else ""
            pytest.skip(f"{result.verdict}: {result.reason}{remedy}")
        command = repro_command(job, result, self.config.rootpath)
        lines = [f"{result.verdict}: {result.case}", *describe(result), f"  reproduce   {command}"]
        raise CaseFailedError("\n".join(lines))

    def repr_failure(
        self,
        excinfo: pytest.ExceptionInfo[BaseException],
        style: Any = None,
    ) -> Any:
        """Show the case's own report instead of a Python traceback."""
        if isinstance(excinfo.value, CaseFailedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path | str, int | None, str]:
        """Return where the case stands in the suite's sources, if the suite tells."""
        case = self._listed.case
        return case.file or self._listed.suite.path, case.line, case.name

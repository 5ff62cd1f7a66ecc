"""A suite binary: where it is, which cases it lists, what it says of this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gauntlet_harness.cases import Case, Profile, Subject
from gauntlet_harness.errors import HarnessError, UsageError
from gauntlet_harness.near import did_you_mean

# Listing runs no case, yet a loaded machine may be slow to load a big binary.
_LIST_PATIENCE_S = 120.0
_Entry = TypeVar("_Entry", Case, Subject)
# What would silently change which cases a GoogleTest binary runs, or with which seed.
_FOREIGN = re.compile(r"^(GTEST_|GAUNTLET_|RC_PARAMS$|TEST_SHARD|TEST_TOTAL_SHARDS|TESTBRIDGE)")


class Suite(msgspec.Struct, frozen=True):
    """One binary that keeps docs/protocol.md. Immutable; every call starts a process of its own.

    ``named``: by the user, who has to be told of a file that the system will not run; otherwise it
    is what the build made, and that it does not run is no fault of the user's.
    """

    path: Path
    named: bool = False

    def cases(self, profile: Profile) -> list[Case]:
        """Return what ``--gauntlet_list`` prints."""
        return self._listed(Case, "--gauntlet_list", f"--gauntlet_profile={profile}")

    def subjects(self) -> list[Subject]:
        """Return what ``--gauntlet_subjects`` prints."""
        return self._listed(Subject, "--gauntlet_subjects")

    def _listed(self, kind: type[_Entry], *options: str) -> list[_Entry]:
        text = self._ask(*options)
        try:
            return msgspec.json.decode(text, type=list[kind])  # type: ignore[valid-type]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise HarnessError(
                f"{self.path}: its {options[0]} is not understood: {error}"
            ) from None

    def capabilities(self) -> dict[str, Any]:
        """Return what ``--gauntlet_capabilities`` prints: what a case can keep private here."""
        text = self._ask("--gauntlet_capabilities")
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise HarnessError(
                f"{self.path}: its --gauntlet_capabilities is not understood: {error}"
            ) from None
        return answer if isinstance(answer, dict) else {"capabilities": answer}

    def _ask(self, *options: str) -> bytes:
        try:
            done = subprocess.run(
                [str(self.path), *options],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_LIST_PATIENCE_S,
                env=clean_environment(),
                check=False,
            )
        except OSError as error:
            if self.named:
                raise UsageError(f"--suite {self.path}: cannot be run: {error.strerror}") from None
            raise HarnessError(f"{self.path}: cannot be run: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise HarnessError(
                f"{self.path} {options[0]}: no answer within {_LIST_PATIENCE_S:.0f} s"
            ) from None
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            last = f": {said[-1]}" if said else ""
            raise HarnessError(f"{self.path} {options[0]} ended with {done.returncode}{last}")
        return done.stdout


def clean_environment() -> dict[str, str]:
    """Return this environment without what would steer a suite behind the harness's back."""
    return {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}


def find_suites(root: Path, preset: str, given: Sequence[Path]) -> list[Suite]:
    """Return the suites asked for, or else those that the build of ``preset`` lists."""
    if given:
        for path in given:
            if not path.is_file() or not os.access(path, os.X_OK):
                raise UsageError(f"--suite {path}: not an executable file")
        return [Suite(path.resolve(), named=True) for path in given]
    index = root / "build" / preset / "suites.json"
    try:
        paths = json.loads(index.read_bytes())["suites"]
    except FileNotFoundError:
        raise HarnessError(
            f"there is no built suite ({index} is missing); run harness/gauntlet without"
            " --no-setup, or name one with --suite"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HarnessError(f"{index} is not understood: {error!r}") from None
    if not paths:
        raise HarnessError(f"{index} lists no suite")
    return [Suite((index.parent / path).resolve()) for path in paths]


class Listed(msgspec.Struct, frozen=True):
    """A case together with the suite that holds it."""

    suite: Suite
    case: Case


def list_all(suites: Sequence[Suite], profile: Profile) -> list[Listed]:
    """Return the cases of all suites in their own order; a name must be there once."""
    listed: dict[str, Listed] = {}
    for suite in suites:
        for case in suite.cases(profile):
            if case.name in listed:
                first = listed[case.name].suite.path
                raise UsageError(f"{first} and {suite.path} both have a case {case.name}")
            listed[case.name] = Listed(suite, case)
    if not listed:
        raise HarnessError("the suites list no case at all")
    return list(listed.values())


def find_case(listed: Sequence[Listed], name: str) -> Listed:
    """Return the case of this exact name, or raise with the near ones."""
    for entry in listed:
        if entry.case.name == name:
            return entry
    names = [entry.case.name for entry in listed]
    raise UsageError(f"no case is called {name}{did_you_mean(name, names)}")

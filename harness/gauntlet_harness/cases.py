"""What a suite binary lists and what one case of it says at its end, as docs/protocol.md has it."""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["pass", "fail", "hang", "crash", "unsupported", "not_run", "error"]
Profile = Literal["smoke", "full", "soak"]

SCHEMA = 1
RED: frozenset[str] = frozenset({"fail", "hang", "crash"})
SKIPPED: frozenset[str] = frozenset({"unsupported", "not_run"})
KINDS = ("conformance", "properties", "races", "crashes", "overload")
# For a suite that states no deadline of its own.
DEFAULT_DEADLINE_S = 120.0


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``--gauntlet_list``; ``deadline_s`` is already scaled to the profile."""

    name: str
    method: str
    kind: str
    subject: str | None = None
    contract: str | None = None
    clause: str | None = None
    needs: list[str] = []
    file: str | None = None
    line: int | None = None
    deadline_s: float = DEFAULT_DEADLINE_S


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``--gauntlet_subjects``."""

    name: str
    method: str
    contract: str
    description: str
    source: str
    claims: dict[str, str] = {}


class Failure(msgspec.Struct, frozen=True):
    """An assertion that failed, in any process of the case."""

    file: str = ""
    line: int = 0
    message: str = ""


class Faults(msgspec.Struct, frozen=True):
    """Faults that were asked for, and those that happened."""

    planned: int = 0
    fired: int = 0


class Shared(msgspec.Struct, frozen=True):
    """Something that could not be private, and why."""

    what: str
    why: str


class Isolation(msgspec.Struct, frozen=True):
    """Which namespaces the case had for itself."""

    private: list[str] = []
    shared: list[Shared] = []


KernelKind = Literal["oops", "lockdep", "stall", "hung task", "out of memory", "warning", "taint"]


class KernelLine(msgspec.Struct, frozen=True):
    """A line of the kernel's log that appeared while a case ran."""

    kind: KernelKind
    text: str


class Result(msgspec.Struct, kw_only=True):
    """A result line. What the harness adds goes through ``become``, so that nothing is lost."""

    schema: int
    case: str
    method: str
    kind: str
    verdict: Verdict
    seed: int
    repetition: int
    subject: str | None = None
    contract: str | None = None
    clause: str | None = None
    profile: str = ""
    duration_ms: float = 0.0
    failures: list[Failure] = []
    reason: str = ""
    remedy: str = ""
    faults: Faults = Faults()
    measured: dict[str, float | int] = {}
    observed: dict[str, str] = {}
    lanes: str = ""
    processes: str = ""
    output: str = ""
    leftovers: list[str] = []
    isolation: Isolation = Isolation()
    kernel: list[KernelLine] = []  # What the kernel said meanwhile.
    # The harness's own: an expectation covers this case; which one it is; when it expired.
    expected: bool = False
    expectation: str = ""
    expired_on: str = ""
    attempt: int = 0  # 0 the run's verdict; 1 and more: run again because that was a failure.
    trouble: str = ""  # What the machine lacked when this failed, or "".

    def become(self, verdict: Verdict, reason: str) -> None:
        """Take a graver verdict; the earlier reason stays behind the new one."""
        self.verdict = verdict
        self.reason = f"{reason}; before that: {self.reason}" if self.reason else reason


def result_for(case: Case, *, seed: int, repetition: int, profile: str) -> Result:
    """Return the result of a case that said nothing itself; its verdict is still to be given."""
    return Result(
        schema=SCHEMA,
        case=case.name,
        method=case.method,
        kind=case.kind,
        subject=case.subject,
        contract=case.contract,
        clause=case.clause,
        verdict="error",
        seed=seed,
        repetition=repetition,
        profile=profile,
    )

"""Failure signatures: messages as suites print them, what must be one group and what must not."""

from __future__ import annotations

from typing import Any

import pytest

from gauntlet_reports.run_data import Failure, Result
from gauntlet_reports.sample_run import STACKS
from gauntlet_reports.signatures import groups_of, signature_of
from gauntlet_reports.stacks import crashed_in, waited_for
from gauntlet_reports.varying import without_what_varies

WALK = (
    "Value of: is_fine(outcome) || is_only_told(failure, outcome)\n  Actual: false\n"
    "Expected: true\n"
)
SEM_OPEN = (
    "Value of: ::sem_open(name_of(255 + 1).c_str(), 0100, 0600, 1)\n"
    "Expected: fails with ENAMETOOLONG (File name too long)\n"
    "  Actual: NULL (of type sem_t*), which failed with EINVAL (Invalid argument)"
)
SNAPSHOT = """process 18538 (gauntlet-init) state S, in poll(0x7ffc69ae3860, 0x2, 0xffffffff)
    user stack
      #0  0x00007f85eab1a230 __poll
      #1  0x000055792ce4caf8 gauntlet::run_init(gauntlet::InitTask const&)
process 18539 (gauntlet-body) state S, in poll(0x7ffc69ae2d60, 0x1, 0x32), waits in poll_schedule
    user stack
      #0  0x00007f85eab1a230 __poll
      #1  0x000055792ce6a5b9 gauntlet::Process::wait(gauntlet::Deadline)
process 1984 (gauntlet-body) state S, in futex(0x558fe3eac970, 0x189, 0x0), waits in futex_do_wait
    kernel stack
      [<0>] futex_do_wait+0x46/0x90"""
HARNESS_SNAPSHOT = """process 71 (python3, state S):
  cmdline: fake_suite --gtest_filter=x
  wchan: hrtimer_nanosleep
  syscall: 230 0x1 0x1"""
ABORTED = """nng panic: pollable is NULL
#0  0x00007f12 in __pthread_kill_implementation () from /lib/libc.so.6
#1  0x00007f13 in raise () from /lib/libc.so.6
#2  0x00007f14 in abort () from /lib/libc.so.6
#3  0x00007f15 in nni_panic (fmt=0x1) at panic.c:47"""
ASSERTED = (
    "gauntlet_suites: ../nptl/pthread_mutex_lock.c:438: __pthread_mutex_lock_full:"
    " Assertion `e != ESRCH || !robust' failed."
)


def result(message: str = "", **given: Any) -> Result:
    fields: dict[str, Any] = {
        "case": "PipesRaces.A_B/pipe",
        "verdict": "fail",
        "method": "pipes",
        "subject": "pipe",
        "contract": "channel",
        "clause": "claims of pipe: pipe(7)",
        "failures": [Failure("x.cpp", 1, message)] if message else [],
        **given,
    }
    return Result(**fields)


@pytest.mark.parametrize("verdict", ["pass", "unsupported", "not_run"])
def test_what_did_not_go_wrong_has_none(verdict: Any) -> None:
    assert signature_of(result("whatever", verdict=verdict)) is None


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            WALK + "receive: read #1 fails with EAGAIN, and all later ones -> lost (answered"
            " redisBufferRead: peer_gone (EAGAIN), again ok, the failed receive took the message)",
            "a system call fails -> lost",
        ),
        (
            SEM_OPEN,
            "::sem_open(name_of(N + N).c_str(), N, N) fails with ENAMETOOLONG,"
            " saw: failed with EINVAL",
        ),
        (
            "Value of: ::pthread_mutex_trylock(mutex->get())\n"
            "Expected: returns ENOTRECOVERABLE (State not recoverable)\n"
            "  Actual: 16 (of type int), which is EBUSY (Device or resource busy)",
            "::pthread_mutex_trylock(mutex->get()) returns ENOTRECOVERABLE, saw: EBUSY",
        ),
        (
            "Expected equality of these values:\n  after.value\n    Which is: 5\n  lowest()\n"
            "    Which is: 1\nthe priority after the unlock",
            "after.value is not lowest(): the priority after the unlock",
        ),
        (
            "Value of: waiter.is_asleep()\n"
            "  Actual: false (the call should sleep; its child has ended)\nExpected: true",
            "waiter.is_asleep(): the call should sleep; its child has ended",
        ),
        (
            "Value of: is_allowed(outcome, allowed)\n  Actual: false\nExpected: true\n"
            "stuck: fifth in futex at 1 points\n      99  fine",
            "is_allowed(outcome, allowed): stuck: fifth in futex at N points",
        ),
        ("1 receivers never got a message", "N receivers never got a message"),
        (
            "futex(FUTEX_WAIT, timeout) was to sleep on, and answered -1 with errno EINTR"
            " (Interrupted system call)",
            "futex(FUTEX_WAIT, timeout) was to sleep on, and answered N with errno EINTR",
        ),
        ("left behind: /dev/shm/gauntlet.g9v72mhisnaaaab.19.9", "left behind: /dev/shm/NAME"),
    ],
    ids=range(9),
)
def test_messages_of_suites(message: str, told: str) -> None:
    assert signature_of(result(message)) == f"channel claims: {told}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed 4711, pid 12 and p3", "seed N, pid N and pN"),
        ("late by 5.2 s of 300 ms, 7us", "late by TIME of TIME, TIME"),
        ("at 0x7ffc69ae3860 in /tmp/a-b/c.sock", "at ADDRESS in PATH"),
        ("id 0f8fad5b-d9cb-469f-a165-70867728950e", "id UUID"),
        ("a 64-byte object <E0-DD 39-00>", "a BYTES"),
        ("order 3, 1, 2 and 4", "order N, N and N"),
        ("process_vm_readv and pread64 of fifo2 keep their digits", None),
        ("E2BIG (Argument list too long) of SIGRTMIN+3", "E2BIG of SIGRTMIN+N"),
        ("\x1b[31mred\x1b[0m\nand more", "red and more"),
        ("hash deadbeef12 of facade", "hash HEX of facade"),
        ("either/or of shm_open(3)", "either/or of shm_open(N)"),
    ],
)
def test_what_varies_is_a_word(text: str, told: str | None) -> None:
    assert without_what_varies(text) == (text if told is None else told)


def test_one_bug_in_many_subjects_is_one_group() -> None:
    found = [
        result(f"message {n} of {subject} was torn", case=f"S.A/{subject}", subject=subject)
        for n, subject in enumerate(("pipe", "fifo", "posix_mq"))
    ]
    other = result("message 7 was lost", case="S.A/pipe")
    groups = groups_of([other, *found, result(verdict="pass")])
    assert [group.signature for group in groups] == [
        "channel claims: message N of the subject was torn",
        "channel claims: message N was lost",
    ]
    assert groups[0].cases == ("S.A/fifo", "S.A/pipe", "S.A/posix_mq")
    assert groups[0].example.case == "S.A/fifo"


def test_another_promise_is_another_group() -> None:
    clauses = ("pipe(7) PIPE_BUF", "POSIX.1-2024 write()", "POSIX.1-2024 write()")
    found = [result("torn", contract=None, clause=clause) for clause in clauses]
    assert len(groups_of(found)) == 2


def test_a_case_that_failed_in_many_repetitions_counts_once() -> None:
    found = [result("torn", repetition=n) for n in (2, 1)]
    (group,) = groups_of(found)
    assert len(group.cases) == 1
    assert group.example.repetition == 1


def test_a_crash_is_its_signal_and_its_place() -> None:
    def crash(**given: Any) -> str | None:
        reason = given.pop("reason", "the body of the case was killed by SIGABRT")
        return signature_of(result(verdict="crash", reason=reason, **given))

    assert crash(output=ABORTED) == "channel claims: crash by SIGABRT in nni_panic"
    assert crash(output=ASSERTED) == (
        "channel claims: crash by SIGABRT in assertion e != ESRCH || !robust"
    )
    assert crash() == "channel claims: crash by SIGABRT"
    assert crash(reason="the run ended while this case was running") == (
        "channel claims: crash: the run ended while this case was running"
    )


def test_a_hang_is_what_is_waited_for() -> None:
    reason = "still running after 720 s, which no claim explains"
    told = signature_of(result(verdict="hang", reason=reason, processes=SNAPSHOT))
    assert told == "channel claims: hang, waits in futex"
    missed = "receive missed its deadline of 5 s by 5.1 s"
    told = signature_of(result(verdict="hang", reason=missed, processes=STACKS))
    assert told == (
        "channel claims: hang: receive missed its deadline of TIME by TIME,"
        " waits in futex_wait_queue"
    )
    assert waited_for(HARNESS_SNAPSHOT) == "hrtimer_nanosleep"
    assert waited_for("") == ""


def test_an_error_has_one_of_its_own() -> None:
    told = signature_of(result(verdict="error", reason="it said pass, yet status 1"))
    assert told == "channel claims: error: it said pass, yet status N"


def test_nothing_said_is_still_one_line() -> None:
    assert signature_of(result(contract=None, clause=None, method="")) == (
        "no promise: no reason was given"
    )
    long = signature_of(result("x " * 5000))
    assert long is not None
    assert "\n" not in long
    assert len(long) < 400


def test_frames_that_carry_the_end_out_are_passed_over() -> None:
    assert crashed_in(ABORTED) == "nni_panic"
    assert crashed_in("#0  0x1 __restore_rt@plt\n") == "__restore_rt"
    assert crashed_in("no stack") == ""

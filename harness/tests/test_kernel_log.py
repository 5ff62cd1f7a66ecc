"""The kernel's log: which lines count, how they are read, and what they make of a result."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gauntlet_harness.cases import Case, KernelLine, Result, Verdict, result_for
from gauntlet_harness.expectations import Expectation, Expectations
from gauntlet_harness.kernel_log import KernelLog, add_to, read_record, to_expect

OOPS = KernelLine("oops", "BUG: kernel NULL pointer dereference, address: 0000000000000008")
KILL = KernelLine("out of memory", "Out of memory: Killed process 812 (suite) total-vm:9124kB")


def result(verdict: Verdict, reason: str = "") -> Result:
    made = result_for(
        Case(name="A", method="pipes", kind="races"), seed=1, repetition=0, profile="smoke"
    )
    made.verdict, made.reason = verdict, reason
    return made


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ("1,812,7001,-;BUG: kernel NULL pointer dereference, address: 0000000000000008\n", "oops"),
        ("4,813,7002,-;Oops: Oops: 0002 [#1] PREEMPT SMP NOPTI\n", "oops"),
        ("0,813,7002,-;Internal error: Oops: 96000004 [#1] SMP\n", "oops"),
        (
            "4,9,1,-;Oops: general protection fault, probably for non-canonical address"
            " 0xdead000000000108: 0000 [#1] SMP\n",
            "oops",
        ),
        ("3,9,1,-;BUG: KASAN: slab-use-after-free in mqueue_evict_inode+0x1a/0x2b0\n", "oops"),
        ("2,9,1,-;kernel BUG at ipc/mqueue.c:412!\n", "oops"),
        ("1,9,1,-;Unable to handle kernel paging request at virtual address ffff0001\n", "oops"),
        ("0,9,1,-;Kernel panic - not syncing: Fatal exception\n", "oops"),
        ("3,9,1,-;UBSAN: array-index-out-of-bounds in ipc/sem.c:77:9\n", "oops"),
        ("4,44,5,-;WARNING: possible circular locking dependency detected\n", "lockdep"),
        ("4,44,5,-;WARNING: possible recursive locking detected\n", "lockdep"),
        ("4,44,5,-;INFO: possible circular locking dependency detected\n", "lockdep"),
        ("4,44,5,-;WARNING: inconsistent lock state\n", "lockdep"),
        ("4,44,5,-;WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected\n", "lockdep"),
        ("4,44,5,-;WARNING: suspicious RCU usage\n", "lockdep"),
        ("4,44,5,-;WARNING: bad unlock balance detected!\n", "lockdep"),
        ("3,7,8,-;INFO: task suite:4711 blocked for more than 122 seconds.\n", "hung task"),
        (
            "3,7,8,-;INFO: task a b:9 blocked on a mutex likely owned by task c:8 for more than 122"
            " seconds.\n",
            "hung task",
        ),
        ("0,7,8,-;watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [suite:812]\n", "stall"),
        ("3,7,8,-;rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n", "stall"),
        ("3,7,8,-;rcu: INFO: rcu_sched self-detected stall on CPU\n", "stall"),
        ("3,3,3,-;Out of memory: Killed process 812 (suite) total-vm:9124kB\n", "out of memory"),
        (
            "3,3,3,-;Memory cgroup out of memory: Killed process 812 (suite) total-vm:9124kB\n",
            "out of memory",
        ),
        ("4,5,6,-;WARNING: CPU: 1 PID: 812 at ipc/shm.c:99 shm_destroy+0x1/0x2\n", "warning"),
        ("4,5,6,-;WARNING: ipc/shm.c:99 at shm_destroy+0x1/0x2, CPU#1: suite/812\n", "warning"),
        ("4,5,6,-;foo: loading out-of-tree module taints kernel.\n", "taint"),
        ("4,5,6,-;Disabling lock debugging due to kernel taint\n", "taint"),
    ],
)
def test_line_of_trouble_is_told_by_its_kind(record: str, kind: str) -> None:
    line = read_record(record)
    assert line is not None
    assert line.kind == kind
    assert line.text == record.partition(";")[2].strip()


@pytest.mark.parametrize(
    "record",
    [
        "6,339,5140900,-;NET: Registered PF_UNIX/PF_LOCAL protocol family\n",
        "6,1,1,-;suite[812]: segfault at 8 ip 00005 sp 00007 error 4 in suite[400000+1000]\n",
        "6,1,1,-;debugfs: file 'oopses' created\n",
        "6,1,1,-;Lock debugging enabled: BUG_ON is armed\n",
        # Written by a process: its facility is not the kernel's.
        "12,340,5140901,-;Oops: I was written by a shell\n",
        "no record at all",
        ";BUG: without a head",
        "",
    ],
)
def test_other_line_is_of_no_interest(record: str) -> None:
    assert read_record(record) is None


def test_log_is_read_from_its_opening_on_and_never_waited_for() -> None:
    # A pipe in packet mode is read as /dev/kmsg is: one record a read, EAGAIN at its end.
    reader, writer = os.pipe2(os.O_DIRECT)
    try:
        with KernelLog(Path(f"/proc/self/fd/{reader}")) as log:
            assert log.readable
            assert log.news() == []
            os.write(writer, b"6,1,1,-;nothing of note\n")
            os.write(writer, b"1,2,2,-;" + OOPS.text.encode() + b"\n SUBSYSTEM=x\n")
            os.write(writer, b"3,3,3,-;" + KILL.text.encode() + b"\n")
            assert log.news() == [OOPS, KILL]
            assert log.news() == []
    finally:
        os.close(reader)
        os.close(writer)


def test_log_that_may_not_be_read_is_silent(tmp_path: Path) -> None:
    with KernelLog(tmp_path / "nowhere") as log:
        assert not log.readable
        assert log.news() == []


@pytest.mark.parametrize("verdict", ["pass", "unsupported", "not_run", "error"])
def test_grave_line_is_a_failure_whatever_the_case_says(verdict: Verdict) -> None:
    one = result(verdict, "its own words")
    add_to(one, [KILL, OOPS], beside=0)
    assert one.verdict == "fail"
    assert one.reason.startswith("the kernel wrote an oops while this case ran: BUG: kernel NULL")
    assert one.reason.endswith("before that: its own words")
    assert one.kernel == [KILL, OOPS]


def test_red_case_keeps_its_verdict_and_says_both() -> None:
    one = result("hang", "receive() missed its deadline")
    add_to(one, [OOPS], beside=2)
    assert one.verdict == "hang"
    assert one.reason.startswith("receive() missed its deadline; the kernel wrote an oops")
    assert "while this case and 2 others ran" in one.reason


def test_other_lines_are_kept_and_decide_nothing() -> None:
    one = result("pass")
    add_to(one, [KILL], beside=0)
    assert (one.verdict, one.reason, one.kernel) == ("pass", "", [KILL])


def covers(entry: Expectation, one: Result) -> bool:
    judged = to_expect(one)
    Expectations([entry]).judge(judged)
    return judged.expected


def test_expectation_of_something_else_does_not_cover_an_oops() -> None:
    entry = Expectation(
        id="known", cases=["A"], verdicts=["fail"], says="EPIPE", kind="known bug", reason="r",
        link="l", owner="o", expires="2999-01-01",  # type: ignore[arg-type]
    )  # fmt: skip
    one = result("fail", "expected EPIPE, saw 0")
    assert covers(entry, one)
    add_to(one, [OOPS], beside=0)
    assert not covers(entry, one)

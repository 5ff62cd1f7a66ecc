"""A run that never happened, over every verdict and with nasty texts, to test and look at reports.

``python -m gauntlet_reports.sample_run FOLDER`` writes one with its reports.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Line = dict[str, Any]

NASTY = (
    "</script><script>document.title='taken'</script><!-- <img src=x onerror=alert(1)> "
    "\x00\x01\x07\x1b[31mred\x1b[0m\x7f ]]> &amp; {{ 7 * 7 }} {% raw %} \ufffe \u202egnirts\u2028 "
    "\N{GRINNING FACE} | `tick` # SKIP not ok 1 \r\n 'quote' \"double\""
)
KINDS = ("conformance", "properties", "races", "crashes", "overload")
SUBJECTS: dict[str, Sequence[str | None]] = {
    "pipes": ("pipe", "fifo", None),
    "sockets": ("unix_stream", "unix_seqpacket", "unix_dgram"),
    "semaphores": (
        "posix_sem_unnamed",
        "posix_sem_named",
        "sysv_sem",
        "pthread_mutex",
        "reference_semaphore",
        None,
    ),
    "message_queues": ("posix_mq", "sysv_msg", None),
    "shared_memory": ("reference_channel", "textbook_buffer"),
}
TITLES = {
    "conformance": (
        "MessageOfTheLargestSize_ArrivesWhole",
        "ReceiveAfterClose_ReportsTheEnd",
        "DeadlinePassed_ReturnsTimedOut",
        "CapacityReached_SendWaits",
        "EmptyMessage_ArrivesEmpty",
    ),
    "properties": (
        "AnyCommandSequence_AgreesWithTheModel",
        "AnySizes_ComeOutInOrder",
        "AnyDeadlines_AreKept",
    ),
    "races": (
        "ManySenders_EveryMessageComesOutOnce",
        "SendersAndReceivers_HistoryIsLinearizable",
        "AcceptedMessagesComeOut",
    ),
    "crashes": (
        "SenderKilledAtASystemCall_NoMessageIsTornOrLost",
        "ReceiverKilled_SurvivorsGoOn",
        "OwnerKilled_NewcomerCanAttach",
    ),
    "overload": (
        "MoreProcessesThanCores_NothingIsStuck",
        "SlowConsumer_NothingIsLost",
        "DescriptorLimitReached_OpenFailsCleanly",
    ),
}
# What API cases of semaphores tell of interrupted calls, by title.
INTERRUPTED = {
    "DeadlinePassed_ReturnsTimedOut": {"eintr sem_timedwait": "EINTR"},
    "CapacityReached_SendWaits": {"eintr sem_wait": "EINTR"},
    "EmptyMessage_ArrivesEmpty": {"eintr sem_wait SA_RESTART": "goes on"},
    "MessageOfTheLargestSize_ArrivesWhole": {"eintr sem_wait SIGSTOP": "goes on"},
}
LANES = """reference_channel: message 2 was accepted and never came out
  p0             |send 1----|
  p1  |send 2--------------------------|
  p2                   |receive 1---------|   |receive ...?
  left: 1     (X killed inside the call, ? still inside it after 1 s)
  found      case 4 of 60, shrunk 6 times, 20 runs a case"""
STACKS = """pid 4711 state S wchan futex_wait_queue syscall 202
  #0 syscall
  #1 gauntlet::reference::Futex::wait(unsigned int, Deadline)
  #2 gauntlet::reference::Channel::receive
pid 4712 state S wchan do_wait syscall 61"""
SHARED = [{"what": "network", "why": "unshare(CLONE_NEWNET): Operation not permitted"}]
FINGERPRINT: Line = {
    "kernel": {
        "name": "Linux",
        "release": "6.18.44",
        "version": "#1 SMP PREEMPT_DYNAMIC",
        "machine": "x86_64",
    },
    "libc": "glibc 2.36",
    "compiler": {"g++": "g++ (Debian 12.2.0-14) 12.2.0"},
    "cpu": {"model": "AMD EPYC", "cpus": 2, "hypervisor": True},
    "memory": {"total_mib": 7936, "page_bytes": 4096},
    "distro": "Debian GNU/Linux 12 (bookworm)",
    "limits": {"nofile": [1024, 1_048_576], "msgqueue_bytes": 819_200},
    "ipc": {"fs.mqueue.msg_max": 10, "kernel.sem": "32000 1024000000 500 32000"},
    "security": {"lsm": "capability,landlock", "seccomp": NASTY},
}


def planned_cases(extra: int = 0) -> list[Line]:
    """List entries as the suite prints them; `extra` more make a run of any size."""
    cases: list[Line] = []
    for method, subjects in SUBJECTS.items():
        suite = "".join(word.capitalize() for word in method.split("_"))
        for subject in subjects:
            for kind in KINDS if subject else ("conformance",):
                for title in TITLES[kind]:
                    cases.append(_planned(suite, method, kind, title, subject))
    for number in range(extra):
        title = f"GeneratedProgram{number}_HistoryIsLinearizable"
        cases.append(_planned("Sockets", "sockets", "races", title, "unix_stream"))
    return cases


def _planned(suite: str, method: str, kind: str, title: str, subject: str | None) -> Line:
    name = f"{suite}{kind.capitalize()}.{title}"
    return {
        "name": f"{name}/{subject}" if subject else name,
        "method": method,
        "kind": kind,
        "subject": subject,
        "contract": None if subject is None else "channel",
        "clause": "POSIX.1-2024 write(): atomic up to PIPE_BUF" if kind == "conformance" else None,
        "needs": ["ptrace"] if kind == "crashes" else [],
        "file": f"suites/contracts/channel/{kind}.cpp",
        "line": 40,
    }


def ended(case: Line, verdict: str, chance: random.Random, **given: Any) -> Line:
    """The journal line of a case that ended, with what this verdict would bring along."""
    line: Line = {
        "schema": 1,
        "event": "end",
        **{key: case[key] for key in ("method", "kind", "subject", "contract", "clause")},
        "case": case["name"],
        "verdict": verdict,
        "seed": chance.randrange(2**32),
        "repetition": 0,
        "profile": "smoke",
        "duration_ms": round(chance.lognormvariate(3.5, 1.4), 3),
        "failures": [],
        "reason": "",
        "remedy": "",
        "faults": {"planned": 0, "fired": 0},
        "measured": {"round_trip_ns": chance.randrange(100, 90_000)},
        "observed": {"who_is_woken": "first come, first served"},
        "lanes": "",
        "processes": "",
        "output": "[ RUN      ] checks its promise\n" * chance.randrange(4),
        "leftovers": [],
        "isolation": {"private": ["ipc", "mount", "pid"], "shared": SHARED},
        "at": "2026-11-23T03:10:00+00:00",
        "expected": False,
    }
    if case["method"] == "semaphores" and case["subject"] is None:
        title = case["name"].partition(".")[2]
        line["observed"] = {**line["observed"], **INTERRUPTED.get(title, {})}
    if case["kind"] == "crashes":
        line["faults"] = {"planned": 12, "fired": 12}
    line.update(_consequences(verdict, case))
    line.update(given)
    return line


def _consequences(verdict: str, case: Line) -> Line:
    place = {"file": case["file"], "line": case["line"]}
    told: dict[str, Line] = {
        "fail": {
            "reason": "message 2 was accepted and never came out",
            "failures": [{**place, "message": "Expected: 2 messages\n  Actual: 1 message"}],
            "lanes": LANES,
        },
        "hang": {"reason": "a receive missed its deadline of 5 s by 5 s", "processes": STACKS},
        "crash": {"reason": "the runner was ended by SIGSEGV", "output": NASTY},
        "unsupported": {"reason": "mq_open: Function not implemented (ENOSYS)"},
        "not_run": {
            "reason": "ptrace of a child is not permitted here",
            "remedy": "run as root, or set kernel.yama.ptrace_scope to 1",
        },
        "error": {"reason": "12 faults were planned and none fired"},
    }
    return told.get(verdict, {})


def sample_lines(cases: Sequence[Line], seed: int = 7) -> list[Line]:
    """A journal over these cases: every verdict, both kinds of expectation, an unfinished one.

    The last two cases of the plan never start, and the one before them starts and does not end:
    the machine died then.
    """
    chance = random.Random(seed)
    special: dict[int, Line] = {
        3: {"verdict": "fail"},
        17: {"verdict": "fail", "reason": NASTY, "output": NASTY * 50, "lanes": NASTY},
        30: {"verdict": "hang"},
        44: {"verdict": "crash"},
        58: {"verdict": "error"},
        71: {"verdict": "fail", "expected": True},
        85: {"verdict": "pass", "expected": True},
        90: {
            "verdict": "fail",
            "failures": [
                {"file": "x.cpp", "line": n, "message": f"message {n}"} for n in range(30)
            ],
            "leftovers": ["/dev/shm/gauntlet_leftover"],
        },
    }
    lines: list[Line] = [{"schema": 1, "event": "run", "state": "started", "at": _at(0)}]
    for place, case in enumerate(cases[:-2]):
        given = dict(special.get(place, {"verdict": _usual_verdict(case, chance)}))
        verdict = given.pop("verdict")
        end = ended(case, verdict, chance, at=_at(place + 1), **given)
        lines.append(
            {
                "schema": 1,
                "event": "start",
                "case": case["name"],
                "seed": end["seed"],
                "repetition": 0,
                "at": _at(place),
                "scope": "r7",
                "pid": 4000 + place,
            }
        )
        if place < len(cases) - 3:
            lines.append(end)
    return lines


def _usual_verdict(case: Line, chance: random.Random) -> str:
    if case["subject"] == "posix_mq" and case["kind"] == "overload":
        return "unsupported"
    if case["kind"] == "crashes" and chance.random() < 0.2:
        return "not_run"
    return "pass"


def _at(second: int) -> str:
    return f"2026-11-23T{3 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}+00:00"


def run_info(cases: Sequence[Line], **given: Any) -> Line:
    """run.json over these cases."""
    return {
        "schema": 1,
        "fingerprint": FINGERPRINT,
        "versions": {"gauntlet": "0.1.0", "revision": "4f2c9e1"},
        "command": ["harness/gauntlet", "validate", "--profile", "smoke", "--seed", "7"],
        "seed": 7,
        "profile": "smoke",
        "selection": "",
        "started": _at(0),
        "ended": None,
        "state": "running",
        "cases": list(cases),
        **given,
    }


def write_run(folder: Path, info: Line, lines: Iterable[Line]) -> Path:
    """Write run.json and journal.jsonl; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    journal = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "journal.jsonl").write_text(journal, encoding="utf-8")
    return folder


def write_sample(folder: Path, extra: int = 0) -> Path:
    """The whole sample run in a folder."""
    cases = planned_cases(extra)
    return write_run(folder, run_info(cases), sample_lines(cases))


def write_sample_reports(folder: Path, extra: int = 0) -> None:
    """The sample run with its reports; its page has nights before it and a baseline."""
    from gauntlet_reports.background import background_of
    from gauntlet_reports.run_data import load_run
    from gauntlet_reports.sample_past import SamplePast
    from gauntlet_reports.write import write_reports

    run = write_sample(folder, extra)
    # The night before: another seed, so that other cases could not be run.
    cases = planned_cases(extra)
    quiet = [line for line in sample_lines(cases, seed=8) if line.get("verdict") != "hang"]
    before = write_run(folder / "artifacts" / "night-before", run_info(cases, seed=8), quiet)
    write_reports(run, lambda data: background_of(data, load_run(before), SamplePast(data)))


if __name__ == "__main__":
    write_sample_reports(Path(sys.argv[1]), extra=int((*sys.argv, "0")[2]))

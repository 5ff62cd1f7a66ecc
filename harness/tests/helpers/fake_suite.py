#!/usr/bin/env python3
"""A suite that keeps docs/protocol.md and behaves, or misbehaves, as the name of each case says.

Standard library only. What decides its cases comes by environment, because a real suite would
not have such options: FAKE_CASES (how many plain ones), FAKE_ONLY (comma-separated subset),
FAKE_SIGNAL_FOLDER (where a case tells that it is running and waits to be let go), FAKE_RACES (how
many plain races), FAKE_BROKEN (a part of the names that fail), FAKE_FLAKY (of those that fail in
every other repetition), FAKE_EATER (of those that fill the disk of the folder FAKE_EATEN).
"""

import ctypes
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

# GauntletHarness drops GAUNTLET_* from a runner's environment; these names pass.
PR_SET_PDEATHSIG = 1
# What cases with a memory (a file of FOLDER) do when they run again.
FLAKES = (
    "Case_FailsAlways/always",
    "Case_FailsWithTheFirstSeed/seed",
    "Case_FailsTheFirstTime/once",
    "Case_BreaksTheSecondTime/broken",
    "Case_WaitsTheThirdTime/waits",
    "Case_FailsEverySecondTime/sometimes",
)
FOLDER = os.environ.get("FAKE_SIGNAL_FOLDER", "")


def cases():
    """Return the list: every way to end, then plain ones."""
    ways = {
        "PipesConformance.Write_PassesWithEpipe/pipe": ("pipes", "conformance", "pipe"),
        "PipesConformance.Write_FailsWithEpipe/fifo": ("pipes", "conformance", "fifo"),
        "PipesCrashes.Runner_DiesBySignal/pipe": ("pipes", "crashes", "pipe"),
        "PipesCrashes.Runner_DiesBySignalAfterPassing/fifo": ("pipes", "crashes", "fifo"),
        "PipesRaces.Runner_Hangs/pipe": ("pipes", "races", "pipe"),
        "PipesRaces.Runner_HangsByItsOwnWord/fifo": ("pipes", "races", "fifo"),
        "QueuesOverload.Runner_EndsWithoutALine/posix_mq": ("queues", "overload", "posix_mq"),
        "QueuesOverload.Runner_WritesGarbage/posix_mq": ("queues", "overload", "posix_mq"),
        "QueuesOverload.Runner_WritesHalfALine/posix_mq": ("queues", "overload", "posix_mq"),
        "QueuesOverload.Runner_PassesWithStatus1/posix_mq": ("queues", "overload", "posix_mq"),
        "QueuesCrashes.Fault_NeverFires/posix_mq": ("queues", "crashes", "posix_mq"),
        "QueuesCrashes.Fault_Fires/posix_mq": ("queues", "crashes", "posix_mq"),
        "QueuesConformance.Notify_IsUnsupported/posix_mq": ("queues", "conformance", "posix_mq"),
        "QueuesConformance.Root_IsMissing/posix_mq": ("queues", "conformance", "posix_mq"),
        "QueuesConformance.Runner_LeavesAProcess/posix_mq": ("queues", "conformance", "posix_mq"),
        "QueuesConformance.Runner_LeavesAName/posix_mq": ("queues", "conformance", "posix_mq"),
        "WaitsRaces.Runner_WaitsToBeLetGo/a": ("waits", "races", "a"),
        "WaitsRaces.Runner_WaitsToBeLetGo/b": ("waits", "races", "b"),
    }
    if "FAKE_FLAKES" in os.environ:
        for way in FLAKES:
            subject = way.rpartition("/")[2]
            ways[f"FlakesRaces.{way}"] = ("flakes", "races", subject)
    for number in range(int(os.environ.get("FAKE_CASES", "0"))):
        ways[f"PlainConformance.Case_Passes/plain_{number:04}"] = (
            "plain",
            "conformance",
            f"plain_{number:04}",
        )
    for number in range(int(os.environ.get("FAKE_RACES", "0"))):
        name = f"PlainRaces.Case_Races/plain_{number:04}"
        ways[name] = ("plain", "races", f"plain_{number:04}")
    only = [word for word in os.environ.get("FAKE_ONLY", "").split(",") if word]
    return [
        {
            "name": name,
            "method": method,
            "kind": kind,
            "subject": subject,
            "contract": "channel" if method == "pipes" else None,
            "clause": f"POSIX.1-2024 write(): clause of {subject}" if method == "pipes" else None,
            "needs": ["ptrace"] if kind == "crashes" else [],
            "file": "suites/fake.cpp",
            "line": 7,
            "deadline_s": float(os.environ.get("FAKE_DEADLINE_S", "60")),
        }
        for name, (method, kind, subject) in ways.items()
        if not only or any(word in name for word in only)
    ]


def subjects():
    """Return two subjects, not in the order in which they are to be shown."""
    return [
        {
            "name": name,
            "method": method,
            "contract": "channel",
            "description": f"the fake {name}",
            "source": f"{name}(7)",
            "claims": {"order": "fifo"},
        }
        for name, method in (("posix_mq", "queues"), ("pipe", "pipes"))
    ]


class Arguments:
    """The command line of a suite, as far as the fake needs it."""

    def __init__(self, words):
        options = dict(word.removeprefix("--").partition("=")[::2] for word in words)
        self.options = options
        self.filter = options.get("gtest_filter", "")
        self.profile = options.get("gauntlet_profile", "smoke")
        self.repetition = int(options.get("gauntlet_repetition", "0"))
        self.master_seed = options.get("gauntlet_master_seed")
        self.seed = options.get("gauntlet_seed")
        self.results = options.get("gauntlet_results", "")
        self.scope = options.get("gauntlet_scope", "none")


def line(case, arguments, verdict, **more):
    """Return a whole result line."""
    seed = int(arguments.seed) if arguments.seed else 4242
    fields = {
        "schema": 1,
        "event": "result",
        **{key: case[key] for key in ("method", "kind", "subject", "contract", "clause")},
        "case": case["name"],
        "verdict": verdict,
        "seed": seed,
        "repetition": arguments.repetition,
        "profile": arguments.profile,
        "duration_ms": 1.5,
        "failures": [],
        "reason": "",
        "remedy": "",
        "faults": {"planned": 0, "fired": 0},
        "measured": {"round_trip_ns": 50000},
        "observed": {},
        "lanes": "",
        "processes": "",
        "output": f"fake output of {case['name']}\n",
        "leftovers": [],
        "isolation": {"private": ["ipc"], "shared": []},
        **more,
    }
    return json.dumps(fields) + "\n"


def run(case, arguments):
    """Behave as the name says; return the exit status."""
    name = case["name"]

    def write(text):
        with Path(arguments.results).open("a") as file:
            file.write(text)

    def say(verdict, **more):
        write(line(case, arguments, verdict, **more))

    print(f"running {name}", flush=True)
    if "FlakesRaces." in name:
        return run_flake(case, arguments, say, write)
    if "_FailsWithEpipe" in name:
        failure = {"file": "suites/fake.cpp", "line": 9, "message": "expected EPIPE, saw 0"}
        lanes = "  p0 |send 1----|\n  p1 |send 2------------|\n"
        say("fail", failures=[failure], reason="the clause does not hold", lanes=lanes)
        return 1
    if name.endswith("_DiesBySignal/pipe"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if "_DiesBySignalAfterPassing" in name:
        say("pass")
        os.kill(os.getpid(), signal.SIGABRT)
    if "_Hangs/" in name:
        hang(arguments)
    if "_HangsByItsOwnWord" in name:
        say("hang", reason="receive() missed its deadline", processes="p0: futex_wait")
        return 1
    if "_EndsWithoutALine" in name:
        return 0
    if "_WritesGarbage" in name:
        write('{"schema": 1, "verdict": "splendid"}\n')
        return 0
    if "_WritesHalfALine" in name:
        write(line(case, arguments, "pass")[:100])
        return 0
    if "_PassesWithStatus1" in name:
        say("pass")
        return 1
    if "_NeverFires" in name:
        say("pass", faults={"planned": 3, "fired": 0})
        return 0
    if "_Fires" in name:
        say("pass", faults={"planned": 3, "fired": 2})
        return 0
    if "_IsUnsupported" in name:
        say("unsupported", reason="mq_notify: ENOSYS")
        return 0
    if "_IsMissing" in name:
        say("not_run", reason="root is missing", remedy="run as root")
        return 0
    if "_LeavesAProcess" in name and os.fork() == 0:
        os.setsid()
        os.closerange(0, 3)
        wait_forever()
    if "_LeavesAName" in name:
        Path(f"/dev/shm/fake-{arguments.scope}").write_text("left")
    if "_WaitsToBeLetGo" in name:
        wait_to_be_let_go(case, arguments)
    if is_planted("FAKE_EATER", name):
        fill_the_disk(Path(os.environ["FAKE_EATEN"]))
    if is_planted("FAKE_BROKEN", name):
        say("fail", reason="the planted bug shows")
        return 1
    if is_planted("FAKE_FLAKY", name) and arguments.repetition % 2:
        say("fail", reason="the planted race was lost")
        return 1
    say("pass")
    return 0


def run_flake(case, arguments, say, write):
    """Behave as the name says of a case that runs again; the file of each counts its times."""
    name = case["name"]
    counted = Path(FOLDER) / f"times-{case['subject']}"
    with counted.open("a") as file:
        file.write(f"{arguments.seed or 'master'}\n")
    times = len(counted.read_text().splitlines())
    if "_WaitsTheThirdTime" in name and times == 3:
        wait_to_be_let_go(case, arguments)
    if "_BreaksTheSecondTime" in name and times > 1:
        write("garbage\n")
        return 0
    if "_FailsTheFirstTime" in name and times > 1:
        say("pass")
        return 0
    if "_FailsEverySecondTime" in name and (times % 2 or "FAKE_FIXED" in os.environ):
        say("pass")
        return 0
    if "_FailsWithTheFirstSeed" in name and (arguments.seed or "4242") != "4242":
        say("pass")
        return 0
    failure = {"file": "suites/fake.cpp", "line": 9, "message": f"item {times} was lost"}
    say("fail", failures=[failure], reason=f"item {times} was lost")
    return 1


def is_planted(variable, name):
    """Return whether this case is to misbehave in the way of the variable."""
    word = os.environ.get(variable, "")
    return bool(word) and word in name


def fill_the_disk(folder):
    """Leave 1 MiB, so that what is said afterwards can still be written; at most 64 MiB."""
    with (folder / "eaten").open("wb") as file:
        for _ in range(64):
            room = os.statvfs(folder)
            if room.f_bavail * room.f_frsize <= 2 << 20:
                return
            file.write(bytes(1 << 20))
            file.flush()


def wait_forever():
    """Sleep until killed; bounded, so that a broken harness leaves nothing for long."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end = time.monotonic() + 120
    while time.monotonic() < end:
        time.sleep(1)
    os._exit(9)


def hang(arguments):
    """Hang together with a child in a session of its own."""
    if os.fork() == 0:
        os.setsid()
    wait_forever()


def wait_to_be_let_go(case, arguments):
    """Tell by a file who runs, with a child and a name in /dev/shm, then wait for another file."""
    Path(f"/dev/shm/fake-{arguments.scope}").write_text("mine")
    child = os.fork()
    if child == 0:
        os.setsid()
        wait_forever()
    told = Path(FOLDER) / f"running-{case['subject']}"
    new = told.with_suffix(".new")
    new.write_text(json.dumps({"pid": os.getpid(), "child": child, "scope": arguments.scope}))
    new.rename(told)
    go = Path(FOLDER) / f"go-{case['subject']}"
    end = time.monotonic() + 120
    while not go.exists() and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    Path(f"/dev/shm/fake-{arguments.scope}").unlink()


def serve(number):
    """Start a runner for each request: this program again, which then carries the scope."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with socket.socket(fileno=number) as harness:
        harness.set_inheritable(False)
        while True:
            data, outputs, _, _ = socket.recv_fds(harness, 1 << 16, 1)
            if not data:
                return 0
            _, name, folder, *options = data.decode().split("\0")
            gate, opens = os.pipe()
            runner = os.fork()
            if runner == 0:
                os.close(opens)
                os.setsid()
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                os.chdir(folder)
                for descriptor in (1, 2):
                    os.dup2(outputs[0], descriptor)
                os.close(outputs[0])
                harness.send(b"started %d" % os.getpid())
                if not os.read(gate, 1):
                    os._exit(125)
                scope = next(o for o in options if "scope" in o).partition("=")[2]
                environment = {**os.environ, "GAUNTLET_RUN_SCOPE": scope}
                words = [sys.executable, __file__, f"--gtest_filter={name}", *options]
                os.execve(sys.executable, words, environment)
            os.close(gate)
            os.close(outputs[0])
            if harness.recv(16):
                os.write(opens, b"g")
            os.close(opens)
            end = os.waitid(os.P_PID, runner, os.WEXITED | os.WNOWAIT)
            sign = 1 if end.si_code == os.CLD_EXITED else -1
            harness.send(b"ended %d" % (sign * end.si_status))
            harness.recv(16)
            os.waitpid(runner, 0)


def main():
    """Be a suite."""
    arguments = Arguments(sys.argv[1:])
    if "gauntlet_list" in arguments.options:
        print(json.dumps(cases()))
        return 0
    if "gauntlet_subjects" in arguments.options:
        print(json.dumps(subjects()))
        return 0
    if "gauntlet_capabilities" in arguments.options:
        shared = [{"what": "network", "why": "clone(CLONE_NEWNET): EPERM"}]
        print(json.dumps({"private": ["ipc"], "shared": shared, "ptrace": "yes"}))
        return 0
    if "gauntlet_serve" in arguments.options:
        return serve(int(arguments.options["gauntlet_serve"]))
    chosen = [case for case in cases() if case["name"] == arguments.filter]
    return max([run(case, arguments) for case in chosen], default=0)


if __name__ == "__main__":
    sys.exit(main())

"""What the kernel said while a case ran: an oops, a lockdep report, a kill for want of memory.

Read from /dev/kmsg where that is permitted. The parser is pure; ``KernelLog`` only reads.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from gauntlet_harness.cases import RED, KernelKind, KernelLine, Result

KMSG = Path("/dev/kmsg")
# A record is at most 8 KiB (printk's PRINTK_MESSAGE_MAX and its dictionary).
_RECORD_BYTES = 16 * 1024
# Whoever floods the log must not hold up a run: what is beyond is read at the next look.
_RECORDS_A_LOOK = 2000
_LINES_KEPT = 20

# The first that fits decides: a KASAN report begins with BUG: too, and is no less an oops.
_KINDS: tuple[tuple[KernelKind, re.Pattern[str]], ...] = (
    (
        "lockdep",
        re.compile(
            r"(?:WARNING|INFO): possible (?:circular|recursive|irq) lock"
            r"|WARNING: (?:SOFTIRQ|HARDIRQ)\S*-safe -> \S*-unsafe lock order"
            r"|WARNING: (?:inconsistent lock state|suspicious RCU usage|bad unlock balance)"
            r"|WARNING: (?:lock held when returning|held lock freed)"
            r"|BUG: (?:Invalid wait context|MAX_LOCK)"
        ),
    ),
    (
        "stall",
        re.compile(
            r"BUG: soft lockup|BUG: workqueue lockup|rcu\S* .*(?:detected|self-detected) .*stall"
        ),
    ),
    (
        "oops",
        re.compile(
            r"\bBUG: |\bOops: |\bOops\b.*\[#\d+\]|kernel BUG at |general protection fault,"
            r"|Unable to handle kernel |Kernel panic - not syncing|Internal error: .*\[#\d+\]"
            r"|Kernel stack is corrupted|refcount_t: .*use-after-free|UBSAN: |hard LOCKUP"
        ),
    ),
    ("hung task", re.compile(r"INFO: task .+:\d+ blocked .*for more than \d+ seconds")),
    ("out of memory", re.compile(r"[Oo]ut of memory: Kill(?:ed)? process|oom-kill:constraint=")),
    ("warning", re.compile(r"WARNING: (?:CPU: \d+ PID: \d+ at |\S+:\d+ at )")),
    (
        "taint",
        re.compile(r"\btaint(?:s|ing) kernel|Disabling lock debugging due to kernel taint"),
    ),
)
GRAVE: dict[KernelKind, str] = {"oops": "an oops", "lockdep": "a lockdep report"}
"""What the kernel never says of itself when all is well, whatever a case asks of it."""


def read_record(record: str) -> KernelLine | None:
    """Return what one record of /dev/kmsg tells, or None where it is of no interest.

    ``6,339,5140900,-;text`` and continuation lines (Documentation/ABI/testing/dev-kmsg). Only what
    the kernel itself said counts: what a process wrote into the log carries another facility.
    """
    head, semicolon, rest = record.partition(";")
    priority = head.split(",", 1)[0]
    if not semicolon or not priority.isdigit() or int(priority) >> 3 != 0:
        return None
    text = rest.partition("\n")[0].strip()
    for kind, pattern in _KINDS:
        if pattern.search(text):
            return KernelLine(kind=kind, text=text)
    return None


class KernelLog:
    """The log from the moment of opening on; one that may not be read stays silent.

    A context manager, single-threaded. ``readable`` says which of the two it is.
    """

    def __init__(self, path: Path = KMSG) -> None:
        self._file: int | None = None
        with contextlib.suppress(OSError):
            self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.lseek(self._file, 0, os.SEEK_END)

    @property
    def readable(self) -> bool:
        """Whether the log can be read at all."""
        return self._file is not None

    def __enter__(self) -> KernelLog:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def news(self) -> list[KernelLine]:
        """Return what has been said since the last look; never waits."""
        return list(filter(None, map(read_record, self._records())))

    def _records(self) -> Iterable[str]:
        for _ in range(_RECORDS_A_LOOK):
            if self._file is None:
                return
            try:
                data = os.read(self._file, _RECORD_BYTES)
            except BrokenPipeError:
                continue  # The ring has overtaken us; the next read is at its oldest record.
            except OSError:
                return  # Nothing new, or it may not be read after all.
            if not data:
                return
            yield data.decode("utf-8", "replace")


def add_to(result: Result, lines: list[KernelLine], beside: int) -> None:
    """Make what the kernel said during a case a part of its result.

    A grave line turns anything that is not red into ``fail``: the kernel is part of the system
    under test, and it did not do what it promises. ``beside`` is how many other cases ran at some
    moment of this one, so that a reader knows how far the line points at it.
    """
    if not lines:
        return
    result.kernel = [*result.kernel, *lines[:_LINES_KEPT]]
    grave = next((line for line in lines if line.kind in GRAVE), None)
    if grave is None:
        return
    others = f" and {beside} other{'' if beside == 1 else 's'}" if beside else ""
    words = f"the kernel wrote {GRAVE[grave.kind]} while this case{others} ran: {grave.text}"
    if result.verdict in RED:
        result.reason = f"{result.reason}; {words}" if result.reason else words
    else:
        result.become("fail", words)


def to_expect(result: Result) -> Result:
    """Return what an expectation has to cover: of a grave line, that line and nothing else.

    An entry for the failure that a case has anyway must not hide that the kernel broke meanwhile.
    """
    grave = [line.text for line in result.kernel if line.kind in GRAVE]
    if not grave:
        return result
    return msgspec.structs.replace(result, reason="\n".join(grave), failures=[], processes="")

"""What the states and stacks of a result tell: where it crashed, what its processes wait for."""

from __future__ import annotations

import re

_SIGNAL = re.compile(r"\b(SIG(?!NAL)[A-Z0-9]{2,})\b")
_FRAME = re.compile(r"^\s*#\d+\s+(?:0x[0-9a-f]+\s+)?(?:in\s+)?(?P<name>[^\s(<]+)", re.MULTILINE)
_ASSERTION = re.compile(r"(?P<where>\w+)?:? Assertion [`'](?P<what>.+?)' failed")
# What every aborted or killed process has on top of its stack, before the code that is at fault.
_ON_TOP = re.compile(
    r"^(__?)?(raise|abort|gsignal|kill|syscall|pthread_kill\S*|assert_fail\S*|libc_message"
    r"|fortify_fail|stack_chk_fail|chk_fail|GI_\S*|sanitizer\S*|asan\S*|interceptor_\S*)$"
)
_PROCESS = re.compile(r"^(?:process|pid) \d+", re.MULTILINE)
_IN_CALL = re.compile(r"\bin (?P<call>[a-z_]\w*)\(")
_WAIT_CHANNEL = re.compile(r"\b(?:waits in|wchan:?) (?P<channel>[a-z_][\w.]*)")
# Processes of the harness's side of a case: they wait for the others, which is no finding.
_ATTENDANTS = ("gauntlet::run_init", "gauntlet::Process::wait", "(gauntlet-init)", "wchan do_wait")


def signal_of(text: str) -> str:
    """The first signal that the text names, such as ``SIGSEGV``, or ``""``."""
    match = _SIGNAL.search(text)
    return match[1] if match else ""


def crashed_in(text: str) -> str:
    """The function in which it crashed, or the assertion that ended it; ``""`` when none is told.

    Frames of the C library that only carry the end out are passed over.
    """
    for frame in _FRAME.finditer(text):
        if not _ON_TOP.match(frame["name"]):
            return frame["name"].partition("@")[0]
    failed = _ASSERTION.search(text)
    return f"assertion {failed['what']}" if failed else ""


def waited_for(processes: str) -> str:
    """The calls in which the processes of a hang wait, such as ``futex``, sorted; else ``""``."""
    marks = [match.start() for match in _PROCESS.finditer(processes)]
    ends = [*marks[1:], len(processes)]
    # No process line at all: the suite told in words of its own.
    blocks = [processes[begin:end] for begin, end in zip(marks, ends, strict=False)] or [processes]
    of_the_case = [block for block in blocks if not any(mark in block for mark in _ATTENDANTS)]
    found = {_waits_in(block) for block in of_the_case or blocks} - {""}
    return ", ".join(sorted(found))


def _waits_in(block: str) -> str:
    head = block.split("\n", 1)[0]
    if call := _IN_CALL.search(head):
        return call["call"]
    if channel := _WAIT_CHANNEL.search(block):
        return channel["channel"].partition(".")[0]
    return ""

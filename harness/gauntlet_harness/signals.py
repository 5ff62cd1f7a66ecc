"""Signals: their names, and handlers that stay as long as a block."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def signal_name(number: int) -> str:
    """Return ``SIGTERM``, or ``signal 42`` for one that has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@contextlib.contextmanager
def handled_by(
    handler: Callable[[int, FrameType | None], None], numbers: Sequence[signal.Signals]
) -> Iterator[None]:
    """Have ``handler`` take these signals while the block runs. For the main thread."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@dataclass
class Stop:
    """Whether a signal has asked to stop, and which; noted, and looked at between two steps."""

    by: str | None = None

    def note(self, number: int, _frame: FrameType | None = None) -> None:
        """Be the handler of a signal."""
        self.by = signal_name(number)


def signals_noted(stop: Stop) -> contextlib.AbstractContextManager[None]:
    """Let a request to stop be seen between two steps instead of tearing one apart."""
    return handled_by(stop.note, _STOP_SIGNALS)


def stopped_as_by_ctrl_c() -> contextlib.AbstractContextManager[None]:
    """Let SIGTERM and SIGHUP unwind the block as Ctrl-C does: what it started is taken along."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal_name(number))

    return handled_by(interrupt, (signal.SIGTERM, signal.SIGHUP))

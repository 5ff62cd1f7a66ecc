"""The two ways to refuse: the user asked wrongly, or the machine got in the way."""

from __future__ import annotations

STATUS_OK = 0
STATUS_FAILED = 1
STATUS_USAGE = 2
STATUS_MACHINE = 3


class GauntletError(Exception):
    """Ends a command with one clear line on stderr and the class's exit status."""

    status = STATUS_MACHINE


class UsageError(GauntletError):
    """What was asked makes no sense or names something that is not there; exit status 2."""

    status = STATUS_USAGE


class HarnessError(GauntletError):
    """The harness or the machine failed, not the subject; exit status 3."""

    status = STATUS_MACHINE

"""The table of interrupted calls: what each blocking call did when a signal handler ran.

A case tells it in its observations (docs/protocol.md): ``eintr read(pipe)`` for a handler without
SA_RESTART, ``eintr read(pipe) SA_RESTART`` for one with it, ``eintr read(pipe) SIGSTOP`` for a
process that was stopped and went on.
"""

from __future__ import annotations

import msgspec

from gauntlet_reports.outcomes import Entry

_MARK = "eintr "
_RESTART = " SA_RESTART"
_STOP = " SIGSTOP"


class Interruption(msgspec.Struct, frozen=True):
    """One call under one kind of handler."""

    entry: Entry
    seen: str


class InterruptedCall(msgspec.Struct, frozen=True):
    """One blocking call: handlers without and with SA_RESTART, a stop; None where none told."""

    call: str
    plain: Interruption | None = None
    restart: Interruption | None = None
    stop: Interruption | None = None


def interrupted_calls(listed: list[Entry]) -> list[InterruptedCall]:
    """Return the calls that the cases of a run interrupted, by name."""
    found: dict[str, InterruptedCall] = {}
    for entry in listed:
        for key, seen in (entry.result.observed if entry.result else {}).items():
            if not key.startswith(_MARK):
                continue
            call = key.removeprefix(_MARK).removesuffix(_RESTART).removesuffix(_STOP)
            row = found.get(call) or InterruptedCall(call)
            told = Interruption(entry, seen)
            if key.endswith(_RESTART):
                found[call] = msgspec.structs.replace(row, restart=told)
            elif key.endswith(_STOP):
                found[call] = msgspec.structs.replace(row, stop=told)
            else:
                found[call] = msgspec.structs.replace(row, plain=told)
    return sorted(found.values(), key=lambda row: row.call)

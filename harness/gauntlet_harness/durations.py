"""Lengths of time as people write them (``10m``, ``1h30m``) and as they like to read them."""

from __future__ import annotations

import re

from gauntlet_harness.errors import UsageError

_PARTS = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def parse_budget(text: str) -> float:
    """Return the seconds of ``90``, ``90s``, ``10m``, ``2h`` or ``1h30m``; never zero."""
    match = _PARTS.fullmatch(text.strip())
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = hours * 3600 + minutes * 60 + seconds
    if total == 0:
        raise UsageError(f"--budget must be a time such as 90s, 10m or 1h30m, not '{text}'")
    return float(total)


def for_people(seconds: float) -> str:
    """Return ``4.2 s``, ``1 m 20 s`` or ``2 h 05 m``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} m {int(seconds) % 60:02d} s"
    return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60:02d} m"

"""Expectations that end soon, as run.json keeps them: told in every report of the run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import msgspec

from gauntlet_reports.text import count


class _Expiring(msgspec.Struct):
    id: str
    owner: str
    expires: date


def expiry_notes(info: Mapping[str, Any]) -> list[str]:
    """One sentence for each expectation of the run that was about to expire when it began."""
    try:
        listed = msgspec.convert(info.get("expiring", []), list[_Expiring])
        began = datetime.fromisoformat(str(info["started"])).date()
    except (msgspec.ValidationError, ValueError, KeyError):
        return []  # Of a run that does not say when it began nothing is soon.
    return [
        f"the expectation {one.id} expires {_when(one.expires, began)} (owner: {one.owner});"
        " its cases fail again after that"
        for one in listed
    ]


def _when(end: date, began: date) -> str:
    days = (end - began).days
    return f"in {count(days, 'day')}, on {end}" if days > 0 else f"today, {end}"

"""Text that came out of a test and may hold anything, made fit for people, XML and a page."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate

_COLOUR_CODES = re.compile(r"\x1b\[[0-9;:]*m")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Characters that reorder or hide what stands around them; shown by their number instead.
_TREACHEROUS = re.compile(
    "[\u0080-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff]"
)
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F) if chr(code) not in "\t\n"}


def visible(text: str) -> str:
    """The text without colour codes and with every invisible character written out."""
    if text.isascii() and text.isprintable():
        return text  # Nearly every name and sentence; a run has a million of them.
    plain = _COLOUR_CODES.sub("", text).replace("\r\n", "\n").translate(_CONTROLS)
    plain = _TREACHEROUS.sub(lambda match: f"<U+{ord(match.group()):04X}>", plain)
    return plain.encode("utf-8", "replace").decode("utf-8")


def xml_text(text: str) -> str:
    """The text without colour codes and without the characters that XML 1.0 has no room for."""
    return _NOT_XML.sub("", _COLOUR_CODES.sub("", text))


def one_line(text: str) -> str:
    """The text on one line, with runs of white space made one space."""
    return " ".join(visible(text).split())


def clipped(text: str, limit: int) -> str:
    """At most `limit` characters, from the beginning, saying so where something is missing."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n[{len(text) - limit:,} more characters]"


def clipped_head(text: str, limit: int) -> str:
    """At most `limit` characters, from the end, saying so where something is missing."""
    if len(text) <= limit:
        return text
    kept = text[-limit:] if limit else ""
    return f"[{len(text) - limit:,} characters before this are left out]\n{kept}"


def fair_limit(sizes: Sequence[int], budget: int) -> int:
    """The largest limit for which the sizes, each cut to it, sum up to at most the budget.

    Small texts stay whole and only the largest ones pay, which keeps a page small without losing
    what most cases printed.
    """
    if sum(sizes) <= budget:
        return max(sizes, default=0)
    ordered = sorted(sizes)
    below = [0, *accumulate(ordered)]

    def spent(limit: int) -> int:
        smaller = bisect_right(ordered, limit)
        return below[smaller] + (len(ordered) - smaller) * limit

    low, high = 0, ordered[-1]
    while low < high:
        middle = (low + high + 1) // 2
        if spent(middle) <= budget:
            low = middle
        else:
            high = middle - 1
    return low


def duration(milliseconds: float) -> str:
    """A duration as people say it: ``4 ms``, ``1.25 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms" if milliseconds >= 1 else f"{milliseconds:.2f} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 case``, ``1,000 cases``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def moment(iso: str) -> str:
    """A time for people: ``2026-11-23 03:10:00 UTC``; what is no time stays as it is."""
    try:
        time = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    if time.tzinfo:
        time = time.astimezone(UTC)
    return f"{time:%Y-%m-%d %H:%M:%S}" + (" UTC" if time.tzinfo else "")

"""Near names for a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def near_names(word: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return at most ``most`` known names that the user may have meant, best first."""
    folded: dict[str, str] = {}
    for name in known:
        folded.setdefault(name.casefold(), name)
    wanted = word.casefold()
    close = difflib.get_close_matches(wanted, folded, n=most, cutoff=0.6)
    if len(close) < most and len(wanted) >= 3:
        # A forgotten half of a long name is far away in edit distance, yet plainly what was meant.
        holding = sorted((name for name in folded if wanted in name), key=len)
        close += [name for name in holding if name not in close]
    return [folded[name] for name in close[:most]]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean a, b or c?``, or ``""`` when nothing is near."""
    near = near_names(word, known)
    if not near:
        return ""
    listed = near[0] if len(near) == 1 else ", ".join(near[:-1]) + " or " + near[-1]
    return f"; did you mean {listed}?"

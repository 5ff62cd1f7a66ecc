"""What a fingerprint says of a system, for the head of a page: one line, and all in groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gauntlet_reports.text import clipped, one_line, visible

# What of a fingerprint stands in its one line: the group, and the names to look for in it.
_SUMMARY = {
    "kernel": ("name", "release"),
    "distro": ("pretty_name",),
    "libc": ("name", "version"),
    "compiler": (),
    "cpu": ("model",),
    "memory": ("total_mib",),
}
_SUMMARY_UNITS = {"memory": "{}\N{NO-BREAK SPACE}MiB"}


def system_line(fingerprint: object) -> str:
    """The system in one line: whatever of the usual facts the fingerprint holds."""
    if not isinstance(fingerprint, dict):
        return ""
    words = []
    for key, names in _SUMMARY.items():
        value = fingerprint.get(key)
        if isinstance(value, dict):
            chosen = [value[name] for name in names if name in value] or list(value.values())[:1]
            value = " ".join(str(one) for one in chosen)
        if value not in (None, ""):
            words.append(_SUMMARY_UNITS.get(key, "{}").format(value))
    return one_line(clipped(" · ".join(words), 300))


def system_groups(fingerprint: object, versions: object) -> list[tuple[str, list[tuple[str, str]]]]:
    """Groups of name and value over everything that is known of a system."""
    groups: dict[str, list[tuple[str, str]]] = {"general": []}
    for key, inner in fingerprint.items() if isinstance(fingerprint, dict) else ():
        if isinstance(inner, dict):
            groups.setdefault(key, []).extend(_leaves(inner, ""))
        else:
            groups["general"].extend(_leaves(inner, key))
    for key, inner in versions.items() if isinstance(versions, dict) else ():
        groups.setdefault("versions", []).extend(_leaves(inner, key))
    return [(title, pairs) for title, pairs in groups.items() if pairs]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        words = ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)
        yield path, visible(clipped(words, 2000))

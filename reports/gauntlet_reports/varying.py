"""Messages without what changes from run to run: seeds, pids, times, addresses, paths, numbers."""

from __future__ import annotations

import re

from gauntlet_reports.text import one_line

# In this order: each takes what the ones after it would tear into pieces.
_VARYING = [
    # The explanation after an errno's name says the same in other words, and by the locale.
    (re.compile(r"\b(E[A-Z0-9]{2,})\b \([A-Z][^()]*\)"), r"\1"),
    # What a case leaves behind: only the place tells, the name carries the scope of the runner.
    (re.compile(r"(/dev/(?:shm|mqueue|hugepages))/[^\s,;:'\")]+"), r"\1/NAME"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "UUID"),
    (re.compile(r"\b\d+-byte object <[^>]*>"), "BYTES"),
    (re.compile(r"(?<![\w/<])(?!/dev/(?:shm|mqueue|hugepages)/)(?:/[\w.+@%~-]+){2,}/?"), "PATH"),
    (re.compile(r"\bgauntlet\.[a-z0-9]{8,}[.\d]*"), "NAME"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE), "ADDRESS"),
    (re.compile(r"\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}\b"), "HEX"),
    (re.compile(r"(?<![\w.])\d+(?:\.\d+)?\s?(?:ns|us|µs|ms|s|min|h)\b"), "TIME"),
    (re.compile(r"\bp\d+\b"), "pN"),
    (re.compile(r"(?<![\w.])[-+]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?(?!\w)"), "N"),
    (re.compile(r"N(?:(?:, | )N)+"), "N, N"),
]
# A walk over failing calls draws some calls and errors from the seed: which one comes first is
# chance, what becomes of it is the finding.
_FAILED_CALL = re.compile(
    r"^.*\bfails with E[A-Z0-9]+(?:, and all later ones)? -> (?P<outcome>[\w ]+?)(?: \(.*)?$"
)


def without_what_varies(message: str) -> str:
    """The message on one line, with a word in capitals for each thing that varies."""
    text = one_line(message)
    if walked := _FAILED_CALL.match(text):
        return f"a system call fails -> {walked['outcome']}"
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return text

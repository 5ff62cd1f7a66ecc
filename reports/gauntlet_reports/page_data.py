"""The cases of a run as the page's script reads them: compact, bounded, and fit to be shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from gauntlet_reports.background import Background
from gauntlet_reports.changes import KINDS
from gauntlet_reports.flakes import flake_words
from gauntlet_reports.groups import NO_SUBJECT
from gauntlet_reports.history import ABSENT, LETTERS
from gauntlet_reports.outcomes import (
    LOOKS,
    RED,
    SEVERITY,
    Entry,
    message_of,
    repro_command,
    repro_of,
    repro_options,
)
from gauntlet_reports.run_data import Failure, Result, RunData
from gauntlet_reports.text import clipped, clipped_head, fair_limit, moment, visible

# Bytes of the long texts of all cases together; failures may use all of it, passes what is left.
_TEXT_BUDGET = 600_000
_PASS_BUDGET = 250_000
# Bytes of the sentences that cases share: reasons, promises, remedies, files.
_SENTENCE_BUDGET = 200_000
_SHORT_LIMIT = 2_000
_FAILURES_LIMIT = 12
_LEFT_OUT = "[left out here]"
# Room for the words that say how much of a text is missing.
_NOTE_BYTES = 50
_PAIRS_LIMIT = 64
# Texts of these alone are in the page as they are, between two quotation marks.
_UNESCAPED = re.compile(r"[ !#-%'-;=?-\[\]-~]*")


def page_json(
    run: RunData, listed: list[Entry], signatures: Sequence[str | None], background: Background
) -> str:
    """JSON that can stand inside a ``<script>`` element whatever the texts contain.

    `signatures` are those of the listed entries, in their order.
    """
    tables = _Tables(_sentence_limit(listed))
    changes = _changes(background)
    strips = background.history.strips if background.history else {}
    limits = _text_limits(listed)
    # What follows name and seed in the command of nearly every case; the others spell theirs out.
    usual = repro_command("CASE", 0, run.text("profile"), repro_options(run))
    tail = usual.removeprefix(repro_command("CASE", 0))
    rows = []
    for entry, signature in zip(listed, signatures, strict=True):
        case = entry.case
        detail = _detail(entry, run, tables, limits[entry.outcome in RED], tail)
        if signature is not None:
            detail["signature"] = tables.signatures.index(signature)
        if case.name in changes:
            detail["change"] = changes[case.name]
        if case.name in strips:
            detail["strip"] = tables.strips.index(strips[case.name])
        rows.append(
            [
                SEVERITY[entry.outcome],
                shown_whole(case.name),
                tables.methods.index(case.method),
                tables.kinds.index(case.kind),
                tables.subjects.index(case.subject or NO_SUBJECT),
                entry.repetition,
                round(entry.result.duration_ms, 3) if entry.result else None,
                detail,
            ]
        )
    document = {
        "outcomes": [[o, look.glyph, look.word, look.many] for o, look in LOOKS.items()],
        "methods": tables.methods.values,
        "kinds": tables.kinds.values,
        "subjects": tables.subjects.values,
        "strings": tables.strings.values,
        "signatures": tables.signatures.values,
        "strips": tables.strips.values,
        "isolations": tables.isolations,
        **_past(background),
        "tail": visible(tail),
        "rows": rows,
    }
    return script_safe(msgspec.json.encode(document).decode())


def _changes(background: Background) -> dict[str, str]:
    """Each case that is not as it was, and the class of its change."""
    found = background.baseline
    return {change.case: change.kind for change in found.changes} if found else {}


def _past(background: Background) -> dict[str, Any]:
    """What the script draws strips with, and the words for classes of changes."""
    past: dict[str, Any] = {
        "changes": {kind: look.word for kind, look in KINDS.items()} if background.baseline else {}
    }
    if background.history:
        past["letters"] = {letter: outcome for outcome, letter in LETTERS.items()}
        past["absent"] = ABSENT
        past["nights"] = [
            [shown_whole(night.run_id), shown_whole(moment(night.started))]
            for night in background.history.nights
        ]
    return past


def script_safe(json_text: str) -> str:
    """JSON in which nothing can end the element that holds it or start a comment in it."""
    escapes = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
    for character, escape in escapes.items():
        json_text = json_text.replace(character, escape)
    return json_text


class _Interned:
    """Strings that many cases share, written once and referred to by their place."""

    def __init__(self, limit: int | None = None) -> None:
        self.values: list[str] = []
        self._limit = limit
        self._places: dict[str, int] = {}

    def index(self, text: str) -> int:
        if text not in self._places:
            self._places[text] = len(self.values)
            if self._limit is None:
                self.values.append(shown_whole(text))
            else:
                self.values.append(_fitted(text, self._limit, keep_end=False))
        return self._places[text]


class _Tables:
    def __init__(self, sentence_limit: int) -> None:
        self.methods = _Interned()
        self.kinds = _Interned()
        self.subjects = _Interned()
        self.strings = _Interned(sentence_limit)
        self.signatures = _Interned()
        self.strips = _Interned()
        self.isolations: list[Any] = []
        self._places: dict[bytes, int] = {}

    def isolation(self, result: Result) -> int:
        stated = result.isolation
        key = msgspec.json.encode(stated)
        if key not in self._places:
            self._places[key] = len(self.isolations)
            shared = [
                [shown_whole(s.what), shown_whole(s.why)] for s in stated.shared[:_PAIRS_LIMIT]
            ]
            private = [shown_whole(word) for word in stated.private[:_PAIRS_LIMIT]]
            self.isolations.append([private, shared])
        return self._places[key]


def shown_whole(text: str) -> str:
    """A name or a sentence as the page holds it; links to cases must spell it the same way."""
    return visible(clipped(text, _SHORT_LIMIT))


def _sentences(entry: Entry) -> list[str]:
    result = entry.result
    found = [entry.case.clause or "", entry.case.contract or ""]
    if entry.outcome != "pass":
        found.append(message_of(entry))
    if result:
        found += [result.remedy, *(f.file for f in result.failures[:_FAILURES_LIMIT])]
    return found


def _sentence_limit(listed: list[Entry]) -> int:
    distinct = {text for entry in listed for text in _sentences(entry)}
    return _limit_for(list(distinct), _SENTENCE_BUDGET)


def _long_texts(result: Result) -> list[str]:
    messages = [failure.message for failure in result.failures[:_FAILURES_LIMIT]]
    chosen = list(result.observed.values())[:_PAIRS_LIMIT]
    left = "\n".join(result.leftovers)
    said = _kernel_text(result)
    return [result.output, result.lanes, result.processes, left, said, *messages, *chosen]


def _kernel_text(result: Result) -> str:
    """What the kernel said while the case ran, a line each."""
    return "\n".join(f"{line.kind}: {line.text}" for line in result.kernel)


def _cost(text: str) -> int:
    """Bytes that a text takes in the page, escapes included."""
    if _UNESCAPED.fullmatch(text):
        return len(text) + 2
    return len(script_safe(msgspec.json.encode(visible(text)).decode()).encode())


def _limit_for(texts: list[str], budget: int) -> int:
    """The most bytes that one of the texts may take, so that together they keep to the budget."""
    # No character takes less than a byte: cutting by length first keeps huge outputs cheap.
    length = fair_limit([len(text) for text in texts], budget)
    return fair_limit([_cost(text[:length]) for text in texts if text], budget)


def _text_limits(listed: list[Entry]) -> dict[bool, int]:
    """The longest text, in page bytes, that a failure (True) and another case (False) may show."""
    texts: dict[bool, list[str]] = {True: [], False: []}
    for entry in listed:
        if entry.result:
            texts[entry.outcome in RED] += [text for text in _long_texts(entry.result) if text]
    red = _limit_for(texts[True], _TEXT_BUDGET)
    spent = sum(min(_cost(text[:red]), red) for text in texts[True])
    return {True: red, False: _limit_for(texts[False], min(_PASS_BUDGET, _TEXT_BUDGET - spent))}


def _fitted(text: str, limit: int, keep_end: bool) -> str:
    """The text cut to a cost; of an output the end is what tells."""

    def kept(length: int) -> str:
        return text[len(text) - length :] if keep_end else text[:length]

    if len(text) <= limit and _cost(text) <= limit:
        return visible(text)
    # A character takes at least a byte. Escapes take more: shrink until what is kept fits.
    room = max(0, limit - _NOTE_BYTES)
    length = min(len(text), room)
    while length and (cost := _cost(kept(length))) > room:
        length = min(length * 9 // 10, length * room // cost + 1)
    clip = clipped_head if keep_end else clipped
    return visible(clip(text, length)) if length else _LEFT_OUT


def _detail(entry: Entry, run: RunData, tables: _Tables, limit: int, tail: str) -> dict[str, Any]:
    """What the drawer of a case shows; whatever is empty is left out."""
    source = entry.result or entry.unfinished
    detail: dict[str, Any] = {
        "contract": tables.strings.index(entry.case.contract) if entry.case.contract else None,
        "clause": tables.strings.index(entry.case.clause) if entry.case.clause else None,
        "reason": tables.strings.index(message_of(entry)) if entry.outcome != "pass" else None,
    }
    if source:
        detail |= {"seed": source.seed, "at": shown_whole(moment(source.at))}
        repro = repro_of(entry, run)
        if repro != f"harness/gauntlet repro {entry.case.name} --seed {source.seed}{tail}":
            detail["repro"] = visible(repro)
    if entry.result:
        detail |= _result_detail(entry.result, tables, limit)
        detail["flake"] = shown_whole(flake_words(entry, run))
    return {key: value for key, value in detail.items() if value not in (None, "", [], {})}


def _result_detail(result: Result, tables: _Tables, limit: int) -> dict[str, Any]:
    faults = result.faults
    measured = list(result.measured.items())[:_PAIRS_LIMIT]
    observed = list(result.observed.items())[:_PAIRS_LIMIT]
    return {
        "remedy": tables.strings.index(result.remedy) if result.remedy else None,
        "failures": [_failure(f, tables, limit) for f in result.failures[:_FAILURES_LIMIT]],
        "more": max(0, len(result.failures) - _FAILURES_LIMIT) or None,
        "lanes": _fitted(result.lanes, limit, keep_end=False),
        "faults": [faults.planned, faults.fired] if faults.planned or faults.fired else None,
        "measured": {shown_whole(key): value for key, value in measured},
        "observed": {
            shown_whole(key): _fitted(value, limit, keep_end=False) for key, value in observed
        },
        "leftovers": _fitted("\n".join(result.leftovers), limit, keep_end=False),
        "kernel": _fitted(_kernel_text(result), limit, keep_end=False),
        "processes": _fitted(result.processes, limit, keep_end=False),
        "output": _fitted(result.output, limit, keep_end=True),
        "isolation": tables.isolation(result),
    }


def _failure(failure: Failure, tables: _Tables, limit: int) -> list[int | str]:
    message = _fitted(failure.message, limit, keep_end=False)
    return [tables.strings.index(failure.file), failure.line, message]

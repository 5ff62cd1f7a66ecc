"""Select expressions: words combined by and, or, not and parentheses, as ``pytest -m/-k`` has them.

    expression := term ('or' term)*
    term       := factor ('and' factor)*
    factor     := 'not' factor | '(' expression ')' | word
    word       := [field ':'] text | [field ':'] "quoted text"

A bare word that is exactly a method, kind, subject or contract means that; every other word is
looked for in names and clauses, upper and lower case alike. ``field:text`` asks one field only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gauntlet_harness.cases import Case
from gauntlet_harness.errors import UsageError
from gauntlet_harness.near import did_you_mean

_TOKEN = re.compile(r"""\s*(?:([()])|((?:\w+:)?(?:"[^"]*"|'[^']*')|[^\s()"']+))""")
_EXACT = ("method", "kind", "subject", "contract", "needs")
_INSIDE = ("clause", "name")

Predicate = Callable[[Case], bool]


@dataclass(frozen=True)
class _Token:
    text: str
    column: int
    quoted: bool = False


class Selection:
    """A parsed expression. Raises UsageError for a wrong one, with the column; never mutates."""

    def __init__(self, text: str, cases: Sequence[Case]) -> None:
        self.text = text
        self._cases = cases
        self._tokens = _tokens(text)
        self._next = 0
        if not self._tokens:
            raise UsageError("--select: the expression is empty")
        self._matches = self._expression()
        if self._next < len(self._tokens):
            token = self._tokens[self._next]
            wanted = (
                "an opening parenthesis before" if token.text == ")" else "'and' or 'or' before"
            )
            raise _wrong(token.column, f"{wanted} '{token.text}'")

    def picks(self) -> list[Case]:
        """Return the selected cases in their order; nothing selected is a UsageError."""
        chosen = [case for case in self._cases if self._matches(case)]
        if not chosen:
            raise UsageError(f"--select: no case matches '{self.text}'")
        return chosen

    def _expression(self) -> Predicate:
        parts = [self._term()]
        while self._take("or"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else lambda case: any(part(case) for part in parts)

    def _term(self) -> Predicate:
        parts = [self._factor()]
        while self._take("and"):
            parts.append(self._factor())
        return parts[0] if len(parts) == 1 else lambda case: all(part(case) for part in parts)

    def _factor(self) -> Predicate:
        if self._take("not"):
            inner = self._factor()
            return lambda case: not inner(case)
        if self._take("("):
            inner = self._expression()
            if not self._take(")"):
                raise _wrong(self._column(), "a closing parenthesis")
            return inner
        if self._next == len(self._tokens):
            raise _wrong(self._column(), "a word")
        token = self._tokens[self._next]
        if not token.quoted and token.text in ("and", "or", ")"):
            raise _wrong(token.column, f"a word before '{token.text}'")
        self._next += 1
        return self._word(token)

    def _word(self, token: _Token) -> Predicate:
        field, colon, wanted = token.text.partition(":")
        if colon and (field in _EXACT or field in _INSIDE):
            return self._field(field, _bare(wanted))
        word = _bare(token.text)
        for exact in _EXACT[:4]:
            if any(getattr(case, exact) == word for case in self._cases):
                return lambda case: word in (case.method, case.kind, case.subject, case.contract)
        folded = word.casefold()
        if any(_holds(case, folded) for case in self._cases):
            return lambda case: _holds(case, folded)
        if colon and re.fullmatch(r"[a-z]+", field):
            known = ", ".join((*_EXACT, *_INSIDE))
            raise UsageError(f"--select: no field is called '{field}'; there are {known}")
        near = did_you_mean(word, _vocabulary(self._cases))
        raise UsageError(f"--select: nothing is called or contains '{word}'{near}")

    def _field(self, field: str, wanted: str) -> Predicate:
        if field in _INSIDE:
            folded = wanted.casefold()
            if any(folded in (getattr(case, field) or "").casefold() for case in self._cases):
                return lambda case: folded in (getattr(case, field) or "").casefold()
            raise UsageError(f"--select: no {field} contains '{wanted}'")
        known = _values(self._cases, field)
        if wanted not in known:
            near = did_you_mean(wanted, known)
            raise UsageError(f"--select: no case has {field} '{wanted}'{near}")
        if field == "needs":
            return lambda case: wanted in case.needs
        return lambda case: getattr(case, field) == wanted

    def _take(self, text: str) -> bool:
        if self._next < len(self._tokens):
            token = self._tokens[self._next]
            if token.text == text and not token.quoted:
                self._next += 1
                return True
        return False

    def _column(self) -> int:
        if self._next < len(self._tokens):
            return self._tokens[self._next].column
        return len(self.text) + 1


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    place = 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            column = place + len(text[place:]) - len(text[place:].lstrip()) + 1
            raise _wrong(column, f"the end of the text that {text[column - 1]} opens")
        word = match[1] or match[2]
        quoted = match[2] is not None and match[2][-1] in "\"'"
        tokens.append(_Token(word, match.end() - len(word) + 1, quoted))
        place = match.end()
    return tokens


def _wrong(column: int, expected: str) -> UsageError:
    return UsageError(f"--select: at column {column}: expected {expected}")


def _bare(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] in "\"'" and text[-1] == text[0] else text


def _holds(case: Case, folded: str) -> bool:
    return folded in case.name.casefold() or folded in (case.clause or "").casefold()


def _values(cases: Iterable[Case], field: str) -> set[str]:
    if field == "needs":
        return {need for case in cases for need in case.needs}
    return {value for case in cases if (value := getattr(case, field)) is not None}


def _vocabulary(cases: Sequence[Case]) -> list[str]:
    """Return every word worth proposing: the short ones first, then test names and their parts."""
    words = sorted(set().union(*(_values(cases, field) for field in _EXACT[:4])))
    for case in cases:
        suite, _, test = case.name.partition(".")
        test = test.partition("/")[0]
        words += [test, *test.split("_"), suite]
    return list(dict.fromkeys(words))


def select(text: str | None, cases: Sequence[Case]) -> list[Case]:
    """Return the cases that ``text`` selects, all of them for None."""
    return list(cases) if text is None else Selection(text, cases).picks()

"""The words of a GoogleTest assertion, taken apart: what was checked and what was seen instead."""

from __future__ import annotations

import re

_VALUE_OF = re.compile(
    r"Value of: (?P<what>.*?)\n(?P<rest>(?:(?:Expected|  Actual): [^\n]*\n?)+)(?P<said>.*)",
    re.DOTALL,
)
_EQUALITY = re.compile(
    r"Expected equality of these values:\n(?P<values>(?:  [^\n]*\n?)+)(?P<said>.*)", re.DOTALL
)
_EXPLAINED = re.compile(r"^  Actual: (?:true|false) \((?P<why>.*)\)$", re.MULTILINE)
_WANTED = re.compile(r"^Expected: (?P<wanted>.*)$", re.MULTILINE)
_SEEN = re.compile(r"^  Actual: .*?(?:, which (?:is )?(?P<seen>.*))?$", re.MULTILINE)


def essence(message: str) -> str:
    """One line: what the author of the check says where that is said, and what was compared."""
    text = message.strip("\n")
    if match := _VALUE_OF.match(text):
        return _value_of(match)
    if match := _EQUALITY.match(text):
        return _equality(match)
    return _first_line(text)


def _value_of(match: re.Match[str]) -> str:
    rest, said = match["rest"], _first_line(match["said"])
    if "  Actual: false" in rest or "  Actual: true" in rest:
        # A plain condition: the explanation, or what its author adds, is the finding.
        explained = _EXPLAINED.search(rest)
        why = said or (explained["why"] if explained else "")
        return why if "->" in why else _joined(match["what"], why)
    wanted, seen = _WANTED.search(rest), _SEEN.search(rest)
    told = f"{match['what']} {wanted['wanted'] if wanted else ''}".strip()
    if seen and seen["seen"]:
        told += f", saw: {seen['seen']}"
    return _joined(told, said)


def _equality(match: re.Match[str]) -> str:
    lines = match["values"].rstrip("\n").split("\n")
    compared = [line.strip() for line in lines if not line.startswith("    ")]
    return _joined(" is not ".join(compared), _first_line(match["said"]))


def _joined(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.split("\n") if line.strip()), "")

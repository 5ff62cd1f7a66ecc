"""Conditions on a system, such as ``kernel = ">=6.1,<6.8"``: the ``when`` of an expectation.

A condition is an optional name (a shell pattern) and optional bounds of a version, joined by
commas: ``glibc``, ``glibc 2.36``, ``>=6.1,<6.8``. A bound looks at as many parts of the version as
it states, so that ``6.18`` and ``<=6.18`` hold for 6.18.44. docs/expectations.md has examples.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from gauntlet_harness.components import COMPONENTS
from gauntlet_harness.near import did_you_mean
from gauntlet_harness.target_kinds import TARGET_KINDS

_COMPONENT = "component."
# What has a version beside its name, and what is a name alone.
_VERSIONED = ("kernel", "libc", "compiler")
_NAMED = ("architecture", "distribution", "virtualization")
# What is one of few known words.
_CHOSEN = {"target_kind": TARGET_KINDS}
WORDS = (*_VERSIONED, *_CHOSEN, *_NAMED, *(_COMPONENT + name for name in COMPONENTS))
_BOUND = re.compile(r"(>=|<=|>|<|!=)?\s*(\d+(?:\.\d+)*)")
_VERSION = re.compile(r"\d+(?:\.\d+)*")

Version = tuple[int, ...]


class ConditionError(ValueError):
    """A condition that makes no sense; the message is one line."""


class Named(msgspec.Struct, frozen=True):
    """A part of a system: what it is called and the numbers of its version, () for none."""

    name: str
    version: Version = ()


class System(msgspec.Struct, frozen=True):
    """What conditions are held against; a part that is not there is an empty list."""

    parts: dict[str, list[Named]]


class _Bound(msgspec.Struct, frozen=True):
    relation: str
    version: Version

    def holds(self, version: Version) -> bool:
        have = (version + (0,) * len(self.version))[: len(self.version)]
        return {
            "": have == self.version,
            "!=": have != self.version,
            ">=": have >= self.version,
            ">": have > self.version,
            "<=": have <= self.version,
            "<": have < self.version,
        }[self.relation]


class _Wanted(msgspec.Struct, frozen=True):
    """One text of a condition: a pattern of a name and the bounds that all have to hold."""

    pattern: str
    bounds: tuple[_Bound, ...]

    def fits(self, part: Named) -> bool:
        if not fnmatchcase(part.name.casefold(), self.pattern.casefold()):
            return False
        # Nothing is known of a part without a version: no bound holds for it.
        return all(part.version and bound.holds(part.version) for bound in self.bounds)


class Condition:
    """All words of a ``when``. Raises ConditionError for a word or text that makes no sense."""

    def __init__(self, when: Mapping[str, Any]) -> None:
        self._wanted = {word: _alternatives(word, value) for word, value in _flat(when).items()}

    def holds(self, system: System) -> bool:
        """Return whether every word fits this system; one that the system lacks does not."""
        return all(
            any(one.fits(part) for one in wanted for part in system.parts.get(word, []))
            for word, wanted in self._wanted.items()
        )


def system_of(fingerprint: Mapping[str, Any], target_kind: str = "local") -> System:
    """Return what a fingerprint says for conditions; of an older one some parts are missing."""
    kernel = _mapping(fingerprint.get("kernel"))
    container = _mapping(fingerprint.get("container"))
    compilers = _mapping(fingerprint.get("compiler"))
    components = _mapping(fingerprint.get("components"))
    parts = {
        "kernel": _named(f"{kernel.get('name', '')} {kernel.get('release', '')}"),
        "libc": _named(fingerprint.get("libc")),
        # The version stands last: "g++ (Debian 12.2.0-14) 12.2.0".
        "compiler": [
            Named(name, _last_version(str(text))) for name, text in sorted(compilers.items())
        ],
        "target_kind": [Named(target_kind)],
        "architecture": _text(kernel.get("machine")),
        "distribution": _text(fingerprint.get("distro")),
        "virtualization": _text(container.get("virtualization")),
    }
    for name, version in components.items():
        parts[_COMPONENT + name] = [Named(name, _first_version(str(version)))]
    return System({word: found for word, found in parts.items() if found})


def _flat(when: Mapping[str, Any]) -> dict[str, Any]:
    """Words and their values: ``component.redis`` in TOML is a table within the table."""
    flat: dict[str, Any] = {}
    for word, value in when.items():
        if isinstance(value, Mapping):
            flat |= {f"{word}.{inner}": text for inner, text in value.items()}
        else:
            flat[word] = value
    for word in flat:
        if word not in WORDS:
            near = did_you_mean(word, WORDS) or f"; there are {', '.join(WORDS)}"
            raise ConditionError(f"when has no word '{word}'{near}")
    return flat


def _alternatives(word: str, value: object) -> list[_Wanted]:
    given = value if isinstance(value, list) else [value]
    texts = [text.strip() for text in given if isinstance(text, str)]
    if len(texts) < len(given) or not texts or "" in texts:
        raise ConditionError(f"when.{word} has to be a text or a list of texts")
    return [_parse(word, text) for text in texts]


def _parse(word: str, text: str) -> _Wanted:
    if word in _CHOSEN and text not in _CHOSEN[word]:
        known = did_you_mean(text, _CHOSEN[word]) or f"; there is {', '.join(_CHOSEN[word])}"
        raise ConditionError(f"when.{word} has no '{text}'{known}")
    if word in _CHOSEN or word in _NAMED:
        return _Wanted(text, ())
    name, bounds = "*", text
    if not _BOUND.match(text):
        name, _, bounds = text.partition(" ")
    parsed = []
    for part in filter(None, bounds.strip().split(",")):
        match = _BOUND.fullmatch(part.strip())
        if match is None:
            raise ConditionError(
                f"when.{word} = '{text}': '{part.strip()}' is no bound such as >=6.1, <6.8 or 6.18"
            )
        parsed.append(_Bound(match[1] or "", _numbers(match[2])))
    return _Wanted(name, tuple(parsed))


def _named(told: object) -> list[Named]:
    """A name and its version out of one text, such as ``glibc 2.36``."""
    name, _, version = str(told or "").strip().partition(" ")
    return [Named(name, _first_version(version))] if name else []


def _text(told: object) -> list[Named]:
    return [Named(str(told))] if told else []


def _first_version(text: str) -> Version:
    match = _VERSION.search(text)
    return _numbers(match[0]) if match else ()


def _last_version(text: str) -> Version:
    found = _VERSION.findall(text)
    return _numbers(found[-1]) if found else ()


def _numbers(text: str) -> Version:
    return tuple(int(part) for part in text.split("."))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

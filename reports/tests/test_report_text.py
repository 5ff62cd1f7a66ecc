"""Texts that may hold anything: shown without harm, cut fairly, said for people."""

from __future__ import annotations

import random
import unicodedata
from xml.etree import ElementTree

import pytest

from gauntlet_reports.sample_run import NASTY
from gauntlet_reports.text import (
    clipped,
    clipped_head,
    count,
    duration,
    fair_limit,
    moment,
    one_line,
    visible,
    xml_text,
)

EVERYTHING = "".join(map(chr, range(0x3000))) + NASTY + "\ud800 \U0010ffff"


def test_visible_leaves_no_character_that_acts() -> None:
    shown = visible(EVERYTHING)
    left = {c for c in shown if unicodedata.category(c) in ("Cc", "Cs")} - {"\t", "\n"}
    assert left == set()
    assert not {"\u202e", "\u2066", "\u200b", "\u2028", "\ufeff"} & set(shown)
    assert visible("\x1b[1;31mred\x1b[0m\x1b]0;title\x07") == "red\\x1b]0;title\\x07"
    assert visible("a\r\nb\rc\x00") == "a\nb\\x0dc\\x00"
    assert visible("\u202e") == "<U+202E>"
    shown.encode("utf-8")


def test_visible_leaves_ordinary_text_alone() -> None:
    for text in ("p0 |send 1----|\n\tp1", "größer \N{GREEK SMALL LETTER MU}s, \u65e5\u672c"):
        assert visible(text) == text


def test_one_line_is_one_line() -> None:
    assert one_line(" a\n\n  b\t c\u2028d ") == "a b c<U+2028>d"


def test_xml_text_can_stand_in_any_document() -> None:
    element = ElementTree.Element("e", a=xml_text(EVERYTHING))
    element.text = xml_text(EVERYTHING)
    parsed = ElementTree.fromstring(ElementTree.tostring(element, "unicode"))
    assert parsed.text is not None
    assert "gnirts" in parsed.text


def test_clipping_says_how_much_is_missing_and_keeps_the_right_end() -> None:
    assert clipped("abcdef", 6) == "abcdef"
    assert clipped("abcdef", 2) == "ab\n[4 more characters]"
    assert clipped_head("abcdef", 2) == "[4 characters before this are left out]\nef"
    assert clipped_head("abc", 0).endswith("left out]\n")


def test_fair_limit_is_the_largest_that_fits() -> None:
    chance = random.Random(3)
    for _ in range(300):
        sizes = [chance.randrange(0, 1000) for _ in range(chance.randrange(0, 30))]
        budget = chance.randrange(0, 8000)
        limit = fair_limit(sizes, budget)
        assert sum(min(size, limit) for size in sizes) <= budget
        if sum(sizes) > budget:
            assert sum(min(size, limit + 1) for size in sizes) > budget
        else:
            assert all(size <= limit for size in sizes)


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0.0, "0.00 ms"),
        (0.25, "0.25 ms"),
        (4.4, "4 ms"),
        (1250, "1.25 s"),
        (200_000, "3 min 20 s"),
        (7_500_000, "2 h 5 min"),
    ],
)
def test_durations_are_said_as_people_say_them(milliseconds: float, words: str) -> None:
    assert duration(milliseconds) == words


def test_moments_are_in_utc_and_what_is_no_time_stays() -> None:
    assert moment("2026-11-23T05:10:00+02:00") == "2026-11-23 03:10:00 UTC"
    assert moment("2026-11-23T03:10:00.123Z") == "2026-11-23 03:10:00 UTC"
    assert moment("2026-11-23T03:10:00") == "2026-11-23 03:10:00"
    assert moment("yesterday") == "yesterday"


def test_counts_know_one() -> None:
    assert [count(n, "case") for n in (0, 1, 1000)] == ["0 cases", "1 case", "1,000 cases"]

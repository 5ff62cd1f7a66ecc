"""junit.xml: fits the schema of Jenkins, agrees with the totals, survives any text."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gauntlet_reports import RunData, load_run, render, totals
from gauntlet_reports.sample_run import write_sample

# Jenkins' junit-10.xsd in short: element -> required attributes, optional attributes, children.
# Suites hold properties, a case holds none: a validating server refuses a file that differs.
GRAMMAR: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": (
        {"name"},
        {"time", "classname", "group"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "skipped": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "failure": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
    "system-err": (set(), set(), set()),
}
TIME = re.compile(r"\d{0,3}\d*\.\d{3}")


def grammar_errors(element: ElementTree.Element) -> list[str]:
    required, optional, children = GRAMMAR[element.tag]
    given = set(element.keys())
    found = [f"{element.tag} lacks {name}" for name in required - given]
    found += [f"{element.tag} has {name}" for name in given - required - optional]
    if "time" in given and not TIME.fullmatch(element.get("time", "")):
        found.append(f"{element.tag} took {element.get('time')}")
    for child in element:
        if child.tag in children:
            found += grammar_errors(child)
        else:
            found.append(f"{element.tag} holds {child.tag}")
    return found


@pytest.fixture(name="run")
def fixture_run(tmp_path: Path) -> RunData:
    return load_run(write_sample(tmp_path))


@pytest.fixture(name="root")
def fixture_root(run: RunData) -> ElementTree.Element:
    return ElementTree.fromstring(render(run, "junit"))


def test_it_fits_the_schema(root: ElementTree.Element) -> None:
    assert grammar_errors(root) == []


def test_the_grammar_refuses_what_the_schema_refuses() -> None:
    for text in (
        "<testsuites skipped='1'/>",
        "<testsuite name='a' tests='1' failures='0'/>",
        "<testcase name='a'><properties/></testcase>",
        "<testcase name='a' time='soon'/>",
    ):
        assert grammar_errors(ElementTree.fromstring(text)), text


def test_counts_agree_with_the_totals_and_with_the_cases(
    run: RunData, root: ElementTree.Element
) -> None:
    counts = totals(run)
    assert root.get("tests") == str(sum(counts.values()))
    red = counts["fail"] + counts["hang"] + counts["crash"] + counts["unexpected_pass"]
    assert root.get("failures") == str(red) == str(len(root.findall(".//failure")))
    assert root.get("errors") == str(counts["error"] + counts["unfinished"])
    skipped = sum(counts[o] for o in ("not_run", "unsupported", "not_reached", "expected"))
    assert len(root.findall(".//skipped")) == skipped
    for suite in root:
        cases = suite.findall("testcase")
        assert suite.get("tests") == str(len(cases))
        assert suite.get("skipped") == str(len(suite.findall("testcase/skipped")))
        assert suite.get("errors") == str(len(suite.findall("testcase/error")))


def test_suites_are_methods_and_kinds(root: ElementTree.Element) -> None:
    names = [suite.get("name") for suite in root]
    assert names == sorted(set(names), key=str)
    assert "pipes.crashes" in names
    assert "message_queues.conformance" in names


def test_whatever_did_not_pass_says_why_and_how_to_repeat_it(root: ElementTree.Element) -> None:
    for tag in ("failure", "error", "skipped"):
        for element in root.iter(tag):
            assert element.get("message"), ElementTree.tostring(element)
    failed = [case for case in root.iter("testcase") if case.find("failure") is not None]
    for case in failed:
        printed = case.findtext("system-out", "")
        name = f"{case.get('classname')}.{case.get('name')}"
        assert re.search(r"^\[\[PROPERTY\|seed=\d+\]\]$", printed, re.MULTILINE)
        assert f"[[PROPERTY|repro=harness/gauntlet repro {name} --seed " in printed
        assert "repro: harness/gauntlet repro" in case.findtext("failure", "")


def test_suites_carry_seed_and_command(root: ElementTree.Element) -> None:
    properties = {p.get("name"): p.get("value") for p in root[0].iter("property")}
    assert properties["seed"] == "7"
    assert properties["command"] == "harness/gauntlet validate --profile smoke --seed 7"


def test_any_text_survives_without_the_characters_xml_has_no_room_for(
    root: ElementTree.Element,
) -> None:
    crash = next(e for e in root.iter("failure") if e.get("type") == "crash")
    case = next(c for c in root.iter("testcase") if crash in list(c))
    printed = case.findtext("system-out", "")
    assert "</script><script>document.title='taken'</script>" in printed
    assert "]]>" in printed
    assert "\x00" not in printed
    assert "\x1b" not in printed


def test_a_run_without_cases_is_still_a_document(tmp_path: Path) -> None:
    root = ElementTree.fromstring(render(load_run(tmp_path), "junit"))
    assert grammar_errors(root) == []
    assert root.get("tests") == "0"

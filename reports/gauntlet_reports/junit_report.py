"""junit.xml: the run for continuous-integration servers, one suite per method and kind.

The shape is that of the schema Jenkins publishes with its xUnit plugin (junit-10.xsd). It knows
properties on suites only, so that the seed and the command of a case, which that schema gives no
attribute, stand as ``[[PROPERTY|name=value]]`` lines in ``system-out``, where readers of several
servers look for them.
"""

from __future__ import annotations

from collections import defaultdict
from xml.etree import ElementTree

from gauntlet_reports.outcomes import (
    MACHINE,
    RED,
    SKIPPED,
    Entry,
    entries,
    message_of,
    repro_of,
)
from gauntlet_reports.run_data import Result, RunData
from gauntlet_reports.text import clipped_head, xml_text

# CI servers hold whole files in memory; the journal keeps what is left out here.
_OUTPUT_LIMIT = 64 * 1024


def render_junit(run: RunData) -> str:
    """junit.xml as text, in UTF-8 when encoded."""
    suites: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries(run):
        suites[f"{entry.case.method or 'unknown'}.{entry.case.kind or 'unknown'}"].append(entry)
    root = ElementTree.Element("testsuites", name="gauntlet")
    for name in sorted(suites):
        root.append(_suite(name, suites[name], run))
    for total in ("tests", "failures", "errors"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in root):.3f}")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _suite(name: str, listed: list[Entry], run: RunData) -> ElementTree.Element:
    suite = ElementTree.Element(
        "testsuite",
        name=xml_text(name),
        tests=str(len(listed)),
        failures=str(sum(_class(entry) == "failure" for entry in listed)),
        errors=str(sum(_class(entry) == "error" for entry in listed)),
        skipped=str(sum(_class(entry) == "skipped" for entry in listed)),
        time=f"{sum(e.result.duration_ms for e in listed if e.result) / 1000:.3f}",
    )
    if run.started:
        suite.set("timestamp", xml_text(run.started))
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in (
        ("seed", run.text("seed")),
        ("profile", run.text("profile")),
        ("selection", run.text("selection")),
        ("command", run.text("command")),
        ("run", run.folder),
    ):
        if value:
            ElementTree.SubElement(properties, "property", name=key, value=xml_text(value))
    for entry in sorted(listed, key=lambda e: (e.case.name, e.repetition)):
        suite.append(_case(entry, run))
    return suite


def _class(entry: Entry) -> str:
    if entry.outcome in RED:
        return "failure"
    if entry.outcome in MACHINE:
        return "error"
    if entry.outcome in SKIPPED or entry.outcome == "expected":
        return "skipped"
    return "passed"


def _case(entry: Entry, run: RunData) -> ElementTree.Element:
    suite_name, _, test_name = entry.case.name.partition(".")
    if entry.repetition:
        test_name += f" (repetition {entry.repetition})"
    case = ElementTree.Element(
        "testcase", name=xml_text(test_name or suite_name), classname=xml_text(suite_name)
    )
    result = entry.result
    if result:
        case.set("time", f"{result.duration_ms / 1000:.3f}")
    verdict_class = _class(entry)
    if verdict_class != "passed":
        child = ElementTree.SubElement(
            case, verdict_class, type=entry.outcome, message=xml_text(message_of(entry))
        )
        if verdict_class != "skipped":
            child.text = xml_text(_details(entry, run))
    printed = [f"[[PROPERTY|{key}={value}]]" for key, value in _properties(entry, run)]
    if result and result.output:
        printed.append(clipped_head(result.output, _OUTPUT_LIMIT))
    if printed:
        ElementTree.SubElement(case, "system-out").text = xml_text("\n".join(printed))
    return case


def _properties(entry: Entry, run: RunData) -> list[tuple[str, str]]:
    source = entry.result or entry.unfinished
    if source is None:
        return []
    return [("seed", str(source.seed)), ("repro", repro_of(entry, run))]


def _details(entry: Entry, run: RunData) -> str:
    result = entry.result
    parts = [f"promise: {entry.case.clause}"] if entry.case.clause else []
    if result:
        parts += [f"{f.file}:{f.line}: {f.message}" for f in result.failures]
        parts += _evidence(result)
    if repro := repro_of(entry, run):
        parts.append(f"repro: {repro}")
    return "\n".join(parts)


def _evidence(result: Result) -> list[str]:
    parts = [f"lanes:\n{result.lanes}"] if result.lanes else []
    if result.processes:
        parts.append(f"processes:\n{result.processes}")
    parts += [f"the kernel said ({line.kind}): {line.text}" for line in result.kernel]
    return parts + [f"left behind: {name}" for name in result.leftovers]

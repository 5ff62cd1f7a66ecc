"""The tables of docs/failing_calls.md, made from the result lines of a full run.

`python -m gauntlet_reports.failing_calls PAGE RESULTS` writes anew what is below the mark of PAGE;
what stands above is the page's own.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

MARK = "<!-- made by `python -m gauntlet_reports.failing_calls`: from here -->"
NAME = "failing calls: "
ROW = re.compile(
    r"^(?P<call>\S+) #(?P<nth>\d+) fails with (?P<error>\w+)(?P<always>, and all later ones)? -> "
    r"(?P<outcome>.+)$"
)
OUTCOMES = [
    "reported",
    "made up for",
    "retries",
    "not reached",
    "hidden",
    "lost",
    "leaked",
    "broken",
    "stuck",
    "crashed",
]
FINE = OUTCOMES[:4]

# subject -> operation -> (call, error, always) -> outcomes
Table = Mapping[str, Mapping[str, Mapping[tuple[str, str, bool], list[str]]]]


def tables(path: Path) -> Table:
    """Return what each failure came to."""
    found: defaultdict[str, defaultdict[str, defaultdict[tuple[str, str, bool], list[str]]]]
    found = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for line in path.read_text(encoding="utf-8").splitlines():
        result = json.loads(line)
        for name, text in (result.get("observed") or {}).items():
            if not name.startswith(NAME):
                continue
            operation = found[str(result["subject"])][name.removeprefix(NAME)]
            for row in text.splitlines():
                if match := ROW.match(row):
                    key = (match["call"], match["error"], match["always"] is not None)
                    operation[key].append(match["outcome"])
    return found


def sums(found: Table) -> list[str]:
    """Return a line a subject: how often each outcome."""
    lines = [
        "| subject | trials | " + " | ".join(OUTCOMES) + " |",
        "| --- |" + " ---: |" * (len(OUTCOMES) + 1),
    ]
    total: Counter[str] = Counter()
    for subject in sorted(found):
        counts = Counter(
            outcome
            for rows in found[subject].values()
            for outcomes in rows.values()
            for outcome in outcomes
        )
        total.update(counts)
        lines.append(_sum(f"`{subject}`", counts))
    lines.append(_sum("all", total))
    return lines


def _sum(name: str, counts: Counter[str]) -> str:
    cells = " | ".join(str(counts[outcome]) if counts[outcome] else "" for outcome in OUTCOMES)
    return f"| {name} | {counts.total()} | {cells} |"


def not_fine(found: Table) -> list[str]:
    """Return, a line a call and an outcome that is not fine, which errors bring it to whom."""
    where: defaultdict[tuple[str, str], defaultdict[str, set[str]]]
    where = defaultdict(lambda: defaultdict(set))
    for subject in found:
        for operation, rows in found[subject].items():
            for (call, error, _), outcomes in rows.items():
                for outcome in set(outcomes) - set(FINE):
                    where[call, outcome][error].add(f"{subject}: {operation}")
    lines = ["| call | outcome | errors | of |", "| --- | --- | --- | --- |"]
    for (call, outcome), errors in sorted(where.items()):
        whose = sorted(set().union(*errors.values()))
        lines.append(f"| `{call}` | {outcome} | {', '.join(sorted(errors))} | {'; '.join(whose)} |")
    return lines


def main(arguments: list[str]) -> None:
    """Read the results, write the page."""
    if len(arguments) != 2 or not (found := tables(Path(arguments[1]))):
        raise SystemExit("usage: failing_calls PAGE RESULTS, with walks over calls in the results")
    page = Path(arguments[0])
    above, mark, _ = page.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise SystemExit(f"{page} has no line '{MARK}'")
    below = [*sums(found), "", "## What is not fine, by call", "", *not_fine(found)]
    page.write_text(f"{above}{MARK}\n\n" + "\n".join(below) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

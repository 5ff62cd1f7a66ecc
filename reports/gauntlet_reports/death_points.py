"""The tables of docs/death_points.md, made from the result lines of the sweeps.

`python -m gauntlet_reports.death_points PAGE RESULTS…` writes anew what is below the mark of PAGE;
what stands above is the page's own. Of several files of results the tables must be equal: a sweep
is the same each time. Those whose code draws a random number (sem_open) are not compared.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

MARK = "<!-- made by `python -m gauntlet_reports.death_points`: from here -->"
NOT_REPEATABLE = "sem_open"
HEAD = re.compile(r"^(?P<scenario>.*), (?P<fault>[a-z ]+) of (?P<victim>[^,:]+): (?P<points>.*)$")
OUTCOME = re.compile(r"^ {2,10}(?P<count>\d+)  (?P<outcome>\S.*)$")


def tables(path: Path) -> dict[str, str]:
    """Return the tables by what was swept and the case that did it."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        result = json.loads(line)
        for name, text in result.get("observed", {}).items():
            if name.startswith("sweep: "):
                case = str(result.get("name") or result["case"]).rsplit(".", maxsplit=1)[-1]
                found[f"{name.removeprefix('sweep: ')} ({case})"] = text
    return found


def row(text: str) -> str:
    """Return the line of a table in the page's overview."""
    first, *rest = text.splitlines()
    head = HEAD.match(first)
    if head is None:
        raise ValueError(f"not the head of a table: {first}")
    counted = [match for line in rest if (match := OUTCOME.match(line))]
    outcomes = "; ".join(f"{match['count']} {match['outcome']}" for match in counted)
    points = head["points"].split(",", maxsplit=1)[0].removesuffix(" points")
    return f"| {head['scenario']} | {head['fault']} | {head['victim']} | {points} | {outcomes} |"


def below_the_mark(found: dict[str, str]) -> str:
    """Return the overview, and the places of what is not fine."""
    lines = ["| object | fault | to | points | outcomes |", "| --- | --- | --- | ---: | --- |"]
    lines += [row(found[key]) for key in sorted(found)]
    lines += ["", "## Where what is not fine lies", ""]
    for key in sorted(found):
        if len(found[key].splitlines()) > 2:
            lines += ["```", found[key].rstrip(), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def difference(runs: list[dict[str, str]]) -> str | None:
    """Return the first table that is not the same in all runs, as people read it."""
    first = runs[0]
    for again in runs[1:]:
        for key, text in first.items():
            if not key.startswith(NOT_REPEATABLE) and text != again.get(key):
                return f"not the same again: {key}\n{text}\n{again.get(key)}"
    return None


def main(arguments: list[str]) -> None:
    """Read the files, compare them, write the page."""
    runs = [tables(Path(name)) for name in arguments[1:]]
    if not runs or not runs[0]:
        raise SystemExit("usage: death_points PAGE RESULTS…, with sweeps in the results")
    if different := difference(runs):
        raise SystemExit(different)
    page = Path(arguments[0])
    above, mark, _ = page.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise SystemExit(f"{page} has no line '{MARK}'")
    page.write_text(f"{above}{MARK}\n\n{below_the_mark(runs[0])}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

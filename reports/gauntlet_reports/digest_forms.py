"""A digest as plain text for mail and chat, and as GitHub's Markdown."""

from __future__ import annotations

from gauntlet_reports.digest import Digest, Item
from gauntlet_reports.markdown_report import code, escaped
from gauntlet_reports.text import one_line


def render_digest_text(digest: Digest) -> str:
    """The digest as text, ending in a line end; the first line is the answer."""
    lines = [one_line(digest.answer)]
    for section in digest.sections:
        lines += ["", f"{section.title}:"]
        for item in section.items:
            lines += [f"  - {one_line(item.what)}"]
            lines += [f"    {one_line(name)}" for name in _names(item)]
            lines += [f"    repeat it: {one_line(item.repro)}"] if item.repro else []
    return "\n".join([*lines, "", *map(one_line, digest.numbers)]) + "\n"


def render_digest_markdown(digest: Digest) -> str:
    """The digest as Markdown, ending in a line end; the heading is the answer."""
    blocks = [f"# {escaped(digest.answer)}"]
    for section in digest.sections:
        blocks.append(f"## {escaped(section.title)}")
        lines = []
        for item in section.items:
            lines.append(f"- {escaped(item.what)}")
            lines += [f"  - {escaped(name)}" for name in _names(item)]
            lines += [f"  - repeat it: {code(item.repro)}"] if item.repro else []
        blocks.append("\n".join(lines))
    blocks.append("\n".join(f"{escaped(line)}  " for line in digest.numbers).rstrip())
    return "\n\n".join(blocks) + "\n"


def _names(item: Item) -> list[str]:
    cases = [f"{case} ({item.again[case]})" if case in item.again else case for case in item.cases]
    return [*cases, *([f"and {item.more:,} more"] if item.more else [])]

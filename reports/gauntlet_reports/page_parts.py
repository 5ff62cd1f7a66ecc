"""What every page is made with: templates that escape all they are given, styles, an icon."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gauntlet_reports.comparison_words import number
from gauntlet_reports.text import clipped, duration, moment, one_line, visible

_PAGE = Path(__file__).parent / "page"


def page_file(name: str) -> str:
    """A style sheet or a script of the pages as text."""
    return (_PAGE / name).read_text(encoding="utf-8")


def page_environment() -> Environment:
    """Templates in which everything that came from a test is escaped and made visible."""
    environment = Environment(
        loader=FileSystemLoader(_PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        keep_trailing_newline=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., object]] = {
        "shown": lambda text, limit=2000: visible(clipped(str(text), limit)),
        "line": lambda text, limit=400: one_line(clipped(str(text), limit)),
        "duration": duration,
        "moment": lambda iso: one_line(clipped(moment(iso), 60)),
        "number": number,
        "breakable": _breakable,
    }
    environment.filters |= filters
    return environment


def _harmless(value: object) -> object:
    """The last step before any value reaches the page: none can hide or reorder its neighbours."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def source_hash(source: str) -> str:
    """What the page's content security policy allows to run or to style: this text alone."""
    digest = hashlib.sha256(source.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode()


def _breakable(name: str) -> Markup:
    """A long case name that may break where its parts end."""
    shown = Markup.escape(one_line(clipped(name, 400)))
    for mark in (".", "_", "/"):
        shown = shown.replace(mark, Markup(mark + "<wbr>"))
    return Markup(shown)


def icon(colour: str, good: bool) -> str:
    """A tick or a cross on a colour, as the address of an image that needs no network."""
    mark = "M4 8.5l3 3 5-7" if good else "M5 5l6 6M11 5l-6 6"
    svg = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
        f"<rect width='16' height='16' rx='4' fill='{colour}'/>"
        f"<path d='{mark}' fill='none' stroke='white' stroke-width='2'/></svg>"
    )
    return "data:image/svg+xml," + quote(svg)

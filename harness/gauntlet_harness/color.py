"""Whether output is coloured: one rule for every command."""

from __future__ import annotations

import os
import sys

from rich.console import Console


def use_color() -> bool:
    """Whether stdout takes colours: it is a terminal, and NO_COLOR is unset or empty."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def make_console() -> Console:
    """Return the console of stdout that keeps to this rule, whatever else the environment asks."""
    return Console(highlight=False, force_terminal=sys.stdout.isatty(), no_color=not use_color())

"""Lets ``python -m gauntlet_harness`` be the command line."""

from __future__ import annotations

import sys

from gauntlet_harness.cli import main

if __name__ == "__main__":
    sys.exit(main())

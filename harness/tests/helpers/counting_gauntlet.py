"""The command line with a budget that counts: each look at its clock is a second later.

How often a night repeats its cases then depends on their number alone, on no machine's speed.
"""

from __future__ import annotations

import functools
import itertools
import sys

from gauntlet_harness import cli, validate
from gauntlet_harness.campaign import Campaign

if __name__ == "__main__":
    clock = map(float, itertools.count())
    validate.Campaign = functools.partial(Campaign, clock=clock.__next__)  # type: ignore[misc]
    sys.exit(cli.main())

"""The kinds of targets: a night's configuration and an expectation's condition name them."""

from __future__ import annotations

import typing
from typing import Literal

TargetKind = Literal["local"]
"""How a target is reached: ``local`` is the machine that the harness runs on."""

TARGET_KINDS: tuple[str, ...] = typing.get_args(TargetKind)

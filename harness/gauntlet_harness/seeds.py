"""Seeds: the bounds of one, and the case's own seed derived from the master seed.

``case_seed`` is the suite's hash (fixtures/base/seed.cpp), repeated here so that the journal can
name a case's seed before the case runs, and a runner that died without a word can be repeated.
"""

from __future__ import annotations

import hashlib
import secrets

from gauntlet_harness.errors import UsageError

LARGEST_SEED = 2**32 - 1
_MASK = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15


def parse_seed(text: str) -> int:
    """Return the seed that ``text`` names; 0 … 4294967295 in decimal."""
    if not (text.isascii() and text.isdigit()) or int(text) > LARGEST_SEED:
        raise UsageError(f"--seed must be a whole number from 0 to {LARGEST_SEED}, not '{text}'")
    return int(text)


def draw_seed() -> int:
    """Return a fresh master seed."""
    return secrets.randbelow(LARGEST_SEED + 1)


def case_seed(master_seed: int, case_name: str, repetition: int) -> int:
    """Return hash(master seed, case name, repetition), 32 bits."""
    value = 0xCBF29CE484222325  # FNV-1a, 64 bits
    for byte in case_name.encode():
        value = ((value ^ byte) * 0x100000001B3) & _MASK
    value = _mix(value + _GOLDEN * (master_seed + 1))
    value = _mix(value + _GOLDEN * (repetition + 1))
    return value >> 32


def _mix(z: int) -> int:
    z &= _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def order_key(master_seed: int, case_name: str, repetition: int) -> bytes:
    """Return the place of a case in a shuffled run; independent of every other case."""
    text = f"order:{master_seed}:{repetition}:{case_name}"
    return hashlib.blake2b(text.encode(), digest_size=8).digest()

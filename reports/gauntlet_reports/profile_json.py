"""Behaviour profiles as JSON: ``profile.json`` of a run, two side by side, and reading one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from gauntlet_reports.comparison_input import ComparisonInputError
from gauntlet_reports.profile import SCHEMA_VERSION, Profile, SideBySide, Value


class _Head(msgspec.Struct):
    schema: int = SCHEMA_VERSION
    values: list[msgspec.Raw] | None = None


def render_profile_json(profile: Profile) -> str:
    """profile.json as text, shaped as ``reports/schema/profile.schema.json`` says."""
    return _indented(profile)


def render_profiles_json(view: SideBySide) -> str:
    """Two profiles row by row, shaped as ``reports/schema/profiles.schema.json`` says."""
    assert view.after is not None
    both = (view.before, view.after)
    return _indented(
        {
            "schema": SCHEMA_VERSION,
            "band": view.band,
            "systems": [
                {
                    name: value
                    for name, value in msgspec.to_builtins(one).items()
                    if name != "values"
                }
                for one in both
            ],
            "rows": [
                {
                    **{
                        name: getattr(row.value, name)
                        for name in ("method", "topic", "subject", "case", "name")
                    },
                    "difference": row.difference,
                    "before": _side(row.before, view.band),
                    "after": _side(row.after, view.band),
                }
                for row in view.rows
            ],
        }
    )


def is_profile(path: Path) -> bool:
    """Whether a file is a profile.json, kept from whichever run."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Head).values is not None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return False


def read_profile(path: Path) -> Profile:
    """Read a profile.json; one that cannot be read or is newer is a ComparisonInputError."""
    try:
        raw = path.read_bytes()
        schema = msgspec.json.decode(raw, type=_Head).schema
        if schema > SCHEMA_VERSION:
            raise ComparisonInputError(
                f"{path} is of schema {schema}; these reports know {SCHEMA_VERSION}"
            )
        return msgspec.json.decode(raw, type=Profile)
    except OSError as error:
        raise ComparisonInputError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ComparisonInputError(f"{path} is no profile.json: {error}") from None


def _side(value: Value | None, band: float) -> dict[str, Any] | None:
    if value is None:
        return None
    return {"measured": value.interval(band), "texts": value.texts}


def _indented(document: object) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n"

"""The file that describes a night, read strictly: what it does not know, it refuses."""

from __future__ import annotations

import tomllib
import typing
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from gauntlet_harness.cases import Profile
from gauntlet_harness.durations import parse_budget
from gauntlet_harness.errors import UsageError
from gauntlet_harness.near import did_you_mean
from gauntlet_harness.seeds import LARGEST_SEED
from gauntlet_harness.target_kinds import TARGET_KINDS, TargetKind

Form = Literal["text", "markdown"]
_Positive = Annotated[int, msgspec.Meta(ge=1, le=4096)]
_Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
_Words = Annotated[list[str], msgspec.Meta(min_length=1)]


class TargetConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A system to validate."""

    name: str = "local"
    kind: TargetKind = "local"
    baseline: str | None = None  # Instead of that of all targets.


class _Delivery(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="to"
):
    """Where a digest goes, and in which form."""

    form: Form = "text"


class FileDelivery(_Delivery, frozen=True, tag="file"):
    """Into a file, replaced whole; ``-`` is no file: stdout has the text anyway."""

    path: str


class CommandDelivery(_Delivery, frozen=True, tag="command"):
    """To the stdin of a command, which is not run by a shell."""

    command: _Words


class SmtpDelivery(_Delivery, frozen=True, tag="smtp"):
    """By mail, through a server that takes it without a login."""

    sender: str
    recipients: _Words
    host: str = "localhost"
    port: _Port = 25


class WebhookDelivery(_Delivery, frozen=True, tag="webhook"):
    """As ``{"text": …}`` to a URL, as the webhooks of most chats take it."""

    url: str


Delivery = FileDelivery | CommandDelivery | SmtpDelivery | WebhookDelivery


class NightConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a night is to do. Paths are relative to the folder of the file."""

    targets: Annotated[list[TargetConfig], msgspec.Meta(min_length=1)]
    budget: str | None = None
    profile: Profile = "full"
    seed: int | str = "date"
    jobs: _Positive | None = None
    select: str | None = None
    preset: str = "release"
    suites: list[str] = []
    runs: str | None = None
    expectations: str | None = None
    baseline: str = "previous"
    retention: Annotated[int, msgspec.Meta(ge=1)] = 30
    digest: list[Delivery] = []

    @property
    def budget_s(self) -> float | None:
        """The budget in seconds, for all targets each."""
        return None if self.budget is None else parse_budget(self.budget)

    def baseline_of(self, target: str) -> str:
        """Return what the nights of a target are compared with, by its name."""
        given = (one.baseline for one in self.targets if one.name == target)
        return next(given, None) or self.baseline

    def master_seed(self, day: datetime) -> int:
        """Return the fixed seed, or the day as a number, 20261128."""
        return self.seed if isinstance(self.seed, int) else int(f"{day:%Y%m%d}")


def read_night_config(path: Path) -> NightConfig:
    """Read the file; whatever is wrong with it is a UsageError of one line."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        config = msgspec.convert(raw, NightConfig)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}: {error}{_hint(str(error))}") from None
    _check(path, config)
    return config


def _check(path: Path, config: NightConfig) -> None:
    if config.budget is not None:
        try:
            parse_budget(config.budget)
        except UsageError as error:
            raise UsageError(f"{path}: {str(error).replace('--budget', 'budget')}") from None
    fixed = isinstance(config.seed, int) and 0 <= config.seed <= LARGEST_SEED
    if not fixed and config.seed != "date":
        raise UsageError(
            f'{path}: seed must be a whole number from 0 to {LARGEST_SEED} or "date",'
            f" not {config.seed!r}"
        )
    names = [target.name for target in config.targets]
    if len(set(names)) < len(names):
        raise UsageError(f"{path}: two targets have the same name")
    for delivery in config.digest:
        if isinstance(delivery, WebhookDelivery) and not delivery.url.startswith(
            ("http://", "https://")
        ):
            raise UsageError(f"{path}: the url of a webhook begins with http:// or https://")


def _hint(complaint: str) -> str:
    """Near names for a key or a word that is unknown."""
    parts = complaint.split("`")
    where = parts[-2] if len(parts) > 2 else "$"
    word = complaint.split("`")[1] if "unknown field `" in complaint else ""
    if word:
        return did_you_mean(word, _keys(where))
    if "Invalid " in complaint and "'" in complaint:
        return did_you_mean(complaint.split("'")[1], _WORDS.get(where.rpartition(".")[2], ()))
    return ""


def _keys(where: str) -> list[str]:
    kinds: tuple[type[msgspec.Struct], ...] = (NightConfig,)
    if where.startswith("$.targets"):
        kinds = (TargetConfig,)
    elif where.startswith("$.digest"):
        kinds = typing.get_args(Delivery)
    return [field.name for kind in kinds for field in msgspec.structs.fields(kind)]


_WORDS: dict[str, tuple[str, ...]] = {
    "to": ("file", "command", "smtp", "webhook"),
    "profile": typing.get_args(Profile),
    "form": typing.get_args(Form),
    "kind": TARGET_KINDS,
}

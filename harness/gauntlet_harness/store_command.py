"""The command ``harness/gauntlet store`` as the command line offers it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from gauntlet_harness.near import did_you_mean

_FILE = click.Path(dir_okay=False, path_type=Path)


class _Subcommands(click.Group):
    """A group that proposes near names for a subcommand that does not exist."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None:
            near = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(f"there is no command 'store {args[0]}'{near or '; try --help'}")
        return super().resolve_command(ctx, args)


def store_command(root: Callable[[], Path]) -> click.Group:
    """Return the command; ``root`` tells the checkout whose runs/ it is about."""

    def file_of(given: Path | None) -> Path:
        return given or root() / "runs" / "store.sqlite"

    option = click.option(
        "--store",
        "given",
        type=_FILE,
        metavar="FILE",
        help="Another store than runs/store.sqlite.",
    )

    @click.group(cls=_Subcommands)
    def store() -> None:
        """Keep the results of many runs in one SQLite file, for history and trends.

        `validate` adds its run by itself. The store is made of the run folders
        and can be made again from them at any time.
        """

    @store.command()
    @option
    def rebuild(given: Path | None) -> int:
        """Make the store again from all run folders: those beside it, or under runs/."""
        from gauntlet_harness.store_keeping import rebuild_store

        return rebuild_store(root(), file_of(given))

    @store.command()
    @click.argument("runs", nargs=-1, required=True, metavar="RUN...")
    @option
    def add(runs: tuple[str, ...], given: Path | None) -> int:
        """Add runs, or put what they have become in place of what was stored.

        RUN is a folder, a name under runs/ or `latest`.
        """
        from gauntlet_harness.store_keeping import add_runs

        return add_runs(root(), file_of(given), runs)

    @store.command()
    @option
    def status(given: Path | None) -> int:
        """Show what the store holds and whether a run folder is missing from it."""
        from gauntlet_harness.store_keeping import show_status

        return show_status(root(), file_of(given))

    @store.command()
    @click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Keep the newest N runs.")
    @click.option("--older-than", metavar="TIME", help="Remove runs from before, such as 90d.")
    @click.option(
        "--keep-run", "kept", multiple=True, metavar="RUN", help="Never this one; may be repeated."
    )
    @click.option("--folders", is_flag=True, help="Remove their folders under runs/ as well.")
    @option
    def prune(
        keep: int | None,
        older_than: str | None,
        kept: tuple[str, ...],
        folders: bool,
        given: Path | None,
    ) -> int:
        """Remove old runs from the store, and with --folders from the disk.

        With both --keep and --older-than a run has to be beyond both.

        \b
        Examples:
          harness/gauntlet store prune --keep 365
          harness/gauntlet store prune --older-than 90d --folders --keep-run baseline
        """
        from gauntlet_harness.store_keeping import Retention, parse_days, prune_store

        if keep is None and older_than is None:
            raise click.UsageError("say which runs: --keep N, --older-than 90d or both")
        days = None if older_than is None else parse_days(older_than)
        retention = Retention(keep=keep, older_than=days, kept=kept)
        return prune_store(root(), file_of(given), retention, folders=folders)

    return store

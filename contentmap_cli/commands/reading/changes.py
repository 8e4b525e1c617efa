"""`contentmap changes`: the change feed, every change of URLs in the order of the commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TextIO, cast

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.completion import complete_domain
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import UsageError
from contentmap_cli.output.formats import CHANGES_FORMATS, Format

if TYPE_CHECKING:
    from collections.abc import Callable

    from contentmap_cli.models.feed import Cursor
    from contentmap_cli.output.answers.changes import ChangesWriter
    from contentmap_cli.storage.session import Sessions

EPILOG = """\
Examples:
  contentmap changes --after now --format json
  contentmap changes --after 1.812.0.790.2918236182.3120034791
  contentmap changes --domain example.com --follow

Each change has a cursor: --after goes on behind it. Without --after it begins with all that is recorded.

Exit codes: 0; 2 not a cursor of this database; 3 changes after the cursor were pruned; 5; 6 no database.
"""
NOW = "now"
POLL_SECONDS = 1.0
DATABASE_SECONDS = 300.0
"""Time in seconds that --follow waits for an unavailable database."""


def changes(
    cli: GlobalOptions,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Changes after a cursor, or `now`.")
    ] = None,
    domains: Annotated[
        list[str] | None,
        typer.Option(
            "--domain",
            metavar="DOMAIN",
            help="Only this domain; repeatable.",
            show_default=False,
            autocompletion=complete_domain,
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for further changes.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, max=10**12, metavar="N", help="Maximum number of changes.")
    ] = None,
    format: opt.ChangesFormat = None,
    as_json: opt.JsonOption = False,
    output: opt.OutputOption = None,
) -> None:
    """List every added, changed and removed URL in the order of the commits."""
    from contentmap_cli.commands.interface.target_input import domain_name
    from contentmap_cli.models.feed import read_cursor

    chosen = opt.chosen(format, as_json, CHANGES_FORMATS, output)
    if follow and (chosen is Format.JSON or output not in (None, "-")):
        raise UsageError(
            "--follow does not end: it writes no JSON document and no file",
            hint="use --format ndjson or csv, and a pipe",
        )
    cursor = read_cursor(after) if after is not None and after != NOW else None
    names = tuple(map(domain_name, domains or ()))
    feed = _Feed(cli, names, cursor, at_end=after == NOW, limit=limit)
    run_async(feed.follow(chosen) if follow else feed.write(chosen, output))


class _Feed:
    """One reading of the feed."""

    def __init__(
        self,
        cli: GlobalOptions,
        domains: tuple[str, ...],
        cursor: Cursor | None,
        *,
        at_end: bool,
        limit: int | None,
    ) -> None:
        self._cli = cli
        self._tenant = cli.tenant_name
        self._domains = domains
        self._cursor = cursor
        self._at_end = at_end
        self._left = limit
        self._shown: str | None = str(cursor) if cursor else None  # the last cursor that the reader has

    async def write(self, format: Format, output: str | None) -> None:
        """Write what there is."""
        from contentmap_cli.commands.database.connection import database_for_reading
        from contentmap_cli.commands.interface.answer_output import answer_to, has_left
        from contentmap_cli.output.answers.changes import changes_writer
        from contentmap_cli.output.writers.deferred_buffer import DeferredText

        async with database_for_reading(self._cli) as sessions:
            await self._begin(sessions)
            with answer_to(output) as out:
                text = DeferredText()
                writer = changes_writer(format, cast("TextIO", text))
                while await self._next(sessions, writer) and not has_left(out):
                    text.send(out)  # no transaction is open while the reader pauses
                self._show_cursor(writer)
                writer.finish(str(self._cursor))
                text.send(out)
        self._cli.note(f"go on with --after {self._cursor}")

    async def follow(self, format: Format) -> None:
        """Write what there is and what comes, until a signal, or until the reader has closed the pipe."""
        import asyncio

        from contentmap_cli.commands.database.connection import database_for_reading
        from contentmap_cli.commands.database.database_retry import DatabaseRetry
        from contentmap_cli.commands.engine.stop_signals import signals_to
        from contentmap_cli.commands.interface.answer_output import answer_to, has_left
        from contentmap_cli.errors import ConnectionLost
        from contentmap_cli.output.answers.changes import changes_writer
        from contentmap_cli.output.writers.deferred_buffer import DeferredText
        from contentmap_cli.threads import run_in_thread

        stopped = asyncio.Event()
        async with database_for_reading(self._cli) as sessions:
            retry = DatabaseRetry(DATABASE_SECONDS, sessions.database.shown)

            def stop(_reason: str) -> None:
                stopped.set()
                retry.stop()

            await self._begin(sessions)
            with answer_to(None) as out, signals_to(stop, "stopping"):
                text = DeferredText()
                writer = changes_writer(format, cast("TextIO", text))
                text.send(out)  # the header of CSV
                while not stopped.is_set() and not has_left(out) and self._left != 0:
                    more = await retry.until_it_answers(
                        lambda: self._next(sessions, writer, text.discard), gone=ConnectionLost
                    )
                    self._show_cursor(writer)
                    await run_in_thread(text.send, out)  # a signal is handled meanwhile
                    if not more:
                        await retry.pause(POLL_SECONDS)

    async def _begin(self, sessions: Sessions) -> None:
        """Find where to begin. Raise UsageError for a cursor of another database or selection."""
        from contentmap_cli.storage.reading import change_feed

        await _number(sessions)
        async with sessions.read() as session, session.begin():
            if self._cursor is None:
                self._cursor = await change_feed.begin(
                    session, self._tenant, self._domains, at_end=self._at_end
                )
            else:
                await change_feed.require_ours(session, self._tenant, self._domains, self._cursor)
            for name in await change_feed.unknown_domains(session, self._tenant, self._domains):
                self._cli.note(f"{name} is not recorded: it has no changes yet")

    async def _next(
        self, sessions: Sessions, writer: ChangesWriter, discard: Callable[[], None] | None = None
    ) -> bool:
        """Write the next changes, read in one transaction, and return whether there may be more.

        `discard` drops what an attempt has written that failed."""
        from contentmap_cli.errors import CursorExpired
        from contentmap_cli.models.feed import read_cursor
        from contentmap_cli.storage.reading.change_feed import FeedReader

        if discard is not None:
            discard()
            await _number(sessions)
        assert self._cursor is not None  # noqa: S101 - `_begin` was called
        reader = FeedReader(self._tenant, self._domains, self._cursor)
        written, last = 0, ""
        try:
            async with sessions.read() as session, session.begin():
                async for change in reader.next(session):
                    writer.write(change)
                    written += 1
                    last = change.cursor
                    if written == self._left:
                        break
        except CursorExpired:
            if self._shown is not None:
                raise
            self._cursor = None  # pruned since it began, and the reader has nothing of it: begin again
            await self._begin(sessions)
            return True
        whole = self._left is None or written < self._left
        moved = reader.cursor != self._cursor
        self._cursor = reader.cursor if whole else read_cursor(last)
        self._shown = last or self._shown
        if self._left is not None:
            self._left -= written
        return whole and moved

    def _show_cursor(self, writer: ChangesWriter) -> None:
        """Write the cursor where no change that was written has it."""
        if str(self._cursor) != self._shown:
            self._shown = str(self._cursor)
            writer.position(self._shown)


async def _number(sessions: Sessions) -> None:
    """Number the rows that are committed and have no position. A role that may only read, and a server that
    only replicates, leave that to the runs."""
    from contentmap_cli.errors import ConnectionLost
    from contentmap_cli.storage.database_errors import storage_error
    from contentmap_cli.storage.jobs.change_feed import has_unnumbered, sequence_changes

    if sessions.database.dialect == "sqlite":
        return
    async with sessions.read() as session, session.begin():
        if not await has_unnumbered(session):
            return
    try:
        async with sessions.brief() as session, session.begin():
            await sequence_changes(session)
    except Exception as error:
        known = storage_error(error, sessions.database.shown)
        if known is None or isinstance(known, ConnectionLost):
            raise

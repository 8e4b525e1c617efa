"""`contentmap notify`: deliver notifications, list them, test a target."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

    from contentmap_cli.commands.notifying.notifier import Notifier
    from contentmap_cli.commands.settings.crawl_settings import ScanSettings
    from contentmap_cli.models.results import StoredMessage

EPILOG = """\
Examples:
  contentmap notify --test https://example.com/hook
  contentmap notify --pending
  contentmap notify --notify https://example.com/hook

Without --pending or --test, the messages that are to be delivered to the targets of --notify, also of the
environment and the settings files, are sent now. Webhooks need a secret (docs/notifications.md).

Exit codes: 0; 2 usage; 3 not delivered; 5 database; 6 no database (--pending).
"""

_LIMIT = 1_000
_SECONDS = 600.0  # time for all that is to be delivered


def notify(
    cli: GlobalOptions,
    *,
    crawl: opt.NotifyTargets,
    pending: Annotated[
        bool, typer.Option("--pending", help="List what is to be delivered or was given up.")
    ] = False,
    test: Annotated[
        str | None, typer.Option("--test", metavar="TARGET", help="Send a test message to this target.")
    ] = None,
    as_json: opt.JsonAlone = False,
) -> int:
    """Deliver notifications of finished jobs."""
    from contentmap_cli.commands.notifying.notifier import Notifier
    from contentmap_cli.commands.settings.crawl_settings import ScanSettings

    settings = ScanSettings.of(crawl)
    if test is not None:
        if pending:
            raise UsageError("--test and --pending exclude each other", hint="use one of them")
        return run_async(_test(test, settings, as_json=as_json))
    notifier = Notifier.of(settings, cli.tenant_name)
    if pending:
        return run_async(_pending(cli, notifier, as_json=as_json))
    if not notifier.targets:
        raise UsageError("no target is named", hint="name one with --notify, or list with --pending")
    return run_async(_deliver(cli, notifier, as_json=as_json))


async def _test(text: str, settings: ScanSettings, *, as_json: bool) -> int:
    from contentmap_cli.commands.notifying.sender import Sender
    from contentmap_cli.commands.notifying.targets import parse_targets
    from contentmap_cli.output.notification import test_message
    from contentmap_cli.storage.jobs.notifications import new_message_id

    target = parse_targets([text], settings.notify_secret)[0]
    settings.crawl_options()  # checks --ca-file
    async with Sender(settings.ca_file) as sender:
        sent = await sender.send(target, new_message_id(), test_message())
    if as_json:
        result = {"type": "notification_test", "schema": 1, "target": target.label, "error": sent.error}
        print(json.dumps(result))
    else:
        print(f"{target.label}: {sent.error or 'delivered'}")
    return Exit.CLEAN if sent.error is None else Exit.NOT_CLEAN


async def _deliver(cli: GlobalOptions, notifier: Notifier, *, as_json: bool) -> int:
    from contentmap_cli.commands.database.connection import database_for_writing
    from contentmap_cli.output.number_format import plural
    from contentmap_cli.storage.session import Sessions

    async with database_for_writing(cli, create=False) as database:
        left = await notifier.deliver(Sessions(database), seconds=_SECONDS, due_only=False)
    failures = notifier.failures
    if as_json:
        answer = {"type": "notify", "schema": 1, "delivered": notifier.delivered, "pending": left}
        print(json.dumps(answer | {"errors": failures}))
    else:
        print(f"{plural(notifier.delivered, 'message')} delivered, {left:,} to be delivered")
        for label, error in failures.items():
            print(f"{label}: {error}")
    return Exit.NOT_CLEAN if left or failures else Exit.CLEAN


async def _pending(cli: GlobalOptions, notifier: Notifier, *, as_json: bool) -> int:
    from contentmap_cli.commands.database.connection import database_for_reading
    from contentmap_cli.storage.jobs.notifications import undelivered

    async with database_for_reading(cli) as sessions, sessions.read() as session, session.begin():
        rows = await undelivered(session, notifier.tenant, limit=_LIMIT)
    known = {target.digest for target in notifier.targets}
    if as_json:
        for row in rows:
            print(json.dumps(_object(row, known)))
        return Exit.CLEAN
    if not rows:
        cli.note("nothing is to be delivered")
        return Exit.CLEAN
    _write_table(cli, rows, known)
    return Exit.CLEAN


def _object(row: StoredMessage, known: Collection[str]) -> dict[str, object]:
    from contentmap_cli.output.objects import timestamp

    return {
        "type": "notification",
        "schema": 1,
        "webhook_id": row.message_id,
        "job_id": row.job_id,
        "target": row.label,
        "configured": row.target in known,
        "status": row.status.value,
        "attempts": row.attempts,
        "created_at": timestamp(row.created_at),
        "next_attempt_at": timestamp(row.next_attempt_at) if row.status == "pending" else None,
        "error": row.error,
    }


def _write_table(cli: GlobalOptions, rows: Collection[StoredMessage], known: Collection[str]) -> None:
    from contentmap_cli.commands.interface.answer_output import answer_to, width_of
    from contentmap_cli.models.statuses import MessageStatus
    from contentmap_cli.output.columns import Cell, Column, Line, write_table
    from contentmap_cli.output.number_format import moment

    columns = (
        *(Column("STATUS"), Column("TARGET", fit=40), Column("ATTEMPTS", right=True)),
        *(Column("NEXT (UTC)"), Column("JOB")),
    )
    lines = []
    for row in rows:
        waits = row.status is MessageStatus.PENDING
        error = row.error or ""
        if waits and row.target not in known:
            error = f"{error}; " * bool(error) + "the target is not configured here"
        cells = (row.status.value, row.label, f"{row.attempts:,}")
        last = (moment(row.next_attempt_at) if waits else "", row.job_id)
        lines.append(Line([Cell(text) for text in (*cells, *last)], note=Cell(error)))
    with answer_to(None) as out:
        write_table(out, columns, lines, width=width_of(out), color=cli.colored(out), note="ERROR")

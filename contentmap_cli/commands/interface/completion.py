"""Shell completion of job ids and domains.

They are read from the database of the command line, the environment or a settings file. After an error or
one second there are no completions and no message.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, cast

import typer

from contentmap_cli.commands.settings import config_files

if TYPE_CHECKING:
    from contentmap_cli.commands.interface.global_options import GlobalOptions
    from contentmap_cli.storage.session import GuardedSession

_SECONDS = 1.0
_MOST = 50


def complete_job(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the newest jobs whose id begins with `incomplete`, with status and size."""

    async def jobs(session: GuardedSession, tenant: str) -> Iterable[tuple[str, str]]:
        from contentmap_cli.output.number_format import moment, plural
        from contentmap_cli.storage.jobs.job_queries import list_jobs

        return [
            (job.job_id, f"{job.status.value}, {plural(job.total, 'domain')}, {moment(job.created_at)} UTC")
            for job in await list_jobs(session, tenant, limit=_MOST)
        ]

    return _found(context, incomplete, jobs)


def complete_domain(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return scanned domains that begin with `incomplete`, the last scanned first."""

    async def domains(session: GuardedSession, tenant: str) -> Iterable[tuple[str, str]]:
        from contentmap_cli.storage.reading.contents import known_domains

        return [(name, "") for name in await known_domains(session, tenant, begin=incomplete, limit=_MOST)]

    return _found(context, incomplete, domains)


def complete_subject(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return jobs if `incomplete` begins like a job id, otherwise domains."""
    return (complete_job if incomplete.startswith("sitemap_") else complete_domain)(context, incomplete)


def _found(
    context: typer.Context,
    incomplete: str,
    ask: Callable[[GuardedSession, str], Awaitable[Iterable[tuple[str, str]]]],
) -> list[tuple[str, str]]:
    import asyncio

    try:
        signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
        signal.setitimer(signal.ITIMER_REAL, _SECONDS)
        cli = _cli(context)
        answers = asyncio.run(_asked(cli, ask))
        return [answer for answer in answers if answer[0].startswith(incomplete)]
    except BaseException:  # a message would appear within the command line
        return []
    finally:
        with contextlib.suppress(Exception):  # where there is no alarm, none was set
            signal.setitimer(signal.ITIMER_REAL, 0)


async def _asked(
    cli: GlobalOptions, ask: Callable[[GuardedSession, str], Awaitable[Iterable[tuple[str, str]]]]
) -> Iterable[tuple[str, str]]:
    from contentmap_cli.commands.database.connection import database_for_reading

    async with database_for_reading(cli) as sessions, sessions.read() as session, session.begin():
        return await ask(session, cli.tenant_name)


def _cli(context: typer.Context) -> GlobalOptions:
    """Return the effective database and tenant; settings files are not read yet during completion."""
    from contentmap_cli.commands.interface.global_options import GlobalOptions

    settings = config_files.read_layers(_given(context, "config"))
    db, tenant = (
        _given(context, name) or (str(settings[name].value) if name in settings else None)
        for name in ("db", "tenant")
    )
    return GlobalOptions(db=db, tenant=tenant)


def _given(context: typer.Context, name: str) -> str | None:
    """Return an option of the command line, before or after the command's name, or of the environment."""
    contexts = [each for each in (context, context.parent) if each is not None]
    for flags_only in (True, False):
        for each in contexts:
            value = each.params.get(name)
            if value and (
                not flags_only or config_files.source_of(cast("typer.Context", each), name) == "COMMANDLINE"
            ):
                return str(value)
    return None

"""Carries a worker out: database, crawlers, signals and exit code around one QueueRun."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from contentmap_cli.commands.database.connection import database_address, database_for_writing
from contentmap_cli.commands.database.database_retry import DatabaseRetry
from contentmap_cli.commands.engine.crawler_pool import CrawlerPool
from contentmap_cli.commands.engine.queue_run import QueueRun
from contentmap_cli.commands.engine.run_id import new_run_id
from contentmap_cli.commands.engine.stop_signals import signals_to
from contentmap_cli.commands.interface.answer_output import say
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.process_setup import raise_file_limit
from contentmap_cli.errors import ConnectionLost, Exit
from contentmap_cli.storage.database_url import show_database_address
from contentmap_cli.storage.engine import Database
from contentmap_cli.storage.queue.host_slots import SharedHostSlots
from contentmap_cli.storage.queue.queue_driver import QueueDriver
from contentmap_cli.storage.session import Sessions


@dataclass(frozen=True, slots=True)
class Terms:
    """How a worker works: domains at once, through which proxy, where it keeps bodies, how long it takes to
    end (seconds), how long it waits for a database that is gone (seconds), and whether it ends when the queue
    is empty."""

    concurrency: int
    proxy: str | None
    body_cache: str | None
    grace: float
    patience: float
    drain: bool


async def work(cli: GlobalOptions, tenant: str, terms: Terms) -> int:
    """Runs a worker to its end. Returns the exit code, raises DatabaseUnavailable where the database was gone
    for too long."""
    raise_file_limit()
    _log_runner()
    address = database_address(cli)
    patience = DatabaseRetry(terms.patience, show_database_address(address))
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        database = await _opened(cli, patience, stack)
        if database is None:
            return Exit.CLEAN
        places = await stack.enter_async_context(SharedHostSlots(address))
        crawlers = CrawlerPool(
            concurrency=terms.concurrency, proxy=terms.proxy, body_cache=terms.body_cache, places=places
        )
        run = QueueRun(
            Sessions(database, patience.up.wait),
            crawlers,
            QueueDriver(address, patience),
            tenant,
            new_run_id(),
            patience,
            concurrency=terms.concurrency,
            grace=terms.grace,
            drain=terms.drain,
        )
        say(
            f"worker {run.owner}: {terms.concurrency:,} domains at once, from {database.shown}",
            unless=cli.quiet,
        )
        try:
            with signals_to(run.stop, "stopping: what is under way may finish, the rest is handed back …"):
                await run.run()
        finally:
            await crawlers.close()
            seconds = time.monotonic() - started
            say(f"worker ended: {run.finished_domains:,} domains in {seconds:,.0f} s", unless=cli.quiet)
    return Exit.CLEAN


def _log_runner() -> None:
    """Send the warnings of pgqueuer's runner where ContentMap's go."""
    runner = logging.getLogger("pgqueuer")
    runner.setLevel(logging.WARNING)
    for handler in logging.getLogger("contentmap").handlers:
        runner.addHandler(handler)


async def _opened(cli: GlobalOptions, patience: DatabaseRetry, stack: AsyncExitStack) -> Database | None:
    """Open the database, waiting while it cannot be reached; return None if the worker was stopped meanwhile.
    A refusal of the server, for example of a password, is raised at once."""
    try:
        async with asyncio.timeout(None) as wait:
            with signals_to(lambda reason: wait.reschedule(0), "stopping: nothing was begun"):
                return await patience.until_it_answers(
                    lambda: stack.enter_async_context(database_for_writing(cli, create=False)),
                    gone=ConnectionLost,
                )
    except TimeoutError:
        if not wait.expired():
            raise
        return None

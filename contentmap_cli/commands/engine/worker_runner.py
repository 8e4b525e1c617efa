"""Run a worker: database, crawlers, signals and exit code around one QueueRun."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from contentmap_cli.commands.database.connection import database_address, database_for_writing
from contentmap_cli.commands.database.database_retry import DatabaseRetry
from contentmap_cli.commands.engine.crawler_pool import CrawlerPool
from contentmap_cli.commands.engine.metrics import Endpoint, WorkerMetrics
from contentmap_cli.commands.engine.queue_run import QueueRun
from contentmap_cli.commands.engine.queued_output import queued_output
from contentmap_cli.commands.engine.run_id import new_run_id
from contentmap_cli.commands.engine.stop_signals import signals_to
from contentmap_cli.commands.interface.answer_output import say
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.logging_setup import reopen_log_file
from contentmap_cli.commands.interface.process_setup import raise_file_limit
from contentmap_cli.commands.notifying.notifier import Notifier
from contentmap_cli.errors import ConnectionLost, Exit
from contentmap_cli.storage.engine import Database
from contentmap_cli.storage.queue.host_slots import SharedHostSlots
from contentmap_cli.storage.queue.queue_driver import QueueDriver
from contentmap_cli.storage.server_driver import require_sessions
from contentmap_cli.storage.session import Sessions


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """The options of a worker. `shutdown_timeout` is the time in seconds for running domains after a signal,
    `database_timeout` the time in seconds to wait for an unavailable database. With `drain` it ends when the
    queue is empty. `notifier` is for the jobs that it ends. Its metrics are given at `metrics`."""

    concurrency: int
    proxy: str | None
    body_cache: str | None
    shutdown_timeout: float
    database_timeout: float
    drain: bool
    notifier: Notifier
    metrics: Endpoint | None = None


async def work(cli: GlobalOptions, tenant: str, options: WorkerOptions) -> int:
    """Run a worker to its end and return the exit code. Raises DatabaseUnavailable if the database was
    unreachable for too long."""
    raise_file_limit()
    _log_runner()
    address = database_address(cli)
    retry = DatabaseRetry(options.database_timeout, address.shown)
    started = time.monotonic()
    async with queued_output() as queues, AsyncExitStack() as stack:
        stack.callback(queues.hurry)
        metrics = WorkerMetrics(retry.up.is_set) if options.metrics is not None else None
        if metrics is not None and options.metrics is not None:
            await stack.enter_async_context(metrics.given_at(options.metrics))
        database = await _opened(cli, retry, stack)
        if database is None:
            return Exit.CLEAN
        await retry.until_it_answers(lambda: require_sessions(address), gone=ConnectionLost)
        slots = await stack.enter_async_context(SharedHostSlots(address))
        crawlers = CrawlerPool(
            concurrency=options.concurrency,
            proxy=options.proxy,
            body_cache=options.body_cache,
            host_slots=slots,
            traces=() if metrics is None else (metrics.request_trace(),),
        )
        run = QueueRun(
            Sessions(database, retry.up.wait),
            crawlers,
            QueueDriver(address, retry),
            tenant,
            new_run_id(),
            retry,
            concurrency=options.concurrency,
            grace=options.shutdown_timeout,
            drain=options.drain,
            notifier=options.notifier,
        )
        if metrics is not None:
            run.on_finished = metrics.finished
            await metrics.follow(run.crawling, run.count_queue)
        say(
            f"worker {run.owner}: {options.concurrency:,} domains at once, from {database.shown}",
            unless=cli.quiet,
        )
        try:
            message = "stopping: finishing running domains, returning the others to the queue"
            with signals_to(run.stop, message, hangup=reopen_log_file):
                await run.run()
            await options.notifier.deliver_after_run(run.sessions)
        finally:
            await crawlers.close()
            seconds = time.monotonic() - started
            say(f"worker ended: {run.finished_domains:,} domains in {seconds:,.0f} s", unless=cli.quiet)
    return Exit.CLEAN


def _log_runner() -> None:
    """Send the warnings of pgqueuer's runner to ContentMap's log handlers."""
    runner = logging.getLogger("pgqueuer")
    runner.setLevel(logging.WARNING)
    for handler in logging.getLogger("contentmap").handlers:
        runner.addHandler(handler)


async def _opened(cli: GlobalOptions, retry: DatabaseRetry, stack: AsyncExitStack) -> Database | None:
    """Open the database, waiting while it cannot be reached; return None if the worker was stopped meanwhile.
    A refusal of the server, for example of a password, is raised at once."""
    try:
        async with asyncio.timeout(None) as wait:
            message = "stopping: no domain was claimed"
            with signals_to(lambda reason: wait.reschedule(0), message, hangup=reopen_log_file):
                return await retry.until_it_answers(
                    lambda: stack.enter_async_context(database_for_writing(cli, create=False)),
                    gone=ConnectionLost,
                )
    except TimeoutError:
        if not wait.expired():
            raise
        return None

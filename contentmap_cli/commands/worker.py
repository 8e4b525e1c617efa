"""`contentmap worker`: does queued work on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import command, run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions

EPILOG = """\
Examples:

  contentmap worker --db postgresql://user@host/database

  contentmap worker -c 200 --drain

It takes what `contentmap scan --queue` left, of its tenant, until it is told to end: once (Ctrl-C, SIGTERM),
and it takes nothing more, finishes what it can and hands back the rest; twice, and it leaves at once. A job's
own options hold for its domains. `contentmap status` shows the workers and what waits.

Exit codes: 0 it was told to end, or the queue is empty (--drain); 2 usage, or no server; 5 the database was
gone for too long.
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the app."""
    command(app, "worker", epilog=EPILOG)(worker)


def worker(
    cli: GlobalOptions,
    concurrency: opt.Concurrency = None,
    proxy: opt.Proxy = None,
    body_cache: opt.BodyCache = None,
    drain: Annotated[bool, typer.Option("--drain", help="End when the queue is empty.")] = False,
    grace: Annotated[
        float,
        typer.Option(
            "--stop-within",
            min=0.0,
            max=opt.MOST_SECONDS,
            metavar="SECONDS",
            help="Once told to end: time for the domains under way. What is not done then is handed back.",
        ),
    ] = 20.0,
    patience: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=opt.MOST_SECONDS,
            metavar="SECONDS",
            help="How long to wait for a database that cannot be reached, also at the start.",
        ),
    ] = 300.0,
) -> int:
    """Do queued scans on this machine. Any number of workers, anywhere, share the work."""
    from contentmap_cli.commands.engine.enqueue import require_queue
    from contentmap_cli.commands.engine.worker_runner import Terms, work
    from contentmap_cli.commands.settings.crawl_settings import ScanSettings

    require_queue(cli)
    settings = ScanSettings(concurrency=concurrency, proxy=proxy, body_cache=body_cache).on_this_machine()
    options = settings.crawl_options()
    terms = Terms(options.concurrency, options.proxy, settings.body_cache, grace, patience, drain)
    return run_async(work(cli, cli.tenant_name, terms))

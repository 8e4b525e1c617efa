"""`contentmap worker`: run queued scans."""

from __future__ import annotations

from typing import Annotated

import typer

from contentmap_cli.commands.interface import options as opt
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.help_pages import MORE

EPILOG = """\
Examples:
  contentmap worker --db postgresql://user@host/database
  contentmap worker -c 200 --drain

A worker runs the jobs that `contentmap scan --queue` has queued for its tenant. The first Ctrl-C or SIGTERM
stops it after the running domains, up to --shutdown-timeout; domains that are not finished return to the
queue. The second one stops it at once.

Exit codes: 0 stopped, or queue empty (--drain); 2 usage; 5 database unavailable.
"""


def worker(
    cli: GlobalOptions,
    crawl: opt.WorkerCrawl,
    drain: Annotated[bool, typer.Option("--drain", help="Exit when the queue is empty.")] = False,
    shutdown_timeout: Annotated[
        float,
        typer.Option(
            "--shutdown-timeout",
            "--stop-within",
            min=0.0,
            max=opt.MOST_SECONDS,
            metavar="SECONDS",
            help="Wait for running domains.",
        ),
    ] = 20.0,
    database_timeout: Annotated[
        float,
        typer.Option(
            "--database-timeout",
            "--patience",
            min=0.0,
            max=opt.MOST_SECONDS,
            metavar="SECONDS",
            help="Wait for an unavailable database.",
        ),
    ] = 300.0,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="PORT|FILE",
            help="Metrics (OpenMetrics) at [HOST:]PORT or in FILE.",
            rich_help_panel=MORE,
        ),
    ] = None,
) -> int:
    """Run queued scans on this machine."""
    from contentmap_cli.commands.engine.enqueue import require_queue

    require_queue(cli)
    from contentmap_cli.commands.engine.metrics import parse_endpoint
    from contentmap_cli.commands.engine.worker_runner import WorkerOptions, work
    from contentmap_cli.commands.notifying.notifier import Notifier
    from contentmap_cli.commands.settings.crawl_settings import ScanSettings

    settings = ScanSettings.of(crawl).on_this_machine()
    options = settings.crawl_options()
    terms = WorkerOptions(
        options.concurrency,
        "" if settings.no_proxy else settings.proxy,
        settings.body_cache,
        shutdown_timeout,
        database_timeout,
        drain,
        Notifier.of(settings, cli.tenant_name),
        parse_endpoint(metrics) if metrics is not None else None,
    )
    return run_async(work(cli, cli.tenant_name, terms))

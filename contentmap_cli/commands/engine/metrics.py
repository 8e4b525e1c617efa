"""Metrics of a worker (`worker --metrics`) in the OpenMetrics format, over HTTP or in a file.

The metrics are those of the Prometheus client library, an extra. They count; no domain, URL or address is a
label.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aiohttp
from sqlalchemy import event

from contentmap_cli.errors import UsageError
from contentmap_cli.models import DomainSummary
from contentmap_cli.storage.session import GuardedSession

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger("contentmap.worker")

HOST: Final = "127.0.0.1"
REFRESH_SECONDS: Final = 15.0
"""Interval at which the queue is counted and a file is written."""

_LAG_SECONDS = 1.0
_BEGAN = "contentmap_metrics_began"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_DOMAIN_SECONDS = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 900)


class Endpoint(NamedTuple):
    """Where metrics are given: at an address, or in a file."""

    host: str
    port: int
    path: str | None = None


def parse_endpoint(text: str) -> Endpoint:
    """Return the endpoint for the value of `--metrics`: PORT, HOST:PORT or a file. Raise UsageError if the
    port is none, or if the extra is not installed."""
    try:
        import prometheus_client  # noqa: F401 - whether it is there
    except ImportError:
        raise UsageError(
            "--metrics needs the extra `metrics`", hint="pip install 'contentmap-cli[metrics]'"
        ) from None
    address = re.fullmatch(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]*):)?(?P<port>[0-9]+)", text)
    if address is None:
        if not text:
            raise UsageError("--metrics is empty", hint="give a port, HOST:PORT or a file")
        return Endpoint("", 0, text)
    port = int(address["port"])
    if not 0 < port < 65536:
        raise UsageError(f"--metrics {text}: no port", hint="give a port from 1 to 65535")
    return Endpoint((address["host"] or HOST).strip("[]"), port)


class WorkerMetrics:
    """The metrics of one worker. `is_up` returns whether the database is reachable."""

    def __init__(self, is_up: Callable[[], bool]) -> None:
        from prometheus_client import (
            CollectorRegistry,
            Counter,
            Gauge,
            Histogram,
            PlatformCollector,
            ProcessCollector,
        )

        self._is_up = is_up
        self._is_written = True
        self._count_queue: Callable[[], Awaitable[Mapping[str, int]]] | None = None
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        def new(kind: Any, name: str, text: str, *labels: str, **more: Any) -> Any:
            return kind(f"contentmap_{name}", text, labels, registry=registry, **more)

        self._queue = new(Gauge, "queue_entries", "Entries of the queue.", "status")
        self._domains = new(Counter, "domains", "Domains with an outcome.", "outcome")
        self._domain_seconds = new(
            Histogram, "domain_seconds", "Time of one domain's scan.", buckets=_DOMAIN_SECONDS
        )
        self._requests = new(
            Histogram, "request_seconds", "Time to an answer's headers.", "status", buckets=_SECONDS
        )
        self._retries = new(Counter, "request_retries", "Requests repeated after a failure.")
        self._bytes = new(Counter, "fetched_bytes", "Bytes received in bodies.")
        self._urls = new(Counter, "urls", "URLs of recorded domains.")
        self._transactions = new(
            Histogram,
            "transaction_seconds",
            "Time from a transaction's first statement to its end.",
            "role",
            buckets=_SECONDS,
        )
        self._lag = new(Histogram, "event_loop_lag_seconds", "Delay of the event loop.", buckets=_SECONDS)
        self._running = new(Gauge, "domains_running", "Domains that are being crawled.")
        new(Gauge, "database_up", "Whether the database is reachable.").set_function(is_up)

    # -- what is counted

    async def follow(
        self, running: Callable[[], int], count_queue: Callable[[], Awaitable[Mapping[str, int]]]
    ) -> None:
        """Take the number of domains that are being crawled and the queue's entries by status from these,
        and count the queue."""
        self._running.set_function(running)
        self._count_queue = count_queue
        await self._count()

    def finished(self, summary: DomainSummary) -> None:
        """Count a domain that has an outcome."""
        self._domains.labels(str(summary.status)).inc()
        self._domain_seconds.observe(summary.seconds)
        self._retries.inc(summary.retries)
        self._bytes.inc(summary.fetched_bytes)
        self._urls.inc(summary.urls)

    def request_trace(self) -> aiohttp.TraceConfig:
        """Return what counts the requests of an aiohttp session."""

        async def start(_session: Any, context: SimpleNamespace, _params: Any) -> None:
            context.began = time.monotonic()

        async def end(_session: Any, context: SimpleNamespace, params: Any) -> None:
            response = getattr(params, "response", None)
            status = f"{response.status // 100}xx" if response is not None else "error"
            self._requests.labels(status).observe(time.monotonic() - context.began)

        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(start)
        trace.on_request_end.append(end)
        trace.on_request_exception.append(end)
        return trace

    @contextmanager
    def _transactions_observed(self) -> Iterator[None]:
        def began(session: Any, _transaction: Any, _connection: Any) -> None:
            session.info[_BEGAN] = time.monotonic()

        def ended(session: Any, transaction: Any) -> None:
            if transaction.parent is None and (since := session.info.pop(_BEGAN, None)) is not None:
                self._transactions.labels(str(session.context.role)).observe(time.monotonic() - since)

        listeners = (("after_begin", began), ("after_transaction_end", ended))
        for name, listener in listeners:
            event.listen(GuardedSession.sync_session_class, name, listener)
        try:
            yield
        finally:
            for name, listener in listeners:
                event.remove(GuardedSession.sync_session_class, name, listener)

    # -- where they are given

    @asynccontextmanager
    async def given_at(self, endpoint: Endpoint) -> AsyncIterator[None]:
        """Serve or write the metrics during the block.

        Raise UsageError if the port or the file cannot be used.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(self._transactions_observed())
            if endpoint.path is None:
                stack.push_async_callback((await self._serve(endpoint)).cleanup)
            else:
                self._write_first(endpoint.path)
                stack.callback(self._write_or_warn, endpoint.path)
            tasks = [
                asyncio.create_task(work) for work in (self._measure_lag(), self._refresh(endpoint.path))
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, endpoint: Endpoint) -> web.AppRunner:
        """Answer `/metrics`, and `/health` with 200 or, while the worker cannot work, 503 and why."""
        from aiohttp import web
        from prometheus_client.exposition import choose_encoder

        application = web.Application()

        async def metrics(request: web.Request) -> web.Response:
            encode, kind = choose_encoder(",".join(request.headers.getall("Accept", [])))
            return web.Response(body=encode(self.registry), headers={"Content-Type": kind})

        async def health(_request: web.Request) -> web.Response:
            if not self._is_up():
                return web.Response(status=503, text="the database is unavailable\n")
            return web.Response(text="ok\n")

        application.router.add_get("/metrics", metrics)
        application.router.add_get("/health", health)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, endpoint.host, endpoint.port).start()
        except (OSError, UnicodeError) as error:  # UnicodeError: no host name
            await runner.cleanup()
            raise UsageError(
                f"--metrics cannot use {endpoint.host}:{endpoint.port}: "
                f"{getattr(error, 'strerror', None) or error}",
                hint="give another port or host",
            ) from None
        return runner

    def _write(self, path: str) -> None:
        """Write the file as a whole, so that no reader sees a part of it. Raise OSError."""
        from prometheus_client import write_to_textfile

        write_to_textfile(path, self.registry)

    def _write_first(self, path: str) -> None:
        try:
            self._write(path)
        except OSError as error:
            raise UsageError(
                f"--metrics cannot write {path}: {error.strerror or error}", hint="give another file"
            ) from None

    def _write_or_warn(self, path: str) -> None:
        """Write the file. Warn if it cannot be written, and not again until it was."""
        try:
            self._write(path)
            self._is_written = True
        except OSError as error:
            if self._is_written:
                reason, extra = error.strerror or error, {"action": "metrics.not_written"}
                log.warning("--metrics cannot write %s: %s", path, reason, extra=extra)
            self._is_written = False

    async def _count(self) -> None:
        if not self._is_up() or self._count_queue is None:
            return
        try:
            found = await self._count_queue()
        except Exception:  # the worker notices that its database fails, and says so
            self._queue.clear()
        else:
            for status in ("queued", "picked"):
                self._queue.labels(status).set(found.get(status, 0))

    async def _refresh(self, path: str | None) -> None:
        while True:
            await self._count()
            if path is not None:
                await asyncio.to_thread(self._write_or_warn, path)
            await asyncio.sleep(REFRESH_SECONDS)

    async def _measure_lag(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(_LAG_SECONDS)
            self._lag.observe(max(0.0, time.monotonic() - began - _LAG_SECONDS))

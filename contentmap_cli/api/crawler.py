"""Crawl sites without recording anything."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from contentmap_cli.commands.interface.options import CHECKED
from contentmap_cli.commands.settings import config_files
from contentmap_cli.commands.settings.crawl_settings import ScanSettings
from contentmap_cli.crawl import crawler as engine
from contentmap_cli.crawl.results import DomainCrawl
from contentmap_cli.crawl.targets import parse_target
from contentmap_cli.errors import Failure, UsageError
from contentmap_cli.models import CrawledFile, Entry, FileStatus, Probe, Problem, ScanStatus
from contentmap_cli.models.entry_rows import entries_of

_READ = frozenset({FileStatus.OK, FileStatus.PARTIAL})


class CrawlResult:
    """What a crawl found out about one site. Its entries are in temporary files.

    The files are deleted by `close()`, at the end of a `with` block, or with the object.
    """

    def __init__(self, crawl: DomainCrawl) -> None:
        self._crawl = crawl
        self._close = weakref.finalize(self, crawl.close)

    @property
    def domain(self) -> str:
        """The site's name: lower case, A-labels, without `www.`, with a port that is not the scheme's own."""
        return self._crawl.domain

    @property
    def outcome(self) -> ScanStatus:
        """`ok`, `empty`, `partial`, `failed` or `deferred`, as docs/outcomes.md defines them."""
        return self._crawl.status

    @property
    def failure(self) -> Failure | None:
        """The code and message that explain an outcome other than `ok` and `empty`."""
        return self._crawl.failure

    @property
    def complete(self) -> bool:
        """Whether every source was read whole or proven absent, so that what is not listed does not exist."""
        return self._crawl.complete

    @property
    def files(self) -> tuple[CrawledFile, ...]:
        """The sitemaps, indexes and feeds that were requested, with the result of each."""
        return self._crawl.files

    @property
    def problems(self) -> Mapping[str, tuple[Problem, ...]]:
        """The problems of each document that has some, by URL; robots.txt included."""
        found: dict[str, tuple[Problem, ...]] = {}
        robots = self._crawl.robots_file
        if robots is not None and robots.problems:
            found[robots.url] = robots.problems
        for file in self.files:
            if file.document is not None and file.document.problems:
                found.setdefault(file.url, file.document.problems)
        return found

    def entries(self) -> Iterator[Entry]:
        """Yield the pages that the files list, file by file, each file's in the order of their URLs.

        A URL comes once for each file that lists it. Reads from disk, in constant memory.
        """
        if not self._close.alive:
            raise ValueError("the crawl result is closed")
        seen: set[str] = set()
        for index, file in enumerate(self.files):
            if file.status in _READ and file.url not in seen:
                seen.add(file.url)
                for batch in self._crawl.rows(index):
                    yield from entries_of(batch)

    def close(self) -> None:
        """Delete the entries. May be called more than once."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<CrawlResult {self.domain}: {self.outcome}, {len(self.files)} files>"


class Crawler:
    """Crawls sites, several at once where `crawl` is awaited concurrently. Use it with `async with`.

    The options have the names and the defaults of the command line (docs/reference.md). Times are in seconds.
    Raises `contentmap_cli.errors.UsageError` for a value that cannot be used.
    """

    def __init__(
        self,
        *,
        user_agent: str | None = None,
        robots_agent: str | None = None,
        header: Sequence[str] = (),
        user: str | None = None,
        proxy: str | None = None,
        no_proxy: bool = False,
        connect_to: Sequence[str] = (),
        allow_private: bool = False,
        allow_net: Sequence[str] = (),
        ca_file: str | None = None,
        cert: str | None = None,
        key: str | None = None,
        netrc: bool = False,
        netrc_file: str | None = None,
        signature_key: str | None = None,
        signature_agent: str | None = None,
        insecure: bool = False,
        allow_http: bool = False,
        delay: float | None = None,
        timeout: float | None = None,
        connect_timeout: float | None = None,
        domain_time: float | None = None,
        domain_wait: float | None = None,
        per_host: int | None = None,
        per_address: int | None = None,
        max_urls: int | None = None,
        max_file_size: str | None = None,
        probe: Probe | str = Probe.AUTO,
        ignore_robots: bool = False,
    ) -> None:
        given = {
            "user_agent": user_agent,
            "robots_agent": robots_agent,
            "header": header,
            "user": user,
            "proxy": proxy,
            "no_proxy": no_proxy,
            "connect_to": connect_to,
            "allow_private": allow_private,
            "allow_net": allow_net,
            "ca_file": ca_file,
            "cert": cert,
            "key": key,
            "netrc": netrc,
            "netrc_file": netrc_file,
            "signature_key": signature_key,
            "signature_agent": signature_agent,
            "insecure": insecure,
            "allow_http": allow_http,
            "delay": delay,
            "timeout": timeout,
            "connect_timeout": connect_timeout,
            "domain_time": domain_time,
            "domain_wait": domain_wait,
            "per_host": per_host,
            "per_address": per_address,
            "max_urls": max_urls,
            "max_file_size": max_file_size,
            "probe": probe,
            "ignore_robots": ignore_robots,
        }
        settings = ScanSettings.of({name: _checked(name, value) for name, value in given.items()})
        self._engine = engine.Crawler(settings.crawl_options())
        self._is_open = False

    async def crawl(self, target: str) -> CrawlResult:
        """Crawl one site: a domain, an origin, a folder's URL or a sitemap's URL.

        A site that cannot be read is a result with the outcome `failed`, not an exception. Raises
        `contentmap_cli.errors.UsageError` for a target that names no site, and ValueError outside of
        `async with`.
        """
        if not self._is_open:
            raise ValueError("the crawler is not open: use it with `async with`")
        if not isinstance(target, str):
            raise UsageError("target requires text", hint='for example "example.com"')
        return CrawlResult(await self._engine.crawl(parse_target(target)))

    async def __aenter__(self) -> Self:
        await self._engine.__aenter__()
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        await self._engine.__aexit__(kind, error, trace)


def _checked(name: str, value: Any) -> Any:
    """Return the value of an option. Raise UsageError if the command line would not take it."""
    if value is None:
        return None
    option = CHECKED.options[name]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        value = list(value)
    checked = config_files.check_argument(name, option, value, "Crawler")
    return Probe(checked) if name == "probe" else checked

"""The account of one domain's crawl: what was asked, read, refused and recorded so far."""

from __future__ import annotations

from collections.abc import Callable

from contentmap_cli.crawl.discovery import Candidate
from contentmap_cli.crawl.responses import FetchedFile
from contentmap_cli.crawl.results import CrawlProgress, DomainCrawl, domain_status
from contentmap_cli.crawl.robots import Robots
from contentmap_cli.crawl.spool import Segment, Spools
from contentmap_cli.errors import Code, Failure
from contentmap_cli.values import CrawledFile, Document, FileStatus, Limits


class Ledger:
    """Counts and keeps; the first mention of a limit stands for all of them.

    `error` is the domain's own failure, `overlooked` says that something known was not asked for, or gave no
    answer that counts, so that what is missing now may still exist.
    """

    def __init__(
        self, domain: str, limits: Limits, progress: Callable[[CrawlProgress], None] | None = None
    ) -> None:
        self._domain = domain
        self._limits = limits
        self._progress = progress
        self._files: list[tuple[int, CrawledFile, Segment | None]] = []
        self._hits: dict[str, Failure] = {}
        self._requests = self._bytes = self._urls = 0
        self._deferred = False
        self.notes: list[Failure] = []
        self.error: Failure | None = None
        self.overlooked = False

    @property
    def bytes_left(self) -> int:
        """What the domain may still send."""
        return max(0, self._limits.domain_bytes - self._bytes)

    @property
    def urls_left(self) -> int:
        """How many entries the domain may still have."""
        return max(0, self._limits.domain_urls - self._urls)

    @property
    def stopped(self) -> bool:
        """Whether a limit of the whole domain ends the crawl here."""
        return Code.DEADLINE in self._hits or not self.bytes_left or not self.urls_left

    @property
    def empty(self) -> bool:
        """Whether no file is recorded."""
        return not self._files

    def fetched(self, fetched: FetchedFile) -> None:
        """Puts a fetch on the account."""
        self._requests += fetched.requests
        self._bytes += fetched.size
        self._deferred = self._deferred or fetched.retry_after is not None
        if fetched.failure is not None and fetched.failure.code == Code.DEADLINE:
            self.out_of_time()
        if not self.bytes_left:
            self.hit(Code.BUDGET_EXHAUSTED, f"the domain has more than {self._limits.domain_bytes} bytes")

    def out_of_time(self) -> None:
        """The domain's time is up."""
        self.hit(Code.DEADLINE, f"the domain took longer than {self._limits.domain_time:g} seconds")

    def too_many_urls(self) -> None:
        """Entries were dropped because there are more than the domain may have."""
        self.hit(Code.BUDGET_EXHAUSTED, f"the domain has more than {self._limits.domain_urls} URLs")

    def hit(self, code: Code, message: str) -> None:
        """A limit was hit; what was read until then is kept."""
        self._hits.setdefault(code, Failure(code, message))

    def record(
        self,
        candidate: Candidate,
        fetched: FetchedFile | None,
        status: FileStatus,
        *,
        error: Failure | None = None,
        document: Document | None = None,
        segment: Segment | None = None,
    ) -> None:
        """One sitemap file is done; without `fetched` it was not asked for at all."""
        headers = fetched.headers if fetched else None
        file = CrawledFile(
            url=candidate.url,
            status=status,
            discovered_by=candidate.discovered_by,
            parent=candidate.parent,
            final_url=fetched.final_url if fetched else None,
            document=document,
            error=error,
            http_status=fetched.status if fetched else None,
            content_type=headers.content_type if headers else None,
            etag=headers.etag if headers else None,
            last_modified=headers.last_modified if headers else None,
            size_bytes=fetched.size if fetched else 0,
            response_ms=fetched.ms if fetched else None,
            lastmod=candidate.lastmod,
        )
        self._files.append((candidate.number, file, segment))
        if segment is not None:
            self._urls += segment.pages
        if self._progress is not None:
            self._progress(
                CrawlProgress(self._domain, len(self._files), self._urls, self._requests, self._bytes)
            )

    def result(self, spools: Spools, more_limits: dict[str, Failure], robots: Robots) -> DomainCrawl:
        """The account closed: files in the order in which they came up."""
        self._files.sort(key=lambda each: each[0])
        files = tuple(file for _, file, _ in self._files)
        limits = tuple({**more_limits, **self._hits}.values())
        whole = all(file.status in (FileStatus.OK, FileStatus.UNCHANGED) for file in files)
        return DomainCrawl(
            domain=self._domain,
            files=files,
            requests=self._requests,
            fetched_bytes=self._bytes,
            error=self.error,
            limits=limits,
            notes=tuple(self.notes),
            complete=whole and not (self.error or limits or self._deferred or self.overlooked),
            status=domain_status(files, error=self.error, limits=limits, deferred=self._deferred),
            spools=spools,
            segments=tuple(segment for _, _, segment in self._files),
            robots=robots,
            robots_file=robots.file,
        )

"""Statistics and sources of one domain's crawl."""

from __future__ import annotations

from collections.abc import Callable

from contentmap_cli.crawl.discovery import Candidate
from contentmap_cli.crawl.http.responses import FetchedFile
from contentmap_cli.crawl.pages.answers import Answer, state_of
from contentmap_cli.crawl.reading.spool import Segment, Spools
from contentmap_cli.crawl.results import CrawlProgress, DomainCrawl
from contentmap_cli.crawl.robots import Robots
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import CrawledFile, Document, DocumentKind, FileStatus, Limits
from contentmap_cli.models.evidence import conclude, worth_recording
from contentmap_cli.models.sources import Source, SourceKind, SourceState


class CrawlStats:
    """Counts requests, bytes and URLs, and collects files and sources.

    `error` is the failure of the domain itself, `robots_source` the outcome of the robots.txt of the site's
    origin.
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
        self._sources: list[Source] = []
        self.notes: list[Failure] = []
        self.error: Failure | None = None
        self.robots_source: Source | None = None

    @property
    def bytes_left(self) -> int:
        """The remaining bytes of the domain."""
        return max(0, self._limits.domain_bytes - self._bytes)

    @property
    def urls_left(self) -> int:
        """The remaining URLs of the domain."""
        return max(0, self._limits.domain_urls - self._urls)

    @property
    def stopped(self) -> bool:
        """Whether a limit of the domain ends the crawl."""
        return Code.DEADLINE in self._hits or not self.bytes_left or not self.urls_left

    @property
    def deferred(self) -> bool:
        """Whether the site asked to retry later than the run allows."""
        return self._deferred

    @property
    def lists_pages(self) -> bool:
        """Whether a sitemap file lists pages."""
        return any(source.entries for source in self._sources)

    def fetched(self, fetched: FetchedFile) -> None:
        """Count a fetch."""
        self._requests += fetched.requests
        self._bytes += fetched.size
        self._deferred = self._deferred or fetched.retry_after is not None
        if fetched.failure is not None and fetched.failure.code == Code.DEADLINE:
            self.out_of_time()
        if not self.bytes_left:
            self.hit(Code.BUDGET_EXHAUSTED, f"the domain has more than {self._limits.domain_bytes} bytes")

    def out_of_time(self) -> None:
        """Record that the domain's time limit is reached."""
        self.hit(Code.DEADLINE, f"the domain took longer than {self._limits.domain_time:g} seconds")

    def too_many_urls(self) -> None:
        """Record that URLs were dropped because of the limit."""
        self.hit(Code.BUDGET_EXHAUSTED, f"the domain has more than {self._limits.domain_urls} URLs")

    def hit(self, code: Code, message: str) -> None:
        """Record the first message of a limit."""
        self._hits.setdefault(code, Failure(code, message))

    def note(self, source: Source) -> None:
        """Record a source that is not a file of the result."""
        self._sources.append(source)

    def record(
        self,
        candidate: Candidate,
        fetched: FetchedFile | None,
        status: FileStatus,
        *,
        error: Failure | None = None,
        document: Document | None = None,
        segment: Segment | None = None,
        answer: Answer | None = None,
        entries: int = 0,
    ) -> None:
        """Record one sitemap file; `fetched` is None if it was not requested.

        `answer` is the answer before its body is parsed, `entries` the number of pages that the file lists.
        """
        self._sources.append(_file_source(candidate, status, error, document, answer, entries))
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
        """Return the result, files in the order of discovery."""
        self._files.sort(key=lambda each: each[0])
        files = tuple(file for _, file, _ in self._files)
        limits = tuple({**more_limits, **self._hits}.values())
        sources = [*([self.robots_source] if self.robots_source is not None else []), *self._sources]
        concluded = conclude(sources, error=self.error, limits=limits, deferred=self._deferred)
        return DomainCrawl(
            domain=self._domain,
            files=files,
            requests=self._requests,
            fetched_bytes=self._bytes,
            error=self.error,
            failure=concluded.failure,
            limits=limits,
            notes=tuple(self.notes),
            complete=concluded.removals,
            status=concluded.status,
            evidence=worth_recording(sources),
            spools=spools,
            segments=tuple(segment for _, _, segment in self._files),
            robots=robots,
            robots_file=robots.file,
        )


def _file_source(
    candidate: Candidate,
    status: FileStatus,
    error: Failure | None,
    document: Document | None,
    answer: Answer | None,
    entries: int,
) -> Source:
    """Return the outcome of a sitemap file as a source."""
    failure = error or (document.failure if document is not None else None)
    state = SourceState.WHOLE
    if status is FileStatus.PARTIAL:
        state = SourceState.PARTIAL
    elif status is FileStatus.FAILED:
        if answer is not None and answer.state is not SourceState.WHOLE:
            state = answer.state
        elif document is None:
            state = state_of(failure) if failure is not None else SourceState.UNREACHABLE
        else:
            state = SourceState.PARTIAL if document.kind.is_sitemap else SourceState.NOT_UNDERSTOOD
    shown = failure
    if failure is not None and candidate.url not in failure.message:
        shown = Failure(failure.code, f"{candidate.url}: {failure.message}")
    if document is not None and document.kind is DocumentKind.INDEX:
        entries = 0  # pages are listed by its children
    return Source(SourceKind.SITEMAP, candidate.url, state, shown, candidate.named, entries)

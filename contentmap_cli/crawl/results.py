"""The result of a domain's crawl (files, spooled rows, limits, status), and the statistics behind it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from contentmap_cli.crawl.candidate import Candidate
from contentmap_cli.crawl.http.responses import FetchedFile
from contentmap_cli.crawl.pages.answers import Answer, state_of
from contentmap_cli.crawl.reading.spool import RowSpool, Segment, Spools
from contentmap_cli.crawl.robots import Robots
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import CrawledFile, Document, DocumentKind, FileStatus, Limits, Problem, ScanStatus
from contentmap_cli.models.entry_rows import RowBatch, RowDelta
from contentmap_cli.models.evidence import Source, SourceKind, SourceState, conclude, worth_recording
from contentmap_cli.models.robots import RobotsFile
from contentmap_cli.threads import run_in_thread

if TYPE_CHECKING:
    from contentmap_cli.crawl.robots import Robots


LOSS_CODES = frozenset(
    {
        *("rejected_url", "url_too_long", "missing_url", "stray_loc", "cut_off_entry", "not_a_url_line"),
        "nothing_understood",
    }
)
"""Problems that may mean an unread entry."""


class CrawlProgress(NamedTuple):
    """The progress of a domain's crawl. Sizes in bytes."""

    domain: str
    files: int
    urls: int
    requests: int
    fetched_bytes: int


@dataclass(frozen=True, slots=True)
class DomainCrawl:
    """The result of one domain's crawl. Close it, or use it as a context manager: it owns spools.

    `error` is the failure of the domain itself, `failure` the reason of an outcome with errors, `limits` the
    limits that were reached. `complete` says that every source was read completely or is absent, so that
    missing URLs are removed. `evidence` is how the sources ended.
    """

    domain: str
    files: tuple[CrawledFile, ...]
    requests: int
    retries: int
    fetched_bytes: int
    error: Failure | None
    failure: Failure | None
    limits: tuple[Failure, ...]
    notes: tuple[Failure, ...]
    complete: bool
    status: ScanStatus
    evidence: tuple[Source, ...]
    spools: Spools = field(repr=False)
    segments: tuple[Segment | None, ...] = field(repr=False)
    not_selected: frozenset[str] = frozenset()  # URLs of files that --include and the like leave as they are
    robots: Robots | None = field(default=None, repr=False)
    robots_file: RobotsFile | None = field(default=None, repr=False)  # of the site's origin
    robots_files: Mapping[str, RobotsFile] = field(default_factory=dict, repr=False)  # by requested origin

    @classmethod
    def failed(cls, domain: str, error: Failure) -> DomainCrawl:
        """Return the result of a crawl that failed completely."""
        return cls(
            domain, (), 0, 0, 0, error, error, (), (), False, ScanStatus.FAILED, (), Spools(), ()
        )  # fmt: skip

    def rows(self, index: int) -> Iterator[RowBatch]:
        """Yield the rows of `files[index]` ordered by URL, in batches of at most 500."""
        segment = self.segments[index]
        if segment is None:
            return iter(())
        return (segment if segment.changes is None else self._whole(segment)[1]).read()

    def problems(self, index: int) -> Iterator[Problem]:
        """Yield the problems of `files[index]`: all, if `Limits.details` asked for them."""
        segment, document = self.segments[index], self.files[index].document
        if segment is not None and segment.problem_batches:
            return segment.problems()
        return iter(document.problems if document is not None else ())  # the rows were dropped

    def delta(self, index: int) -> RowDelta | None:
        """Return the changes of `files[index]` since an earlier scan, if only those were read."""
        segment = self.segments[index]
        if segment is None or segment.changes is None:
            return None
        digest, entries = segment.changes.since
        return RowDelta(digest, entries, segment.read, segment.gone)

    async def read_whole(self, urls: Collection[str]) -> DomainCrawl:
        """Return the same crawl with all entries of these files read, in a thread. It takes the spools."""
        return await run_in_thread(self._read_whole, urls, stop=self.spools.cancel)

    def _read_whole(self, urls: Collection[str]) -> DomainCrawl:
        files, segments = [*self.files], [*self.segments]
        for index, (file, segment) in enumerate(zip(self.files, self.segments, strict=True)):
            if file.url in urls and segment is not None and segment.changes is not None:
                document, segments[index] = self._whole(segment)
                files[index] = replace(file, document=document)
        return replace(self, files=tuple(files), segments=tuple(segments))

    def _whole(self, segment: Segment) -> tuple[Document, Segment]:
        spool = RowSpool()
        self.spools.add(spool)
        return segment.whole(spool)

    def close(self) -> None:
        """Close the spools."""
        self.spools.close()

    def __enter__(self) -> DomainCrawl:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def file_outcome(
    document: Document, entries: int, fetch_failure: Failure | None, *, soft: bool
) -> tuple[FileStatus, Failure | None]:
    """Return the status of a parsed file, and why it is not complete.

    A document with entries, or with the root of a sitemap, fails only if all its entries were refused.
    """
    failure = fetch_failure or document.failure
    if not document.kind.is_sitemap or soft:
        code = Code.SOFT_404 if soft else Code.NOT_A_SITEMAP
        return FileStatus.FAILED, failure or Failure(code, f"the document is no sitemap ({document.kind})")
    if failure is None and document.losses:
        failure = Failure(Code.ENTRIES_REFUSED, _losses(document))
    if failure is not None and not entries:
        return FileStatus.FAILED, failure
    if failure is not None or not document.complete:
        return FileStatus.PARTIAL, failure
    return FileStatus.OK, None


def _losses(document: Document) -> str:
    """Describe how much of a document could not be read, and the first reason."""
    first = next((each for each in document.problems if each.code in LOSS_CODES), None)
    where = "" if first is None else f"; first: {first.message}"
    if first is not None and first.line is not None:
        where = f"; first, line {first.line}: {first.message}"
    return f"{document.losses:,} of {document.entries + document.losses:,} entries could not be read{where}"


class CrawlStats:
    """Counts requests, bytes and URLs, and collects files and sources.

    `bytes_left` and `urls_left` are what remains of the domain's limits. `error` is the failure of the domain
    itself, `robots_source` the outcome of the robots.txt of the site's origin.
    """

    def __init__(
        self, domain: str, limits: Limits, progress: Callable[[CrawlProgress], None] | None = None
    ) -> None:
        self._domain = domain
        self._limits = limits
        self._progress = progress
        self._files: list[tuple[int, CrawledFile, Segment | None]] = []
        self._hits: dict[str, Failure] = {}
        self._requests = self._retries = self._bytes = self._urls = 0
        self.bytes_left = limits.domain_bytes
        self.urls_left = limits.domain_urls
        self.deferred = False
        self._sources: list[Source] = []
        self.notes: list[Failure] = []
        self.error: Failure | None = None
        self.robots_source: Source | None = None
        self.not_selected: frozenset[str] = frozenset()
        self.has_old = False  # a file that lists pages is older than --lastmod-after

    @property
    def stopped(self) -> bool:
        """Whether a limit of the domain ends the crawl."""
        return Code.DEADLINE in self._hits or not self.bytes_left or not self.urls_left

    @property
    def lists_pages(self) -> bool:
        """Whether a sitemap file lists pages."""
        return any(source.entries for source in self._sources)

    @property
    def has_page_lists(self) -> bool:
        """Whether there is a file that is no index, read or not."""
        documents = (file.document for _, file, _ in self._files)
        return any(each is None or each.kind is not DocumentKind.INDEX for each in documents)

    def count_fetch(self, fetched: FetchedFile) -> None:
        """Count a fetch."""
        self._requests += fetched.requests
        self._retries += fetched.retries
        size = fetched.size + fetched.discarded
        self._bytes += size
        self.bytes_left = max(0, self.bytes_left - size)
        self.deferred = self.deferred or fetched.retry_after is not None
        if fetched.failure is not None and fetched.failure.code == Code.DEADLINE:
            self.record_limit(Code.DEADLINE, fetched.failure.message)
        if not self.bytes_left:
            self.record_limit(
                Code.BUDGET_EXHAUSTED, f"the domain has more than {self._limits.domain_bytes} bytes"
            )

    def out_of_time(self) -> None:
        """Record that the domain's time limit is reached."""
        self.record_limit(
            Code.DEADLINE, f"the domain took longer than {self._limits.domain_time:g} seconds (--domain-time)"
        )

    def too_many_urls(self) -> None:
        """Record that URLs were dropped because of the limit."""
        self.record_limit(Code.BUDGET_EXHAUSTED, f"the domain has more than {self._limits.domain_urls} URLs")

    def record_limit(self, code: Code, message: str) -> None:
        """Record the first message of a limit."""
        self._hits.setdefault(code, Failure(code, message))

    def add_source(self, source: Source) -> None:
        """Record a source that is not a file of the result."""
        self._sources.append(source)

    def add_file(
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
            self.urls_left = max(0, self.urls_left - segment.pages)
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
        concluded = conclude(
            sources, error=self.error, limits=limits, deferred=self.deferred, listed=self.has_old
        )
        return DomainCrawl(
            domain=self._domain,
            files=files,
            requests=self._requests,
            retries=self._retries,
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
            not_selected=self.not_selected,
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

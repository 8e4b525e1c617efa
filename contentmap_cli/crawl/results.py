"""What a domain's crawl comes to: its files, its rows on disk, its limits and its status."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from contentmap_cli.crawl.spool import RowSpool, Segment, Spools
from contentmap_cli.errors import Code, Failure
from contentmap_cli.robots import RobotsFile
from contentmap_cli.rows import RowBatch, RowDelta
from contentmap_cli.values import (
    CrawledFile,
    Document,
    FileStatus,
    RememberedFile,
    ScanStatus,
    Target,
)

if TYPE_CHECKING:  # who is sent results needs no parser of robots.txt
    from contentmap_cli.crawl.robots import Robots


class CrawlProgress(NamedTuple):
    """How far a domain's crawl has come. Sizes in bytes."""

    domain: str
    files: int
    urls: int
    requests: int
    fetched_bytes: int


@dataclass(frozen=True, slots=True)
class DomainCrawl:
    """All that a crawl found out about one domain. Close it, or use it as a context manager: it owns spools.

    `error` is the domain's own failure, `limits` the limits that were hit, `notes` what is worth knowing and
    no failure. `complete` says that everything that was named was read whole, so that what is missing now is
    really gone.
    """

    domain: str
    files: tuple[CrawledFile, ...]
    requests: int
    fetched_bytes: int
    error: Failure | None
    limits: tuple[Failure, ...]
    notes: tuple[Failure, ...]
    complete: bool
    status: ScanStatus
    spools: Spools = field(repr=False)
    segments: tuple[Segment | None, ...] = field(repr=False)
    robots: Robots | None = field(default=None, repr=False)  # what it allows and which sitemaps it names
    robots_file: RobotsFile | None = field(default=None, repr=False)  # of the site's origin, as plain data

    @classmethod
    def failed(cls, domain: str, error: Failure) -> DomainCrawl:
        """A crawl that came to nothing."""
        return cls(domain, (), 0, 0, error, (), (), False, ScanStatus.FAILED, Spools(), ())

    def rows(self, index: int) -> Iterator[RowBatch]:
        """The rows of `files[index]` in the order of their URLs, one for each, in batches of at most 500."""
        segment = self.segments[index]
        if segment is None:
            return iter(())
        return (segment if segment.changes is None else self._whole(segment)[1]).read()

    def delta(self, index: int) -> RowDelta | None:
        """What changed in `files[index]` since an earlier scan, where that is all that was read."""
        segment = self.segments[index]
        if segment is None or segment.changes is None:
            return None
        digest, entries = segment.changes.since
        return RowDelta(digest, entries, segment.read, segment.gone)

    def read_whole(self, urls: Collection[str]) -> DomainCrawl:
        """The same crawl with all entries of these files read. It takes its time, and the spools."""
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
        """Lets the rows go."""
        self.spools.close()

    def __enter__(self) -> DomainCrawl:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Crawls(Protocol):
    """Who crawls domains, here or elsewhere."""

    async def crawl(
        self,
        target: Target,
        remembered: Sequence[RememberedFile] = (),
        progress: Callable[[CrawlProgress], None] | None = None,
    ) -> DomainCrawl:
        """One domain, whole. Raises nothing for what the world did; close the result.

        `remembered` is what an earlier scan recorded, so that unchanged files are not sent again. `progress`
        is called on the event loop from time to time.
        """


def domain_status(
    files: Sequence[CrawledFile], *, error: Failure | None, limits: Sequence[Failure], deferred: bool
) -> ScanStatus:
    """The outcome of a domain whose files came out like this."""
    statuses = {file.status for file in files}
    recorded = statuses - {FileStatus.FAILED}
    clean = not error and not limits and not deferred
    if recorded:
        whole = clean and statuses <= {FileStatus.OK, FileStatus.UNCHANGED}
        return ScanStatus.OK if whole else ScanStatus.PARTIAL
    if deferred:
        return ScanStatus.DEFERRED
    return ScanStatus.EMPTY if clean and not files else ScanStatus.FAILED


class Nonsense(NamedTuple):
    """How a host answers for a path that cannot exist: redirecting where, with what body or code."""

    final_url: str | None = None
    digest: str | None = None
    code: str | None = None

    def resembles(self, final_url: str, digest: str | None) -> bool:
        """Whether an answer is the one that nonsense gets too: a soft 404."""
        return (self.final_url is not None and final_url == self.final_url) or (
            self.digest is not None and digest == self.digest
        )


def judge(
    document: Document, entries: int, fetch_failure: Failure | None, *, soft: bool
) -> tuple[FileStatus, Failure | None]:
    """What became of a file that was parsed, and why it is not whole. A document that holds entries, or says
    that it is a sitemap, is never a failure altogether."""
    failure = fetch_failure or document.failure
    if not document.kind.is_sitemap or soft:
        code = Code.SOFT_404 if soft else Code.NOT_A_SITEMAP
        return FileStatus.FAILED, failure or Failure(code, f"the document is no sitemap ({document.kind})")
    if failure is not None and not entries:
        return FileStatus.FAILED, failure
    if failure is not None or not document.complete:
        return FileStatus.PARTIAL, failure
    return FileStatus.OK, None

"""The result of a domain's crawl: files, spooled rows, limits and status."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from contentmap_cli.crawl.reading.spool import RowSpool, Segment, Spools
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import CrawledFile, Document, FileStatus, ScanStatus
from contentmap_cli.models.entry_rows import RowBatch, RowDelta
from contentmap_cli.models.robots import RobotsFile
from contentmap_cli.models.sources import Source

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
    robots: Robots | None = field(default=None, repr=False)
    robots_file: RobotsFile | None = field(default=None, repr=False)  # of the site's origin

    @classmethod
    def failed(cls, domain: str, error: Failure) -> DomainCrawl:
        """Return the result of a crawl that failed completely."""
        return cls(
            domain, (), 0, 0, error, error, (), (), False, ScanStatus.FAILED, (), Spools(), ()
        )  # fmt: skip

    def rows(self, index: int) -> Iterator[RowBatch]:
        """Yield the rows of `files[index]` ordered by URL, in batches of at most 500."""
        segment = self.segments[index]
        if segment is None:
            return iter(())
        return (segment if segment.changes is None else self._whole(segment)[1]).read()

    def delta(self, index: int) -> RowDelta | None:
        """Return the changes of `files[index]` since an earlier scan, if only those were read."""
        segment = self.segments[index]
        if segment is None or segment.changes is None:
            return None
        digest, entries = segment.changes.since
        return RowDelta(digest, entries, segment.read, segment.gone)

    def read_whole(self, urls: Collection[str]) -> DomainCrawl:
        """Return the same crawl with all entries of these files read. Blocking: reads the bodies again."""
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

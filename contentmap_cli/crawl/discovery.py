"""Where to look for sitemaps, in which order, and when to stop. Decides only; does no I/O.

    given -> robots.txt -> remembered -> children of indexes -> files that nothing names any more
        -> home page -> other origins -> known paths -> further pages of feeds

All from the home page on are requested only while nothing before gave a sitemap that lists pages, or where
the user wants them all. A feed, a news sitemap and a file without entries do not end the search.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from contentmap_cli.crawl.http.headers import Validators
from contentmap_cli.crawl.scope import Scope, host_of
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import (
    FEED_KINDS,
    DiscoveryMethod,
    Document,
    DocumentKind,
    Entry,
    FileStatus,
    Limits,
    Probe,
    RememberedFile,
    Target,
)
from contentmap_cli.models.hosts import normalise_url, origin_of, site_of

_GONE = frozenset({"http_404", "http_410"})
_ROOT_METHODS = frozenset(
    {
        DiscoveryMethod.GIVEN,
        DiscoveryMethod.KNOWN_PATH,
        DiscoveryMethod.HTML_LINK,
        DiscoveryMethod.FEED_LINK,
        DiscoveryMethod.REMEMBERED,
    }
)
_NAMING_METHODS = frozenset({DiscoveryMethod.GIVEN, DiscoveryMethod.ROBOTS, DiscoveryMethod.INDEX})

UNNAMED_SCANS = 7
"""Whole scans in a row after which a file that nothing names any more is not requested again. Until then it
is: a robots.txt or index may have lost its name by damage that cannot be seen."""

FEED_PAGES = 500
"""Pages of paged feeds (RFC 5005 section 3) that are read of one domain."""

_OUR_OWN = frozenset({DiscoveryMethod.REMEMBERED, DiscoveryMethod.KNOWN_PATH})
"""Who names it is this crawler: that it was named before says nothing of the site."""
_EXACT = frozenset({"minute", "second", "fraction"})


class Candidate(NamedTuple):
    """A URL that may be a sitemap, and how it came up.

    `number` is its place in the order of discovery. `proven` says that the target's own robots.txt vouches
    for it, itself or through an index (sitemaps.org, "cross submits"). `exempt`: named by the user or by
    robots.txt, itself or through an index, so that no Disallow hides it.
    """

    url: str
    discovered_by: DiscoveryMethod
    number: int
    parent: str | None = None
    depth: int = 0
    proven: bool = False
    exempt: bool = False
    lastmod: str | None = None
    unchanged: bool = False  # the index's lastmod says that it need not be asked for

    @property
    def named(self) -> bool:
        """Whether somebody says that this is a sitemap, so that its absence is a failure."""
        return self.discovered_by in _NAMING_METHODS


class DiscoveryQueue:
    """One domain's discovery: takes what was learned, says what to ask next. Does no I/O."""

    def __init__(
        self,
        target: Target,
        *,
        limits: Limits,
        probe: Probe,
        conditional: bool,
        remembered: Sequence[RememberedFile] = (),
    ) -> None:
        self._target = target
        self._limits = limits
        self._probe = probe
        self._conditional = conditional
        self._remembered = {normalise_url(file.url) or "": file for file in remembered}
        self._seen: set[str] = set()
        self._files = 0
        self._repeated = 0
        self._unusable = 0
        self._dead_origins: frozenset[str] = frozenset()
        self._feed_pages: deque[tuple[Candidate, str]] = deque()
        self._feed_pages_read = 0
        self.queue: deque[Candidate] = deque()
        self.found = False
        self.lost = False  # a file that was found by a link or a known path is gone
        self.limits_hit: dict[str, Failure] = {}

    def settle(self, origin: str, dead_origins: Iterable[str]) -> None:
        """Take `origin` for the site's; what was named on one that does not answer is requested there
        instead."""
        self.origin = origin
        self._dead_origins = frozenset(dead_origins)

    def add_roots(self, robots_sitemaps: Iterable[str]) -> None:
        """Queue what is named outright: by the user, by robots.txt, by an earlier scan."""
        for url in self._target.sitemaps:
            origin = origin_of(url)
            dead = origin is not None and origin in self._dead_origins
            self._add(
                self.origin + url.removeprefix(origin or "") if dead else url,
                DiscoveryMethod.GIVEN,
                exempt=True,
            )
        for url in robots_sitemaps:
            self._add(url, DiscoveryMethod.ROBOTS, proven=True, exempt=True)
        for file in self._remembered.values():
            if file.discovered_by in _ROOT_METHODS:
                self._add(file.url, DiscoveryMethod.REMEMBERED)

    @property
    def has_unnamed(self) -> bool:
        """Whether `add_unnamed` has files left."""
        return any(
            key not in self._seen and file.unnamed_scans < UNNAMED_SCANS
            for key, file in self._remembered.items()
        )

    def add_unnamed(self) -> bool:
        """Queue the recorded files that robots.txt or an index named once and nothing names now, indexes
        before their children; whether there are any. Call it when the queue is empty, until it returns
        False."""
        unnamed = [
            file
            for key, file in self._remembered.items()
            if key not in self._seen and file.unnamed_scans < UNNAMED_SCANS
        ]
        indexes = [file for file in unnamed if file.kind is DocumentKind.INDEX]
        for file in indexes or unnamed:
            # what was vouched for once still is: whether its entries are the site's must not change by damage
            self._add(file.url, DiscoveryMethod.REMEMBERED, proven=file.discovered_by in _NAMING_METHODS)
        return bool(self.queue)

    @property
    def robots_named_files(self) -> bool:
        """Whether an earlier scan found a file through robots.txt."""
        return any(file.discovered_by is DiscoveryMethod.ROBOTS for file in self._remembered.values())

    def entries_known(self, candidate: Candidate) -> int:
        """How many pages a file listed when it was last read: what it lists still if it did not change."""
        known = self._remembered.get(candidate.url)
        if known is None or known.kind is DocumentKind.INDEX:
            return 0
        return 1 if known.entries is None else known.entries

    def add_links(self, links: Iterable[tuple[str, DiscoveryMethod]]) -> None:
        """Queues what the home page links to on the same site."""
        for url, method in links:
            if site_of(url) == self._target.domain:
                self._add(url, method)

    def add_children(self, index: Candidate, children: Iterable[Entry]) -> None:
        """Queues the children of an index, one level deeper."""
        host = host_of(index.url)
        unnamed = self._is_unnamed(index)
        for child in children:
            if index.depth >= self._limits.index_depth:
                self._hit(Code.DEPTH_EXCEEDED, f"indexes are nested deeper than {self._limits.index_depth}")
                return
            lastmod = child.lastmod
            known = unnamed and (normalise_url(child.url) or "") in self._remembered
            self._add(
                child.url,
                # what only an unnamed index names is named by nothing
                DiscoveryMethod.REMEMBERED if known else DiscoveryMethod.INDEX,
                parent=index.url,
                depth=index.depth + 1,
                proven=index.proven and host_of(child.url) == host,
                exempt=index.exempt,
                lastmod=lastmod.text if lastmod else None,
                unchanged=lastmod is not None and lastmod.precision in _EXACT,
            )

    def _add(
        self,
        url: str,
        method: DiscoveryMethod,
        *,
        parent: str | None = None,
        depth: int = 0,
        proven: bool = False,
        exempt: bool = False,
        lastmod: str | None = None,
        unchanged: bool = False,
    ) -> None:
        key = normalise_url(url)
        if key is None:
            self._unusable += 1
            return
        if len(key) > self._limits.url_length:  # as published it may have been shorter
            self._hit(Code.URL_TOO_LONG, f"a sitemap has a URL of over {self._limits.url_length} bytes")
            return
        if key in self._seen:
            self._repeated += method not in _OUR_OWN
            return
        probe = method is DiscoveryMethod.KNOWN_PATH
        if self._files >= self._limits.domain_files and not probe:
            self._hit(Code.BUDGET_EXHAUSTED, f"more than {self._limits.domain_files} sitemap files are named")
            return
        self._seen.add(key)
        self._files += not probe
        known = self._remembered.get(key) if self._conditional else None
        self.queue.append(
            Candidate(
                url=key,
                discovered_by=method,
                number=len(self._seen),
                parent=parent,
                depth=depth,
                proven=proven,
                exempt=exempt,
                lastmod=lastmod,
                unchanged=unchanged and known is not None and _same_lastmod(known, lastmod),
            )
        )

    def arrived(self, candidate: Candidate, final_url: str) -> bool:
        """Whether a file that was reached through redirects is new; if not, it is read under its own name."""
        if final_url == candidate.url:
            return True
        if final_url in self._seen:
            self._repeated += 1
            return False
        self._seen.add(final_url)
        return True

    def lost_to(self, candidate: Candidate, final_url: str) -> bool:
        """Whether a file that listed pages of its own leads to another one now, or a child to its index."""
        return self.entries_known(candidate) > 0 or final_url == candidate.parent

    def validators(self, candidate: Candidate) -> Validators:
        """What makes the request conditional. Never for an index: its children must be known in any case."""
        known = self._remembered.get(candidate.url) if self._conditional else None
        if known is None or self.needs_content(candidate):
            return Validators()
        return Validators(known.etag, known.last_modified)

    def known_digest(self, candidate: Candidate) -> str | None:
        """The digest that an earlier scan recorded of a file's decoded body; None if there is none."""
        known = self._remembered.get(candidate.url) if self._conditional else None
        return known.digest if known is not None else None

    def needs_content(self, candidate: Candidate) -> bool:
        """Whether a file must be parsed even if it has not changed: an index, for its children."""
        known = self._remembered.get(candidate.url)
        return known is None or known.kind is None or known.kind is DocumentKind.INDEX

    def is_gone(self, candidate: Candidate, failure: Failure) -> bool:
        """Whether a file that failed does not exist, and nobody says that it should."""
        gone = not candidate.named and failure.code in _GONE
        known = self._remembered.get(candidate.url) if gone else None
        self.lost = self.lost or (known is not None and known.discovered_by in _ROOT_METHODS)
        return gone

    def scope(self, candidate: Candidate) -> Scope:
        """Which of a file's entries belong to the target."""
        return Scope(self._target.domain, host_of(candidate.url) if candidate.proven else None)

    @property
    def wants_more(self) -> bool:
        """Whether the search goes on: nothing lists pages so far, or the user wants every source looked at.

        Where a file that was found by a link or a known path is gone, the site may have put another in its
        place.
        """
        return self._probe is Probe.ALWAYS or not self.found or self.lost

    @property
    def wants_probes(self) -> bool:
        """Whether well-known paths are to be requested."""
        return self.wants_more and self._probe is not Probe.NEVER

    def folders(self) -> tuple[str, ...]:
        """The folders to search, as URLs that end in a slash: those named, then the site's root."""
        paths = dict.fromkeys((self._target.path, *self._target.more_paths, "/"))
        return tuple(f"{self.origin}{path}" for path in paths)

    def probes(self, paths: Sequence[str], origins: Sequence[str] = ()) -> list[Candidate]:
        """The well-known paths below each folder, or below other origins, that were not requested yet."""
        before = len(self.queue)
        for folder in (f"{origin}/" for origin in origins) if origins else self.folders():
            for path in paths:
                self._add(folder + path, DiscoveryMethod.KNOWN_PATH)
        fresh = [self.queue.pop() for _ in range(len(self.queue) - before)]
        return fresh[::-1]

    def add_feed_page(self) -> bool:
        """Queue the next page of a paged feed; False if there is none, or too many were read."""
        while self._feed_pages:
            feed, url = self._feed_pages.popleft()
            if self._feed_pages_read >= FEED_PAGES:
                self._hit(Code.BUDGET_EXHAUSTED, f"feeds have more than {FEED_PAGES} pages")
                return False
            self._feed_pages_read += 1
            self._add(url, DiscoveryMethod.FEED_LINK, parent=feed.url, proven=feed.proven)
            if self.queue:
                return True
        return False

    def notes(self) -> list[Failure]:
        """What is worth knowing about the names that led nowhere new."""
        found = []
        if self._repeated:
            found.append(
                Failure(Code.ALREADY_SEEN, f"{self._repeated} more mentions of files that were read once")
            )
        if self._unusable:
            found.append(Failure(Code.REJECTED_URL, f"{self._unusable} names of sitemaps are no usable URLs"))
        return found

    def _hit(self, code: Code, message: str) -> None:
        self.limits_hit.setdefault(code, Failure(code, message))

    def _is_unnamed(self, candidate: Candidate) -> bool:
        """Whether robots.txt or an index named a file once, and nothing names it now."""
        known = self._remembered.get(candidate.url)
        return (
            candidate.discovered_by is DiscoveryMethod.REMEMBERED
            and known is not None
            and known.discovered_by in _NAMING_METHODS
        )

    def file_done(
        self,
        candidate: Candidate,
        status: FileStatus,
        document: Document | None = None,
        *,
        entries: int = 0,
        news: bool = False,
    ) -> None:
        """Note a file that was read: one that lists pages ends the search.

        `document` is None for a file that did not change. A feed lists the latest pages only, a news sitemap
        (`news`) those of two days, an index none: none of them ends the search, named or not. Nor does
        a file that nothing names any more: what names it now may be where nobody looked yet.
        """
        known = self._remembered.get(candidate.url)
        kind = document.kind if document is not None else known.kind if known is not None else None
        if document is not None and document.next_url is not None and kind in FEED_KINDS:
            self._feed_pages.append((candidate, document.next_url))
        if kind in FEED_KINDS or kind is DocumentKind.INDEX or news or self._is_unnamed(candidate):
            return
        if status is FileStatus.FAILED:
            return
        self.found = self.found or entries > 0


def _same_lastmod(known: RememberedFile, lastmod: str | None) -> bool:
    """Only where there is no validator to ask with: a server's 304 is better evidence than this."""
    return (
        lastmod is not None
        and known.lastmod == lastmod
        and known.kind not in (None, DocumentKind.INDEX)
        and not (known.etag or known.last_modified)
    )

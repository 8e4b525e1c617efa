"""Decide where to look for sitemaps, in which order, and when to stop. No I/O.

    given -> robots.txt -> remembered -> children of indexes -> files that are no longer named
        -> home page -> other origins -> known paths -> further pages of feeds

From the home page on, sources are requested only if no sitemap so far lists pages, or if all are wanted.
Feeds, news sitemaps and files without entries do not end the search.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from contentmap_cli.crawl.candidate import NAMING_METHODS, Candidate
from contentmap_cli.crawl.http.headers import conditional_headers
from contentmap_cli.crawl.selection import ALL_FILES, Choice, SelectedFiles, Selection
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
from contentmap_cli.models.hosts import Scope, host_of, normalise_url, origin_of, site_of

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

MAX_UNREFERENCED_SCANS = 7
"""Complete scans in a row for which a file that is no longer named is requested: its robots.txt or index may
be damaged without a sign of it."""

MAX_FEED_PAGES = 500
"""Maximum pages of paged feeds (RFC 5005 section 3) per domain."""

_OWN_METHODS = frozenset({DiscoveryMethod.REMEMBERED, DiscoveryMethod.KNOWN_PATH})
"""Methods by which the crawler, not the site, names a file."""
_EXACT_PRECISIONS = frozenset({"minute", "second", "fraction"})


class DiscoveryQueue:
    """The queue of one domain's discovery, and what is known of its files. No I/O."""

    def __init__(
        self,
        target: Target,
        *,
        limits: Limits,
        probe: Probe,
        conditional: bool,
        remembered: Sequence[RememberedFile] = (),
        selection: Selection = ALL_FILES,
    ) -> None:
        self._target = target
        self._limits = limits
        self._probe = probe
        self._conditional = conditional
        self._remembered = {normalise_url(file.url) or "": file for file in remembered}
        self.selected = SelectedFiles(selection, self._remembered)
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

    def select_origin(self, origin: str, dead_origins: Iterable[str]) -> None:
        """Set the site's origin. Files named on an origin that does not answer are requested there."""
        self.origin = origin
        self._dead_origins = frozenset(dead_origins)

    def add_roots(self, robots_sitemaps: Iterable[str]) -> None:
        """Queue the files named by the user, by robots.txt and by an earlier scan."""
        for url in self._target.sitemaps:
            origin = origin_of(url)
            dead = origin is not None and origin in self._dead_origins
            given = self.origin + url.removeprefix(origin or "") if dead else url
            self._add(Candidate(given, DiscoveryMethod.GIVEN, exempt=True))
        for url in robots_sitemaps:
            self._add(Candidate(url, DiscoveryMethod.ROBOTS, proven=True, exempt=True))
        for file in self._remembered.values():
            if file.discovered_by in _ROOT_METHODS:
                self._add(Candidate(file.url, DiscoveryMethod.REMEMBERED))

    @property
    def has_unreferenced(self) -> bool:
        """Whether `add_unreferenced` has files left."""
        return bool(self._unreferenced())

    def _unreferenced(self) -> list[RememberedFile]:
        return [
            file
            for key, file in self._remembered.items()
            if key not in self._seen
            and key not in self.selected.skipped
            and file.unnamed_scans < MAX_UNREFERENCED_SCANS
        ]

    def add_unreferenced(self) -> bool:
        """Queue recorded files that robots.txt or an index named once and nothing names now. Return whether
        there are any.

        Indexes come before their children. Call it with an empty queue until it returns False. What an index
        listed that is not selected is not requested either.
        """
        before = len(self.queue)
        unnamed = self._unreferenced()
        for indexes in (True, False):
            for file in unnamed:
                if (file.kind is DocumentKind.INDEX) is indexes:
                    # still proven, so that damage does not change which entries belong to the site
                    proven = file.discovered_by in NAMING_METHODS
                    candidate = Candidate(file.url, DiscoveryMethod.REMEMBERED, proven=proven)
                    self._add(candidate, unread=self.selected.skipped.get(file.parent or ""))
            if len(self.queue) > before:
                break
        return bool(self.queue)

    @property
    def had_robots_sitemaps(self) -> bool:
        """Whether an earlier scan found a file through robots.txt."""
        return any(file.discovered_by is DiscoveryMethod.ROBOTS for file in self._remembered.values())

    def known_entries(self, candidate: Candidate) -> int:
        """Return how many pages a file listed in the last scan."""
        known = self._remembered.get(candidate.url)
        if known is None or known.kind is DocumentKind.INDEX:
            return 0
        return 1 if known.entries is None else known.entries

    def add_links(self, links: Iterable[tuple[str, DiscoveryMethod]]) -> None:
        """Queue links of the home page within the site."""
        for url, method in links:
            if site_of(url) == self._target.domain:
                self._add(Candidate(url, method))

    def add_children(self, index: Candidate, children: Iterable[Entry]) -> None:
        """Queue the children of an index, one level deeper."""
        host = host_of(index.url)
        unnamed = self._is_unreferenced(index)
        for child in children:
            if index.depth >= self._limits.index_depth:
                self._record_limit(
                    Code.DEPTH_EXCEEDED, f"indexes are nested deeper than {self._limits.index_depth}"
                )
                return
            lastmod = child.lastmod
            known = unnamed and (normalise_url(child.url) or "") in self._remembered
            self._add(
                Candidate(
                    url=child.url,
                    # children of an index that is no longer named are no longer named either
                    discovered_by=DiscoveryMethod.REMEMBERED if known else DiscoveryMethod.INDEX,
                    parent=index.url,
                    depth=index.depth + 1,
                    proven=index.proven and host_of(child.url) == host,
                    exempt=index.exempt,
                    lastmod=lastmod.text if lastmod else None,
                    unchanged=lastmod is not None and lastmod.precision in _EXACT_PRECISIONS,
                ),
                unread=self.selected.selection.is_old(lastmod) or None,
            )

    def skip(self, candidate: Candidate, kind: DocumentKind | None = None, *, old: bool = False) -> None:
        """Record a file that is not selected (see `SelectedFiles.skip`)."""
        self.found = self.selected.skip(candidate, kind, old=old) or self.found

    def excludes(self, url: str) -> bool:
        """Return whether --exclude matches a URL."""
        return self.selected.selection.excludes(url)

    def add_held(self) -> bool:
        """Queue files of any name that may be an index, if none is selected. Return whether there are any."""
        held = self.selected.take_held()
        for candidate in held:
            if candidate.url not in self._seen:
                self._queue(candidate)
        return bool(held)

    def not_selected(self) -> frozenset[str]:
        """Return the URLs of files that are not selected, and of those that only such a file may name."""
        skipped = frozenset(self.selected.skipped)
        if not skipped:
            return skipped
        return skipped | {
            key
            for key, file in self._remembered.items()
            if key not in self._seen and file.unnamed_scans >= MAX_UNREFERENCED_SCANS
        }

    def _add(self, candidate: Candidate, *, unread: bool | None = None) -> None:
        """Queue a candidate under its normalised URL, unless it is known, not selected or exceeds a limit.

        `unread` says that it is not selected whatever its URL: True by a lastmod, False by its index.
        """
        key = normalise_url(candidate.url)
        if key is None:
            self._unusable += 1
            return
        if len(key) > self._limits.url_length:  # normalising may have made it longer
            self._record_limit(
                Code.URL_TOO_LONG, f"a sitemap has a URL of over {self._limits.url_length} bytes"
            )
            return
        if key in self._seen:
            self._repeated += candidate.discovered_by not in _OWN_METHODS
            return
        candidate = candidate._replace(url=key)
        choice = self.selected.choose(candidate)
        if choice is Choice.SKIP or unread is not None:
            if candidate.discovered_by is not DiscoveryMethod.KNOWN_PATH:  # else there may be no such file
                self.skip(candidate, old=unread is True and choice is not Choice.SKIP)
        elif choice is not Choice.HOLD:
            self._queue(candidate._replace(peek=choice is Choice.PEEK))

    def _queue(self, candidate: Candidate) -> None:
        key = candidate.url
        probe = candidate.discovered_by is DiscoveryMethod.KNOWN_PATH
        if self._files >= self._limits.domain_files and not probe:
            self._record_limit(
                Code.BUDGET_EXHAUSTED, f"more than {self._limits.domain_files} sitemap files are named"
            )
            return
        self._seen.add(key)
        self.selected.skipped.pop(key, None)  # its index's lastmod is old, another source names it as well
        self._files += not probe
        known = self._remembered.get(key) if self._conditional else None
        unchanged = candidate.unchanged and known is not None and _same_lastmod(known, candidate.lastmod)
        self.queue.append(candidate._replace(number=len(self._seen), unchanged=unchanged))

    def is_new(self, candidate: Candidate, final_url: str) -> bool:
        """Return whether the target of redirects is new; if so, mark it as seen."""
        if final_url == candidate.url:
            return True
        if final_url in self._seen:
            self._repeated += 1
            return False
        self._seen.add(final_url)
        return True

    def is_replaced(self, candidate: Candidate, final_url: str) -> bool:
        """Return whether a file that listed pages redirects to another file now, or a child to its index."""
        return self.known_entries(candidate) > 0 or final_url == candidate.parent

    def conditions(self, candidate: Candidate) -> tuple[dict[str, str], str]:
        """Return the headers of a conditional request, and the URL that gave the validators: the last one of
        the file's redirects. There are none for an index, whose children are needed."""
        known = self._remembered.get(candidate.url) if self._conditional else None
        if known is None or self.needs_content(candidate):
            return {}, candidate.url
        return conditional_headers(known.etag, known.last_modified), known.final_url or candidate.url

    def known_digest(self, candidate: Candidate) -> str | None:
        """Return the digest of a file's decoded body in the last scan, or None."""
        known = self._remembered.get(candidate.url) if self._conditional else None
        return known.digest if known is not None else None

    def needs_content(self, candidate: Candidate) -> bool:
        """Return whether a file must be parsed even if it is unchanged: an index, for its children."""
        known = self._remembered.get(candidate.url)
        return known is None or known.kind is None or known.kind is DocumentKind.INDEX

    def is_gone(self, candidate: Candidate, failure: Failure) -> bool:
        """Return whether a failed file does not exist and is not named by any source."""
        gone = not candidate.named and failure.code in _GONE
        known = self._remembered.get(candidate.url) if gone else None
        self.lost = self.lost or (known is not None and known.discovered_by in _ROOT_METHODS)
        return gone

    def scope(self, candidate: Candidate) -> Scope:
        """Return which entries of a file belong to the target."""
        return Scope(self._target.domain, host_of(candidate.url) if candidate.proven else None)

    @property
    def wants_more(self) -> bool:
        """Whether to search on: no pages are listed so far, every source is wanted, or a file found by a link
        or known path is gone."""
        return self._probe is Probe.ALWAYS or not self.found or self.lost

    @property
    def probes_paths(self) -> bool:
        """Whether to request known paths."""
        return self.wants_more and self._probe is not Probe.NEVER

    def folders(self) -> tuple[str, ...]:
        """Return the folders to search as URLs ending in a slash: those named, then the root."""
        paths = dict.fromkeys((self._target.path, *self._target.more_paths, "/"))
        return tuple(f"{self.origin}{path}" for path in paths)

    def known_path_candidates(self, paths: Sequence[str], origins: Sequence[str] = ()) -> list[Candidate]:
        """Return the known paths below each folder, or below other origins, that are not seen yet."""
        before = len(self.queue)
        for folder in (f"{origin}/" for origin in origins) if origins else self.folders():
            for path in paths:
                self._add(Candidate(folder + path, DiscoveryMethod.KNOWN_PATH))
        fresh = [self.queue.pop() for _ in range(len(self.queue) - before)]
        return fresh[::-1]

    def add_feed_page(self) -> bool:
        """Queue the next page of a paged feed. Return False if there is none, or the limit is reached."""
        while self._feed_pages:
            feed, url = self._feed_pages.popleft()
            if self._feed_pages_read >= MAX_FEED_PAGES:
                self._record_limit(Code.BUDGET_EXHAUSTED, f"feeds have more than {MAX_FEED_PAGES} pages")
                return False
            self._feed_pages_read += 1
            self._add(Candidate(url, DiscoveryMethod.FEED_LINK, parent=feed.url, proven=feed.proven))
            if self.queue:
                return True
        return False

    def notes(self) -> list[Failure]:
        """Return notes on names of sitemaps that led to no new file."""
        found = []
        if self._repeated:
            found.append(
                Failure(
                    Code.ALREADY_SEEN, f"{self._repeated} further references to files that were read already"
                )
            )
        if self._unusable:
            found.append(Failure(Code.REJECTED_URL, f"{self._unusable} sitemap URLs are invalid"))
        return found

    def _record_limit(self, code: Code, message: str) -> None:
        self.limits_hit.setdefault(code, Failure(code, message))

    def _is_unreferenced(self, candidate: Candidate) -> bool:
        """Return whether robots.txt or an index named a file once, and nothing names it now."""
        known = self._remembered.get(candidate.url)
        return (
            candidate.discovered_by is DiscoveryMethod.REMEMBERED
            and known is not None
            and known.discovered_by in NAMING_METHODS
        )

    def record_file(
        self,
        candidate: Candidate,
        status: FileStatus,
        document: Document | None = None,
        *,
        entries: int = 0,
        news: bool = False,
    ) -> None:
        """Record a file that was read: one that lists pages ends the search.

        `document` is None for an unchanged file. Feeds, news sitemaps (`news`), indexes and files that are no
        longer named do not end the search.
        """
        known = self._remembered.get(candidate.url)
        kind = document.kind if document is not None else known.kind if known is not None else None
        if document is not None and document.next_url is not None and kind in FEED_KINDS:
            self._feed_pages.append((candidate, document.next_url))
        if kind in FEED_KINDS or kind is DocumentKind.INDEX or news or self._is_unreferenced(candidate):
            return
        if status is FileStatus.FAILED:
            return
        self.found = self.found or entries > 0


def _same_lastmod(known: RememberedFile, lastmod: str | None) -> bool:
    """Return whether an index's lastmod shows that a file is unchanged, if there is no validator."""
    return (
        lastmod is not None
        and known.lastmod == lastmod
        and known.kind not in (None, DocumentKind.INDEX)
        and not (known.etag or known.last_modified)
    )

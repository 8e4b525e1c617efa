"""Where to look for sitemaps, in which order, and when to stop. Only decides: the crawler moves.

    given -> robots.txt -> remembered -> children of indexes -> home page -> known paths

The last two are tried only while none before gave a sitemap that works, unless the user wants them all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from contentmap_cli.crawl.hosts import normalise_url, origin_of, site_of
from contentmap_cli.crawl.responses import Validators
from contentmap_cli.crawl.scope import Scope, host_of
from contentmap_cli.errors import Code, Failure
from contentmap_cli.values import (
    DiscoveryMethod,
    DocumentKind,
    Entry,
    FileStatus,
    Limits,
    Probe,
    RememberedFile,
    Target,
)

MAIN_PATHS = (
    "sitemap.xml", "sitemap_index.xml", "sitemap-index.xml", "wp-sitemap.xml", "sitemap.xml.gz",
    "sitemap_index.xml.gz", "sitemap-index.xml.gz", "sitemap.txt", "sitemap.php", "sitemapindex.xml",
    "sitemap/sitemap.xml", "sitemap/index.xml", "sitemap/sitemap-index.xml", ".sitemap.xml", "sitemap",
    "admin/config/search/xmlsitemap",
)  # fmt: skip
"""Names for a site's one sitemap: once one of them works, the others are other names for it."""

NEWS_PATHS = ("sitemap_news.xml", "sitemap_news.xml.gz", "sitemap-news.xml", "sitemap-news.xml.gz")
"""A news sitemap stands beside the site's own and is asked for in any case."""

PART_PATHS = ("post-sitemap.xml", "page-sitemap.xml", "product-sitemap.xml", "category-sitemap.xml")
"""Parts that an index would name: asked for where there is none."""

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


class Decider:
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
        self.queue: deque[Candidate] = deque()
        self.found = False
        self.limits_hit: dict[str, Failure] = {}

    def settle(self, origin: str, dead_origins: Iterable[str]) -> None:
        """The origin that answers; what was named on one that does not is asked for there instead."""
        self.origin = origin
        self._dead_origins = frozenset(dead_origins)

    def add_roots(self, robots_sitemaps: Iterable[str]) -> None:
        """Queues what is named outright: by the user, by robots.txt, by an earlier scan."""
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

    def add_links(self, links: Iterable[tuple[str, DiscoveryMethod]]) -> None:
        """Queues what the home page links to on the same site."""
        for url, method in links:
            if site_of(url) == self._target.domain:
                self._add(url, method)

    def add_children(self, index: Candidate, children: Iterable[Entry]) -> None:
        """Queues the children of an index, one level deeper."""
        host = host_of(index.url)
        for child in children:
            if index.depth >= self._limits.index_depth:
                self._hit(Code.DEPTH_EXCEEDED, f"indexes are nested deeper than {self._limits.index_depth}")
                return
            lastmod = child.lastmod
            self._add(
                child.url,
                DiscoveryMethod.INDEX,
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
        """Whether a file that failed is simply not there, and nobody says that it should be."""
        return not candidate.named and failure.code in _GONE

    def scope(self, candidate: Candidate) -> Scope:
        """Which of a file's entries belong to the target."""
        return Scope(self._target.domain, host_of(candidate.url) if candidate.proven else None)

    @property
    def wants_home_page(self) -> bool:
        """Whether the home page is to be searched for links."""
        return self._wants_more

    @property
    def wants_probes(self) -> bool:
        """Whether well-known paths are to be asked for."""
        return self._wants_more and self._probe is not Probe.NEVER

    @property
    def _wants_more(self) -> bool:
        return self._probe is Probe.ALWAYS or not self.found

    def folders(self) -> tuple[str, ...]:
        """The folders to search, as URLs that end in a slash: those named, then the site's root."""
        paths = dict.fromkeys((self._target.path, *self._target.more_paths, "/"))
        return tuple(f"{self.origin}{path}" for path in paths)

    def probes(self, paths: Sequence[str]) -> list[Candidate]:
        """The well-known paths below each folder that nobody has asked for yet."""
        before = len(self.queue)
        for folder in self.folders():
            for path in paths:
                self._add(folder + path, DiscoveryMethod.KNOWN_PATH)
        fresh = [self.queue.pop() for _ in range(len(self.queue) - before)]
        return fresh[::-1]

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

    def file_done(self, candidate: Candidate, status: FileStatus, kind: DocumentKind | None) -> None:
        """A file was read: whether it worked decides on what is tried next.

        A feed that nobody called a sitemap lists the latest pages only, and stands in for none.
        """
        feed = kind in (DocumentKind.RSS, DocumentKind.ATOM) and not candidate.named
        if status is not FileStatus.FAILED and not feed:
            self.found = True


def _same_lastmod(known: RememberedFile, lastmod: str | None) -> bool:
    """Only where there is no validator to ask with: a server's 304 is better evidence than this."""
    return (
        lastmod is not None
        and known.lastmod == lastmod
        and known.kind not in (None, DocumentKind.INDEX)
        and not (known.etag or known.last_modified)
    )

"""Compare the URLs of all sitemaps with a list of URLs from another source.

URLs are equal if they are after normalisation (`models.hosts.url_key`); tracking parameters of the
list do not count. Memory holds two hashes of each listed URL; the list itself is never held.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import ClassVar

from contentmap_cli.batches import batched
from contentmap_cli.check.hashing import HashBag, HashSet
from contentmap_cli.check.occurrences import temporary_database
from contentmap_cli.check.registry import GOOGLE, PROTOCOL, Family, Notes, rule
from contentmap_cli.check.urls import TRACKING
from contentmap_cli.models import Entry, Severity
from contentmap_cli.models.findings import (
    CheckedFile,
    CheckedSite,
    Coverage,
    CoverageSection,
    Rule,
    UrlList,
)
from contentmap_cli.models.hosts import origin_of, site_of, url_key
from contentmap_cli.models.sections import SectionCounter

MAX_HASHES = 10_000_000
"""Listed URLs that are compared: 160 MB."""
MAX_SECTIONS = 1_000
DEPTH = 2
"""Depth of the folders that differences are counted for."""

COVERAGE_MISSING = rule(
    "coverage-missing", Severity.WARNING, "URL of the list in no sitemap",
    "Crawlers find it by links only, or it is an old URL that should be redirected.", f"{PROTOCOL}#informing",
)  # fmt: skip
COVERAGE_UNKNOWN = rule(
    "coverage-unknown", Severity.INFO, "listed URL that is not in the list",
    "A page without links, visits or search results: it may be gone, or need links from other pages.",
    f"{GOOGLE}/sitemaps/overview",
)  # fmt: skip
COVERAGE_SPELLING = rule(
    "coverage-spelling", Severity.WARNING, "listed under another URL than in the list",
    "They differ by http and https, www., or a slash at the end: one is usually a redirect to the other.",
    f"{GOOGLE}/consolidate-duplicate-urls",
)  # fmt: skip
COVERAGE_DEFECT = rule(
    "coverage-defect", Severity.WARNING, "listed URL that is no indexable page, according to the list",
    "A sitemap should have pages with status 200 only that may be indexed.",
    f"{GOOGLE}/sitemaps/build-sitemap",
)  # fmt: skip

_HOST_PATH = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?(?:/\S*)?", re.IGNORECASE)
_IN_LIST, _COUNTED = 1, 2


class Coverages(Family):
    """Compares the entries of all files with `CheckedSite.against`."""

    entry_rules: ClassVar[tuple[Rule, ...]] = (
        COVERAGE_MISSING,
        COVERAGE_UNKNOWN,
        COVERAGE_SPELLING,
        COVERAGE_DEFECT,
    )

    def __init__(self, site: CheckedSite, notes: Notes) -> None:
        super().__init__(site, notes)
        self._exact, self._loose = HashBag(MAX_HASHES), HashBag(MAX_HASHES)
        self._listed, self._similar = HashSet(), HashSet()
        self._marks = bytearray()
        self._origins: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._both, self._only_list, self._only_sitemaps = (
            SectionCounter(),
            SectionCounter(),
            SectionCounter(),
        )
        self._numbers: Counter[Rule] = Counter()
        self._rest: sqlite3.Connection | None = None

    def entries(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Add the hashes of pages."""
        if self.site.against is None:
            return
        urls = [_key(entry) for entry in entries if entry.type == "url"]
        self._origins.update(url[: url.find("/", 8)] for url in urls)
        self._exact.add(map(hash, urls))
        self._loose.add(hash(_loose(url)) for url in urls)

    def finish(self) -> None:
        """Read the list and report what is only there."""
        against = self.site.against
        if against is None:
            return
        if self._exact.overflowed:
            self.incomplete = f"--against compares {MAX_HASHES:,} listed URLs at most: nothing was compared"
            return
        self._listed, self._similar = self._exact.distinct(), self._loose.distinct()
        self._exact = self._loose = HashBag(0)
        self._marks = bytearray(len(self._listed))
        self._rest = rest = temporary_database(
            "CREATE TABLE other (hash INTEGER, url TEXT, line INTEGER)",
            "CREATE TABLE similar (hash INTEGER PRIMARY KEY, url TEXT)",
        )
        file = CheckedFile(name=against.name, kind=None)
        for batch in batched(self._unlisted(against, file), 500):
            rest.executemany("INSERT INTO other VALUES (?, ?, ?)", batch)
        self._report_unlisted(rest, file)
        self.needs_second_pass = True

    def second_pass(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Report the entries that are not in the list, or otherwise."""
        if self._rest is None:
            return
        both, only_sitemaps = [], []
        for entry in entries:
            if entry.type != "url":
                continue
            url = _key(entry)
            index = self._listed.index(hash(url))
            if index is None or self._marks[index] & _COUNTED:
                continue
            self._marks[index] |= _COUNTED
            if self._marks[index] & _IN_LIST:
                both.append((url, None))
                continue
            row = self._rest.execute(
                "SELECT url FROM similar WHERE hash = ?", (hash(_loose(url)),)
            ).fetchone()
            if row is not None:
                self._add(COVERAGE_SPELLING, file, url=entry.url, value=row[0])
            else:
                only_sitemaps.append((url, None))
                self._add(COVERAGE_UNKNOWN, file, url=entry.url)
        self._both.add(both)
        self._only_sitemaps.add(only_sitemaps)

    def conclude(self) -> None:
        """Close the temporary database."""
        if self._rest is not None:
            self._rest.close()

    def result(self) -> Coverage | None:
        """Return the numbers, None if nothing was compared."""
        against = self.site.against
        if against is None or self._rest is None:
            return None
        trees = {
            "both": self._both.tree(),
            "only_list": self._only_list.tree(),
            "only_sitemaps": self._only_sitemaps.tree(),
        }
        sections: dict[str, CoverageSection] = {}
        for name, tree in trees.items():
            for _, section in tree.walk():
                if section.url and section.url.count("/") <= DEPTH + 3 and section.urls:
                    found = sections.setdefault(section.url, CoverageSection(section.url))
                    setattr(found, name, section.urls)
        ordered = sorted(sections.values(), key=lambda each: (-each.only_list - each.only_sitemaps, each.url))
        return Coverage(
            target=self.site.target,
            name=against.name,
            column=against.column,
            differing=self._numbers[COVERAGE_SPELLING],
            defective=self._numbers[COVERAGE_DEFECT],
            skipped=dict(sorted(self._skipped.items())),
            sections=tuple(ordered[:MAX_SECTIONS]),
            both=trees["both"].urls,
            only_list=trees["only_list"].urls,
            only_sitemaps=trees["only_sitemaps"].urls,
        )

    def _add(
        self,
        broken: Rule,
        file: CheckedFile | None,
        *,
        url: str,
        value: str | None = None,
        line: int | None = None,
    ) -> None:
        self._numbers[broken] += 1
        self.notes.add(broken, file, url=url, value=value, line=line)

    def _unlisted(self, against: UrlList, file: CheckedFile) -> Iterator[tuple[int, str, int]]:
        """Read the list: mark what sitemaps list, and yield the rest with its hash and line."""
        target = self.site.target
        default = (origin_of(target) or f"https://{target}") if self.site.is_site else ""
        origin = self._origins.most_common(1)[0][0] if self._origins else default
        sites = {site_of(each) for each in self._origins} | ({site_of(default)} if default else set())
        ours: dict[str, bool] = {}
        for row in against.rows():
            url = _absolute(row.url, origin)
            if url is None:
                self._skipped["no URL"] += 1
                continue
            start = url[: url.find("/", 8)]
            if start not in ours:
                ours[start] = site_of(start) in sites
            if not ours[start]:
                self._skipped["other site"] += 1
                continue
            index = self._listed.index(hash(url))
            if index is not None:
                if row.defect is not None and not self._marks[index] & _IN_LIST:
                    self._add(COVERAGE_DEFECT, file, url=url, value=row.defect, line=row.line)
                self._marks[index] |= _IN_LIST
            elif row.defect is not None or not row.is_page:
                self._skipped["no indexable page"] += 1
            else:
                yield hash(url), url, row.line

    def _report_unlisted(self, rest: sqlite3.Connection, file: CheckedFile) -> None:
        """Report each URL of the list that no sitemap lists, and keep those that are listed similarly."""
        grouped = "SELECT url, min(line) FROM other GROUP BY hash ORDER BY 2"
        for batch in batched(rest.execute(grouped), 500):
            missing = []
            for url, line in batch:
                similar = hash(_loose(url))
                if similar in self._similar:
                    rest.execute("INSERT OR IGNORE INTO similar VALUES (?, ?)", (similar, url))
                else:
                    missing.append((url, None))
                    self._add(COVERAGE_MISSING, file, url=url, line=line)
            self._only_list.add(missing)


def _key(entry: Entry) -> str:
    return url_key(entry.url) or entry.url


def _loose(url: str) -> str:
    """Return a normalised URL without scheme, `www.` and the slash at the end of its path."""
    path, mark, query = url.partition("://")[2].removeprefix("www.").partition("?")
    return path.rstrip("/") + mark + query


def _absolute(text: str, origin: str) -> str | None:
    """Return the normalised URL of a cell: a URL, a path of the site, or a URL without its scheme."""
    if text.startswith("//"):
        text = f"{origin.partition('//')[0]}{text}"
    elif text.startswith("/"):
        text = f"{origin}{text}"
    elif "://" not in text[:9] and _HOST_PATH.fullmatch(text):
        text = f"{origin.partition('//')[0] or 'https:'}//{text}"
    url = url_key(text)
    if url is None or "?" not in url:
        return url
    shorter = TRACKING.sub(lambda match: "?" if match[0].startswith("?") else "", url)
    return url if shorter == url else shorter.replace("?&", "?").rstrip("?")

"""Rules about what most of a site's entries have in common: the entries that differ are named.

The first pass counts, the second one names the minority. A site with one convention needs no second pass.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import ClassVar

from contentmap_cli.check.registry import GOOGLE, PROTOCOL, Family, Notes, rule
from contentmap_cli.models import Entry, Severity
from contentmap_cli.models.findings import CheckedFile, CheckedSite, Rule

_W, _I = Severity.WARNING, Severity.INFO

ENOUGH = 3
"""Entries that make a convention."""
MAX_NAMES = 1000
"""Hosts and publication names that are counted."""

URL_WWW = rule(
    "url-www", _W, "URLs with and without www",
    "One site under two hosts: usually one of them redirects, and its URLs are not indexed as listed.",
    f"{GOOGLE}/consolidate-duplicate-urls",
)  # fmt: skip
URL_CASE = rule(
    "url-case", _I, "upper-case letters, where most URLs have none",
    "URLs are case-sensitive: two spellings of a page are two pages.", f"{GOOGLE}/url-structure",
)  # fmt: skip
URL_TRAILING_SLASH = rule(
    "url-trailing-slash", _I, "URLs with and without a slash at the end",
    "They are two URLs of a page: usually one of them redirects to the other.",
    f"{GOOGLE}/consolidate-duplicate-urls",
)  # fmt: skip
LASTMOD_TIME = rule(
    "lastmod-time", _I, "lastmod without a time, where most have one",
    "A second change on the same day is not seen.", f"{PROTOCOL}#lastmoddef",
)  # fmt: skip
HREFLANG_MISSING = rule(
    "hreflang-missing", _I, "entry without alternates, where most of the file have them",
    "If the page exists in other languages, search engines do not learn of it here.",
    f"{GOOGLE}/localization/localized-versions#sitemap",
)  # fmt: skip
NEWS_NAME = rule(
    "news-name", _W, "publication name that differs from the others",
    "The name must be that of the publication in Google News, character by character.",
    f"{GOOGLE}/sitemaps/news-sitemap",
)  # fmt: skip

_DAILY = frozenset({"day", "month", "year"})
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


class Conventions(Family):
    """Counts what entries have in common, and names those that differ."""

    entry_rules: ClassVar[tuple[Rule, ...]] = (
        *(URL_WWW, URL_CASE, URL_TRAILING_SLASH, LASTMOD_TIME, HREFLANG_MISSING, NEWS_NAME),
    )

    def __init__(self, site: CheckedSite, notes: Notes) -> None:
        super().__init__(site, notes)
        self._hosts: Counter[str] = Counter()
        self._names: Counter[str] = Counter()
        self._slashes: Counter[bool | None] = Counter()
        self._pages = self._upper = self._timed = self._daily = 0
        self._listed = self._annotated = 0  # in the file
        # what is said of the entries that differ, by host and by file for two of the rules
        self._said: dict[Rule, str] = {}
        self._of_hosts: dict[str, str] = {}
        self._of_files: dict[str, str] = {}
        self._slash = False
        self._name = ""

    def start(self, file: CheckedFile) -> None:
        """Begin a file."""
        self._listed = self._annotated = 0

    def entries(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Count the entries that follow each convention."""
        pages = [entry for entry in entries if entry.type == "url"]
        urls = [entry.url for entry in pages]
        text = "\n".join(urls)
        if text != text.lower():
            self._upper += sum(map(_has_upper_case, urls))
        self._pages += len(urls)
        self._slashes.update(map(_ends_with_slash, urls))
        _count(self._hosts, map(_host, urls))
        for entry in pages:
            lastmod = entry.lastmod
            if lastmod is not None and lastmod.precision is not None:
                if lastmod.precision in _DAILY:
                    self._daily += 1
                else:
                    self._timed += 1
            if entry.alternates:
                self._annotated += 1
            if entry.news:
                _count(self._names, [item.get("publication_name", "") for item in entry.news])
        self._listed += len(pages)

    def end(self, file: CheckedFile) -> None:
        """Note a file in which most entries have alternates, and some do not."""
        if _are_few(self._listed - self._annotated, self._annotated):
            self._of_files[file.name] = f"{self._annotated:,} of {self._listed:,} entries have alternates"

    def finish(self) -> None:
        """Determine the conventions of the site."""
        said, hosts = self._said, self._hosts
        for name in [name for name in hosts if f"www.{name}" in hosts]:
            fewer, more = sorted((name, f"www.{name}"), key=hosts.__getitem__)
            self._of_hosts[fewer] = f"{hosts[more]:,} URLs are on {more}, {hosts[fewer]:,} on {fewer}"
        plain = self._pages - self._upper
        if _are_few(self._upper, plain):
            said[URL_CASE] = f"{plain:,} of {self._pages:,} URLs have no upper-case letters"
        having, lacking = self._slashes[True], self._slashes[False]
        self._slash = having <= lacking
        if _are_few(min(having, lacking), max(having, lacking)):
            word, most = ("without", lacking) if self._slash else ("with", having)
            said[URL_TRAILING_SLASH] = f"{most:,} of {having + lacking:,} URLs end {word} a slash"
        if _are_few(self._daily, self._timed):
            said[LASTMOD_TIME] = f"{self._timed:,} of {self._timed + self._daily:,} dates have a time"
        for name, most in self._names.most_common(1):
            self._name = name
            if _are_few(self._names.total() - most, most):
                said[NEWS_NAME] = f"{most:,} of {self._names.total():,} entries name {name[:200]}"
        for broken, needed in ((URL_WWW, self._of_hosts), (HREFLANG_MISSING, self._of_files)):
            if needed and self.notes.is_selected(broken):
                self.needs_second_pass = True
        self.needs_second_pass = self.needs_second_pass or self.notes.is_selected(*said)

    def second_pass(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Name the entries that differ."""
        said, add = self._said, self.notes.add
        alternates = self._of_files.get(file.name)
        for entry in entries:
            if entry.type != "url":
                continue
            url = entry.url
            if alternates is not None and not entry.alternates:
                add(HREFLANG_MISSING, file, alternates, url=url)
            if self._of_hosts and (host := _host(url)) in self._of_hosts:
                add(URL_WWW, file, self._of_hosts[host], url=url)
            if URL_CASE in said and _has_upper_case(url):
                add(URL_CASE, file, said[URL_CASE], url=url)
            if URL_TRAILING_SLASH in said and _ends_with_slash(url) is self._slash:
                add(URL_TRAILING_SLASH, file, said[URL_TRAILING_SLASH], url=url)
            lastmod = entry.lastmod
            if LASTMOD_TIME in said and lastmod is not None and lastmod.precision in _DAILY:
                add(LASTMOD_TIME, file, said[LASTMOD_TIME], url=url, value=lastmod.text)
            for item in entry.news if NEWS_NAME in said else ():
                name = item.get("publication_name")
                if name and name != self._name:
                    add(NEWS_NAME, file, said[NEWS_NAME], url=url, value=name)


def _are_few(few: int, most: int) -> bool:
    """Return whether some entries differ from a convention that most have."""
    return 0 < few < most and most >= ENOUGH


def _count(counter: Counter[str], texts: Iterable[str]) -> None:
    counter.update(filter(None, texts))
    if len(counter) > 2 * MAX_NAMES:
        for text, _ in counter.most_common()[MAX_NAMES:]:
            del counter[text]


def _host(url: str) -> str:
    parts = url.split("/", 3)
    return parts[2].lower() if len(parts) > 2 else ""


def _has_upper_case(url: str) -> bool:
    """Return whether a URL has a capital letter before its query, escapes such as %C3 excepted."""
    if url == url.lower():
        return False
    url = _ESCAPE.sub("", url.partition("?")[0].partition("#")[0])
    return url != url.lower()


def _ends_with_slash(url: str) -> bool | None:
    """Return whether a page's URL ends with a slash; None for a home page, a file and a query."""
    start = url.find("/", 8)
    if start < 0 or len(url) == start + 1 or "?" in url or "#" in url:
        return None
    if url[-1] == "/":
        return True
    return None if "." in url[url.rfind("/") :] else False

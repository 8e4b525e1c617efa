"""A small reader that keeps the removal rule, without network and database: it proves the model right.

The model has to find no fault with it, however careful or generous it is, and has to find the mistakes that
`Mistake` names.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from urllib.parse import urljoin, urlsplit

from site_damages import Active, sent
from site_model import HOME, ROBOTS, XMLNS, Answer, Site
from site_rule import NIGHTS_UNNAMED, Recorded

KNOWN_PATHS = ("/sitemap.xml", "/sitemap_index.xml")
_FIELDS = ("user-agent", "disallow", "allow", "sitemap", "crawl-delay")
_NO_PAGE = ("mailto:", "tel:", "javascript:")


class Mistake(Enum):
    """What a reader can do wrong."""

    HTML_ROBOTS_IS_WHOLE = auto()
    WALL_IS_NO_SITEMAP = auto()
    REFUSED_ENTRIES_ARE_WHOLE = auto()
    CUT_OFF_IS_WHOLE = auto()
    FORGETS_UNNAMED_FILES = auto()
    KEEPS_UNNAMED_FILES = auto()
    MISSING_FILE_BLOCKS = auto()
    COUNTS_READ_URLS_AS_ADDED = auto()
    LOSES_NEW_URLS_OF_PARTIAL_SCANS = auto()
    CALLS_MISSING_CLEAN = auto()


class Damaged(Exception):
    """A source was not read whole."""


class Gone(Exception):
    """A source is not there."""


@dataclass
class Reader:
    """Scans one site. `generous` repairs and ignores what can be, otherwise everything odd is refused."""

    host: str
    generous: bool = False
    mistake: Mistake | None = None
    rows: dict[str, set[str]] = field(default_factory=dict)  # by file
    indexes: set[str] = field(default_factory=set)
    unnamed: dict[str, int] = field(default_factory=dict)

    def scan(self, site: Site, active: Sequence[Active]) -> tuple[Recorded, frozenset[str]]:
        """Read the site once; what is recorded, and the URLs that are listed now."""
        self._site, self._active = site, active
        self._whole, self._missing, self._found = True, False, False
        self._seen: set[str] = set()
        self._named: set[str] = set()
        self._read: dict[str, set[str]] = {}
        before = self.listed()
        for path in self._named_by_robots():
            self._walk(path, named=True)
        if not self._found:
            self._search()
        if self.mistake is not Mistake.FORGETS_UNNAMED_FILES:
            for path in sorted({*self.rows, *self.indexes}):
                self._walk(path, named=False)
        self._store()
        after = self.listed()
        added = len(after - before)
        if self.mistake is Mistake.COUNTS_READ_URLS_AS_ADDED:
            added = sum(map(len, self._read.values()))
        return Recorded(self._outcome(after), len(after), added, len(before - after)), after

    def listed(self) -> frozenset[str]:
        """All URLs that a file lists."""
        return frozenset().union(*self.rows.values())

    def _store(self) -> None:
        """Write what was read over what was known; only a whole scan removes."""
        for path, urls in self._read.items():
            if self._whole:
                self.rows[path] = urls
            elif self.mistake is not Mistake.LOSES_NEW_URLS_OF_PARTIAL_SCANS:
                self.rows[path] = self.rows.get(path, set()) | urls
        if not self._whole:
            return
        for path in list(self.rows):
            self.unnamed[path] = 0 if path in self._named else self.unnamed.get(path, 0) + 1
            late = self.unnamed[path] >= NIGHTS_UNNAMED and self.mistake is not Mistake.KEEPS_UNNAMED_FILES
            if late or path not in self._read:
                del self.rows[path]

    def _outcome(self, listed: frozenset[str]) -> str:
        missing = self._missing and self.mistake is not Mistake.CALLS_MISSING_CLEAN
        if not self._whole or missing:
            return "partial" if listed else "failed"
        if listed:
            return "ok"
        return "partial" if self._found or self._missing else "empty"

    # -- sources

    def _fetch(self, path: str) -> Answer:
        url = self._site.url(path)
        for _ in range(5):
            parts = urlsplit(url)
            if parts.hostname != self.host:
                raise Damaged
            answer = sent(self._site, self._active, parts.path + (f"?{parts.query}" if parts.query else ""))
            if answer.location is None:
                break
            url = urljoin(url, answer.location)
        if answer.status in (404, 410):
            raise Gone
        if answer.status != 200 or answer.reset:
            raise Damaged
        return answer

    def _named_by_robots(self) -> list[str]:
        self._forbidden = False
        try:
            answer = self._fetch(ROBOTS)
        except Gone:
            return []
        except Damaged:
            self._whole = False
            return []
        text = answer.body.decode()
        if text.startswith("<"):
            if self.mistake is not Mistake.HTML_ROBOTS_IS_WHOLE:
                self._whole = False
            return []
        self._whole &= not answer.missing
        if r"\n" in text or r"\r\n" in text:
            text = text.replace(r"\r\n", "\n").replace(r"\n", "\n")
        named = []
        for line in filter(str.strip, text.splitlines()):
            name, colon, value = (part.strip() for part in line.partition(":"))
            if name.lower() == "sitemap" and colon:
                url = self._usable(value)
                if url is None or urlsplit(url).hostname != self.host:
                    self._whole = False
                else:
                    named.append(urlsplit(url).path)
            elif not self.generous and name.lower() not in _FIELDS:
                self._whole = False
            self._forbidden |= (name.lower(), value) == ("disallow", "/")
        if self._forbidden and not named:
            self._whole = False
        return named

    def _usable(self, value: str, base: str = ROBOTS) -> str | None:
        if re.match(rf"https?://[a-z0-9.:-]+/|http://{re.escape(self.host)}/", value):
            return value
        if not self.generous or "{" in value or not value:
            return None
        repaired = re.sub(r"^http:/(?=[a-z])", "http://", re.sub(r"<\?.*?\?>", "", value))
        if repaired.startswith("/"):
            return urljoin(self._site.url(base), repaired)
        return repaired if repaired.startswith(self._site.origin + "/") else None

    def _walk(self, path: str, *, named: bool) -> None:
        """Read a file, or an index and what it names."""
        if named:
            self._named.add(path)
        if path in self._seen:
            return
        self._seen.add(path)
        if self._forbidden and not named:
            self._whole = False
            return
        try:
            kind, entries, whole = self._document(path, self._fetch(path))
        except Gone:
            self._missing |= named
            self._whole &= not (named and self.mistake is Mistake.MISSING_FILE_BLOCKS)
            self.indexes.discard(path)
            self._read[path] = set()
            return
        except Damaged:
            self._whole = False
            return
        self._found = True
        self._whole &= whole
        if kind == "index":
            self.indexes.add(path)
            for url in entries:
                self._walk(urlsplit(url).path, named=named)
        else:
            self._read[path] = set(entries)

    def _document(self, path: str, answer: Answer) -> tuple[str, list[str], bool]:
        """The kind of a document, its usable entries, and whether that is all of them."""
        body = answer.body
        whole = not answer.missing
        if body[:2] == b"\x1f\x8b":
            try:
                body = gzip.decompress(body)
            except (EOFError, zlib.error, OSError):
                body, whole = zlib.decompressobj(31).decompress(body), False
        text = body.decode("utf-8", "replace")
        if path.endswith(".txt"):
            lines = text.splitlines()[: None if whole else -1]
            values = [line for line in lines if line.strip()]
            if not any("://" in value or ":/" in value for value in values) and values:
                raise Damaged
        else:
            root = re.search(r"<(urlset|sitemapindex)\b[^>]*>", text)
            if root is None or (XMLNS not in root[0] and not self.generous):
                if self.mistake is Mistake.WALL_IS_NO_SITEMAP and b"html" in body:
                    raise Gone
                raise Damaged
            closed = f"</{root[1]}>" in text or self.mistake is Mistake.CUT_OFF_IS_WHOLE
            values = re.findall(r"<loc>(.*?)</loc>", text)
            whole = whole and closed and (bool(values) or "<item>" not in text)
        entries = []
        for value in values:
            if value.startswith(_NO_PAGE):
                continue
            url = self._usable(value, path)
            if url is None:
                whole = whole and self.mistake is Mistake.REFUSED_ENTRIES_ARE_WHOLE
            else:
                entries.append(url)
        return ("index" if "<sitemapindex" in text else "file"), entries, whole

    def _search(self) -> None:
        """Look at the home page and at known paths."""
        try:
            page = self._fetch(HOME).body.decode()
        except Gone:
            page = ""
        except Damaged:
            page, self._whole = "", False
        for path in re.findall(r'<link rel="sitemap"[^>]*href="([^"]*)"', page):
            self._walk(path, named=True)
        for path in KNOWN_PATHS:
            if self._found or path in self._seen or self._forbidden:
                continue
            try:
                self._fetch(path)
            except Gone:
                continue
            except Damaged:
                self._whole = False
                continue
            self._walk(path, named=True)

"""What a simulated web site publishes, and the HTTP answers it gives while nothing is damaged.

A `Site` is changed in place from one night to the next. `answer` returns what the site sends for a path.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

XMLNS = "http://www.sitemaps.org/schemas/sitemap/0.9"
ROBOTS = "/robots.txt"
HOME = "/"
XML = "application/xml"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer.

    `missing` is the number of bytes that Content-Length promises beyond the body. `reset` closes the
    connection without an answer. `conditional` allows 304 where the request names the ETag.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = HTML
    location: str | None = None
    etag: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    missing: int = 0
    reset: bool = False
    conditional: bool = False


class Style(StrEnum):
    """What names the sitemaps of a site."""

    ROBOTS = "robots"
    KNOWN_PATH = "known path"
    HOME_PAGE = "home page"


class Kind(StrEnum):
    """How a sitemap file is written."""

    XML = "xml"
    GZIP = "xml.gz"
    TEXT = "txt"


@dataclass
class File:
    """A sitemap file: its URLs in order, and the night of its last change."""

    urls: list[str]
    kind: Kind = Kind.XML
    noise: str | None = None  # an entry that is no page, such as mailto:
    changed: int = 1


@dataclass
class Site:
    """What one host publishes: `roots` are the paths that robots.txt, the home page or convention name.

    `indexes` maps the path of an index to its children, `files` the path of a file to its content, and
    `gone` the path of a former file to its status, 404 or 410. `with_etag` and `with_lastmod` say whether
    files have validators and whether indexes carry the date of a child's last change.
    """

    host: str
    style: Style = Style.ROBOTS
    roots: list[str] = field(default_factory=list)
    indexes: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    robots_file: bool = True
    with_etag: bool = False
    with_lastmod: bool = False

    @property
    def origin(self) -> str:
        """The scheme and host of the site's URLs."""
        return f"http://{self.host}"

    def url(self, path: str) -> str:
        """The URL of a path."""
        return self.origin + path

    def named(self) -> list[str]:
        """The paths of files that a root or an index names, each once, whether they are there or not."""
        return list(dict.fromkeys(path for path in self._walk(self.roots) if path not in self.indexes))

    def named_indexes(self) -> list[str]:
        """The paths of indexes that are named, each once."""
        return list(dict.fromkeys(path for path in self._walk(self.roots) if path in self.indexes))

    def below(self, index: str) -> set[str]:
        """The paths of files that an index names, itself or through another."""
        return {path for path in self._walk(self.indexes[index]) if path not in self.indexes}

    def _walk(self, paths: Sequence[str]) -> Iterator[str]:
        for path in paths:
            yield path
            if path in self.indexes:
                yield from self._walk(self.indexes[path])

    def published(self) -> set[str]:
        """The URLs that the named files list."""
        return {url for path in self.named() if path in self.files for url in self.files[path].urls}

    # -- documents

    def robots_text(self) -> str:
        """The text of robots.txt."""
        lines = ["User-agent: *", "Disallow: /cart", ""]
        if self.style is Style.ROBOTS:
            lines += [f"Sitemap: {self.url(path)}" for path in self.roots]
        return "\n".join(lines) + "\n"

    def document(self, path: str) -> str:
        """The text of an index or a file, before it is compressed."""
        if path in self.indexes:
            return index_text([self.url(child) for child in self.indexes[path]], self._lastmods(path))
        file = self.files[path]
        entries = [*file.urls, *([file.noise] if file.noise else [])]
        return "".join(f"{url}\n" for url in entries) if file.kind is Kind.TEXT else urlset_text(entries)

    def _lastmods(self, index: str) -> list[str | None]:
        if not self.with_lastmod:
            return [None] * len(self.indexes[index])
        files = [self.files.get(child) for child in self.indexes[index]]
        return [f"2026-01-{file.changed:02}T00:00:00Z" if file else None for file in files]

    def page(self, path: str, text: str) -> Answer:
        """The answer that carries this text as the document of a path."""
        file = self.files.get(path)
        kind = file.kind if file else Kind.XML
        body = text.encode()
        if kind is Kind.GZIP:
            return Answer(body=gzip.compress(body, mtime=0), content_type="application/gzip")
        return Answer(body=body, content_type=TEXT if kind is Kind.TEXT else XML)

    def answer(self, path: str) -> Answer:
        """What the undamaged site sends for a path."""
        if path == ROBOTS:
            if not self.robots_file:
                return not_found()
            return Answer(body=self.robots_text().encode(), content_type=TEXT)
        if path == HOME:
            links = self.roots if self.style is Style.HOME_PAGE else ()
            head = "".join(f'<link rel="sitemap" type="{XML}" href="{link}">' for link in links)
            return Answer(body=html("Shop", "<p>Welcome.</p>", head))
        if path in self.gone:
            return not_found(self.gone[path])
        if path not in self.indexes and path not in self.files:
            return not_found()
        page = self.page(path, self.document(path))
        if not self.with_etag:
            return page
        return replace(page, etag=f'"{hashlib.sha256(page.body).hexdigest()[:16]}"', conditional=True)


def not_found(status: int = 404) -> Answer:
    """A proper answer for a path that is not there."""
    return Answer(status, html("Not found", "<p>There is no such page.</p>"))


def html(title: str, body: str = "", head: str = "") -> bytes:
    """An HTML page."""
    return (
        f"<!doctype html><html><head><title>{title}</title>{head}</head><body>{body}</body></html>"
    ).encode()


def urlset_text(urls: Sequence[str], namespace: str = XMLNS) -> str:
    """A urlset of these URLs."""
    entries = "".join(f"  <url><loc>{url}</loc></url>\n" for url in urls)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{namespace}">\n{entries}</urlset>\n'


def index_text(
    urls: Sequence[str], lastmods: Sequence[str | None] | None = None, namespace: str = XMLNS
) -> str:
    """A sitemap index of these files."""
    dates = [f"<lastmod>{date}</lastmod>" if date else "" for date in lastmods or [None] * len(urls)]
    entries = "".join(
        f"  <sitemap><loc>{url}</loc>{date}</sitemap>\n" for url, date in zip(urls, dates, strict=True)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<sitemapindex xmlns="{namespace}">\n{entries}'
        "</sitemapindex>\n"
    )

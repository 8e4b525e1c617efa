"""Writers of what a site publishes for crawlers: robots.txt, sitemaps, indexes, feeds, and a home page.

Forms follow the sitemap protocol (sitemaps.org), its image, video and news extensions, RSS 2.0 and
RFC 4287. All text is escaped here, so that a caller passes plain URLs and titles.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from xml.sax.saxutils import escape, quoteattr

SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
EXTENSIONS = {
    "image": "http://www.google.com/schemas/sitemap-image/1.1",
    "video": "http://www.google.com/schemas/sitemap-video/1.1",
    "news": "http://www.google.com/schemas/sitemap-news/0.9",
    "xhtml": "http://www.w3.org/1999/xhtml",
}
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass(frozen=True, slots=True)
class Page:
    """One `<url>`. `images` are (loc, caption), `alternates` are (hreflang, href)."""

    loc: str
    lastmod: str | None = None
    changefreq: str | None = None
    priority: str | None = None
    images: tuple[tuple[str, str], ...] = ()
    video: tuple[str, str] | None = None  # (title, thumbnail)
    news: tuple[str, str, str] | None = None  # (publication, date, title)
    alternates: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Post:
    """One item of a feed."""

    link: str
    title: str
    published: datetime


def element(name: str, text: str | None) -> str:
    """`<name>text</name>`, or nothing where there is no text."""
    return "" if text is None else f"<{name}>{escape(text)}</{name}>"


def url_element(page: Page) -> str:
    """A `<url>` with all that the page has."""
    parts = [
        element("loc", page.loc),
        element("lastmod", page.lastmod),
        element("changefreq", page.changefreq),
        element("priority", page.priority),
    ]
    parts += [
        f'<xhtml:link rel="alternate" hreflang={quoteattr(language)} href={quoteattr(href)}/>'
        for language, href in page.alternates
    ]
    parts += [
        f"<image:image>{element('image:loc', loc)}{element('image:caption', caption)}</image:image>"
        for loc, caption in page.images
    ]
    if page.video:
        heading, thumbnail = page.video
        parts.append(
            f"<video:video>{element('video:thumbnail_loc', thumbnail)}{element('video:title', heading)}"
            f"{element('video:description', f'{heading}, with an introduction.')}"
            f"{element('video:content_loc', f'{page.loc}/film.mp4')}</video:video>"
        )
    if page.news:
        publication, day, heading = page.news
        parts.append(
            f"<news:news><news:publication>{element('news:name', publication)}"
            f"{element('news:language', 'en')}</news:publication>"
            f"{element('news:publication_date', day)}{element('news:title', heading)}</news:news>"
        )
    return f"  <url>{''.join(parts)}</url>\n"


def urlset_head(extensions: Sequence[str] = (), stylesheet: str | None = None) -> str:
    """All that stands before the first `<url>`."""
    names = "".join(f' xmlns:{prefix}="{EXTENSIONS[prefix]}"' for prefix in extensions)
    style = f'<?xml-stylesheet type="text/xsl" href={quoteattr(stylesheet)}?>\n' if stylesheet else ""
    return f'{DECLARATION}{style}<urlset xmlns="{SITEMAP}"{names}>\n'


def urlset_parts(pages: Iterable[Page], extensions: Sequence[str] = ()) -> Iterator[bytes]:
    """A sitemap piece by piece, some hundred pages each, for one that is too long to be held whole."""
    piece = [urlset_head(extensions)]
    for page in pages:
        piece.append(url_element(page))
        if len(piece) >= 500:
            yield "".join(piece).encode()
            piece.clear()
    yield "".join([*piece, "</urlset>\n"]).encode()


def urlset(pages: Iterable[Page], extensions: Sequence[str] = (), stylesheet: str | None = None) -> bytes:
    """A sitemap."""
    body = "".join(map(url_element, pages))
    return f"{urlset_head(extensions, stylesheet)}{body}</urlset>\n".encode()


def index(children: Iterable[tuple[str, str | None]]) -> bytes:
    """A sitemap index of (loc, lastmod)."""
    body = "".join(
        f"  <sitemap>{element('loc', loc)}{element('lastmod', lastmod)}</sitemap>\n"
        for loc, lastmod in children
    )
    return f'{DECLARATION}<sitemapindex xmlns="{SITEMAP}">\n{body}</sitemapindex>\n'.encode()


def text(urls: Iterable[str], newline: str = "\n") -> bytes:
    """A text sitemap: one URL a line."""
    return "".join(f"{url}{newline}" for url in urls).encode()


def rss(home: str, heading: str, posts: Iterable[Post], generator: str | None = None) -> bytes:
    """An RSS 2.0 feed."""
    items = "".join(
        f"    <item>{element('title', post.title)}{element('link', post.link)}"
        f'<guid isPermaLink="false">{escape(post.title)}</guid>'
        f"{element('pubDate', format_datetime(post.published, usegmt=True))}</item>\n"
        for post in posts
    )
    return (
        f'{DECLARATION}<rss version="2.0">\n  <channel>\n    {element("title", heading)}'
        f"{element('link', home)}{element('description', heading)}{element('generator', generator)}\n"
        f"{items}  </channel>\n</rss>\n"
    ).encode()


def atom(home: str, heading: str, posts: Iterable[Post]) -> bytes:
    """An Atom feed (RFC 4287)."""
    entries = "".join(
        f"  <entry>{element('title', post.title)}{element('id', post.link)}"
        f"<link href={quoteattr(post.link)}/>"
        f"{element('updated', f'{post.published:%Y-%m-%dT%H:%M:%SZ}')}</entry>\n"
        for post in posts
    )
    return (
        f'{DECLARATION}<feed xmlns="http://www.w3.org/2005/Atom">\n  {element("title", heading)}'
        f"{element('id', home)}<link href={quoteattr(home)}/>\n{entries}</feed>\n"
    ).encode()


def robots(*sitemaps: str, disallow: Sequence[str] = ("/cart", "/search"), delay: int | None = None) -> bytes:
    """A robots.txt (RFC 9309) that names the sitemaps."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in disallow)]
    if delay is not None:
        lines.append(f"Crawl-delay: {delay}")
    lines += ["", *(f"Sitemap: {sitemap}" for sitemap in sitemaps), ""]
    return "\n".join(lines).encode()


def html(heading: str, head: str = "") -> bytes:
    """A web page. `head` is markup for its head, as it stands."""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">{element("title", heading)}{head}'
        f"</head><body>{element('h1', heading)}<p>Good to have you here.</p></body></html>\n"
    ).encode()


def gzip_parts(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The parts as one gzip stream (RFC 1952). It carries no date: the same parts give the same bytes."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    for part in parts:
        yield packer.compress(part)
    yield packer.flush()


def gzip(body: bytes) -> bytes:
    """A body as gzip, the same bytes on every machine with the same zlib."""
    return b"".join(gzip_parts([body]))


def gzip_cut(whole: bytes, lost: bytes) -> bytes:
    """A gzip stream that breaks off: `whole` comes out of it, of `lost` nothing, and its end is missing."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    kept = packer.compress(whole) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(lost) + packer.flush()
    return kept + rest[:1]

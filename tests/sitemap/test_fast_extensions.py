"""Extensions read without a parser equal those of the parser."""

from __future__ import annotations

import random

import pytest

from contentmap_cli.sitemap.xml import fast_xml
from tests.sitemap.test_fast_xml import NAMESPACE, SITE, both_ways, taken

NAMESPACES = {
    "image": "http://www.google.com/schemas/sitemap-image/1.1",
    "video": "http://www.google.com/schemas/sitemap-video/1.1",
    "news": "http://www.google.com/schemas/sitemap-news/0.9",
    "xhtml": "http://www.w3.org/1999/xhtml",
}
VALUES = (
    *("A title", "x", "a &amp; b", "&amp;amp;", f"{SITE}/p.jpg?a=1&amp;b=2", "caf\u00e9 \u65e5\u672c"),
    *("<![CDATA[a & b]]>", "<![CDATA[x]]>", "12", 'it\'s "so"', "a;b"),
)
ODD_VALUES = (
    *(
        "",
        " ",
        " x",
        "x ",
        "a  b",
        "a\nb",
        "a\tb",
        "&lt;b&gt;",
        "&#65;",
        "&nbsp;",
        "a & b",
        "]]>",
        "a<b",
        "\x7f",
    ),
    *("https://user:secret@site.example/", "me@example.com", "<!-- c -->x", "x<?pi?>y", "<b>x</b>", "\u00a0"),
    *("\u0085x", "\ufeffx", "\u200bx", "\ufffe", "<![CDATA[]]>", "<![CDATA[ x]]>", "<![CDATA[<b>x</b>]]>"),
    *("<![CDATA[a&amp;b]]>", "<![CDATA[x]]>y", "<![CDATA[</url>]]>", "<![CDATA[x", "x" * 4096, "x" * 4097),
    *("<![CDATA[a]]]]><![CDATA[>b]]>", "<image:image><image:loc>x</image:loc></image:image>", "\ue000"),
)
LEAVES = ("loc", "title", "caption", "name", "language", "publication_date", "tag", "duration", "image")
ODD_LEAVES = ("Loc", "loc-x", "publication", "publication_name", "video", "news", "x" * 101, "l\u00f6c")
LINKS = ('rel="alternate" hreflang="{0}" href="{1}"',)
ODD_LINKS = (
    *("rel=\"alternate\" href='{1}' hreflang='{0}'", 'rel="alternate" hreflang="{0}" href="{1}" media="m"'),
    *('rel="next" hreflang="{0}" href="{1}"', 'hreflang="{0}" href="{1}"', 'rel="alternate" href="{1}"'),
    *('rel="alternate"  hreflang="{0}" href="{1}"', 'rel="alternate" hreflang="{0}" href="{1}" href="x"'),
    *('rel="alternate" hreflang="" href="{1}"', 'rel="Alternate" hreflang="{0}" href="//u:p@site.example/"'),
)
ODD_PARTS = ("<priority>1</priority>", "<loc>https://site.example/2</loc>", "text", "<!-- c -->", "<other/>")


class Writer:
    """Writes sitemaps with usual extensions, and a share of `odd` ones."""

    def __init__(self, seed: int, odd: float) -> None:
        self.random = random.Random(seed)
        self.odd = odd

    def strange(self) -> bool:
        return self.random.random() < self.odd

    def pick(self, usual: tuple[str, ...], odd: tuple[str, ...]) -> str:
        return self.random.choice(odd if self.strange() else usual)

    def leaf(self, prefix: str, name: str) -> str:
        name = self.pick((name,), ODD_LEAVES)
        attribute = self.pick(("",), (' a="1"', ' relationship="allow"', " "))
        end = self.pick((name,), ("title", "url", f"{name} "))
        return f"<{prefix}:{name}{attribute}>{self.pick(VALUES, ODD_VALUES)}</{prefix}:{end}>"

    def part(self) -> str:
        kind = self.random.choice(tuple(NAMESPACES))
        if kind == "xhtml":
            link = self.pick(LINKS, ODD_LINKS).format(
                self.random.choice(("de", "x-default", "en-GB")),
                self.pick((f"{SITE}/de?a&amp;b",), ODD_VALUES),
            )
            return f"<xhtml:link {link}{self.pick(('/', ' /'), ('', '></xhtml:link'))}>"
        names = self.random.sample(LEAVES, self.random.randrange(1, 5))
        if kind == "news" and not self.strange():
            names = [name for name in names if name != "language"]  # the publication's own has this name
        if self.strange():
            names += names[:1]
        inner = "".join(
            self.leaf(self.pick((kind,), tuple(NAMESPACES)), name) + self.space() for name in names
        )
        if kind == "news":
            inside = self.leaf("news", "name") + self.leaf("news", "language")
            publication = f"<news:publication>{self.space()}{inside}</news:publication>"
            inner = self.pick(
                (publication + inner,), (inner + publication, publication * 2, publication[:-5])
            )
        own = self.pick((kind,), ("url", "video", "image"))
        return f"<{kind}:{own}>{self.space()}{inner}</{kind}:{own}>"

    def space(self) -> str:
        return self.random.choice(("", "\n", "\r\n  ", "\t"))

    def document(self, entries: int) -> str:
        """A whole document; a strange one may be cut anywhere."""
        declared = "".join(
            f' xmlns:{prefix}="{self.pick((uri,), tuple(NAMESPACES.values()))}"'
            for prefix, uri in NAMESPACES.items()
            if self.random.random() > self.odd / 10
        )
        text = f'<urlset xmlns="{NAMESPACE}"{declared}>'
        for number in range(entries):
            parts = [self.part() for _ in range(self.random.randrange(5))]
            if self.strange():
                parts.append(self.random.choice(ODD_PARTS))
            inner = self.space().join(parts)
            text += f"<url><loc>{SITE}/{number}</loc><lastmod>2024-01-02</lastmod>{inner}</url>{self.space()}"
        text += "</urlset>"
        return text[: self.random.randrange(9, len(text))] if self.strange() else text


@pytest.mark.parametrize("odd", [0.0, 0.001, 0.01, 0.1])
@pytest.mark.parametrize("piece", [2000, 64 * 1024])
@pytest.mark.parametrize("seeds", [30, pytest.param(120, marks=pytest.mark.campaign)])
def test_both_ways_agree(odd: float, piece: int, seeds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries with extensions, problems with lines, facts and failures are equal."""
    monkeypatch.setattr(fast_xml, "PIECE", piece)
    for seed in range(seeds):
        short, long = both_ways("", Writer(seed, odd).document(seed % 30))
        assert short == long, seed


def test_usual_extensions_need_no_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast path reads a whole document."""
    for seed in range(20):
        assert taken(Writer(seed, 0.0).document(100), monkeypatch) == 100


@pytest.mark.parametrize("missing", NAMESPACES)
def test_a_prefix_must_be_declared(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tolerant reader handles undeclared prefixes."""
    text = Writer(3, 0.0).document(100).replace(f" xmlns:{missing}=", " xmlns:unused=")
    assert taken(text, monkeypatch) == 0
    short, long = both_ways("", text)
    assert short == long


LINK = f'<xhtml:link rel="alternate" hreflang="de" href="{SITE}/de"/>'
IMAGE = f"<image:image><image:loc>{SITE}/i.jpg</image:loc></image:image>"
TITLE = "<video:title>x</video:title>"


@pytest.mark.parametrize(
    "parts",
    [
        f"<video:video>{TITLE}{LINK}</video:video>",
        f"<video:video>{TITLE}{IMAGE}</video:video>",
        f"<news:news><video:video>{TITLE}</video:video></news:news>",
        "<news:publication></news:publication>",
        "<video:video><news:publication></news:publication></video:video>",
        "<news:news></news:publication></news:news>",
        "<news:news><news:publication><news:publication></news:publication></news:publication></news:news>",
        "<video:video></video:video>",
        f"<video:video>{TITLE}</image:image>",
        f"<video:video>{TITLE}",
        f"<video:video>{TITLE}{TITLE}</video:video>",
    ],
)
def test_parts_in_the_wrong_place_are_the_parsers(parts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Extensions in the wrong place are left to the parser."""
    declared = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
    text = f'<urlset xmlns="{NAMESPACE}"{declared}><url><loc>{SITE}/1</loc>{parts}</url></urlset>'
    assert taken(text, monkeypatch) == 0
    short, long = both_ways("", text)
    assert short == long

"""The rules of `check`: for each a document that breaks it, and none that does so without reason."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contentmap_cli.check.checker import RULES, Checker
from contentmap_cli.check.documents import FROM_PROBLEMS
from contentmap_cli.check.languages import is_language
from contentmap_cli.check.registry import chosen_rules
from contentmap_cli.crawl.reading.entry_spool import EntrySpool
from contentmap_cli.errors import Failure, UsageError
from contentmap_cli.models import DiscoveryMethod, Document, DocumentKind, Entry
from contentmap_cli.models.findings import CheckedFile, CheckedSite, Severity
from contentmap_cli.models.robots import RobotsRefusal
from contentmap_cli.sitemap import ProblemCode, parse_document, parse_lastmod

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NS = "http://www.sitemaps.org/schemas/sitemap/0.9"
SITE = CheckedSite("a.example.com", NOW)
HOME = "https://a.example.com/sitemap.xml"
EXT = "".join(
    f' xmlns:{name}="http://www.google.com/schemas/sitemap-{name}/{version}"'
    for name, version in (("image", "1.1"), ("video", "1.1"), ("news", "0.9"))
)
EXT += ' xmlns:xhtml="http://www.w3.org/1999/xhtml"'


def wrap(entries: str, attributes: str = f' xmlns="{NS}"{EXT}') -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset{attributes}>{entries}</urlset>'


def url(more: str = "", loc: str = "https://a.example.com/p") -> str:
    return f"<url><loc>{loc}</loc><lastmod>2026-01-02</lastmod>{more}</url>"


def urls(count: int, lastmod: str = "2026-01-{day:02}", more: str = "") -> str:
    return wrap(
        "".join(
            f"<url><loc>https://a.example.com/{n}</loc><lastmod>{lastmod.format(day=n % 28 + 1)}</lastmod>{more}</url>"  # noqa: E501 - a document a line
            for n in range(count)
        )
    )


VIDEO = (
    "<video:video><video:thumbnail_loc>https://a.example.com/t.jpg</video:thumbnail_loc><video:title>t</video:title>"
    "<video:description>d</video:description><video:content_loc>https://a.example.com/v.mp4</video:content_loc>"
    "{more}</video:video>"
)
NEWS = (
    "<news:news><news:publication><news:name>n</news:name><news:language>{language}</news:language>"
    "</news:publication><news:publication_date>{date}</news:publication_date>{more}</news:news>"
)


def link(code: str, href: str) -> str:
    return f'<xhtml:link rel="alternate" hreflang="{code}" href="{href}"/>'


SELF = link("en", "https://a.example.com/p")

BROKEN: dict[str, str | bytes] = {
    "document-kind": "<!DOCTYPE html><html><body>hello</body></html>",
    "document-empty": wrap(""),
    "document-truncated": wrap(url() + url(loc="https://a.example.com/q")).partition("/q")[0],
    "document-compression": b"gzip+garbage",
    "document-line": "https://a.example.com/1\nnot a url\nhttps://a.example.com/2\n",
    "xml-broken": wrap(url(loc="https://a.example.com/?a=1&b=2")),
    "xml-ampersand": wrap(url(loc="https://a.example.com/?a=1&b=2")),
    "xml-entity": wrap(url(loc="https://a.example.com/caf&eacute;")),
    "xml-tags": wrap("<url><loc>https://a.example.com/1</url>" + url()),
    "xml-junk": "Warning: something\n" + wrap(url()),
    "xml-roots": wrap(url()) + wrap(url(loc="https://a.example.com/2")),
    "xml-doctype": '<!DOCTYPE urlset [<!ENTITY a "b">]>' + wrap(url()),
    "encoding-declared": wrap(url()).encode() + b"<!-- \xff\xfe\xe9 -->",
    "encoding-utf8": wrap(url()).replace("UTF-8", "UTF-16").encode("utf-16"),
    "namespace-missing": wrap(url(), ""),
    "namespace-wrong": wrap(url(), f' xmlns="{NS}/"'),
    "namespace-old": wrap(url(), ' xmlns="http://www.google.com/schemas/sitemap/0.84"'),
    "namespace-extension": wrap(url(), f' xmlns="{NS}" xmlns:image="http://www.google.com/schemas/sitemap-image/1.0"'),
    "entry-url-missing": wrap("<url><lastmod>2026-01-01</lastmod></url>"),
    "entry-stray": wrap(url() + "<loc>https://a.example.com/x</loc>"),
    "entry-changefreq": wrap(url("<changefreq>often</changefreq>")),
    "entry-priority": wrap(url("<priority>7</priority>")),
    "entry-extension": wrap(url(f"<image:image><image:loc>https://a.example.com/{'x' * 5000}</image:loc></image:image>")),  # noqa: E501 - a document a line
    "lastmod-invalid": wrap("<url><loc>https://a.example.com/</loc><lastmod>03/04/24</lastmod></url>"),
    "lastmod-format": wrap("<url><loc>https://a.example.com/</loc><lastmod>2024/01/02 10:00</lastmod></url>"),
    "lastmod-missing": wrap("<url><loc>https://a.example.com/</loc></url>"),
    "lastmod-future": wrap("<url><loc>https://a.example.com/</loc><lastmod>2026-03-03</lastmod></url>"),
    "lastmod-ancient": wrap("<url><loc>https://a.example.com/</loc><lastmod>1970-01-01</lastmod></url>"),
    "lastmod-equal": urls(12, "2026-01-05"),
    "lastmod-now": urls(12, "2026-03-01T11:59:{day:02}Z"),
    "priority-equal": urls(12, more="<priority>0.5</priority>"),
    "limit-url-length": wrap(url(loc="https://a.example.com/" + "x" * 2100)),
    "url-invalid": wrap(url(loc="{{ site.url }}/p")),
    "url-relative": wrap(url(loc="a.example.com/p")),
    "url-slashes": wrap(url(loc="https:/a.example.com/p")),
    "url-duplicate": wrap(url() + url()),
    "url-host": wrap(url(loc="https://b.example.com/")),
    "url-http": wrap(url(loc="http://a.example.com/")),
    "url-private": wrap(url(loc="http://localhost:4000/")),
    "url-escape": wrap(url(loc="https://a.example.com/a b")),
    "url-percent": wrap(url(loc="https://a.example.com/100%")),
    "url-fragment": wrap(url(loc="https://a.example.com/#top")),
    "url-session": wrap(url(loc="https://a.example.com/?PHPSESSID=1")),
    "url-credentials": wrap(url(loc="https://user:pw@a.example.com/")),
    "image-count": wrap(url("<image:image><image:loc>https://a.example.com/i</image:loc></image:image>" * 1001)),  # noqa: E501 - a document a line
    "image-url": wrap(url("<image:image><image:title>t</image:title></image:image>")),
    "image-retired": wrap(url("<image:image><image:loc>https://a.example.com/i</image:loc><image:title>t</image:title></image:image>")),
    "video-required": wrap(url("<video:video><video:title>t</video:title></video:video>")),
    "video-value": wrap(url(VIDEO.format(more="<video:duration>28801</video:duration>"))),
    "video-retired": wrap(url(VIDEO.format(more="<video:category>c</video:category>"))),
    "news-required": wrap(url(NEWS.format(language="en", date="2026-03-01", more=""))),
    "news-language": wrap(url(NEWS.format(language="english", date="2026-03-01", more="<news:title>t</news:title>"))),  # noqa: E501 - a document a line
    "news-date": wrap(url(NEWS.format(language="en", date="yesterday", more="<news:title>t</news:title>"))),
    "news-old": wrap(url(NEWS.format(language="en", date="2026-02-26", more="<news:title>t</news:title>"))),
    "news-count": wrap(url(NEWS.format(language="en", date="2026-03-01", more="<news:title>t</news:title>") * 1000) + url(NEWS.format(language="en", date="2026-03-01", more="<news:title>t</news:title>"), "https://a.example.com/q")),  # noqa: E501 - a document a line
    "news-retired": wrap(url(NEWS.format(language="en", date="2026-03-01", more="<news:title>t</news:title><news:genres>Blog</news:genres>"))),  # noqa: E501 - a document a line
    "hreflang-code": wrap(url(SELF + link("en-UK", "https://a.example.com/uk"))),
    "hreflang-url": wrap(url(SELF + link("de", "/de"))),
    "hreflang-self": wrap(url(link("de", "https://a.example.com/de"))),
    "hreflang-repeated": wrap(url(SELF + link("en", "https://a.example.com/en2"))),
    "hreflang-return": wrap(url(SELF + link("de", "https://a.example.com/de"))),
    "hreflang-x-default": wrap(url(SELF + link("de", "https://a.example.com/de"))),
    "hreflang-domain": wrap(url(SELF + link("de", "https://example.de/p"))),
    "hreflang-missing": wrap("".join(url(SELF, f"https://a.example.com/{n}") for n in range(3)) + url()),
    "lastmod-time": wrap(urls(3, "2026-01-{day:02}T10:00Z").partition("<url>")[2].join(("<url>", ""))[: -len("</urlset>")] + url()),  # noqa: E501 - a document a line
    "changefreq-format": wrap(url("<changefreq>Daily</changefreq>")),
    "priority-format": wrap(url("<priority>0,8</priority>")),
    "news-future": wrap(url(NEWS.format(language="en", date="2026-03-01T13:00Z", more="<news:title>t</news:title>"))),  # noqa: E501 - a document a line
    "news-name": wrap("".join(url(NEWS.format(language="en", date="2026-03-01", more="").replace(">n<", f">{name}<"), f"https://a.example.com/{n}") for n, name in enumerate("nnnm"))),  # noqa: E501 - a document a line
    "image-http": wrap(url("<image:image><image:loc>http://a.example.com/i</image:loc></image:image>")),
    "url-www": "https://example.com/1\nhttps://example.com/2\nhttps://example.com/3\nhttps://www.example.com/4\n",
    "url-case": "".join(f"https://a.example.com/{name}\n" for name in ("one", "two", "three", "Four")),
    "url-trailing-slash": "".join(f"https://a.example.com/{name}\n" for name in ("a/", "b/", "c/", "d")),
    "url-double-slash": wrap(url(loc="https://a.example.com//p")),
    "url-dots": wrap(url(loc="https://a.example.com/a/../p")),
    "url-port": wrap(url(loc="https://a.example.com:443/p")),
    "url-tracking": wrap(url(loc="https://a.example.com/p?utm_source=x")),
    "url-refused": wrap(url(loc="https://a.example.com:6000/p")),
}  # fmt: skip
GOOD = wrap(
    "".join(
        f"<url><loc>https://a.example.com/{code}</loc><lastmod>2026-01-0{day}</lastmod><priority>0.{day}</priority>"
        + "".join(link(each, f"https://a.example.com/{each}") for each in ("en", "de"))
        + link("x-default", "https://a.example.com/en")
        + "<image:image><image:loc>https://a.example.com/i.jpg</image:loc></image:image>"
        + VIDEO.format(more="<video:duration>60</video:duration>")
        + NEWS.format(language="en", date="2026-02-28T10:00:00Z", more="<news:title>t</news:title>")
        + "</url>"
        for day, code in enumerate(("en", "de"), start=1)
    )
)


def read(body: str | bytes) -> tuple[Document, list[Entry]]:
    data = body.encode() if isinstance(body, str) else body
    with EntrySpool() as spool:
        document = parse_document(io.BytesIO(data), spool, base=HOME)
        return document, [entry for batch in spool.read() for entry in batch]


def as_file(document: Document, name: str = HOME) -> CheckedFile:
    return CheckedFile(
        name=name,
        kind=document.kind,
        entries=document.entries,
        problems=document.problems,
        failure=document.failure,
        url=name,
        encoding=document.encoding,
        is_gzipped=document.is_gzipped,
        decoded_bytes=document.decoded_bytes,
        has_lastmod=document.has_lastmod,
        root=document.root,
        read_at=NOW,
    )


def found(*files: tuple[CheckedFile, Sequence[Entry]], site: CheckedSite = SITE) -> dict[str, int]:
    """How often each rule is broken."""
    checker = Checker(site)
    for _ in range(2):
        for file, entries in files:
            checker.start(file)
            checker.entries(entries)
            checker.end()
        if not checker.repeat():
            break
    return {finding.rule.id: finding.count for finding in checker.findings()}


def in_document(body: str | bytes) -> dict[str, int]:
    document, entries = read(body)
    return found((as_file(document), entries))


@pytest.mark.parametrize("name", BROKEN)
def test_a_document_that_breaks_a_rule(name: str) -> None:
    """Each rule about a document is broken by one that was made for it."""
    body = BROKEN[name]
    if body == b"gzip+garbage":
        import gzip

        body = gzip.compress(wrap(url()).encode()) + b"garbage"
    assert name in in_document(body)


def test_a_good_document_breaks_none() -> None:
    """Alternates that link back, media with all they need, dates that differ: nothing to say."""
    assert in_document(GOOD) == {}


FILE = CheckedFile(name=HOME, kind=DocumentKind.URLSET, entries=1, url=HOME, named=True, decoded_bytes=9)
GZ = "https://a.example.com/s.xml.gz"
DELIVERED: dict[str, CheckedFile] = {
    "limit-urls": replace(FILE, entries=50_001),
    "limit-size": replace(FILE, decoded_bytes=50 * 1024 * 1024 + 1),
    "limit-robots": replace(FILE, kind=DocumentKind.ROBOTS, decoded_bytes=600_000),
    "xml-size": replace(FILE, failure=Failure("xml_token_too_large", "m")),
    "http-failed": replace(FILE, kind=None, failure=Failure("http_404", "m")),
    "http-redirect": replace(FILE, final_url="https://a.example.com/other.xml"),
    "http-type": replace(FILE, content_type="text/html; charset=utf-8"),
    "http-gzip": replace(FILE, url=GZ),
    "robots-orphan": replace(FILE, named=False, discovered_by=DiscoveryMethod.KNOWN_PATH),
    "http-compression": replace(FILE, decoded_bytes=2_000_000),
    "location-host": replace(FILE, url="https://cdn.example.net/s.xml"),
    "index-nested": replace(FILE, kind=DocumentKind.INDEX, parent="https://a.example.com/i.xml"),
    "index-host": replace(FILE, parent="https://c.example.com/i.xml"),
    "lastmod-touched": replace(FILE, was_changed=False, date_changed=True),
    "lastmod-stale": replace(FILE, was_changed=True, date_changed=False),
}


@pytest.mark.parametrize("name", DELIVERED)
def test_a_file_that_breaks_a_rule(name: str) -> None:
    """Each rule about a file's delivery and place is broken by one made for it, and by no good one."""
    assert name in found((DELIVERED[name], ()))
    assert found((FILE, ())) == {}


SITES = {
    "site-unreachable": CheckedSite("a.example.com", NOW, failures=(Failure("dns_error", "m"),)),
    "site-empty": CheckedSite("a.example.com", NOW),
    "site-incomplete": CheckedSite("a.example.com", NOW, failures=(Failure("deadline", "m"),)),
    "robots-unreachable": CheckedSite("a.example.com", NOW, failures=(Failure("robots_unreachable", "m"),)),
    "robots-html": CheckedSite("a.example.com", NOW, failures=(Failure("robots_is_html", "m"),)),
}


ROBOTS: dict[str, str | bytes] = {
    "limit-robots": "User-agent: *\n" + "# filler\n" * 60_000,
    "robots-html": "<!DOCTYPE html><html><body>hello</body></html>",
    "robots-content": '{"error": "not found"}',
    "robots-lines": r"User-agent: *\nDisallow: /a\nSitemap: https://a.example.com/s.xml",
    "robots-sitemap": "User-agent: *\nSitemap: https:/a.example.com/s.xml\n",
    "robots-key": "User-agent: *\nDisalow: /a\n",
    "robots-group": "Disallow: /a\n",
    "robots-unknown": "User-agent: *\nHello: world\n",
    "robots-encoding": b"\xef\xbb\xbfUser-agent: *\n",
}


def robots_file(body: str | bytes) -> CheckedFile:
    """A robots.txt as the rules see it."""
    address = "https://a.example.com/robots.txt"
    source = io.BytesIO(body.encode() if isinstance(body, str) else body)
    with EntrySpool() as spool:
        return replace(as_file(parse_document(source, spool, base=address)), name=address, url=address)


@pytest.mark.parametrize("name", ROBOTS)
def test_a_robots_txt_that_breaks_a_rule(name: str) -> None:
    """As a file, and as the robots.txt of a site; a good one breaks none."""
    file = robots_file(ROBOTS[name])
    assert {*found((file, ()))} == {name}
    assert {*found((FILE, ()), site=replace(SITE, robots=file))} == {name}
    good = robots_file(f"User-agent: *\nDisallow: /a\nSitemap: {HOME}\n")
    assert found((FILE, ()), site=replace(SITE, robots=good)) == {}


@pytest.mark.parametrize("name", SITES)
def test_a_site_that_breaks_a_rule(name: str) -> None:
    """What is about a site as a whole."""
    assert name in found(site=SITES[name])
    assert ("site-empty" in found(site=SITES[name])) == (name in ("site-empty", "robots-html"))


def test_rules_about_several_files() -> None:
    """robots.txt, folders, indexes and other files: what one document alone cannot break."""
    page = Entry("https://a.example.com/x", parse_lastmod("2026-02-02"))
    refusal = RobotsRefusal(("Googlebot",), "*", 2, "Disallow: /x")
    site = CheckedSite(
        "a.example.com", NOW, lambda url: [refusal] if url.endswith("/x") else [], ("*", "Googlebot")
    )
    deep = replace(FILE, name="d", url="https://a.example.com/catalog/s.xml")
    late = replace(FILE, name="e", index_lastmod=parse_lastmod("2026-01-01"))
    said = found((deep, [page]), (late, [page]), site=site)
    assert said == {"url-repeated": 1, "url-blocked": 2, "url-location": 1, "lastmod-index": 1} | said
    assert "robots-blocked" in found((replace(FILE, url="https://a.example.com/x"), ()), site=site)
    others = replace(site, refusals=lambda _: [replace(refusal, agents=("*",))])
    assert {"url-blocked-others", "robots-blocked"} <= set(found((FILE, [page]), site=others))
    for agents in (("*",), ()):
        assert "url-blocked" in found((FILE, [page]), site=replace(others, agents=agents))
    trusted = replace(deep, trusted=True)
    assert {"url-location", "location-folder"} & {*found((trusted, [page]))} == {"location-folder"}


def test_what_was_too_much_to_compare_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither repetitions nor links back are passed over in silence where there are too many."""
    pages = [
        Entry(
            f"https://a.example.com/{n}", alternates=({"hreflang": "de", "href": "https://a.example.com/x"},)
        )
        for n in range(4)
    ]

    def said() -> list[str]:
        checker = Checker(SITE)
        for name in ("one", "two"):
            checker.start(replace(FILE, name=name))
            checker.entries(pages)
            checker.end()
        checker.finish()
        return checker.incomplete()

    assert said() == []
    monkeypatch.setattr("contentmap_cli.check.urls.MAX_HASHES", 5)
    monkeypatch.setattr("contentmap_cli.check.languages.MAX_LINKS", 5)
    assert said() == [
        "url-repeated compared the first 5 URLs only",
        "hreflang-return was not checked: more than 5 alternates",
    ]


def test_a_link_back_is_missed_in_whatever_order_the_files_come() -> None:
    """A page on another host of the site, whose file comes later or earlier, is asked for its link back; a
    page on a host that no file speaks of is not."""
    other, foreign = "https://de.example.com/p", "https://foreign.test/p"
    links = tuple({"hreflang": code, "href": href} for code, href in (("de", other), ("fr", foreign)))
    pages = {
        "one": Entry("https://a.example.com/p", alternates=links),
        "two": Entry(other, alternates=({"hreflang": "de", "href": other},)),
    }
    for names in (("one", "two"), ("two", "one")):
        checker = Checker(SITE)
        for _ in range(2):
            for name in names:
                checker.start(replace(FILE, name=name))
                checker.entries([pages[name]])
                checker.end()
            if not checker.repeat():
                break
        (missing,) = [found for found in checker.findings() if found.rule.id == "hreflang-return"]
        assert (missing.count, missing.file) == (1, "one")
        assert [each[:3] for each in missing.occurrences] == [(None, "https://a.example.com/p", other)]


def test_relative_urls_of_a_document_of_known_place() -> None:
    """They are resolved to be listed, and each is said: a path, a host without scheme, a name."""
    body = wrap("".join(url(loc=loc) for loc in ("/p", "//a.example.com/q", "r", "https://a.example.com/s")))
    _, entries = read(body)
    assert [entry.url.rpartition("/")[2] for entry in entries] == ["p", "q", "r", "s"]
    assert not any(entry.repaired for entry in entries)
    assert in_document(body)["url-relative"] == 3
    atom = '<feed xmlns="http://www.w3.org/2005/Atom"><entry><link href="/p"/></entry></feed>'
    assert "url-relative" not in in_document(atom)  # RFC 4287 allows it


def test_every_rule_is_tried() -> None:
    """No rule without a document that breaks it. Others are in `test_pages` and `test_coverage`."""
    several = {
        *("url-repeated", "url-blocked", "url-blocked-others", "url-location", "location-folder"),
        *("lastmod-index", "lastmod-empty", "robots-blocked"),
    }
    assert {*BROKEN, *DELIVERED, *SITES, *ROBOTS, *several} == {
        name for name in RULES if not name.startswith(("page-", "coverage-"))
    }


def test_every_problem_of_the_reader_has_a_rule() -> None:
    """What the reader notices is never dropped."""
    assert set(FROM_PROBLEMS) == {code.value for code in ProblemCode}


def test_rules_are_chosen_by_id_or_beginning() -> None:
    """--select, --ignore and --severity."""
    assert chosen_rules(["lastmod"], ["lastmod-f"]) == {
        name for name in RULES if name.startswith("lastmod") and not name.startswith("lastmod-f")
    }
    assert all(RULES[name].severity is Severity.ERROR for name in chosen_rules(least=Severity.ERROR))
    with pytest.raises(UsageError):
        chosen_rules(["nonsense"])


@pytest.mark.parametrize("code", ["en", "en-GB", "zh-Hant-TW", "x-default", "es-419", "FR-fr"])
def test_language_codes(code: str) -> None:
    """Languages, scripts, regions."""
    assert is_language(code)


@pytest.mark.parametrize("code", ["en-UK", "english", "en_GB", "", "xx", "de-"])
def test_no_language_codes(code: str) -> None:
    """What is often written and means nothing."""
    assert not is_language(code)

"""--include, --exclude and --lastmod-after: patterns, dates, and what a crawl requests and reads."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import Any

import pytest
from crawls import crawl
from web_sites import index, urlset

from contentmap_cli.crawl.results import DomainCrawl
from contentmap_cli.crawl.selection import MAX_HELD, Choice, Selection, lists_pages
from contentmap_cli.models import DiscoveryMethod, DocumentKind, Lastmod, RememberedFile, ScanStatus

SITE = "https://shop.test"
HOST = "http://site.test"
PRODUCTS = Selection(include=("*product*",))


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("*product*", ["/maps/product-1.xml", "/products/1.xml"], ["/Product.xml", "/blog.xml"]),
        (
            "product-?.xml",
            ["/product-1.xml", "/maps/product-2.xml"],
            ["/product-10.xml", "/my-product-1.xml"],
        ),
        ("/maps/*", ["/maps/a.xml", "/maps/b/c.xml"], ["/old/maps/a.xml", "/maps"]),
        ("maps/*.xml", ["/maps/a.xml", "/old/maps/b/a.xml"], ["/maps/a.xml.gz", "/sitemaps/a.xml"]),
        ("https://shop.test/a.xml", ["/a.xml"], ["/a.xml?page=2", "/b/https://shop.test/aXxml"]),
        ("*?page=*", ["/a.xml?page=2", "/axpage=2"], ["/a.xml"]),
        ("a[1].xml", ["/a[1].xml"], ["/a1.xml"]),
        ("*/a/*b.c", ["/a/b.c", "/x/a/xb.c"], ["/ab.c"]),
    ],
)
def test_globs(glob: str, matching: list[str], other: list[str]) -> None:
    chosen = Selection(exclude=(glob,))
    assert [path for path in (*matching, *other) if chosen.excludes(SITE + path)] == matching
    assert Selection.parse((glob,), (), None) == Selection(include=(glob,))


def test_what_may_be_an_index() -> None:
    """By its name, the source that names it, and what an earlier scan has recorded."""
    wanted = Selection(include=("*product*",), exclude=("*old*",))
    robots, link, child = DiscoveryMethod.ROBOTS, DiscoveryMethod.HTML_LINK, DiscoveryMethod.INDEX
    feed, path, given = DiscoveryMethod.FEED_LINK, DiscoveryMethod.KNOWN_PATH, DiscoveryMethod.GIVEN
    for name, method, kind, choice in (
        ("product.xml", robots, None, Choice.READ),
        ("product.xml", child, DocumentKind.URLSET, Choice.READ),
        ("old-product.xml", robots, None, Choice.SKIP),
        ("old-index.xml", child, DocumentKind.INDEX, Choice.SKIP),
        ("old.xml", given, None, Choice.READ),
        ("blog.xml", robots, None, Choice.HOLD),
        ("blog.xml", link, None, Choice.HOLD),
        ("blog.xml", robots, DocumentKind.URLSET, Choice.SKIP),
        ("blog.xml", robots, DocumentKind.INDEX, Choice.PEEK),
        ("blog.xml", child, None, Choice.SKIP),
        ("blog_INDEX.xml.gz", child, None, Choice.PEEK),
        ("index.php?sitemap=blog", child, None, Choice.SKIP),
        ("index/blog.xml", child, None, Choice.SKIP),
        ("en/sitemap.xml", robots, None, Choice.PEEK),
        ("en/sitemap.xml", child, None, Choice.SKIP),
        ("sitemap1.xml", path, None, Choice.PEEK),
        ("news-sitemap.xml", path, None, Choice.SKIP),
        ("rss.xml", feed, None, Choice.SKIP),
    ):
        found = wanted.choose(f"{SITE}/{name}", method, kind, child=method is child)
        assert found is choice, (name, method, kind)
    assert wanted.choose(f"{SITE}/rss?page=2", feed, None, child=True) is Choice.READ
    assert Selection().choose(f"{SITE}/a", child, None, child=True) is Choice.READ


def test_the_time_that_a_lastmod_names_has_ended() -> None:
    noon = Selection(lastmod_after=datetime(2026, 11, 20, 12, tzinfo=UTC))
    midnight = Selection(lastmod_after=datetime(2026, 11, 20, tzinfo=UTC))
    for precision, utc, at_noon, at_midnight in (
        ("second", "2026-11-20T12:00:00Z", True, False),
        ("second", "2026-11-20T12:00:01Z", False, False),
        ("fraction", "2026-11-20T12:00:00Z", False, False),
        ("minute", "2026-11-20T11:59:00Z", True, False),
        ("day", "2026-11-20T00:00:00Z", False, False),
        ("day", "2026-11-19T00:00:00Z", True, True),
        ("month", "2026-11-01T00:00:00Z", False, False),
        ("month", "2026-10-01T00:00:00Z", True, True),
        ("year", "2026-01-01T00:00:00Z", False, False),
        ("year", "2025-01-01T00:00:00Z", True, True),
        ("year", "9999-01-01T00:00:00Z", False, False),
        (None, None, False, False),
    ):
        lastmod = Lastmod(utc, precision, "")
        assert (noon.is_old(lastmod), midnight.is_old(lastmod)) == (at_noon, at_midnight), (precision, utc)
    assert not noon.is_old(None)
    assert not Selection().is_old(Lastmod("2001-01-01T00:00:00Z", "day", ""))


def test_the_beginning_of_a_document() -> None:
    """At every length: a list of pages is recognised at its root, and an index never taken for one."""
    head = '<?xml version="1.0"?>\n<!-- made by x -->\n<?xml-stylesheet href="a.xsl"?>\n'
    for body, expected in (
        (f"{head}<urlset xmlns='x'><url>", True),
        (f"{head}<s:sitemapindex xmlns:s='x'><s:sitemap>", False),
        ("https://shop.test/a\nhttps://shop.test/b\n", True),
        ("<rss><channel>", True),
        ("<!doctype html><html><head>", None),
    ):
        for encoded in (body.encode(), body.encode("utf-16"), gzip.compress(body.encode())):
            verdicts = {lists_pages(encoded[:length]) for length in range(len(encoded) + 1)}
            assert lists_pages(encoded) is expected, body
            assert verdicts <= {None, expected}, body


# -- crawls


def children(*names: str, dates: dict[str, str] | None = None) -> str:
    """An index of these files, with the lastmods that are given."""
    text = index(*(f"{HOST}/{name}" for name in names))
    for name, date in (dates or {}).items():
        loc = f"{HOST}/{name}</loc>"
        text = text.replace(loc, f"{loc}<lastmod>{date}</lastmod>")
    return text


def lists(*names: str) -> dict[str, bytes | str]:
    """These files with a page each."""
    return {f"/{name}": urlset(f"{HOST}/{name}.html") for name in names}


def robots(*names: str) -> str:
    return "".join(f"Sitemap: {HOST}/{name}\n" for name in names)


async def select(
    site: Any, selection: Selection, earlier: DomainCrawl | None = None, target: str = HOST
) -> tuple[DomainCrawl, set[str]]:
    """Crawl with what an earlier crawl recorded; return the paths that were requested as well."""
    site.asked.clear()
    known = [
        RememberedFile(
            file.url,
            file.discovered_by,
            kind=file.document.kind,
            digest=file.document.digest,
            entries=file.document.entries,
            lastmod=file.lastmod,
            parent=file.parent,
        )
        for file in (earlier.files if earlier is not None else ())
        if file.document is not None
    ]
    found = await crawl(site.options(selection=selection), target, tuple(known))
    return found, {path.lstrip("/") for path in site.paths} - {"robots.txt"}


def skipped(found: DomainCrawl) -> set[str]:
    return {url.removeprefix(f"{HOST}/") for url in found.not_selected}


async def test_files_that_robots_txt_names(new_site: Any) -> None:
    """One matches, one is an index, one has a name that an index may have and lists pages: it is read up to
    its root. Once it is recorded it is not requested."""
    plain = ("product-1.xml", "blog-1.xml", "product-2.xml", "blog-2.xml", "product-3.xml", "blog-3.xml")
    site = await new_site(
        {"/robots.txt": robots("product-1.xml", "blog-1.xml", "map_index.xml", "sitemap.xml")}
    )
    site.pages |= lists(*plain, "sitemap.xml")
    large = str(site.pages["/sitemap.xml"]).replace("</urlset>", " " * 9_000_000 + "</urlset>")
    site.pages["/sitemap.xml"] = large
    site.pages["/map_index.xml"] = children("product-2.xml", "blog-2.xml", "archive_index.xml")
    site.pages["/archive_index.xml"] = children("product-3.xml", "blog-3.xml")
    indexes = {"map_index.xml", "archive_index.xml"}
    products = {name for name in plain if "product" in name}
    found, asked = await select(site, PRODUCTS)
    assert asked == {*products, *indexes, "sitemap.xml"}
    assert {file.url.rpartition("/")[2] for file in found.files} == products | indexes
    assert skipped(found) == {"sitemap.xml", "blog-1.xml", "blog-2.xml", "blog-3.xml"}
    assert (found.status, found.complete) == (ScanStatus.OK, True)
    assert found.fetched_bytes < 300_000
    whole, asked = await select(site, Selection(), found)
    assert asked == {*plain, *indexes, "sitemap.xml"}
    assert whole.fetched_bytes > 9_000_000
    whole, _ = await select(site, Selection())  # each file with its document
    found, asked = await select(site, PRODUCTS, whole)
    assert asked == products | indexes
    # an excluded index: what it lists is not requested, neither as what is named no more
    found, asked = await select(site, Selection(exclude=("archive*", "/sitemap.xml")), whole)
    assert asked == {"product-1.xml", "blog-1.xml", "map_index.xml", "product-2.xml", "blog-2.xml"}
    assert skipped(found) == {"sitemap.xml", "archive_index.xml", "product-3.xml", "blog-3.xml"}
    # an index that lists pages now is not selected, and what it named stays
    site.pages["/map_index.xml"] = urlset(f"{HOST}/a")
    found, asked = await select(site, PRODUCTS, whole)
    assert asked == {"product-1.xml", "map_index.xml"}
    assert skipped(found) >= {"map_index.xml", "archive_index.xml", "product-2.xml", "product-3.xml"}


async def test_children_by_their_lastmod(new_site: Any) -> None:
    dates = {
        "day.xml": "2026-11-20",
        "before.xml": "2026-11-19",
        "equal.xml": "2026-11-20T12:00:00Z",
        "zone.xml": "2026-11-20T14:00:01+02:00",
        "month.xml": "2026-11",
        "minute.xml": "2026-11-20T11:59Z",
        "text.xml": "soon",
    }
    names = (*dates, "undated.xml")
    pages = {"/robots.txt": robots("maps.xml"), "/maps.xml": children(*names, dates=dates)} | lists(*names)
    site = await new_site(pages)
    noon = Selection(lastmod_after=datetime(2026, 11, 20, 12, tzinfo=UTC))
    later = {"day.xml", "zone.xml", "month.xml", "text.xml", "undated.xml"}
    found, asked = await select(site, noon)
    assert asked == {"maps.xml", *later}
    assert (found.status, len(found.not_selected)) == (ScanStatus.OK, 3)
    # recorded files that are too old count as unchanged; of others nothing is known
    never = Selection(include=("day.xml",), lastmod_after=datetime(2027, 1, 1, tzinfo=UTC))
    again, asked = await select(site, never, found)
    assert asked == {"maps.xml"}
    assert (again.status, again.complete, len(again.not_selected)) == (ScanStatus.OK, True, 8)
    for options in (never, Selection(include=("before.xml",), lastmod_after=never.lastmod_after)):
        again, asked = await select(site, options, None if options is never else found)
        assert (again.status, again.failure and again.failure.code) == (ScanStatus.FAILED, "not_selected")
    # what was read and has the same time in the index is unchanged; what was never read is read
    whole, asked = await select(site, Selection(), found)
    assert asked == {"maps.xml", *names} - {"zone.xml"}
    assert whole.status is ScanStatus.OK


async def test_nothing_that_the_site_names_matches(new_site: Any) -> None:
    """The first files are requested, since one may be an index; a site that names none is searched."""
    names = [f"s{number}.xml" for number in range(MAX_HELD + 5)]
    site = await new_site({"/robots.txt": robots(*names)} | lists(*names, "product.xml"))
    found, asked = await select(site, PRODUCTS)
    assert asked == set(names[:MAX_HELD])
    assert (found.status, found.files, skipped(found)) == (ScanStatus.FAILED, (), set(names))
    assert found.failure is not None
    assert "any of the 15 sitemaps" in found.failure.message
    site.pages["/s3.xml"] = children("product.xml")
    found, asked = await select(site, PRODUCTS)
    assert asked == {*names[:MAX_HELD], "product.xml"}
    assert found.status is ScanStatus.OK
    # a given sitemap is read, its children are selected
    found, asked = await select(site, Selection(exclude=("*s3*", "*s1*")), target=f"{HOST}/s3.xml")
    assert {"s3.xml", "product.xml"} <= asked
    assert "s1.xml" not in asked
    # known paths: only those that an index may have, and those that match
    site.pages = {"/sitemap_index.xml": children("product.xml", "blog.xml")} | lists(
        "product.xml", "blog.xml"
    )
    found, asked = await select(site, PRODUCTS)
    assert {"sitemap_index.xml", "product.xml"} <= asked
    assert not asked & {"blog.xml", "rss.xml", "news-sitemap.xml"}
    assert (found.status, skipped(found)) == (ScanStatus.OK, {"blog.xml"})


async def test_redirects_to_what_is_excluded(new_site: Any) -> None:
    pages = {"/robots.txt": robots("a.xml", "b.xml")} | lists("b.xml", "blog/c.xml")
    site = await new_site(pages | {"/a.xml": (302, {"Location": "/blog/c.xml"}, b"")})
    found, asked = await select(site, Selection(exclude=("blog/*",)))
    assert asked == {"a.xml", "b.xml"}
    assert (found.status, skipped(found)) == (ScanStatus.OK, {"a.xml"})

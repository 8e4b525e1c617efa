"""Whole domains, crawled from real servers."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from crawls import crawl, opened

from contentmap_cli.crawl.crawler import Crawler, CrawlProgress, DomainCrawl
from contentmap_cli.crawl.options import ConnectTo, CrawlOptions
from contentmap_cli.crawl.reading.reader import LARGE
from contentmap_cli.crawl.targets import parse_target
from contentmap_cli.models import (
    DiscoveryMethod,
    DocumentKind,
    FileStatus,
    Limits,
    Probe,
    RememberedFile,
    ScanStatus,
)
from contentmap_cli.models.entry_rows import COLUMNS, EXTRA_COLUMNS, URL, with_extra_columns

IN_SCOPE = (*COLUMNS, *EXTRA_COLUMNS).index("in_scope")
NS = "http://www.sitemaps.org/schemas/sitemap/0.9"
NewSite = Callable[..., Awaitable[Any]]


def urlset(*urls: str) -> str:
    """A sitemap of these URLs."""
    items = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    return f'<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="{NS}">{items}</urlset>'


def index(*children: str, lastmod: str = "") -> str:
    """An index of these sitemaps."""
    date = f"<lastmod>{lastmod}</lastmod>" if lastmod else ""
    items = "".join(f"<sitemap><loc>{url}</loc>{date}</sitemap>" for url in children)
    return f'<?xml version="1.0" encoding="UTF-8"?><sitemapindex xmlns="{NS}">{items}</sitemapindex>'


def urls(result: DomainCrawl) -> dict[str, list[str]]:
    """The entries' URLs of each file that has any, by the file's URL; closes the result."""
    with result:
        found = {
            file.url: [row[URL] for batch in result.rows(number) for row in batch]
            for number, file in enumerate(result.files)
        }
    return {url: entries for url, entries in found.items() if entries}


def scopes(result: DomainCrawl) -> dict[str, bool]:
    """Whether each URL of the first file is in scope."""
    return {row[URL]: with_extra_columns(row)[IN_SCOPE] for batch in result.rows(0) for row in batch}


async def test_robots_names_a_sitemap(new_site: NewSite) -> None:
    """A sitemap in robots.txt is read, nothing else is requested, and the domain is complete."""
    site = await new_site(
        {
            "/robots.txt": "Sitemap: http://site.test/map.xml\n",
            "/map.xml": urlset("http://site.test/a", "http://site.test/b"),
        }
    )
    result = await crawl(site.options())
    assert (result.status, result.complete, result.error, result.limits) == (ScanStatus.OK, True, None, ())
    file = result.files[0]
    assert (file.discovered_by, file.status, file.http_status) == (DiscoveryMethod.ROBOTS, FileStatus.OK, 200)
    assert urls(result) == {"http://site.test/map.xml": ["http://site.test/a", "http://site.test/b"]}
    assert site.paths == ["/robots.txt", "/map.xml"]
    assert result.requests == 2


async def test_no_process_is_left(new_site: NewSite) -> None:
    """A large file is parsed in a process that the crawler ends."""
    body = urlset(*(f"http://site.test/{number}" for number in range(9_000)))
    assert len(body) > LARGE
    site = await new_site({"/map.xml": body})
    async with Crawler(site.options()) as crawler:
        if crawler._processes is None:
            pytest.skip("a machine of one core parses in threads")
        opened.append(await crawler.crawl(parse_target("http://site.test/map.xml")))
        (pid,) = crawler._processes.pids
        os.kill(pid, 0)
    assert opened[-1].files[0].status is FileStatus.OK
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_no_parser_starts_for_a_file_that_need_not_be_parsed(new_site: NewSite) -> None:
    """Its digest is known, and without a response cache it is only compared."""
    body = urlset(*(f"http://site.test/{number}" for number in range(9_000)))
    site = await new_site({"/map.xml": body})
    known = RememberedFile(
        "http://site.test/map.xml",
        DiscoveryMethod.GIVEN,
        kind=DocumentKind.URLSET,
        digest=hashlib.blake2b(body.encode(), digest_size=16).hexdigest(),
    )
    async with Crawler(site.options()) as crawler:
        if crawler._processes is None:
            pytest.skip("a machine of one core parses in threads")
        opened.append(await crawler.crawl(parse_target("http://site.test/map.xml"), (known,)))
        assert crawler._processes.pids == []
    assert [file.status for file in opened[-1].files] == [FileStatus.UNCHANGED]


async def test_indexes_are_read_breadth_first(new_site: NewSite) -> None:
    """Children of an index, of an index of an index, plain and gzip, each with its parent."""
    site = await new_site(
        {
            "/robots.txt": "Sitemap: http://site.test/index.xml",
            "/index.xml": index("http://site.test/a.xml.gz", "http://site.test/deeper.xml"),
            "/a.xml.gz": gzip.compress(urlset("http://site.test/a").encode()),
            "/deeper.xml": index("http://site.test/b.xml"),
            "/b.xml": urlset("http://site.test/b"),
        }
    )
    result = await crawl(site.options())
    assert [
        (file.url.rpartition("/")[2], file.parent and file.parent.rpartition("/")[2]) for file in result.files
    ] == [
        ("index.xml", None),
        ("a.xml.gz", "index.xml"),
        ("deeper.xml", "index.xml"),
        ("b.xml", "deeper.xml"),
    ]
    assert result.status is ScanStatus.OK
    with result:
        assert [row[URL] for batch in result.rows(1) for row in batch] == ["http://site.test/a"]


async def test_circles_end(new_site: NewSite) -> None:
    """Indexes that name each other and themselves are read once; a note counts the repetitions."""
    site = await new_site(
        {
            "/robots.txt": "Sitemap: http://site.test/1.xml",
            "/1.xml": index("http://site.test/1.xml", "http://site.test/2.xml"),
            "/2.xml": index("http://site.test/1.xml", "http://site.test/a.xml"),
            "/a.xml": urlset("http://site.test/a"),
        }
    )
    result = await crawl(site.options())
    assert sorted(site.paths) == ["/1.xml", "/2.xml", "/a.xml", "/robots.txt"]
    assert [note.code for note in result.notes] == ["already_seen"]
    assert result.complete


async def test_depth_is_limited(new_site: NewSite) -> None:
    """An endless chain of indexes ends at the limit; the limit is reported and the scan is partial."""

    async def deeper(request: Any) -> str:
        number = int(request.path.strip("/i.xml"))
        return index(f"http://site.test/i{number + 1}.xml")

    site = await new_site({"/robots.txt": "Sitemap: http://site.test/i0.xml", "*": deeper})
    result = await crawl(site.options(limits=Limits(index_depth=3)))
    assert len(result.files) == 4
    assert [limit.code for limit in result.limits] == ["depth_exceeded"]
    assert (result.status, result.complete) == (ScanStatus.PARTIAL, False)


async def test_known_paths_when_nothing_names_a_sitemap(new_site: NewSite) -> None:
    """A few known paths are requested in turn until one works; an absent one is no failure."""
    site = await new_site({"/": "<html></html>", "/sitemap-index.xml": urlset("http://site.test/a")})
    result = await crawl(site.options())
    assert [(file.url, file.discovered_by) for file in result.files] == [
        ("http://site.test/sitemap-index.xml", DiscoveryMethod.KNOWN_PATH)
    ]
    assert (result.status, result.complete) == (ScanStatus.OK, True)
    assert "/sitemap_news.xml" not in site.paths


@pytest.mark.parametrize(
    ("pages", "place"),
    [
        ({"/": "<html></html>"}, None),
        ({"/": '<html><link href="/wp-content/a.css"></html>'}, "/wp-sitemap.xml"),
        ({"/robots.txt": "User-agent: *\nDisallow: /wp-admin/\n"}, "/sitemap_index.xml"),
        ({"/": (200, {"Link": '<http://site.test/wp-json/>; rel="x"'}, b"<html></html>")}, "/feed/"),
        ({"/": "<html><script src=//cdn11.bigcommerce.com/a.js></script></html>"}, "/xmlsitemap.php"),
        ({"/": "<html><body id=index class=PrestaShop></html>"}, "/1_index_sitemap.xml"),
    ],
)
async def test_the_platform_says_which_paths(
    new_site: NewSite, pages: dict[str, Any], place: str | None
) -> None:
    """A site without a sitemap costs at most ten requests; one is found where its platform puts it."""
    site = await new_site(pages)
    assert (await crawl(site.options())).status is ScanStatus.EMPTY
    assert len(site.paths) <= 10
    if place is not None:
        site.pages[place] = urlset("http://site.test/a")
        result = await crawl(site.options())
        assert [file.url for file in result.files] == [f"http://site.test{place}"]


async def test_probing_can_be_forbidden_and_forced(new_site: NewSite) -> None:
    """`never` requests no known path, `always` all of them, even if robots.txt names a sitemap."""
    pages = {
        "/robots.txt": "Sitemap: http://site.test/a.xml",
        "/a.xml": urlset("http://site.test/a"),
        "/sitemap.txt": "http://site.test/t\n",
        "/sitemap.xml": urlset("http://site.test/s"),
    }
    never = await crawl((await new_site({"/sitemap.xml": pages["/sitemap.xml"]})).options(probe=Probe.NEVER))
    assert (never.status, never.files) == (ScanStatus.EMPTY, ())
    always = await crawl((await new_site(pages)).options(probe=Probe.ALWAYS))
    assert [file.url.rpartition("/")[2] for file in always.files] == ["a.xml", "sitemap.xml", "sitemap.txt"]


async def test_a_host_that_says_yes_to_everything(new_site: NewSite) -> None:
    """HTML with status 200 for every path, including robots.txt, proves nothing."""
    site = await new_site({"*": "<html><body>Welcome</body></html>"})
    result = await crawl(site.options())
    assert (result.status, result.files, result.complete) == (ScanStatus.FAILED, (), False)
    assert result.failure is not None
    assert result.failure.code == "robots_is_html"


async def test_an_application_that_answers_every_path(new_site: NewSite) -> None:
    """With a valid robots.txt, the same page for every path means a site without a sitemap."""
    site = await new_site({"/robots.txt": "User-agent: *\nDisallow: /api/\n", "*": "<html>App</html>"})
    result = await crawl(site.options())
    assert (result.status, result.files, result.complete) == (ScanStatus.EMPTY, (), True)


async def test_an_application_with_a_sitemap_and_no_robots_file(new_site: NewSite) -> None:
    """A page instead of robots.txt is a note, if robots.txt never named a file."""
    pages = {"/sitemap.xml": urlset("http://site.test/a"), "*": "<html><body>App</body></html>"}
    site = await new_site(pages)
    result = await crawl(site.options())
    assert (result.status, result.complete) == (ScanStatus.OK, True)
    assert [note.code for note in result.notes] == ["robots_is_html"]
    known = RememberedFile("http://site.test/sitemap.xml", DiscoveryMethod.ROBOTS, kind=DocumentKind.URLSET)
    again = await crawl(site.options(), remembered=(known,))
    assert (again.status, again.complete) == (ScanStatus.PARTIAL, False)


async def test_a_host_that_redirects_everything_home(new_site: NewSite) -> None:
    """A redirect to the home page is not a sitemap."""
    home = (302, {"Location": "/"}, b"")
    site = await new_site({"/robots.txt": 404, "/": urlset("http://site.test/a"), "*": home})
    result = await crawl(site.options())
    assert (result.status, result.files) == (ScanStatus.EMPTY, ())


async def test_a_host_that_breaks_on_everything(new_site: NewSite) -> None:
    """500 for a path that cannot exist proves nothing about known paths: no file failed or is gone."""
    site = await new_site({"/robots.txt": 404, "/": "<html></html>", "*": 500})
    result = await crawl(site.options(retries=0))
    assert (result.files, result.complete) == ((), False)


async def test_one_sitemap_under_two_names(new_site: NewSite) -> None:
    """Two known paths with the same content are one file."""
    same = urlset("http://site.test/a")
    site = await new_site({"/": "<html></html>", "/sitemap.xml": same, "/sitemap_news.xml": same})
    result = await crawl(site.options(probe=Probe.ALWAYS))
    assert [file.url for file in result.files] == ["http://site.test/sitemap.xml"]
    assert "/sitemap_news.xml" in site.paths


async def test_home_page_links(new_site: NewSite) -> None:
    """A linked sitemap is read; a feed is read too, but does not end the search."""
    site = await new_site(
        {
            "/": '<html><head><link rel="sitemap" href="/linked.xml"><link rel="alternate" '
            'type="application/rss+xml" href="/rss.xml"></head></html>',
            "/linked.xml": urlset("http://site.test/a"),
            "/rss.xml": '<rss version="2.0"><channel><item><link>http://site.test/n</link></item></channel></rss>',
        }
    )
    result = await crawl(site.options())
    assert {file.url.rpartition("/")[2]: file.discovered_by for file in result.files} == {
        "linked.xml": DiscoveryMethod.HTML_LINK,
        "rss.xml": DiscoveryMethod.FEED_LINK,
    }
    assert "/sitemap.xml" not in site.paths
    site.pages.pop("/linked.xml")
    site.pages["/sitemap.xml"] = urlset("http://site.test/b")
    again = await crawl(site.options())
    assert {file.url.rpartition("/")[2] for file in again.files} == {"rss.xml", "sitemap.xml"}


async def test_rules_bind_guesses_and_not_what_is_named(new_site: NewSite) -> None:
    """`Disallow: /` applies to home page and known paths, not to files that robots.txt names, directly or
    through an index."""
    site = await new_site(
        {
            "/robots.txt": "User-agent: *\nDisallow: /\n",
            "/sitemap.xml": urlset("http://site.test/a"),
            "/named.xml": urlset("http://site.test/b"),
        }
    )
    result = await crawl(site.options())
    assert (result.status, set(site.paths)) == (ScanStatus.FAILED, {"/robots.txt"})
    assert result.failure is not None
    assert result.failure.code == "disallowed"
    site.pages["/robots.txt"] = "User-agent: *\nDisallow: /\nSitemap: http://site.test/index.xml\n"
    site.pages["/index.xml"] = index("http://site.test/named.xml")
    named = await crawl(site.options())
    assert urls(named) == {"http://site.test/named.xml": ["http://site.test/b"]}
    given = await crawl(site.options(), "http://site.test/sitemap.xml")
    assert urls(given)["http://site.test/sitemap.xml"] == ["http://site.test/a"]


async def test_what_robots_forbids_now_is_not_gone(new_site: NewSite) -> None:
    """A file of an earlier scan that is disallowed now is not requested, and nothing is removed."""
    site = await new_site({"/robots.txt": "User-agent: *\nDisallow: /odd.xml\n", "/": "<html></html>"})
    known = RememberedFile("http://site.test/odd.xml", DiscoveryMethod.KNOWN_PATH, kind=DocumentKind.URLSET)
    result = await crawl(site.options(), remembered=(known,))
    assert ("/odd.xml" in site.paths, result.files, result.complete) == (False, (), False)
    # robots.txt disallows the path of the platform: it is not known whether there is a sitemap
    home = "<html><script src=//cdn11.bigcommerce.com/a.js></script></html>"
    site.pages |= {"/robots.txt": "User-agent: *\nDisallow: /xmlsitemap.php\n", "/": home}
    result = await crawl(site.options())
    assert (result.status, result.complete) == (ScanStatus.FAILED, False)


async def test_unreachable_robots_forbid_everything(new_site: NewSite) -> None:
    """After 5xx for robots.txt nothing is requested (RFC 9309, 2.3.1.4), unless configured otherwise."""
    site = await new_site({"/robots.txt": 500, "/sitemap.xml": urlset("http://site.test/a")})
    result = await crawl(site.options())
    assert result.error is not None
    assert (result.status, result.error.code) == (ScanStatus.FAILED, "robots_unreachable")
    assert set(site.paths) == {"/robots.txt"}
    anyway = await crawl(site.options(obey_robots=False))
    assert (anyway.status, len(anyway.files)) == (ScanStatus.PARTIAL, 1)  # what it names is not known


async def test_what_is_named_and_missing_is_a_failed_file(new_site: NewSite) -> None:
    """A missing Sitemap line or child of an index is a failed file; others are read."""
    site = await new_site(
        {
            "/robots.txt": "Sitemap: http://site.test/gone.xml\nSitemap: http://site.test/index.xml",
            "/index.xml": index("http://site.test/a.xml", "http://site.test/dead.xml"),
            "/a.xml": urlset("http://site.test/a"),
            "/dead.xml": "<html>not found</html>",
        }
    )
    result = await crawl(site.options())
    failed = {file.url.rpartition("/")[2]: file.error.code for file in result.files if file.error}
    assert failed == {"gone.xml": "http_404", "dead.xml": "not_a_sitemap"}
    assert (result.status, result.complete) == (ScanStatus.PARTIAL, False)


async def test_https_then_http(new_site: NewSite) -> None:
    """A server without TLS is requested over http, and a sitemap given for https is found there."""
    site = await new_site({"/my.xml": urlset("http://site.test/a")})
    result = await crawl(site.options(), "site.test/my.xml")
    assert urls(result) == {"http://site.test/my.xml": ["http://site.test/a"]}


async def test_https_with_a_trusted_certificate(new_site: NewSite, ca_file: str) -> None:
    """TLS uses the requested host name; an untrusted certificate is the failure of the domain."""
    site = await new_site(
        {"/robots.txt": "Sitemap: https://tls.test/a.xml", "/a.xml": urlset("https://tls.test/a")}, tls=True
    )
    result = await crawl(site.options(ca_file=ca_file), "https://tls.test")
    assert urls(result) == {"https://tls.test/a.xml": ["https://tls.test/a"]}
    untrusted = await crawl(site.options(), "https://tls.test:443")
    assert untrusted.error is not None
    assert (untrusted.status, untrusted.error.code) == (ScanStatus.FAILED, "tls_certificate")
    misnamed = await crawl(site.options(ca_file=ca_file), "https://other.test:4443")
    assert misnamed.error is not None
    assert misnamed.error.code == "tls_certificate"


async def test_a_site_that_moves_to_www(new_site: NewSite) -> None:
    """Apex and www are one site: the redirect target is searched, its entries are in scope."""
    site = await new_site(
        {
            "site.test/robots.txt": (301, {"Location": "http://www.site.test/robots.txt"}, b""),
            "www.site.test/sitemap.xml": urlset(
                "http://www.site.test/a", "http://site.test/b", "http://else.test/c"
            ),
        }
    )
    result = await crawl(site.options())
    assert [file.url for file in result.files] == ["http://www.site.test/sitemap.xml"]
    with result:
        assert scopes(result) == {
            "http://www.site.test/a": True,
            "http://site.test/b": True,
            "http://else.test/c": False,
        }


async def test_cross_submitted_sitemaps(new_site: NewSite) -> None:
    """A sitemap on another host that robots.txt names may list the pages of that host (sitemaps.org)."""
    site = await new_site(
        {
            "site.test/robots.txt": "Sitemap: http://shop.test/map.xml",
            "shop.test/map.xml": urlset("http://site.test/a", "http://shop.test/b", "http://else.test/c"),
        }
    )
    result = await crawl(site.options())
    with result:
        assert scopes(result) == {
            "http://site.test/a": True,
            "http://shop.test/b": True,
            "http://else.test/c": False,
        }


async def test_below_a_folder(new_site: NewSite) -> None:
    """A target with a path is searched below it, and at the root as well."""
    site = await new_site({"/project/sitemap.xml": urlset("http://site.test/project/a")})
    result = await crawl(site.options(), "http://site.test/project/")
    assert list(urls(result)) == ["http://site.test/project/sitemap.xml"]


async def test_unchanged_files_are_not_read(new_site: NewSite) -> None:
    """A 304 and an equal digest both leave a file unchanged; an index is always read for its children."""

    async def conditional(request: Any) -> Any:
        if request.headers.get("If-None-Match") == '"one"':
            return 304
        return (200, {"ETag": '"one"'}, urlset("http://site.test/a").encode())

    site = await new_site(
        {
            "/robots.txt": "Sitemap: http://site.test/index.xml",
            "/index.xml": index("http://site.test/a.xml", "http://site.test/b.xml"),
            "/a.xml": conditional,
            "/b.xml": urlset("http://site.test/b"),
        }
    )
    first = await crawl(site.options())
    assert first.status is ScanStatus.OK
    remembered = tuple(
        RememberedFile(
            url=file.url,
            discovered_by=file.discovered_by,
            etag=file.etag,
            digest=file.document.digest if file.document else None,
            kind=file.document.kind if file.document else None,
        )
        for file in first.files
    )
    second = await crawl(site.options(), remembered=remembered)
    assert [file.status for file in second.files] == [FileStatus.UNCHANGED] * 3
    assert [file.http_status for file in second.files] == [200, 304, 200]
    assert (second.status, second.complete, urls(second)) == (ScanStatus.OK, True, {})
    full = await crawl(site.options(conditional=False), remembered=remembered)
    assert [file.status for file in full.files] == [FileStatus.OK] * 3


async def test_an_index_lastmod_saves_a_request(new_site: NewSite) -> None:
    """A child without a validator is not requested if its lastmod in the index is unchanged."""
    stamp = "2026-01-02T03:04:05Z"
    site = await new_site(
        {
            "/robots.txt": "Sitemap: http://site.test/index.xml",
            "/index.xml": index("http://site.test/a.xml", lastmod=stamp),
            "/a.xml": urlset("http://site.test/a"),
        }
    )
    known = RememberedFile(
        "http://site.test/a.xml", DiscoveryMethod.INDEX, kind=DocumentKind.URLSET, lastmod=stamp
    )
    result = await crawl(site.options(), remembered=(known,))
    assert [(file.status, file.lastmod) for file in result.files] == [
        (FileStatus.OK, None),
        (FileStatus.UNCHANGED, stamp),
    ]
    assert "/a.xml" not in site.paths
    later = await crawl(site.options(), remembered=(replace(known, lastmod="2025-01-01T00:00:00Z"),))
    assert [file.status for file in later.files] == [FileStatus.OK, FileStatus.OK]


async def test_remembered_files(new_site: NewSite) -> None:
    """A file of an earlier scan is requested again; 404 removes it, a refusal prevents removals."""
    site = await new_site({"/odd.xml": urlset("http://site.test/a"), "/": "<html></html>"})
    known = (
        RememberedFile("http://site.test/odd.xml", DiscoveryMethod.KNOWN_PATH, kind=DocumentKind.URLSET),
        RememberedFile("http://site.test/lost.xml", DiscoveryMethod.KNOWN_PATH, kind=DocumentKind.URLSET),
    )
    result = await crawl(site.options(), remembered=known)
    assert [(file.url, file.discovered_by) for file in result.files] == [
        ("http://site.test/odd.xml", DiscoveryMethod.REMEMBERED)
    ]
    assert result.complete
    site.pages["/lost.xml"] = 403
    refused = await crawl(site.options(), remembered=known)
    assert (refused.status, refused.complete) == (ScanStatus.PARTIAL, False)


@pytest.mark.parametrize(
    ("limits", "code", "files"),
    [
        (Limits(domain_urls=3), "budget_exhausted", [FileStatus.OK, FileStatus.OK, FileStatus.PARTIAL]),
        (Limits(domain_files=2), "budget_exhausted", [FileStatus.OK, FileStatus.OK]),
        (Limits(domain_bytes=700), "budget_exhausted", [FileStatus.OK, FileStatus.OK, FileStatus.PARTIAL]),
    ],
    ids=["urls", "files", "bytes"],
)
async def test_budgets_of_a_domain(
    new_site: NewSite, limits: Limits, code: str, files: list[FileStatus]
) -> None:
    """Each limit ends the crawl, is reported, and keeps what was read."""
    site = await new_site(
        {
            "/robots.txt": "Sitemap: http://site.test/index.xml",
            "/index.xml": index("http://site.test/0.xml", "http://site.test/1.xml"),
            "/0.xml": urlset(*(f"http://site.test/0/{number}" for number in range(2))),
            "/1.xml": urlset(*(f"http://site.test/1/{number}" for number in range(9))),
        }
    )
    result = await crawl(site.options(limits=limits, per_host=1))
    assert [limit.code for limit in result.limits] == [code]
    assert [file.status for file in result.files][: len(files)] == files
    assert (result.status, result.complete) == (ScanStatus.PARTIAL, False)
    assert sum(map(len, urls(result).values())) <= limits.domain_urls + 2  # and the two of the index


@pytest.mark.parametrize("entries", [3, 20_000])
async def test_the_domains_time_within_a_file(new_site: NewSite, entries: int) -> None:
    """The part that was received is read; only parsing a large file could exceed the time."""

    async def stalls(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        urls = "".join(f"<url><loc>http://site.test/{number}</loc></url>" for number in range(entries))
        await response.write(f"<urlset>{urls}<url>".encode())
        await asyncio.sleep(60)
        return response

    site = await new_site({"/robots.txt": "Sitemap: http://site.test/a.xml", "/a.xml": stalls})
    result = await crawl(site.options(limits=Limits(domain_time=1)))
    assert [limit.code for limit in result.limits] == ["deadline"]
    kept = sum(map(len, urls(result).values()))
    assert kept == entries or (not kept and entries > 3)
    assert result.status is (ScanStatus.PARTIAL if kept else ScanStatus.FAILED)


async def test_a_file_of_an_index_that_robots_disallows(new_site: NewSite) -> None:
    """It is not requested, and the scan is not complete."""
    site = await new_site(
        {
            "/robots.txt": "User-agent: *\nDisallow: /private\n",
            "/sitemap.xml": index("http://site.test/private/a.xml", "http://site.test/b.xml"),
            "/b.xml": urlset("http://site.test/b"),
        }
    )
    result = await crawl(site.options())
    assert "/private/a.xml" not in site.paths
    assert [file.status for file in result.files] == [FileStatus.OK, FileStatus.OK]
    assert (result.status, result.complete) == (ScanStatus.PARTIAL, False)
    assert result.failure is not None
    assert result.failure.code == "disallowed"


async def test_the_domains_time(new_site: NewSite) -> None:
    """At the time limit the crawl ends promptly with its results so far."""

    async def slow(request: Any) -> str:
        await asyncio.sleep(600)
        return ""

    site = await new_site(
        {
            "/robots.txt": "Sitemap: http://site.test/a.xml\nSitemap: http://site.test/slow.xml\n",
            "/a.xml": urlset("http://site.test/a"),
            "/slow.xml": slow,
        }
    )
    # nothing else ends it, and only a crawl that hangs takes so long
    limits = Limits(domain_time=1, read_timeout=600, request_timeout=600)
    async with asyncio.timeout(120):
        result = await crawl(site.options(limits=limits))
    assert [limit.code for limit in result.limits] == ["deadline"]
    assert [file.status for file in result.files] == [FileStatus.OK, FileStatus.FAILED]
    assert result.status is ScanStatus.PARTIAL


async def test_come_back_later(new_site: NewSite) -> None:
    """A Retry-After beyond the run's maximum wait defers the domain, at once and without asking again."""
    site = await new_site({"*": (429, {"Retry-After": "3600"}, b"")})
    result = await crawl(site.options())
    assert (result.status, result.complete) == (ScanStatus.DEFERRED, False)
    assert len(site.paths) == 1


async def test_a_refusing_site_is_not_an_empty_one(new_site: NewSite) -> None:
    """403 for every page is a failure with that reason."""
    site = await new_site({"*": 403})
    result = await crawl(site.options())
    assert result.failure is not None
    assert (result.status, result.failure.code, result.complete) == (ScanStatus.FAILED, "blocked", False)


async def test_guesses_that_lead_astray_are_no_failures(new_site: NewSite) -> None:
    """A guessed path with a redirect loop is absent; one with a server error may exist."""
    site = await new_site(
        {
            "/": "<html></html>",
            "/sitemap.xml": (302, {"Location": "/sitemap.xml"}, b""),
            "/wp-sitemap.xml": (302, {}, b""),
            "/sitemap-index.xml": (302, {"Location": "mailto:x@site.test"}, b""),
        }
    )
    result = await crawl(site.options())
    assert (result.status, result.files, result.complete) == (ScanStatus.EMPTY, (), True)
    site.pages["/sitemap-index.xml"] = 500
    broken = await crawl(site.options())
    assert [(file.url, file.error and file.error.code) for file in broken.files] == [
        ("http://site.test/sitemap-index.xml", "http_500")
    ]
    assert (broken.status, broken.complete) == (ScanStatus.FAILED, False)


async def test_a_refused_home_page_proves_nothing(new_site: NewSite) -> None:
    """With 403 for the home page only, the site is not reported as empty."""
    site = await new_site({"/": 403})
    result = await crawl(site.options())
    assert result.failure is not None
    assert (result.status, result.failure.code) == (ScanStatus.FAILED, "blocked")


async def test_whatever_a_server_sends_a_crawl_is_a_value(new_raw: NewSite) -> None:
    """Truncated, modified and mixed responses never raise, and never exceed the limits."""
    good = [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 41\r\n\r\n"
        b"Sitemap: http://site.test/sitemap.xml.gz\n",
        b"HTTP/1.1 301 Moved\r\nLocation: http://site.test/next\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n"
        + gzip.compress(b"<urlset>")
        + b"\r\n0\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nETag: "x"\r\n\r\n'
        + urlset("http://site.test/a").encode(),
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        b"HTTP/1.1 429 Slow\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
    ]
    dice = random.Random(7)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        data = bytearray(dice.choice(good))
        for _ in range(dice.randrange(4)):
            where = dice.randrange(len(data))
            data[where : where + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
        writer.write(bytes(data[: dice.randrange(len(data)) if dice.random() < 0.3 else None]))
        await writer.drain()

    port = await new_raw(handle)
    options = CrawlOptions(
        connect_to=(ConnectTo(None, None, "127.0.0.1", port),),
        backoff=0.001,
        per_address=60,  # all of them are on one
        limits=Limits(read_timeout=0.2, request_timeout=1, domain_time=30),
    )
    async with Crawler(options) as crawler:
        results = await asyncio.gather(
            *(crawler.crawl(parse_target(f"http://d{number}.test")) for number in range(60))
        )
    opened.extend(results)
    assert {type(result) for result in results} == {DomainCrawl}
    assert len({result.status for result in results}) > 1


async def test_nothing_listens(new_site: NewSite, unused_tcp_port: int) -> None:
    """An unreachable host is a failure with a code, on every origin."""
    site = await new_site()
    options = site.options(connect_to=(replace(site.options().connect_to[0], to_port=unused_tcp_port),))
    result = await crawl(options, "site.test")
    assert result.error is not None
    assert (result.status, result.error.code, result.files) == (ScanStatus.FAILED, "connect_error", ())


async def test_a_name_that_does_not_exist() -> None:
    """A host that cannot be resolved is a DNS failure."""
    result = await crawl(CrawlOptions(backoff=0.01), "http://no-such-host.invalid")
    assert result.error is not None
    assert (result.status, result.error.code) == (ScanStatus.FAILED, "dns_error")


async def test_progress(new_site: NewSite) -> None:
    """The callback gets the progress after each file."""
    site = await new_site(
        {
            "/robots.txt": "Sitemap: http://site.test/a.xml\nSitemap: http://site.test/b.xml",
            "/a.xml": urlset("http://site.test/a"),
            "/b.xml": urlset("http://site.test/b"),
        }
    )
    heard: list[CrawlProgress] = []
    async with Crawler(site.options()) as crawler:
        opened.append(await crawler.crawl(parse_target("http://site.test"), progress=heard.append))
    assert [(each.files, each.urls) for each in heard] == [(1, 1), (2, 2)]


async def test_cancelling(new_site: NewSite) -> None:
    """A cancelled crawl ends at once with CancelledError."""
    site = await new_site(
        {"/robots.txt": "Sitemap: http://site.test/a.xml", "/a.xml": urlset("http://site.test/a")}
    )
    asked = asyncio.Event()

    async def slow(request: Any) -> str:
        asked.set()
        await asyncio.sleep(600)
        return ""

    site.pages["/a.xml"] = slow
    async with Crawler(site.options()) as crawler:
        task = asyncio.create_task(crawler.crawl(parse_target("http://site.test")))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_many_domains_at_once(new_site: NewSite) -> None:
    """Fifty concurrent domains do not share state."""

    async def robots(request: Any) -> str:
        return f"Sitemap: http://{request.host}/map.xml"

    async def sitemap(request: Any) -> str:
        return urlset(f"http://{request.host}/page")

    site = await new_site({"/robots.txt": robots, "/map.xml": sitemap})
    async with Crawler(site.options()) as crawler:
        results = await asyncio.gather(
            *(crawler.crawl(parse_target(f"http://d{number}.test")) for number in range(50))
        )
    for number, result in enumerate(results):
        assert urls(result) == {f"http://d{number}.test/map.xml": [f"http://d{number}.test/page"]}


async def test_a_host_that_asks_for_rest_midway(new_site: NewSite) -> None:
    """Files read before are kept, the refused one failed, the rest is not requested and no failure."""
    site = await new_site(
        {
            "/robots.txt": "".join(f"Sitemap: http://site.test/{name}.xml\n" for name in "abcdefgh"),
            "/a.xml": urlset("http://site.test/a"),
            "*": (429, {"Retry-After": "900"}, b""),
        }
    )
    result = await crawl(site.options(per_host=1))
    assert [(file.url[-5:], file.status) for file in result.files] == [
        ("a.xml", FileStatus.OK),
        ("b.xml", FileStatus.FAILED),
    ]
    assert (result.status, result.complete) == (ScanStatus.DEFERRED, False)


async def test_a_host_that_falls_silent_is_not_asked_for_everything(new_site: NewSite) -> None:
    """After a few timeouts no more known paths are requested, and nothing is removed."""

    async def hang(_: Any) -> str:
        await asyncio.sleep(30)
        return ""

    site = await new_site({"/robots.txt": "User-agent: *\n", "/": "<html></html>", "*": hang})
    result = await crawl(site.options(limits=Limits(read_timeout=0.1)))
    assert len(site.paths) < 10
    assert not result.complete


async def test_the_log_tells_what_happened_without_secrets(
    new_site: NewSite, caplog: pytest.LogCaptureFixture
) -> None:
    """Each fetch logs its start and end; credentials and keys are not logged."""
    site = await new_site({"/robots.txt": "Sitemap: http://ann:hunter2@site.test/a.xml", "/a.xml": 404})
    with caplog.at_level("DEBUG", logger="contentmap.crawl"):
        result = await crawl(site.options(headers=(("X-Key", "hunter2"),), probe=Probe.NEVER))
    actions = [
        getattr(record, "action", None) for record in caplog.records if record.name == "contentmap.crawl"
    ]
    assert {"crawl.started", "fetch.started", "fetch.complete", "fetch.failed", "crawl.complete"} <= set(
        actions
    )
    assert site.requests[1].headers["X-Key"] == "hunter2"
    assert "hunter2" not in caplog.text + repr([record.__dict__ for record in caplog.records]) + repr(result)


async def test_large_files_read_at_once_share_the_budget(new_site: NewSite) -> None:
    """Files that are parsed concurrently share the remaining limit."""
    names = [f"http://site.test/{number}.xml" for number in range(4)]
    pages = {f"/{number}.xml": _large_urlset(number) for number in range(4)}
    site = await new_site({"/robots.txt": "".join(f"Sitemap: {name}\n" for name in names), **pages})
    result = await crawl(site.options(limits=Limits(domain_urls=100), per_host=4, per_address=4))
    assert sum(map(len, urls(result).values())) == 100
    assert [limit.code for limit in result.limits] == ["budget_exhausted"]


def _large_urlset(number: int) -> str:
    return urlset(*(f"http://site.test/{number}/{'x' * 60}/{page}" for page in range(1500)))

"""Selecting the origin of a site, and sites without one: apex and www, moves, logins, on real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from crawls import crawl, opened

from contentmap_cli.crawl.crawler import Crawler, DomainCrawl
from contentmap_cli.crawl.options import ConnectTo, CrawlOptions
from contentmap_cli.crawl.targets import parse_target
from contentmap_cli.models import Limits, Probe, ScanStatus
from contentmap_cli.models.evidence import SourceKind, SourceState

NewSite = Callable[..., Awaitable[Any]]
NS = "http://www.sitemaps.org/schemas/sitemap/0.9"
HOME = "<!doctype html><title>Cafe</title><h1>Cafe</h1><p>We bake bread every morning of the week.</p>"
DEFAULT = (
    "<!doctype html><title>Welcome to nginx!</title><h1>Welcome to nginx!</h1><p>The server is running.</p>"
)
LOGIN = '<!doctype html><title>Sign in</title><form method="post"><input type="password" name="p"></form>'


def urlset(*urls: str) -> str:
    items = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    return f'<urlset xmlns="{NS}">{items}</urlset>'


def found(location: str, status: int = 301) -> tuple[int, dict[str, str], bytes]:
    return status, {"Location": location}, b""


def code(result: DomainCrawl) -> str | None:
    return result.failure.code if result.failure is not None else None


WWW = {
    "www.site.test/robots.txt": "Sitemap: http://www.site.test/map.xml",
    "www.site.test/map.xml": urlset("http://www.site.test/a"),
    "www.site.test/": HOME,
}


@pytest.mark.parametrize(
    "apex",
    [
        {"*": 404},
        {"*": DEFAULT},
        {"*": 403},
        {"site.test/robots.txt": "User-agent: *\nAllow: /\n", "site.test/": DEFAULT},
        {"site.test/robots.txt": "User-agent: *\nAllow: /\n", "site.test/": HOME},
        {"site.test/": found("http://www.site.test/")},
        {"site.test/": '<meta http-equiv="refresh" content="0; url=http://www.site.test/"><p>Moved</p>'},
        {"*": found("/login"), "site.test/login": LOGIN},
        {"*": 503},
    ],
    ids=["404", "default page", "403", "default home", "own home", "redirect", "refresh", "login", "503"],
)
async def test_www_serves_the_site(new_site: NewSite, apex: dict[str, Any]) -> None:
    """If the robots.txt of www names the sitemap, its URLs belong to the site, whatever the apex answers."""
    site = await new_site({**apex, **WWW})
    result = await crawl(site.options(retries=0))
    assert (result.status, result.complete) == (ScanStatus.OK, True)
    assert [file.url for file in result.files] == ["http://www.site.test/map.xml"]


@pytest.mark.parametrize("rule", ["Allow", "Disallow"])
async def test_each_origin_of_a_site_has_rules_of_its_own(new_site: NewSite, rule: str) -> None:
    """What robots.txt of the apex disallows is not requested there, though that of www allows it."""
    link = '<link rel="sitemap" href="http://site.test/p/s.xml">'
    site = await new_site(
        {
            "site.test/robots.txt": f"User-agent: *\n{rule}: /p/\n",
            "site.test/": DEFAULT,
            "site.test/p/s.xml": urlset("http://site.test/a"),
            "www.site.test/robots.txt": "User-agent: *\nAllow: /\n",
            "www.site.test/": HOME.replace("<h1>", f"{link}<h1>"),
        }
    )
    result = await crawl(site.options())
    assert ("site.test/p/s.xml" in site.asked) is (rule == "Allow"), result.files


async def test_the_apex_serves_the_site(new_site: NewSite) -> None:
    """The reverse case, without a sitemap in robots.txt."""
    site = await new_site(
        {"www.site.test/": DEFAULT, "site.test/": HOME, "site.test/sitemap.xml": urlset("http://site.test/a")}
    )
    result = await crawl(site.options(), "http://www.site.test")
    assert (result.status, [file.url for file in result.files]) == (
        ScanStatus.OK,
        ["http://site.test/sitemap.xml"],
    )


async def test_a_twin_that_is_the_same_site_costs_one_request(new_site: NewSite) -> None:
    """If www redirects to the apex, only its robots.txt is requested."""
    site = await new_site(
        {
            "www.site.test/robots.txt": found("http://site.test/robots.txt"),
            "site.test/robots.txt": "User-agent: *\nDisallow: /private\n",
            "site.test/": HOME,
        }
    )
    result = await crawl(site.options())
    assert result.status is ScanStatus.EMPTY
    assert [each for each in site.asked if each.startswith("www.")] == ["www.site.test/robots.txt"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("keeps_paths", [True, False])
async def test_a_site_that_moved(new_site: NewSite, status: int, keeps_paths: bool) -> None:
    """A redirect of the whole site is reported with its target, and nothing of it is recorded."""

    async def moved(request: Any) -> Any:
        if request.host.endswith("newname.test"):
            pages = {
                "/robots.txt": "Sitemap: http://newname.test/map.xml",
                "/map.xml": urlset("http://newname.test/a"),
            }
            return pages.get(request.path, HOME)
        return found(f"http://newname.test{request.path if keeps_paths else '/'}", status)

    site = await new_site({"*": moved})
    result = await crawl(site.options())
    assert (result.status, code(result), result.files) == (ScanStatus.FAILED, "moved", ())
    assert result.failure is not None
    assert "http://newname.test" in result.failure.message
    assert not any("map.xml" in each for each in site.asked)


async def test_a_home_page_elsewhere_beside_a_site_of_its_own(new_site: NewSite) -> None:
    """If only the home page redirects, the sitemaps in robots.txt belong to the site."""
    site = await new_site({**WWW, "*": 404, "www.site.test/": found("http://shop.example/")})
    result = await crawl(site.options(), "http://www.site.test")
    assert (result.status, len(result.files)) == (ScanStatus.OK, 1)


async def test_a_sitemap_that_another_site_took_over(new_site: NewSite) -> None:
    """A named file that redirects to another site's pages is not recorded and proves nothing."""
    site = await new_site(
        {
            "site.test/robots.txt": "Sitemap: http://site.test/map.xml",
            "site.test/map.xml": found("http://casino.example/map.xml"),
            "casino.example/map.xml": urlset("http://casino.example/1", "http://casino.example/2"),
            "site.test/": HOME,
        }
    )
    result = await crawl(site.options())
    assert (result.status, code(result), result.complete) == (ScanStatus.FAILED, "moved", False)
    site.pages["casino.example/map.xml"] = urlset(
        "http://site.test/1"
    )  # a store of files lists the site's own
    assert (await crawl(site.options())).status is ScanStatus.OK


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ((401, {"WWW-Authenticate": "Basic"}, b""), "blocked"),
        ((403, {"Content-Type": "text/html"}, b"<title>Denied</title>"), "blocked"),
        ((407, {}, b""), "blocked"),
        ((451, {}, b""), "blocked"),
        (
            (
                503,
                {"Content-Type": "text/html", "cf-mitigated": "challenge"},
                b"<!doctype html><title>Just a moment...</title>",
            ),
            "blocked",
        ),
        ((200, {"Content-Type": "text/html"}, LOGIN.encode()), "blocked"),
        ((200, {"Content-Type": "text/html"}, HOME.encode()), "robots_is_html"),
        ((200, {"Content-Type": "application/json"}, b'{"error": "no"}'), "not_understood"),
    ],
    ids=["401", "403", "407", "451", "503 challenge", "login", "one page", "json"],
)
async def test_walls(new_site: NewSite, page: Any, expected: str) -> None:
    """The same answer for every path is a failure with its reason, after few requests."""
    site = await new_site({"*": page})
    result = await crawl(site.options(retries=0))
    assert (result.status, code(result), result.complete) == (ScanStatus.FAILED, expected, False)
    if expected == "blocked":
        assert len(site.asked) <= 5


async def test_guessing_stops_at_the_first_refusal(new_site: NewSite) -> None:
    """A server that bans after ten guesses gets at most five more requests, and is not reported as empty."""
    missed: list[str] = []
    after: list[str] = []

    async def answer(request: Any) -> Any:
        if len(missed) > 10:
            after.append(request.path)
            return 403
        if request.path == "/":
            return HOME
        missed.append(request.path)
        return 404

    site = await new_site({"*": answer})
    result = await crawl(site.options(probe=Probe.ALWAYS))
    assert 1 <= len(after) <= 5
    assert (result.status, code(result), result.complete) == (ScanStatus.FAILED, "blocked", False)
    (guesses,) = (source for source in result.evidence if source.kind is SourceKind.KNOWN_PATHS)
    assert guesses.state is SourceState.REFUSED


async def test_guesses_are_paced(new_site: NewSite) -> None:
    """Fewer than fifteen requests start within one second."""
    site = await new_site({"/": HOME})
    result = await crawl(site.options(probe=Probe.ALWAYS))
    assert (result.status, result.complete) == (ScanStatus.EMPTY, True)
    assert len(site.times) >= 20
    assert all(later - first >= 0.9 for first, later in zip(site.times, site.times[15:], strict=False))


async def test_a_page_in_the_place_of_a_sitemap_is_no_absence(new_site: NewSite) -> None:
    """A page at /sitemap.xml does not prove that there is no sitemap, if other paths get 404."""
    site = await new_site({"/": HOME, "/sitemap.xml": HOME, "/robots.txt": "User-agent: *\nAllow: /\n"})
    result = await crawl(site.options())
    assert (result.status, code(result)) == (ScanStatus.FAILED, "not_understood")
    site.pages["/sitemap_index.xml"] = urlset("http://site.test/a")
    assert (await crawl(site.options())).status is ScanStatus.OK
    site.pages |= {"/sitemap.xml": found("http://shop.example/"), "/sitemap_index.xml": 404}
    assert code(await crawl(site.options())) == "moved"


async def test_what_was_named_once_is_read_without_a_name(new_site: NewSite) -> None:
    """Files are read although robots.txt or an index lost their names."""
    from contentmap_cli.models import DiscoveryMethod, DocumentKind, RememberedFile

    known = (
        RememberedFile("http://site.test/index.xml", DiscoveryMethod.ROBOTS, kind=DocumentKind.INDEX),
        RememberedFile("http://site.test/a.xml", DiscoveryMethod.INDEX, kind=DocumentKind.URLSET, entries=1),
        RememberedFile(
            "http://site.test/gone.xml", DiscoveryMethod.INDEX, kind=DocumentKind.URLSET, entries=1
        ),
    )
    site = await new_site(
        {
            "/robots.txt": "User-agent: *\nAllow: /\n",
            "/index.xml": f'<sitemapindex xmlns="{NS}"></sitemapindex>',
            "/a.xml": urlset("http://site.test/a"),
        }
    )
    async with Crawler(site.options()) as crawler:
        opened.append(await crawler.crawl(parse_target("http://site.test"), known))
    assert [file.url.rpartition("/")[2] for file in opened[-1].files] == ["index.xml", "a.xml"]
    assert (opened[-1].status, opened[-1].complete) == (ScanStatus.OK, True)
    assert "/gone.xml" in site.paths


async def test_a_refusing_site_is_not_asked_for_everything_that_was_known(new_site: NewSite) -> None:
    """After three refusals in a row, unnamed files are not requested and are kept."""
    from contentmap_cli.models import DiscoveryMethod, DocumentKind, RememberedFile

    known = tuple(
        RememberedFile(f"http://site.test/{number}.xml", DiscoveryMethod.INDEX, kind=DocumentKind.URLSET)
        for number in range(40)
    )
    site = await new_site({"*": 403})
    async with Crawler(site.options()) as crawler:
        opened.append(await crawler.crawl(parse_target("http://site.test"), known))
    assert (opened[-1].status, opened[-1].complete) == (ScanStatus.FAILED, False)
    assert len(site.asked) < 20


class Silent:
    """A server that accepts connections and never answers."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0

    async def __aenter__(self) -> Silent:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await reader.read()
        writer.close()


async def test_a_silent_server_is_asked_once(new_site: NewSite) -> None:
    """Over https, where it accepts no connection, and over http, where it does not answer in the time of a
    connection; not under its other name. Where www is another server, that one serves the site."""
    quick = Limits(connect_timeout=0.2, read_timeout=9, request_timeout=9, domain_time=20)
    begin = time.monotonic()
    async with Silent() as silent:
        to_silent = ConnectTo(None, None, "127.0.0.1", silent.port)
        result = await crawl(CrawlOptions(connect_to=(to_silent,), backoff=0.01, limits=quick), "site.test")
        assert (result.status, code(result), silent.connections) == (ScanStatus.FAILED, "timeout", 2)
        assert time.monotonic() - begin < 5
        assert result.failure is not None
        assert "--connect-timeout" in result.failure.message  # of the first
        site = await new_site(WWW)
        options = site.options(limits=quick)
        elsewhere = ConnectTo("site.test", None, "127.0.0.1", silent.port)
        options = replace(options, connect_to=(elsewhere, *options.connect_to))
        result = await crawl(options, "site.test")
        assert [file.url for file in result.files] == ["http://www.site.test/map.xml"]


@pytest.mark.parametrize("hanging", ["site.test", "old.site.test"])
async def test_a_name_that_hangs_beside_others_of_its_server(new_site: NewSite, hanging: str) -> None:
    """The apex, or what it redirects to, does not answer in time; www at the same address does."""

    async def hang(_: Any) -> int:
        await asyncio.sleep(0.5)
        return 404

    apex = {"site.test/robots.txt": found("http://old.site.test/robots.txt")}
    site = await new_site({**apex, f"{hanging}/robots.txt": hang, **WWW})
    quick = Limits(connect_timeout=2, read_timeout=0.2, domain_time=20)
    result = await crawl(site.options(limits=quick, retries=0), "http://site.test")
    assert [file.url for file in result.files] == ["http://www.site.test/map.xml"]

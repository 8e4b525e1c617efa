"""Redirects on real sockets: robots rules, validators, cookies and https for each hop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from crawls import crawl

from contentmap_cli.crawl.crawler import DomainCrawl
from contentmap_cli.crawl.options import ConnectTo, CrawlOptions
from contentmap_cli.models import DiscoveryMethod, DocumentKind, Limits, Probe, RememberedFile, ScanStatus

NewSite = Callable[..., Awaitable[Any]]
NS = "http://www.sitemaps.org/schemas/sitemap/0.9"


def urlset(*urls: str) -> str:
    items = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    return f'<urlset xmlns="{NS}">{items}</urlset>'


def index(*urls: str) -> str:
    items = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f'<sitemapindex xmlns="{NS}">{items}</sitemapindex>'


def found(location: str, status: int = 302, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return status, {"Location": location, **headers}, b""


def reasons(result: DomainCrawl) -> str:
    """All reasons of a result as one text."""
    failures = [result.failure, *(each.failure for each in result.evidence)]
    return " | ".join(f"{each.code}: {each.message}" for each in failures if each is not None)


# -- robots.txt of the hop

NO_PRIVATE = "User-agent: *\nDisallow: /private/\n"


@pytest.mark.parametrize(
    ("pages", "never"),
    [
        (
            {"/robots.txt": NO_PRIVATE, "/sitemap.xml": found("/private/map.xml")},
            "site.test/private/map.xml",
        ),
        ({"/robots.txt": NO_PRIVATE, "/": found("/private/home")}, "site.test/private/home"),
        (
            {
                "/robots.txt": NO_PRIVATE + "Sitemap: http://site.test/map.xml",
                "/map.xml": found("/a", 301),
                "/a": found("/private/map.xml"),
            },
            "site.test/private/map.xml",
        ),
        (
            {
                "/robots.txt": "Sitemap: http://site.test/map.xml",
                "/map.xml": found("http://cdn.test/map.xml"),
                "cdn.test/robots.txt": "User-agent: *\nDisallow: /",
            },
            "cdn.test/map.xml",
        ),
        (
            {
                "/robots.txt": "Sitemap: http://site.test/map.xml",
                "/map.xml": found("http://cdn.test/map.xml"),
                "cdn.test/robots.txt": 503,
            },
            "cdn.test/map.xml",
        ),
        (
            {
                "site.test/robots.txt": "User-agent: *\nAllow: /",
                "www.site.test/robots.txt": "User-agent: *\nDisallow: /maps/",
                "site.test/sitemap.xml": found("http://www.site.test/maps/1.xml"),
            },
            "www.site.test/maps/1.xml",
        ),
    ],
    ids=["guess", "home page", "named, two hops", "other host", "other host's 503", "www"],
)
async def test_a_redirect_to_what_robots_disallows(
    new_site: NewSite, pages: dict[str, Any], never: str
) -> None:
    """It is not followed, the reason is reported, and the outcome is not clean."""
    keyed = {key if not key.startswith("/") else f"site.test{key}": page for key, page in pages.items()}
    site = await new_site(keyed)
    result = await crawl(site.options(retries=0))
    assert never not in site.asked
    assert not result.status.clean
    assert "it redirects to" in reasons(result) or "redirects to http://cdn.test" in reasons(result)
    assert len(site.asked) == len(set(site.asked))  # robots.txt is requested once per origin


async def test_robots_may_be_ignored(new_site: NewSite) -> None:
    """With --ignore-robots nothing further is requested."""
    site = await new_site(
        {
            "site.test/robots.txt": NO_PRIVATE + "Sitemap: http://site.test/map.xml",
            "site.test/map.xml": found("/private/map.xml"),
            "site.test/private/map.xml": urlset("http://site.test/1"),
        }
    )
    result = await crawl(site.options(obey_robots=False))
    assert (result.status, len(site.asked)) == (ScanStatus.OK, 3)


async def test_a_named_file_stays_exempt_at_another_origin_of_its_site(new_site: NewSite) -> None:
    """A file that robots.txt names is read although it is disallowed, with www too."""
    site = await new_site(
        {
            "site.test/robots.txt": NO_PRIVATE + "Sitemap: http://site.test/private/map.xml",
            "site.test/private/map.xml": found("http://www.site.test/private/map.xml"),
            "www.site.test/private/map.xml": urlset("http://site.test/1"),
        }
    )
    assert (await crawl(site.options())).status is ScanStatus.OK


async def test_an_allowed_redirect_costs_one_robots_txt(new_site: NewSite) -> None:
    """Ten files at one other host: its robots.txt is requested once."""
    maps = [f"http://site.test/{number}.xml" for number in range(10)]
    site = await new_site(
        {
            "site.test/robots.txt": f"Sitemap: http://site.test/index.xml\n{NO_PRIVATE}",
            "site.test/index.xml": index(*maps),
            **{f"site.test/{n}.xml": found(f"http://cdn.test/{n}.xml") for n in range(10)},
            **{f"cdn.test/{n}.xml": urlset(f"http://site.test/page-{n}") for n in range(10)},
        }
    )
    result = await crawl(site.options())
    assert (result.status, len(result.files)) == (ScanStatus.OK, 11)
    assert site.asked.count("cdn.test/robots.txt") == 1


# -- validators


async def test_waits_for_another_host_are_those_of_its_robots_txt(new_site: NewSite) -> None:
    """Its Crawl-delay applies to its requests; neither that nor its pause is part of the domain's time."""
    asked: list[float] = []

    async def robots(_: Any) -> Any:
        asked.append(0.0)
        if len(asked) == 1:
            return 503, {"Retry-After": "2"}, b""
        return "User-agent: *\nCrawl-delay: 0.5"

    async def moved(request: Any) -> str:
        asked.append(asyncio.get_running_loop().time())
        return urlset(f"http://site.test{request.path}")

    site = await new_site(
        {
            "site.test/robots.txt": "Sitemap: http://site.test/a.xml\nSitemap: http://site.test/b.xml",
            "site.test/a.xml": found("http://cdn.test/a.xml"),
            "site.test/b.xml": found("http://cdn.test/b.xml"),
            "cdn.test/robots.txt": robots,
            "cdn.test/a.xml": moved,
            "cdn.test/b.xml": moved,
        }
    )
    result = await crawl(site.options(limits=Limits(domain_time=1.9), retries=1, probe=Probe.NEVER))
    assert (result.status, len(result.files)) == (ScanStatus.OK, 2), reasons(result)
    assert asked[:2] == [0.0, 0.0]
    first, second = asked[2:]
    assert second - first > 0.4


@pytest.mark.parametrize("validator", ["ETag", "Last-Modified"])
async def test_validators_belong_to_the_url_that_gave_them(new_site: NewSite, validator: str) -> None:
    """They are sent to the last URL of the redirects, not to the first, and to no new one."""
    value = '"v1"' if validator == "ETag" else "Tue, 10 Nov 2026 10:00:00 GMT"
    sent = "If-None-Match" if validator == "ETag" else "If-Modified-Since"
    asked: list[tuple[str, str | None]] = []

    async def answer(request: Any) -> Any:
        asked.append((f"{request.host}{request.path}", request.headers.get(sent)))
        if request.headers.get(sent):
            return 304
        return 200, {validator: value}, urlset("http://site.test/1").encode()

    site = await new_site(
        {
            "site.test/robots.txt": "Sitemap: http://site.test/map.xml",
            "site.test/map.xml": found("/blue/map.xml"),
            "site.test/blue/map.xml": answer,
            "site.test/green/map.xml": answer,
        }
    )
    first = await crawl(site.options())
    (file,) = first.files
    known = RememberedFile(
        url=file.url,
        discovered_by=DiscoveryMethod.ROBOTS,
        final_url=file.final_url,
        etag=file.etag,
        last_modified=file.last_modified,
        kind=DocumentKind.URLSET,
        entries=1,
    )
    second = await crawl(site.options(), remembered=(known,))
    assert [each.status.value for each in second.files] == ["unchanged"]
    site.pages["site.test/map.xml"] = found("/green/map.xml")
    third = await crawl(site.options(), remembered=(known,))
    assert [each.status.value for each in third.files] == ["ok"]
    assert asked == [
        ("site.test/blue/map.xml", None),
        ("site.test/blue/map.xml", value),
        ("site.test/green/map.xml", None),
    ]


async def test_a_304_that_nobody_asked_for(new_site: NewSite) -> None:
    """A host that answers 304 to an unconditional request does not keep what was recorded."""
    site = await new_site(
        {
            "site.test/robots.txt": "Sitemap: http://site.test/map.xml",
            "site.test/map.xml": found("/other.xml"),
            "site.test/other.xml": 304,
        }
    )
    known = RememberedFile(
        "http://site.test/map.xml", DiscoveryMethod.ROBOTS, None, '"v1"', kind=DocumentKind.URLSET, entries=1
    )
    result = await crawl(site.options(probe=Probe.NEVER), remembered=(known,))
    assert [file.status.value for file in result.files] == ["failed"]


# -- cookies


async def test_a_cookie_and_a_redirect_to_the_same_url(new_site: NewSite) -> None:
    """The cookie is sent in this chain; the next request is without it."""
    asked: list[tuple[str, str | None]] = []

    async def gate(request: Any) -> Any:
        asked.append((request.path, request.headers.get("Cookie")))
        if "seen=1" not in request.headers.get("Cookie", ""):
            return found(request.path, **{"Set-Cookie": "seen=1; Path=/; HttpOnly"})
        return urlset(f"http://site.test/page{request.path}")

    site = await new_site(
        {
            "site.test/robots.txt": "Sitemap: http://site.test/a.xml\nSitemap: http://site.test/b.xml",
            "site.test/a.xml": gate,
            "site.test/b.xml": gate,
        }
    )
    result = await crawl(site.options(headers=(("Cookie", "mine=1"),)))
    assert (result.status, len(result.files)) == (ScanStatus.OK, 2)
    assert sorted(asked) == [
        ("/a.xml", "mine=1"),
        ("/a.xml", "mine=1; seen=1"),
        ("/b.xml", "mine=1"),
        ("/b.xml", "mine=1; seen=1"),
    ]


async def test_a_cookie_that_is_never_enough(new_site: NewSite) -> None:
    """The same redirect with the same cookie is a loop; new cookies end at the limit of redirects."""
    count = 0

    async def onward(request: Any) -> Any:
        nonlocal count
        count += 1
        value = "1" if request.path == "/a.xml" else str(count)
        return found(request.path, **{"Set-Cookie": f"n={value}"})

    site = await new_site({"*": onward})
    options = site.options(probe=Probe.NEVER, obey_robots=False)
    loop = await crawl(options, "http://site.test/a.xml")
    assert "redirect_loop" in reasons(loop)
    endless = await crawl(options, "http://site.test/b.xml")
    assert "too_many_redirects" in reasons(endless)


# -- https


async def two_schemes(
    new_site: NewSite, secure: dict[str, Any], plain: dict[str, Any], ca_file: str | None, **changes: Any
) -> tuple[Any, Any, CrawlOptions]:
    """An https and an http server, and the options that lead to them."""
    tls, open_ = await new_site(secure, tls=True), await new_site(plain)
    rules = (ConnectTo(None, 443, "127.0.0.1", tls.port), ConnectTo(None, 80, "127.0.0.1", open_.port))
    return tls, open_, CrawlOptions(connect_to=rules, ca_file=ca_file, backoff=0.01, retries=0, **changes)


PLAIN = {
    "tls.test/robots.txt": "Sitemap: http://tls.test/map.xml",
    "tls.test/map.xml": urlset("http://tls.test/1"),
}
KEY = (("X-Key", "secret"),)


@pytest.mark.parametrize(
    ("target", "outcome", "plain_requests", "secrets"),
    [
        ("https://tls.test", "failed", False, False),
        ("https://tls.test/map.xml", "failed", False, False),
        ("tls.test", "ok", True, False),
        ("http://tls.test", "ok", True, True),
    ],
)
async def test_an_untrusted_certificate(
    new_site: NewSite, target: str, outcome: str, plain_requests: bool, secrets: bool
) -> None:
    """What was typed decides whether http is used, and whether the user's header is sent over it."""
    tls, plain, options = await two_schemes(new_site, PLAIN, PLAIN, None, headers=KEY)
    result = await crawl(options, target)
    assert result.status.value == outcome
    assert not tls.asked
    assert bool(plain.asked) is plain_requests
    assert any("X-Key" in request.headers for request in plain.requests) is secrets
    if outcome == "failed":
        assert result.error is not None
        assert result.error.code == "tls_certificate"


async def test_allow_http(new_site: NewSite) -> None:
    """The option allows http for a target that was typed with https, without the secrets."""
    _, plain, options = await two_schemes(new_site, PLAIN, PLAIN, None, headers=KEY, allow_http=True)
    result = await crawl(options, "https://tls.test")
    assert result.status is ScanStatus.OK
    assert not any("X-Key" in request.headers for request in plain.requests)


async def test_http_urls_of_an_https_site(new_site: NewSite, ca_file: str) -> None:
    """They are requested over https: named by robots.txt, by an index, and in redirects."""
    secure = {
        "tls.test/robots.txt": "Sitemap: http://tls.test/index.xml",
        "tls.test/index.xml": index("http://tls.test/a.xml", "http://tls.test/b.xml"),
        "tls.test/a.xml": urlset("http://tls.test/1"),
        "tls.test/b.xml": found("http://tls.test/c.xml"),
        "tls.test/c.xml": urlset("http://tls.test/2"),
    }
    tls, plain, options = await two_schemes(new_site, secure, PLAIN, ca_file, headers=KEY)
    result = await crawl(options, "https://tls.test")
    assert (result.status, len(result.files)) == (ScanStatus.OK, 3)
    assert plain.asked == []
    assert all(request.headers["X-Key"] == "secret" for request in tls.requests)


async def test_an_https_site_that_redirects_to_http(new_site: NewSite, ca_file: str) -> None:
    """With https typed it is not read, and the reason is reported; with --allow-http it is."""

    async def down(request: Any) -> Any:
        return found(f"http://tls.test{request.path}", 301)

    _, plain, options = await two_schemes(new_site, {"*": down}, PLAIN, ca_file, headers=KEY)
    refused = await crawl(options, "https://tls.test")
    assert (refused.status, plain.asked) == (ScanStatus.FAILED, [])
    assert "https_required" in reasons(refused)
    _, plain, options = await two_schemes(new_site, {"*": down}, PLAIN, ca_file, headers=KEY, allow_http=True)
    accepted = await crawl(options, "https://tls.test")
    assert accepted.status is ScanStatus.OK
    assert not any("X-Key" in request.headers for request in plain.requests)


async def test_secrets_on_the_way_from_https_to_http_and_back(new_site: NewSite, ca_file: str) -> None:
    """A bare target: the http hop between two https hops is without them."""
    secure = {
        "tls.test/robots.txt": "Sitemap: https://tls.test/a.xml",
        "tls.test/a.xml": found("http://tls.test/b.xml", **{"Set-Cookie": "session=s3cret; Path=/"}),
        "tls.test/c.xml": urlset("http://tls.test/1"),
    }
    plain_pages = {"tls.test/b.xml": found("https://tls.test/c.xml")}
    tls, plain, options = await two_schemes(new_site, secure, plain_pages, ca_file, headers=KEY)
    result = await crawl(options, "tls.test")
    assert result.status is ScanStatus.OK
    assert [request.path for request in plain.requests if "X-Key" not in request.headers] == [
        "/robots.txt",
        "/b.xml",
    ]
    assert {request.headers.get("X-Key") for request in tls.requests} == {"secret"}
    assert tls.requests[-1].headers["Cookie"] == "session=s3cret"
    assert not any("Cookie" in request.headers for request in plain.requests)
    assert len(plain.requests) == 2


async def test_secrets_by_host_and_port(new_site: NewSite, ca_file: str) -> None:
    """www of the target has them; a subdomain, another host and another port do not."""
    secure = {
        "tls.test/robots.txt": "\n".join(
            f"Sitemap: https://{host}/map.xml"
            for host in ("tls.test", "www.tls.test", "a.tls.test", "tls.test:8443")
        ),
        "/map.xml": urlset("https://tls.test/1"),
    }
    tls, _, options = await two_schemes(new_site, secure, {}, ca_file, headers=KEY)
    more = ConnectTo("tls.test", 8443, "127.0.0.1", tls.port)
    await crawl(
        CrawlOptions(connect_to=(*options.connect_to, more), ca_file=ca_file, headers=KEY), "tls.test"
    )
    seen = {request.host: request.headers.get("X-Key") for request in tls.requests}
    assert seen == {"tls.test": "secret", "www.tls.test": "secret", "a.tls.test": None, "tls.test:8443": None}

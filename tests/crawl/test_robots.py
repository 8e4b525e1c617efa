"""robots.txt: what each answer for it means (RFC 9309)."""

from __future__ import annotations

import gzip
import io
import time

import pytest

from contentmap_cli.crawl.responses import FetchedFile
from contentmap_cli.crawl.robots import Robots, product_token, read_robots
from contentmap_cli.errors import Code, Failure
from contentmap_cli.values import Limits

URL = "http://site.test/robots.txt"


def read(body: bytes | None, status: int | None = 200, failure: Failure | None = None) -> Robots:
    """What this answer means to ContentMap."""
    fetched = FetchedFile(URL, URL, status=status, failure=failure)
    if body is not None:
        fetched.body, fetched.size = io.BytesIO(body), len(body)
    return read_robots(fetched, limits=Limits(), user_agent="ContentMap/1.0 (+https://x.test)", delay_cap=10)


def allowed(robots: Robots, path: str) -> bool:
    return robots.allows(f"http://site.test{path}")


def test_rules_for_everyone_and_for_this_crawler() -> None:
    """The group that names the crawler counts alone; the longest match wins; Allow wins a tie."""
    others, own = b"User-agent: *\nDisallow: /\n\n", b"User-agent: contentmap\nDisallow: /a\nAllow: /a/b\n"
    robots = read(others + own + b"Disallow: /*.php$\n")
    assert [allowed(robots, path) for path in ("/", "/a", "/a/b", "/x.php", "/x.php5")] == [
        True, False, True, False, True,
    ]  # fmt: skip
    assert not allowed(read(b"User-agent: *\nDisallow: /\n"), "/sitemap.xml")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_no_robots_allows_everything(status: int) -> None:
    """4xx says that there are no rules (2.3.1.3)."""
    robots = read(None, status, Failure(f"http_{status}", "x"))
    assert (robots.reachable, robots.failure, allowed(robots, "/x")) == (True, None, True)


@pytest.mark.parametrize(
    ("status", "code"), [(500, "http_500"), (503, "http_503"), (429, "http_429"), (None, "timeout")]
)
def test_an_unreachable_robots_forbids_everything(status: int | None, code: str) -> None:
    """5xx, 429 and silence forbid (2.3.1.4), and the failure says so."""
    robots = read(None, status, Failure(code, "the server answered so"))
    assert robots.failure is not None
    assert (robots.reachable, robots.failure.code, allowed(robots, "/")) == (
        False,
        "robots_unreachable",
        False,
    )


@pytest.mark.parametrize("code", [Code.TOO_MANY_REDIRECTS, Code.REDIRECT_LOOP, Code.REDIRECT_SCHEME])
def test_redirects_that_never_arrive_are_no_robots(code: Code) -> None:
    """A robots.txt that cannot be reached by redirects does not exist (2.3.1.2)."""
    assert allowed(read(None, 301, Failure(code, "x")), "/")


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
        lambda text: gzip.compress(text.encode()),
        lambda text: text.replace("\n", "\r\n").encode(),
    ],
    ids=["utf-8", "bom", "utf-16", "gzip", "crlf"],
)
def test_encodings(encode: object) -> None:
    """Rules and Sitemap lines are found in whatever the file is written in."""
    assert callable(encode)
    robots = read(encode("User-agent: *\nDisallow: /x\nSitemap: http://site.test/a.xml\n"))
    assert robots.sitemaps == ("http://site.test/a.xml",)
    assert (allowed(robots, "/x"), allowed(robots, "/y")) == (False, True)


def test_crawl_delay() -> None:
    """Seconds, capped; nonsense is none."""
    assert read(b"User-agent: *\nCrawl-delay: 2.5\n").delay == 2.5
    assert read(b"User-agent: *\nCrawl-delay: 3600\n").delay == 10
    assert read(b"User-agent: *\nCrawl-delay: soon\n").delay is None
    assert read(b"User-agent: *\nCrawl-delay: -1\n").delay is None


def test_html_is_no_robots() -> None:
    """A page where robots.txt should be is as good as none, and is noted."""
    robots = read(b"<!DOCTYPE html><html><body>Disallow: /</body></html>")
    assert robots.failure is not None
    assert (robots.failure.code, allowed(robots, "/")) == ("robots_is_html", True)


def test_a_robots_that_is_too_long_counts_to_its_last_whole_line() -> None:
    """What lies beyond the limit does not exist; half a rule is none (2.5)."""
    robots = read(b"User-agent: *\nDisallow: /a\nDisallow: /b", failure=Failure(Code.BODY_TOO_LARGE, "x"))
    assert [allowed(robots, path) for path in ("/a", "/b", "/c")] == [False, True, True]


def test_the_product_token() -> None:
    """Groups are matched by the name before the version (2.2.1)."""
    assert product_token("My-Bot_x/2.0 (+https://x.test)") == "My-Bot_x"
    assert product_token("123") == "123"


def test_a_hostile_robots_is_read_in_no_time() -> None:
    """Half a megabyte of other crawlers' names, or of rules, costs a second; nobody can make it minutes."""
    agents = b"".join(b"User-agent: b%d\n" % number for number in range(20_000))
    own = b"User-agent: x\nUser-agent: *\nDisallow: /mine\n"
    begin = time.process_time()
    robots = read(agents + b"Disallow: /x\n" * 5000 + own)
    assert [allowed(robots, path) for path in ("/x", "/mine")] == [True, False]
    many = read(b"User-agent: *\n" + b"".join(b"Disallow: /%d*a*b$\n" % number for number in range(25_000)))
    assert allowed(many, "/" + "a" * 2000)
    assert time.process_time() - begin < 60


def test_groups_that_share_rules() -> None:
    """Agents named one after another share what follows; Sitemap lines between do not part them (2.2)."""
    text = (
        b"User-agent: other\nSitemap: http://site.test/a.xml\nUser-agent: ContentMap/1.0\nDisallow: /both\n"
        b"User-agent: other\nDisallow: /other\n"
        b"user-agent : contentmap # again\nDisallow: /more\n"
    )
    robots = read(text)
    assert [allowed(robots, path) for path in ("/both", "/other", "/more")] == [False, True, False]
    assert robots.sitemaps == ("http://site.test/a.xml",)


def test_the_document_is_carried_along() -> None:
    """What was served, where, and what it means travel as plain data beside the rules."""
    file = read(b"User-agent: *\nSitemap: http://site.test/a.xml\n").file
    assert file is not None
    assert (file.origin, file.url, file.http_status) == ("http://site.test", URL, 200)
    assert file.body == b"User-agent: *\nSitemap: http://site.test/a.xml\n"
    assert (file.understood, file.sitemaps, file.losses) == (True, ("http://site.test/a.xml",), 0)
    absent = read(None, 404, Failure("http_404", "Not Found")).file
    assert absent is not None
    assert (absent.is_absent, absent.body, absent.digest, absent.understood) == (True, None, None, False)
    assert absent.failure is not None
    assert absent.failure.code == "http_404"

"""robots.txt: the meaning of each answer (RFC 9309)."""

from __future__ import annotations

import gzip
import io
import time

import pytest

from contentmap_cli.crawl.http.responses import FetchedFile
from contentmap_cli.crawl.robots import Robots, product_token, read_robots
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import Limits
from contentmap_cli.models.robots import RobotsState

URL = "http://site.test/robots.txt"


def read(body: bytes | None, status: int | None = 200, failure: Failure | None = None) -> Robots:
    """Return the meaning of this answer."""
    fetched = FetchedFile(URL, URL, status=status, failure=failure)
    if body is not None:
        fetched.body, fetched.size = io.BytesIO(body), len(body)
    return read_robots(fetched, limits=Limits(), user_agent="ContentMap/1.0 (+https://x.test)", delay_cap=10)


def allowed(robots: Robots, path: str) -> bool:
    return robots.allows(f"http://site.test{path}")


def test_rules_for_everyone_and_for_this_crawler() -> None:
    """Only the group of the crawler applies; the longest match decides; Allow wins a tie."""
    others, own = b"User-agent: *\nDisallow: /\n\n", b"User-agent: contentmap\nDisallow: /a\nAllow: /a/b\n"
    robots = read(others + own + b"Disallow: /*.php$\n")
    assert [allowed(robots, path) for path in ("/", "/a", "/a/b", "/x.php", "/x.php5")] == [
        True, False, True, False, True,
    ]  # fmt: skip
    assert not allowed(read(b"User-agent: *\nDisallow: /\n"), "/sitemap.xml")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_no_robots_allows_everything(status: int) -> None:
    """4xx means that there are no rules (2.3.1.3)."""
    robots = read(None, status, Failure(f"http_{status}", "x"))
    assert (robots.reachable, robots.failure, allowed(robots, "/x")) == (True, None, True)


@pytest.mark.parametrize(
    ("status", "code"), [(500, "http_500"), (503, "http_503"), (429, "http_429"), (None, "timeout")]
)
def test_an_unreachable_robots_forbids_everything(status: int | None, code: str) -> None:
    """5xx, 429 and timeouts disallow everything (2.3.1.4), and the failure says so."""
    robots = read(None, status, Failure(code, "the server answered so"))
    assert robots.failure is not None
    assert (robots.reachable, robots.failure.code, allowed(robots, "/")) == (
        False,
        "robots_unreachable",
        False,
    )


@pytest.mark.parametrize("code", [Code.TOO_MANY_REDIRECTS, Code.REDIRECT_LOOP, Code.REDIRECT_SCHEME])
def test_redirects_that_never_arrive_are_no_robots(code: Code) -> None:
    """With a redirect loop there is no robots.txt (2.3.1.2)."""
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
    """Rules and Sitemap lines are found in every encoding."""
    assert callable(encode)
    robots = read(encode("User-agent: *\nDisallow: /x\nSitemap: http://site.test/a.xml\n"))
    assert robots.sitemaps == ("http://site.test/a.xml",)
    assert (allowed(robots, "/x"), allowed(robots, "/y")) == (False, True)


def test_crawl_delay() -> None:
    """Seconds, capped; invalid values are ignored."""
    assert read(b"User-agent: *\nCrawl-delay: 2.5\n").delay == 2.5
    assert read(b"User-agent: *\nCrawl-delay: 3600\n").delay == 10
    assert read(b"User-agent: *\nCrawl-delay: soon\n").delay is None
    assert read(b"User-agent: *\nCrawl-delay: -1\n").delay is None


def test_html_is_no_robots() -> None:
    """An HTML page means that there is no robots.txt, and is noted."""
    robots = read(b"<!DOCTYPE html><html><body>Disallow: /</body></html>")
    assert robots.failure is not None
    assert (robots.failure.code, allowed(robots, "/")) == ("robots_is_html", True)


def test_a_robots_that_is_too_long_counts_to_its_last_whole_line() -> None:
    """Lines beyond the limit are ignored, including the incomplete one (2.5)."""
    robots = read(b"User-agent: *\nDisallow: /a\nDisallow: /b", failure=Failure(Code.BODY_TOO_LARGE, "x"))
    assert [allowed(robots, path) for path in ("/a", "/b", "/c")] == [False, True, True]


def test_the_product_token() -> None:
    """Groups are matched by the name before the version (2.2.1)."""
    assert product_token("My-Bot_x/2.0 (+https://x.test)") == "My-Bot_x"
    assert product_token("123") == "123"


def test_a_hostile_robots_is_read_in_no_time() -> None:
    """Half a megabyte of other agents, or of rules, takes about a second."""
    agents = b"".join(b"User-agent: b%d\n" % number for number in range(20_000))
    own = b"User-agent: x\nUser-agent: *\nDisallow: /mine\n"
    begin = time.process_time()
    robots = read(agents + b"Disallow: /x\n" * 5000 + own)
    assert [allowed(robots, path) for path in ("/x", "/mine")] == [True, False]
    many = read(b"User-agent: *\n" + b"".join(b"Disallow: /%d*a*b$\n" % number for number in range(25_000)))
    assert allowed(many, "/" + "a" * 2000)
    assert time.process_time() - begin < 60


def test_groups_that_share_rules() -> None:
    """Consecutive agents share the rules after them; Sitemap lines do not separate them (2.2)."""
    text = (
        b"User-agent: other\nSitemap: http://site.test/a.xml\nUser-agent: ContentMap/1.0\nDisallow: /both\n"
        b"User-agent: other\nDisallow: /other\n"
        b"user-agent : contentmap # again\nDisallow: /more\n"
    )
    robots = read(text)
    assert [allowed(robots, path) for path in ("/both", "/other", "/more")] == [False, True, False]
    assert robots.sitemaps == ("http://site.test/a.xml",)


def test_the_document_is_carried_along() -> None:
    """The served document, its URL and its meaning are returned as plain data with the rules."""
    file = read(b"User-agent: *\nSitemap: http://site.test/a.xml\n").file
    assert file is not None
    assert (file.origin, file.url, file.http_status) == ("http://site.test", URL, 200)
    assert file.body == b"User-agent: *\nSitemap: http://site.test/a.xml\n"
    assert (file.understood, file.sitemaps, file.losses) == (True, ("http://site.test/a.xml",), 0)
    absent = read(None, 404, Failure("http_404", "Not Found")).file
    assert absent is not None
    assert (absent.state, absent.body, absent.digest) == (RobotsState.ABSENT, None, None)
    assert absent.failure is not None
    assert absent.failure.code == "http_404"


@pytest.mark.parametrize(
    ("user_agent", "token"),
    [
        ("Mozilla/5.0 (compatible; ExampleBot/1.0; +https://x.test/bot)", "ExampleBot"),
        ("Mozilla/5.0 (compatible; Example-Bot; +https://x.test/bot)", "Example-Bot"),
        ("Mozilla/5.0 (compatible;ExampleBot/2.1;+https://x.test/)", "ExampleBot"),
        (
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; examplebot/2.0; "
            "+http://x.test/b.htm) Chrome/116.0.1938.76 Safari/537.36",
            "examplebot",
        ),
        (
            "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML) "
            "Chrome/41.0.2272.96 Mobile Safari/537.36 (compatible; ExampleBot/2.1; +http://x.test/bot.html)",
            "ExampleBot",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/119 "
            "Safari/537.36 ExampleBot/1.0 (+https://x.test)",
            "ExampleBot",
        ),
        ("Mozilla/5.0 ExampleBot/1.0", "ExampleBot"),
        ("Mozilla/5.0 (ExampleBot/1.0; +https://x.test/bot)", "ExampleBot"),
        ("Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0) ExampleBot/3", "ExampleBot"),
        ("ExampleBot/1.0 (compatible; OtherBot/2.0)", "ExampleBot"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0", "Mozilla"),
        ("curl/8.5.0", "curl"),
    ],
)
def test_the_product_token_in_a_comment(user_agent: str, token: str) -> None:
    """A User-Agent that starts like a browser's names the crawler later (2.2.1)."""
    assert product_token(user_agent) == token


def test_lines_that_nothing_defines_part_no_agents() -> None:
    """Other records do not interfere with the defined ones (2.2.4)."""
    text = (
        b"User-agent: ContentMap\nNoindex: /a\nFoo: b\nno rule at all\nUser-agent: other\nDisallow: /both\n"
    )
    assert not allowed(read(text), "/both")


@pytest.mark.parametrize(
    "rule", [b"Disallow /x", b"Disalow: /x", b"Disallow = /x", b"Disallow: /a\\nDisallow: /x"]
)
def test_repaired_rules_hold(rule: bytes) -> None:
    """An unambiguous misspelling is a rule."""
    assert [allowed(read(b"User-agent: *\n" + rule + b"\n"), path) for path in ("/x", "/y")] == [False, True]


@pytest.mark.parametrize(
    ("body", "understood", "codes"),
    [
        (b"", True, []),
        (b"# nothing\n", True, []),
        (b"User-agent: *\nDisallow:\n", True, []),
        (b"\xef\xbb\xbfUser-agent: *\n", True, ["byte_order_mark"]),
        (b"\xff\xfe" + "User-agent: *\n".encode("utf-16-le"), True, ["byte_order_mark", "wrong_encoding"]),
        ("User-agent: *\nDisallow: /\n".encode("utf-16-be"), True, ["wrong_encoding"]),
        (b"User-agent: *\nDisallow: /caf\xe9\n", True, ["wrong_encoding"]),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", False, ["robots_is_html"]),
        (b'{"message": "Forbidden"}', False, ["robots_not_understood"]),
        (b'<?xml version="1.0"?><urlset><url><loc>x</loc></url></urlset>', False, ["robots_not_understood"]),
        (b"404 page not found\n", False, ["robots_not_understood"]),
    ],
)  # fmt: skip
def test_what_is_understood(body: bytes, understood: bool, codes: list[str]) -> None:
    """Only a body without any defined line is not understood."""
    file = read(body).file
    assert file is not None
    assert (file.understood, [problem.code for problem in file.problems]) == (understood, codes)


@pytest.mark.parametrize("packed", [False, True])
def test_a_robots_beyond_the_limit(packed: bool) -> None:
    """It is cut at the limit, and that is reported."""
    text = b"User-agent: *\nDisallow: /a\n" + b"# filler\n" * 80_000 + b"Sitemap: http://site.test/a.xml\n"
    limit = Limits().robots_bytes
    if packed:
        robots = read(gzip.compress(text))
    else:
        robots = read(text[:limit], failure=Failure(Code.BODY_TOO_LARGE, "more than 512 KiB"))
    assert robots.file is not None
    assert robots.file.body == text[:limit]
    assert [problem.code for problem in robots.file.problems] == ["body_too_large"]
    assert (robots.file.losses, robots.file.understood, allowed(robots, "/a")) == (1, True, False)
    assert robots.file.failure is not None
    assert robots.file.failure.code == "body_too_large"


def test_losses() -> None:
    """Sitemap values that were refused are counted; repaired ones are not."""
    text = b"Sitemap: http:/site.test/a.xml\nSitemap: {{ url }}\nSitemap:\nSitemap: /b.xml\n"
    file = read(text).file
    assert file is not None
    assert (file.sitemaps, file.losses) == (("http://site.test/a.xml", "http://site.test/b.xml"), 2)

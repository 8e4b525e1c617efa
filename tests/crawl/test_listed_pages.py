"""Requests for listed pages: what is asked for, in which order and how often, and the facts."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web

from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.listed_pages import host_queue, page_body, page_client
from contentmap_cli.crawl.listed_pages.endings import NotAsked
from contentmap_cli.crawl.listed_pages.page_crawl import ListedPage
from contentmap_cli.crawl.listed_pages.soft_probes import MAX_PROBES, USUAL_PROBES, made_up
from contentmap_cli.crawl.options import ConnectTo, CrawlOptions
from contentmap_cli.crawl.pages.contents import page_contents
from contentmap_cli.crawl.targets import parse_target
from contentmap_cli.models import Limits
from contentmap_cli.models.hosts import normalise_url
from contentmap_cli.models.pages import PageFacts, PageState
from contentmap_cli.models.pages.directories import directory_of
from contentmap_cli.models.pages.links import canonicals_of

HTML = {"Content-Type": "text/html; charset=utf-8"}
HOST = "http://pages.test"
WORDS = [
    f"{first}{second}"
    for first in ("ash", "oak", "elm", "fir", "yew", "box", "bay", "fig")
    for second in "abcdef"
]


def page(title: str, head: str = "", text: str = "word " * 50) -> str:
    return f"<!doctype html><html><head><title>{title}</title>{head}</head><body><p>{title} {text}</p></body>"


def html(title: str, status: int = 200, **headers: str) -> tuple[int, dict[str, str], bytes]:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, HTML | more, page(title).encode()


@dataclass
class Run:
    facts: dict[str, PageFacts] = field(default_factory=dict)
    not_asked: Counter[NotAsked] = field(default_factory=Counter)
    asked: int = 0
    bytes: int = 0

    def __getitem__(self, path: str) -> PageFacts:
        return self.facts[path if "://" in path else HOST + path]

    @property
    def probes(self) -> list[PageFacts]:
        return [each for each in self.facts.values() if each.probe]


async def ask(
    options: CrawlOptions,
    urls: Sequence[str],
    *,
    earlier: Mapping[str, PageFacts] | None = None,
    target: str = HOST,
    **terms: Any,
) -> Run:
    """Ask for listed pages; paths are those of `HOST`. Each URL has facts once."""
    listed = [url if "://" in url else HOST + url for url in urls]
    known = set(listed)

    async def pages() -> AsyncIterator[ListedPage]:
        for url in listed:
            yield ListedPage(url, (earlier or {}).get(url))

    run = Run()
    async with Crawler(options) as crawler:
        crawl = crawler.pages(parse_target(target), has_answer=known.__contains__, **terms)
        async with aclosing(crawl.facts(pages())) as found:
            async for facts in found:
                assert facts.url not in run.facts
                run.facts[facts.url] = facts
    run.not_asked, run.asked, run.bytes = crawl.not_asked, crawl.asked, crawl.bytes
    assert crawl.asked + crawl.not_asked.total() == len(listed)
    return run


def times(*answers: Any) -> Callable[[web.Request], Awaitable[Any]]:
    """A page with these answers, one after another, and then the last one."""
    left = list(answers)

    async def answer(_: web.Request) -> Any:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


def asked(site: Any, path: str) -> int:
    return site.paths.count(path)


async def test_a_page_is_asked_once_and_described(new_site: Any) -> None:
    site = await new_site(
        {
            "/a": (
                200,
                HTML | {"X-Robots-Tag": "noindex", "Link": "</b>; rel=canonical"},
                page("A").encode(),
            ),
            "/gone": 410,
            "/empty": (200, HTML, b""),
            "/paper": (200, {"Content-Type": "application/pdf"}, b"%PDF" * 10),
            "/closed/x": html("never"),
            "/robots.txt": "User-agent: *\nDisallow: /closed/\n",
        }
    )
    run = await ask(site.options(), ["/a", "/gone", "/empty", "/paper", "/closed/x"])

    assert (run["/a"].status, run["/a"].robots_tags, run["/a"].links) == (
        200,
        ("noindex",),
        ("</b>; rel=canonical",),
    )
    assert run["/a"].head is not None and run["/a"].head.title == "A"
    assert run["/a"].first_byte_ms is not None
    assert run["/gone"].status == 410
    assert (run["/empty"].size, run["/empty"].text and run["/empty"].text.signals) == (0, ("empty",))
    assert (run["/paper"].size, run["/paper"].head) == (40, None)
    assert run["/closed/x"].state is PageState.DISALLOWED
    assert asked(site, "/closed/x") == 0
    assert [asked(site, path) for path in ("/robots.txt", "/a", "/gone", "/empty", "/paper")] == [1] * 5
    assert {request.method for request in site.requests} == {"GET"}


async def test_each_url_of_a_redirect_has_facts_and_a_listed_target_is_not_asked_for(
    new_site: Any,
) -> None:
    def to(location: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return 301, {"Location": location, **{k.replace("_", "-"): v for k, v in headers.items()}}, b""

    async def needs_cookie(request: web.Request) -> Any:
        return (
            html("inside") if request.cookies.get("seen") == "1" else to("/gate", Set_Cookie="seen=1; Path=/")
        )

    long = {f"/hop{number}": to(f"/hop{number + 1}") for number in range(1, 9)}
    site = await new_site(
        {
            **long,
            "/to-listed": to("/listed"),
            "/listed": html("listed"),
            "/to-target": to("target?x=1#part"),
            "/again": to("/target?x=1"),
            "/target?x=1": html("target"),
            "/ring": to("/ring2"),
            "/ring2": to("/ring"),
            "/gate": needs_cookie,
            "/mail": to("mailto:someone@pages.test"),
            "/itself": to(""),
            "other.test/there": html("there"),
            "/away": to("http://other.test/there"),
            "/shut": to("http://other.test/shut/x"),
            "other.test/robots.txt": "User-agent: ContentMap\nDisallow: /shut/\n",
        }
    )
    urls = [
        "/hop1",
        "/to-listed",
        "/listed",
        "/to-target",
        "/again",
        "/ring",
        "/gate",
        "/itself",
        "/mail",
        "/away",
        "/shut",
    ]
    run = await ask(site.options(), urls)

    assert run["/to-listed"].location == f"{HOST}/listed"
    assert run["/to-target"].location == run["/again"].location == f"{HOST}/target?x=1"
    assert (run["/target?x=1"].listed, run["/target?x=1"].status) == (False, 200)
    assert run["/ring2"].location == f"{HOST}/ring"
    assert (run["/gate"].status, run["/gate"].location) == (200, None)
    assert run["/itself"].location == f"{HOST}/itself"
    assert run["/mail"].location == "mailto:someone@pages.test"
    assert run["http://other.test/there"].status == 200
    assert run["http://other.test/shut/x"].state is PageState.DISALLOWED
    assert f"{HOST}/hop6" in run.facts and f"{HOST}/hop7" not in run.facts
    counted = Counter(site.paths)
    assert counted.pop("/robots.txt") == 2
    assert counted.pop("/gate") == 2
    assert "/shut/x" not in counted
    assert set(counted.values()) == {1}


async def test_a_failed_page_is_asked_for_once_more_after_the_others(new_site: Any) -> None:
    async def closed(request: web.Request) -> Any:
        assert request.transport is not None
        request.transport.close()
        return 200

    site = await new_site(
        {
            "/stumbles": times(500, html("fine")),
            "/moved": (302, {"Location": "/late"}, b""),
            "/late": times(502, html("late")),
            "/broken": 501,
            "/closed": closed,
            "/early": times(425, 404),
            "/busy": (503, {"Retry-After": "soon"}, b""),
            **{f"/p{number}": html(f"p{number}") for number in range(5)},
        }
    )
    urls = [
        "/stumbles",
        "/moved",
        "/broken",
        "/closed",
        "/early",
        "/busy",
        *(f"/p{number}" for number in range(5)),
    ]
    run = await ask(site.options(backoff=0.0), urls)

    assert [run[path].status for path in ("/stumbles", "/late", "/broken", "/early")] == [200, 200, 501, 404]
    assert (run["/closed"].state, run["/closed"].failure and run["/closed"].failure.code) == (
        PageState.UNREACHABLE,
        "connect_error",
    )
    assert (run["/busy"].state, run["/busy"].status) == (PageState.ANSWERED, 503)
    names = ("stumbles", "moved", "late", "broken", "busy")
    assert [asked(site, f"/{name}") for name in names] == [2, 1, 2, 2, 2]
    last_page = max(index for index, path in enumerate(site.paths) if path.startswith("/p"))
    assert last_page < max(index for index, path in enumerate(site.paths) if path == "/stumbles")


@pytest.mark.parametrize("status", [429, 503])
async def test_a_host_that_asks_to_wait_is_not_asked_until_then(new_site: Any, status: int) -> None:
    busy = (status, {"Retry-After": "1"}, b"")
    site = await new_site({f"/p{number}": html(f"p{number}") for number in range(6)})
    site.pages["/p2"] = times(busy, html("p2"))
    site.pages["other.test/free"] = html("free")
    run = await ask(site.options(), [*(f"/p{number}" for number in range(6)), "http://other.test/free"])

    assert {facts.status for facts in run.facts.values() if facts.listed} == {200}
    refused = site.asked.index("pages.test/p2")
    own = [
        each - site.times[refused]
        for name, each in zip(site.asked, site.times, strict=True)
        if "pages" in name
    ]
    assert not [each for each in own if 0.05 < each < 0.98]
    assert asked(site, "/p2") == 2


async def test_a_host_that_refuses_for_longer_than_the_time_is_left(new_site: Any) -> None:
    site = await new_site({"/p3": (429, {"Retry-After": "600"}, b""), "*": html("a page")})
    run = await ask(site.options(limits=Limits(domain_time=30)), [f"/p{number}" for number in range(40)])

    assert run["/p3"].state is PageState.THROTTLED
    assert run.not_asked == {NotAsked.HOST_REFUSES: 40 - run.asked}
    assert run.asked < 8


async def test_pages_are_left_when_the_time_is_over(new_site: Any) -> None:
    async def slow(_: web.Request) -> Any:
        await asyncio.sleep(5)
        return 200

    site = await new_site({"/p1": slow, "/p0": 500, "*": html("a page")})
    options = site.options(delay=0.05, limits=Limits(domain_time=0.4))
    run = await ask(options, [f"/p{number}" for number in range(200)])

    assert 1 <= run.asked < 10
    assert run.not_asked == {NotAsked.TIME: 200 - run.asked}
    assert not run.facts.keys() & {f"{HOST}/p0", f"{HOST}/p1"}


async def test_after_stop_nothing_is_sent_and_what_was_sent_is_answered(new_site: Any) -> None:
    site = await new_site({"/p3": (429, {"Retry-After": "60"}, b""), "*": html("a page")})
    slow_page, reached, stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> Any:
        reached.set()
        await slow_page.wait()
        return html("slow")

    site.pages["other.test/slow"] = slow
    rest = [f"http://h{number}.test/" for number in range(20)]
    urls = ["http://other.test/slow", *(f"{HOST}/p{number}" for number in range(20)), *rest]

    async def pages() -> AsyncIterator[ListedPage]:
        for url in urls:
            if url in rest:
                await stopped.wait()
            yield ListedPage(url)

    async with Crawler(site.options()) as crawler:
        crawl = crawler.pages(parse_target(HOST), has_answer=urls.__contains__)
        found: list[PageFacts] = []
        async with aclosing(crawl.facts(pages())) as facts:
            async for each in facts:
                found.append(each)
                if asked(site, "/p3") and reached.is_set():
                    crawl.stop()
                    slow_page.set()
                    stopped.set()
    states = {each.url.rpartition("/")[2]: each.state for each in found}
    assert states["slow"] is PageState.ANSWERED
    assert states["p3"] is PageState.THROTTLED
    assert crawl.not_asked == {NotAsked.STOPPED: len(urls) - len(found)}
    assert crawl._hosts.keys() == {"other.test", HOST.partition("://")[2]}  # of the others there is nothing


async def test_a_host_without_answers_is_not_asked_for_the_rest(new_site: Any) -> None:
    async def silent(_: web.Request) -> Any:
        await asyncio.sleep(30)

    site = await new_site({"other.test/fine": html("fine"), "other.test/robots.txt": 404, "/robots.txt": 404})
    site.pages["*"] = silent
    options = site.options(limits=Limits(read_timeout=0.1, request_timeout=0.1))
    run = await ask(options, [*(f"/p{number}" for number in range(50)), "http://other.test/fine"])

    listed = [each for each in run.facts.values() if each.listed]
    unreachable = [each for each in listed if each.state is PageState.UNREACHABLE]
    assert 3 <= len(unreachable) <= 4
    assert run.not_asked == {NotAsked.HOST_SILENT: 50 - len(unreachable)}
    assert run["http://other.test/fine"].status == 200


async def test_pages_of_a_host_whose_robots_cannot_be_read_are_not_asked_for(new_site: Any) -> None:
    site = await new_site({"/robots.txt": 500, "/p": html("p")})
    options = replace(site.options(retries=0), connect_to=(), allow_private=True)
    nowhere = [f"http://127.0.0.1:9/{number}" for number in range(30)]
    run = await ask(options, nowhere)
    states = {(each.state, each.failure and each.failure.code) for each in run.facts.values()}
    assert states == {(PageState.UNREACHABLE, "connect_error")}
    assert run.asked == 30

    run = await ask(replace(options, obey_robots=False, backoff=0.0), nowhere)
    assert {(each.state, each.failure and each.failure.code) for each in run.facts.values()} == states
    assert run.not_asked == {NotAsked.HOST_SILENT: 30 - run.asked}
    assert run.asked <= 4


async def test_a_host_whose_robots_is_refused_for_the_moment(new_site: Any) -> None:
    site = await new_site({"/robots.txt": (429, {"Retry-After": "6000"}, b""), "*": html("a page")})
    run = await ask(site.options(), ["/a", "/b", "/c"])
    assert (run.facts, run.not_asked) == ({}, {NotAsked.HOST_REFUSES: 3})


async def test_a_host_that_answers_again_is_asked_for_the_rest(
    new_site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_queue, "SILENT", 3)
    left = 9

    async def recovers(request: web.Request) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            return html("a page")
        assert request.transport is not None
        request.transport.close()
        return 200

    urls = [f"/p{number}" for number in range(40)]
    site = await new_site({"*": recovers, "/p0": html("p0"), "/p1": (429, {"Retry-After": "0"}, b"")})
    site.pages["/p1"] = times(site.pages["/p1"], html("p1"))
    site.pages["/robots.txt"] = 404
    run = await ask(site.options(backoff=0.0), urls)
    assert {run[path].status for path in urls} == {200}


async def test_many_failures_are_repeated_before_all_pages_were_asked_for(
    new_site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_queue, "MAX_FAILED", 3)
    site = await new_site({"*": 500, "/robots.txt": 404})
    await ask(site.options(backoff=0.0), [f"/p{number}" for number in range(20)])
    repeated = {path for path in site.paths[:15] if site.paths[:15].count(path) == 2}
    assert len(repeated) > 3
    assert set(Counter(site.paths).values()) == {1, 2}


async def test_a_304_keeps_the_facts_and_replaces_the_headers_it_carries(new_site: Any) -> None:
    async def conditional(request: web.Request) -> Any:
        if request.headers.get("If-None-Match") == '"1"':
            return 304, {"ETag": '"1"', "X-Robots-Tag": "none"}, b""
        return html("A", ETag='"1"', Link="</a>; rel=canonical")

    async def picky(request: web.Request) -> Any:
        return 412 if "If-Modified-Since" in request.headers else html("B")

    site = await new_site(
        {"/a": conditional, "/b": picky, "/c": times(html("C", 404, ETag='"2"'), html("C"))}
    )
    then = datetime(2026, 1, 1, tzinfo=UTC)
    first = await ask(site.options(), ["/a", "/b", "/c"])
    earlier = dict(first.facts)
    earlier[f"{HOST}/a"] = replace(first["/a"], asked_at=then)
    earlier[f"{HOST}/b"] = replace(first["/b"], last_modified="Thu, 01 Jan 2026 00:00:00 GMT")
    site.requests.clear()
    second = await ask(site.options(), ["/a", "/b", "/c"], earlier=earlier)

    found = second["/a"]
    assert (found.status, found.robots_tags, found.links) == (200, ("none",), ("</a>; rel=canonical",))
    assert (found.head, found.asked_at) == (first["/a"].head, then)
    assert found.validated_at is not None and found.first_byte_ms is not None
    assert (second["/b"].status, second["/b"].validated_at) == (200, None)
    assert second["/c"].status == 200
    sent = [request for request in site.requests if request.path == "/c"]
    assert "If-None-Match" not in sent[0].headers


async def test_an_http_page_of_a_site_typed_with_https_is_requested_as_it_is_listed(new_site: Any) -> None:
    site = await new_site({"/a": html("A")})
    options = site.options(user=("me", "secret"))
    run = await ask(options, ["/a"], target="https://pages.test")

    assert (run["/a"].status, site.asked[:2]) == (200, ["pages.test/robots.txt", "pages.test/a"])
    assert "Authorization" not in site.requests[-1].headers
    assert site.requests[-1].headers["Accept"].startswith("text/html")


async def test_a_bug_in_the_parser_is_the_failure_of_one_page(
    new_site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(data: bytes, *_: Any) -> Any:
        if b"breaks" in data:
            raise ValueError("a bug")
        return page_contents(data, "")

    monkeypatch.setattr(page_client, "page_contents", parse)
    site = await new_site({"/a": html("A"), "/b": html("breaks")})
    run = await ask(site.options(), ["/b", "/a"])
    assert run["/b"].failure is not None and run["/b"].failure.code == "internal_error"
    assert (run["/b"].status, run["/b"].head, run["/a"].failure) == (200, None, None)


async def test_the_target_of_a_redirect_is_recalled_for_a_conditional_request(new_site: Any) -> None:
    site = await new_site({"/a": (301, {"Location": "/b"}, b""), "/b": html("B", ETag='"1"')})
    first = await ask(site.options(), ["/a"])
    site.pages["/b"] = 304
    recalled = []

    async def recall(url: str) -> PageFacts | None:
        recalled.append(url)
        return first.facts.get(url)

    second = await ask(site.options(), ["/a"], recall=recall)
    assert recalled == [f"{HOST}/b"]
    assert (second["/b"].status, second["/b"].head) == (200, first["/b"].head)
    assert site.requests[-1].headers["If-None-Match"] == '"1"'


async def test_only_what_is_judged_of_a_body_is_read(new_site: Any) -> None:
    sent: Counter[str] = Counter()

    def streaming(beginning: bytes, more: bytes, **headers: str) -> Callable[[web.Request], Awaitable[Any]]:
        async def answer(request: web.Request) -> Any:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            response = web.StreamResponse(headers={**HTML, **named})
            await response.prepare(request)
            await response.write(beginning)
            for _ in range(20_000_000 // len(more)):
                sent[request.path] += len(more)
                await response.write(more)
            return response

        return answer

    text = b"<p>" + b"word " * 4000 + b"</p>"
    bomb = gzip.compress(b"<html><head><title>bomb</title><!--" + b" " * 40_000_000, mtime=0)
    late = b"<html><head><script>" + b"x" * 200_000 + b"</script><title>late</title></head><body>"
    site = await new_site(
        {
            "/long": streaming(page("long").encode(), text),
            "/late": streaming(late, text),
            "/endless-head": streaming(b"<html><head><title>t</title>", b"<!-- " + b"c" * 9990 + b" -->"),
            "/film": streaming(b"\0" * 100, b"\0" * 10_000, Content_Type="video/mp4"),
            "/bomb": (200, HTML | {"Content-Encoding": "gzip"}, bomb),
            "/packed": (200, HTML | {"Content-Encoding": "gzip"}, gzip.compress(page("packed").encode())),
            "/cut": (200, HTML | {"Content-Encoding": "gzip"}, gzip.compress(page("cut").encode())[:-9]),
            "/plain": (200, HTML | {"Content-Encoding": "gzip"}, page("plain").encode()),
        }
    )
    names = ("/long", "/late", "/endless-head", "/film", "/bomb", "/packed", "/cut", "/plain")
    run = await ask(site.options(obey_robots=False), names)

    titles = {path: head.title for path in names if (head := run[path].head) is not None}
    assert titles == {
        "/long": "long",
        "/late": "late",
        "/endless-head": "t",
        "/bomb": "bomb",
        "/packed": "packed",
        "/cut": "cut",
        "/plain": "plain",
    }
    assert run["/cut"].failure is not None and run["/cut"].failure.code == "body_truncated"
    assert {path: run[path].failure for path in names if path != "/cut"} == dict.fromkeys(
        set(names) - {"/cut"}
    )
    assert run["/long"].size is None
    assert run["/packed"].size == len(gzip.compress(page("packed").encode()))
    beginnings = {"/long": 0, "/late": 200_000, "/endless-head": page_body.PAGE_BYTES - page_body.TEXT_BYTES}
    for path, head in beginnings.items():
        alone = await ask(site.options(obey_robots=False), [path], probed=[])
        assert head < alone.bytes <= head + 3 * page_body.TEXT_BYTES
    assert sent["/film"] < 8_000_000  # what the sockets hold


async def test_made_up_paths_are_asked_for_where_they_decide_something(new_site: Any) -> None:
    soft = html("The loft")
    pages: dict[str, Any] = {
        f"/d{number}/page-{each}.html": html(f"{WORDS[number]} {WORDS[-each]}")
        for number in range(40)
        for each in (1, 2)
    }
    pages["/d30/page-1.html"] = pages["/d30/page-2.html"] = soft
    listed = list(pages)
    pages["/robots.txt"] = "User-agent: *\nDisallow: /d1/"
    site = await new_site(pages)

    async def answer(request: web.Request) -> Any:
        return soft if request.path.startswith("/d30/") else 404

    site.pages["*"] = answer
    run = await ask(site.options(), listed)
    assert directory_of(run.probes[0].url) == f"{HOST}/d30/"
    assert (run.probes[0].status, run.probes[0].text) == (200, run["/d30/page-1.html"].text)
    assert USUAL_PROBES <= len(run.probes) <= USUAL_PROBES + 2
    assert all(each.url.endswith(".html") and not each.listed for each in run.probes)
    assert not [path for path in site.paths if path.startswith("/d1/")]

    site.pages["*"] = html("every path is a page")
    run = await ask(site.options(), listed, probed=run.probes[:1])
    assert len(run.probes) == MAX_PROBES - 1
    directories = [directory_of(each.url) for each in run.probes]
    assert len(set(directories)) == len(directories)
    assert f"{HOST}/d30/" not in directories


@pytest.mark.parametrize(
    ("url", "shape"),
    [
        ("http://a.test/", r"http://a\.test/[a-z]{12}"),
        ("http://a.test/x/meadow_12", r"http://a\.test/x/[a-z]{9}_\d\d"),
        ("http://a.test/p/123/", r"http://a\.test/p/9\d{8}/"),
        ("http://a.test/b/%C3%BCber-uns.html", r"http://a\.test/b/[a-z]+-[a-z]{3}\.html"),
        ("http://a.test/i.php?cat=7&id=99", r"http://a\.test/i\.php\?cat=7&id=9\d{8}"),
    ],
)
def test_a_made_up_path_has_the_shape_of_a_page(url: str, shape: str) -> None:
    assert re.fullmatch(shape, made_up(url))
    assert made_up(url) != made_up(url)


async def test_two_connections_to_a_host_and_hosts_side_by_side(new_site: Any) -> None:
    site = await new_site({"*": html("a page"), "/robots.txt": 404})
    site.hold = 0.02
    open_at: Counter[str] = Counter()
    most: Counter[str] = Counter()
    answer = site.pages["*"]

    async def counted(request: web.Request) -> Any:
        open_at[request.host] += 1
        most[request.host] = max(most[request.host], open_at[request.host])
        await asyncio.sleep(0.02)
        open_at[request.host] -= 1
        return answer

    site.pages["*"] = counted
    hosts = [f"http://h{number}.test" for number in range(4)]
    await ask(site.options(), [f"{host}/{number}" for number in range(8) for host in hosts])
    assert set(most.values()) == {2}
    assert site.peak > 4


async def test_crawl_delay_applies_to_pages(new_site: Any) -> None:
    site = await new_site({"*": html("a page"), "/robots.txt": "User-agent: *\nCrawl-delay: 0.1\n"})
    await ask(site.options(), [f"/{number}" for number in range(4)])
    starts = [time for name, time in zip(site.paths, site.times, strict=True) if name != "/robots.txt"]
    assert min(b - a for a, b in pairwise(starts)) > 0.09


async def test_cancellation_leaves_no_task_and_no_connection(new_raw: Any) -> None:
    reached, ended = asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"robots" in await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 404 .\r\nContent-Length: 0\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
        reached.set()
        await reader.read()
        ended.set()

    port = await new_raw(hold)
    before = asyncio.all_tasks()
    options = CrawlOptions(connect_to=(ConnectTo(None, None, "127.0.0.1", port),))
    asking = asyncio.create_task(ask(options, [f"/p{number}" for number in range(6000)]))
    await reached.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(ended.wait(), 5)
    left = [task for task in asyncio.all_tasks() - before if "contentmap_cli" in repr(task)]
    assert not left


async def test_an_error_in_the_stream_of_pages_reaches_the_caller(new_site: Any) -> None:
    site = await new_site({"*": html("a page")})

    async def pages() -> AsyncIterator[ListedPage]:
        yield ListedPage(f"{HOST}/a")
        raise RuntimeError("the list cannot be read")

    async with Crawler(site.options()) as crawler:
        crawl = crawler.pages(parse_target(HOST), has_answer=lambda _: False)
        with pytest.raises(RuntimeError, match="cannot be read"):
            async with aclosing(crawl.facts(pages())) as found:
                async for _ in found:
                    pass


async def test_no_password_is_in_the_facts(new_site: Any) -> None:
    """Neither of a link in the page nor of one in a header."""
    secret = f"http://bob:s3cret@{HOST.partition('://')[2]}/other"
    head = f"<link rel=canonical href={secret}><meta http-equiv=refresh content='1;{secret}'>"
    links = f'<{secret}>; rel="canonical", </a>; rel="alternate"; hreflang="de"'
    site = await new_site(
        {
            "/page": (200, HTML | {"Link": links}, page("page", head).encode()),
            "/away": (302, {"Location": "ftp://bob:s3cret@a.test/"}, b""),
        }
    )
    run = await ask(site.options(), ["/page", "/away"])
    assert "s3cret" not in str(run.facts)
    assert canonicals_of(run["/page"])[1] == f"{HOST}/other"
    assert {normalise_url(url) for url in canonicals_of(run["/page"])} == {f"{HOST}/other"}

"""What is a fault of a listed page, and what only looks like one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from contentmap_cli.check.checker import RULES
from contentmap_cli.check.pages.judge import Allows, PageJudge
from contentmap_cli.check.pages.languages import listed_links
from contentmap_cli.check.registry import Notes
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import Entry
from contentmap_cli.models.findings import CheckedFile, CheckedSite
from contentmap_cli.models.hosts import url_key
from contentmap_cli.models.pages import PageFacts, PageHead, PageState, PageText
from contentmap_cli.sitemap import parse_lastmod

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
HTTP_NOW = "Wed, 20 May 2026 12:00:00 GMT"
SITE = "https://example.com"
URL = f"{SITE}/shop/lamp"
FILE = CheckedFile(f"{SITE}/sitemap.xml", None)
LONG = PageText(words=400, marks=tuple(range(100, 132)))
Found = dict[str, tuple[str, str | None]]


def page(url: str = URL, **values: Any) -> PageFacts:
    """Return the facts of an ordinary page, with some of them replaced."""
    usual: dict[str, Any] = {"status": 200, "content_type": "text/html; charset=utf-8", "date": HTTP_NOW}
    usual |= {"head": PageHead(title="Lamp"), "text": LONG, "first_byte_ms": 80}
    return PageFacts(**{"url": url, "state": PageState.ANSWERED, "asked_at": NOW} | usual | values)


def moved(url: str, to: str, status: int = 301, **values: Any) -> PageFacts:
    """Return the facts of a redirect."""
    return page(url, status=status, location=to, head=None, text=None, **values)


def failed(code: Code, state: PageState = PageState.UNREACHABLE) -> PageFacts:
    """Return the facts of a page without an answer."""
    return PageFacts(URL, state, NOW, failure=Failure(code, "as it is"))


def judged(
    facts: PageFacts,
    *others: PageFacts,
    lastmod: str | None = None,
    alternates: Iterable[tuple[str, str]] = (),
    probes: Sequence[PageFacts] = (),
    agents: Sequence[str] = ("googlebot",),
    allows: Allows | None = None,
    **options: Any,
) -> Found:
    """Judge one page; return message and value by rule."""
    notes = Notes(CheckedSite("example.com", NOW), frozenset(RULES))
    judge = PageJudge(notes, agents, probes, allows, now=NOW, **options)
    links = tuple({"hreflang": code, "href": href} for code, href in alternates)
    entry = Entry(facts.url, parse_lastmod(lastmod) if lastmod else None, alternates=links)
    judge.entries(FILE, [entry], {each.url: each for each in (facts, *others)})
    found: Found = {}
    for finding in notes.findings():
        (one,) = finding.occurrences
        assert (finding.file, one.url) == (FILE.name, facts.url)
        found[finding.rule.id] = (one.message or finding.message, one.value)
    return found


def meta(content: str, name: str = "robots") -> PageFacts:
    """Return a page with a meta element for crawlers."""
    return page(head=PageHead(robots=((name, content),)))


def canonical(*urls: str, links: tuple[str, ...] = ()) -> PageFacts:
    """Return a page with canonical URLs in its head, and Link headers."""
    return page(head=PageHead(canonicals=urls), links=links)


def text(words: int, *signals: str) -> PageFacts:
    """Return a page with a text of some words and signals."""
    return page(text=PageText(words, signals=signals))


def dated(*dates: str, last_modified: str | None = None) -> PageFacts:
    """Return a page with dates of its own."""
    head = PageHead(dates=tuple(("dateModified", each) for each in dates))
    return page(head=head, last_modified=last_modified)


FAULTS: dict[str, list[PageFacts]] = {
    "page-unreachable": [failed(Code.CONNECT_ERROR), failed(Code.DNS_ERROR), failed(Code.TLS_CERTIFICATE)],
    "page-timeout": [failed(Code.TIMEOUT)],
    "page-status-4xx": [page(status=status, text=LONG) for status in (400, 404, 405, 410, 418)]
    + [page(status=404, text=PageText(5, signals=("challenge",)))],
    "page-status-5xx": [page(status=status, head=None, text=None) for status in (500, 502, 503, 520)],
    "page-status": [page(status=status) for status in (300, 304, 302, 307)]
    + [page(status=301, location="mailto:a@example.com")],
    "page-blocked": [page(status=status) for status in (401, 403, 407, 451)]
    + [page(status=503, text=PageText(9, signals=("challenge",))), text(9, "login"), text(9, "consent")]
    + [page(status=202, text=PageText(9, signals=("challenge",)))],
    "page-soft-404": [
        *(text(9, "not_found_title"), text(9, "not_found_heading"), text(149, "not_found_title")),
        *(text(149, "not_found_title", "not_found_heading"), text(20, "not_found_text"), text(0, "empty")),
        text(59, "not_found_code"),
        *(text(30, "parked"), text(30, "maintenance"), text(30, "default_page")),
        page(status=204, head=None, text=None, content_type=None),
    ],
    "page-noindex": [
        *(
            meta("noindex"),
            meta("NOINDEX, nofollow"),
            meta("none"),
            meta("index, noindex"),
            meta("follow,NoIndex"),
        ),
        *(meta("noindex nofollow"), meta("noindex; nofollow"), meta("max-snippet:-1, noindex")),
        *(meta("noindex", "googlebot"), meta("unavailable_after: 2026-05-01")),
        meta("unavailable_after: Friday, 01-May-26 15:00:00 GMT, max-snippet:20"),
        meta("unavailable_after: 25 Jun 2010 15:00:00 PST"),
        *(meta(f"unavailable_after: {day}") for day in ("4 Mar 2021", "March 4, 2021", "2021/03/04")),
        page(head=PageHead(robots=(("robots", "index"), ("googlebot", "none")))),
        *(
            page(robots_tags=(line,))
            for line in ("noindex", "NOFOLLOW, NOINDEX", "none", "googlebot: noindex")
        ),
        *(page(robots_tags=(line,)) for line in ("otherbot: nofollow, GoogleBot : nosnippet, noindex",)),
        *(page(robots_tags=(line,)) for line in ("googlebot: unavailable_after: 1 May 2026 10:00:00 GMT",)),
        page(robots_tags=("otherbot: nofollow", "noindex")),
        page(robots_tags=("unavailable_after: Fri, 01 May 2026 10:00:00 GMT, nosnippet",)),
        page(robots_tags=("noindex",), content_type="application/pdf", head=None, text=None),
    ],
    "page-canonical": [
        *(canonical(f"{SITE}/shop"), canonical(f"{URL}/"), canonical("http://example.com/shop/lamp")),
        *(
            canonical(f"{URL}?a=1"),
            canonical("https://www.example.com/shop/lamp"),
            canonical(f"{SITE}/shop/Lamp"),
        ),
        canonical(links=('</style.css>; rel=preload; as=style, </shop>; rel="canonical"',)),
        canonical(links=('<lamps>; title="a, <b>; c"; REL="next Canonical"',)),
    ],
    "page-canonical-conflict": [
        canonical(f"{SITE}/shop", URL),
        canonical(URL, links=("</shop>; rel=canonical",)),
    ],
    "page-content-type": [
        text(90, "type:application/json"),
        *(
            page(content_type=kind, head=None, text=None)
            for kind in ("application/json", "image/png", "text/plain")
        ),
        *(
            page(content_type=kind, head=None, text=None)
            for kind in ("application/octet-stream", "application/vnd.api+json")
        ),
        *(page(content_type=kind, head=None, text=None) for kind in ("application/xml", "application/zip")),
        page(f"{URL}.pdf", content_type="application/octet-stream", head=None, text=None),
    ],
    "page-slow": [page(first_byte_ms=2001)],
    "page-refresh": [page(head=PageHead(refresh=(seconds, f"{SITE}/new"))) for seconds in (0, 5)],
    "page-redirect": [
        moved(URL, f"{URL}/"),
        moved(URL, f"{SITE}/new", 302),
        moved(URL, f"{SITE}/new#x", 308),
    ],
    "page-redirect-host": [
        moved(URL, "https://other.example/shop/lamp"),
        moved(URL, "https://www.example.com/"),
    ],
    "page-redirect-loop": [moved(URL, URL), moved(URL, f"{URL}#again")],
}


@pytest.mark.parametrize("rule", FAULTS)
def test_faults(rule: str) -> None:
    """Each is found under this rule and no other."""
    for facts in FAULTS[rule]:
        assert set(judged(facts)) == {rule}, facts


FINE = [
    page(),
    *(failed(Code.DISALLOWED, PageState.THROTTLED), failed(Code.ROBOTS_UNREACHABLE, PageState.DISALLOWED)),
    *(failed(Code.DEADLINE), failed(Code.ADDRESS_BLOCKED), failed(Code.INTERNAL_ERROR), page(status=429)),
    *(meta("index, follow"), meta("all"), meta("noindex", "otherbot"), meta("noimageindex, nofollow")),
    *(
        meta("max-image-preview:none"),
        meta("max-image-preview: none, max-snippet:-1"),
        meta("none", "description"),
    ),
    *(
        meta("unavailable_after: 2026-05-20"),
        meta("unavailable_after: 2030-01-01T00:00:00Z"),
        meta("notnoindex"),
    ),
    *(meta(f"unavailable_after: {day}") for day in ("9999-12-31", "27 May 2026", "Mar 4, 2071", "a, b")),
    *(
        page(robots_tags=(f"unavailable_after: {date}",))
        for date in ("9999-12-31", "1 Jan 2020 00:00:00 +99999999999999999999", f"1 Jan {10**20}")
    ),
    *(meta("unavailable_after: soon"), meta("unavailable_after: Friday, 25-Jun-2032 15:00:00 GMT")),
    *(
        page(robots_tags=(line,))
        for line in ("otherbot: noindex", "otherbot: nofollow, noindex", "nofollow", "")
    ),
    *(
        page(robots_tags=(line,))
        for line in ("max-image-preview:none", "googlebot: nofollow, otherbot: noindex")
    ),
    *(page(robots_tags=(line,)) for line in ("unavailable_after: Mon, 20 May 2030 10:00:00 GMT, nofollow",)),
    *(
        canonical(URL),
        canonical("HTTPS://EXAMPLE.com:443/shop/lamp#top"),
        canonical(f"{SITE}/a/../shop/./lamp"),
    ),
    *(
        canonical(f"{SITE}/shop/%6Camp"),
        canonical(URL, "https://Example.com/shop/lamp"),
        canonical("mailto:a"),
    ),
    canonical(links=("</shop>; rel=next, </shop>; rel=canonical; anchor=/other",)),
    canonical(links=('</shop>; rel="canonical"; media="print"', '</other>; title="rel=canonical"; rel=next')),
    *(text(9), text(0), text(400, "not_found_title"), text(150, "not_found_title", "not_found_heading")),
    *(text(61, "not_found_text"), text(9, "login", "login_url")),
    *(
        page(content_type=kind, head=None, text=None)
        for kind in ("application/pdf", "application/vnd.oasis.opendocument.text", None)
    ),
    *(
        page(content_type=kind)
        for kind in ("TEXT/HTML", "application/xhtml+xml", "text/html, text/html", "html")
    ),
    page(f"{URL}.txt", content_type="text/plain", head=None, text=None),
    page(f"{URL}.jpg", content_type="image/jpeg", head=None, text=None),
    page(f"{URL}.xml", content_type="text/xml", head=None, text=None),
    page(first_byte_ms=2000),
    *(
        page(head=PageHead(refresh=refresh))
        for refresh in ((0.0, URL), (5.0, f"{URL}#x"), (600.0, f"{SITE}/out"))
    ),
]


def test_an_answer_that_breaks_off() -> None:
    """A status of 200 says nothing about a body that never came."""
    cut = page(failure=Failure(Code.BODY_TRUNCATED, "the connection was closed"))
    assert judged(cut)["page-unreachable"] == ("the connection was closed", "body_truncated")
    assert set(judged(page(failure=Failure(Code.TIMEOUT, "no data for 6 seconds")))) == {"page-timeout"}
    assert not judged(page(failure=Failure(Code.BODY_TOO_LARGE, "larger than the limit")))


def test_look_alikes() -> None:
    for facts in FINE:
        assert not judged(facts), facts


def test_redirects_are_followed_to_their_end() -> None:
    """Every page of a chain has facts of its own; the worst is said, with the final URL as value."""
    urls = [f"{SITE}/{number}" for number in range(8)]
    chain = [moved(one, other) for one, other in pairwise(urls)]
    assert judged(chain[0], page(urls[1])) == {"page-redirect": ("status 301", urls[1])}
    assert judged(chain[0], chain[1], page(urls[2])) == {"page-redirect-chain": ("2 redirects", urls[2])}
    assert judged(*chain[:2])["page-redirect-chain"] == ("2 redirects", urls[2])
    assert judged(*chain[:5])["page-redirect-chain"] == ("5 redirects", urls[5])
    assert judged(*chain[:6])["page-redirect-chain"] == ("more than 5 redirects", urls[6])
    assert set(judged(chain[0], chain[1], moved(urls[2], urls[0]))) == {"page-redirect-loop"}
    assert set(judged(chain[0], chain[1], moved(urls[2], urls[1]))) == {"page-redirect-loop"}
    away = "https://other.example/"
    assert judged(moved(URL, away), page(away)) == {
        "page-redirect-host": ("status 301 to other.example", away)
    }
    assert set(judged(chain[0], replace(page(urls[1]), state=PageState.THROTTLED))) == {"page-redirect"}
    targets = [page(status=404), meta("noindex"), canonical(f"{SITE}/9"), text(0, "empty"), text(9, "login")]
    targets += [failed(Code.TIMEOUT), failed(Code.DISALLOWED, PageState.DISALLOWED), page(status=500)]
    targets += [text(9, "login", "login_url"), page(content_type="application/json")]
    for target in targets:
        found = judged(chain[0], chain[1], replace(target, url=urls[2], listed=False))
        assert set(found) == {"page-redirect-target"}, target
        assert found["page-redirect-target"][1] == urls[2]
    both = canonical(urls[2], urls[3])  # which of them counts is not known
    assert set(judged(chain[0], chain[1], replace(both, url=urls[2]))) == {"page-redirect-chain"}
    everywhere = page(f"{SITE}/error", listed=False, probe=True)  # where made-up URLs lead
    assert set(judged(moved(URL, everywhere.url), everywhere)) == {"page-redirect-target"}


def test_rules_count_for_the_agents_asked_for() -> None:
    pages = [meta("noindex", "bingbot"), page(robots_tags=("BingBot: noindex",))]
    for facts in pages:
        assert not judged(facts)
        message, _ = judged(facts, agents=("googlebot", "BingBot"))["page-noindex"]
        assert "noindex for bingbot" in message
    assert judged(meta("noindex"))["page-noindex"] == ("noindex (meta robots)", "noindex")


def test_robots_txt_of_the_agent_decides() -> None:
    """That this crawler may not request a page says nothing about others."""
    disallowed = failed(Code.DISALLOWED, PageState.DISALLOWED)
    assert set(judged(disallowed)) == {"page-disallowed"}
    assert not judged(disallowed, allows=lambda agent, url: True)
    assert set(judged(disallowed, allows=lambda agent, url: None)) == {"page-disallowed"}
    forbids: Allows = lambda agent, url: agent != "googlebot"  # noqa: E731
    assert judged(page(), allows=forbids)["page-disallowed"][1] == "googlebot"
    assert set(judged(meta("noindex"), allows=forbids, robots_is_checked=True)) == {
        "page-noindex",
        "page-noindex-unseen",
    }
    assert not judged(page(), agents=("bingbot",), allows=forbids)
    assert not judged(page(), allows=forbids, robots_is_checked=True)
    unknown = judged(disallowed, allows=lambda agent, url: None, robots_is_checked=True)
    assert set(unknown) == {"page-disallowed"}


def test_pages_that_are_what_a_made_up_url_gets() -> None:
    marks = tuple(range(10, 42))
    soft = page(f"{SITE}/shop/qxzv", probe=True, listed=False, text=PageText(90, marks))
    same = page(text=PageText(90, marks))
    assert judged(same, probes=[soft])["page-soft-404"][1] == soft.url
    nearly = page(text=PageText(90, (*marks[:-1], 1000)))
    assert set(judged(nearly, probes=[soft])) == {"page-soft-404"}
    assert not judged(page(text=PageText(90, (*marks[:20], *range(1000, 1012)))), probes=[soft])
    assert not judged(same, probes=[replace(soft, text=PageText(90, (1, 2)))])
    elsewhere = replace(soft, url=f"{SITE}/news/qxzv")
    assert not judged(same, probes=[elsewhere])  # another directory may be made in another way
    assert set(judged(same, probes=[replace(elsewhere, status=404)])) == {"page-soft-404"}
    asked = replace(soft, url=f"{URL}?id=97")  # a query that is made up, of a path that exists
    assert set(judged(page(f"{URL}?id=1", text=same.text), probes=[asked])) == {"page-soft-404"}
    assert not judged(page(f"{URL}x", text=same.text), probes=[asked])
    asked = replace(asked, head=PageHead(canonicals=(URL,)))  # the query does not count
    assert "page-soft-404" not in judged(page(f"{URL}?id=1", text=same.text), probes=[asked])
    few = PageText(3, (1, 2, 3))
    assert not judged(page(text=few), probes=[replace(soft, text=few)])
    assert not judged(soft, probes=[soft])


@pytest.mark.parametrize(
    ("lastmod", "facts", "wrong"),
    [
        ("2026-03-01", dated("2026-03-20"), True),
        ("2026-03-01", dated("2026-03-08"), False),
        ("2026-03-01", dated("2026-01-10"), True),
        ("2026-03-01", dated("2026-02-01"), False),
        ("2026-03-01T00:00:00Z", dated("2026-03-08T01:00:00Z"), True),
        ("2026-03-01T20:00:00-05:00", dated("2026-03-02T01:00:00+00:00"), False),
        ("2026-03-01", dated("2026-03-20", "2026-03-01"), False),  # one of its dates agrees
        ("2026-03-01", dated("2030-03-20"), False),  # a date in the future
        ("2026-03-01", dated("soon", "20"), False),
        ("2026-03-01", dated(), False),
        (None, dated("2026-03-20"), False),
        ("2026", dated("2020-03-20"), False),
        ("never", dated("2026-03-20"), False),
        ("2026-03-01", dated(last_modified="Sat, 01 Mar 2025 10:00:00 GMT"), True),
        ("2026-03-01", dated(last_modified="Sat, 28 Mar 2026 10:00:00 GMT"), True),
        ("2026-03-01", dated("2026-03-01", last_modified="Sat, 01 Mar 2025 10:00:00 GMT"), False),
        ("2026-03-01", dated(last_modified=HTTP_NOW), False),  # made for the answer
        ("2026-03-01", dated(last_modified="Wed, 20 May 2026 11:58:00 GMT"), False),
        ("2026-03-01", dated(last_modified="0"), False),
        ("2026-03-01", dated(last_modified="Thu, 01 Jan 1970 00:00:00 GMT"), False),
        ("2026-03-01", dated("0001-01-01T00:00:00"), False),
        # confirmed later: it was made for the first answer
        ("2026-03-01", replace(dated(last_modified=HTTP_NOW), date="Thu, 28 May 2026 10:00:00 GMT"), False),
    ],
)
def test_lastmod_against_the_dates_of_the_page(lastmod: str | None, facts: PageFacts, wrong: bool) -> None:
    assert set(judged(facts, lastmod=lastmod)) == ({"page-lastmod"} if wrong else set())


DE, FR, EN = (f"{SITE}/{code}/" for code in ("de", "fr", "en"))


def speaking(url: str, *links: tuple[str, str], **values: Any) -> PageFacts:
    """Return a page with hreflang links."""
    return page(url, head=PageHead(alternates=links), **values)


def test_return_links_between_pages_that_were_seen() -> None:
    german = speaking(DE, ("de", DE), ("en", EN))
    assert not judged(german, speaking(EN, ("de", DE), ("en", EN)))
    assert not judged(german)  # the other one was not seen
    assert judged(german, speaking(EN, ("en", EN), ("fr", FR)))["page-hreflang-return"][1] == EN
    assert set(judged(german, speaking(EN))) == {"page-hreflang-alone"}  # information
    same = speaking(
        EN, ("de", "HTTPS://example.com:443/de/"), links=('</fr/>; rel="alternate"; hreflang="fr"',)
    )
    assert not judged(german, same)
    assert not judged(german, page(EN, head=None, links=(f'<{DE}>; rel=alternate; hreflang="de"',)))
    by_default = speaking(DE, ("de", DE), ("x-default", EN))
    assert not judged(by_default, speaking(EN, ("en", EN)))
    listed = [("de", DE), ("en", EN)]
    assert not judged(
        german, speaking(EN, ("en", EN)), alternates=listed
    )  # the sitemap may have the return link
    # the other page's own entry has it
    for href, back in ((f"{SITE}:443/de/", True), (FR, False)):
        links = frozenset(
            listed_links([Entry(EN, alternates=({"hreflang": "de", "href": href},)), Entry(DE)])
        )
        for other in (speaking(EN, ("en", EN)), speaking(EN)):
            assert (not judged(german, other, links=links)) is back


def test_alternates_that_cannot_be_indexed() -> None:
    german = speaking(DE, ("de", DE), ("en", EN))
    targets = [page(EN, status=404), moved(EN, FR), replace(meta("noindex"), url=EN), page(EN, status=500)]
    for target in targets:
        assert judged(german, target)["page-hreflang-target"][1] == EN
        assert set(judged(page(DE), target, alternates=[("en", EN)])) == {"page-hreflang-target"}
    assert not judged(german, replace(page(EN), state=PageState.THROTTLED, head=None))


def test_alternates_of_page_and_sitemap() -> None:
    german = speaking(DE, ("de", DE), ("EN", EN))
    assert not judged(german, alternates=[("de", DE), ("en", "https://EXAMPLE.com/en/")])
    assert judged(german, alternates=[("de", DE), ("en", FR)])["page-hreflang-differs"][1] == f"en={EN}"
    assert set(judged(german, alternates=[("de", DE)])) == {"page-hreflang-partial"}  # information
    assert not judged(page(DE), alternates=[("de", DE), ("en", EN)])
    assert not judged(german)


def test_what_is_said_of_other_pages() -> None:
    """A canonical URL that was seen is described."""
    found = judged(canonical(f"{SITE}/gone"), page(f"{SITE}/gone", status=410))
    assert found["page-canonical"] == (
        "canonical URL is another page, which answers with status 410",
        f"{SITE}/gone",
    )


def test_url_equality() -> None:
    same = (
        "https://example.com/~a%2Fb?q=%C3%A9",
        "HTTPS://EXAMPLE.COM:443/%7Ea%2fb?q=é",
        "https://example.com/x/../~a%2fb?q=%c3%a9#x",
    )
    assert len(set(map(url_key, same))) == 1
    others = (
        "http://example.com/a",
        "https://example.com/a",
        "https://example.com/a/",
        "https://example.com/A",
        "https://example.com/a?",
    )
    assert len({url_key(each) for each in others}) == 4  # an empty query is none
    assert url_key("https://example.com/it%27s%28a%29") == url_key("https://example.com/it's(a)")
    assert url_key("mailto:a@example.com") is None


def test_every_rule_about_pages_is_tried() -> None:
    tried = {*FAULTS, "page-redirect-chain", "page-redirect-target", "page-disallowed", "page-noindex-unseen"}
    tried |= {"page-lastmod", "page-hreflang-return", "page-hreflang-alone", "page-hreflang-target"}
    tried |= {"page-hreflang-differs", "page-hreflang-partial"}
    assert tried == {name for name in RULES if name.startswith("page-")}

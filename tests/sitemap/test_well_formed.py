"""Entries, problems and facts of well-formed urlsets and indexes."""

from __future__ import annotations

from typing import Any

import pytest

from contentmap_cli.models import DocumentKind, Entry, Lastmod, Limits

HOST = "https://site.example"


def test_the_four_fields(parse: Any, urlset: Any) -> None:
    """Values are recorded as published, without problems."""
    reading = parse(
        urlset(
            f"<url><loc>{HOST}/a</loc><lastmod>2024-05-06</lastmod><changefreq>daily</changefreq>"
            "<priority>0.8</priority></url>",
            f"<url><loc>{HOST}/b</loc></url>",
        )
    )
    assert reading.entries == [
        Entry(f"{HOST}/a", Lastmod("2024-05-06T00:00:00Z", "day", "2024-05-06"), "daily", 0.8),
        Entry(f"{HOST}/b"),
    ]
    document = reading.outcome
    assert (document.kind, document.complete, document.failure) == (DocumentKind.URLSET, True, None)
    assert (document.has_lastmod, document.has_changefreq, document.has_priority) == (True, True, True)
    assert document.problems == ()
    assert reading.cleared == 0


def test_facts_of_a_bare_document(parse: Any, urlset: Any) -> None:
    """Documents without dates are recognised."""
    document = parse(urlset(f"<url><loc>{HOST}/a</loc></url>")).outcome
    assert (document.has_lastmod, document.has_changefreq, document.has_priority) == (False, False, False)


def test_index(parse: Any) -> None:
    """The children of an index are sitemaps."""
    reading = parse(
        "<sitemapindex xmlns='x'><sitemap><loc>https://site.example/a.xml</loc><lastmod>2024</lastmod></sitemap></sitemapindex>"
    )
    assert reading.outcome.kind is DocumentKind.INDEX
    assert [(entry.type, entry.url) for entry in reading.entries] == [("sitemap", f"{HOST}/a.xml")]


def test_mixed(parse: Any) -> None:
    """A sitemap in a urlset and a url in an index keep their type."""
    reading = parse(f"<urlset><url><loc>{HOST}/a</loc></url><sitemap><loc>{HOST}/b</loc></sitemap></urlset>")
    assert [entry.type for entry in reading.entries] == ["url", "sitemap"]


@pytest.mark.parametrize(
    "names",
    [
        "",
        ' xmlns="http://www.google.com/schemas/sitemap/0.84"',
        ' xmlns="https://www.sitemaps.org/schemas/sitemap/0.9/"',
        ' xmlns="nonsense"',
    ],
)
def test_any_namespace(parse: Any, names: str) -> None:
    """Core elements go by their local name."""
    assert parse(f"<urlset{names}><url><loc>{HOST}/a</loc></url></urlset>").urls == [f"{HOST}/a"]


def test_prefixes(parse: Any) -> None:
    """A prefix on the core elements changes nothing."""
    text = f"<s:urlset xmlns:s='http://www.sitemaps.org/schemas/sitemap/0.9'><s:url><s:loc>{HOST}/a</s:loc></s:url></s:urlset>"
    assert parse(text).urls == [f"{HOST}/a"]


def test_upper_case(parse: Any) -> None:
    """Names in upper case are recognised."""
    assert parse(f"<URLSET><Url><LOC>{HOST}/a</LOC></Url></URLSET>").urls == [f"{HOST}/a"]


def test_only_the_loc_of_an_entry_counts(parse: Any, urlset: Any) -> None:
    """The loc of an image is not that of the page, even without an image element."""
    reading = parse(
        urlset(
            f"<loc>{HOST}/stray</loc>",
            f"<url><image:image><image:loc>{HOST}/a.jpg</image:loc></image:image><loc>{HOST}/a</loc></url>",
            f"<url><image:loc>{HOST}/b.jpg</image:loc><loc>{HOST}/b</loc></url>",
            f"<url><image:loc>{HOST}/c.jpg</image:loc></url>",
        )
    )
    assert reading.urls == [f"{HOST}/a", f"{HOST}/b"]
    assert reading.codes == {"stray_loc", "missing_url"}


@pytest.mark.parametrize(
    "loc",
    [
        "<![CDATA[{}/a?b=1&c=2]]>",
        "{}/a?b=1&amp;c=2",
        "{}/a?b=1&#38;c=2",
        "{}/a?b=1&#x26;c=2",
        "{}/a<![CDATA[?b=1&]]>c=2",
        "{}/a<!-- c -->?b=1&amp;c=2",
        "{}/a<?p q?>?b=1&amp;c=2",
        "<x>{}/a?b=1&amp;c=2</x>",
        "\n\t {}/a\n?b=1&amp;c=2\u00a0\ufeff",
        "<url>{}/a?b=1&amp;c=2</url>",
    ],
)
def test_text_is_all_character_data(parse: Any, urlset: Any, loc: str) -> None:
    """All forms of character data are equivalent."""
    reading = parse(urlset(f"<url><loc>{loc.format(HOST)}</loc></url>"))
    assert reading.urls == [f"{HOST}/a?b=1&c=2"]
    assert not reading.entries[0].repaired


def test_double_escaping_is_kept(parse: Any, urlset: Any) -> None:
    """It is not resolved, which would be a guess."""
    assert parse(urlset(f"<url><loc>{HOST}/?a=1&amp;amp;b=2</loc></url>")).urls == [f"{HOST}/?a=1&amp;b=2"]


def test_fields_do_not_leak(parse: Any, urlset: Any) -> None:
    """Values of an entry without a URL are dropped."""
    reading = parse(
        urlset(
            f"<url><loc>{HOST}/a</loc></url>",
            "<url><lastmod>2024</lastmod><priority>0.1</priority></url>",
            f"<url><loc>{HOST}/b</loc></url>",
        )
    )
    assert reading.entries == [Entry(f"{HOST}/a"), Entry(f"{HOST}/b")]
    problem = reading.outcome.problems[0]
    assert (problem.code, problem.line) == ("missing_url", 4)


def test_several_locs_in_one_entry(parse: Any) -> None:
    """Each is an entry; a field belongs to the preceding loc."""
    reading = parse(
        "<sitemapindex><sitemap><loc>https://site.example/a</loc><lastmod>2023</lastmod><loc>https://site.example/b</loc><loc>https://site.example/c</loc><lastmod>2024</lastmod>"
        "</sitemap></sitemapindex>"
    )
    assert [(entry.url, entry.lastmod and entry.lastmod.text) for entry in reading.entries] == [
        (f"{HOST}/a", "2023"),
        (f"{HOST}/b", None),
        (f"{HOST}/c", "2024"),
    ]


def test_loc_in_a_loc(parse: Any, urlset: Any) -> None:
    """The URLs are separate, and a field inside a loc is not part of it."""
    reading = parse(
        urlset(
            f"<url><loc>{HOST}/a<loc>{HOST}/b</loc></loc></url>",
            f"<url><loc>{HOST}/c<lastmod>2024</lastmod></loc></url>",
            "<url><loc><lastmod>2024</lastmod></loc></url>",
        )
    )
    assert reading.urls == [f"{HOST}/a", f"{HOST}/b", f"{HOST}/c"]
    assert "missing_url" in reading.codes


def test_an_entry_without_loc_that_is_its_url(parse: Any) -> None:
    """Text directly in the element is the URL."""
    assert parse("<sitemapindex><sitemap>\n/a?b=1&amp;c=2\n</sitemap></sitemapindex>").urls == [
        f"{HOST}/a?b=1&c=2"
    ]


def test_entries_below_a_wrapper(parse: Any) -> None:
    """Entries inside another element are read."""
    assert parse(f"<urlset><group><url><loc>{HOST}/a</loc></url></group></urlset>").urls == [f"{HOST}/a"]


@pytest.mark.parametrize(
    ("priority", "expected"),
    {"0.0": 0.0, "1": 1.0, "1.0": 1.0, " .5 ": 0.5, "0,7": 0.7, "": None, " ": None}.items(),
)
def test_priority(parse: Any, urlset: Any, priority: str, expected: float | None) -> None:
    """Numbers from 0 to 1 in various forms; empty is none."""
    reading = parse(urlset(f"<url><loc>https://site.example/a</loc><priority>{priority}</priority></url>"))
    assert reading.entries[0].priority == expected
    assert reading.codes == ({"priority_format"} if "," in priority else set())


@pytest.mark.parametrize(
    "priority", ["1.1", "-0.1", "-0", "NaN", "inf", "1e400", "1e-1", "high", "0.5.5", "１", "9" * 400]
)
def test_invalid_priority(parse: Any, urlset: Any, priority: str) -> None:
    """The value is dropped and reported; the entry is kept."""
    reading = parse(urlset(f"<url><loc>https://site.example/a</loc><priority>{priority}</priority></url>"))
    assert [entry.priority for entry in reading.entries] == [None]
    assert reading.codes == {"invalid_priority"}


@pytest.mark.parametrize(
    ("word", "expected", "codes"),
    [
        ("Weekly", "weekly", {"changefreq_format"}),
        (" NEVER ", "never", {"changefreq_format"}),
        (" never ", "never", set()),
        ("", None, set()),
        ("often", None, {"invalid_changefreq"}),
    ],
)
def test_changefreq(parse: Any, urlset: Any, word: str, expected: str | None, codes: set[str]) -> None:
    """One of seven words in any case."""
    reading = parse(urlset(f"<url><loc>https://site.example/a</loc><changefreq>{word}</changefreq></url>"))
    assert (reading.entries[0].changefreq, reading.codes) == (expected, codes)


def test_lastmod_that_is_not_understood(parse: Any, urlset: Any) -> None:
    """It is kept as text and reported with its line."""
    reading = parse(
        urlset(
            "<url><loc>https://site.example/a</loc></url>",
            "<url><loc>https://site.example/b</loc><lastmod>soon</lastmod></url>",
        )
    )
    assert reading.entries[1].lastmod == Lastmod(None, None, "soon")
    assert [(problem.code, problem.line) for problem in reading.outcome.problems] == [("invalid_lastmod", 4)]


def test_refused_urls(parse: Any, urlset: Any) -> None:
    """URLs that cannot be stored or requested are reported with code and line; others are listed."""
    reading = parse(
        urlset(
            f"<url><loc>{HOST}/{'a' * 2048}</loc></url>",
            "<url><loc>javascript:alert(1)</loc></url>",
            "<url><loc>{{ page.url }}</loc></url>",
            f"<url><loc>{HOST}/ok</loc></url>",
        )
    )
    assert reading.urls == [f"{HOST}/ok"]
    found = [(problem.code, problem.line) for problem in reading.outcome.problems]
    assert found == [("url_too_long", 3), ("rejected_url", 4), ("rejected_url", 5)]
    assert reading.outcome.complete


def test_duplicates(parse: Any, urlset: Any) -> None:
    """Every entry is kept, repetitions are counted."""
    reading = parse(
        urlset(
            "<url><loc>https://site.example/a</loc></url>",
            "<url><loc>https://site.example/b</loc></url>",
            "<url><loc>https://site.example/a</loc></url>",
        )
    )
    assert len(reading.entries) == 3
    assert [(problem.code, problem.count) for problem in reading.outcome.problems] == [("duplicate_url", 1)]


def test_scope_is_asked_once_an_origin(parse: Any, urlset: Any) -> None:
    """The predicate may be slow; entries of other sites are kept and marked."""
    asked: list[str] = []

    def in_scope(url: str) -> bool:
        asked.append(url)
        return url.startswith(HOST)

    locs = [
        f"{HOST}/1",
        "https://other.example/2",
        f"{HOST}/3",
        f"{HOST}/ü",
        "https://other.example/x y",
        "/4",
    ]
    reading = parse(urlset(*(f"<url><loc>{loc}</loc></url>" for loc in locs)), in_scope=in_scope)
    assert [entry.in_scope for entry in reading.entries] == [True, False, True, True, False, True]
    assert len(asked) == 2


def test_no_base(parse: Any, urlset: Any) -> None:
    """Without a base, relative URLs are kept."""
    assert parse(urlset("<url><loc>/a</loc></url>"), base=None).urls == ["/a"]


def test_empty_urlset(parse: Any) -> None:
    """It is a sitemap without URLs, not an error."""
    for text in ("<urlset/>", "<urlset></urlset>", "<urlset>\n</urlset>\n"):
        document = parse(text).outcome
        assert (document.kind, document.entries, document.complete) == (DocumentKind.URLSET, 0, True)


def test_the_protocols_limit_is_no_cut(parse: Any, urlset: Any) -> None:
    """URLs beyond the protocol's limit are listed, and reported."""
    locs = [f"<url><loc>https://site.example/{number}</loc></url>" for number in range(11)]
    assert not parse(urlset(*locs[:10]), limits=Limits(file_urls=10)).codes
    reading = parse(urlset(*locs), limits=Limits(file_urls=10))
    assert len(reading.entries) == 11
    assert reading.codes == {"too_many_urls"}
    assert reading.outcome.complete


@pytest.mark.parametrize("end", ["", "<broken"])
def test_the_hard_cap_is_a_cut(parse: Any, urlset: Any, end: str) -> None:
    """Reading ends at the hard limit; the digest covers the whole body."""
    text = urlset(*(f"<url><loc>https://site.example/{number}</loc></url>" for number in range(5000))) + end
    reading = parse(text, limits=Limits(file_urls=10, file_urls_hard=70))
    assert len(reading.entries) == 70
    assert reading.failure == "too_many_urls"
    assert not reading.outcome.complete
    assert reading.outcome.decoded_bytes == len(text)


@pytest.mark.parametrize("end", ["", "&"])
def test_refused_entries_count_for_the_hard_cap(parse: Any, urlset: Any, end: str) -> None:
    """Refused entries count too, since they take time."""
    text = urlset(*("<url><loc>ftp://x/</loc></url>" for _ in range(20_000))) + end
    reading = parse(text, limits=Limits(file_urls_hard=100))
    assert reading.failure == "too_many_urls"
    assert (
        sum(problem.count for problem in reading.outcome.problems if problem.code == "rejected_url") < 20_000
    )


def test_problems_are_folded(parse: Any, urlset: Any) -> None:
    """Ten problems per code are listed, the others counted."""
    reading = parse(urlset(*("<url><loc>ftp://x/</loc></url>" for _ in range(500))))
    assert len(reading.outcome.problems) == 10
    assert sum(problem.count for problem in reading.outcome.problems) == 500


def test_many_chunks(parse: Any, urlset: Any) -> None:
    """Entries do not depend on the chunks."""
    locs = [f"{HOST}/{number}/{'x' * (number % 97)}" for number in range(12_000)]
    reading = parse(urlset(*(f"<url><loc>{loc}</loc><lastmod>2024-01-01</lastmod></url>" for loc in locs)))
    assert reading.urls == locs
    assert all(entry.lastmod for entry in reading.entries)
    assert reading.batches > 3
    assert not reading.codes


def test_one_line(parse: Any) -> None:
    """White space between the elements does not matter."""
    locs = [f"{HOST}/{number}" for number in range(9000)]
    text = "<urlset>" + "".join(f"<url><loc>{loc}</loc></url>" for loc in locs) + "</urlset>"
    assert parse(text).urls == locs

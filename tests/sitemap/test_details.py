"""Every problem of a document, and the line of every entry, where they are asked for."""

from __future__ import annotations

import io

import pytest

from contentmap_cli.crawl.reading.spool import RowSpool
from contentmap_cli.models import Document, Entry, Limits, Problem
from contentmap_cli.models.entry_rows import entries_of
from contentmap_cli.sitemap import parse_document
from contentmap_cli.sitemap.robots.document import parse_robots

HEAD = '\n\n<?xml version="1.0"?>\n<urlset\n xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
SPACED = "<url>\n<loc>https://a.test/{0:05}</loc>\n<lastmod>2026-01-02</lastmod>\n</url>\n\n"
BESIDE = "<url><loc>https://a.test/{0:05}</loc></url><!-- x -->"
FAR = "\n" * 60 + SPACED + BESIDE
BROKEN = "<url><loc>https://a.test/{0:05}?a&b</loc></url>\n"


def read(text: str, *, details: bool = True) -> tuple[Document, list[Entry], list[Problem]]:
    spool = RowSpool()
    segment = spool.segment("https://a.test/s.xml", room=1_000_000, child_room=10)
    document = parse_document(
        io.BytesIO(text.encode()), segment, base="https://a.test/s.xml", limits=Limits(details=details)
    )
    segment.finish()
    entries = [entry for batch in segment.read() for entry in entries_of(batch)]
    problems = list(segment.problems())
    spool.close()
    return document, entries, problems


@pytest.mark.parametrize("entry", [SPACED, BESIDE, BROKEN, FAR, SPACED + BROKEN])
def test_entries_have_the_line_of_their_element(entry: str) -> None:
    """Read in pieces, by the strict parser, by the tolerant one; also beyond the 16 bits of libxml2."""
    texts = [HEAD]
    expected = {}
    line = HEAD.count("\n") + 1
    for number in range(1_500):
        text = entry.format(number)
        for at, part in enumerate(text.split("<url>")[1:]):
            before = "<url>".join(text.split("<url>")[: at + 1]).count("\n")
            url = part.partition("<loc>")[2].partition("<")[0]
            expected.setdefault(url, line + before)
        line += text.count("\n")
        texts.append(text)
    document, entries, _ = read("".join([*texts, "</urlset>"]))
    assert document.entries >= 1_500
    lines = {entry.url: entry.line or 0 for entry in entries}
    assert {url: line for url, line in lines.items() if expected[url] < 65_536} == {
        url: line for url, line in expected.items() if line < 65_536
    }
    assert all(0 <= line - expected[url] <= 1 for url, line in lines.items())  # that of the first text
    assert read("".join([*texts, "</urlset>"]), details=False)[1][0].line is None


def test_every_problem_reaches_the_sink() -> None:
    """With line and URL; the document lists the first ones and counts the rest."""
    count = 1_234
    entry = "<url><loc>https://a.test/{0}</loc><lastmod>never</lastmod><priority>9</priority></url>\n"
    text = HEAD + "".join(map(entry.format, range(count))) + entry.format(0) + "</urlset>"
    document, _, problems = read(text)
    for code in ("invalid_lastmod", "invalid_priority"):
        found = [each for each in problems if each.code == code]
        assert [each.line for each in found] == list(range(6, count + 7))
        assert [each.url for each in found[:-1]] == [f"https://a.test/{number}" for number in range(count)]
        assert sum(each.count for each in document.problems if each.code == code) == count + 1
        assert len([each for each in document.problems if each.code == code]) == 10
    (twice,) = [each for each in problems if each.code == "duplicate_url"]
    assert (twice.url, twice.line) == ("https://a.test/0", count + 6)
    assert read(text, details=False)[2] == []


def test_a_text_sitemap_has_lines() -> None:
    """The first line is 1."""
    _, entries, _ = read("https://a.test/a\n\nhttps://a.test/b\n")
    assert [(entry.url, entry.line) for entry in entries] == [
        ("https://a.test/a", 1),
        ("https://a.test/b", 3),
    ]


def test_a_robots_txt_has_all_problems() -> None:
    """As a file and as that of a site; without details the first ten of a kind and their number."""
    body = b"User-agent: *\n" + b"Disalow: /a\n" * 30 + b"Disallow: /b\n"
    base = "https://a.test/robots.txt"
    for details, count in ((True, 30), (False, 10)):
        parsed = parse_robots(io.BytesIO(body), base=base, limits=Limits(details=details))
        assert len(parsed.document.problems) == count
        assert sum(each.count for each in parsed.document.problems) == 30
    spool = RowSpool()
    segment = spool.segment(base, room=10, child_room=10)
    parse_document(io.BytesIO(body), segment, base=base, limits=Limits(details=True))
    assert [each.line for each in segment.problems()] == list(range(2, 32))
    spool.close()

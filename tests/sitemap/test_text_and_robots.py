"""Text sitemaps and the Sitemap lines of robots.txt."""

from __future__ import annotations

from typing import Any

import pytest

from contentmap_cli.models import Limits
from contentmap_cli.sitemap.text import lines

HOST = "https://site.example"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n", " \n\t"])
def test_lines_of_text(parse: Any, end: str) -> None:
    """One URL per line, with any line end and white space."""
    reading = parse(f"{end}{HOST}/a{end}{HOST}/ü?b=c&d=e{end}# a comment{end}{HOST}/f")
    assert reading.urls == [f"{HOST}/a", f"{HOST}/ü?b=c&d=e", f"{HOST}/f"]
    assert not reading.codes
    assert reading.outcome.complete


def test_lines_that_are_no_url(parse: Any) -> None:
    """They are reported with their line."""
    reading = parse(f"\n\r\n url,lastmod\n{HOST}/a\n{HOST}/b 2024-01-01\nsite.example/c\nftp://x/\n/d\n")
    assert reading.urls == [f"{HOST}/a"]
    found = [(problem.code, problem.line) for problem in reading.outcome.problems]
    assert found == [
        ("not_a_url_line", 3),
        ("not_a_url_line", 5),
        ("not_a_url_line", 6),
        ("rejected_url", 7),
        ("not_a_url_line", 8),
    ]


def test_a_line_without_end(parse: Any) -> None:
    """A line of any length is one refused line, in bounded memory."""
    reading = parse(f"{HOST}/a\n{HOST}/{'b' * 3_000_000}\n{HOST}/c\n")
    assert reading.urls == [f"{HOST}/a", f"{HOST}/c"]
    assert reading.codes == {"url_too_long"}


def test_lines_at_any_cut() -> None:
    """Lines do not depend on the chunks."""
    text = "a\r\nb\rc\n\nd\r"
    whole = list(lines(iter([text]), 100))
    assert [line for _, line in whole if line] == ["a", "b", "c", "d"]
    assert [number for number, line in whole if line] == [1, 2, 3, 5]
    for first in range(len(text)):
        for second in range(first, len(text)):
            assert list(lines(iter([text[:first], text[first:second], text[second:]]), 100)) == whole


ROBOTS = {
    f"Sitemap: {HOST}/a.xml": [f"{HOST}/a.xml"],
    f"SITEMAP:{HOST}/a.xml": [f"{HOST}/a.xml"],
    f"  sitemap \t:\t {HOST}/a.xml  ": [f"{HOST}/a.xml"],
    f"Site-map: {HOST}/a.xml": [f"{HOST}/a.xml"],
    f"Sitemap {HOST}/a.xml": [f"{HOST}/a.xml"],
    f"Sitemap: Sitemap: {HOST}/a.xml": [f"{HOST}/a.xml"],
    f"Sitemap: {HOST}/a.xml # the map": [f"{HOST}/a.xml"],
    f"Sitemap: <{HOST}/a.xml>": [f"{HOST}/a.xml"],
    "Sitemap: /a.xml": [f"{HOST}/a.xml"],
    "Sitemap: //www.site.example/a.xml": ["https://www.site.example/a.xml"],
    f"Sitemap: {HOST}/a.xml\rSitemap: {HOST}/b.xml\r\nSitemap: {HOST}/a.xml": [
        f"{HOST}/a.xml",
        f"{HOST}/b.xml",
    ],
    f"Sitemap: {HOST}/a.xml\nSitemap: /a.xml": [f"{HOST}/a.xml"],
    f"User-agent: *\nDisallow: /\nSitemap: {HOST}/a.xml\nDisallow: /b": [f"{HOST}/a.xml"],
    f"\ufeffSitemap: {HOST}/a.xml": [f"{HOST}/a.xml"],
    f"# Sitemap: {HOST}/a.xml": [],
    f"#Sitemap: {HOST}/a.xml": [],
    "Sitemap: sitemap": [f"{HOST}/sitemap"],
    "Sitemap: sitemap.xml": [f"{HOST}/sitemap.xml"],
    "Sitemap:": [],
    "Sitemap: # none": [],
    "Disallow: /sitemap: x": [],
    "Sitemapper: x": [],
    f"{HOST}/a.xml": [],
    "Sitemap: ftp://site.example/a.xml": [],
    "Sitemap: javascript:x": [],
    "": [],
}


@pytest.mark.parametrize(("text", "urls"), ROBOTS.items())
def test_robots(parse: Any, text: str, urls: list[str]) -> None:
    """Sitemap lines in all spellings: resolved, in order, each once."""
    reading = parse(text, base=f"{HOST}/robots.txt")
    assert reading.urls == urls
    assert {entry.type for entry in reading.entries} <= {"sitemap"}
    assert reading.outcome.kind == "robots"
    assert reading.outcome.complete


@pytest.mark.parametrize("piece", [" ", ":", " :", "sitemap: ", "sitemap ", "\u00a0", "#", "\r", "/"])
def test_robots_in_linear_time(parse: Any, piece: str) -> None:
    """The time is linear (a timeout would fail)."""
    assert parse("Sitemap:" + piece * 50_000 + "x", robots=True).outcome.kind == "robots"
    assert parse("Sitemap" + piece * 50_000, robots=True).outcome.kind == "robots"


def test_robots_by_flag(parse: Any) -> None:
    """The flag has the effect of the name."""
    assert parse("Sitemap: /a", robots=True).urls == [f"{HOST}/a"]


def test_a_byte_that_is_not_utf8(parse: Any) -> None:
    """It affects its own line only."""
    lines = b"Sitemap: https://site.example/\xff.xml\nSitemap: https://site.example/b.xml"
    reading = parse(lines, robots=True)
    assert reading.urls == [f"{HOST}/b.xml"]
    assert reading.codes == {"rejected_url"}


@pytest.mark.parametrize(
    "html", ["<!DOCTYPE html><html>Sitemap: /a</html>", "\n<HTML>\nSitemap: /a\n</HTML>"]
)
def test_robots_that_is_html(parse: Any, html: str) -> None:
    """An error page is not robots.txt, whatever it contains."""
    reading = parse(html, robots=True)
    assert (reading.urls, reading.failure) == ([], "robots_is_html")


def test_robots_is_read_up_to_its_limit(parse: Any) -> None:
    """RFC 9309 section 2.5: at least 500 KiB; the rest is not read."""
    text = "Sitemap: /a\n" + "# filler\n" * 30_000 + "Sitemap: /b\n"
    assert parse(text, robots=True).urls == [f"{HOST}/a", f"{HOST}/b"]
    assert parse(text, robots=True, limits=Limits(robots_bytes=10_000)).urls == [f"{HOST}/a"]


def test_robots_of_too_many_lines(parse: Any) -> None:
    """The hard limit applies too."""
    text = "".join(f"Sitemap: /{number}\n" for number in range(50))
    reading = parse(text, robots=True, limits=Limits(file_urls_hard=20))
    assert len(reading.urls) == 20
    assert reading.failure == "too_many_urls"


def test_an_index_named_robots(parse: Any) -> None:
    """Only the last part of the path counts."""
    reading = parse(
        "<urlset><url><loc>https://site.example/a</loc></url></urlset>", base=f"{HOST}/robots.txt.xml"
    )
    assert reading.urls == [f"{HOST}/a"]


def test_a_robots_far_beyond_its_limit(parse: Any) -> None:
    """It is read up to the limit, however much follows."""
    line = "Sitemap: https://site.example/map.xml\n"
    reading = parse(
        line + f"#{'x' * 998}\n" * 2_000 + line, robots=True, limits=Limits(robots_bytes=1_200_000)
    )
    assert reading.urls == ["https://site.example/map.xml"]


def test_many_lines(parse: Any) -> None:
    """URLs are delivered in batches."""
    reading = parse("".join(f"{HOST}/{number}\n" for number in range(10_001)))
    assert (len(reading.urls), reading.batches) == (10_001, 3)


GOOD = ["https://site.example/a", "https://site.example/é", "https://site.example/z"]


@pytest.mark.parametrize(
    "line",
    [
        b"https://site.example/bro\0ken",
        b"https://site.example/b\0\0\0\0",
        b"\0\0\0",
        b"https://site.exa mple/b",
        b"https://site.example/b https://site.example/c",
        b"- https://site.example/b",
        b"/b",
        b"www.site.example/b",
        b"site.example/b",
        b"{{ base }}/b://",
        b"http:/b",
    ],
)
def test_a_damaged_line_costs_itself(parse: Any, line: bytes) -> None:
    """It is a loss, since it may have been a page; other lines are read."""
    for ending in (b"\n", b"\r\n", b"\r"):
        reading = parse(ending.join([GOOD[0].encode(), line, *(url.encode() for url in GOOD[1:]), b""]))
        assert reading.urls == GOOD
        assert reading.outcome.losses == 1
        assert len(reading.codes) == 1


@pytest.mark.parametrize(
    "line", [b"My sitemap", b"# https://site.example/b", b"", b"mailto:a@site.example", b"URLs: 3"]
)
def test_a_line_that_never_was_a_page_is_no_loss(parse: Any, line: bytes) -> None:
    """A heading, a comment, an address."""
    reading = parse(b"\n".join([line, *(url.encode() for url in GOOD)]))
    assert reading.urls == GOOD
    assert reading.outcome.losses == 0


def test_bytes_that_are_not_utf_8_cost_their_line_at_most(parse: Any) -> None:
    """Invalid bytes affect their own line only."""
    lines = [
        GOOD[0].encode(),
        b"https://site.example/\xff\xfe\x80",
        GOOD[1].encode(),
        b"\xff\xfe",
        GOOD[2].encode(),
    ]
    reading = parse(b"\n".join(lines))
    assert [url for url in reading.urls if url in GOOD] == GOOD
    assert "wrong_encoding" in reading.codes


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16"])
def test_a_damaged_line_in_utf_16(parse: Any, encoding: str) -> None:
    """NUL bytes of the encoding are not part of the text."""
    text = "\n".join([GOOD[0], "https://site.example/b\0c", *GOOD[1:]])
    reading = parse(text.encode(encoding))
    assert reading.urls == GOOD
    assert reading.outcome.losses == 1


def test_lines_with_one_slash(parse: Any) -> None:
    """A list whose URLs all have one slash is a list."""
    reading = parse("https:/site.example/a\nhttps:/site.example/b\n")
    assert reading.urls == ["https://site.example/a", "https://site.example/b"]
    assert reading.codes == {"url_repaired"}


def test_binary_is_no_list(parse: Any) -> None:
    """A binary format with a URL in it is not a list."""
    reading = parse(b"".join(f"\nhttps://site.example/{n}\n".encode().ljust(99, b"\0") for n in range(9)))
    assert reading.failure == "not_a_sitemap"

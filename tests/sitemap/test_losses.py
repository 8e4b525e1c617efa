"""`Document.losses`: counts unread pages, and not what never was one."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import pytest

from contentmap_cli.models import Entry
from contentmap_cli.sitemap import parse_document
from tests.sitemap.conftest import Parse

GOOD = "<url><loc>https://site.example/a</loc></url>"
HEAD = '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'


def entry(url: str) -> str:
    return f"<url><loc>{url}</loc></url>"


@pytest.mark.parametrize(
    "url",
    [
        "{{ base_url }}/a",
        "https:///",
        "htp://site.example/a",
        "ftp://site.example/a",
        "https://site.example/" + "a" * 3000,
        "",
    ],
)
def test_an_entry_that_may_have_been_a_page_is_a_loss(parse: Parse, url: str) -> None:
    reading = parse(f"{HEAD}{GOOD}{entry(url)}</urlset>")
    assert reading.urls == ["https://site.example/a"]
    assert reading.outcome.losses == 1


@pytest.mark.parametrize(
    "url",
    [
        "mailto:a@site.example",
        "tel:+3581234",
        "JavaScript:void(0)",
        "data:text/html,a",
        "sms:+358",
        "about:blank",
        "#top",
        "urn:isbn:0",
        "data:image/png;base64," + "A" * 9000,
        "mailto:{{ author }}",
        "whatsapp://send?text=a",
    ],
)
def test_an_entry_that_certainly_is_no_page_is_a_problem_and_no_loss(parse: Parse, url: str) -> None:
    reading = parse(f"{HEAD}{GOOD}{entry(url)}</urlset>")
    assert reading.urls == ["https://site.example/a"]
    assert reading.codes == {"rejected_url"}
    assert reading.outcome.losses == 0


def test_losses_of_all_kinds_are_counted(parse: Parse) -> None:
    reading = parse(
        f"{HEAD}{GOOD}<url/><url><lastmod>2024</lastmod></url><loc>https://site.example/b</loc></urlset>"
    )
    assert reading.codes == {"missing_url", "stray_loc"}
    assert reading.outcome.losses == 3


def test_an_entry_that_is_cut_off_is_a_loss(parse: Parse) -> None:
    reading = parse(f"{HEAD}{GOOD}<url><loc>https://site.example/b")
    assert "cut_off_entry" in reading.codes
    assert reading.outcome.losses == 1


def test_losses_of_a_strict_reading_that_was_given_up_are_counted_once(parse: Parse) -> None:
    reading = parse(f"{HEAD}{entry('{{ base }}')}{entry('https://site.example/a?b=1&c=2')}</urlset>")
    assert reading.outcome.losses == 1


def test_refused_children_of_an_index_are_losses(parse: Parse) -> None:
    reading = parse("<sitemapindex><sitemap><loc>{{ base }}/a.xml</loc></sitemap></sitemapindex>")
    assert reading.outcome.losses == 1


@pytest.mark.parametrize(
    "content",
    [
        f"{HEAD}<item><link>https://site.example/a</link></item></urlset>",
        f"{HEAD}<page>a</page><br></urlset>",  # not well-formed
        f"{HEAD}https://site.example/a</urlset>",
        "<sitemapindex><entry><link href='https://site.example/a.xml'/></entry></sitemapindex>",
    ],
)
def test_a_root_of_which_nothing_is_understood_is_a_loss(parse: Parse, content: str) -> None:
    reading = parse(content)
    assert reading.entries == []
    assert "nothing_understood" in reading.codes
    assert reading.outcome.losses == 1


@pytest.mark.parametrize(
    "content", [f"{HEAD}</urlset>", f"{HEAD}\n <!-- none -->\n</urlset>", "<sitemapindex/>"]
)
def test_an_empty_root_has_no_loss(parse: Parse, content: str) -> None:
    reading = parse(content)
    assert reading.outcome.losses == 0
    assert reading.codes == set()


def test_unknown_elements_beside_entries_are_no_loss(parse: Parse) -> None:
    reading = parse(f"{HEAD}<generator>a</generator>{GOOD}</urlset>")
    assert reading.outcome.losses == 0


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_text_that_is_cut_off_loses_its_last_line(end: str) -> None:
    """The last line of a truncated text is a loss; a complete text needs no line end."""
    body = f"http://site.test/a\nhttp://site.test/b{end}".encode()

    class Sink:
        def __init__(self) -> None:
            self.urls: list[str] = []

        def extend(self, entries: Sequence[Entry]) -> None:
            self.urls += [entry.url for entry in entries]

        def clear(self) -> None:
            self.urls.clear()

    for cut in (True, False):
        sink = Sink()
        document = parse_document(BytesIO(body), sink, base="http://site.test/map.txt", cut=cut)
        lost = cut and not end
        assert sink.urls == ["http://site.test/a", "http://site.test/b"][: 2 - lost]
        assert document.losses == lost

"""Core elements in other namespaces are recognised by their names."""

from __future__ import annotations

import pytest

from tests.sitemap.conftest import Parse

IMAGE = "http://www.google.com/schemas/sitemap-image/1.1"
NEWS = "http://www.google.com/schemas/sitemap-news/0.9"
VIDEO = "http://www.google.com/schemas/sitemap-video/1.1"
PROTOCOL = "http://www.sitemaps.org/schemas/sitemap/0.9"
PAGE = "https://site.example/a"
BROKEN = "<url><loc>https://site.example/?a&b</loc></url>"  # keeps a document from the strict reader


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize(
    "namespace",
    [
        *(
            IMAGE,
            NEWS,
            VIDEO,
            "http://www.w3.org/1999/xhtml",
            "http://www.google.com/schemas/sitemap-mobile/1.0",
        ),
        *(f"{NEWS}/", NEWS.replace("http:", "https:"), PROTOCOL.replace("http:", "https:"), f"{PROTOCOL}/"),
        *("http://www.google.com/schemas/sitemap/0.84", "urn:example", ""),
    ],
)
def test_any_default_namespace(parse: Parse, namespace: str, broken: bool) -> None:
    """url and loc are recognised by name, with their fields."""
    more = BROKEN if broken else ""
    reading = parse(
        f'<urlset xmlns="{namespace}"><url><loc>{PAGE}</loc><lastmod>2024-01-02</lastmod>'
        f"<priority>0.5</priority></url>{more}</urlset>"
    )
    assert reading.urls[0] == PAGE
    assert reading.entries[0].priority == 0.5
    assert reading.entries[0].lastmod is not None
    assert reading.outcome.losses == 0


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("namespace", [IMAGE, f"{IMAGE}/"])
def test_the_loc_of_an_image_is_no_page(parse: Parse, namespace: str, broken: bool) -> None:
    """Also if its namespace is the default one and it is a child of url."""
    more = BROKEN if broken else ""
    image = "<image:image><image:loc>https://site.example/i.png</image:loc></image:image>"
    stray = "<image:loc>https://site.example/j.png</image:loc>"
    for content in (image, stray, image + stray):
        reading = parse(
            f'<urlset xmlns="{namespace}" xmlns:image="{namespace}">'
            f"<url>{content}<loc>{PAGE}</loc>{content}</url>"
            f"{more}</urlset>"
        )
        assert reading.urls == [PAGE, "https://site.example/?a&b"][: 1 + broken]
        assert len(reading.entries[0].images) == 2 * content.count("<image:image>")


@pytest.mark.parametrize("broken", [False, True])
def test_a_prefix_of_an_extension_throughout(parse: Parse, broken: bool) -> None:
    """The root may use the prefix of an extension for the protocol."""
    more = BROKEN.replace("<", "<news:").replace("<news:/", "</news:") if broken else ""
    reading = parse(
        f'<news:urlset xmlns:news="{NEWS}"><news:url><news:loc>{PAGE}</news:loc></news:url>'
        f"{more}</news:urlset>"
    )
    assert reading.urls[0] == PAGE


def test_entries_in_another_namespace_than_the_root(parse: Parse) -> None:
    """The fields are in the namespace of the entry."""
    reading = parse(
        f'<urlset xmlns="{PROTOCOL}"><url xmlns="{NEWS}"><loc>{PAGE}</loc></url>'
        f'<url xmlns:image="{IMAGE}"><loc>{PAGE}?b</loc><image:loc>{PAGE}/i.png</image:loc></url></urlset>'
    )
    assert reading.urls == [PAGE, f"{PAGE}?b"]


def test_an_index_in_the_namespace_of_an_extension(parse: Parse) -> None:
    reading = parse(
        f'<sitemapindex xmlns="{IMAGE}"><sitemap><loc>https://site.example/a.xml</loc></sitemap></sitemapindex>'
    )
    assert [entry.type for entry in reading.entries] == ["sitemap"]


XHTML = 'xmlns:xhtml="http://www.w3.org/1999/xhtml"'


@pytest.mark.parametrize(
    ("declared", "link"),
    [
        (XHTML, '<xhtml:link rel="alternate" hrefLang="fi" href="https://site.example/fi"/>'),
        (XHTML, '<xhtml:link REL="alternate" HREFLANG="fi" HREF="https://site.example/fi"/>'),
        (
            XHTML,
            '<xhtml:link rel="Alternate" xhtml:hreflang="fi" href="https://site.example/fi"></xhtml:link>',
        ),
        (XHTML, '<xhtml:Link rel="alternate" hreflang="fi" href="https://site.example/fi"/>'),
        ("", '<xhtml:link rel="alternate" hreflang="fi" href="https://site.example/fi"/>'),
        ("", '<link rel="alternate" hreflang="fi" href="https://site.example/fi"/>'),
        (
            'xmlns:x="http://www.w3.org/TR/html"',
            '<x:link rel="alternate" hreflang="fi" href="https://site.example/fi"/>',
        ),
    ],
)
def test_alternates_however_they_are_spelled(parse: Parse, declared: str, link: str) -> None:
    reading = parse(f'<urlset xmlns="{PROTOCOL}" {declared}><url><loc>{PAGE}</loc>{link}</url></urlset>')
    assert reading.entries[0].alternates == ({"hreflang": "fi", "href": "https://site.example/fi"},)


@pytest.mark.parametrize(
    "link",
    [
        'hreflang="fi" href="/fi"',
        'rel="alternate" hrefLang="fi"',
        'rel="self" hreflang="fi" href="/"',
        'rel="alternate" lang="fi" href="/fi"',
    ],
)
def test_an_alternate_that_cannot_be_read_is_reported(parse: Parse, link: str) -> None:
    reading = parse(
        f'<urlset xmlns="{PROTOCOL}" {XHTML}><url><loc>{PAGE}</loc><xhtml:link {link}/></url></urlset>'
    )
    assert reading.entries[0].alternates == ()
    assert reading.codes == {"invalid_extension"}


def test_an_alternate_for_another_medium_is_no_language(parse: Parse) -> None:
    link = '<xhtml:link rel="alternate" media="only screen and (max-width: 640px)" href="/m"/>'
    reading = parse(f'<urlset xmlns="{PROTOCOL}" {XHTML}><url><loc>{PAGE}</loc>{link}</url></urlset>')
    assert reading.entries[0].alternates == ()
    assert reading.codes == set()

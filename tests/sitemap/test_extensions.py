"""Images, videos, news and language alternates."""

from __future__ import annotations

from typing import Any

import pytest

HOST = "https://site.example"


def test_images(parse: Any, urlset: Any) -> None:
    """All values of all images, by the names of the protocol."""
    entry = parse(
        urlset(
            "<url><loc>https://site.example/a</loc><image:image><image:loc>/1.jpg</image:loc></image:image>"
            "<image:image><image:loc> https://cdn.example/2.jpg?a=1&amp;b=2 </image:loc>"
            "<image:title>A\n  &amp; B</image:title>"
            "<image:caption><![CDATA[<b>c</b>]]></image:caption><image:geo_location>Limerick</image:geo_location>"
            "<image:license>/l</image:license></image:image></url>"
        )
    ).entries[0]
    assert entry.images == (
        {"loc": "/1.jpg"},
        {
            "loc": "https://cdn.example/2.jpg?a=1&b=2",
            "title": "A & B",
            "caption": "<b>c</b>",
            "geo_location": "Limerick",
            "license": "/l",
        },
    )


def test_videos(parse: Any, urlset: Any) -> None:
    """Repeated values are joined; attributes and nested values have their own names."""
    entry = parse(
        urlset(
            "<url><loc>https://site.example/a</loc><video:video><video:thumbnail_loc>/t.jpg</video:thumbnail_loc><video:title>T</video:title>"
            "<video:description>D</video:description><video:content_loc>/c.mp4</video:content_loc>"
            "<video:player_loc allow_embed='yes'>/p</video:player_loc><video:duration>600</video:duration>"
            "<video:tag>x</video:tag><video:tag>y</video:tag>"
            "<video:restriction relationship='allow'>IE GB</video:restriction>"
            "<video:tvshow><video:show_title>S</video:show_title></video:tvshow></video:video></url>"
        )
    ).entries[0]
    assert entry.videos == (
        {
            "thumbnail_loc": "/t.jpg",
            "title": "T",
            "description": "D",
            "content_loc": "/c.mp4",
            "player_loc": "/p",
            "player_loc_allow_embed": "yes",
            "duration": "600",
            "tag": "x, y",
            "restriction": "IE GB",
            "restriction_relationship": "allow",
            "tvshow_show_title": "S",
        },
    )


def test_news(parse: Any, urlset: Any) -> None:
    """The publication's name and language are the news item's own."""
    entry = parse(
        urlset(
            "<url><loc>https://site.example/a</loc><news:news><news:publication><news:name>N</news:name><news:language>en</news:language>"
            "</news:publication><news:publication_date>2024-05-06</news:publication_date><news:title>T</news:title>"
            "<news:keywords>a, b</news:keywords></news:news></url>"
        )
    ).entries[0]
    assert entry.news == (
        {
            "publication_name": "N",
            "language": "en",
            "publication_date": "2024-05-06",
            "title": "T",
            "keywords": "a, b",
        },
    )


def test_alternates(parse: Any, urlset: Any) -> None:
    """A language alternate has rel, hreflang and href; other links are none."""
    entry = parse(
        urlset(
            "<url><loc>https://site.example/a</loc>"
            "<xhtml:link rel='alternate' hreflang='de' href='/de?a=1&amp;b=2'/>"
            "<xhtml:link rel='alternate' hreflang='fr' href='/fr' media='handheld'/>"
            "<xhtml:link rel='amphtml' hreflang='de' href='/amp'/><xhtml:link rel='alternate' href='/m'/>"
            "<xhtml:link rel='alternate' hreflang='it'/><xhtml:link hreflang='es' href='/es'/>"
            "<xhtml:link rel='alternate' hreflang=' ' href='/x'/>"
            "<xhtml:link rel='alternate' hreflang='y' href=' '/>"
            "</url>"
        )
    ).entries[0]
    assert entry.alternates == (
        {"hreflang": "de", "href": "/de?a=1&b=2"},
        {"hreflang": "fr", "href": "/fr", "media": "handheld"},
    )


def test_fields_around_extensions(parse: Any, urlset: Any) -> None:
    """Order does not matter, and extensions belong to their page."""
    reading = parse(
        urlset(
            "<url><image:image><image:loc>/1.jpg</image:loc></image:image><priority>0.5</priority><loc>https://site.example/a</loc>"
            "<mobile/><PageMap><DataObject/></PageMap><lastmod>2024</lastmod></url>",
            "<url><loc>https://site.example/b</loc></url>",
        )
    )
    first, second = reading.entries
    assert (first.url, first.priority, len(first.images)) == (f"{HOST}/a", 0.5, 1)
    assert first.lastmod is not None
    assert second.images == ()


@pytest.mark.parametrize("kind", ["image", "video", "news"])
def test_number_is_bounded(parse: Any, urlset: Any, kind: str) -> None:
    """A thousand of a kind are kept, the others counted."""
    part = f"<{kind}:{kind}><{kind}:loc>/x</{kind}:loc></{kind}:{kind}>"
    reading = parse(urlset(f"<url><loc>https://site.example/a</loc>{part * 1100}</url>"))
    entry = reading.entries[0]
    assert [len(entry.images), len(entry.videos), len(entry.news)].count(1000) == 1
    assert sum(problem.count for problem in reading.outcome.problems) == 100
    assert reading.codes == {"too_many_extensions"}


def test_length_is_bounded(parse: Any, urlset: Any) -> None:
    """Longer texts are cut and reported."""
    image = f"<image:image><image:loc>/1</image:loc><image:title>{'x' * 9000}</image:title></image:image>"
    reading = parse(urlset(f"<url><loc>https://site.example/a</loc>{image}</url>"))
    assert len(reading.entries[0].images[0]["title"]) == 4096
    assert reading.codes == {"invalid_extension"}


def test_many_values_are_bounded(parse: Any, urlset: Any) -> None:
    """One image with ten thousand values keeps a few of them."""
    parts = "".join(f"<image:v{n}>x</image:v{n}><image:tag>{'y' * 50}</image:tag>" for n in range(3000))
    reading = parse(urlset(f"<url><loc>https://site.example/a</loc><image:image>{parts}</image:image></url>"))
    image = reading.entries[0].images[0]
    assert len(image) == 64
    assert image["tag"].startswith(f"{'y' * 50}, {'y' * 50}, ")
    assert len(image["tag"]) == 4096
    assert reading.codes == {"invalid_extension"}


def test_attributes_beyond_the_bound(parse: Any, urlset: Any) -> None:
    """Attributes count for the limit of values; comments do not."""
    parts = "".join(f"<!-- c --><?p?><image:v{n} a='x'>x</image:v{n}>" for n in range(40))
    reading = parse(urlset(f"<url><loc>https://site.example/a</loc><image:image>{parts}</image:image></url>"))
    image = reading.entries[0].images[0]
    assert len(image) == 64
    assert (image["v0"], image["v0_a"]) == ("x", "x")
    assert reading.codes == {"invalid_extension"}


def test_control_characters_are_removed(parse: Any) -> None:
    """Databases refuse them."""
    image = "<image:image><image:title>a\x00b\x07</image:title></image:image>"
    assert parse(f"<urlset><url><loc>https://site.example/a</loc>{image}</url></urlset>").entries[
        0
    ].images == ({"title": "ab"},)

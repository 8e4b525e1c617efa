"""`contentmap map`, run for real against sites on loopback."""

from __future__ import annotations

import csv
import io
from typing import Any

from databases import one_database, sqlite_first
from web_sites import index, serving

XML = '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{}</urlset>'


def _file(*rows: tuple[str, str]) -> str:
    entries = (
        f"<url><loc>{url}</loc>{f'<lastmod>{date}</lastmod>' if date else ''}</url>" for url, date in rows
    )
    return XML.format("".join(entries))


SITE = {
    "a.test/robots.txt": "Sitemap: http://a.test/sitemap.xml",
    "a.test/sitemap.xml": index("http://a.test/one.xml", "http://a.test/two.xml"),
    "a.test/one.xml": _file(
        ("http://a.test/", "2026-11-01"),
        *((f"http://a.test/blog/2026/p{number}", "2026-10-05") for number in range(6)),
        ("http://a.test/blog/2026/p0?page=2", ""),
        ("http://a.test/b%C3%BCcher/%1b%5b31m/x", ""),
    ),
    "a.test/two.xml": _file(
        ("http://a.test/blog/2026/p0", "2026-10-07"),  # listed twice: counts once, with its latest date
        ("http://a.test/shop/x", "2025-01-01"),
        ("http://a.test/shop/y", "2031-01-01"),
    ),
}


def _scanned(contentmap: Any) -> Any:
    with serving(SITE) as sites:
        assert contentmap("scan", "http://a.test", "--connect-to", sites.connect_to).code == 0
    return contentmap


def test_sections_of_a_site(contentmap: Any) -> None:
    """Each URL counts once, in its folder and in those above; dates are the latest said."""
    answer = _scanned(contentmap)("map", "a.test", "--min-share", "0", "--json").json
    assert (answer["type"], answer["schema"], answer["domain"]) == ("map", 1, "a.test")
    assert (answer["urls"], answer["undated"], answer["folded"]) == (11, 2, False)
    root = answer["root"]
    assert (root["url"], root["newest"], root["share"]) == ("http://a.test/", "2031-01-01T00:00:00Z", 1)
    assert [(each["url"], each["urls"]) for each in root["sections"]] == [
        ("http://a.test/blog/", 7),
        ("http://a.test/shop/", 2),
        ("http://a.test/b%C3%BCcher/", 1),
    ]
    blog = root["sections"][0]["sections"][0]
    assert (blog["url"], blog["newest"], blog["months"]) == (
        "http://a.test/blog/2026/",
        "2026-10-07T00:00:00Z",
        {"2026-10": 6},
    )


@one_database
def test_depth_and_share(contentmap: Any) -> None:
    """What is deeper or smaller than asked for is summed up, never dropped silently."""
    _scanned(contentmap)
    flat = contentmap("map", "a.test", "--depth", "0", "--json").json
    assert flat["root"]["sections"] == [] and flat["root"]["not_shown"] is None
    coarse = contentmap("map", "a.test", "--min-share", "20", "--json").json["root"]
    assert [each["url"] for each in coarse["sections"]] == ["http://a.test/blog/", "http://a.test/shop/"]
    assert coarse["not_shown"] == {"sections": 1, "urls": 1}


@one_database
def test_the_formats_agree(contentmap: Any) -> None:
    """Lines, rows and the table off a terminal name the same sections with the same counts."""
    _scanned(contentmap)
    *sections, last = contentmap("map", "a.test", "--format", "ndjson", "--min-share", "0").lines
    assert last["type"] == "map"
    said = [(each["url"], each["urls"]) for each in sections]
    rows = csv.DictReader(io.StringIO(contentmap("map", "a.test", "--format", "csv", "--min-share", "0").out))
    assert [(row["url"], int(row["urls"])) for row in rows] == said
    table = contentmap("map", "a.test", "--min-share", "0").out.splitlines()[1:]
    assert [(line.split()[0], int(line.split()[1])) for line in table] == said
    assert "\x1b" not in "".join(table)


@one_database
def test_what_cannot_be_drawn(contentmap: Any) -> None:
    """An unknown domain is an error with a hint, one without URLs says where to look, tenants are apart."""
    _scanned(contentmap)
    unknown = contentmap("map", "aa.test")
    assert (unknown.code, unknown.out) == (6, "")
    assert "did you mean a.test?" in unknown.err
    assert contentmap("map", "a.test", "--tenant", "other").code == 6
    with serving({"none.test/robots.txt": 404, "none.test/": "<html>"}) as sites:
        assert contentmap("scan", "http://none.test", "--connect-to", sites.connect_to).code == 0
    empty = contentmap("map", "none.test")
    assert (empty.code, empty.out) == (0, "")
    assert "no URL of none.test is recorded" in empty.err
    refused = contentmap("map", "a.test", "--format", "txt")
    assert refused.code == 2 and "--format is one of" in refused.err


@sqlite_first
def test_a_file_that_breaks_off_makes_no_url_count_twice(contentmap: Any) -> None:
    """What it listed before is still recorded, though the file now says less."""
    urls = [f"http://a.test/blog/p{number}" for number in range(10)]
    whole = _file(*((url, "") for url in urls))
    site = {
        "a.test/robots.txt": "Sitemap: http://a.test/f.xml\nSitemap: http://a.test/g.xml",
        "a.test/f.xml": whole,
        "a.test/g.xml": _file(*((url, "") for url in urls[:4])),
    }
    with serving(site) as sites:
        words = ("scan", "http://a.test", "--connect-to", sites.connect_to)
        assert contentmap(*words).code == 0
        sites.pages["a.test/f.xml"] = whole[: whole.index("<loc>http://a.test/blog/p6")]
        assert contentmap(*words).code == 3
    assert contentmap("map", "a.test", "--json").json["urls"] == 10

"""`contentmap map`, run for real against sites on loopback."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from databases import one_database, sqlite_first
from web_sites import index, serving

from contentmap_cli.storage.engine import open_database
from contentmap_cli.storage.reading import date_history

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


OLD = datetime(2025, 3, 1, tzinfo=UTC)
LINE = "<url><loc>http://a.test/{}</loc><lastmod>{}</lastmod></url>"


def _night(number: int, at: datetime) -> dict[str, str]:
    """A site after a night: a blog of which some pages change, a shop with the time of the request, a
    folder of three, and pages whose file never changes."""
    blog = [OLD + timedelta(days=page, minutes=page * 37) for page in range(40)]
    for page in range(3 * number):
        blog[page] = at - timedelta(hours=6, minutes=7 * page)
    zone = timezone(timedelta(hours=2))
    lines = {
        "blog": [LINE.format(f"blog/{page}", f"{date.astimezone(zone).isoformat()}")
                 for page, date in enumerate(blog) if (page, number) != (39, 1)],
        "shop": [LINE.format(f"shop/{page}", f"{at + timedelta(seconds=page):%Y-%m-%dT%H:%M:%SZ}")
                 for page in range(30)],
        "rest": [LINE.format(f"few/{page}", f"{at:%Y-%m-%d}") for page in range(3)],
        "old": [LINE.format(f"old/{page}", f"{OLD + timedelta(days=page):%Y-%m-%d}") for page in range(20)],
    }  # fmt: skip
    return {f"a.test/{name}.xml": XML.format("".join(some)) for name, some in lines.items()}


async def _moved(address: str, at: datetime) -> None:
    """Make the newest scan one of another time."""
    moment = f"{at:%Y-%m-%dT%H:%M:%S.000000Z}"
    database = open_database(address)
    async with database.engine.begin() as connection:
        for table, name, times in (
            ("domain_scans", "id", ("started_at", "recorded_at", "finished_at")),
            ("jobs", "job_id", ("created_at", "started_at", "finished_at")),
        ):
            values = ", ".join(f"{column} = '{moment}'" for column in times)
            newest = f"(SELECT {name} FROM domain_scans ORDER BY id DESC LIMIT 1)"
            await connection.exec_driver_sql(f"UPDATE {table} SET {values} WHERE id = {newest}")
    await database.close()


def test_trust_in_dates(contentmap: Any) -> None:
    """Each section has its figure with a reason, in every format; scans in which nothing changed count too,
    and what is pruned does not."""
    names = ("blog", "shop", "rest", "old")
    site = {
        "a.test/robots.txt": "Sitemap: http://a.test/sitemap.xml",
        "a.test/sitemap.xml": index(*(f"http://a.test/{name}.xml" for name in names)),
    }
    nights = [datetime(2026, 11, 1 + night, 9, tzinfo=UTC) for night in range(5)]
    with serving(site) as sites:
        for number, at in enumerate(nights):
            sites.pages.update(_night(min(number, 3), nights[min(number, 3)]))
            assert contentmap("scan", "http://a.test", "--connect-to", sites.connect_to).code == 0
            asyncio.run(_moved(contentmap.database, at))
        # one that selects files says nothing about the others
        words = ("--include", "*/old.xml", "--connect-to", sites.connect_to)
        assert contentmap("scan", "http://a.test", *words).code == 0
        asyncio.run(_moved(contentmap.database, nights[-1] + timedelta(days=1)))

    def trusted() -> dict[str, Any]:
        answer = contentmap("map", "a.test", "--json", "--min-share", "0").json
        said = {each["url"].split("/")[-2]: each["lastmod_trust"] for each in answer["root"]["sections"]}
        assert answer["lastmod_trust"] == answer["root"]["lastmod_trust"]
        return said | {"": answer["lastmod_trust"]}

    said = trusted()
    assert {name: each["level"] for name, each in said.items()} == {
        "blog": "high", "shop": "low", "few": None, "old": "high", "": "medium"
    }  # fmt: skip
    assert said["shop"]["reason"] == "all 30 dates are the time of the request (scans on 5 days)"
    assert said["shop"]["signs"]["request"] == {"count": 30, "share": 1.0}
    assert said["shop"]["signs"]["together"] == {"count": 3, "share": 0.75}
    assert said["few"]["reason"] == "only 3 dates to judge"
    assert (said["old"]["moved_share"], said["old"]["days"]) == (0.0, 5)
    assert 0 < said["blog"]["moved_share"] < 0.2 and said["blog"]["dates"] == 40
    rows = csv.DictReader(io.StringIO(contentmap("map", "a.test", "--format", "csv").out))
    assert {row["lastmod_trust_level"] for row in rows} == {"high", "low", "medium", ""}
    assert "low 0" in contentmap("map", "a.test").out
    page = contentmap("report", "a.test").out
    assert "all 30 dates are the time of the request (scans on 5 days)" in page
    pruned = contentmap("db", "prune", "--older-than", "2026-11-03T12:00Z")
    assert pruned.code == 0, pruned.err
    said = trusted()
    assert said["shop"]["level"] == "low" and said["shop"]["days"] < 5
    assert said["blog"]["signs"]["request"]["count"] == 0


@one_database
def test_dates_of_urls_in_several_files(contentmap: Any) -> None:
    """Each URL is judged once, by one of many files; of a large site, URLs at equal distances."""
    pages = [LINE.format(f"s{page % 2}/{page:03}", "2026-11-01T00:00:00Z") for page in range(200)]
    files = {f"a.test/{n}.xml": XML.format("".join(pages[n * 3 : n * 3 + 5])) for n in range(66)}
    site = {"a.test/robots.txt": "\n".join(f"Sitemap: http://{name}" for name in files)} | files
    with serving(site) as sites:
        assert contentmap("scan", "http://a.test", "--connect-to", sites.connect_to).code == 0
    answer = contentmap("map", "a.test", "--json").json
    assert (answer["urls"], answer["lastmod_trust"]["dates"]) == (200, 200)
    assert [each["lastmod_trust"]["dates"] for each in answer["root"]["sections"]] == [100, 100]
    sample = date_history.Sample()
    for begin in range(0, 21_000, 700):
        sample.add([(str(row), None, 1) for row in range(begin, begin + 700)])
    assert sample.keys == [(1, str(row)) for row in range(0, 21_000, 8)]
    sample.add([(str(row), None, 1) for row in range(21_000, 21_009)])
    assert sample.keys[-2:] == [(1, "21000"), (1, "21008")]

"""Secrets planted everywhere, the real command run in success and in failure, and all that came out searched.

Likewise for what a site may plant: text that a terminal, a spreadsheet or a browser would obey.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from databases import one_database
from web_sites import Page, Reply, good_site, serving, urlset

SECRETS = {
    name: f"s3cr3t-{name}-{number}-Zq"
    for number, name in enumerate(
        (
            *(
                "user",
                "password",
                "file",
                "sitemap",
                "database",
                "query",
                "header",
                "proxy",
                "token",
                "slash",
            ),
            *("loc", "image", "feed", "link", "base", "refused"),
        )
    )
}
FORMATS = ("table", "json", "junit")


def search(told: dict[str, bytes]) -> None:
    """Asserts that no secret is in any of it: as it is, or percent-encoded."""
    for name, secret in SECRETS.items():
        for form in {secret, quote(secret), secret[7:]}:
            for where, data in told.items():
                assert form.encode() not in data, (name, where)


def with_password(address: str) -> str:
    """The database's address with a password in it; a file has none."""
    return address.replace("://contentmap@", f"://contentmap:{SECRETS['database']}@", 1)


async def rows_of_postgres(address: str) -> dict[str, bytes]:
    """Every row of every table, as text."""
    connection = await asyncpg.connect(address.replace("postgresql+asyncpg://", "postgresql://", 1))
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {
            name: repr(await connection.fetch(f'SELECT t::text FROM "{name}" t')).encode()
            for (name,) in tables
        }
    finally:
        await connection.close()


def dump(address: str, folder: Path) -> dict[str, bytes]:
    """Every row of every table, and every byte of all files, an SQLite database among them."""
    found = {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    if address.startswith("sqlite"):
        with closing(sqlite3.connect(address.removeprefix("sqlite:///"))) as database:
            tables = [
                name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type='table'")
            ]
            assert "sitemap_urls" in tables
            found |= {
                name: repr(database.execute(f"SELECT * FROM {name}").fetchall()).encode() for name in tables
            }
    else:
        found |= asyncio.run(rows_of_postgres(address))
    assert len(found["sitemap_urls"]) > 200
    return found


def entry(url: str, image: str = "") -> str:
    image = f"<image:image><image:loc>{image}</image:loc></image:image>" if image else ""
    return f"<url><loc>{url}</loc>{image}</url>"


def with_secrets(host: str) -> dict[str, Page]:
    """A site that publishes passwords in all its URLs: pages, files, images, feeds, links and redirects."""
    s = SECRETS
    urlset = '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="{}">{}</urlset>'
    image = "http://www.google.com/schemas/sitemap-image/1.1"
    signed = f"http://me:{s['loc']}@{host}"
    return {
        host + "/": f"<base href='http://me:{s['base']}@{host}/x/'>"
        f"<link rel=sitemap href='http://me:{s['link']}@{host}/index.xml'><a href='sitemap.txt'>",
        f"{host}/index.xml": f"<sitemapindex><sitemap><loc>{signed}/plain.xml</loc></sitemap>"
        f"<sitemap><loc>{signed}/moved.xml</loc></sitemap><sitemap><loc>/feed.xml</loc></sitemap>"
        "</sitemapindex>",
        f"{host}/plain.xml": urlset.format(
            image, "".join(entry(url) for url in (f"http://{host}/1", f"{signed}/2", f"http://{host}/3"))
        ),
        f"{host}/moved.xml": Reply(
            status=301, headers={"Location": f"http://me:{s['sitemap']}@{host}/images.xml"}
        ),
        f"{host}/images.xml": urlset.format(
            image,
            entry(f"http://{host}/4", f"http://me:{s['image']}@{host}/i.png")
            + entry(f"ftp://me:{s['refused']}@{host}/x")
            + entry(f"http://me:{s['refused']}/y@{host}/x")
            + f"</p>http://me:{s['refused']}@{host}/<url><loc>http://me:{s['refused']}@{host}/5</loc>",
        ),
        f"{host}/feed.xml": f'<feed xml:base="http://me:{s["base"]}@{host}/"><entry><link href="6"/></entry>'
        f'<entry><link href="http://me:{s["feed"]}@{host}/7"/></entry></feed>',
        f"{host}/x/sitemap.txt": f"http://me:{s['refused']}@{host}/8\nme:{s['refused']}@{host}/9 x\n",
    }


@pytest.mark.campaign
@pytest.mark.parametrize(
    "address",
    ["postgresql", "sqlite"],  # an SQLite file has no password
    indirect=True,
)
def test_no_secret_comes_out_of_a_run(contentmap: Any, address: str, tmp_path: Path) -> None:
    """Targets, database addresses, headers and proxies: used, and never told, whatever happens."""
    s = SECRETS
    words = Path(tmp_path / "targets.txt")
    words.write_text(f"http://someone:{s['file']}@b.test\n")  # pragma: allowlist secret
    contentmap.database = with_password(address)
    pages: dict[str, Page] = {
        **good_site("a.test"),
        **good_site("b.test"),
        **with_secrets("d.test"),
        "c.test/robots.txt": f"Sitemap: http://u:{s['sitemap']}@c.test/moved.xml\n",
        "c.test/moved.xml": Reply(
            status=302, headers={"Location": f"http://u:{s['sitemap']}@c.test/gone.xml"}
        ),
    }
    told: dict[str, bytes] = {}

    def run(*arguments: str) -> Any:
        said = contentmap(*arguments)
        told[f"{len(told)} {arguments[0]} {arguments[-1]}"] = (said.out + said.err).encode()
        return said

    with serving(pages) as sites:
        secret_target = f"http://{s['user']}:{s['password']}@a.test"
        crawl = (
            *(
                "scan",
                secret_target,
                "-i",
                str(words),
                "http://c.test",
                "http://d.test",
                "--refresh",
            ),
            *("--header", f"X-Key: {s['header']}", "--header", f"Authorization: Bearer {s['token']}"),
            *("--connect-to", sites.connect_to),
        )
        for number, format in enumerate(FORMATS):
            logged = ("-vv", "--log-format", "json" if number % 2 else "text")
            log = () if number < 2 else ("--log-file", str(tmp_path / f"log-{number}"))
            said = contentmap(
                *logged, *log, *crawl, "--format", format, "-o", str(tmp_path / f"out-{number}")
            )
            told[format] = (said.out + said.err).encode()
            assert said.code == 3
        listed = run("urls", "d.test", "--format", "txt").out.split()
        assert sorted(listed) == [f"http://d.test/{number}" for number in range(1, 9)]
        for format in ("table", "json"):
            run("sitemaps", "d.test", "--format", format)
        search(dump(address, tmp_path / "nothing"))  # what a later scan removes, too
        heard = [headers for key, headers in sites.heard if key == "a.test/sitemap.xml"]
        assert heard[0]["X-Key"] == s["header"]
        # a proxy that works, one that nobody listens at, one that is none
        proxied = ("-vv", "--log-format", "json", *crawl[:-2])
        for proxy in (
            f"http://me:{s['proxy']}@127.0.0.1:{sites.port}",
            f"http://me:{s['proxy']}@127.0.0.1:1",
            f"socks5://me:{s['proxy']}@127.0.0.1:1",
        ):
            run(*proxied, "--proxy", proxy, "--timeout", "2", "--domain-time", "4")
        contentmap.environment["CONTENTMAP_PROXY"] = f"http://me:{s['proxy']}@127.0.0.1:{sites.port}"
        run(*proxied)
        del contentmap.environment["CONTENTMAP_PROXY"]
        job = json.loads((tmp_path / "out-1").read_text())["job_id"]
        run(
            "-vv",
            *(
                "resume",
                job,
                "--failed",
                "--header",
                f"X-Key: {s['header']}",
                "--connect-to",
                sites.connect_to,
            ),
        )
    for arguments in (
        ("status", "--json"),
        ("sitemaps", "c.test", "--json"),
        ("sitemaps", "d.test", "--json"),
        ("scan", f"http://{s['user']}:{s['slash']}/x@a.test", "--dry-run"),
        ("scan", f"ftp://{s['user']}:{s['password']}@a.test"),
        ("scan", f"http://{s['user']}:{s['password']}@no such host"),
        ("scan", f"{s['user']}:{s['password']}@a..test", "--json"),
        ("scan", "a.test", "--header", f"X Key: {s['header']}"),
        ("scan", "a.test", "--header", s["header"]),
        ("scan", "a.test", "--header", f"X-Key: {s['header']}\N{SNOWMAN}"),
    ):
        run("-vv", *arguments)
    # databases that cannot be reached, read or understood
    commands = (("scan", "a.test", "--json"), ("-vv", "status"), ("db", "upgrade"))
    for number, broken in enumerate(
        (
            f"postgresql://u:{s['database']}@127.0.0.1:1/x",
            f"postgresql://u@127.0.0.1:1/x?password={s['query']}",
            f"postgresql://u:{s['database']}@127.0.0.1:99999/x",
            f"postgresql://u:{s['database']}@127.0.0.1:1/x?nonsense={s['query']}",
            f"mysql://u:{s['database']}@127.0.0.1/x",
            f"postgresql://u:{s['database']}@[::1/x",
        )
    ):
        contentmap.database = broken
        assert run(*commands[number % 3]).code in (2, 5)
    words.unlink()
    search(told | dump(address, tmp_path))


@one_database
def test_a_header_is_for_the_scanned_site_alone(contentmap: Any) -> None:
    """Not for a host that is redirected to, nor for another site whose sitemap robots.txt names."""
    pages: dict[str, Page] = {
        "a.test/robots.txt": "Sitemap: http://a.test/moved.xml\nSitemap: http://other.test/map.xml\n"
        "Sitemap: http://www.a.test/own.xml\n",
        "a.test/moved.xml": Reply(status=302, headers={"Location": "http://elsewhere.test/map.xml"}),
        "elsewhere.test/map.xml": Reply(status=302, headers={"Location": "http://a.test/back.xml"}),
        "a.test/back.xml": urlset("http://a.test/1"),
        "other.test/map.xml": urlset("http://a.test/2"),
        "www.a.test/own.xml": urlset("http://a.test/3"),
    }
    with serving(pages) as sites:
        said = contentmap(
            *("scan", "http://a.test", "--connect-to", sites.connect_to, "--json"),
            *("--header", "X-Key: s3cr3t", "--header", "Cookie: session=1"),
        )
    assert said.code == 0, said.err
    got = {key: (headers.get("X-Key"), headers.get("Cookie")) for key, headers in sites.heard}
    mine, nothing = ("s3cr3t", "session=1"), (None, None)
    assert got == {
        "a.test/robots.txt": mine,
        "a.test/moved.xml": mine,
        "elsewhere.test/robots.txt": nothing,
        "elsewhere.test/map.xml": nothing,
        "a.test/back.xml": mine,
        "other.test/map.xml": nothing,
        "www.a.test/own.xml": mine,
    }


@one_database
def test_what_a_site_plants_is_shown_and_not_obeyed(contentmap: Any) -> None:
    """Escapes, bidirectional controls, formulas and markup come out harmless in every format."""
    planted = (
        "=HYPERLINK(1)",
        "\N{RIGHT-TO-LEFT OVERRIDE}lmth",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "%1b%5d0;pwned",
        "'\"--&gt;]]&gt;",
    )
    pages: dict[str, Page] = {
        "a.test/robots.txt": "Sitemap: http://a.test/map.xml\nSitemap: http://a.test/\x1b[2J\x07gone.xml\n",
        "a.test/map.xml": Reply(
            urlset(*(f"http://a.test/{text}" for text in planted), lastmod="=cmd|' /C calc'!A0").encode(),
            headers={"Content-Type": "=1+1", "ETag": "+1\x9b2J"},
        ),
    }
    with serving(pages) as sites:
        contentmap("-vv", "scan", "http://a.test", "--connect-to", sites.connect_to)
    answers = {
        format: contentmap("urls", "a.test", "--format", format)
        for format in ("table", "json", "ndjson", "csv", "txt", "xml")
    }
    answers |= {
        f"sitemaps {format}": contentmap("sitemaps", "a.test", "--format", format)
        for format in ("table", "json", "csv")
    }
    answers["status"] = contentmap("status")
    answers["failed"] = contentmap("status", "--failed")
    for name, said in answers.items():
        assert said.code == 0, (name, said.err)
        for told in (said.out, said.err):
            assert not any(each in told for each in "\x1b\x07\x9b\N{RIGHT-TO-LEFT OVERRIDE}"), name
    assert "<script" not in answers["xml"].out
    for name in ("csv", "sitemaps csv"):
        for row in csv.reader(io.StringIO(answers[name].out)):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row), row

"""`urls --format xml` into a folder: sitemaps that can be published as they are, all of them or none."""

from __future__ import annotations

import gzip
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from databases import sqlite_first
from web_sites import serving, urlset

from contentmap_cli.commands.interface.answer_output import answer_to
from contentmap_cli.errors import AnswerLost
from contentmap_cli.models import Entry, Lastmod
from contentmap_cli.output.writers.sitemap_xml import SitemapFolder

RICH = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
  xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"
  xmlns:video="http://www.google.com/schemas/sitemap-video/1.1"
  xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"
  xmlns:xhtml="http://www.w3.org/1999/xhtml">
<url><loc>https://a.test/a?x=1&amp;y=2</loc><lastmod>2026-01-02</lastmod><changefreq>daily</changefreq>
  <priority>0.5</priority>
  <xhtml:link rel="alternate" hreflang="de" href="https://a.test/de"/>
  <image:image><image:loc>https://a.test/i.png</image:loc><image:title>T &amp; "Q"</image:title></image:image>
  <video:video><video:thumbnail_loc>https://a.test/v.png</video:thumbnail_loc><video:title>V</video:title>
    <video:description>D</video:description><video:player_loc allow_embed="yes">https://a.test/p</video:player_loc>
    <video:restriction relationship="allow">DE FR</video:restriction></video:video>
  <news:news><news:publication><news:name>N</news:name><news:language>en</news:language></news:publication>
    <news:publication_date>2026-01-02</news:publication_date><news:title>H</news:title></news:news></url>
</urlset>"""


def _written(rows: list[Entry], **limits: int) -> tuple[list[str], str]:
    parts: list[StringIO] = []

    @contextmanager
    def part(_: int) -> Any:
        parts.append(StringIO())
        yield parts[-1]

    folder = SitemapFolder(part, lambda number: f"https://a.test/sitemap-{number}.xml", **limits)
    folder.write_all(rows)
    index = StringIO()
    folder.finish(index)
    assert folder.parts == len(parts)
    return [each.getvalue() for each in parts], index.getvalue()


def _entries(count: int, path: str = "p") -> list[Entry]:
    return [Entry(f"https://a.test/{path}{number}", Lastmod(None, None, "")) for number in range(count)]


@pytest.mark.parametrize(("count", "parts"), [(0, 1), (1, 1), (3, 1), (4, 2), (9, 3)])
def test_as_many_files_as_the_protocol_wants(count: int, parts: int) -> None:
    """None has more URLs than allowed, none is empty but the only one, and the index names them all."""
    written, index = _written(_entries(count), max_urls=3)
    assert len(written) == index.count("<sitemap>") == parts
    sizes = [each.count("<url>") for each in written]
    assert sum(sizes) == count and max(sizes) <= 3
    assert all(each.startswith("<?xml") and each.endswith("</urlset>\n") for each in written)


def test_no_file_is_larger_than_the_protocol_wants() -> None:
    """Bytes count, not characters."""
    written, _ = _written(_entries(40, path="ü" * 50), max_bytes=2_000)
    assert len(written) > 3
    assert all(len(each.encode()) <= 2_000 for each in written)


@sqlite_first
@pytest.mark.campaign
def test_a_folder_of_a_big_site(contentmap: Any, tmp_path: Path) -> None:
    """50,001 URLs are two sitemaps that `check` has nothing against and `parse` reads back."""
    urls = [f"https://a.test/page-{number:05}" for number in range(50_001)]
    pages = {"a.test/one.xml": urlset(*urls[:30_000]), "a.test/two.xml": urlset(*urls[30_000:])}
    with serving(pages) as sites:
        words = ("http://a.test/one.xml", "http://a.test/two.xml", "--connect-to", sites.connect_to)
        assert contentmap("scan", *words).code == 0
    folder = tmp_path / "out"
    options = ("--format", "xml", "-o", f"{folder}/")
    said = contentmap("urls", "a.test", *options, "--base", "https://a.test/maps", "--gzip")
    assert said.code == 0 and "50,001 URLs in 2 sitemaps" in said.err, said.err
    assert sorted(file.name for file in folder.iterdir()) == [
        "sitemap-1.xml.gz",
        "sitemap-2.xml.gz",
        "sitemap.xml",
    ]
    assert "<loc>https://a.test/maps/sitemap-2.xml.gz</loc>" in (folder / "sitemap.xml").read_text()
    back, severe = [], ("--severity", "error")
    for number in (1, 2):
        file = str(folder / f"sitemap-{number}.xml.gz")
        back += contentmap("parse", file, "--format", "txt").out.split()
        assert contentmap("check", file, "--base", f"https://a.test/{number}.xml.gz", *severe).code == 0
    assert sorted(back) == urls
    fewer = contentmap("urls", "a.test", *options, "--limit", "5")
    assert fewer.code == 0
    assert sorted(file.name for file in folder.iterdir()) == ["sitemap-1.xml", "sitemap.xml"]
    assert "<loc>https://a.test/sitemap-1.xml</loc>" in (folder / "sitemap.xml").read_text()


def test_what_an_entry_says_is_written_again(on_sqlite: Any, tmp_path: Path) -> None:
    """Dates, images, videos, news and languages come back as they were read."""
    with serving({"a.test/rich.xml": RICH}) as sites:
        assert on_sqlite("scan", "http://a.test/rich.xml", "--connect-to", sites.connect_to).code == 0
    assert on_sqlite("urls", "a.test", "--format", "xml", "-o", f"{tmp_path}/out/").code == 0
    (tmp_path / "rich.xml").write_text(RICH)
    keys = ("url", "lastmod", "changefreq", "priority", "images", "videos", "news", "alternates")
    was, now = (
        {key: on_sqlite("parse", str(file)).lines[0][key] for key in keys}
        for file in (tmp_path / "rich.xml", tmp_path / "out" / "sitemap-1.xml")
    )
    assert was == now
    assert was["videos"][0]["restriction_relationship"] == "allow"


def test_compressed_answers(on_sqlite: Any, tmp_path: Path) -> None:
    """A name that ends in .gz is a gzip file, the same one for the same answer."""
    with serving({"a.test/s.xml": urlset("http://a.test/x")}) as sites:
        on_sqlite("scan", "http://a.test/s.xml", "--connect-to", sites.connect_to)
    for name in ("one.txt.gz", "two.txt.gz"):
        assert on_sqlite("urls", "a.test", "--format", "txt", "-o", str(tmp_path / name)).code == 0
    assert gzip.decompress((tmp_path / "one.txt.gz").read_bytes()) == b"http://a.test/x\n"
    assert (tmp_path / "one.txt.gz").read_bytes() == (tmp_path / "two.txt.gz").read_bytes()


def test_what_cannot_be_written(on_sqlite: Any, tmp_path: Path) -> None:
    """Another format, a base that is no URL, options without a folder, an unknown domain: nothing is left."""
    with serving({"a.test/s.xml": urlset("http://a.test/x")}) as sites:
        on_sqlite("scan", "http://a.test/s.xml", "--connect-to", sites.connect_to)
    out = f"{tmp_path}/out/"
    for words, hint in (
        (("--format", "csv", "-o", out), "--format xml"),
        (("--format", "xml", "-o", out, "--base", "maps"), "for example https://"),
        (("--format", "xml", "--gzip"), "-o FOLDER/"),
        (("--format", "parquet", "-o", "urls.parquet.gz"), "-o urls.parquet"),
    ):
        said = on_sqlite("urls", "a.test", *words)
        assert said.code == 2 and hint in said.err, said.err
    assert on_sqlite("urls", "b.example", "--format", "xml", "-o", out).code == 6
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    assert on_sqlite("urls", "a.test", "--format", "xml", "-o", f"{tmp_path}/file/x/").code == 2


def test_a_part_that_is_left_early_is_ended_at_once(tmp_path: Path) -> None:
    """An error from elsewhere clears away the part that is open, whoever still holds the folder."""
    folder = SitemapFolder(lambda _: answer_to(str(tmp_path / "part.xml")), str)
    with pytest.raises(RuntimeError, match="gone"), folder:
        folder.write_all(_entries(1))
        assert len(list(tmp_path.iterdir())) == 1
        raise RuntimeError("gone")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("entries", [1, 1_000])
def test_a_part_on_a_full_disk_is_said(entries: int) -> None:
    """Where a part cannot be written, in its midst or at its end, the error is the usual one."""
    with (
        pytest.raises(AnswerLost, match="could not be written"),
        SitemapFolder(lambda _: answer_to("/dev/full"), str) as folder,
    ):
        folder.write_all(_entries(entries))
        folder.finish(StringIO())


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder that takes no file, not even of root")
def test_a_folder_that_takes_no_file(on_sqlite: Any) -> None:
    """The error names what was typed, and not the files that were to be renamed."""
    with serving({"a.test/s.xml": urlset("http://a.test/x")}) as sites:
        on_sqlite("scan", "http://a.test/s.xml", "--connect-to", sites.connect_to)
    said = on_sqlite("urls", "a.test", "--format", "xml", "-o", "/proc/self/")
    assert said.code == 2
    assert said.err.startswith("error: cannot write /proc/self/: ")
    assert said.err.endswith("hint: name another folder with -o\n")

"""`urls` of several domains, and each URL once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from databases import sqlite_first
from web_sites import serving, urlset


@sqlite_first
def test_urls_of_several_domains(contentmap: Any, tmp_path: Path) -> None:
    """One answer in each format, with the domain of each URL, up to one limit."""
    names = ("a.test", "b.test", "c.test")
    sites = {f"{name}/s.xml": urlset(*(f"http://{name}/{n}" for n in range(3))) for name in names}
    with serving(sites) as served:
        words = [f"http://{name}/s.xml" for name in names]
        assert contentmap("scan", *words, "--connect-to", served.connect_to).code == 0
    every = contentmap("urls", "--all", "--format", "ndjson").lines
    assert [(row["domain"], row["url"]) for row in every] == [
        (name, f"http://{name}/{number}") for name in names for number in range(3)
    ]
    some = contentmap("urls", "c.test", "a.test", "c.test", "--limit", "4", "--json")
    assert json.loads(some.out) == [*every[6:], every[0]]
    table = contentmap("urls", "--all", "--format", "csv").out.splitlines()
    assert len(table) == 10 and table[0].endswith(",domain") and table[-1].endswith(",c.test")
    assert contentmap("urls", "--all", "--format", "txt").out.split() == [row["url"] for row in every]
    for words, code, text in (
        (("a.test", "d.test", "-o", "out.csv"), 6, "d.test was never scanned"),
        (("a.test", "--all", "-o", "out.csv"), 2, "exclude each other"),
        (("-o", "out.csv"), 2, "no domain is named"),
        (("--all", "--format", "xml", "-o", "out/"), 2, "for one domain"),
        (("--all", "--tenant", "other", "-o", "out.csv"), 6, "no domain was scanned"),
    ):
        refused = contentmap("urls", *words)
        assert (refused.code, refused.out) == (code, "") and text in refused.err, refused.err
        assert not (tmp_path / "out.csv").exists() and not (tmp_path / "out").exists()
    assert "no URLs of 3 domains match" in contentmap("urls", "--all", "--match", "nothing").err


def test_each_url_once_with_its_files(on_sqlite: Any, tmp_path: Path) -> None:
    """Text has it once, CSV and JSON where asked for: joined by a blank, or as a list."""
    sites = {f"a.test/{name}.xml": urlset("http://a.test/x", f"http://a.test/{name}") for name in "mn"}
    with serving(sites) as served:
        words = [f"http://a.test/{name}.xml" for name in "mn"]
        assert on_sqlite("scan", *words, "--connect-to", served.connect_to).code == 0
    files = ["http://a.test/m.xml", "http://a.test/n.xml"]
    urls = ["http://a.test/m", "http://a.test/n", "http://a.test/x"]
    assert sorted(on_sqlite("urls", "a.test", "--format", "txt").out.split()) == urls
    assert len(on_sqlite("urls", "a.test", "--no-distinct", "--format", "txt").out.split()) == 4
    assert len(on_sqlite("urls", "a.test", "--format", "ndjson").lines) == 4
    rows = {row["url"]: row for row in on_sqlite("urls", "a.test", "--distinct", "--format", "ndjson").lines}
    assert [rows[url]["sitemaps"] for url in urls] == [files[:1], files[1:], files]
    lines = on_sqlite("urls", "a.test", "--distinct", "--format", "csv").out.splitlines()
    assert lines[0].endswith(",domain,sitemaps")
    assert next(line for line in lines if "/x," in line).endswith(f",a.test,{' '.join(files)}")

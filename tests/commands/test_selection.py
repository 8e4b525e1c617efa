"""`scan --include`, `--exclude` and `--lastmod-after`: what is requested, recorded and removed."""

from __future__ import annotations

from typing import Any

import pytest
from databases import sqlite_first
from web_sites import Page, Sites, serving, urlset

from contentmap_cli.commands.settings.crawl_settings import ScanSettings

HOST = "shop.test"
AHEAD = "contentmap_cli.commands.engine.domain_scan.WORTH_COMPARING_AHEAD"
KINDS = ("product", "category", "blog", "news")
CHILDREN = tuple(f"{kind}-{number}.xml" for kind in KINDS for number in (1, 2, 3))


def index(*names: str, lastmods: dict[str, str] | None = None) -> str:
    """An index of these children, with the dates that are given."""
    dates = {name: f"<lastmod>{date}</lastmod>" for name, date in (lastmods or {}).items()}
    rows = "".join(f"<sitemap><loc>http://{HOST}/{n}</loc>{dates.get(n, '')}</sitemap>" for n in names)
    return f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{rows}</sitemapindex>'


def listing(name: str, *numbers: int) -> str:
    """A child with these of its pages."""
    return urlset(*(f"http://{HOST}/{name.removesuffix('.xml')}/{number}" for number in numbers))


def shop() -> dict[str, Page]:
    """An index with twelve children of three pages, which robots.txt names."""
    pages: dict[str, Page] = {f"{HOST}/{name}": listing(name, 1, 2, 3) for name in CHILDREN}
    pages[f"{HOST}/robots.txt"] = f"Sitemap: http://{HOST}/maps.xml\n"
    pages[f"{HOST}/maps.xml"] = index(*CHILDREN)
    return pages


def scan(contentmap: Any, sites: Sites, *options: str, fault: Any = None) -> tuple[Any, set[str]]:
    """The domain's result, and the paths that were requested."""
    sites.asked.clear()
    words = ("scan", f"http://{HOST}", "--connect-to", sites.connect_to, "--json", *options)
    said = contentmap(*words, fault=fault)
    assert said.err.count("error:") == 0, said.err
    return said.json["results"][0], {path.partition("/")[2] for path in sites.asked} - {"robots.txt"}


@sqlite_first
def test_a_selected_part_is_scanned_and_the_rest_stays(contentmap: Any) -> None:
    products = {f"product-{number}.xml" for number in (1, 2, 3)}
    with serving(shop()) as sites:
        first, asked = scan(contentmap, sites, "--include", "*product*")
        assert asked == {"maps.xml", *products}
        assert (first["outcome"], first["sitemaps"], first["urls"]) == ("ok", 4, 9)
        assert first["sitemaps_not_selected"] == 9
        assert {each["state"] for each in first["evidence"]} == {"whole", "not_selected"}

        # a later scan of everything reads what was never read
        whole, asked = scan(contentmap, sites)
        assert asked == {"maps.xml", *CHILDREN}
        assert (whole["outcome"], whole["urls"], whole["added"]) == ("ok", 36, 27)
        assert (whole["sitemaps"], whole["sitemaps_not_selected"]) == (13, 0)

        # removals of a selected file, of one that is gone, and none of what is not selected
        sites.pages[f"{HOST}/product-1.xml"] = listing("product-1.xml", 1, 2)
        sites.pages[f"{HOST}/blog-1.xml"] = listing("blog-1.xml", 1)
        left = [name for name in CHILDREN if name not in ("product-3.xml", "news-3.xml")]
        sites.pages[f"{HOST}/maps.xml"] = index(*left)
        del sites.pages[f"{HOST}/product-3.xml"], sites.pages[f"{HOST}/news-3.xml"]
        # on SQLite compared while it is written, on PostgreSQL ahead, as a large domain is
        on_sqlite = not contentmap.database.startswith("postgresql")
        fault = None if on_sqlite else {"set": {AHEAD: 0}}
        options = ("--include", "*product*", "--expect-urls", "32:32")
        part, asked = scan(contentmap, sites, *options, fault=fault)
        assert asked == {"maps.xml", *products}
        assert (part["outcome"], part["removed"], part["urls"]) == ("ok", 4, 32)
        assert part["sitemaps_not_selected"] == 9
        assert "unexpected" not in part
        domain = contentmap("domains", "--json").json[0]
        assert (domain["sitemaps"], domain["urls"]) == (12, 32)
        said = contentmap("sitemaps", HOST)
        assert "last scan: ok, 9 of 12 sitemaps not selected\n" in said.out

        again, asked = scan(contentmap, sites)
        assert asked == {"maps.xml", *CHILDREN} - {"product-3.xml"}
        assert (again["outcome"], again["removed"], again["urls"]) == ("ok", 5, 27)


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_nothing_is_selected(contentmap: Any) -> None:
    """It is an error, which says so, and counts what stays recorded; a pattern that is a plain word is one of
    usage."""
    with serving(shop()) as sites:
        options = ("scan", f"http://{HOST}", "--connect-to", sites.connect_to, "--include", "*prodcut*")
        said = contentmap(*options)
        assert said.code == 4
        assert "not_selected: --include '*prodcut*' does not select any of the 12 sitemaps" in said.out
        assert contentmap("urls", HOST).err == f"{HOST} lists no URLs\n"
        sites.pages[f"{HOST}/robots.txt"] = f"Sitemap: http://{HOST}/blog-1.xml\n"  # a list of pages
        del sites.pages[f"{HOST}/maps.xml"]
        assert scan(contentmap, sites)[0]["urls"] == 3
        row, _ = scan(contentmap, sites, "--include", "*prodcut*")
        assert (row["outcome"], row["sitemaps"], row["urls"]) == ("failed", 0, 3)
        domain = contentmap("domains", "--json").json[0]
        assert (domain["outcome"], domain["sitemaps"], domain["urls"]) == ("failed", 1, 3)
        assert contentmap("status", "--json").json["results"][0]["urls"] == 3
    for wrong in (("--include", "products"), ("--exclude", ""), ("--lastmod-after", "yesterday")):
        said = contentmap("scan", HOST, *wrong)
        assert said.code == 2
        assert said.err.startswith(f"error: {wrong[0]}: ")


@pytest.mark.parametrize("address", ["postgresql"], indirect=True)
def test_a_job_selects_the_same_later(contentmap: Any) -> None:
    """Resumed, and by a worker: the options are recorded, an age as the time that it meant. A settings file
    has them, too."""
    dates = {"product-1.xml": "2026-01-01", "product-2.xml": "2126-01-01"}
    selected = {"maps.xml", "product-2.xml", "product-3.xml"}
    pages = shop() | {f"{HOST}/maps.xml": 500}
    settings = contentmap.folder / "contentmap.toml"
    settings.write_text('include = ["product-*", "none.xml"]\nexclude = ["/news*"]\nlastmod-after = "1w"\n')
    with serving(pages) as sites:
        reach = ("scan", f"http://{HOST}", "--connect-to", sites.connect_to, "--json")
        job = contentmap(*reach, "--config", str(settings)).json["job_id"]
        settings.unlink()
        sites.pages[f"{HOST}/maps.xml"] = index(*CHILDREN, lastmods=dates)
        sites.asked.clear()
        said = contentmap("resume", job, "--failed", "--json")
        assert said.json["results"][0]["sitemaps_not_selected"] == 10
        assert {path.partition("/")[2] for path in sites.asked} == {"robots.txt", *selected}
        sites.asked.clear()
        options = ("--include", "product-*", "--lastmod-after", "1w")
        job = contentmap(*reach, "--queue", *options).json["job_id"]
        assert contentmap("worker", "--drain").code == 0
        assert {path.partition("/")[2] for path in sites.asked} == {"robots.txt", *selected}
        (row,) = contentmap("status", job, "--json").json["results"]
        assert (row["outcome"], row["sitemaps_not_selected"]) == ("ok", 10)
    recorded = ScanSettings(lastmod_after="1w").on_this_machine().recorded()["lastmod_after"]
    assert ScanSettings(lastmod_after=recorded).on_this_machine().lastmod_after == recorded > "2026"

"""`scan --include`, `--exclude` and `--lastmod-after`: what is requested, recorded and removed."""

from __future__ import annotations

from typing import Any

import pytest
from web_sites import Page, Sites, serving, urlset

HOST = "shop.test"
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


def scan(
    contentmap: Any, sites: Sites, *options: str, target: str = f"http://{HOST}"
) -> tuple[Any, set[str]]:
    """The domain's result, and the paths that were requested."""
    sites.asked.clear()
    said = contentmap("scan", target, "--connect-to", sites.connect_to, "--json", *options)
    assert said.err.count("error:") == 0, said.err
    return said.json["results"][0], {path.partition("/")[2] for path in sites.asked} - {"robots.txt"}


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
        part, asked = scan(contentmap, sites, "--include", "*product*", "--expect-urls", "32:32")
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
def test_files_without_an_index(contentmap: Any) -> None:
    """robots.txt names them: one that matches, an index with a telling name, a list of pages with a name that
    an index may have, and others."""
    pages = shop()
    names = ("product-1.xml", "blog-1.xml", "sitemap_index.xml", "sitemap.xml")
    pages[f"{HOST}/robots.txt"] = "".join(f"Sitemap: http://{HOST}/{name}\n" for name in names)
    pages[f"{HOST}/sitemap_index.xml"] = index("product-2.xml", "blog-2.xml", "archive_index.xml")
    pages[f"{HOST}/archive_index.xml"] = index("product-3.xml", "blog-3.xml")
    pages[f"{HOST}/sitemap.xml"] = urlset(*(f"http://{HOST}/{number}" for number in range(100_000)))
    with serving(pages) as sites:
        found, asked = scan(contentmap, sites, "--include", "*product*")
        indexes = {"sitemap_index.xml", "archive_index.xml"}
        assert asked == {"product-1.xml", "product-2.xml", "product-3.xml", "sitemap.xml", *indexes}
        assert (found["outcome"], found["urls"], found["sitemaps_not_selected"]) == ("ok", 9, 4)
        assert found["sitemaps"] == 5
        assert found["fetched_bytes"] < 300_000 < len(str(pages[f"{HOST}/sitemap.xml"]))
        assert sites.sent[f"{HOST}/sitemap.xml"] < len(str(pages[f"{HOST}/sitemap.xml"]))

        # recorded as a list of pages: not requested any more
        scan(contentmap, sites)
        found, asked = scan(contentmap, sites, "--include", "*product*")
        assert "sitemap.xml" not in asked
        assert (found["removed"], found["urls"]) == (0, 100_018)

        # an excluded index: what it lists is not requested either, and stays
        found, asked = scan(contentmap, sites, "--exclude", "archive*", "--exclude", "/sitemap.xml")
        assert asked == {"product-1.xml", "blog-1.xml", "sitemap_index.xml", "product-2.xml", "blog-2.xml"}
        assert (found["outcome"], found["removed"], found["urls"]) == ("ok", 0, 100_018)
        assert found["sitemaps_not_selected"] == 4


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_children_by_their_lastmod(contentmap: Any) -> None:
    dates = {
        "product-1.xml": "2026-11-20",
        "product-2.xml": "2026-11-19",
        "product-3.xml": "2026-11-20T12:00:00Z",
        "category-1.xml": "2026-11-20T14:00:01+02:00",
        "category-2.xml": "2026-11",
        "category-3.xml": "2026-10",
        "blog-1.xml": "2025",
        "blog-2.xml": "2026",
        "blog-3.xml": "2026-11-20T12:00Z",
        "news-1.xml": "2026-11-20T11:59Z",
        "news-2.xml": "soon",
    }
    later = {"product-1.xml", "category-1.xml", "category-2.xml", "blog-2.xml", "blog-3.xml"}
    undated = {"news-2.xml", "news-3.xml"}
    pages = shop() | {f"{HOST}/maps.xml": index(*CHILDREN, lastmods=dates)}
    with serving(pages) as sites:
        found, asked = scan(contentmap, sites, "--lastmod-after", "2026-11-20T12:00Z")
        assert asked == {"maps.xml", *later, *undated}
        assert (found["outcome"], found["sitemaps_not_selected"]) == ("ok", 5)
        # nothing is newer: the recorded files count as unchanged; an age, and a pattern besides
        options = ("--lastmod-after", "0m", "--include", "product-1.xml")
        found, asked = scan(contentmap, sites, *options)
        assert asked == {"maps.xml"}
        assert (found["outcome"], found["urls"], found["removed"]) == ("ok", 21, 0)
        # of files that no scan has read, nothing is known
        found, asked = scan(contentmap, sites, "--lastmod-after", "2027-01-01", "--include", "product-2*")
        assert (found["outcome"], found["error"]["code"]) == ("failed", "not_selected")
        # what was read and has the same time in the index is unchanged; what was never read is read
        found, asked = scan(contentmap, sites)
        assert asked == {"maps.xml", *CHILDREN} - {"category-1.xml", "blog-3.xml"}
        assert (found["outcome"], found["urls"]) == ("ok", 36)


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_nothing_is_selected(contentmap: Any) -> None:
    """It is an error, which says so; other ways to find sitemaps are not tried."""
    with serving(shop()) as sites:
        options = ("scan", f"http://{HOST}", "--connect-to", sites.connect_to, "--include", "*prodcut*")
        said = contentmap(*options)
        assert said.code == 4
        assert "not_selected" in said.out
        assert "--include '*prodcut*' does not select any of the 12 sitemaps" in said.out
        assert {path for path in sites.asked if path != f"{HOST}/robots.txt"} == {f"{HOST}/maps.xml"}
        del sites.pages[f"{HOST}/maps.xml"]
        sites.pages[f"{HOST}/robots.txt"] = f"Sitemap: http://{HOST}/blog-1.xml\n"
        found, asked = scan(contentmap, sites, "--include", "*prodcut*")
        assert asked == {"blog-1.xml", "maps.xml"}  # it might have been an index, the other one is recorded
        assert found["error"]["message"].startswith("--include '*prodcut*' does not select the sitemap")
        # a sitemap that is given is read in any case
        given = f"http://{HOST}/blog-1.xml"
        found, asked = scan(contentmap, sites, "--exclude", "*blog*", target=given)
        assert (found["outcome"], found["urls"]) == ("ok", 3)
    for wrong in (("--include", "products"), ("--exclude", ""), ("--lastmod-after", "yesterday")):
        said = contentmap("scan", HOST, *wrong)
        assert said.code == 2
        assert said.err.startswith(f"error: {wrong[0]}: ")

"""The type of a page: by its own markup, then its sitemap's name, then its path."""

from __future__ import annotations

import pytest

from contentmap_cli.models import Entry
from contentmap_cli.models.entry_rows import PageTypes

SITE = "https://shop.example"


@pytest.mark.parametrize(
    ("sitemap", "entry", "kind"),
    [
        ("sitemap.xml", Entry(f"{SITE}/"), "home"),
        ("sitemap.xml", Entry(SITE), "home"),
        ("sitemap.xml", Entry(f"{SITE}/?page=2"), None),
        ("sitemap.xml", Entry(f"{SITE}/blog/hello"), "post"),
        ("sitemap.xml", Entry(f"{SITE}/Products"), "product"),
        ("sitemap.xml", Entry(f"{SITE}/products.html"), "product"),
        ("sitemap.xml", Entry(f"{SITE}/productivity"), None),
        ("sitemap.xml", Entry(f"{SITE}/about/blog"), None),
        ("post-sitemap2.xml", Entry(f"{SITE}/hello"), "post"),
        ("wp-sitemap-posts-page-1.xml", Entry(f"{SITE}/hello"), "post"),
        ("product_cat-sitemap.xml.gz", Entry(f"{SITE}/lamps"), "product"),
        ("post-sitemap.xml", Entry(f"{SITE}/hello", news=({"title": "Hello"},)), "news"),
        ("post-sitemap.xml", Entry(f"{SITE}/hello", videos=({"title": "Hello"},)), "video"),
        ("sitemap.xml?type=products", Entry(f"{SITE}/lamps"), None),
    ],
)
def test_page_type(sitemap: str, entry: Entry, kind: str | None) -> None:
    """The first source with a result decides; without one the type is None."""
    assert PageTypes(f"{SITE}/{sitemap}").of(entry) == kind

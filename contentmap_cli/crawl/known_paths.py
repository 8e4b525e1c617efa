"""The known paths of sitemaps and feeds, in the order of requests.

By default a handful is requested: those of the platform that the site shows to run on, or the most common
ones. All are requested with `--probe always`. Paths that servers often forbid, such as names that begin with
a dot, are left out, since their refusal would prove nothing.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MAIN_PATHS: Final = (
    "sitemap.xml", "sitemap_index.xml", "sitemap-index.xml", "wp-sitemap.xml", "sitemap.xml.gz",
    "sitemap.txt", "sitemaps.xml", "sitemap1.xml", "sitemapindex.xml", "sitemap.php", "xmlsitemap.php",
    "sitemap_index.xml.gz", "sitemap/sitemap.xml", "sitemaps/sitemap.xml", "sitemap/",
)  # fmt: skip
"""Names of a site's main sitemap: one is enough."""

COMMON_PATHS: Final = ("sitemap.xml", "sitemap_index.xml", "wp-sitemap.xml", "sitemap-index.xml")
"""What is requested by default of a site whose platform is not known."""

NEWS_PATHS: Final = ("sitemap_news.xml", "sitemap-news.xml", "news-sitemap.xml")
"""Names of a news sitemap, which exists next to the main one and is always requested."""

FEED_PATHS: Final = ("feed/", "rss.xml", "atom.xml")
"""Feeds: requested last, if nothing else is found."""

MORE_PATHS: Final = (
    "1_index_sitemap.xml", "post-sitemap.xml", "page-sitemap.xml",
    "sitemap-index.xml.gz", "sitemap/index.xml", "sitemap/sitemap-index.xml", "sitemap/sitemap_index.xml",
    "sitemaps/sitemap_index.xml", "sitemaps/index.xml", "sitemap", "sitemap-0.xml", "sitemap0.xml",
    "sitemap_1.xml", "sitemap-1.xml", "sitemap_main.xml", "sitemap_index.php", "sitemap.aspx",
    "media/sitemap.xml", "pub/sitemap.xml", "sitemap_news.xml.gz", "sitemap-news.xml.gz",
    "product-sitemap.xml", "category-sitemap.xml", "feed.xml", "index.xml", "rss",
)  # fmt: skip
"""Rarer names: requested with `--probe always`."""

PATHS: Final = (*MAIN_PATHS, *NEWS_PATHS, *FEED_PATHS, *MORE_PATHS)


class Platform(NamedTuple):
    """A publishing system: a pattern of its markup, headers or robots.txt, and where it puts sitemaps."""

    name: str
    signs: re.Pattern[bytes]
    paths: tuple[str, ...]


def _platform(name: str, signs: bytes, *paths: str) -> Platform:
    return Platform(name, re.compile(signs, re.IGNORECASE), paths)


PLATFORMS: Final = (
    _platform("WordPress", rb"/wp-(?:admin|content|includes|json)/", "sitemap_index.xml", "wp-sitemap.xml",
              "sitemap.xml", "feed/"),
    _platform("Shopify", rb"//cdn\.shopify\.com/|/cdn/shop/", "sitemap.xml"),
    _platform("BigCommerce", rb"\.bigcommerce\.com/", "xmlsitemap.php"),
    _platform("PrestaShop", rb"\bprestashop\b", "1_index_sitemap.xml", "sitemap.xml"),
    _platform("Magento", rb"data-mage-init|/static/version\d+/frontend/", "sitemap.xml", "pub/sitemap.xml",
              "media/sitemap.xml", "sitemap/sitemap.xml"),
    _platform("OpenCart", rb"index\.php\?route=", "sitemap.xml",
              "index.php?route=extension/feed/google_sitemap"),
    _platform("Astro", rb"\bastro-island\b|content=[\"']?astro ", "sitemap-index.xml", "sitemap.xml",
              "rss.xml"),
    _platform("Gatsby", rb"\b___gatsby\b", "sitemap-index.xml", "sitemap/sitemap-index.xml", "sitemap.xml"),
    _platform("Jekyll or Hugo", rb"content=[\"']?(?:hugo|jekyll) ", "sitemap.xml", "index.xml", "feed.xml"),
    _platform("ASP.NET", rb"\b__VIEWSTATE\b", "sitemap.xml", "sitemap.aspx"),
)  # fmt: skip


def default_paths(*texts: bytes) -> tuple[str, ...]:
    """Return the known paths to request by default of a site with these texts: its home page, headers and
    robots.txt."""
    for platform in PLATFORMS:
        if any(platform.signs.search(text) for text in texts):
            return tuple(dict.fromkeys((*platform.paths, *COMMON_PATHS[:2])))  # it may be a mistake
    return COMMON_PATHS

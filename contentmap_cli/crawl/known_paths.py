"""The well-known paths of sitemaps and feeds, in the order in which they are requested.

By default the first three lists are requested at most, two paths at a time; the last one, names that few
sites use, only with `--probe always`. Paths that servers forbid by rule, such as names that begin with a dot,
are in none of the lists: their refusal says nothing of a sitemap.
"""

from __future__ import annotations

from typing import Final

MAIN_PATHS: Final = (
    "sitemap.xml", "sitemap_index.xml", "sitemap-index.xml", "wp-sitemap.xml", "sitemap.xml.gz",
    "sitemap.txt", "sitemaps.xml", "sitemap1.xml", "sitemapindex.xml", "sitemap.php", "xmlsitemap.php",
    "sitemap_index.xml.gz", "sitemap/sitemap.xml", "sitemaps/sitemap.xml", "sitemap/",
)  # fmt: skip
"""Names of a site's one sitemap: once one of them works, the others are other names for it. The first two are
requested at the site's other origins as well."""

NEWS_PATHS: Final = ("sitemap_news.xml", "sitemap-news.xml", "news-sitemap.xml")
"""A news sitemap is published beside the site's own, and requested in any case."""

FEED_PATHS: Final = ("feed/", "rss.xml", "atom.xml")
"""Feeds: requested last, where nothing else is found."""

MORE_PATHS: Final = (
    "1_index_sitemap.xml", "post-sitemap.xml", "page-sitemap.xml",
    "sitemap-index.xml.gz", "sitemap/index.xml", "sitemap/sitemap-index.xml", "sitemap/sitemap_index.xml",
    "sitemaps/sitemap_index.xml", "sitemaps/index.xml", "sitemap", "sitemap-0.xml", "sitemap0.xml",
    "sitemap_1.xml", "sitemap-1.xml", "sitemap_main.xml", "sitemap_index.php", "sitemap.aspx",
    "media/sitemap.xml", "pub/sitemap.xml", "sitemap_news.xml.gz", "sitemap-news.xml.gz",
    "product-sitemap.xml", "category-sitemap.xml", "feed.xml", "index.xml", "rss",
)  # fmt: skip
"""Names that fewer sites use: requested with `--probe always`."""

PATHS: Final = (*MAIN_PATHS, *NEWS_PATHS, *FEED_PATHS, *MORE_PATHS)

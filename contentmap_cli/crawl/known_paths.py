"""The known paths of sitemaps and feeds, in the order of requests.

By default at most 21 are requested; the rest are rarer names, for `--probe always`. Paths that servers often
forbid, such as names that begin with a dot, are left out, since their refusal would prove nothing.
"""

from __future__ import annotations

from typing import Final

MAIN_PATHS: Final = (
    "sitemap.xml", "sitemap_index.xml", "sitemap-index.xml", "wp-sitemap.xml", "sitemap.xml.gz",
    "sitemap.txt", "sitemaps.xml", "sitemap1.xml", "sitemapindex.xml", "sitemap.php", "xmlsitemap.php",
    "sitemap_index.xml.gz", "sitemap/sitemap.xml", "sitemaps/sitemap.xml", "sitemap/",
)  # fmt: skip
"""Names of a site's main sitemap: one is enough."""

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

"""Parse sitemaps, feeds and robots.txt: bytes in, entries and problems out. Synchronous, without I/O."""

from contentmap_cli.sitemap.dates import parse_lastmod
from contentmap_cli.sitemap.document import parse_document
from contentmap_cli.sitemap.problems import ProblemCode

__all__ = ["ProblemCode", "parse_document", "parse_lastmod"]

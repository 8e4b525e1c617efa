"""The sitemap reader: bytes in, entries and problems out. Pure and synchronous, no I/O of its own."""

from contentmap_cli.sitemap.dates import parse_lastmod
from contentmap_cli.sitemap.document import parse_document
from contentmap_cli.sitemap.problems import ProblemCode

__all__ = ["ProblemCode", "parse_document", "parse_lastmod"]

"""ContentMap: a batch crawler that maps what websites publish and records it.

As a library (docs/api.md):

    document = parse(open("sitemap.xml", "rb"))       # one file: entries, kind, problems

    async with Crawler() as crawler:                  # one site, nothing recorded
        result = await crawler.crawl("example.com")

    with Store("map.db") as store:                    # what `contentmap scan` recorded
        entries = list(store.entries("example.com"))
        diff = store.diff("example.com")

The names in `__all__` are the public API. Everything else may change in any version, except the exceptions in
`contentmap_cli.errors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from contentmap_cli.api.crawler import Crawler, CrawlResult
    from contentmap_cli.api.document import ParsedDocument, parse
    from contentmap_cli.api.store import Diff, Store
    from contentmap_cli.models import (
        CrawledFile,
        Entry,
        JobSummary,
        Lastmod,
        Problem,
        StoredEntry,
        StoredFile,
    )
    from contentmap_cli.models.comparison import Change

__all__ = [
    "Change",
    "CrawlResult",
    "CrawledFile",
    "Crawler",
    "Diff",
    "Entry",
    "JobSummary",
    "Lastmod",
    "ParsedDocument",
    "Problem",
    "Store",
    "StoredEntry",
    "StoredFile",
    "parse",
]

_MODULES = {
    "Change": "models.comparison",
    "CrawlResult": "api.crawler",
    "Crawler": "api.crawler",
    "Diff": "api.store",
    "ParsedDocument": "api.document",
    "Store": "api.store",
    "parse": "api.document",
}
"""The module of each public name; the others are in `models`. They are loaded on first use (PEP 562), so that
`contentmap --help` imports neither the database nor the network."""

if not TYPE_CHECKING:  # type checkers see the imports above, and report a name that does not exist

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'models')}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})

"""How long one document takes from bytes to rows in a spool: 10,000 entries."""

from __future__ import annotations

import io
from typing import Any

import pytest
from speed_sites import DECLARATION, EXTENSIONS, XMLNS, entries

from contentmap_cli.crawl.reading.spool import RowSpool
from contentmap_cli.models import Limits
from contentmap_cli.sitemap import parse_document

ENTRIES = 10_000
SITE = "http://site.example"
NAMES = {"plain": "", "rich": EXTENSIONS}


def document(kind: str, *, damaged: bool = False) -> bytes:
    """A sitemap; a damaged one has a bare ampersand in its first entry."""
    text = "".join(entry for _, entry in entries(0, ENTRIES, SITE, kind))
    if damaged:
        text = text.replace("</loc>", "?a=1&b=2</loc>", 1)
    return f'{DECLARATION}<urlset xmlns="{XMLNS}"{NAMES[kind]}>\n{text}</urlset>\n'.encode()


def read(body: bytes) -> int:
    """Its rows in a spool; how many."""
    limits = Limits()
    spool = RowSpool()
    segment = spool.segment(f"{SITE}/sitemap.xml", room=limits.domain_urls, child_room=limits.domain_files)
    parsed = parse_document(io.BytesIO(body), segment, base=f"{SITE}/sitemap.xml", limits=limits)
    segment.finish()
    spool.close()
    assert parsed.complete
    return segment.entries


@pytest.mark.parametrize(
    ("kind", "damaged"),
    [("plain", False), ("rich", False), ("plain", True)],
    ids=["plain", "extensions", "damaged"],
)
def test_parse(benchmark: Any, kind: str, damaged: bool) -> None:
    """Every entry is read, whichever way."""
    assert benchmark(read, document(kind, damaged=damaged)) == ENTRIES

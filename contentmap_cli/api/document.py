"""Parse one document: no network, no database."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from contentmap_cli.errors import Failure, UsageError
from contentmap_cli.models import DocumentKind, Entry, Problem
from contentmap_cli.models.entry_sink import EntryList
from contentmap_cli.models.hosts import normalise_url
from contentmap_cli.sitemap import parse_document

_TAKES = "parse() takes bytes or a binary file"


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """One sitemap, feed, URL list or robots.txt with its entries.

    Attributes:
        kind: what the content is: `urlset`, `index`, `text`, `rss`, `atom`, `json_feed`, `robots`, or `html`,
            `empty`, `unknown` where it is no sitemap.
        entries: in document order; those of an index or a robots.txt have the `type` "sitemap".
        complete: whether it was read to its end.
        problems: deviations from the protocol, with line numbers, and what was done about them.
        failure: why it could not be read whole, or at all; None otherwise.
        encoding: the character encoding it was read in.
        generator: the program that wrote it, where it says so.
    """

    kind: DocumentKind
    entries: tuple[Entry, ...]
    complete: bool
    problems: tuple[Problem, ...]
    failure: Failure | None
    encoding: str | None
    generator: str | None


def parse(source: bytes | BinaryIO, base: str | None = None) -> ParsedDocument:
    """Parse a sitemap, sitemap index, feed, URL list or robots.txt, compressed or not.

    `source` is the content, or a binary file or stream; a stream that cannot seek is read into memory first.
    `base` is the http or https URL it came from: relative URLs are resolved against it, and a path that ends
    in /robots.txt says that it is a robots.txt. Otherwise the content alone decides.

    Content never raises: what is wrong with it is in `problems` and `failure`. Raises `UsageError` for a
    `base` that is no http or https URL, TypeError for text or any other type, and what reading the stream
    raises.
    """
    if base is not None and normalise_url(str(base)) is None:
        raise UsageError(f"base is not an http or https URL: {str(base)[:200]!r}")
    if isinstance(source, bytes | bytearray | memoryview):
        source = BytesIO(source)
    elif not hasattr(source, "read"):
        raise TypeError(f"{_TAKES}, not {type(source).__name__}")
    elif isinstance(source.read(0), str):
        raise TypeError(f"{_TAKES}, not text: open the file with mode 'rb'")
    elif not source.seekable():
        source = BytesIO(source.read())
    collected = EntryList()
    document = parse_document(source, collected, base=base)
    return ParsedDocument(
        kind=document.kind,
        entries=tuple(collected.entries),
        complete=document.complete,
        problems=document.problems,
        failure=document.failure,
        encoding=document.encoding,
        generator=document.generator,
    )

"""Entries of a sitemap file, and the document that lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from contentmap_cli.errors import Failure
from contentmap_cli.models.statuses import DocumentKind

Attributes = Mapping[str, str]
"""The attributes of one image, video, news item or alternate, as published: `{"loc": …, "title": …}`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A deviation of a document from the protocol, and what was done about it.

    `line` counts from 1 and is None where no line applies. `count` is the number of occurrences: the first
    few are listed one by one, the rest are counted in the last of them. `url` is that of the entry, if known.
    """

    code: str
    line: int | None
    message: str
    count: int = 1
    url: str | None = None


class Lastmod(NamedTuple):
    """A W3C date-time or RSS date as published.

    `utc` is `YYYY-MM-DDTHH:MM:SSZ` (a date without a time means midnight UTC), or None if the text cannot be
    parsed. `precision` is year, month, day, minute, second or fraction, or None likewise.
    """

    utc: str | None
    precision: str | None
    text: str


class Entry(NamedTuple):
    """One entry of a sitemap: a page, or (`type` is "sitemap") another sitemap.

    A database can store every Entry: values that it would refuse were refused by the parser, with a Problem.
    `line` is only known where `Limits.details` asked for it, and not recorded.
    """

    url: str
    lastmod: Lastmod | None = None
    changefreq: str | None = None
    priority: float | None = None
    in_scope: bool = True
    repaired: bool = False
    images: tuple[Attributes, ...] = ()
    videos: tuple[Attributes, ...] = ()
    news: tuple[Attributes, ...] = ()
    alternates: tuple[Attributes, ...] = ()
    type: str = "url"
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """The result of parsing one document. Its entries are in the sink.

    `losses` counts entries that may have named a page or a sitemap and could not be read. `next_url` is the
    next page of a paged feed (RFC 5005), an absolute http or https URL.
    """

    kind: DocumentKind
    entries: int
    complete: bool  # False if it is cut off or has losses
    encoding: str | None = None
    problems: tuple[Problem, ...] = ()
    failure: Failure | None = None  # why it could not be read whole, or at all
    digest: str | None = None  # blake2b-128 of the decoded body, hexadecimal
    decoded_bytes: int = 0
    is_gzipped: bool = False
    has_lastmod: bool = False
    has_priority: bool = False
    has_changefreq: bool = False
    generator: str | None = None
    root: str | None = None  # the start tag of an XML document, as published, at most 2,000 characters
    losses: int = 0
    next_url: str | None = None
    # whether all its entries are plain and different (see `sitemap.xml.body_diff`); not part of its value
    plain: bool = field(default=False, compare=False)

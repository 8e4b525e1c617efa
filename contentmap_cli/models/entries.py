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
    """Something in a document that is not as the protocol has it, and what was done about it.

    `line` counts from 1 and is None where no line applies. `count` is how often the same thing happened;
    the first few are listed one by one, the rest are folded into the last.
    """

    code: str
    line: int | None
    message: str
    count: int = 1


class Lastmod(NamedTuple):
    """A W3C date-time or RSS date as published.

    `utc` is `YYYY-MM-DDTHH:MM:SSZ` (a date alone means midnight UTC), or None where the text cannot be
    understood. `precision` is year, month, day, minute, second or fraction, None likewise.
    """

    utc: str | None
    precision: str | None
    text: str


class Entry(NamedTuple):
    """One entry of a sitemap: a page, or (`type` is "sitemap") another sitemap. Always recordable:
    whatever a database could refuse was refused before, with a Problem."""

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


@dataclass(frozen=True, slots=True)
class Document:
    """What a parser says of one document once it has read it (its entries went to the sink).

    `losses` counts entries that may have named a page or a sitemap and were not read. `next_url` is the page
    of a paged feed that follows (RFC 5005), as an absolute http or https URL.
    """

    kind: DocumentKind
    entries: int
    complete: bool  # False when something is missing at the end, or was lost on the way
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
    # all its entries were read as plain ones and none stands there twice (see `parsing.pieces`): how it was
    # read is not what it is
    plain: bool = field(default=False, compare=False)

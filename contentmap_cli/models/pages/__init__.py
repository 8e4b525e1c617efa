"""What a page answered, as `check --pages` records and judges it: one value per requested URL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from contentmap_cli.errors import Failure

MAX_HOPS: Final = 5
"""Redirects that are followed from a listed page."""


class PageState(StrEnum):
    """How the request for a page ended. A page that was not requested yet has no facts."""

    ANSWERED = "answered"
    """The server answered, with whatever status."""

    UNREACHABLE = "unreachable"
    """No answer at the second attempt either; `failure` says why."""

    DISALLOWED = "disallowed"
    """robots.txt of its origin disallows it to this crawler, or cannot be read: it was not requested."""

    THROTTLED = "throttled"
    """The host refused for the moment (429, 503) until the time was over: nothing is known."""


@dataclass(frozen=True, slots=True)
class PageHead:
    """What the head of an HTML page says. URLs are absolute, resolved against `<base>`.

    `robots` are the (name, content) pairs of `<meta>` elements with rules for crawlers, names in lower case.
    `canonicals` are those of `<link rel=canonical>`, `alternates` (hreflang, URL) pairs. `dates` are
    (source, text) pairs, such as `("article:modified_time", "2026-01-31")`. `refresh` are the seconds and the
    target of a `<meta http-equiv=refresh>` or header; without a target it is the page itself.
    """

    title: str = ""
    robots: tuple[tuple[str, str], ...] = ()
    canonicals: tuple[str, ...] = ()
    alternates: tuple[tuple[str, str], ...] = ()
    dates: tuple[tuple[str, str], ...] = ()
    refresh: tuple[float, str] | None = None


@dataclass(frozen=True, slots=True)
class PageText:
    """What the text of an HTML page shows about its kind, up to the limit of bytes.

    `words` is the number of visible words outside links and navigation. `marks` is a sketch of these words:
    two texts are alike as far as their marks are the same. `signals` name what makes the page look like an
    error page (`not_found_title`, `not_found_heading`, `not_found_text`, `empty`), or what replaces it
    (a `PageKind`: `challenge`, `login`, …); `login_url` says that its URL is that of a login. `type:` and a
    media type say that the body is no HTML.
    """

    words: int = 0
    marks: tuple[int, ...] = ()
    signals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageFacts:
    """The answer to the request for one URL. Redirects are not followed in here.

    `url` is normalised. `listed` says that a sitemap lists it; other URLs are targets of redirects, or
    made-up paths (`probe`) that show what the site answers where there is no page. `location` is the absolute
    URL of a redirect. `robots_tags` and `links` are the lines of the headers X-Robots-Tag and Link.
    `first_byte_ms` are milliseconds from sending the request to the first byte of the answer. `head` and
    `text` are None where the answer is no HTML. `validated_at` is when a conditional request confirmed the
    rest. Times are in UTC.
    """

    url: str
    state: PageState
    asked_at: datetime
    listed: bool = True
    probe: bool = False
    status: int | None = None
    failure: Failure | None = None
    location: str | None = None
    content_type: str | None = None
    size: int | None = None
    etag: str | None = None
    last_modified: str | None = None
    date: str | None = None
    first_byte_ms: int | None = None
    robots_tags: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    head: PageHead | None = None
    text: PageText | None = None
    validated_at: datetime | None = None

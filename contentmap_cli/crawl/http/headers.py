"""The headers of conditional requests, and the response headers that the crawl keeps."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import aiohttp

_HEADER_SHOWN = 500
_MAX_LINES = 20  # of one header
_LINE_LENGTH = 8 * 1024
# Headers of pages of protection services, and the prefixes of their values. Headers that such a service adds
# to pages of the site as well (x-datadome, x-iinfo, cf-ray) are excluded.
_CHALLENGE_HEADERS: Mapping[str, tuple[str, ...]] = {
    "cf-mitigated": ("challenge",),  # developers.cloudflare.com, "Detect a challenge page response"
    "x-amzn-waf-action": ("challenge", "captcha"),  # AWS WAF developer guide
    "x-dd-b": ("",),  # DataDome, on its own pages only
    "x-sucuri-block": ("",),
    "x-vercel-mitigated": ("challenge", "deny"),
    "sg-captcha": ("challenge",),  # SiteGround
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip"})


def conditional_headers(etag: str | None, last_modified: str | None) -> dict[str, str]:
    """Return the headers of a conditional request (RFC 9110 section 13) for the validators that the server
    sent earlier; empty without any."""
    found = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    return {name: value for name, value in found.items() if value and not _CONTROL.search(value)}


class ReplyHeaders(NamedTuple):
    """The response headers that the crawl keeps, without control characters and cut to a maximum length.

    `codings` has the tokens of Content-Encoding, in lower case. `link` has the values of all `Link` headers
    (RFC 8288), `robots_tags` those of `X-Robots-Tag`; `set_cookie` and `authenticate` have those of
    `Set-Cookie` and `WWW-Authenticate`, as sent.
    `challenge` says that a header marks the response as the challenge or refusal of a protection service;
    `readable` says that the Content-Encoding is identity or gzip, which were requested.
    """

    content_type: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    location: str | None = None
    retry_after: str | None = None
    date: str | None = None
    content_range: str | None = None
    codings: tuple[str, ...] = ()
    server: str | None = None
    link: tuple[str, ...] = ()
    robots_tags: tuple[str, ...] = ()
    set_cookie: tuple[str, ...] = ()
    authenticate: tuple[str, ...] = ()
    refresh: str | None = None
    challenge: bool = False
    readable: bool = True

    @classmethod
    def of(cls, response: aiohttp.ClientResponse) -> ReplyHeaders:
        """Return the headers of a response."""
        headers = response.headers
        codings = ",".join(headers.getall("Content-Encoding", [])).lower().split(",")
        return cls(
            content_type=_clean(headers.get("Content-Type")),
            etag=_clean(headers.get("ETag")),
            last_modified=_clean(headers.get("Last-Modified")),
            location=headers.get("Location"),
            retry_after=_clean(headers.get("Retry-After")),
            date=_clean(headers.get("Date")),
            content_range=_clean(headers.get("Content-Range")),
            codings=tuple(coding.strip() for coding in codings),
            server=_clean(headers.get("Server")),
            link=_lines(headers.getall("Link", ())),
            robots_tags=_lines(headers.getall("X-Robots-Tag", ())),
            set_cookie=tuple(headers.getall("Set-Cookie", ())),
            authenticate=tuple(headers.getall("WWW-Authenticate", ())),
            refresh=_clean(headers.get("Refresh")),
            challenge=any(
                headers.get(name, "").strip().lower().startswith(beginnings)
                for name, beginnings in _CHALLENGE_HEADERS.items()
                if name in headers
            ),
            readable=all(coding.strip() in _ENCODINGS for coding in codings),
        )


NO_HEADERS = ReplyHeaders()


def _lines(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(_CONTROL.sub(" ", value)[:_LINE_LENGTH] for value in values[:_MAX_LINES])


def _clean(value: str | None) -> str | None:
    if value is None:
        return None
    return _CONTROL.sub(" ", value)[:_HEADER_SHOWN].strip() or None

"""Decide which requests are repeated, how often and when (the table is in docs/network.md)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from contentmap_cli.crawl.http.responses import FetchedFile, Reply
from contentmap_cli.errors import Code

SLOWING: Final = frozenset({429, 503})
"""Statuses that slow down all requests to the host."""

RETRIED: Final = frozenset({408, 425, 500, 502, 504, *range(520, 528), 529, 530}) | SLOWING
"""Statuses that pass: RFC 9110, RFC 8470 (425), RFC 6585 (429), 520 to 530 of CDNs."""

UNCONDITIONAL: Final = frozenset({400, 412})
"""Statuses of a conditional request that is repeated without its conditions."""

PATIENT_RETRIES: Final = 10
"""Retries of a request with 429, at a host that has answered others."""


def retries_of(reply: Reply, retries: int, *, known: bool) -> int:
    """Return how often a request with this reply is repeated at most, of the `retries` of the options.

    `known` says that the host has answered before.
    """
    if reply.status in RETRIED:
        return max(retries, PATIENT_RETRIES) if reply.status == 429 and known and retries else retries
    if not reply.transient or reply.failure is None:
        return 0
    timed_out = reply.failure.code == Code.TIMEOUT
    if reply.connecting:  # a name, a port or a handshake
        return retries if known else 0 if timed_out else min(retries, 1)
    if timed_out and not known:
        return 0  # a host that never answers costs the whole of `--timeout` each time
    return min(retries, 1) if timed_out or reply.body is not None else retries


def retry_after(value: str | None, date: str | None = None) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110 section 10.2.3); None if it is invalid.

    A time is relative to that of the answer's own Date header, because the clocks may differ.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    when = http_date(value)
    if when is None:
        return None
    return max(0.0, (when - (http_date(date) or datetime.now(UTC))).total_seconds())


def http_date(value: str | None) -> datetime | None:
    """Return a date in one of the three forms of HTTP (RFC 9110 section 5.6.7); None if it is invalid."""
    try:
        when = parsedate_to_datetime(value) if value else None
    except (ValueError, OverflowError):
        return None
    return when.replace(tzinfo=UTC) if when is not None and when.tzinfo is None else when


def discard(reply: Reply | None, fetched: FetchedFile) -> None:
    """Close the body of a reply that is not used, and count its bytes."""
    if reply is not None and reply.body is not None:
        reply.body.close()
        fetched.discarded += reply.size


def better(truncated: Reply, reply: Reply, fetched: FetchedFile) -> Reply:
    """Return the more complete one of a truncated reply and that of the next attempt; discard the other."""
    if reply.body is not None and (reply.failure is None or reply.size >= truncated.size):
        discard(truncated, fetched)
        return reply
    discard(reply, fetched)
    return truncated

"""Dates as sitemaps and feeds write them: W3C date-times, their sloppy relatives, and RFC 822 dates of RSS.

A date is understood or it is not: 03/04/2024 could be March or April, so it stays text.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import cache

from contentmap_cli.values import Lastmod

TEXT_LENGTH = 100
"""How much of a date's text is kept; no date is that long."""

DAY = (
    r"(?:19|20)[0-9]{2}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
"""A day that exists, as a pattern; 29 February is left to the calendar."""

TIME = r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"

# What nearly all sitemaps hold, accepted without further thought: every such day exists, no shift is needed.
PLAIN_DATE = re.compile(rf"{DAY}(?:{TIME}(?:Z|\+00:00))?")
W3C = (
    r"(?P<year>[0-9]{4})"
    r"(?:[-/.](?P<month>[0-9]{1,2})"
    r"(?:[-/.](?P<day>[0-9]{1,2})"
    r"(?:(?:[Tt]|\s+|\s*,\s*)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,12}))?)?"
    r"\s*(?P<zone>[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?)?)?)?"
)
COMPACT = (
    r"(?P<year>(?:19|20)[0-9]{2})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"
    r"(?:T(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})(?P<second>[0-9]{2})(?P<fraction>)(?P<zone>Z|[+-][0-9]{4})?)?"
)
RFC_822 = (
    r"(?:[A-Za-z]{3,9}\.?\s*,?\s+)?(?P<day>[0-9]{1,2})"
    r"[\s-]+(?P<month>[A-Za-z]{3,9})\.?[\s-]+(?P<year>[0-9]{4}|[0-9]{2})"
    r"(?:\s*,?\s+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?"
    r"(?:\s*(?P<zone>[A-Za-z]{1,4}|(?:GMT|UTC)?[+-][0-9]{2}:?[0-9]{2}))?(?:\s*\([A-Za-z ]*\))?)?"
)
MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("jan", "january"),
            ("feb", "february"),
            ("mar", "march"),
            ("apr", "april"),
            ("may",),
            ("jun", "june"),
            ("jul", "july"),
            ("aug", "august"),
            ("sep", "sept", "september"),
            ("oct", "october"),
            ("nov", "november"),
            ("dec", "december"),
        ),
        start=1,
    )
    for name in names
}
ZONE_HOURS = {
    "Z": 0,
    "UT": 0,
    "UTC": 0,
    "GMT": 0,
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
}
ZONE_HOURS |= {"PST": -8, "PDT": -7, "WET": 0, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3}


def parse_lastmod(text: str) -> Lastmod:
    """A date as published, and as UTC to the second if it can be understood.

    All forms of the W3C note (a date alone means midnight UTC), the same with a space for the T, slashes,
    single digits or no time zone (UTC is assumed), ISO 8601 basic format, and RFC 822 dates. Never guesses
    and never raises: what is not understood, does not exist (30 February) or leaves the years 1 to 9999 is
    `Lastmod(None, None, text)`. The text is trimmed and kept to `TEXT_LENGTH` characters.
    """
    if PLAIN_DATE.fullmatch(text):
        if len(text) == 10:
            return Lastmod(f"{text}T00:00:00Z", "day", text)
        return Lastmod(f"{text[:19]}Z", "second", text)
    text = text.strip().strip("\ufeff\u200b").strip()
    if len(text) > TEXT_LENGTH:
        return Lastmod(None, None, text[:TEXT_LENGTH])
    match = next(filter(None, (form.fullmatch(text) for form in _odd_forms())), None)
    if match is None:
        return Lastmod(None, None, text)
    parts = match.groupdict()
    utc = _utc(parts)
    return Lastmod(utc, _precision(parts), text) if utc is not None else Lastmod(None, None, text)


@cache
def _odd_forms() -> tuple[re.Pattern[str], ...]:
    """The forms that most sitemaps do without: compiled where the first one comes."""
    return re.compile(W3C), re.compile(COMPACT), re.compile(RFC_822)


def _utc(parts: dict[str, str | None]) -> str | None:
    """`YYYY-MM-DDTHH:MM:SSZ`, or None if there is no such moment."""
    offset = _offset(parts["zone"])
    if offset is None:
        return None
    try:
        hour, second = int(parts["hour"] or 0), int(parts["second"] or 0)
        midnight = hour == 24 and not int(parts["minute"] or 0) and not second  # ISO 8601: the end of the day
        moment = datetime(
            _year(parts["year"] or ""),
            _month(parts["month"]),
            int(parts["day"] or 1),
            0 if midnight else hour,
            int(parts["minute"] or 0),
            min(second, 59) if second == 60 else second,  # a leap second has no place in a datetime
            tzinfo=timezone(offset),
        )
        if midnight:
            moment += timedelta(days=1)
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError, KeyError):
        return None
    # strftime's %Y does not pad on every platform
    return f"{moment.year:04}-{moment.month:02}-{moment.day:02}T{moment:%H:%M:%S}Z"


def _year(text: str) -> int:
    """RFC 2822 section 4.3: two digits up to 49 are of this century."""
    year = int(text)
    return year + (2000 if year < 50 else 1900) if len(text) == 2 else year


def _month(text: str | None) -> int:
    if text is None:
        return 1
    return int(text) if text.isdigit() else MONTHS[text.lower()]


def _offset(zone: str | None) -> timedelta | None:
    """The offset from UTC, zero if none is named, None if the name or the number is unknown."""
    if zone is None or zone == "":
        return timedelta(0)
    zone = zone.upper()
    if zone in ZONE_HOURS:
        return timedelta(hours=ZONE_HOURS[zone])
    digits = zone.removeprefix("GMT").removeprefix("UTC").replace(":", "")
    if digits[0] not in "+-":
        return None
    hours, minutes = int(digits[1:3]), int(digits[3:5] or 0)
    if hours > 23 or minutes > 59:
        return None
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if digits[0] == "-" else offset


def _precision(parts: dict[str, str | None]) -> str:
    if parts.get("fraction"):
        return "fraction"
    for name in ("second", "minute", "day", "month"):
        if parts[name] is not None:
            return name
    return "year"

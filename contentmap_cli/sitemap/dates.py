"""Parse the dates of sitemaps and feeds: W3C date-times, similar forms, and RFC 822 dates.

An ambiguous date such as 03/04/2024 is not parsed and kept as text.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import cache

from contentmap_cli.models import Lastmod

TEXT_LENGTH = 100
"""Characters of a date's text that are kept."""

DAY = (
    r"(?:19|20)[0-9]{2}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
"""Pattern of a valid day, 29 February excepted."""

TIME = r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"

# The usual forms: always valid and in UTC.
USUAL_DATE = re.compile(rf"{DAY}(?:{TIME}(?:Z|\+00:00))?")
_CLOCK = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,12}))?)?"
)
_OFFSET = r"[+-](?:[0-9]{2}(?::?[0-9]{2})?|[0-9](?::[0-9]{2})?)"
_COMMENT = r"(?:\s*\([^()]{0,60}\))?"
_HALF = r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?"
_WEEKDAY = r"(?:[A-Za-z]{3,9}\.?(?:\s*,\s*|\s+))?"
W3C = (
    r"(?P<year>[0-9]{4})"
    r"(?:[-/.](?P<month>[0-9]{1,2})"
    r"(?:[-/.](?P<day>[0-9]{1,2})"
    rf"(?:(?:[Tt]|\s+|\s*,\s*|(?<=[-/.][0-9]{{2}})(?=[0-9]{{2}}:)){_CLOCK}"
    # Go appends the zone's name and a monotonic clock, Java the zone's name in brackets
    rf"{_HALF}\s*(?P<zone>[Zz]|(?:UTC|GMT)?{_OFFSET}(?:\s+(?:[A-Z]{{2,5}}|{_OFFSET}))?|[A-Z]{{2,5}})?"
    r"(?:\s+m=[+-][0-9.]{1,20})?(?:\[[\w/+-]{1,40}\])?)?)?)?"
)
COMPACT = (
    r"(?P<year>(?:19|20)[0-9]{2})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"
    r"(?:T?(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})(?P<second>[0-9]{2})(?P<fraction>)(?P<zone>Z|[+-][0-9]{4})?)?"
)
RFC_822 = (
    rf"{_WEEKDAY}(?P<day>[0-9]{{1,2}})"
    r"[\s-]*(?P<month>[A-Za-z]{3,9})\.?[\s-]*(?P<year>[0-9]{4}|[0-9]{2})"
    rf"(?:\s*,?\s+{_CLOCK}{_HALF}"
    rf"(?:\s*(?P<zone>(?:GMT|UTC)?{_OFFSET}|[A-Za-z]{{1,5}}))?{_COMMENT})?"
)
NAMED = (
    rf"{_WEEKDAY}(?P<month>[A-Za-z]{{3,9}})\.?\s+(?P<day>[0-9]{{1,2}})(?:\s*,\s*|\s+)"
    rf"(?P<year>[0-9]{{4}})(?:\s*,?\s+{_CLOCK}{_HALF}"
    rf"(?:\s*(?P<zone>(?:GMT|UTC)?{_OFFSET}|[A-Za-z]{{1,5}}))?{_COMMENT})?"
)
"""`March 5, 2024`, and JavaScript: `Tue Mar 05 2024 16:06:13 GMT+0100 (CET)`."""

CTIME = (
    rf"{_WEEKDAY}(?P<month>[A-Za-z]{{3,9}})\s+(?P<day>[0-9]{{1,2}})\s+{_CLOCK}"
    rf"(?:\s+(?P<zone>(?:GMT|UTC)?{_OFFSET}|[A-Za-z]{{1,5}}))?\s+(?P<year>[0-9]{{4}})"
)
"""C and Java: `Tue Mar 05 16:06:13 CET 2024`."""

DATE_COMMAND = CTIME.replace(
    r"(?P<month>[A-Za-z]{3,9})\s+(?P<day>[0-9]{1,2})", r"(?P<day>[0-9]{1,2})\s+(?P<month>[A-Za-z]{3,9})"
)
"""The `date` command: `Tue 5 Mar 16:06:13 CET 2024`."""

W3C_LIKE = re.compile(r"[0-9][0-9TtZz:.,/+\s-]*(?:UTC|GMT)?")
"""The characters of the W3C forms and similar ones."""

XSD_DATE = re.compile(rf"({DAY})(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)")
"""A day with a zone, valid by the protocol's schema (XML Schema part 2, section 3.2.9)."""

OFFSET_PARTS = re.compile(r"([+-][0-9]{1,2}):?([0-9]{2})?")

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
ZONE_HOURS |= {"WEST": 1, "BST": 1, "MEZ": 1, "MESZ": 2, "JST": 9, "KST": 9, "HKT": 8, "SGT": 8, "PHT": 8}
ZONE_HOURS |= {"WIB": 7, "ICT": 7, "PKT": 5, "SAST": 2, "EAT": 3, "CAT": 2, "WAT": 1, "AEST": 10, "AEDT": 11}
ZONE_HOURS |= {"AWST": 8, "NZST": 12, "NZDT": 13, "AKST": -9, "AKDT": -8, "HST": -10, "BRT": -3, "ART": -3}


def parse_lastmod(text: str) -> Lastmod:
    """Parse a date into UTC with the precision of a second.

    Accepted are all forms of the W3C note (a date alone means midnight UTC), the same with a space for the T,
    slashes, single digits or no time zone (then UTC), ISO 8601 basic format, RFC 822 dates, and the default
    output of common programs. An unknown zone of letters counts as UTC (RFC 5322 section 4.3). Return
    `Lastmod(None, None, text)` for anything else, for days that do not exist and for years outside 1 to 9999.
    Never raises. The text is trimmed and cut to `TEXT_LENGTH` characters.
    """
    if USUAL_DATE.fullmatch(text):
        if len(text) == 10:
            return Lastmod(f"{text}T00:00:00Z", "day", text)
        return Lastmod(f"{text[:19]}Z", "second", text)
    if len(text) in (11, 16) and (day := XSD_DATE.fullmatch(text)):
        return Lastmod(f"{day[1]}T00:00:00Z", "day", text)
    text = text.strip().strip("\ufeff\u200b").strip()
    if len(text) > TEXT_LENGTH:
        return Lastmod(None, None, text[:TEXT_LENGTH])
    match = next(filter(None, (form.fullmatch(text) for form in _other_formats())), None)
    if match is None:
        return Lastmod(None, None, text)
    parts = match.groupdict()
    utc = _utc(parts)
    return Lastmod(utc, _precision(parts), text) if utc is not None else Lastmod(None, None, text)


def is_nonstandard(text: str, *, in_feed: bool) -> bool:
    """Return whether a parsed date has no W3C form, no similar form, and in a feed no RFC 822 form."""
    text = text.strip()
    return not (W3C_LIKE.fullmatch(text) or (in_feed and re.fullmatch(RFC_822, text, re.ASCII) is not None))


@cache
def _other_formats() -> tuple[re.Pattern[str], ...]:
    """Compile the less usual forms at their first use."""
    return tuple(map(re.compile, (W3C, COMPACT, RFC_822, NAMED, CTIME, DATE_COMMAND)))


def _utc(parts: dict[str, str | None]) -> str | None:
    """Return `YYYY-MM-DDTHH:MM:SSZ`, or None if the date does not exist."""
    offset = _offset(parts["zone"], by_rfc_822=(parts["month"] or "").isalpha())
    if offset is None:
        return None
    try:
        hour, second = int(parts["hour"] or 0), int(parts["second"] or 0)
        if half := parts.get("half"):
            if not 1 <= hour <= 12:
                return None
            hour = hour % 12 + 12 * (half in "Pp")
        midnight = hour == 24 and not int(parts["minute"] or 0) and not second  # ISO 8601: end of the day
        moment = datetime(
            _year(parts["year"] or ""),
            _month(parts["month"]),
            int(parts["day"] or 1),
            0 if midnight else hour,
            int(parts["minute"] or 0),
            min(second, 59) if second == 60 else second,  # datetime has no leap seconds
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
    """Return the year; two digits up to 49 mean 20xx (RFC 2822 section 4.3)."""
    year = int(text)
    return year + (2000 if year < 50 else 1900) if len(text) == 2 else year


def _month(text: str | None) -> int:
    if text is None:
        return 1
    return int(text) if text.isdigit() else MONTHS[text.lower()]


def _offset(zone: str | None, *, by_rfc_822: bool) -> timedelta | None:
    """Return the offset from UTC: zero if there is none, None if it is unknown or out of range."""
    if zone is None or zone == "":
        return timedelta(0)
    zone = zone.split()[0]
    if zone.isalpha():
        # RFC 5322 section 4.3: the offset of an undefined name is unknown
        known = ZONE_HOURS.get(zone.upper())
        if known is None and (not zone.isupper() or not by_rfc_822 or zone in ("AM", "PM")):
            return None
        return timedelta(hours=known or 0)
    sign, hours, minutes = 1, 0, 0
    if (digits := OFFSET_PARTS.search(zone)) is not None:
        sign = -1 if digits[1].startswith("-") else 1
        hours, minutes = int(digits[1][1:]), int(digits[2] or 0)
    if hours > 23 or minutes > 59:
        return None
    return sign * timedelta(hours=hours, minutes=minutes)


def _precision(parts: dict[str, str | None]) -> str:
    if parts.get("fraction"):
        return "fraction"
    for name in ("second", "minute", "day", "month"):
        if parts[name] is not None:
            return name
    return "year"

"""Dates and sizes as arguments of the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from contentmap_cli.errors import UsageError

MOST_BYTES = 5 * 1024**3
"""Maximum size of all files of a domain, in bytes."""

_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*(?:([kmg])(i?b)?|b|bytes)?", re.ASCII | re.IGNORECASE)
_POWERS = {"k": 1, "m": 2, "g": 3}

_AGE = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_date(option: str, text: str) -> datetime:
    """Return an aware datetime for `2026-01-31`, `2026-01-31T12:00Z`, `12h`, `7d` or `2w`; UTC by default.

    Raise UsageError that names `option`.
    """
    text = text.strip()
    hint = "write a date (2026-01-31), a date-time (2026-01-31T12:00Z) or an age (30m, 12h, 7d, 2w)"
    age = _AGE.fullmatch(text)
    try:
        if age is not None:
            return datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})
        date = datetime.fromisoformat(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{option}: invalid date: {text[:40]!r}", hint=hint) from None


def parse_size(option: str, text: str) -> int:
    """Return the bytes of `52428800`, `61MiB`, `61M` (binary, as curl has it) or `100MB` (decimal).

    Raises UsageError that names `option`.
    """
    found = _SIZE.fullmatch(text.strip().replace("_", ""))
    hint = "write bytes or a unit, for example 61MiB, 100MB or 52428800"
    if found is None:
        raise UsageError(f"{option}: invalid size: {text[:40]!r}", hint=hint)
    number, unit, rest = found.groups()
    base = 1000 if (rest or "").lower() == "b" else 1024
    size = int(float(number) * base ** _POWERS.get((unit or "").lower(), 0))
    if not 1 <= size <= MOST_BYTES:
        raise UsageError(f"{option}: not between 1 byte and 5 GiB: {text[:40]}", hint=hint)
    return size

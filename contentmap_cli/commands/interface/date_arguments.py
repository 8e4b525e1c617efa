"""Dates on the command line: a date, a date-time, or an age."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from contentmap_cli.errors import UsageError

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

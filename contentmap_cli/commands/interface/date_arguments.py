"""Moments as people type them: a date, a date-time, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from contentmap_cli.errors import UsageError

_AGO = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(option: str, text: str) -> datetime:
    """An aware datetime for `2026-01-31`, `2026-01-31T12:00Z`, `12h`, `7d` or `2w`; no zone means UTC.

    Raises UsageError that names `option`.
    """
    text = text.strip()
    hint = "write a date (2026-01-31), a date-time (2026-01-31T12:00Z), or how long ago (30m, 12h, 7d, 2w)"
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{option}: {text[:40]!r} is no moment", hint=hint) from None

"""Numbers for people, in tables and progress; other formats have plain numbers."""

from __future__ import annotations

from datetime import UTC, datetime

_MINUTE = 60
_HOUR = 3600
_KILO = 1000


def number(value: int) -> str:
    """Return `1204332` as `1,204,332`."""
    return f"{value:,}"


def plural(value: int, noun: str, many: str = "") -> str:
    """Return `1 sitemap`, `1,204 sitemaps`; `many` is the plural if it is not the noun and an s."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {many or f'{noun}s'}"


def size(value: int) -> str:
    """Return bytes in decimal units (IEC 80000-13): `812 B`, `1.2 MB`, `132 MB`."""
    if value < _KILO:
        return f"{value} B"
    scaled = float(value)
    for unit in ("kB", "MB", "GB"):
        scaled /= _KILO
        # 999.5 would be printed as "1000": use the next unit
        if scaled < _KILO - 0.5:
            return f"{scaled:.1f} {unit}" if scaled < 9.95 else f"{scaled:.0f} {unit}"
    return f"{scaled / _KILO:.1f} TB"


def duration(seconds: float) -> str:
    """Return `0.41 s`, `12.4 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < _MINUTE - 0.05:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"


def clock(seconds: float) -> str:
    """Return `0:12`, `61:05`, `2:05:09`: a time that is updated in place."""
    whole = int(seconds)
    if whole < 2 * _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02d}"
    return f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02d}:{whole % _MINUTE:02d}"


def changes(added: int, removed: int, changed: int) -> str:
    """Return `+1,204 -3 ~12` without zeros; empty if nothing changed."""
    parts = (("+", added), ("-", removed), ("~", changed))
    return " ".join(f"{sign}{count:,}" for sign, count in parts if count)


def moment(value: datetime | None) -> str:
    """Return `2026-11-23 20:06`, in UTC; empty for None. A naive time is UTC."""
    if value is None:
        return ""
    value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return f"{value:%Y-%m-%d %H:%M}"

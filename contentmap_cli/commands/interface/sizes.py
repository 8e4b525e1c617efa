"""Sizes on the command line: bytes, or a number with a unit."""

from __future__ import annotations

import re

from contentmap_cli.errors import UsageError

MOST_BYTES = 5 * 1024**3
"""Limit of bytes per domain, and so of a file."""

_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*(?:([kmg])(i?b)?|b|bytes)?", re.ASCII | re.IGNORECASE)
_POWERS = {"k": 1, "m": 2, "g": 3}


def parse_size(option: str, text: str) -> int:
    """Return the bytes of `52428800`, `61MiB`, `61M` (binary, as curl has it) or `100MB` (decimal).

    Raise UsageError that names `option`.
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

"""Markup and wording of pages that replace the site's own, from `markers.toml`.

The file is read for the first page, and a pattern is compiled at its first use.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any


@cache
def markers() -> dict[str, dict[str, Any]]:
    """Return the tables of `markers.toml`."""
    import tomllib  # not needed by most scans

    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@cache
def pattern(name: str) -> re.Pattern[str]:
    """Return the alternation of the patterns of a table."""
    return re.compile("|".join(f"(?:{each})" for each in markers()[name]["patterns"]))


def occurs(name: str, code: str) -> bool:
    """Return whether a text or pattern of a table occurs in a page's markup."""
    if pattern(name).search(code) is not None:
        return True
    return any(text in code for texts in markers()[name].get("texts", {}).values() for text in texts)

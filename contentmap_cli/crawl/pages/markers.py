"""Markup and wording by which pages that stand in place of a site are known: read from `markers.toml`.

The file is read when the first page is met, and a pattern is compiled when it is first used.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any


@cache
def markers() -> dict[str, dict[str, Any]]:
    """Return the tables of `markers.toml`."""
    import tomllib  # most scans meet no page

    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@cache
def pattern(name: str) -> re.Pattern[str]:
    """Return one pattern that matches where any pattern of a table does."""
    return re.compile("|".join(f"(?:{each})" for each in markers()[name]["patterns"]))


def occurs(name: str, code: str) -> bool:
    """Return whether a text or a pattern of a table occurs in a page's markup."""
    if pattern(name).search(code) is not None:
        return True
    return any(text in code for texts in markers()[name]["texts"].values() for text in texts)

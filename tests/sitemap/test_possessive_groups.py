"""No expression repeats a group possessively: Python before 3.11.5 gets that wrong (cpython issue 106052)."""

from __future__ import annotations

import re
from pathlib import Path

import contentmap_cli

REPEATED = re.compile(r"(?<!\()\)[*+?]\+")


def test_no_group_is_repeated_possessively() -> None:
    """`(?>(…)*)` means the same as `(…)*+` and is right on every Python that has either."""
    assert REPEATED.search(r"(?:<(?=<))*+") and not REPEATED.search(r"(?>(?:<(?=<))*)")
    files = [*Path(contentmap_cli.__file__).parent.rglob("*.py")]
    found = [str(file) for file in files if REPEATED.search(file.read_text(encoding="utf-8"))]
    assert (len(files) > 100, found) == (True, [])

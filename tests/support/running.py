"""Which processes run, as the system tells it (Linux)."""

from __future__ import annotations

import os
from pathlib import Path


def children_of(number: int) -> list[int]:
    """The processes that a process has started and that live."""
    listed = Path(f"/proc/{number}/task/{number}/children").read_text(encoding="ascii")
    return [int(child) for child in listed.split()]


def alive(number: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        os.kill(number, 0)
        state = Path(f"/proc/{number}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"

"""The change feed: its rows, its changes, and the cursor of a reader."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from zlib import crc32

from contentmap_cli.errors import UsageError
from contentmap_cli.models.comparison import Change

_VERSION: Final = 1
_CURSOR: Final = re.compile(rf"{_VERSION}(?:\.[0-9]{{1,18}}){{5}}", re.ASCII)


class FeedKind(StrEnum):
    """What a row of the feed stands for."""

    SCAN = "scan"  # the changes of one domain scan
    BASELINE = "baseline"  # all that was pruned of a domain: what was listed then counts as added
    REMOVED = "removed"  # the domain was removed with all its rows
    PRUNE = "prune"  # nothing: it keeps a position


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One row of the feed: a commit that changed the URLs of a domain."""

    position: int
    kind: FeedKind
    domain: str
    at: datetime
    domain_id: int | None = None
    scan_id: int | None = None
    job_id: str | None = None
    changes: int = 0


@dataclass(frozen=True, slots=True)
class FeedChange:
    """One change of the feed, and the cursor after it. `change` is None where the domain was removed."""

    row: FeedRow
    change: Change | None
    cursor: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a reader has come: `read` changes of the row at `position`, 0 for the whole row.

    `start` is the highest position when the reader began: what was pruned since then it must have read.
    `selection` stands for the tenant and the domains that it reads, `check` for the row at `position`.
    """

    position: int
    read: int
    start: int
    selection: int
    check: int

    @property
    def whole(self) -> int:
        """The position up to which everything was read."""
        return self.position - 1 if self.read else self.position

    def __str__(self) -> str:
        return f"{_VERSION}.{self.position}.{self.read}.{self.start}.{self.selection}.{self.check}"

    def after(self, row: FeedRow, read: int = 0) -> Cursor:
        """Return the cursor of the same reader after a row, or after some changes of it."""
        return Cursor(row.position, read, self.start, self.selection, row_check(row.at, row.scan_id))


def read_cursor(text: str) -> Cursor:
    """Return the cursor of a text. Raise UsageError where it is none."""
    if not _CURSOR.fullmatch(text):
        raise UsageError(
            f"--after: not a cursor: {text[:60]!r}",
            hint="give the cursor of the last line that was processed, or `now`",
        )
    return Cursor(*map(int, text.split(".")[1:]))


def selection_of(tenant: str, domains: Collection[str]) -> int:
    """Return the number that stands for a tenant and some of its domains, none for all."""
    return crc32("\n".join((tenant, *sorted(set(domains)))).encode())


def row_check(at: datetime, scan_id: int | None) -> int:
    """Return the number by which a row is recognised."""
    return crc32(f"{at.isoformat(timespec='microseconds')} {scan_id}".encode())

"""Two scans of a domain compared: which scans, and what changed between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contentmap_cli.errors import NotFound, UsageError
from contentmap_cli.models.statuses import ScanStatus

ScanName = str | datetime | None
"""A job id, or a date for the last scan recorded until then; None for the default scan."""


class Kind(StrEnum):
    """What happened to a URL or a sitemap file between two scans."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class ScanPoint:
    """A scan of a domain that recorded something."""

    scan_id: int
    job_id: str
    status: ScanStatus
    complete: bool
    recorded_at: datetime
    sitemaps: int
    comparable: bool = True  # False once later changes were pruned
    withheld: int = 0  # URLs that it kept because of --max-drop


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `fields` names the values that differ in a changed URL.

    `sitemap` is the file that lists the URL, or listed it; None if the change is that of a sitemap file.
    """

    kind: Kind
    url: str
    sitemap: str | None = None
    lastmod: str | None = None
    lastmod_before: str | None = None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The two scans that are compared.

    `before` is None if there is no earlier scan, or if it was `pruned`: then every URL counts as added.
    """

    domain: str
    before: ScanPoint | None
    after: ScanPoint
    pruned: bool = False

    @property
    def removals_withheld(self) -> bool:
        """Whether URLs that the later scan did not see count as listed, because it was incomplete."""
        return not self.after.complete

    @property
    def why_withheld(self) -> str:
        """Why URLs that the later scan did not see count as listed."""
        if self.after.withheld:
            return f"the later scan kept {self.after.withheld:,} URLs that are no longer listed (--max-drop)"
        return "the later scan was not complete: URLs it did not see count as listed"


def choose_scans(
    domain: str, scans: Sequence[ScanPoint], earlier: ScanName = None, later: ScanName = None
) -> Comparison:
    """Choose two scans of a domain, each by the id of its job or by a date.

    `scans` is the domain's history, the oldest first. Of a job that was resumed, the last part counts.
    `later` defaults to the last scan, `earlier` to the last one of another job before `later`; `before` is
    None if there is none left. A date stands for the last scan recorded until then; for an earlier date than
    the first scan, `before` is the first scan. Raise NotFound if there is no scan to compare, UsageError if
    the dates are in the wrong order.
    """
    kept = [scan for scan in scans if scan.comparable]
    if not kept:
        raise NotFound(f"no scan of {domain} has recorded anything", hint=f"run `contentmap scan {domain}`")
    after = len(kept) - 1 if later is None else _position(domain, scans, kept, later)
    if after is None:
        raise NotFound(
            f"no scan of {domain} is recorded until {later:%Y-%m-%d %H:%M:%S} UTC", hint=_jobs_hint(domain)
        )
    if earlier is not None:
        before = _position(domain, scans, kept, earlier) or 0
        if isinstance(earlier, datetime) and before > after:
            raise UsageError("--from is later than --to", hint="exchange the two dates")
        return Comparison(domain, kept[before], kept[after])
    for point in reversed(kept[:after]):
        if point.job_id != kept[after].job_id:
            return Comparison(domain, point, kept[after])
    return Comparison(domain, None, kept[after], pruned=len(kept) < len(scans))


def _position(
    domain: str, scans: Sequence[ScanPoint], kept: Sequence[ScanPoint], scan: str | datetime
) -> int | None:
    """Return the position in `kept` of a job's scan, or of the last scan recorded until a date, or None."""
    if isinstance(scan, datetime):
        return max((index for index, point in enumerate(kept) if point.recorded_at <= scan), default=None)
    for index in reversed(range(len(kept))):
        if kept[index].job_id == scan:
            return index
    if any(point.job_id == scan for point in scans):
        raise NotFound(f"the scan of {domain} by {scan} was pruned", hint=_jobs_hint(domain))
    raise NotFound(f"{scan} has no recorded scan of {domain}", hint=_jobs_hint(domain))


def _jobs_hint(domain: str) -> str:
    return f"list the jobs with `contentmap jobs --domain {domain}`"


@dataclass(slots=True)
class Counts:
    """The number of changes of each kind."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    sitemaps_added: int = 0
    sitemaps_removed: int = 0

    def add(self, change: Change) -> None:
        """Count one change."""
        if change.sitemap is None:
            if change.kind is Kind.ADDED:
                self.sitemaps_added += 1
            else:
                self.sitemaps_removed += 1
        elif change.kind is Kind.ADDED:
            self.added += 1
        elif change.kind is Kind.REMOVED:
            self.removed += 1
        else:
            self.changed += 1

    @property
    def total(self) -> int:
        """The number of all changes."""
        return self.added + self.removed + self.changed + self.sitemaps_added + self.sitemaps_removed

"""Two scans of a domain compared: which scans, and what changed between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contentmap_cli.errors import NotFound
from contentmap_cli.models.statuses import ScanStatus


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


def choose_scans(
    domain: str, scans: Sequence[ScanPoint], earlier: str | None = None, later: str | None = None
) -> Comparison:
    """Choose two scans of a domain by the ids of their jobs.

    `scans` is the domain's history, the oldest first. `later` defaults to the last scan, `earlier` to the one
    before `later`. Raises NotFound where the history has no such scan.
    """
    comparable = [scan for scan in scans if scan.comparable]
    index_of = {scan.job_id: index for index, scan in enumerate(comparable)}
    for job in (earlier, later):
        if job is not None and job not in index_of:
            if any(scan.job_id == job for scan in scans):
                message = f"the scan of {domain} by {job} was pruned"
            else:
                message = f"{job} has recorded nothing of {domain}, or was pruned"
            raise NotFound(message, hint=f"`contentmap jobs --domain {domain}` lists the jobs there are")
    if not comparable:
        raise NotFound(f"no scan of {domain} has recorded anything", hint=f"contentmap scan {domain}")
    after = index_of[later] if later is not None else len(comparable) - 1
    if earlier is not None:
        return Comparison(domain, comparable[index_of[earlier]], comparable[after])
    if after:
        return Comparison(domain, comparable[after - 1], comparable[after])
    return Comparison(domain, None, comparable[0], pruned=len(comparable) < len(scans))


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

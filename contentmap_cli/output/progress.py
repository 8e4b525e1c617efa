"""The progress of a scan: written by the run, read by a display."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from contentmap_cli.models import DomainSummary, ScanStatus

_RECENT = 8  # finished domains kept for display


@dataclass(slots=True)
class ActiveDomain:
    """A domain that is being scanned: its counts so far, and its start on the progress's clock."""

    started: float
    requests: int = 0
    files: int = 0
    urls: int = 0
    bytes: int = 0


class Totals(NamedTuple):
    """Sums over the finished and the active domains."""

    urls: int
    bytes: int


class ScanProgress:
    """The progress of a scan of `total` domains.

    Written by one thread (the event loop's) and read by any: a reader may see values of a moment ago, but
    always consistent ones. `clock` returns monotonic seconds.
    """

    def __init__(self, total: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.done = 0
        self.outcomes: Counter[ScanStatus] = Counter()
        self.active: dict[str, ActiveDomain] = {}
        self.recent: deque[DomainSummary] = deque(maxlen=_RECENT)
        self._clock = clock
        self._begun = clock()
        self._finished = Totals(0, 0)

    def started(self, domain: str) -> None:
        """Add a domain whose scan begins."""
        self.active[domain] = ActiveDomain(self._clock())

    def moved(
        self,
        domain: str,
        *,
        requests: int | None = None,
        files: int | None = None,
        urls: int | None = None,
        bytes: int | None = None,  # noqa: A002 - the key of the thing, as in the summary's fetched_bytes
    ) -> None:
        """Update the counts of a domain: its totals so far; None leaves a count unchanged."""
        active = self.active.get(domain)
        if active is None:
            return
        active.requests = active.requests if requests is None else requests
        active.files = active.files if files is None else files
        active.urls = active.urls if urls is None else urls
        active.bytes = active.bytes if bytes is None else bytes

    def finished(self, summary: DomainSummary) -> None:
        """Replace the counts of a domain by its result."""
        before = self._finished
        self._finished = Totals(before.urls + summary.urls, before.bytes + summary.fetched_bytes)
        self.active.pop(summary.domain, None)
        self.outcomes[summary.status] += 1
        self.done += 1
        self.recent.append(summary)

    @property
    def elapsed(self) -> float:
        """Seconds since the scan began."""
        return self._clock() - self._begun

    @property
    def remaining(self) -> float | None:
        """Estimated seconds until the end at the present rate; None if too few domains are finished."""
        if self.done < min(5, self.total) or not self.done:
            return None
        return self.elapsed / self.done * (self.total - self.done)

    @property
    def totals(self) -> Totals:
        """The sums so far."""
        active = self._snapshot()
        done = self._finished
        return Totals(
            done.urls + sum(each.urls for _, each in active),
            done.bytes + sum(each.bytes for _, each in active),
        )

    @property
    def longest_running(self) -> list[tuple[str, float, ActiveDomain]]:
        """The active domains with their age in seconds, the oldest first."""
        now = self._clock()
        aged = [(domain, now - active.started, active) for domain, active in self._snapshot()]
        return sorted(aged, key=lambda item: -item[1])

    def _snapshot(self) -> list[tuple[str, ActiveDomain]]:
        # one call into C: another thread cannot change the dict meanwhile
        return list(self.active.items())

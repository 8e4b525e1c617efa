"""The pages of one host in the order in which they are asked for."""

from __future__ import annotations

from collections import deque
from typing import Final

from contentmap_cli.crawl.listed_pages.endings import NotAsked
from contentmap_cli.crawl.listed_pages.page_client import PageRequest

MAX_FAILED: Final = 500
"""Failed pages of a host that wait for their second request; with more, it is sent before the rest."""

SILENT: Final = 10
"""Consecutive pages without any answer after which a host is asked for a page that failed, not for new
ones."""

NEVER_ANSWERED: Final = 3
"""The same for a host that has not answered any page."""

MAX_TRIALS: Final = 2
"""Second requests without an answer, in a row, after which such a host is not asked any more."""

MAX_PAUSES: Final = 12
"""Consecutive answers 429 or 503 with Retry-After after which a host is not asked any more."""


class HostQueue:
    """The queue of one host: first `queue`, then made-up paths, then `again`, the pages that failed once.

    `workers` counts the tasks of the host, `running` those that have a page or a made-up path, `asking_pages`
    those with a page. `probed` says that no made-up path is left to ask for. While the host is `silent`, only
    pages that failed are tried, one by one. `stopped` says why no further page is asked for.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.queue: deque[PageRequest] = deque()
        self.again: deque[PageRequest] = deque()
        self.workers = self.running = self.asking_pages = 0
        self.is_waiting = self.probed = self.silent = False
        self.stopped: NotAsked | None = None
        self._answered = False
        self._unanswered = self._trials = self._pauses = 0  # in a row

    def next(self, *, fed: bool) -> PageRequest | None:
        """Return the next page; `fed` says that no more are queued. None: nothing, or not yet."""
        again = self.again and (fed or self.silent or len(self.again) >= MAX_FAILED)
        if self.silent:
            if not self.running and not again:
                self.stopped = NotAsked.HOST_SILENT
            return self.again.popleft() if again and not self.running else None
        if self.queue and (fed or not again):
            return self.queue.popleft()
        return self.again.popleft() if again else None

    def note_answer(self) -> None:
        """Note that the host answered a page."""
        self._answered, self.silent = True, False
        self._unanswered = self._trials = self._pauses = 0

    def note_pause(self) -> None:
        """Note that the host asked to retry later, which is an answer."""
        self.silent, self._unanswered, self._trials = False, 0, 0
        self._pauses += 1
        if self._pauses >= MAX_PAUSES:
            self.stopped = NotAsked.HOST_REFUSES

    def note_silence(self, *, first: bool) -> None:
        """Note that the `first` request for a page, or its second one, had no answer at all."""
        if first:
            self._unanswered += 1
            self.silent = self.silent or self._unanswered >= (SILENT if self._answered else NEVER_ANSWERED)
        elif self.silent:
            self._trials += 1
        if self._trials >= MAX_TRIALS:
            self.stopped = NotAsked.HOST_SILENT

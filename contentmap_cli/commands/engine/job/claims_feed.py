"""Claims the domains of a job in batches and hands them out one by one."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from contentmap_cli.commands.database.database_retry import without_conflicts
from contentmap_cli.commands.engine.claims import claim_with_files
from contentmap_cli.errors import ConnectionLost, DatabaseUnavailable, Failure, JobHeld
from contentmap_cli.storage.database_errors import storage_error
from contentmap_cli.storage.jobs.claims import Claim
from contentmap_cli.storage.jobs.jobs import holder
from contentmap_cli.storage.session import Sessions

log = logging.getLogger("contentmap.run")

CLAIM_BATCH = 50
"""Domains claimed in one transaction."""


class NotClaimed(NamedTuple):
    """A domain that this run may not scan: another run has it (a Failure), or the claim raised an error."""

    domain: str
    reason: Failure | Exception


class ClaimsFeed:
    """Hands out the domains of a job, each once. It owns the transactions that claim them."""

    def __init__(
        self,
        sessions: Sessions,
        job: tuple[str, str, str],
        domains: Iterator[str],
        *,
        batch: int,
        failures_too: bool,
    ) -> None:
        self._sessions = sessions
        self._job_id, self._tenant, self._run_id = job
        self._domains = domains
        self._batch = batch
        self._failures_too = failures_too
        self._claimed: deque[Claim | NotClaimed] = deque()
        self._to_retry: deque[str] = deque()
        self._lock = asyncio.Lock()

    async def next(self) -> Claim | NotClaimed | None:
        """Return the next domain, or None when none is left. Database errors are returned, not raised.

        A batch whose claim failed is retried domain by domain, so that an error that one domain or a lost
        connection caused is reported for that domain alone.
        """
        async with self._lock:
            while not self._claimed:
                single = bool(self._to_retry)
                domains = [self._to_retry.popleft()] if single else list(islice(self._domains, self._batch))
                if not domains:
                    return None
                try:
                    self._claimed.extend(
                        await without_conflicts(
                            lambda: self._claim(domains),  # noqa: B023 - awaited here
                            self._sessions.database.shown,
                        )
                    )
                except Exception as error:
                    if single or not self._is_retryable(error):
                        self._claimed.append(NotClaimed(domains.pop(0), error))
                    self._to_retry.extend(domains)
                    log.info(
                        "claiming domains failed", extra={"action": "domains.unclaimed", "job": self._job_id}
                    )
            return self._claimed.popleft()

    def _is_retryable(self, error: Exception) -> bool:
        """Return whether a claim may succeed with fewer domains or through another connection."""
        known = storage_error(error, self._sessions.database.shown) or error
        return isinstance(known, ConnectionLost) or not isinstance(known, DatabaseUnavailable | JobHeld)

    async def _claim(self, domains: Sequence[str]) -> list[Claim | NotClaimed]:
        async with self._sessions.claiming(self._job_id) as session, session.begin():
            if (await holder(session, self._job_id, shared=True))[0] != self._run_id:
                raise JobHeld("another run took the job over")
            answers = await claim_with_files(
                session, self._job_id, self._tenant, domains, self._run_id, failures=self._failures_too
            )
        return [
            answer if isinstance(answer, Claim) else NotClaimed(domain, answer)
            for domain, answer in answers.items()
        ]

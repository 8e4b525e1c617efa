"""Where a run's domains come from: claimed a handful at a time, handed out one by one."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from contentmap_cli.commands.engine.run_id import is_dead
from contentmap_cli.errors import ConnectionLost, DatabaseUnavailable, Failure, JobHeld
from contentmap_cli.models import RememberedFile, Target
from contentmap_cli.storage.database_errors import storage_error
from contentmap_cli.storage.jobs.claims import Claim, claim_domains
from contentmap_cli.storage.jobs.jobs import holder
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.writing.files import remembered_files

log = logging.getLogger("contentmap.run")

HANDFUL = 50
"""Domains claimed in one transaction: few enough to be started soon, many enough to cost next to nothing."""


class Taken(NamedTuple):
    """A domain this run may scan, and what earlier scans know of it."""

    target: Target
    claim: Claim
    remembered: Sequence[RememberedFile]


class Refused(NamedTuple):
    """A domain this run may not scan: someone else has it (a Failure), or claiming it failed."""

    target: Target
    why: Failure | Exception


class ClaimsFeed:
    """Hands out the targets of a job, each once. The transactions that claim them are its own."""

    def __init__(
        self,
        sessions: Sessions,
        job: tuple[str, str, str],
        targets: Iterator[Target],
        *,
        handful: int,
        failures_too: bool,
    ) -> None:
        self._sessions = sessions
        self._job_id, self._tenant, self._owner = job
        self._targets = targets
        self._handful = handful
        self._failures_too = failures_too
        self._waiting: deque[Taken | Refused] = deque()
        self._again: deque[Target] = deque()
        self._one_at_a_time = asyncio.Lock()

    async def next(self) -> Taken | Refused | None:
        """The next domain, or None when there is none left. Never raises for the database's sake.

        A handful whose claim failed is tried once more, domain by domain: what one of them, or a connection
        that broke, has done is not told of all the others.
        """
        async with self._one_at_a_time:
            while not self._waiting:
                alone = bool(self._again)
                targets = [self._again.popleft()] if alone else list(islice(self._targets, self._handful))
                if not targets:
                    return None
                try:
                    self._waiting.extend(await self._claim(targets))
                except Exception as error:
                    if alone or not self._may_pass(error):
                        self._waiting.append(Refused(targets.pop(0), error))
                    self._again.extend(targets)
                    log.info("a claim failed", extra={"action": "domains.unclaimed", "job": self._job_id})
            return self._waiting.popleft()

    def _may_pass(self, error: Exception) -> bool:
        """Whether the same may go well with fewer domains, or through another connection."""
        known = storage_error(error, self._sessions.database.shown) or error
        return isinstance(known, ConnectionLost) or not isinstance(known, DatabaseUnavailable | JobHeld)

    async def _claim(self, targets: Sequence[Target]) -> list[Taken | Refused]:
        async with self._sessions.claiming(self._job_id) as session, session.begin():
            if (await holder(session, self._job_id, shared=True))[0] != self._owner:
                raise JobHeld("another run took the job over")
            answers = await claim_domains(
                session,
                self._job_id,
                self._tenant,
                [target.domain for target in targets],
                self._owner,
                failures=self._failures_too,
                gone=is_dead,
            )
            known = [
                answer.domain_id for answer in answers.values() if isinstance(answer, Claim) and answer.known
            ]
            remembered = await remembered_files(session, known) if known else {}
        return [self._hand_out(target, answers[target.domain], remembered) for target in targets]

    @staticmethod
    def _hand_out(
        target: Target, answer: Claim | Failure, remembered: dict[int, list[RememberedFile]]
    ) -> Taken | Refused:
        if isinstance(answer, Failure):
            return Refused(target, answer)
        return Taken(target, answer, remembered.get(answer.domain_id, ()))

"""Records the end of a job in the outbox, and delivers what is in the outbox.

    the transaction that ends a job ── record ──> outbox ── deliver: claim, send, finish ──> receiver

`record` belongs to that transaction. `deliver` has short transactions of its own, and never raises because a
receiver fails.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from contentmap_cli.commands.database.database_retry import without_conflicts
from contentmap_cli.commands.notifying.sender import ATTEMPT_SECONDS, Sender
from contentmap_cli.commands.notifying.targets import NotifyTarget, parse_targets
from contentmap_cli.commands.settings.crawl_settings import ScanSettings
from contentmap_cli.models.results import ClaimedMessage
from contentmap_cli.models.statuses import MessageStatus, NotifyOn
from contentmap_cli.output.notification import job_finished
from contentmap_cli.output.number_format import plural
from contentmap_cli.storage.jobs import notifications as outbox
from contentmap_cli.storage.session import GuardedSession, Sessions
from contentmap_cli.threads import wait_for_end

log = logging.getLogger("contentmap.notify")

RUN_SECONDS: Final = 30.0
"""Time that a run takes at most at its end to deliver messages."""
RUN_PASSES: Final = 3
"""Attempts of a message at the end of a run."""
WORKER_SECONDS: Final = 10.0
"""Interval at which a worker delivers what is due, and the time for that."""
_SHORTEST_ATTEMPT = 0.5  # seconds; with less time left, a message is not sent
_LONGEST_BACKOFF = 3600.0
_GIVE_UP = timedelta(days=7)


@dataclass
class Notifier:
    """The targets of a run and when they are notified; without targets it does nothing."""

    tenant: str = "default"
    targets: Sequence[NotifyTarget] = ()
    when: NotifyOn = NotifyOn.CHANGE
    ca_file: str | None = None
    delivered: int = field(default=0, init=False)
    failures: dict[str, str] = field(default_factory=dict, init=False)  # last error by label

    @classmethod
    def of(cls, settings: ScanSettings, tenant: str) -> Notifier:
        """Return the notifier that the settings ask for. Raise UsageError for a target that is refused."""
        targets = parse_targets(settings.notify, settings.notify_secret)
        return cls(tenant, targets, NotifyOn(settings.notify_on or NotifyOn.CHANGE), settings.ca_file)

    async def record(self, session: GuardedSession, job_id: str, unexpected: int = 0) -> None:
        """Write the messages of a job that this transaction has ended. `unexpected` domains of the run miss
        --expect-urls."""
        if not self.targets:
            return
        event = await outbox.job_event(session, job_id, self.tenant, unexpected)
        if event is not None and event.matters(self.when):
            to = [(target.digest, target.label) for target in self.targets]
            await outbox.add_messages(session, self.tenant, job_id, job_finished(event), to)

    async def deliver(
        self, sessions: Sessions, *, seconds: float, passes: int = 1, due_only: bool = True
    ) -> int:
        """Send the messages of the targets, those that are due or all, and return how many remain.

        It takes about `seconds` at most. A message that fails is sent again after a pause, up to `passes`
        times."""
        if not self.targets:
            return 0
        end = time.monotonic() + seconds
        left = await self.count(sessions)
        if not left:
            return 0
        async with Sender(self.ca_file) as sender:
            for number in range(passes):
                pause = _longest_pause(number) if number else 0.0
                if not left or time.monotonic() + pause > end:
                    break
                await asyncio.sleep(pause)
                self.failures.clear()
                work = (self._deliver_to(target, sessions, sender, end, due_only) for target in self.targets)
                await asyncio.gather(*work)
                left = await self.count(sessions)
        return left

    async def count(self, sessions: Sessions) -> int:
        """Return how many messages of the targets are to be delivered."""
        async with sessions.read() as session, session.begin():
            return await outbox.count_pending(
                session, self.tenant, [target.digest for target in self.targets]
            )

    async def _deliver_to(
        self, target: NotifyTarget, sessions: Sessions, sender: Sender, end: float, due_only: bool
    ) -> None:
        after = 0
        while (left := end - time.monotonic()) >= _SHORTEST_ATTEMPT:
            message = await self._claim(sessions, target, after, due_only)
            if message is None:
                return
            after = message.key
            sent = await sender.send(target, message.message_id, message.payload, min(left, ATTEMPT_SECONDS))
            await self._finish(sessions, target, message, sent.error, gone=sent.gone)

    async def _claim(
        self, sessions: Sessions, target: NotifyTarget, after: int, due_only: bool
    ) -> ClaimedMessage | None:
        async def claim() -> ClaimedMessage | None:
            async with sessions.brief() as session, session.begin():
                return await outbox.claim_message(
                    session, self.tenant, target.digest, after=after, due_only=due_only
                )

        return await without_conflicts(claim, sessions.database.shown)

    async def _finish(
        self,
        sessions: Sessions,
        target: NotifyTarget,
        message: ClaimedMessage,
        error: str | None,
        *,
        gone: bool,
    ) -> None:
        given_up = error is not None and (gone or datetime.now(UTC) - message.created_at > _GIVE_UP)

        async def finish() -> None:
            async with sessions.brief() as session, session.begin():
                if error is None:
                    await outbox.finish_message(session, message, MessageStatus.DELIVERED)
                elif given_up:
                    status = MessageStatus.GONE if gone else MessageStatus.FAILED
                    await outbox.finish_message(session, message, status, error)
                else:
                    pause = _longest_pause(message.attempts) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
                    await outbox.postpone_message(session, message, pause, error)

        await without_conflicts(finish, sessions.database.shown)
        extra = {"target": target.label, "webhook_id": message.message_id}
        if error is None:
            self.delivered += 1
            log.info("notification delivered", extra={"action": "notification.delivered", **extra})
            return
        self.failures[target.label] = error
        log.log(
            logging.WARNING if given_up else logging.INFO,
            "notification %s: %s",
            "given up" if given_up else "failed",
            error,
            extra={"action": "notification.failed", **extra},
        )

    async def deliver_after_run(self, sessions: Sessions, *, hurried: bool = False) -> None:
        """Deliver at the end of a run, which no error may change; `hurried`: it was stopped by a signal. What
        remains is said on stderr."""
        try:
            if hurried:
                left = await self.deliver(sessions, seconds=ATTEMPT_SECONDS)
            else:
                left = await self.deliver(sessions, seconds=RUN_SECONDS, passes=RUN_PASSES)
        except Exception as error:
            log.warning(
                "notifications were not delivered: %s",
                type(error).__name__,
                extra={"action": "notification.failed"},
            )
            return
        if left:
            why = "; ".join(f"{label}: {error}" for label, error in self.failures.items())
            log.warning(
                "%s to be delivered later, by the next run or `contentmap notify`%s",
                plural(left, "notification"),
                f" ({why})" if why else "",
                extra={"action": "notification.pending"},
            )

    async def keep_delivering(self, sessions: Sessions, wake: asyncio.Event) -> None:
        """Deliver what is due until cancelled: when `wake` is set, and from time to time."""
        while self.targets:
            try:
                async with asyncio.timeout(WORKER_SECONDS):
                    await wake.wait()
            except TimeoutError:
                pass
            wake.clear()
            delivery = asyncio.create_task(self.deliver(sessions, seconds=WORKER_SECONDS))
            await wait_for_end(delivery)  # also when it is cancelled: what is sent is recorded
            if (error := delivery.exception()) is not None:
                log.info(
                    "notifications were not delivered: %s",
                    type(error).__name__,
                    extra={"action": "notification.failed"},
                )


def _longest_pause(attempts: int) -> float:
    """Return the longest pause in seconds after that many attempts."""
    return float(min(2.0 ** min(attempts - 1, 16), _LONGEST_BACKOFF))

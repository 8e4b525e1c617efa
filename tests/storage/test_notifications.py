"""The outbox: a message has one sender at a time, and keeps its id."""

from __future__ import annotations

import asyncio

from sqlalchemy import update

from contentmap_cli.models.results import ClaimedMessage
from contentmap_cli.models.statuses import MessageStatus
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs import notifications as outbox
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import Notification

TENANT = "default"


async def claim(sessions: Sessions, *, due_only: bool = True) -> ClaimedMessage | None:
    async with sessions.brief() as session, session.begin():
        return await outbox.claim_message(session, TENANT, "mine", due_only=due_only)


async def test_one_sender_at_a_time(sessions: Sessions) -> None:
    """Of many that claim at once each gets another message; an expired claim records nothing; a message that
    failed waits for its time; what is done is not sent again."""
    async with sessions.brief() as session, session.begin():
        for number in range(8):
            targets = [("mine", "https://a.test"), ("other", "mailto://")]
            await outbox.add_messages(session, TENANT, f"sitemap_{number}", "{}", targets)
    claimed = [each for each in await asyncio.gather(*(claim(sessions) for _ in range(10))) if each]
    assert len({each.message_id for each in claimed}) == len(claimed) >= 1
    while (more := await claim(sessions)) is not None:
        claimed.append(more)
    assert len({each.key for each in claimed}) == len(claimed) == 8
    first, second, third, *_ = claimed
    async with sessions.brief() as session, session.begin():
        await session.write(
            update(Notification).where(Notification.id == first.key).values(lease_until=utc_now(-1.0))
        )
    again = await claim(sessions)
    assert again is not None
    assert (again.message_id, again.attempts) == (first.message_id, 2)
    async with sessions.brief() as session, session.begin():
        await outbox.finish_message(session, first, MessageStatus.DELIVERED)  # its claim was lost
        await outbox.postpone_message(session, second, 60.0, "HTTP 500")
        await outbox.finish_message(session, third, MessageStatus.DELIVERED)
    assert await claim(sessions) is None
    retried = await claim(sessions, due_only=False)
    assert retried is not None
    assert retried.message_id == second.message_id
    async with sessions.read() as session, session.begin():
        assert await outbox.count_pending(session, TENANT, ["mine"]) == 7
        assert await outbox.count_pending(session, "acme", ["mine", "other"]) == 0
        assert len(await outbox.undelivered(session, TENANT, limit=20)) == 15

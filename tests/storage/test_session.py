"""Every known way to "Can't operate on closed transaction", and that it ends at the line that took it.

Each test breaks the rule on purpose, inside an owner's block, on a real database. It expects the guard's
own error at that line, nothing of the block recorded, and the next session to work.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import cast

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError, InvalidRequestError
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.pool import QueuePool

from contentmap_cli.errors import TransactionRuleBroken
from contentmap_cli.models import ScanStatus
from contentmap_cli.storage.session import GuardedSession, Sessions
from contentmap_cli.storage.tables import Domain


def _domain(name: str) -> Domain:
    return Domain(tenant_id="default", name=name, created_at=datetime(2026, 1, 1, tzinfo=UTC))


async def _write(session: GuardedSession, name: str = "written.example") -> None:
    session.add(_domain(name))
    await session.flush()


async def _count(sessions: Sessions) -> int:
    async with sessions.read() as session, session.begin():
        return int(await session.scalar(select(func.count()).select_from(Domain)) or 0)


async def commit(session: GuardedSession) -> None:
    await session.commit()


async def rollback(session: GuardedSession) -> None:
    await session.rollback()


async def close(session: GuardedSession) -> None:
    await session.close()


async def reset(session: GuardedSession) -> None:
    await session.reset()


async def invalidate(session: GuardedSession) -> None:
    await session.invalidate()


async def begin_again(session: GuardedSession) -> None:
    async with session.begin():
        pass


async def begin_nested(session: GuardedSession) -> None:
    async with session.begin_nested():
        pass


async def enter_again(session: GuardedSession) -> None:
    async with session:
        pass


async def sync_commit(session: GuardedSession) -> None:
    await session.run_sync(lambda inner: inner.commit())


async def sync_begin_nested(session: GuardedSession) -> None:
    await session.run_sync(lambda inner: inner.begin_nested())


async def connection_begin_nested(session: GuardedSession) -> None:
    connection = await session.connection()
    await connection.begin_nested()


async def commit_by_its_transaction(session: GuardedSession) -> None:
    transaction = session.get_transaction()
    assert transaction is not None
    await transaction.commit()


async def sync_commit_by_its_transaction(session: GuardedSession) -> None:
    await session.run_sync(lambda inner: cast("SessionTransaction", inner.get_transaction()).commit())


async def commit_by_its_connection(session: GuardedSession) -> None:
    await (await session.connection()).commit()


async def savepoint_as_text(session: GuardedSession) -> None:
    await session.execute(text("SAVEPOINT sneaky"))


BREAKERS: tuple[Callable[[GuardedSession], Awaitable[None]], ...] = (
    commit,
    rollback,
    close,
    reset,
    invalidate,
    begin_again,
    begin_nested,
    enter_again,
    sync_commit,
    sync_begin_nested,
    connection_begin_nested,
    commit_by_its_transaction,
    sync_commit_by_its_transaction,
    commit_by_its_connection,
    savepoint_as_text,
)


async def test_nobody_inside_the_block_ends_or_nests_it(sessions: Sessions) -> None:
    """It raises at the offending line, and the block leaves nothing behind."""
    for number, breaker in enumerate(BREAKERS):
        reached = False
        with pytest.raises(TransactionRuleBroken):
            async with sessions.brief("job", "shop.example") as session, session.begin():
                await _write(session)
                await breaker(session)
                reached = True
        assert (reached, await _count(sessions)) == (False, number), breaker
        async with sessions.brief() as session, session.begin():
            await _write(session, f"{number}.example")
        assert await _count(sessions) == number + 1, breaker


async def test_a_broken_rule_that_is_swallowed_still_cannot_commit(sessions: Sessions) -> None:
    """`except Exception: pass` around the offence does not save half a domain."""
    for breaker in BREAKERS:
        with pytest.raises(TransactionRuleBroken):
            async with sessions.brief("job", "shop.example") as session, session.begin():
                await _write(session)
                try:
                    await breaker(session)
                except Exception:
                    logging.getLogger(__name__).debug("swallowed on purpose")
        assert await _count(sessions) == 0, breaker


# SQLAlchemy says in its own way what the guard says
@pytest.mark.filterwarnings("ignore:transaction already deassociated")
async def test_a_connection_that_was_rolled_back_cannot_commit_what_follows(sessions: Sessions) -> None:
    """Someone reaches around the session: the block ends without a trace, whatever is said after."""
    with pytest.raises(TransactionRuleBroken):
        async with sessions.brief("job", "shop.example") as session, session.begin():
            await _write(session)
            await (await session.connection()).rollback()
            await _write(session)
    assert await _count(sessions) == 0


async def test_commit_from_another_task_is_refused(sessions: Sessions) -> None:
    """A helper task that ends the owner's transaction is stopped, and so is the owner."""
    with pytest.raises(TransactionRuleBroken):
        async with sessions.brief() as session, session.begin():
            await _write(session)
            await asyncio.create_task(session.commit())
    assert await _count(sessions) == 0


async def test_two_tasks_cannot_share_a_session(sessions: Sessions) -> None:
    """A statement from a task that did not begin the block is refused."""
    with pytest.raises(TransactionRuleBroken, match="another task"):
        async with sessions.brief() as session, session.begin():
            await _write(session)
            await asyncio.gather(_write(session, "a.example"), _write(session, "b.example"))
    assert await _count(sessions) == 0


async def test_a_swallowed_flush_error_is_met_at_the_next_statement(sessions: Sessions) -> None:
    """The statement after it says what happened, instead of failing on a closed transaction later."""
    with pytest.raises(TransactionRuleBroken, match="after a statement failed"):
        async with sessions.brief() as session, session.begin():
            await _write(session, "same.example")
            try:
                await _write(session, "same.example")
            except IntegrityError:
                logging.getLogger(__name__).debug("swallowed on purpose")
            await session.scalar(select(func.count()).select_from(Domain))
    assert await _count(sessions) == 0


async def test_a_swallowed_error_cannot_commit_what_came_before_it(sessions: Sessions) -> None:
    """SQLite would keep the rows before a failed statement: the block refuses to commit them."""
    with pytest.raises(TransactionRuleBroken, match="commit"):
        async with sessions.brief() as session, session.begin():
            await _write(session)
            try:
                await session.execute(text("INSERT INTO no_such_table VALUES (1)"))
            except Exception:
                logging.getLogger(__name__).debug("swallowed on purpose")
    assert await _count(sessions) == 0


async def test_an_error_below_the_session_counts_too(sessions: Sessions) -> None:
    """A driver-level statement on the session's connection that fails, and is swallowed, cannot commit."""
    with pytest.raises(TransactionRuleBroken):
        async with sessions.brief() as session, session.begin():
            await _write(session)
            connection = await session.connection()
            try:
                await connection.exec_driver_sql("INSERT INTO no_such_table VALUES (1)")
            except Exception:
                logging.getLogger(__name__).debug("swallowed on purpose")
    assert await _count(sessions) == 0


async def test_a_flush_after_a_timeout_is_refused(sessions: Sessions) -> None:
    """A statement that was given up half-way leaves a session that nobody goes on with."""
    dialect = sessions.database.dialect
    slow = (
        "SELECT pg_sleep(5)"
        if dialect == "postgresql"
        else "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) "
        "SELECT count(*) FROM n"
    )
    with pytest.raises(TransactionRuleBroken):
        async with sessions.brief() as session, session.begin():
            await _write(session)
            try:
                async with asyncio.timeout(0.05):
                    await session.execute(text(slow))
            except TimeoutError:
                logging.getLogger(__name__).debug("swallowed on purpose")
            await _write(session, "late.example")
    assert await _count(sessions) == 0


async def test_a_failure_is_recorded_in_a_session_of_its_own(sessions: Sessions) -> None:
    """The recovery session opens after the failed block has closed, and its row is there."""
    try:
        async with sessions.work("job", "shop.example") as session, session.begin():
            await session.turn()
            await _write(session, "lost.example")
            raise RuntimeError("the work failed")
    except RuntimeError:
        async with sessions.recovery("job", "shop.example") as session, session.begin():
            await _write(session, "recorded.example")
    async with sessions.read() as session, session.begin():
        assert list(await session.scalars(select(Domain.name))) == ["recorded.example"]


async def test_the_failed_session_cannot_record_its_own_failure(sessions: Sessions) -> None:
    """Inside the failed block there is no way to write the failure down."""
    with pytest.raises(TransactionRuleBroken):
        async with sessions.brief() as session, session.begin():
            await _write(session, "same.example")
            try:
                await _write(session, "same.example")
            except IntegrityError:
                session.add(_domain("failure.example"))
                await session.flush()
    assert await _count(sessions) == 0


async def test_a_work_session_writes_only_in_its_turn(sessions: Sessions) -> None:
    """A statement before `turn()` would hold the database during network time: it is refused."""
    with pytest.raises(TransactionRuleBroken, match="turn"):
        async with sessions.work("job", "shop.example") as session, session.begin():
            await _write(session)
    assert await _count(sessions) == 0


@pytest.mark.parametrize("role", ["writing", "reading"])
async def test_a_block_that_is_cancelled_anywhere_leaves_no_open_transaction(
    sessions: Sessions, role: str
) -> None:
    """The driver goes on with a statement whose caller was cancelled: BEGIN above all, in a thread."""
    await _count(sessions)  # the connection is open

    async def block(name: str) -> None:
        async with sessions.read() if role == "reading" else sessions.brief() as session, session.begin():
            await session.execute(select(1))
            if role == "writing":
                await _write(session, name)

    for steps in range(40):
        task = asyncio.create_task(block(f"cancelled-{steps}.example"))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        async with sessions.brief() as session, session.begin():
            await _write(session, f"next-{steps}.example")
    async with sessions.read() as session, session.begin():
        names = (await session.scalars(select(Domain.name).where(Domain.name.like("next-%")))).all()
    assert len(names) == 40


async def test_a_claim_goes_before_those_who_wait_to_write(sessions: Sessions) -> None:
    """Whoever has nothing to do waits for it; what is crawled can wait."""
    order: list[str] = []

    async def write(name: str) -> None:
        opened = sessions.claiming("job") if name == "claim" else sessions.brief("job", name)
        async with opened as session, session.begin():
            order.append(name)
            await session.execute(text("SELECT 1"))

    holders = sessions.database.writers
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(holders):
            session = await stack.enter_async_context(sessions.brief("job"))
            await stack.enter_async_context(session.begin())
        waiting = [asyncio.create_task(write(name)) for name in ("a", "b", "claim")]
        await asyncio.sleep(0.05)
        assert order == []
    await asyncio.gather(*waiting)
    assert order[0] == "claim"


async def test_outside_the_block_a_session_is_as_any_other(sessions: Sessions) -> None:
    """There is nothing to protect before it begins and after it has ended, and a reader has no turn to wait
    for."""
    async with sessions.brief() as session, session.begin():
        await _write(session)
    async with sessions.read() as session:
        await session.turn()
        inner = session.sync_session
        assert inner.get_transaction() is None
        inner.rollback()
        inner.reset()
        inner.invalidate()
        with pytest.raises(InvalidRequestError):
            inner.commit()
        async with session.begin():
            names = await session.run_sync(lambda each: each.scalars(select(Domain.name)).all())
            assert names == ["written.example"]


async def test_the_session_below_cannot_begin_again_either(sessions: Sessions) -> None:
    """Whoever reaches through to it meets the same rule."""
    with pytest.raises(TransactionRuleBroken, match="begin"):
        async with sessions.brief() as session, session.begin():
            await _write(session)
            session.sync_session.begin()
    assert await _count(sessions) == 0


async def test_nothing_runs_without_a_begin_block(sessions: Sessions) -> None:
    """There is no autobegin: a forgotten block is an error, not a silent transaction."""
    with pytest.raises(Exception, match="Autobegin"):
        async with sessions.brief() as session:
            await session.execute(text("SELECT 1"))


async def test_begin_holds_no_connection_until_the_first_statement(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    """The block opens at once and costs nothing while the network works; each step is logged."""
    caplog.set_level(logging.DEBUG, "contentmap.transaction")
    async with sessions.work("job-1", "shop.example") as session, session.begin():
        assert session.in_transaction()
        assert cast("QueuePool", sessions.database.engine.pool).checkedout() == 0
        await session.turn()
        await _write(session)
    steps = [
        (
            record.__dict__["action"],
            record.__dict__["in_transaction"],
            record.__dict__["connection_held"],
        )
        for record in caplog.records
    ]
    assert steps == [
        ("transaction.begun", True, False),
        ("transaction.first_statement", True, True),
        ("transaction.committed", False, False),
    ]
    first = caplog.records[0].__dict__
    assert (first["job"], first["domain"], first["role"]) == ("job-1", "shop.example", "work")


async def test_fifty_slow_domains_lose_nothing(sessions: Sessions) -> None:
    """Network first and SQL last, with a turn to write: no writer ever finds the database locked."""

    async def one(number: int) -> None:
        async with sessions.work("job", f"d{number}.example") as session, session.begin():
            await asyncio.sleep(0.05)
            await session.turn()
            await _write(session, f"d{number}.example")

    await asyncio.gather(*(one(number) for number in range(50)))
    assert await _count(sessions) == 50


def test_outcomes_are_told_from_work_in_progress() -> None:
    """Only pending and running are unfinished."""
    assert [status for status in ScanStatus if not status.finished] == [
        ScanStatus.PENDING,
        ScanStatus.RUNNING,
    ]

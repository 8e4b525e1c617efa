"""A session that only its owner can end.

A command opens a session and its one `begin()` block. Inside the block, services run statements, and must not
commit, roll back, close, reset or begin. This is enforced at run time, at the line that breaks the rule:

* those methods raise while the block is open, and the transaction object is not handed out; the exit of the
  block does not use them;
* a statement from another task than the one that began the block raises;
* after a failed statement, the next one raises and the block cannot commit, even if the error was suppressed:
  a domain is never recorded in part.

Each step is logged from the session's events: `transaction.begun`, `.first_statement` (when a connection is
taken), `.committed`, `.rolled_back`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import weakref
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn, cast

from sqlalchemy import Connection, CursorResult, Executable, PoolResetState, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

from contentmap_cli.errors import TransactionRuleBroken

_SESSION = "contentmap_session"
# leading blanks and comments, then a word that begins, ends or nests a transaction
_CONTROL = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE)\b",
    re.IGNORECASE | re.DOTALL,
)
_NO_SYNC = {"synchronize_session": False}

log = logging.getLogger("contentmap.transaction")


class Role(StrEnum):
    """The purpose of a session; part of each of its log records."""

    WORK = "work"  # one domain's results
    RECOVERY = "recovery"  # a failure, after its work session has closed
    BRIEF = "brief"  # a claim, a heartbeat, the job itself
    READ = "read"  # answers; never writes


@dataclass(frozen=True, slots=True)
class Context:
    """What a session is opened for, for the log."""

    role: Role
    job: str | None = None
    domain: str | None = None


class _Refusing(Session):
    """The synchronous session below, through which all statements and transactions pass."""

    context: Context = Context(Role.READ)
    turn_taken: bool = True
    owner_task: asyncio.Task[Any] | None = None
    failed_with: BaseException | None = None
    ending: bool = False  # the block's own exit has begun to commit
    held: Connection | None = None  # its connection, from the first statement of a block to its end

    def begin(self, nested: bool = False) -> SessionTransaction:
        if nested or self.in_transaction():
            self._refuse("begin")
        self.failed_with, self.ending = None, False
        self.owner_task = asyncio.current_task()
        return super().begin()

    def begin_nested(self) -> NoReturn:
        self._refuse("begin_nested")

    def commit(self) -> None:
        self._refuse_inside("commit")
        super().commit()

    def rollback(self) -> None:
        self._refuse_inside("rollback")
        super().rollback()

    def close(self) -> None:
        self._refuse_inside("close")
        super().close()

    def reset(self) -> None:
        self._refuse_inside("reset")
        super().reset()

    def invalidate(self) -> None:
        self._refuse_inside("invalidate")
        super().invalidate()

    def get_transaction(self) -> SessionTransaction | None:
        self._refuse_inside("hand out the transaction of")
        return super().get_transaction()

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        return self._watched(super().execute, *args, **kwargs)

    def scalar(self, *args: Any, **kwargs: Any) -> Any:
        return self._watched(super().scalar, *args, **kwargs)

    def scalars(self, *args: Any, **kwargs: Any) -> Any:
        return self._watched(super().scalars, *args, **kwargs)

    def connection(self, *args: Any, **kwargs: Any) -> Any:
        return self._watched(super().connection, *args, **kwargs)

    def flush(self, *args: Any, **kwargs: Any) -> None:
        self._watched(super().flush, *args, **kwargs)

    def _watched(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a statement, if this session may run another one. Store any failure, also a cancellation."""
        if self.failed_with is not None:
            self._refuse(
                f"go on after a statement failed ({type(self.failed_with).__name__})", self.failed_with
            )
        if self.in_transaction() and asyncio.current_task() is not self.owner_task:
            self._refuse("run a statement from another task")
        try:
            return run(*args, **kwargs)
        except BaseException as error:
            self.remember_failure(error)
            raise

    def remember_failure(self, error: BaseException) -> None:
        """Store the first failure of a statement: from then on nothing can run or be committed."""
        self.failed_with = self.failed_with or error

    def _refuse_inside(self, verb: str) -> None:
        if self.in_transaction():
            self._refuse(verb)

    def _refuse(self, verb: str, cause: BaseException | None = None) -> NoReturn:
        error = TransactionRuleBroken(
            f"only the owner's begin() block may end a transaction: refused to {verb} "
            f"the {self.context.role} session of {self.context.domain or 'the run'}"
        )
        # the block must not commit either if this error is suppressed
        self.remember_failure(error)
        raise error from cause


class GuardedSession(AsyncSession):
    """An AsyncSession that only its owner can end, with a turn to write. Services are given this one.

    `dialect` is that of the database.
    """

    sync_session_class = _Refusing
    sync_session: _Refusing

    def __init__(
        self, engine: AsyncEngine, context: Context, take_turn: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        # services flush what they add: a flush before each statement would be a second check of each
        super().__init__(engine, expire_on_commit=False, autobegin=False, autoflush=False)
        self.dialect = engine.dialect
        self.context = self.sync_session.context = context
        self._take_turn = take_turn
        self.sync_session.turn_taken = take_turn is None

    async def turn(self) -> None:
        """Wait for this session's turn to write. Call it after the network part, before the first statement.
        The turn ends with the session."""
        if self._take_turn is not None:
            await self._take_turn()
        self.sync_session.turn_taken = True

    @property
    def writing(self) -> bool:
        """Whether it has its turn to write: from then on it should finish rather than be cancelled."""
        return self.sync_session.turn_taken

    async def __aenter__(self) -> GuardedSession:
        if self.sync_session.in_transaction():
            self.sync_session._refuse("enter")
        await super().__aenter__()
        return self

    async def __aexit__(self, *exc: Any) -> None:
        if self.sync_session.in_transaction():
            await super().__aexit__(*exc)
        else:
            self.sync_session.close()  # it holds no connection

    async def write(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> int:
        """Run one UPDATE, INSERT or DELETE and return the number of rows. Objects that the session has loaded
        are not refreshed."""
        result = await self.execute(statement, parameters, execution_options=_NO_SYNC)
        return cast("CursorResult[Any]", result).rowcount

    def mark_failed(self, error: BaseException) -> None:
        """Store a failure that only the driver saw, so that the block cannot commit."""
        self.sync_session.remember_failure(error)

    def note(self, action: str, **extra: object) -> None:
        """Log a step of the work with the state of this session's transaction."""
        _note(self.sync_session, action, **extra)


def guard_engine(engine: AsyncEngine) -> None:
    """Enforce the rule on connections too, where a service may bypass the session."""
    event.listen(engine.sync_engine, "handle_error", _remember)
    event.listen(engine.sync_engine, "savepoint", _refuse_savepoint)
    event.listen(engine.sync_engine, "commit", _refuse_commit)
    event.listen(engine.sync_engine, "rollback", _remember_rollback)
    event.listen(engine.sync_engine, "before_cursor_execute", _refuse_control_text)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "reset", _end_left_over)


def _end_left_over(connection: Any, _record: Any, state: PoolResetState) -> None:
    """Roll back a transaction that its owner could not end. Usually there is none, and the call to the
    connection's thread is saved."""
    if not state.terminate_only and connection.driver_connection.in_transaction:
        connection.rollback()


def _refuse_savepoint(connection: Connection, name: str) -> None:
    _refuse_control(connection, "a SAVEPOINT was asked for: transactions never nest here")


def _refuse_commit(connection: Connection) -> None:
    session = _session_of(connection)
    if session is not None and session.in_transaction() and not session.ending:
        session._refuse("commit the connection of")


def _remember_rollback(connection: Connection) -> None:
    """Store that the connection was rolled back: nothing may be committed after that. The block's own
    rollback ends the session's transaction anyway."""
    session = _session_of(connection)
    if session is not None and session.in_transaction():
        session.remember_failure(TransactionRuleBroken("the connection was rolled back"))


def _refuse_control(connection: Connection, message: str) -> NoReturn:
    error = TransactionRuleBroken(message)
    session = _session_of(connection)
    if session is not None:
        session.remember_failure(error)
    raise error


def _refuse_control_text(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    if _CONTROL.match(statement):
        _refuse_control(connection, "transaction control was sent as text: only the owner's block ends one")


def _session_of(connection: Connection) -> _Refusing | None:
    if connection.invalidated:
        return None  # nothing is left on it to commit, and to look would raise in the middle of a rollback
    reference = connection.info.get(_SESSION)
    session: _Refusing | None = reference() if reference is not None else None
    return session


def _remember(context: ExceptionContext) -> None:
    if context.connection is None or context.connection.invalidated:
        return
    session = _session_of(context.connection)
    if session is not None and session.in_transaction():
        session.remember_failure(context.original_exception)


def _note(session: _Refusing, action: str, **extra: object) -> None:
    if not log.isEnabledFor(logging.DEBUG):
        return
    context = session.context
    state = session.in_transaction()
    held = bool(state and session.held)
    log.debug(
        "%s",
        action,
        extra={
            "action": action,
            "job": context.job,
            "domain": context.domain,
            "role": str(context.role),
            "in_transaction": state,
            "connection_held": held,
            **extra,
        },
    )


@event.listens_for(_Refusing, "after_transaction_create")
def _created(session: _Refusing, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info["outcome"] = "rolled_back"
        _note(session, "transaction.begun")


@event.listens_for(_Refusing, "after_begin")
def _connected(session: _Refusing, transaction: SessionTransaction, connection: Connection) -> None:
    session.held = connection
    connection.info[_SESSION] = weakref.ref(session)
    if not session.turn_taken:
        session._refuse("run a statement before its turn to write")
    _note(session, "transaction.first_statement")


@event.listens_for(_Refusing, "before_commit")
def _committing(session: _Refusing) -> None:
    if session.failed_with is not None:
        session._refuse(f"commit after {type(session.failed_with).__name__}", session.failed_with)
    session.ending = True


@event.listens_for(_Refusing, "after_commit")
def _committed(session: _Refusing) -> None:
    session.info["outcome"] = "committed"


@event.listens_for(_Refusing, "after_transaction_end")
def _ended(session: _Refusing, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.held = session.owner_task = None
        outcome = session.info["outcome"]
        _note(session, f"transaction.{outcome}")

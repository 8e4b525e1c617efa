"""What a driver raised: whether the database is to blame, and what a person is told."""

from __future__ import annotations

import errno
import sqlite3

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InternalError, PendingRollbackError

from contentmap_cli.errors import (
    ConnectionLost,
    ContentMapError,
    DatabaseUnavailable,
    SchemaMismatch,
    StorageConflict,
    StorageRefused,
    TooManyConnections,
)
from contentmap_cli.storage.database_errors import storage_error
from contentmap_cli.storage.engine import Database, open_database


def test_what_is_ours_already_stays_as_it_is() -> None:
    """It was said once, where it was known best."""
    ours = DatabaseUnavailable("the database is away", hint="wait")
    assert storage_error(ours, "db") is ours


def test_a_connection_lost_between_two_statements() -> None:
    """SQLAlchemy says it with an error of its own."""
    assert isinstance(storage_error(PendingRollbackError("gone"), "db"), ConnectionLost)


async def test_a_statement_that_is_wrong_is_not_the_databases_fault(database: Database) -> None:
    """It is a bug, and is shown as one."""
    async with database.engine.connect() as connection:
        with pytest.raises(DBAPIError) as caught:
            await connection.execute(text("INSERT INTO domains (tenant_id, name) VALUES (NULL, NULL)"))
    assert storage_error(caught.value, "db") is None


async def test_what_a_server_says_is_told_by_its_sqlstate(postgres_address: str) -> None:
    """The server's own sentence is quoted; any other code is an answer, or that of a wrong statement."""
    database = open_database(postgres_address)
    states: dict[str, tuple[type[ContentMapError], str] | None] = {
        "53100": (DatabaseUnavailable, "is full"),
        "53200": (DatabaseUnavailable, "short of resources"),
        "53300": (TooManyConnections, "no more connections"),
        "25006": (DatabaseUnavailable, "read-only"),
        "28000": (DatabaseUnavailable, "refuses this user"),
        "28P01": (DatabaseUnavailable, "credentials"),
        "57014": (StorageRefused, "cancelled a statement"),
        "57P01": (ConnectionLost, "cannot be reached"),
        "08006": (ConnectionLost, "cannot be reached"),
        "40001": (StorageConflict, "another one"),
        "40P01": (StorageConflict, "another one"),
        "42P01": (SchemaMismatch, "no ContentMap schema"),
        "42P05": (DatabaseUnavailable, "pooler"),
        "XX001": (DatabaseUnavailable, "damaged"),
        "22003": (StorageRefused, "answered"),
        "23505": None,
        "42601": None,
    }
    async with database.engine.connect() as connection:
        for state, expected in states.items():
            said = f"in its own words, {state}"
            with pytest.raises(DBAPIError) as caught:
                await connection.exec_driver_sql(
                    f"DO $$ BEGIN RAISE EXCEPTION '{said}' USING ERRCODE = '{state}'; END $$"
                )
            known = storage_error(caught.value, "db")
            assert (known and type(known)) == (expected and expected[0]), state
            if known is not None and expected is not None:
                assert expected[1] in known.message, state
                assert said in known.message
                assert known.hint
            await connection.rollback()
    await database.close()


@pytest.mark.parametrize(
    "error", [ConnectionResetError(), TimeoutError(), OSError(errno.ENOSPC, "No space left on device")]
)
def test_an_error_of_the_system_is_not_the_databases_fault(error: OSError) -> None:
    """Nothing about it says where it happened: those of a connection are converted there."""
    assert storage_error(error, "db") is None


def test_what_the_server_said_last_is_told() -> None:
    """The rollback on a connection that the server has ended fails as well."""
    try:
        try:
            raise asyncpg.AdminShutdownError("terminating connection due to administrator command")
        except asyncpg.PostgresError:
            raise asyncpg.InterfaceError("cannot call Transaction.rollback()") from None
    except asyncpg.InterfaceError as error:
        known = storage_error(error, "db")
    assert isinstance(known, ConnectionLost)
    assert "administrator command" in known.message


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (KeyError("x"), None),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), None),
        (asyncpg.InterfaceError("connection is closed"), ConnectionLost),
        (asyncpg.ConnectionDoesNotExistError("closed in the middle of operation"), ConnectionLost),
        (sqlite3.IntegrityError("NOT NULL constraint failed"), StorageRefused),
    ],
)
def test_an_error_while_another_is_handled_is_told_by_itself(
    later: Exception, expected: type[ContentMapError] | None
) -> None:
    """Only for a lost connection the earlier error counts, and only where it tells of the loss."""
    try:
        try:
            raise asyncpg.QueryCanceledError("canceling statement due to statement timeout")
        except asyncpg.PostgresError:
            raise later  # noqa: B904 - the context is what is tested
    except Exception as error:
        known = storage_error(error, "db")
    assert (known and type(known)) == expected
    assert "statement timeout" not in str(known)


def test_a_session_that_the_server_ended_is_a_lost_connection() -> None:
    """The driver has not seen the socket close yet, and says that an operation is in progress."""
    driver = asyncpg.InterfaceError("cannot perform operation: another operation is in progress")
    assert isinstance(storage_error(driver, "db"), ConnectionLost)
    internal = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
    assert isinstance(storage_error(InternalError("COPY", {}, internal), "db"), ConnectionLost)

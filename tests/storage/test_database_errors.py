"""What a driver raised: whether the database is to blame, and what a person is told."""

from __future__ import annotations

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InternalError, PendingRollbackError

from contentmap_cli.errors import ConnectionLost, DatabaseUnavailable
from contentmap_cli.storage.database_errors import storage_error
from contentmap_cli.storage.engine import Database


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


def test_a_session_that_the_server_ended_is_a_lost_connection() -> None:
    """The driver has not seen the socket close yet, and says that an operation is in progress."""
    driver = asyncpg.InterfaceError("cannot perform operation: another operation is in progress")
    assert isinstance(storage_error(driver, "db"), ConnectionLost)
    internal = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
    assert isinstance(storage_error(InternalError("COPY", {}, internal), "db"), ConnectionLost)

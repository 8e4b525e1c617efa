"""Opens the database of a command and checks its schema."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_data_path
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection

from contentmap_cli.errors import DatabaseUnavailable, NotFound, SchemaMismatch
from contentmap_cli.storage.database_errors import storage_errors
from contentmap_cli.storage.database_url import FILE, parse_database_address, show_database_address
from contentmap_cli.storage.engine import READ_ONLY, Database, open_database
from contentmap_cli.storage.schema import (
    SchemaState,
    create_schema,
    read_version,
    require_current,
    require_server,
)
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.watchdog import watched

if TYPE_CHECKING:
    from contentmap_cli.commands.interface.global_options import GlobalOptions


def database_address(cli: GlobalOptions) -> URL:
    """Return the address that the user gave, or the SQLite file in the user's data folder."""
    return parse_database_address(str(default_file()) if cli.db is None else cli.db)


def default_file() -> Path:
    """Return `contentmap.db` in the data folder of the platform."""
    return user_data_path("contentmap", appauthor=False) / "contentmap.db"


@asynccontextmanager
async def database_for_writing(cli: GlobalOptions, *, create: bool = True) -> AsyncIterator[Database]:
    """Open the database with a current schema. With `create`, a missing SQLite file is created."""
    address = database_address(cli)
    if not create and _is_missing_file(address):
        raise _nothing_yet(show_database_address(address))
    if address.drivername == FILE:
        _make_folder(Path(str(address.database)), own=cli.db is None)
    async with _opened(address, writable=True) as database, watched(database, address):
        async with database.engine.begin() as connection:
            state, revision = await schema_of(database, connection)
            if state is SchemaState.EMPTY and database.path is not None:
                await connection.run_sync(create_schema)
            else:
                require_current(state, revision, database.shown)
        database.check_file()
        yield database


@asynccontextmanager
async def database_for_reading(cli: GlobalOptions) -> AsyncIterator[Sessions]:
    """Open read-only sessions on the database of a command."""
    async with open_for_reading(database_address(cli)) as sessions:
        yield sessions


@asynccontextmanager
async def open_for_reading(address: URL) -> AsyncIterator[Sessions]:
    """Open read-only sessions on an existing database with a current schema."""
    if _is_missing_file(address):
        raise _nothing_yet(show_database_address(address))
    async with _opened(address, writable=False) as database:
        reading = database.engine.execution_options(**{READ_ONLY: True})
        async with reading.connect() as connection:
            state, revision = await schema_of(database, connection)
            require_current(state, revision, database.shown)
        yield Sessions(database)


async def schema_of(database: Database, connection: AsyncConnection) -> tuple[SchemaState, str | None]:
    """Return the state of the schema and its revision. Raise DatabaseUnavailable for an old server."""
    await connection.run_sync(require_server, database.shown)
    return await connection.run_sync(read_version)


@asynccontextmanager
async def opened_as_is(cli: GlobalOptions, *, create: bool, patient: bool = False) -> AsyncIterator[Database]:
    """Open the database with any schema, for the commands that read or change the schema. `patient`: a
    statement may take any time."""
    address = database_address(cli)
    if create and address.drivername == FILE:
        _make_folder(Path(str(address.database)), own=cli.db is None)
    elif _is_missing_file(address):
        shown = show_database_address(address)
        raise SchemaMismatch(f"no such database: {shown}", hint="create it with `contentmap db upgrade`")
    async with _opened(address, writable=create, patient=patient) as database:
        yield database


@asynccontextmanager
async def opened_address(address: URL) -> AsyncIterator[Database]:
    """Open a database with any schema for writing; a missing SQLite file is created."""
    if address.drivername == FILE:
        _make_folder(Path(str(address.database)), own=False)
    async with _opened(address, writable=True) as database:
        yield database


@asynccontextmanager
async def _opened(address: URL, *, writable: bool, patient: bool = False) -> AsyncIterator[Database]:
    database = open_database(address, writable=writable, patient=patient)
    try:
        with storage_errors(database.shown):
            yield database
    finally:
        await database.close()


def _is_missing_file(address: URL) -> bool:
    try:
        return address.drivername == FILE and not Path(str(address.database)).exists()
    except OSError:
        return False  # opening it reports the error


def _nothing_yet(shown: str) -> NotFound:
    return NotFound(
        f"nothing is recorded yet: no such database: {shown}",
        hint="run `contentmap scan example.com` first, or name the database with --db",
    )


def _make_folder(file: Path, *, own: bool) -> None:
    """Create the folder of the default database. A folder that the user named must exist."""
    folder = file.absolute().parent
    try:
        if own:
            folder.mkdir(parents=True, exist_ok=True)
        elif not folder.is_dir():
            raise DatabaseUnavailable(
                f"no such folder for the database: {folder}",
                hint="create it, or name another database with --db",
            )
    except OSError as error:
        raise DatabaseUnavailable(
            f"cannot create the folder {folder} for the database",
            hint="name a database in a writable folder with --db",
        ) from error
    if file.is_dir():
        raise DatabaseUnavailable(f"{file} is a folder, not a database", hint="name a file with --db")
    if file.exists() and not os.access(file, os.W_OK):
        raise DatabaseUnavailable(
            f"the database {file} is read-only", hint="name a writable database with --db"
        )

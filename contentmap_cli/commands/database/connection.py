"""Opens the database of a command and checks its schema."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncConnection

from contentmap_cli.commands.interface.process_setup import hide_argument
from contentmap_cli.commands.settings.config_files import DATABASE_VARIABLE, user_folder
from contentmap_cli.errors import DatabaseUnavailable, NotFound, SchemaMismatch, UsageError
from contentmap_cli.storage.database_errors import storage_errors
from contentmap_cli.storage.database_url import DatabaseAddress, parse_database_address
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


def database_address(cli: GlobalOptions) -> DatabaseAddress:
    """Return the address that the user gave, or the SQLite file in the user's data folder."""
    check_variable(cli)
    if cli.db is not None:
        address = parse_database_address(cli.db)
        if address.has_secret and "db" in cli.given:
            hide_argument(cli.db)
        return address
    file = default_file()
    if file is None:
        raise UsageError("no database is named, and this user has no home folder", hint="name one with --db")
    return parse_database_address(str(file))


def check_variable(cli: GlobalOptions) -> None:
    """Raise UsageError for an empty variable, which the argument parser takes for one that is not set."""
    if "db" not in cli.given and os.environ.get(DATABASE_VARIABLE) == "":
        raise UsageError(f"{DATABASE_VARIABLE} is empty", hint=f"set it, or run `unset {DATABASE_VARIABLE}`")


def default_file() -> Path | None:
    """Return `contentmap.db` in the data folder of the platform, None for a user without a home."""
    folder = user_folder("data")
    return None if folder is None else folder / "contentmap.db"


@asynccontextmanager
async def database_for_writing(cli: GlobalOptions, *, create: bool = True) -> AsyncIterator[Database]:
    """Open the database with a current schema. With `create`, a missing SQLite file is created."""
    address = database_address(cli)
    if not (create and not address.must_exist) and _is_missing_file(address):
        raise _nothing_yet(address.shown)
    if address.path is not None:
        _check_writable(address, own=cli.db is None)
    async with _opened(address, writable=True) as database:
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
async def open_for_reading(address: DatabaseAddress) -> AsyncIterator[Sessions]:
    """Open read-only sessions on an existing database with a current schema."""
    if _is_missing_file(address):
        raise _nothing_yet(address.shown)
    async with _opened(address, writable=False) as database:
        reading = database.engine.execution_options(**{READ_ONLY: True})
        async with reading.begin() as connection:  # after a rollback it would not be used again
            state, revision = await schema_of(database, connection)
            require_current(state, revision, database.shown)
        yield Sessions(database)


async def schema_of(database: Database, connection: AsyncConnection) -> tuple[SchemaState, str | None]:
    """Return the state of the schema and its revision. Raise DatabaseUnavailable for an old server, and
    SchemaMismatch where the schema that the address names does not exist."""
    await connection.run_sync(require_server, database.shown)
    if database.path is None and connection.dialect.default_schema_name is None:
        raise SchemaMismatch(
            f"the database {database.shown} has none of the schemas of its search_path",
            hint="create one first, for example: CREATE SCHEMA name",
        )
    return await connection.run_sync(read_version)


@asynccontextmanager
async def opened_as_is(cli: GlobalOptions, *, create: bool, patient: bool = False) -> AsyncIterator[Database]:
    """Open the database with any schema, for the commands that read or change the schema. `patient`: a
    statement may take any time."""
    address = database_address(cli)
    if create and not address.must_exist and address.path is not None:
        _check_writable(address, own=cli.db is None)
    elif _is_missing_file(address):
        raise SchemaMismatch(
            f"no such database: {address.shown}", hint="create it with `contentmap db upgrade`"
        )
    async with _opened(address, writable=create, patient=patient) as database:
        yield database


@asynccontextmanager
async def opened_address(address: DatabaseAddress) -> AsyncIterator[Database]:
    """Open the database of --to with any schema for writing; a missing SQLite file is created."""
    if address.path is not None and not (address.must_exist and _is_missing_file(address)):
        _check_writable(address, own=False, option="--to")
    async with _opened(address, writable=True) as database:
        yield database


@asynccontextmanager
async def _opened(
    address: DatabaseAddress, *, writable: bool, patient: bool = False
) -> AsyncIterator[Database]:
    """Open a database. A server is watched where its answers have no timeout."""
    database = open_database(address, writable=writable, patient=patient)
    watch = watched(database, address) if writable or patient else nullcontext()
    try:
        with storage_errors(database.shown):
            async with watch:
                yield database
    finally:
        await database.close()


def _is_missing_file(address: DatabaseAddress) -> bool:
    try:
        return address.path is not None and not address.path.exists()
    except OSError:
        return False  # opening it reports the error


def _nothing_yet(shown: str) -> NotFound:
    return NotFound(
        f"nothing is recorded yet: no such database: {shown}",
        hint="run `contentmap scan example.com` first, or name the database with --db",
    )


def _check_writable(address: DatabaseAddress, *, own: bool, option: str = "--db") -> None:
    """Create the folder of the default database. A folder that the user named must exist. Raise an error for
    a file that cannot be written."""
    file = address.path
    assert file is not None  # noqa: S101 - the caller has a file
    if address.read_only:
        raise UsageError(
            f"the database {address.shown} is only to be read", hint=f"name it without options: {file}"
        )
    folder = file.absolute().parent
    try:
        if own:
            folder.mkdir(parents=True, exist_ok=True)
        elif not folder.is_dir():
            raise DatabaseUnavailable(
                f"no such folder for the database: {folder}",
                hint=f"create it, or name another database with {option}",
            )
    except OSError as error:
        raise DatabaseUnavailable(
            f"cannot create the folder {folder} for the database",
            hint="name a database in a writable folder with --db",
        ) from error
    if file.is_dir():
        raise DatabaseUnavailable(f"{file} is a folder, not a database", hint=f"name a file with {option}")
    for each, what in ((file, "database"), (folder, "folder of the database")):
        if each.exists() and not os.access(each, os.W_OK):
            raise DatabaseUnavailable(
                f"the {what} {each} is read-only", hint=f"name a writable database with {option}"
            )

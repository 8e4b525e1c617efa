"""The schema's version: is it there, is it ours, is it current; and how to bring it up to date."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    func,
    inspect,
    select,
    text,
)

from contentmap_cli.errors import DatabaseUnavailable, SchemaMismatch
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.tables import Base, Job

if TYPE_CHECKING:
    from alembic.config import Config

HEAD: Final = "0007"
"""The revision this code works with. A test holds it against the newest migration."""

OLDEST_SERVER: Final = (14,)
"""The oldest PostgreSQL that is worked with."""

VERSION_TABLE: Final = "contentmap_version"


_LOCK: Final = 0x636F6E746D6170  # any number that others are unlikely to lock


class SchemaState(StrEnum):
    """What a database holds, seen from this version of ContentMap."""

    EMPTY = "empty"  # no table of ours
    CURRENT = "current"
    OLDER = "older"
    NEWER = "newer"
    FOREIGN = "foreign"  # tables with our names that another program made


def require_server(connection: Connection, shown: str) -> None:
    """Raises DatabaseUnavailable where the server is older than what ContentMap is tested with."""
    version = connection.dialect.server_version_info
    if connection.dialect.name == "postgresql" and version is not None and version < OLDEST_SERVER:
        raise DatabaseUnavailable(
            f"the database {shown} is on PostgreSQL {version[0]}, and ContentMap needs {OLDEST_SERVER[0]}",
            hint="name a database on a newer server with --db, or an SQLite file",
        )


def tables_on(dialect: str) -> list[MetaData]:
    """The registries of all tables that a database of this kind has."""
    if dialect != "postgresql":
        return [Base.metadata]
    from contentmap_cli.storage.queue.queue_tables import QUEUE  # loads PostgreSQL's dialect

    return [Base.metadata, QUEUE]


def read_version(connection: Connection) -> tuple[SchemaState, str | None]:
    """The state of the schema and its revision, None where there is none."""
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE in tables:
        revision = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant of ours
        if revision is None:
            return SchemaState.EMPTY, None
        revision = str(revision)
        if revision == HEAD:
            return SchemaState.CURRENT, revision
        # revisions are numbered, so an unknown larger one is a newer ContentMap's
        return (SchemaState.OLDER if revision < HEAD else SchemaState.NEWER), revision
    if not tables.isdisjoint(name for ours in tables_on(connection.dialect.name) for name in ours.tables):
        return SchemaState.FOREIGN, None
    return SchemaState.EMPTY, None


def require_current(state: SchemaState, revision: str | None, shown: str) -> None:
    """Raises SchemaMismatch, with what to do about it, unless the schema is current."""
    if state is SchemaState.CURRENT:
        return
    if state is SchemaState.NEWER:
        raise SchemaMismatch(
            f"the database {shown} has schema {revision}, newer than this ContentMap knows ({HEAD})",
            hint="upgrade ContentMap: pip install --upgrade contentmap-cli",
        )
    if state is SchemaState.FOREIGN:
        raise SchemaMismatch(
            f"the database {shown} holds another program's tables under names ContentMap uses",
            hint="give ContentMap a database of its own with --db",
        )
    what = "has no ContentMap schema" if state is SchemaState.EMPTY else f"has the older schema {revision}"
    raise SchemaMismatch(f"the database {shown} {what}", hint="run `contentmap db upgrade`")


def held_jobs(
    connection: Connection, dead: Callable[[str | None], bool], running: Callable[[str | None], bool]
) -> list[str]:
    """Return the jobs of live runs, the oldest first. `dead` and `running` say of a run id whether its
    process has certainly ended, or certainly runs; for any other the lease counts. Any schema has these
    columns."""
    leased = func.coalesce(Job.lease_until > utc_now(), False)
    held = select(Job.id, Job.owner, leased).where(Job.lease_until.is_not(None)).order_by(Job.created_at)
    return [
        job for job, owner, lease in connection.execute(held) if not dead(owner) and (lease or running(owner))
    ]


def lock_schema(connection: Connection) -> None:
    """Has others who would change the schema wait until the caller's transaction has ended."""
    if connection.dialect.name == "postgresql":  # on SQLite the transaction itself does that
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def migrations_folder() -> Path:
    """Where the migrations are: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def create_schema(connection: Connection) -> None:
    """Makes the current schema in a database that is empty, on a connection whose transaction the caller
    owns. The tables are those that the migrations make (a test holds the two against each other), without
    the time it takes to load and run them: every first scan waits for this."""
    for tables in tables_on(connection.dialect.name):
        tables.create_all(connection)
    version = Table(
        VERSION_TABLE,
        MetaData(),
        Column("version_num", String(32), nullable=False),
        PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
    )
    version.create(connection)
    connection.execute(version.insert().values(version_num=HEAD))


def upgrade_schema(connection: Connection, revision: str = "head") -> None:
    """Brings the schema up to `revision` on a connection whose transaction the caller owns.

    Raises SchemaMismatch where no migration leads from what is there.
    """
    from alembic import command
    from alembic.util import CommandError

    try:
        command.upgrade(_config(connection), revision)
    except CommandError as error:
        raise SchemaMismatch(
            "the database's schema is of a version that no migration leads from",
            hint="restore a backup, or give ContentMap a database of its own with --db",
        ) from error


def downgrade_schema(connection: Connection, revision: str) -> None:
    """Takes the schema down to `revision` ("base" for nothing) on the caller's connection."""
    from alembic import command

    command.downgrade(_config(connection), revision)


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config

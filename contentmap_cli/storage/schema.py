"""The version of the schema: read it, compare it with this version of ContentMap, upgrade it."""

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

HEAD: Final = "0012"
"""The revision that this code works with. A test compares it with the newest migration."""

OLDEST_SERVER: Final = (14,)
"""The oldest supported PostgreSQL."""

VERSION_TABLE: Final = "contentmap_version"


_LOCK: Final = 0x636F6E746D6170  # any number that others are unlikely to lock


class SchemaState(StrEnum):
    """The state of a database, for this version of ContentMap."""

    EMPTY = "empty"  # no table of ours
    CURRENT = "current"
    OLDER = "older"
    NEWER = "newer"
    FOREIGN = "foreign"  # tables of another program with the same names


def require_server(connection: Connection, shown: str) -> None:
    """Raise DatabaseUnavailable where the server is older than the oldest supported one."""
    version = connection.dialect.server_version_info
    if connection.dialect.name == "postgresql" and version is not None and version < OLDEST_SERVER:
        raise DatabaseUnavailable(
            f"the database {shown} is on PostgreSQL {version[0]}, and ContentMap needs {OLDEST_SERVER[0]}",
            hint="name a database on a newer server with --db, or an SQLite file",
        )


def tables_on(dialect: str) -> list[MetaData]:
    """Return the metadata of all tables of a database of this dialect."""
    if dialect != "postgresql":
        return [Base.metadata]
    from contentmap_cli.storage.queue.queue_tables import QUEUE  # loads PostgreSQL's dialect

    return [Base.metadata, QUEUE]


def read_version(connection: Connection) -> tuple[SchemaState, str | None]:
    """Return the state of the schema and its revision, None where there is none."""
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
    """Raise SchemaMismatch, with a hint, unless the schema is current."""
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
    """Lock the schema against other changes until the caller's transaction ends."""
    if connection.dialect.name == "postgresql":  # on SQLite the transaction itself does that
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def migrations_folder() -> Path:
    """Return the folder of the migrations: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def create_schema(connection: Connection) -> None:
    """Create the current schema in an empty database, on a connection whose transaction the caller owns. The
    tables are those that the migrations make (a test compares them), without the time to load and run the
    migrations, which every first scan would wait for."""
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
    """Upgrade the schema to `revision` on a connection whose transaction the caller owns.

    Raises SchemaMismatch where no migration leads from the current revision.
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
    """Downgrade the schema to `revision` ("base" for nothing) on the caller's connection."""
    from alembic import command

    command.downgrade(_config(connection), revision)


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config

"""`sitemap_urls` as one table or as partitions by hash of the domain, on PostgreSQL, and the conversion.

All rows of a domain are in one partition, and every statement names the domain: the server opens one
partition only. Columns, defaults, keys and indexes are copied from the existing table, not from the models,
so that the effect of all migrations is kept. A migration that alters the parent alters all partitions.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Final, NamedTuple

from sqlalchemy import Connection, func, select

from contentmap_cli.errors import SchemaMismatch
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.tables import SITEMAP_URLS, DomainScan

_NAME: Final = SITEMAP_URLS.name
_OLD: Final = f"{_NAME}_before"
_PARTITION: Final = re.compile(rf"{_NAME}_p\d+")
_PARTS: Final = f"SELECT inhrelid FROM pg_inherits WHERE inhparent = '{_NAME}'::regclass"  # noqa: S608 - names of ours

_BYTES: Final = f"""
SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE oid = '{_NAME}'::regclass OR oid IN ({_PARTS})
"""  # noqa: S608 - names of ours
_CONSTRAINTS: Final = f"""
SELECT format('ALTER TABLE {_NAME} ADD CONSTRAINT %I %s', conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE conrelid = '{_NAME}'::regclass AND contype IN ('p', 'u', 'c', 'f')
ORDER BY array_position(ARRAY['p', 'u', 'c', 'f'], contype::text), conname
"""  # noqa: S608 - names of ours; what is not null comes with the columns
_INDEXES: Final = f"""
SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') FROM pg_index
WHERE indrelid = '{_NAME}'::regclass
AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid AND conrelid = indrelid)
ORDER BY indexrelid::regclass::text
"""  # noqa: S608 - names of ours
_RIGHTS: Final = f"""
SELECT format('GRANT %s ON {_NAME} TO %s', privilege_type,
  CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
  || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
FROM pg_class, aclexplode(relacl) WHERE oid = '{_NAME}'::regclass AND grantee <> relowner
"""  # noqa: S608 - names of ours
_OWNER: Final = f"SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class WHERE oid = '{_NAME}'::regclass"  # noqa: S608 - names of ours
_DEPENDENTS: Final = f"""
SELECT 'the trigger ' || tgname FROM pg_trigger WHERE tgrelid = '{_NAME}'::regclass AND NOT tgisinternal
UNION ALL
SELECT 'the view ' || ev_class::regclass::text FROM pg_rewrite JOIN pg_depend ON objid = pg_rewrite.oid
WHERE refobjid = '{_NAME}'::regclass
"""  # noqa: S608 - names of ours


class Size(NamedTuple):
    """Number of rows, and bytes on the server's disk with all indexes."""

    rows: int
    bytes: int


def is_partition(name: str | None) -> bool:
    """Return whether a table is one of the partitions, which no model describes."""
    return name is not None and _PARTITION.fullmatch(name) is not None


def of_the_models(name: str | None, kind: str, _parents: object) -> bool:
    """The `include_name` hook of Alembic: partitions are not compared with the models."""
    return not (kind == "table" and is_partition(name))


def read_partitions(connection: Connection) -> int:
    """Return the number of partitions of `sitemap_urls`; 1 where it is one table, as always on SQLite."""
    if connection.dialect.name != "postgresql":
        return 1
    return len(_texts(connection, _PARTS)) or 1


def hold_still(connection: Connection) -> None:
    """Lock out new jobs, claims and writes to URLs until the caller's transaction ends.

    Other transactions wait as for any lock. Call it before looking for running jobs: none can start in
    between.
    """
    connection.exec_driver_sql("LOCK TABLE jobs, domain_scans IN SHARE ROW EXCLUSIVE MODE")
    connection.exec_driver_sql(f"LOCK TABLE {_NAME} IN ACCESS EXCLUSIVE MODE")


def busy_jobs(connection: Connection) -> list[str]:
    """Return the jobs with a domain under a live lease of any run."""
    held = select(DomainScan.job_id).where(DomainScan.lease_until > utc_now()).distinct()
    return [job_id for job_id in connection.execute(held).scalars() if job_id is not None]


def measure(connection: Connection) -> Size:
    """Return the number of rows to be moved and their bytes."""
    rows = connection.execute(select(func.count()).select_from(SITEMAP_URLS)).scalar()
    return Size(int(rows or 0), _bytes(connection))


def partition(connection: Connection, partitions: int) -> Size:
    """Convert `sitemap_urls` to a number of partitions (1: one table) on a connection whose transaction the
    caller owns. Returns the rows moved and the bytes that they take now.

    The old and the new table exist side by side until the transaction ends. Keys and indexes are created
    after the rows, which is faster and leaves no gaps. Raises SchemaMismatch where an object of another
    program depends on the table.
    """
    _refuse_dependents(connection)
    later = [_texts(connection, query) for query in (_CONSTRAINTS, _INDEXES, _RIGHTS)]
    (owner,) = _texts(connection, _OWNER)
    for oid in _texts(connection, _PARTS):
        name = _texts(connection, f"SELECT {oid}::regclass")[0]
        connection.exec_driver_sql(f"ALTER TABLE {name} RENAME TO {_OLD}_{oid}")
    connection.exec_driver_sql(f"ALTER TABLE {_NAME} RENAME TO {_OLD}")
    made = f"CREATE TABLE {_NAME} (LIKE {_OLD} INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING COMMENTS)"
    tables = {_NAME: made}
    if partitions > 1:
        tables[_NAME] += " PARTITION BY HASH (domain_id)"
        for number in range(partitions):
            tables[f"{_NAME}_p{number}"] = (
                f"CREATE TABLE {_NAME}_p{number} PARTITION OF {_NAME} "
                f"FOR VALUES WITH (MODULUS {partitions}, REMAINDER {number})"
            )
    for name, statement in tables.items():
        connection.exec_driver_sql(statement)
        connection.exec_driver_sql(f"ALTER TABLE {name} OWNER TO {owner}")  # the current user may be another
    moved = connection.exec_driver_sql(f"INSERT INTO {_NAME} SELECT * FROM {_OLD}").rowcount  # noqa: S608 - names of ours
    connection.exec_driver_sql(f"DROP TABLE {_OLD}")
    for statement in chain.from_iterable(later):
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql(f"ANALYZE {_NAME}")
    return Size(moved, _bytes(connection))


def _bytes(connection: Connection) -> int:
    return int(_texts(connection, _BYTES)[0])


def _texts(connection: Connection, query: str) -> list[str]:
    """Return the first column of a result as text."""
    return [str(value) for value in connection.exec_driver_sql(query).scalars()]


def _refuse_dependents(connection: Connection) -> None:
    """Raise SchemaMismatch where a view or trigger depends on the table: it would be dropped with it."""
    hanging = _texts(connection, _DEPENDENTS)
    if hanging:
        raise SchemaMismatch(
            f"{hanging[0]}, which is not ContentMap's, hangs on the table {_NAME}",
            hint="drop it, partition, and make it again",
        )

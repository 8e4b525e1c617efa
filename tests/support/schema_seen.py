"""What a database itself says of its schema, and how that differs from the models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

from contentmap_cli.storage import schema
from contentmap_cli.storage.partitions import is_partition, of_the_models
from contentmap_cli.storage.schema import tables_on


def differences(connection: Connection) -> list[object]:
    """What Alembic would do to the database to make it what the models say."""
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": True,
            "compare_server_default": True,
            "version_table": schema.VERSION_TABLE,
            "include_name": of_the_models,
        },
    )
    return list(compare_metadata(context, tables_on(connection.dialect.name)))


def built(connection: Connection) -> dict[str, Any]:
    """All that the database itself says of our tables, columns, keys and indexes, the version's too."""
    found = inspect(connection)

    def sorted_by_text(items: Iterable[Any]) -> list[str]:
        return sorted(str({key: shown(value) for key, value in item.items()}) for item in items)

    def shown(value: Any) -> str:
        # an option may be an SQL text, whose repr is an address
        options = value.items() if isinstance(value, dict) else ()
        return str({key: str(option) for key, option in options}) if options else str(value)

    return {
        table: {
            "columns": sorted_by_text(found.get_columns(table)),
            "key": str(found.get_pk_constraint(table)),
            "foreign": sorted_by_text(found.get_foreign_keys(table)),
            "unique": sorted_by_text(found.get_unique_constraints(table)),
            "indexes": sorted_by_text(found.get_indexes(table)),
            # a server's are those of partitions
            "options": str(found.get_table_options(table)) if connection.dialect.name == "sqlite" else "",
        }
        for table in found.get_table_names()
        if not is_partition(table)
    }

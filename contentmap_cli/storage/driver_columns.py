"""Columns as a driver gives them, without a conversion for each value: for answers of millions of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, func, type_coerce
from sqlalchemy.types import NullType

from contentmap_cli.storage.session import GuardedSession

_ISO_FORMAT: Final = 'YYYY-MM-DD"T"HH24:MI:SS"Z"'


def raw_columns(session: GuardedSession, table: FromClause, names: Sequence[str]) -> list[ColumnElement[Any]]:
    """Columns in the form that a Row has them in: `lastmod` is ISO 8601 text in UTC. What SQLite holds of a
    truth is 0 or 1, which equal False and True."""
    columns: list[ColumnElement[Any]] = [type_coerce(table.c[name], NullType()) for name in names]
    if "lastmod" in names and session.get_bind().dialect.name == "postgresql":
        columns[names.index("lastmod")] = func.to_char(func.timezone("UTC", table.c.lastmod), _ISO_FORMAT)
    return columns

"""Columns without conversion of values, for answers of millions of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, case, func, literal_column, type_coerce
from sqlalchemy.types import NullType

from contentmap_cli.storage.session import GuardedSession

_ISO_FORMAT: Final = 'YYYY-MM-DD"T"HH24:MI:SS"Z"'
EARLIEST: Final = "timestamptz '0001-01-01 00:00:00+00'"
"""What asyncpg stores as `-infinity`, for which to_char has no text. No other lastmod is an infinity: they
have whole seconds."""


def raw_columns(session: GuardedSession, table: FromClause, names: Sequence[str]) -> list[ColumnElement[Any]]:
    """Return columns in the form of a Row: `lastmod` is ISO 8601 text in UTC. SQLite returns booleans as 0
    and 1, which equal False and True."""
    columns: list[ColumnElement[Any]] = [type_coerce(table.c[name], NullType()) for name in names]
    if "lastmod" in names and session.get_bind().dialect.name == "postgresql":
        lastmod = table.c.lastmod
        finite = case((lastmod == literal_column("'-infinity'"), literal_column(EARLIEST)), else_=lastmod)
        columns[names.index("lastmod")] = func.to_char(func.timezone("UTC", finite), _ISO_FORMAT)
    return columns

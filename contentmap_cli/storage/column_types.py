"""Column types and SQL functions that read the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Float, Integer, String, bindparam, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

BigId = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit key. SQLite only numbers rows by itself where the type is spelled INTEGER."""


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC: `timestamptz` on PostgreSQL; on SQLite text, ISO 8601 with microseconds and Z.

    The text has one width, so that it sorts as time does; with `timespec="seconds"` it has none smaller.
    Only aware datetimes are accepted.
    """

    impl = DateTime
    cache_ok = True

    def __init__(self, timespec: str = "microseconds") -> None:
        super().__init__()
        self.timespec = timespec

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Use text on SQLite, which has no type for time."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(27 if self.timespec == "microseconds" else 20))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Convert an aware datetime to the value of the column."""
        if value is None or dialect.name != "sqlite":
            return value
        return iso_text(value, self.timespec)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Convert a value of the column to an aware datetime in UTC."""
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(moment, datetime) and moment.tzinfo is None:
            return moment.replace(tzinfo=UTC)  # asyncpg's value for an infinity: the first and last time
        return moment.astimezone(UTC) if isinstance(moment, datetime) else None


def iso_text(moment: datetime, timespec: str = "seconds") -> str:
    """Return an aware datetime as ISO 8601 text in UTC with Z and a four-digit year."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


class utc_now(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function it is
    """The time of the database's clock plus `seconds`: a number, or a function that is called when the
    statement runs. All leases use this clock."""

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, seconds: float | Callable[[], float] = 0.0) -> None:
        # a parameter, so that the cached statement is used for any number
        if callable(seconds):
            super().__init__(bindparam("seconds", callable_=seconds, type_=Float(), unique=True))
        else:
            super().__init__(literal(float(seconds), Float()))


@compiles(utc_now, "sqlite")
def _sqlite_now(element: utc_now, compiler: SQLCompiler, **kw: Any) -> str:
    # %f is seconds with milliseconds; three zeros give the one width of UtcDateTime
    seconds = compiler.process(element.clauses, **kw)
    return f"strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', {seconds} || ' seconds')"


@compiles(utc_now, "postgresql")
def _postgresql_now(element: utc_now, compiler: SQLCompiler, **kw: Any) -> str:
    # now() is the start of the transaction
    return f"(clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **kw)}))"

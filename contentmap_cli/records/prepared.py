"""Statements that a scan runs for every domain, made ready for the driver once for each kind of database.

To find a statement's text again, to look at each of its parameters and to make objects of what comes back
costs SQLAlchemy more than most of these statements cost the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from sqlalchemy import ClauseElement, Dialect
from sqlalchemy.sql.compiler import SQLCompiler


class _Place(NamedTuple):
    """One of a statement's parameters: the caller's, by its name, or one that the statement brings along."""

    name: str | None
    value: Any
    process: Callable[[Any], Any] | None  # into what the driver takes

    def fill(self, given: Mapping[str, Any]) -> Any:
        value = self.value if self.name is None else given[self.name]
        return value if self.process is None else self.process(value)


class Prepared:
    """A statement of SQLAlchemy's whose parameters are single values: each `bindparam` without a value of its
    own must be given one."""

    def __init__(self, statement: ClauseElement, columns: list[str] | None = None) -> None:
        """`columns` are those that an INSERT fills."""
        self._statement = statement
        self._columns = columns
        self._made: dict[str, tuple[str, list[_Place]]] = {}

    def filled(self, dialect: Dialect, given: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
        """The text and its parameters in their order. Raises KeyError where one is not given."""
        made = self._made.get(dialect.name)
        if made is None:
            made = self._made[dialect.name] = self._make(dialect)
        text, places = made
        return text, tuple([place.fill(given) for place in places])

    def _make(self, dialect: Dialect) -> tuple[str, list[_Place]]:
        compiled = cast("SQLCompiler", self._statement.compile(dialect=dialect, column_keys=self._columns))
        places = []
        for name in compiled.positiontup or ():
            bind = compiled.binds[name]
            process = bind.type.dialect_impl(dialect).bind_processor(dialect)
            places.append(_Place(name if bind.required else None, compiled.params[name], process))
        return compiled.string, places

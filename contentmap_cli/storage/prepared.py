"""Statements that a scan runs for every domain, made ready for the driver once for each kind of database.

To find a statement's text again, to look at each of its parameters and to make objects of what comes back
costs SQLAlchemy more than most of these statements cost the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from sqlalchemy import ClauseElement, Dialect
from sqlalchemy.sql.compiler import SQLCompiler


class _Made(NamedTuple):
    """A statement for one kind of database."""

    text: str
    values: list[Any]  # of its parameters in their order; None for those that are given
    given: list[tuple[int, str, Callable[[Any], Any] | None]]  # where, by what name, made fit by what


class Prepared:
    """A statement of SQLAlchemy's whose parameters are single values: each `bindparam` without a value of its
    own must be given one."""

    def __init__(self, statement: ClauseElement, columns: list[str] | None = None) -> None:
        """`columns` are those that an INSERT fills."""
        self._statement = statement
        self._columns = columns
        self._made: dict[str, _Made] = {}

    def filled(self, dialect: Dialect, given: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
        """The text and its parameters in their order. Raises KeyError where one is not given."""
        made = self._made.get(dialect.name)
        if made is None:
            made = self._made[dialect.name] = self._make(dialect)
        values = made.values.copy()
        for position, name, process in made.given:
            value = given[name]
            values[position] = value if process is None else process(value)
        return made.text, tuple(values)

    def _make(self, dialect: Dialect) -> _Made:
        compiled = cast("SQLCompiler", self._statement.compile(dialect=dialect, column_keys=self._columns))
        made = _Made(compiled.string, [], [])
        for position, name in enumerate(compiled.positiontup or ()):
            bind = compiled.binds[name]
            process = bind.type.dialect_impl(dialect).bind_processor(dialect)
            value = None
            if bind.required:
                made.given.append((position, name, process))
            else:
                value = compiled.params[name]
                value = value if process is None else process(value)
            made.values.append(value)
        return made

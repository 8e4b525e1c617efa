"""The command as a user runs it, on a database without rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from program import Contentmap


@pytest.fixture
def contentmap_at(tmp_path: Path) -> Callable[[str], Contentmap]:
    """The command on any database, by its address."""
    return lambda address: Contentmap(tmp_path, address)


@pytest.fixture
def contentmap(tmp_path: Path, address: str) -> Contentmap:
    """The command on a database without rows, once on SQLite and once on PostgreSQL."""
    return Contentmap(tmp_path, address)


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Contentmap:
    """The command on an SQLite file that is not there yet."""
    return Contentmap(tmp_path, str(tmp_path / "map.db"))

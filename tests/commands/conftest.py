"""The command as a user runs it, on an empty database."""

from __future__ import annotations

import os
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
    """The command on an empty database, once on SQLite (made on first use) and once on PostgreSQL."""
    program = Contentmap(tmp_path, address)
    if not address.startswith("sqlite"):
        assert program("db", "upgrade").code == 0
        if (partitions := os.environ.get("CONTENTMAP_TEST_PARTITIONS")) is not None:
            assert program("db", "partition", "--partitions", partitions).code == 0
    return program


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Contentmap:
    """The command on an SQLite file that is not there yet."""
    return Contentmap(tmp_path, str(tmp_path / "map.db"))

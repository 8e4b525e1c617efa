"""A connection that cannot be opened leaves nobody behind who would speak after the end."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from contentmap_cli.records import one_trip


async def test_its_thread_has_ended_when_it_cannot_be_opened(tmp_path: Path) -> None:
    """Otherwise it answers a loop that is closed by then, which is a traceback on the user's screen."""
    connection = one_trip.connect(str(tmp_path))
    with pytest.raises(sqlite3.OperationalError):
        await connection
    assert not connection._thread.is_alive()

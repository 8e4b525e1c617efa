"""The database's file, as long as it is open."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from contentmap_cli.errors import DatabaseUnavailable
from contentmap_cli.storage.engine import Database, open_database


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("replaced", "told"), [(False, "was deleted"), (True, "was replaced by another file")]
)
async def test_a_file_that_is_not_there_any_more(
    database: Database, tmp_path: Path, replaced: bool, told: str
) -> None:
    """Open connections go on writing to what nobody can find again: that is told."""
    database.check_file()
    file, kept = tmp_path / "test.db", tmp_path / "kept.db"
    file.rename(kept)
    if replaced:
        shutil.copy(kept, file)
    with pytest.raises(DatabaseUnavailable, match=told):
        database.check_file()
    file.unlink(missing_ok=True)
    kept.rename(file)
    database.check_file()


async def test_a_server_has_no_file(postgres_address: str) -> None:
    """Nothing to look at, nothing to be told."""
    database = open_database(postgres_address)
    database.check_file()
    await database.close()

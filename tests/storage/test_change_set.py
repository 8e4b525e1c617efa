"""Lists that go to disk: what is put in comes back, and memory holds a part of it."""

from __future__ import annotations

import tracemalloc

import pytest

from contentmap_cli.batches import BatchFile
from contentmap_cli.storage.writing.change_set import CHUNK, ChangeSet, SpooledList


def test_several_lists_share_a_file() -> None:
    """Each list gives back its own values in order, however they were put in between each other."""
    file = BatchFile()
    lists = [SpooledList(file, 7), SpooledList(file), SpooledList(file, 1)]
    for number in range(2 * CHUNK + 3):
        for kept in lists[: 1 + number % 3]:
            kept.append((f"u{number}", number / 3, None, True))
    for place, kept in enumerate(lists):
        expected = [
            (f"u{number}", number / 3, None, True) for number in range(2 * CHUNK + 3) if number % 3 >= place
        ]
        assert (list(kept), len(kept)) == (expected, len(expected))
    file.close()


@pytest.mark.campaign
def test_a_million_changes_do_not_fill_memory() -> None:
    """What a site of many URLs says anew of all of them is kept and counted in a few megabytes."""
    tracemalloc.start()
    with ChangeSet() as differences:
        file = differences.of(1)
        for number in range(400_000):
            file.restated.append(f"https://site.example/section/page-{number}-with-a-long-name")
        parts = differences.parts(tuple)
        assert sum(part.count().changed for part in parts) == 400_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(parts) > 1
    assert peak < 60 * 2**20  # all of them together are more

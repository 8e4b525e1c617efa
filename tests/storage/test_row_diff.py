"""A file of which only what changed was read: what is written is as of one read whole, or nothing is."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from recording import DOMAIN, batches, expire, page, record, start
from sqlalchemy import select, update

from contentmap_cli.models import Entry
from contentmap_cli.models.entry_rows import RowDelta
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import SITEMAP_URLS, SitemapFile
from contentmap_cli.storage.writing.change_set import ChangeSet, FileChanges
from contentmap_cli.storage.writing.entries import DeltaMismatch, compare_ahead
from contentmap_cli.storage.writing.row_diff import FileEntries

FILE = f"https://{DOMAIN}/1"
DIGEST = "12" * 16


def whole(entries: list[Entry], delta: RowDelta | None = None) -> FileEntries:
    """A file with these entries."""
    return FileEntries(None, False, partial(batches, entries), True, delta)


def delta_of(old: list[Entry], new: list[Entry]) -> RowDelta:
    """What a crawl says of a file that listed `old` and lists `new`, by entries as text has them."""
    gone = sorted({entry.url for entry in old if entry not in new})
    come = [entry for entry in new if entry not in old]
    return RowDelta(DIGEST, len(old), partial(batches, come), lambda: gone)


def lists(found: FileChanges) -> dict[str, Any]:
    """All that is to be written of a file."""
    names = ("new", "changed", "restated", "returned", "was", "missing")
    return {name: [*getattr(found, name)] for name in names} | {"withheld": found.withheld}


async def compared(
    sessions: Sessions, file: FileEntries, *, removals: bool = True
) -> tuple[dict[str, Any], Any]:
    """What is found to be written of the file, and what it comes to. Raises DeltaMismatch."""
    taken = await start(sessions)
    try:
        with ChangeSet() as found:
            async with sessions.comparing(taken.job_id, DOMAIN) as session, session.begin():
                done = await compare_ahead(session, taken, {FILE: file}, {FILE}, found, removals=removals)
            return lists(found.files[0]), done.counts
    finally:
        await expire(sessions, taken)


async def remember(sessions: Sessions, digest: str | None = DIGEST) -> None:
    """The digest that is recorded of the file."""
    taken = await start(sessions)
    async with sessions.brief(taken.job_id) as session, session.begin():
        await session.write(update(SitemapFile).where(SitemapFile.url == FILE).values(digest=digest))
    await expire(sessions, taken)


async def test_what_changed_is_compared_as_all_would_be(sessions: Sessions) -> None:
    """Held against the walk through all rows, over a history of URLs that come, go, change and return, in
    scans that may say what is gone and in those that may not."""
    dice = random.Random(3)
    old = [page(f"p{number:04}", "2026-01-01") for number in range(800)]
    gone: list[Entry] = []
    await record(sessions, {"1": old, "2": [*old[:3], page("q")]})
    await remember(sessions)
    for scan in range(3):
        new = [*old]
        dice.shuffle(new)
        left, new = new[:200], new[200:]
        new += [page(f"n{scan}-{number}") for number in range(150)]
        new += [replaced(each, scan) for each in left[:100]] + gone[:50]
        gone = left[100:]
        for removals in (True, False):
            fits, said = await compared(sessions, whole(new, delta_of(old, new)), removals=removals)
            walked, weight = await compared(sessions, whole(new), removals=removals)
            assert fits == walked
            assert said == weight
            assert fits["withheld"] is not removals
            assert fits["returned"] or not scan
        await record(sessions, {"1": new, "2": [*old[:3], page("q")]})
        await remember(sessions)
        old = new


def replaced(entry: Entry, scan: int) -> Entry:
    """The same URL, which says something else, or looks another way."""
    return page(entry.url.rpartition("/")[2], f"2026-02-0{scan + 1}", repaired=scan == 3)


async def test_a_change_of_something_else_is_not_compared(sessions: Sessions) -> None:
    """Where what is recorded is not what it starts from, or a URL is listed twice, all must be read."""
    old = [page(f"p{number:03}", "2026-01-01") for number in range(600)]
    new = [*old[1:], page("n", "2026-01-01")]
    fitting = delta_of(old, new)
    twice = replace(fitting, come=partial(batches, [page("n"), page("p300", "2026-05-05")]))
    cases = {
        "another body": (old, "34" * 16, fitting),
        "no body": (old, None, fitting),
        "a row less": (old[:-1], DIGEST, fitting),
        "a row more": ([*old, page("more")], DIGEST, fitting),
        "a row out of scope": ([*old[:-1], old[-1]._replace(in_scope=False)], DIGEST, fitting),
        "another row": ([*old[:-1], page("other")], DIGEST, replace(fitting, gone=lambda: [old[-1].url])),
        "listed twice": (old, DIGEST, twice),
    }
    for case, (entries, digest, delta) in cases.items():
        await record(sessions, {"1": entries})
        await remember(sessions, digest)
        with pytest.raises(DeltaMismatch) as mismatch:
            await compared(sessions, whole(new, delta))
        assert [*mismatch.value.urls] == [FILE], case
    await remember(sessions)
    assert (await compared(sessions, whole(new, fitting)))[0]["new"]


async def test_a_file_that_is_not_recorded_has_no_change(sessions: Sessions) -> None:
    """Nothing of it is there to start from."""
    await record(sessions, {"2": [page("a")]})
    with pytest.raises(DeltaMismatch):
        await compared(sessions, whole([page("b")], RowDelta(DIGEST, 0, list, list)))


async def test_a_change_is_written_whole_where_another_run_came_between(sessions: Sessions) -> None:
    """What was found is worth nothing then: all rows of the file are read and compared again."""
    old = [page(f"p{number}") for number in range(9)]
    await record(sessions, {"1": old})
    await remember(sessions)
    new = [*old[1:], page("n")]

    async def another(taken: Any) -> None:
        await expire(sessions, taken)
        assert (await record(sessions, {"1": old[2:]})).removed == 2

    changes = await record(
        sessions, {"1": new}, ahead=True, between=another, deltas={"1": delta_of(old, new)}
    )
    assert (changes.urls, changes.added, changes.removed) == (9, 2, 0)
    await remember(sessions)
    later = [*new[1:], page("p0")]
    changes = await record(sessions, {"1": later}, ahead=True, deltas={"1": delta_of(new, later)})
    assert (changes.urls, changes.added, changes.removed) == (9, 1, 1)
    async with sessions.read() as session, session.begin():
        rows = await session.execute(
            select(SITEMAP_URLS.c.url).where(SITEMAP_URLS.c.removed_scan_id.is_(None))
        )
        assert {row.url for row in rows} == {entry.url for entry in later}

"""Pages of entries that are read while scans are recorded: all show what was recorded at the first one."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from recording import page as entry
from recording import record, resume, start
from sqlalchemy import delete, func, select

from contentmap_cli.errors import NotFound
from contentmap_cli.models import StoredEntry
from contentmap_cli.storage.reading import contents
from contentmap_cli.storage.reading.contents import EntryFilter, EntryPages
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import Domain
from tests.storage.test_filters import listing

FILTERS = [
    EntryFilter(),
    EntryFilter(removed=True),
    EntryFilter(changed_after=datetime(2026, 1, 1, tzinfo=UTC), limit=20),
    EntryFilter(match="*a*", distinct=True),
]


async def next_page(sessions: Sessions, pages: EntryPages) -> list[StoredEntry]:
    async with sessions.read() as session, session.begin():
        return await pages.next(session)


async def read_all(sessions: Sessions, wanted: EntryFilter) -> list[StoredEntry]:
    pages, found = EntryPages(1, wanted), []
    while page := await next_page(sessions, pages):
        found += page
    return found


async def test_scans_between_pages(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """URLs that are added, changed, removed and added again between two pages do not show."""
    monkeypatch.setattr(contents, "_ROWS_A_FETCH", 6)
    chance = random.Random(20261130)
    for _ in range(3):
        await record(sessions, listing(chance))
    for wanted in FILTERS:
        before = await read_all(sessions, wanted)
        pages = EntryPages(1, wanted)
        found = await next_page(sessions, pages)
        scans = 3
        while page := await next_page(sessions, pages):
            found += page
            if scans:
                await record(sessions, listing(chance))
                scans -= 1
        assert before
        assert found == before, wanted


@pytest.mark.parametrize("address", ["postgresql"], indirect=True)
async def test_a_scan_within_a_page(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not show either: the statements of a page see one state. On SQLite they always do."""
    chance = random.Random(20261130)
    await record(sessions, listing(chance))
    before, rows = await read_all(sessions, EntryFilter()), EntryPages._rows

    async def scanned(pages: EntryPages, *arguments: Any) -> Any:
        await record(sessions, listing(chance))
        return await rows(pages, *arguments)

    monkeypatch.setattr(EntryPages, "_rows", scanned)
    assert await read_all(sessions, EntryFilter()) == before


async def test_a_scan_resumed_between_pages(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its next part records is left out: the pages go on with what its first part said."""
    monkeypatch.setattr(contents, "_ROWS_A_FETCH", 1)
    first = await start(sessions)
    await record(sessions, listing(random.Random(1)), taken=first)
    before = await read_all(sessions, EntryFilter())
    pages = EntryPages(1, EntryFilter())
    read = await next_page(sessions, pages)
    await record(sessions, listing(random.Random(2)), taken=await resume(sessions, first.job_id))
    assert await read_all(sessions, EntryFilter()) != before
    while page := await next_page(sessions, pages):
        read += page
    assert read == before


async def test_each_url_once(sessions: Sessions) -> None:
    """With `distinct` a URL of several files is in the first of them only."""
    await record(
        sessions, {"a.xml": [entry("1"), entry("2", "2026-01-01")], "b.xml": [entry("2"), entry("0")]}
    )
    everything = await read_all(sessions, EntryFilter())
    once = await read_all(sessions, EntryFilter(distinct=True))
    first = {each.entry.url: each for each in reversed(everything)}
    assert len(once) < len(everything)
    assert sorted(once, key=lambda each: each.entry.url) == [first[url] for url in sorted(first)]


async def test_a_domain_removed_between_pages(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends in an error: what is left must not look complete."""
    monkeypatch.setattr(contents, "_ROWS_A_FETCH", 4)
    await record(sessions, listing(random.Random(1)))
    pages = EntryPages(1, EntryFilter())
    assert await next_page(sessions, pages)
    async with sessions.brief() as session, session.begin():
        await session.write(delete(Domain))
        assert await session.scalar(select(func.count()).select_from(Domain)) == 0
    with pytest.raises(NotFound):
        await next_page(sessions, pages)

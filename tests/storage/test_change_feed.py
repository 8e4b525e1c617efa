"""The change feed, replayed: it gives what is recorded, whatever was resumed, pruned or removed."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from recording import DOMAIN, page, record, resume, start
from sqlalchemy import select, text, update

from contentmap_cli.commands.database import prune as prune_command
from contentmap_cli.commands.database.prune import Tally, _remove
from contentmap_cli.commands.database.remove_domain import _remove as remove_domain
from contentmap_cli.commands.reading.changes import _Feed
from contentmap_cli.errors import CursorExpired
from contentmap_cli.models import ScanStatus
from contentmap_cli.models.feed import Cursor, FeedChange, read_cursor
from contentmap_cli.output.answers.changes import changes_writer
from contentmap_cli.output.formats import Format
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.jobs.change_feed import log_scan, sequence_changes
from contentmap_cli.storage.maintenance.prune_plan import Leftovers, Retention, hide_jobs
from contentmap_cli.storage.reading import change_feed
from contentmap_cli.storage.reading.change_feed import FeedReader, begin, require_ours
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import CHANGE_FEED, SITEMAP_URLS, Domain, DomainScan, Job
from tests.storage.test_comparison import Snapshot, change_a_page

State = dict[str, set[str]]
"""The listed URLs by domain."""

on_postgresql = pytest.mark.parametrize("address", ["postgresql"], indirect=True)


async def number(sessions: Sessions) -> None:
    async with sessions.brief() as session, session.begin():
        await sequence_changes(session)


async def cursor_at(sessions: Sessions, *domains: str, at_end: bool = False) -> Cursor:
    await number(sessions)
    async with sessions.read() as session, session.begin():
        return await begin(session, "default", domains, at_end=at_end)


async def read(
    sessions: Sessions, cursor: Cursor, *domains: str, limit: int = 10**9
) -> tuple[list[FeedChange], Cursor]:
    """What the feed has after a cursor, at most `limit` changes, each batch in a transaction of its own."""
    await number(sessions)
    found: list[FeedChange] = []
    while True:
        reader = FeedReader("default", domains, cursor)
        async with sessions.read() as session, session.begin():
            await require_ours(session, "default", domains, cursor)
            async with aclosing(reader.next(session)) as changes:
                async for change in changes:
                    found.append(change)
                    if len(found) == limit:
                        return found, read_cursor(change.cursor)
        if reader.cursor == cursor:
            return found, cursor
        cursor = reader.cursor


def apply(state: State, changes: list[FeedChange]) -> State:
    """What a consumer does. Each change must be one: nothing is added twice or removed twice."""
    for found in changes:
        urls = state.setdefault(found.row.domain, set())
        if found.change is None:
            urls.clear()
            continue
        kind, url = found.change.kind.value, found.change.url
        assert (url in urls) == (kind != "added"), (kind, url)
        if kind == "added":
            urls.add(url)
        elif kind == "removed":
            urls.remove(url)
    return {domain: urls for domain, urls in state.items() if urls}


async def recorded(sessions: Sessions) -> State:
    """The listed URLs, as the tables say."""
    found: State = {}
    async with sessions.read() as session, session.begin():
        rows = await session.execute(
            select(Domain.name, SITEMAP_URLS.c.url)
            .join(SITEMAP_URLS, SITEMAP_URLS.c.domain_id == Domain.id)
            .where(SITEMAP_URLS.c.removed_scan_id.is_(None), Domain.tenant_id == "default")
        )
        for name, url in rows:
            found.setdefault(name, set()).add(url)
    return found


async def prune(sessions: Sessions, keep: int) -> None:
    """Prune all jobs but the last `keep` ones."""
    async with sessions.read() as session, session.begin():
        times = list(await session.scalars(select(Job.created_at).order_by(Job.created_at.desc())))
    async with sessions.brief() as session, session.begin():
        await session.write(update(Job).values(status="complete", finished_at=Job.created_at))
    if len(times) > keep:
        await _remove(sessions, Retention("default", times[keep - 1]), Tally())


async def scan(sessions: Sessions, site: Snapshot, dice: random.Random, step: int, domain: str) -> None:
    """A scan after some changes of a site: whole, in part, or in two parts."""
    for _ in range(dice.randrange(4)):
        change_a_page(site, dice, step)
    files = {
        f"{name}.xml": [page(path, day, priority=priority) for path, (day, priority) in pages.items()]
        for name, pages in site.items()
        if pages or dice.random() < 0.5
    }
    complete = dice.random() < 0.8
    if dice.random() < 0.3:
        taken = await start(sessions, domain)
        await record(sessions, files, domain=domain, complete=False, taken=taken, counted=False)
        for _ in range(3):
            change_a_page(site, dice, step)
        taken = await resume(sessions, taken.job_id, domain)
    else:
        taken = await start(sessions, domain)
    await record(sessions, files, domain=domain, complete=complete, taken=taken, counted=False)


_LONGER = [pytest.param(batch, marks=pytest.mark.campaign) for batch in ((2, 3), (1, 0))]


@pytest.mark.parametrize("batch", [(250, 5_000), *_LONGER])
async def test_random_histories_replayed(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, batch: tuple[int, int]
) -> None:
    """Two sites with whole, partial and resumed scans, read at once or streamed; readers who began at any
    time, who stop after any change, whose history is pruned and whose domains are removed."""
    monkeypatch.setattr(change_feed, "_ROWS", batch[0])
    monkeypatch.setattr(change_feed, "_CHANGES", batch[1])
    dice = random.Random(7)
    names = ["a", "b", "c"]
    sites: dict[str, Snapshot] = {domain: {name: {} for name in names} for domain in (DOMAIN, "other.test")}
    state: State = {}
    cursor = await cursor_at(sessions)
    lost = 0
    for step in range(14):
        domain = dice.choice(sorted(sites))
        if dice.random() < 0.1:
            await remove_domain(sessions, "default", domain)
        await scan(sessions, sites[domain], dice, step, domain)
        if dice.random() < 0.3:
            await prune(sessions, dice.randrange(2, 5))
        # a reader that goes on now and then, and in the middle of a scan
        try:
            found, cursor = await read(sessions, cursor, limit=dice.choice([1, 3, 10**9]))
            state = apply(state, found)
        except CursorExpired:
            lost += 1
            found, cursor = await read(sessions, await cursor_at(sessions))
            state = apply({}, found)
            assert state == await recorded(sessions)
        # one that begins now
        fresh, _ = await read(sessions, await cursor_at(sessions))
        assert apply({}, fresh) == await recorded(sessions)
    try:
        found, cursor = await read(sessions, cursor)
        state = apply(state, found)
    except CursorExpired:
        state = await recorded(sessions)
    assert state == await recorded(sessions)
    assert (await read(sessions, cursor))[0] == []


async def list_pages(sessions: Sessions, *scans: str) -> None:
    """One scan for each text: each letter is a page."""
    for names in scans:
        await record(sessions, {"a.xml": [page(name) for name in names]}, counted=False)


async def hide(sessions: Sessions, keep: int) -> None:
    """The first transaction of a prune, after which it is killed, or finds the domain being scanned."""
    async with sessions.read() as session, session.begin():
        times = list(await session.scalars(select(Job.created_at).order_by(Job.created_at.desc())))
    async with sessions.brief() as session, session.begin():
        await session.write(update(Job).values(status="complete", finished_at=Job.created_at))
        await hide_jobs(session, Retention("default", times[keep - 1]))


async def test_a_baseline_beside_hidden_jobs(sessions: Sessions) -> None:
    """A baseline stands for the same URLs until the feed itself is pruned: for one who begins, and for one
    who has read a part of it."""
    await list_pages(sessions, "abcd", "abcde", "abcdef", "abcdefg")
    await prune(sessions, 2)
    await list_pages(sessions, "bcdefg", "bcdefgh", "bcdefghi")
    first, cursor = await read(sessions, await cursor_at(sessions), limit=2)
    assert first[0].row.kind == "baseline"
    await hide(sessions, 1)
    rest, _ = await read(sessions, cursor)
    assert apply({}, [*first, *rest]) == await recorded(sessions)
    whole, _ = await read(sessions, await cursor_at(sessions))
    assert whole[2:] == rest


async def test_a_reader_who_has_nothing_begins_again(sessions: Sessions) -> None:
    """A prune between the beginning and the first line is no error, unless the reader gave a cursor."""
    await list_pages(sessions, "a", "ab", "abc", "abcd")
    await number(sessions)
    cli: Any = SimpleNamespace(tenant_name="default")
    feed = _Feed(cli, (), None, at_end=False, limit=None)
    await feed._begin(sessions)
    late = _Feed(cli, (), feed._cursor, at_end=False, limit=None)
    await prune(sessions, 1)
    out = io.StringIO()
    writer = changes_writer(Format.NDJSON, out)
    with pytest.raises(CursorExpired):
        await late._next(sessions, writer)
    while await feed._next(sessions, writer):
        pass
    writer.finish(str(feed._cursor))
    urls = [json.loads(line)["url"][-1] for line in out.getvalue().splitlines()]
    assert urls == ["a", "b", "c", "d"]


async def test_a_baseline_beside_a_resumed_failure(sessions: Sessions) -> None:
    """A failed scan has no place in the history while it is resumed."""
    await list_pages(sessions, "a", "ab", "abc")
    taken = await start(sessions)
    mine = update(DomainScan).where(DomainScan.id == taken.scan_id)
    async with sessions.brief() as session, session.begin():
        await session.write(mine.values(status=ScanStatus.FAILED, finished_at=utc_now(), token=None))
    await list_pages(sessions, "abcd")
    await prune(sessions, 2)
    async with sessions.brief() as session, session.begin():
        await session.write(mine.values(status=ScanStatus.RUNNING, finished_at=None))
    found, _ = await read(sessions, await cursor_at(sessions))
    assert apply({}, found) == await recorded(sessions)


async def test_a_domain_that_is_busy_while_its_feed_is_pruned(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The history of rows that were kept is kept too, also if the scan ends a moment later."""
    await list_pages(sessions, "ab", "b", "bc", "bcd", "bcde")
    first, cursor = await read(sessions, await cursor_at(sessions), limit=2)
    real, calls = prune_command._hold, 0

    async def hold(session: Any, found: Sequence[Leftovers], busy: set[int]) -> list[Leftovers]:
        nonlocal calls
        calls += 1
        if calls > 1:
            return await real(session, found, busy)
        busy |= {each.domain_id for each in found}
        return []

    monkeypatch.setattr(prune_command, "_hold", hold)
    await prune(sessions, 1)
    rest, _ = await read(sessions, cursor)
    assert apply({}, [*first, *rest]) == await recorded(sessions)


@on_postgresql
@pytest.mark.parametrize("early", [False, True])
async def test_a_commit_after_a_later_number(sessions: Sessions, early: bool) -> None:
    """One transaction takes its number, another one takes the next and commits, a reader reads, then the
    first commits. A number that is taken before the commit loses its changes: that is what `early` shows."""
    for domain in ("first.test", "second.test"):
        await record(sessions, {"a.xml": [page(domain)]}, domain=domain)
    cursor = await cursor_at(sessions, at_end=True)
    expected = await recorded(sessions)

    async def log(session: Any, domain_id: int) -> None:
        await log_scan(session, domain_id, domain_id, 1)
        if early:
            taken = await session.scalar(text("SELECT nextval('early')"))
            mine = update(CHANGE_FEED).where(CHANGE_FEED.c.position.is_(None))
            await session.write(mine.values(position=taken))

    async with sessions.brief() as session, session.begin():
        await session.execute(text(f"CREATE SEQUENCE early START {cursor.position + 1}"))
    async with sessions.brief() as slow, slow.begin():
        await log(slow, 1)
        async with sessions.brief() as fast, fast.begin():
            await log(fast, 2)
        found, cursor = await read(sessions, cursor)
        assert [each.row.domain for each in found] == ["second.test"]
    later, _ = await read(sessions, cursor)
    assert [each.row.domain for each in later] == ([] if early else ["first.test"])
    assert (apply({}, found + later) == expected) != early


async def follow(sessions: Sessions, writers: asyncio.Future[Any], cursor: Cursor) -> State:
    """The state of a reader who follows the feed until the writers have ended."""
    state: State = {}
    while True:
        ended = writers.done()
        found, cursor = await read(sessions, cursor)
        state = apply(state, found)
        if ended:
            return state
        await asyncio.sleep(0.02)


@on_postgresql
async def test_a_reader_beside_many_writers(sessions: Sessions) -> None:
    """Six write at once, two of them the same domain, and two number the rows: the reader gets each change
    once, and in the end what is recorded."""
    writers = asyncio.gather(*(write(sessions, random.Random(each), each, 3) for each in range(6)))

    async def numbering() -> None:
        while not writers.done():
            async with sessions.urgent("numbering") as session, session.begin():
                await sequence_changes(session, wait=False)
            await asyncio.sleep(0.01)

    cursor = await cursor_at(sessions)
    state, *_ = await asyncio.gather(
        follow(sessions, writers, cursor), *(numbering() for _ in range(2)), writers
    )
    assert state == await recorded(sessions)
    positions = select(CHANGE_FEED.c.position, CHANGE_FEED.c.domain).order_by(CHANGE_FEED.c.position)
    async with sessions.read() as session, session.begin():
        rows = (await session.execute(positions)).all()
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) > 10


async def write(sessions: Sessions, dice: random.Random, number: int, scans: int) -> None:
    """Scans of a domain of one's own; the first two scan a third one too."""
    site: Snapshot = {name: {} for name in "abc"}
    for step in range(scans):
        for domain in (f"own{number}.test", "shared.test")[: 2 if number < 2 else 1]:
            while True:
                try:
                    await scan(sessions, site, dice, step, domain)
                except AssertionError:  # another one scans it
                    await asyncio.sleep(0.01)
                else:
                    break


WRITER = """
import asyncio, random, sys
sys.path[:0] = {paths}
from contentmap_cli.storage.engine import open_database
from contentmap_cli.storage.session import Sessions
from tests.storage.test_change_feed import write
number = int(sys.argv[2])
asyncio.run(write(Sessions(open_database(sys.argv[1])), random.Random(number), number, 1000))
"""


@pytest.mark.campaign
@on_postgresql
async def test_a_reader_beside_writers_that_are_killed(address: str, sessions: Sessions) -> None:
    """Six processes write, now and then one is killed: the reader gets hundreds of commits, each once."""
    root = Path(__file__).parents[2]
    script = WRITER.format(paths=[str(root), str(root / "tests" / "support")])
    dice = random.Random(1)
    numbers = itertools.count(2)  # each scans a domain of its own

    def start_writer() -> subprocess.Popen[bytes]:
        words = (sys.executable, "-c", script, address, str(next(numbers)))
        return subprocess.Popen(words, stderr=subprocess.DEVNULL)

    processes = [start_writer() for _ in range(6)]
    cursor, state, commits, kills = await cursor_at(sessions), State(), 0, 0
    try:
        end = time.monotonic() + 300
        while commits < 300 and time.monotonic() < end:
            if dice.random() < 0.1:
                victim, kills = dice.randrange(6), kills + 1
                processes[victim].kill()
                processes[victim].wait()
                processes[victim] = start_writer()
            found, cursor = await read(sessions, cursor)
            state = apply(state, found)
            commits += len({each.row.position for each in found})
            await asyncio.sleep(0.2)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    await asyncio.sleep(1)  # the server rolls back what was not committed
    found, cursor = await read(sessions, cursor)
    assert apply(state, found) == await recorded(sessions)
    assert commits >= 300 and kills > 5

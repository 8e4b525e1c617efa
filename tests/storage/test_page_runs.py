"""Runs of `check --pages`: who holds one, which one is continued, and what it has asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from recording import DOMAIN, ask_pages, claim_pages, page, record
from sqlalchemy import func, select, update

from contentmap_cli.commands.database import prune
from contentmap_cli.commands.database.prune import Tally
from contentmap_cli.errors import Code, Failure, JobHeld, LeaseLost
from contentmap_cli.storage.column_types import utc_now
from contentmap_cli.storage.maintenance.prune_plan import Retention
from contentmap_cli.storage.pages.facts import LONGEST_URL, find_facts
from contentmap_cli.storage.pages.runs import PageRun, end_run, fence_run
from contentmap_cli.storage.reading.contents import find_domain, known_domains
from contentmap_cli.storage.reading.domains import DomainPages, tenants
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import PAGES, PageRunRow


async def changed(sessions: Sessions, run: PageRun, **values: object) -> None:
    """Change the row of a run."""
    async with sessions.brief() as session, session.begin():
        await session.write(update(PageRunRow).where(PageRunRow.id == run.run_id).values(**values))


async def known(sessions: Sessions, run: PageRun, *paths: str) -> dict[str, int]:
    """Which of these pages are recorded, each with the run that asked."""
    urls = [f"https://{DOMAIN}/{path}" for path in paths]
    async with sessions.read() as session, session.begin():
        found = await find_facts(session, run.domain_id, urls)
    assert all(each.facts == f'"{each.run_id}"' for each in found)
    return {each.url.rpartition("/")[2]: each.run_id for each in found}


async def test_one_run_at_a_time(sessions: Sessions) -> None:
    """A second process is refused while the first is alive, whatever it selects; a claim that was lost
    records nothing. Other tenants and domains are not affected."""
    first = await claim_pages(sessions, owner="a:b:1:2:c")
    for wanted in (None, 7):
        with pytest.raises(JobHeld, match=r"the pages of shop\.example: a:b:1:2:c"):
            await claim_pages(sessions, wanted=wanted)
    await claim_pages(sessions, tenant="acme")
    await claim_pages(sessions, "other.example")
    await ask_pages(sessions, first, "a")
    await changed(sessions, first, lease_until=utc_now(-1))
    second = await claim_pages(sessions, owner="dead")
    assert (second.run_id, second.continued) == (first.run_id, True)
    with pytest.raises(LeaseLost):
        await ask_pages(sessions, first, "b")
    third = await claim_pages(sessions)  # its process has ended: the lease is not waited for
    assert third.run_id == first.run_id
    assert await known(sessions, third, "a", "b") == {"a": first.run_id}
    await changed(sessions, third, lease_until=utc_now(-1))
    fourth = await claim_pages(sessions, wanted=7)  # another selection is another run
    assert fourth.run_id > third.run_id
    with pytest.raises(LeaseLost):
        await ask_pages(sessions, third, "a")


async def test_which_run_is_continued(sessions: Sessions) -> None:
    """The unfinished one of the same selection, unless a later one has asked as much or --fresh is given."""
    every = await claim_pages(sessions)
    await ask_pages(sessions, every, "a", "b", finished=False)
    few = await claim_pages(sessions, wanted=2)
    assert (few.continued, few.run_id > every.run_id) == (False, True)
    await ask_pages(sessions, few, "b", finished=False)
    again = await claim_pages(sessions)
    assert (again.run_id, again.continued, again.started_at) == (every.run_id, True, every.started_at)
    assert await known(sessions, again, "a", "b", "c") == {"a": every.run_id, "b": few.run_id}
    await ask_pages(sessions, again, "c", finished=True)
    new = await claim_pages(sessions)
    assert (new.continued, new.fresh, new.run_id > few.run_id) == (False, False, True)
    await ask_pages(sessions, new, finished=False)
    for scope, continued in (("a", False), ("a", True), ("b", False), (None, True)):
        part = await claim_pages(sessions, scope=scope)  # a part of the site ends no run of the whole
        assert part.continued == continued, scope
        await ask_pages(sessions, part, finished=False)
    assert part.run_id == new.run_id
    assert not (await claim_pages(sessions, wanted=2)).continued  # all were asked since
    fresh = await claim_pages(sessions, "other.example")
    await ask_pages(sessions, fresh, finished=False)
    over = await claim_pages(sessions, "other.example", fresh=True)
    assert (over.continued, over.fresh) == (False, True)
    await ask_pages(sessions, over, finished=False)
    assert (await claim_pages(sessions, "other.example")).run_id == over.run_id


async def test_a_failure_keeps_the_counts_of_the_part_before(sessions: Sessions) -> None:
    """A run that is continued and fails at once has still asked what its first part asked."""
    first = await claim_pages(sessions)
    await ask_pages(sessions, first, "a", "b", finished=False)
    run = await claim_pages(sessions)
    failure = Failure(Code.INTERNAL_ERROR, "no space")
    async with sessions.work("pages", DOMAIN) as session, session.begin():
        await session.turn()
        await fence_run(session, run)
        await end_run(session, run, None, failure)
    async with sessions.read() as session, session.begin():
        row = await session.get_one(PageRunRow, run.run_id)
        assert (row.selected, row.asked, row.finished_at, row.token) == (2, 2, None, None)
        assert row.error_message == "no space"


async def test_a_page_that_is_asked_again(sessions: Sessions) -> None:
    """Its row is written over; a URL that no key can hold is not recorded, and many are written at once."""
    first = await claim_pages(sessions)
    paths = [f"p{number}" for number in range(1_201)]
    await ask_pages(sessions, first, *paths, "x" * LONGEST_URL, finished=True)
    second = await claim_pages(sessions)
    await ask_pages(sessions, second, "p0", "p0", finished=True, etag='"new"')
    found = await known(sessions, second, *paths, "x" * LONGEST_URL)
    assert found == dict.fromkeys(paths, first.run_id) | {"p0": second.run_id}
    async with sessions.read() as session, session.begin():
        row = (await session.execute(select(PAGES).where(PAGES.c.url.like("%/p0")))).one()
    assert (row.status, row.etag, row.last_modified) == (200, '"new"', None)


async def test_a_domain_of_which_only_pages_were_checked(sessions: Sessions) -> None:
    """It was never scanned: it is in no list. A scan of it finds the same row."""
    run = await claim_pages(sessions)
    async with sessions.read() as session, session.begin():
        assert await find_domain(session, "default", DOMAIN) is None
        assert await find_domain(session, "default", DOMAIN, scanned=False) == run.domain_id
        assert await known_domains(session, "default") == []
        assert await DomainPages("default").next(session) == []
        assert await tenants(session) == []
    await record(sessions, {"s": [page("a")]})
    async with sessions.read() as session, session.begin():
        assert await find_domain(session, "default", DOMAIN) == run.domain_id


async def test_old_runs_are_pruned(sessions: Sessions) -> None:
    """With the pages that no kept run has asked. The last run is kept, and what can be continued."""
    now = datetime.now(UTC)
    runs = []
    for number, (paths, finished) in enumerate([("ab", True), ("bc", True), ("cd", False), ("d", True)]):
        run = await claim_pages(sessions, wanted=number + 1)
        await ask_pages(sessions, run, *paths, finished=finished)
        await changed(sessions, run, started_at=now - timedelta(days=10 - number))
        runs.append(run)
    for before, unfinished, pages in ((now, False, "cd"), (now, True, "d")):
        rule, dry, tally = Retention("default", before, unfinished), Tally(), Tally()
        await prune._count(sessions, rule, dry)
        await prune._remove(sessions, rule, tally)
        assert (+dry.rows, set(tally.rows.values()) != {0}) == (+tally.rows, True)
        assert set(await known(sessions, runs[0], *"abcd")) == set(pages)
        await prune._remove(sessions, Retention("acme", before, unfinished), tally)
    async with sessions.read() as session, session.begin():
        assert await session.scalar(select(func.count()).select_from(PageRunRow)) == 1

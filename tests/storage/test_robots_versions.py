"""Versions of robots.txt: a row for each that differs, and none for what says nothing about it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recording import DOMAIN, start
from sqlalchemy import delete, func, select

from contentmap_cli.errors import Failure
from contentmap_cli.models import Problem
from contentmap_cli.models.robots import RobotsFile, RobotsState, RobotsVersion
from contentmap_cli.storage.jobs.claims import Claim, fence
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import Domain, RobotsVersionRow
from contentmap_cli.storage.writing.robots_versions import current_robots, robots_versions, save_robots

URL = f"https://{DOMAIN}/robots.txt"
ONE = RobotsFile(
    origin=f"https://{DOMAIN}",
    url=URL,
    final_url=URL,
    http_status=200,
    body=b"User-agent: *\nHello\n\x00",
    digest="1" * 32,
    understood=True,
    problems=(Problem("unknown_line", 2, "Hello"),),
)
TWO = replace(ONE, body=b"", digest="2" * 32, problems=())
PAGE = replace(ONE, body=b"<html>", digest="3" * 32, understood=False)
ABSENT = RobotsFile(ONE.origin, URL, URL, 404, Failure("http_404", "Not Found"))
REFUSED = RobotsFile(ONE.origin, URL, URL, 403, Failure("http_403", "Forbidden"))
SILENT = RobotsFile(ONE.origin, URL, URL, None, Failure("timeout", "no answer"))


async def save(sessions: Sessions, claim: Claim, file: RobotsFile | None) -> list[RobotsVersion]:
    """Records one, and returns all versions."""
    async with sessions.work(claim.job_id, DOMAIN) as session, session.begin():
        await session.turn()
        first_scan = not await fence(session, claim)
        known = await robots_versions(session, claim.domain_id)
        await save_robots(session, claim, file, first_scan=first_scan and not known)
    async with sessions.read() as session, session.begin():
        return await robots_versions(session, claim.domain_id)


async def test_a_new_version_where_it_differs(sessions: Sessions) -> None:
    """The same one again only moves `last_seen`; one that comes back is a version of its own."""
    claim = await start(sessions)
    (first,) = await save(sessions, claim, ONE)
    assert (first.number, first.state, first.url, first.http_status) == (1, RobotsState.READ, URL, 200)
    assert (first.body, first.digest, first.problems) == (ONE.body, ONE.digest, ONE.problems)
    assert first.first_seen == first.last_seen
    (again,) = await save(sessions, claim, replace(ONE, problems=()))
    assert (again.first_seen, again.problems) == (first.first_seen, ())
    assert again.last_seen > first.last_seen
    assert [version.digest for version in await save(sessions, claim, TWO)] == [ONE.digest, TWO.digest]
    versions = await save(sessions, claim, ONE)
    assert [(version.number, version.digest) for version in versions] == [
        (1, ONE.digest),
        (2, TWO.digest),
        (3, ONE.digest),
    ]
    async with sessions.read() as session, session.begin():
        assert await current_robots(session, claim.domain_id) == versions[-1]


async def test_absence_and_other_documents(sessions: Sessions) -> None:
    """That there is none is a version; pages that differ each time are one."""
    claim = await start(sessions)
    for file in (ABSENT, ABSENT, PAGE, replace(PAGE, digest="4" * 32), ONE):
        versions = await save(sessions, claim, file)
    assert [(version.state, version.body) for version in versions] == [
        (RobotsState.ABSENT, None),
        (RobotsState.NOT_UNDERSTOOD, b"<html>"),
        (RobotsState.READ, ONE.body),
    ]


@pytest.mark.parametrize("file", [REFUSED, SILENT, replace(SILENT, http_status=503), None])
async def test_no_answer_is_no_version(sessions: Sessions, file: RobotsFile | None) -> None:
    """What was refused or could not be reached says nothing about robots.txt."""
    claim = await start(sessions)
    assert await save(sessions, claim, file) == []
    (known,) = await save(sessions, claim, ONE)
    assert await save(sessions, claim, file) == [known]


async def test_they_go_with_their_domain(sessions: Sessions) -> None:
    """Nothing is left of a domain that is removed."""
    claim = await start(sessions)
    await save(sessions, claim, ONE)
    async with sessions.brief() as session, session.begin():
        await session.write(delete(Domain).where(Domain.id == claim.domain_id))
    async with sessions.read() as session, session.begin():
        assert await session.scalar(select(func.count()).select_from(RobotsVersionRow)) == 0

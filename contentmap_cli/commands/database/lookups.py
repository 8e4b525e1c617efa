"""Finds the jobs and domains that a command names, or raises NotFound with a hint."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence, Sized
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

from contentmap_cli.commands.database.connection import database_for_reading
from contentmap_cli.commands.engine.run_id import is_dead, is_running, truthful
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import NotFound, UsageError
from contentmap_cli.models import JobStatus, JobSummary
from contentmap_cli.storage.jobs.job_queries import job_ids, job_summary, latest_job_id, list_jobs
from contentmap_cli.storage.jobs.jobs import find_job
from contentmap_cli.storage.queue.queue_state import with_queue
from contentmap_cli.storage.reading.contents import all_domains, find_domain, known_domains
from contentmap_cli.storage.session import GuardedSession, Sessions
from contentmap_cli.storage.tables import Job

Page = TypeVar("Page", bound=Sized)
JOB_PREFIX = "sitemap_"
_OPEN = frozenset({JobStatus.PENDING, JobStatus.RUNNING, JobStatus.INTERRUPTED})
_JOB_ID = re.compile(rf"{JOB_PREFIX}[0-9a-f]{{32}}", re.ASCII)
_SHOWN = 5  # ids listed for an ambiguous prefix


async def require_domain(session: GuardedSession, tenant: str, name: str, *, scanned: bool = True) -> int:
    """Return the id of a domain, see `find_domain`. Raise NotFound; the hint names a similar domain."""
    found = await find_domain(session, tenant, name, scanned=scanned)
    if found is not None:
        return found
    from difflib import get_close_matches

    near = get_close_matches(name, await known_domains(session, tenant), n=1, cutoff=0.8)
    hint = f"did you mean {near[0]}?" if near else f"run `contentmap scan {name}` first"
    raise NotFound(f"{name} was never scanned", hint=hint)


async def pages(
    sessions: Sessions,
    next_page: Callable[[GuardedSession], Awaitable[Page]],
    *,
    domain: str | None = None,
) -> AsyncIterator[Page]:
    """Yield the pages that `next_page` returns until one is empty, each read in a transaction of its own.
    None is open while a page is written, whose reader may pause."""
    while True:
        async with sessions.read(domain=domain) as session, session.begin():
            page = await next_page(session)
        if not page:
            return
        yield page


@asynccontextmanager
async def recorded_domain(cli: GlobalOptions, name: str) -> AsyncIterator[tuple[Sessions, int]]:
    """Open the database for reading and give the id of a domain. Raise NotFound."""
    async with database_for_reading(cli) as sessions:
        async with sessions.read(domain=name) as session, session.begin():
            domain_id = await require_domain(session, cli.tenant_name, name)
        yield sessions, domain_id


@asynccontextmanager
async def recorded_domains(
    cli: GlobalOptions, names: Sequence[str]
) -> AsyncIterator[tuple[Sessions, list[tuple[int, str]]]]:
    """Open the database for reading and give id and name of these domains, of all of the tenant where none is
    named. Raise NotFound for the first one that was never scanned, or where there is none."""
    async with database_for_reading(cli) as sessions:
        async with sessions.read() as session, session.begin():
            found = [(await require_domain(session, cli.tenant_name, name), name) for name in names]
            if not names:
                found = await all_domains(session, cli.tenant_name)
        if not found:
            raise NotFound("no domain was scanned yet", hint="run `contentmap scan example.com` first")
        yield sessions, found


@asynccontextmanager
async def read_domain(cli: GlobalOptions, name: str) -> AsyncIterator[tuple[GuardedSession, int]]:
    """Begin a read-only transaction and give its session and the id of a domain. Raise NotFound."""
    async with (
        database_for_reading(cli) as sessions,
        sessions.read(domain=name) as session,
        session.begin(),
    ):
        yield session, await require_domain(session, cli.tenant_name, name)


async def require_job(session: GuardedSession, tenant: str, job_id: str, *, locked: bool = False) -> Job:
    """Return a job, `locked` until the transaction ends. Raise NotFound if the tenant has no such job."""
    job = await find_job(session, job_id, tenant, lock=locked)
    if job is None:
        raise unknown_job(job_id)
    return job


async def job_as_it_stands(session: GuardedSession, tenant: str, job_id: str) -> JobSummary:
    """Return a job with the state of its run or its workers. Raise NotFound."""
    job = await job_summary(session, job_id, tenant, running=is_running)
    if job is None:
        raise unknown_job(job_id)
    return truthful((await with_queue(session, [job], is_dead))[0])


async def jobs_as_they_stand(
    session: GuardedSession,
    tenant: str,
    *,
    limit: int,
    since: datetime | None = None,
    before: tuple[datetime, str] | None = None,
    statuses: Collection[JobStatus] | None = None,
    domain: str | None = None,
) -> list[JobSummary]:
    """Return what `list_jobs` does, with the state of runs and workers. `statuses` is held against the actual
    ones: a job that is recorded as running may be interrupted."""
    recorded = set(statuses) if statuses else None
    if recorded is not None and recorded & _OPEN:
        recorded |= _OPEN
    found: list[JobSummary] = []
    while len(found) < limit:
        page = await list_jobs(
            session,
            tenant,
            limit=limit,
            since=since,
            before=before,
            statuses=recorded,
            domain=domain,
            running=is_running,
        )
        jobs = map(truthful, await with_queue(session, page, is_dead))
        found += [job for job in jobs if not statuses or job.status in statuses]
        if len(page) < limit:
            break
        before = page[-1].created_at, page[-1].job_id
    return found[:limit]


async def read_job(sessions: Sessions, tenant: str, job_id: str | None) -> JobSummary:
    """Return the job with this id or prefix, the latest one for None. Raise NotFound."""
    async with sessions.read(job_id) as session, session.begin():
        return await job_as_it_stands(session, tenant, await find_job_id(session, tenant, job_id))


async def find_job_id(session: GuardedSession, tenant: str, text: str | None) -> str:
    """Return the id of the job that `text` is a unique prefix of, of the latest job for None.

    A complete id is returned as it is. Raise NotFound for no match, UsageError for several.
    """
    if text is None:
        latest = await latest_job_id(session, tenant)
        if latest is None:
            raise NotFound("no job is recorded yet", hint="run `contentmap scan example.com` first")
        return latest
    if _JOB_ID.fullmatch(text):
        return text
    ids = await job_ids(session, tenant, prefix=text, limit=_SHOWN + 1)
    if not ids:
        raise unknown_job(text)
    if len(ids) > 1:
        more = ["…"] if len(ids) > _SHOWN else []
        raise UsageError(
            f"ambiguous job id: {text!r} is a prefix of several ids",
            hint="give more characters of the id",
            details=[*ids[:_SHOWN], *more],
        )
    return ids[0]


async def named_job(cli: GlobalOptions, text: str | None) -> str:
    """Return what `find_job_id` does, reading the database only if `text` is not a complete id."""
    if text is not None and _JOB_ID.fullmatch(text):
        return text
    async with database_for_reading(cli) as sessions, sessions.read() as session, session.begin():
        return await find_job_id(session, cli.tenant_name, text)


def nothing_left(job_id: str, *, failures: bool) -> str:
    """Return the message for a job without unfinished domains; it names --failed unless `failures`."""
    again = "" if failures else "; retry failed and partial domains with --failed"
    return f"nothing to do: {job_id} is finished{again}"


def unknown_job(job_id: str) -> NotFound:
    """Return the error for a job that the tenant does not have."""
    return NotFound(
        f"no such job: {job_id[:80]!r}",
        hint="list the jobs with `contentmap jobs`; old jobs may have been pruned",
    )

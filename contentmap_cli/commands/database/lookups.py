"""The jobs and domains that a command is asked about: as they are recorded, or NotFound with a hint."""

from __future__ import annotations

from contentmap_cli.commands.engine.run_id import is_dead, is_running, truthful
from contentmap_cli.errors import NotFound
from contentmap_cli.models import JobSummary
from contentmap_cli.storage.jobs.job_queries import job_summary, latest_job_id
from contentmap_cli.storage.jobs.jobs import find_job
from contentmap_cli.storage.queue.queue_state import with_queue
from contentmap_cli.storage.reading.contents import find_domain, known_domains
from contentmap_cli.storage.session import GuardedSession, Sessions
from contentmap_cli.storage.tables import Job


async def require_domain(session: GuardedSession, tenant: str, name: str) -> int:
    """The id of a domain. Raises NotFound, naming a known domain that is spelled much like it."""
    found = await find_domain(session, tenant, name)
    if found is not None:
        return found
    from difflib import get_close_matches

    near = get_close_matches(name, await known_domains(session, tenant), n=1, cutoff=0.8)
    hint = f"did you mean {near[0]}?" if near else f"scan it first: contentmap scan {name}"
    raise NotFound(f"{name} was never scanned", hint=hint)


async def require_job(session: GuardedSession, tenant: str, job_id: str, *, locked: bool = False) -> Job:
    """The row of a job, `locked` until the transaction ends. Raises NotFound where this tenant has none."""
    job = await find_job(session, job_id, tenant, lock=locked)
    if job is None:
        raise unknown_job(job_id)
    return job


async def job_as_it_stands(session: GuardedSession, tenant: str, job_id: str) -> JobSummary:
    """A job with what is known of its run or its workers by now. Raises NotFound."""
    job = await job_summary(session, job_id, tenant, running=is_running)
    if job is None:
        raise unknown_job(job_id)
    return truthful(await with_queue(session, job, is_dead))


async def read_job(sessions: Sessions, tenant: str, job_id: str | None) -> JobSummary:
    """A job as it stands, the latest where none is named. Raises NotFound."""
    async with sessions.read(job_id) as session, session.begin():
        wanted = job_id or await latest_job_id(session, tenant)
        if wanted is None:
            raise NotFound("no job is recorded yet", hint="run `contentmap scan example.com` first")
        return await job_as_it_stands(session, tenant, wanted)


def nothing_left(job_id: str, *, failures: bool) -> str:
    """That a job needs no run. Where failures were not tried again either, the option for that."""
    again = "" if failures else "; --failed tries failed and partial domains again"
    return f"nothing is left to do in {job_id}{again}"


def unknown_job(job_id: str) -> NotFound:
    """The error for a job that this tenant does not have."""
    return NotFound(
        f"no job {job_id[:80]!r} is recorded",
        hint="`contentmap jobs` lists those there are; old ones may have been pruned",
    )

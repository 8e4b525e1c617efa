"""Store and look up what pages answered: one row for each requested URL of a domain."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, select

from contentmap_cli.batches import batched
from contentmap_cli.models.pages import PageFacts
from contentmap_cli.storage.jobs.jobs import insert_for
from contentmap_cli.storage.pages.runs import PageRun
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.tables import PAGES

_CHUNK: Final = 500

LONGEST_URL: Final = 2_048
"""Characters of a URL that can be recorded: the key of a row of PostgreSQL has a limit of 2,704 bytes."""

_LISTED, _TARGET, _PROBE = "listed", "target", "probe"
_P: Final = PAGES.c
_CHANGED: Final = ("run_id", "kind", "asked_at", "status", "etag", "last_modified", "facts")


class StoredFacts(NamedTuple):
    """The recorded facts of a page as JSON, and the run that asked."""

    url: str
    run_id: int
    facts: str


async def save_facts(session: GuardedSession, run: PageRun, pages: Sequence[tuple[PageFacts, str]]) -> None:
    """Write pages, each with its facts as JSON, over what was known of them. Call `fence_run` first."""
    rows: list[dict[str, Any]] = [
        {
            "domain_id": run.domain_id,
            "url": page.url,
            "run_id": run.run_id,
            "kind": _PROBE if page.probe else _LISTED if page.listed else _TARGET,
            "asked_at": page.validated_at or page.asked_at,
            "status": page.status,
            "etag": page.etag,
            "last_modified": page.last_modified,
            "facts": facts,
        }
        # two rows of one statement must not have the same key
        for page, facts in {page.url: (page, facts) for page, facts in pages}.values()
        if len(page.url) <= LONGEST_URL
    ]
    insert = insert_for(session)(PAGES)
    upsert = insert.on_conflict_do_update(
        index_elements=["domain_id", "url"], set_={name: insert.excluded[name] for name in _CHANGED}
    )
    for some in batched(rows, _CHUNK):
        await session.execute(upsert, list(some))
    session.note("pages.saved", pages=len(rows))


async def find_facts(session: GuardedSession, domain_id: int, urls: Collection[str]) -> list[StoredFacts]:
    """Return what is recorded of these URLs of a domain, of any run."""
    found: list[StoredFacts] = []
    for some in batched(sorted(urls), _CHUNK):
        rows = await session.execute(
            select(_P.url, _P.run_id, _P.facts).where(_P.domain_id == domain_id, _P.url.in_(some))
        )
        found += [StoredFacts(*row) for row in rows]
    return found


async def asked_targets(session: GuardedSession, run: PageRun) -> list[str]:
    """Return the targets of redirects that a run has asked."""
    return list(await session.scalars(select(_P.url).where(*_asked(run, _TARGET))))


async def asked_probes(session: GuardedSession, run: PageRun) -> list[str]:
    """Return the facts of the made-up paths that a run has asked, as JSON."""
    return list(await session.scalars(select(_P.facts).where(*_asked(run, _PROBE)).order_by(_P.url)))


def _asked(run: PageRun, kind: str) -> tuple[ColumnElement[bool], ...]:
    return _P.domain_id == run.domain_id, _P.run_id >= run.run_id, _P.kind == kind

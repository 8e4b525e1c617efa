"""Scans that read only what changed record and answer what scans record and answer that read all."""

from __future__ import annotations

import gzip
import json
import logging
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from web_sites import Page, Sites, serving

from contentmap_cli.commands.engine.job.job_run import JobRun
from contentmap_cli.commands.engine.progress import ProgressListener
from contentmap_cli.crawl import crawler as crawler_module
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.options import CrawlOptions, parse_connect_to
from contentmap_cli.crawl.reading.body_cache import WORTH_KEEPING
from contentmap_cli.models import DomainSummary, Target
from contentmap_cli.storage.engine import Database
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import SITEMAP_URLS, URL_CHANGES, Domain, DomainScan, SitemapFile

HOST = "a.test"
HEAD = '<?xml version="1.0"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
SIZES = {"small": 20, "packed": 1_100, "plain": 1_050, "large" + 200 * "-": 1_050}
"""Entries of each file: too few to be kept, read in a thread (two), and long enough for a process."""
LARGE_FILE = [*SIZES][-1]

Files = dict[str, dict[str, str]]
Event = Callable[[Files, dict[str, str]], None]


def entry(path: str, day: str) -> str:
    """One entry."""
    return f"<url><loc>http://{HOST}/{path}</loc><lastmod>{day}</lastmod><priority>0.5</priority></url>\n"


def publish(sites: Sites, files: Files, spoiled: dict[str, str]) -> None:
    """Serves the files as they are now; `spoiled` says what stands behind the entries of one, or its
    status."""
    named = "\n".join(f"Sitemap: http://{HOST}/{name}.xml" for name in files)
    pages: dict[str, Page] = {f"{HOST}/robots.txt": named}
    for name, entries in files.items():
        if spoiled.get(name) == "500":
            pages[f"{HOST}/{name}.xml"] = 500
            continue
        listed = "".join(entry(path, day) for path, day in entries.items()) + spoiled.get(name, "")
        body = f"{HEAD}{listed}</urlset>".encode()
        pages[f"{HOST}/{name}.xml"] = gzip.compress(body, 1) if name == "packed" else body
    sites.pages.clear()
    sites.pages.update(pages)


def change(files: Files, dice: random.Random, scan: int) -> None:
    """Some entries of each file come, go, change, and move to another."""
    for name, entries in files.items():
        paths = dice.sample([*entries], 9)
        for path in paths[:4]:
            entries[path] = f"2026-03-{scan + 1:02}"
        for path in paths[4:7]:
            del entries[path]
        other = dice.choice([each for each in files if each != name])
        files[other][paths[7]] = entries.pop(paths[7])
        files[other][paths[8]] = entries[paths[8]]
        entries |= {f"new-{name}-{dice.randrange(20)}": "2026-01-01" for _ in range(3)}


EVENTS: dict[int, Event] = {
    2: lambda files, spoiled: spoiled.update(plain="500"),  # incomplete: what is missing is withheld
    4: lambda files, spoiled: spoiled.update(
        {
            LARGE_FILE: entry([*files[LARGE_FILE]][100], "2026-09-09"),
            "packed": "<url><loc>http://a.test/cut</loc><lastmod>soon</lastmod></url>",
        }
    ),
}


class Kept(ProgressListener):
    """Keeps what is answered."""

    def __init__(self) -> None:
        self.answers: list[DomainSummary] = []

    def finished(self, summary: DomainSummary) -> None:
        """Without what differs from run to run."""
        self.answers.append(replace(summary, job_id="", seconds=0))


async def scan(sessions: Sessions, crawler: Crawler, tenant: str) -> DomainSummary:
    """One scan of the site for a tenant, by the run that the command starts."""
    job_id = jobs.new_job_id()
    targets = [Target(HOST, (f"http://{HOST}",))]
    async with sessions.brief(job_id) as session, session.begin():
        await jobs.create_job(session, job_id, tenant, targets, {}, "me")
        assert await jobs.hold_job(session, job_id, "me")
    kept = Kept()
    run = JobRun(sessions, crawler, job_id, tenant, "me", listener=kept)
    await run.run([HOST])
    await run.close()
    (answer,) = kept.answers
    return answer


async def recorded(sessions: Sessions, tenant: str) -> dict[str, list[Any]]:
    """All that is recorded of a tenant's domain, but for ids and times."""
    async with sessions.read() as session, session.begin():
        domain = (await session.scalars(select(Domain).where(Domain.tenant_id == tenant))).one()
        scans = await session.scalars(
            select(DomainScan.id).where(DomainScan.domain_id == domain.id).order_by(DomainScan.id)
        )
        numbers: dict[int | None, int | None] = {number: index for index, number in enumerate(scans)}
        files = [*await session.scalars(select(SitemapFile).where(SitemapFile.domain_id == domain.id))]
        names = {file.id: file.url for file in files}
        numbered = ("first_scan_id", "removed_scan_id", "scan_id")
        found: dict[str, list[Any]] = {}
        for table in (SITEMAP_URLS, URL_CHANGES):
            rows = (await session.execute(select(table).where(table.c.domain_id == domain.id))).mappings()
            found[table.name] = sorted(
                [
                    names[row["sitemap_file_id"]],
                    *(
                        str(numbers.get(value) if name in numbered else value)
                        for name, value in row.items()
                        if name not in ("domain_id", "sitemap_file_id")
                    ),
                ]
                for row in rows
            )
        own = {"id", "domain_id", "last_scan_id", "fetched_at", "first_seen", "response_time_ms"}
        columns = [column.name for column in SitemapFile.__table__.c if column.name not in own]
        found["files"] = sorted([str(getattr(file, name)) for name in columns] for file in files)
    return found


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
@pytest.mark.campaign
async def test_a_history_is_recorded_alike_with_and_without_the_cache(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows, what they were, facts of files and every count are equal after each scan; and the cache was used
    for all but what could not be told from changes."""
    caplog.set_level(logging.DEBUG, "contentmap.transaction")
    dice = random.Random(5)
    files: Files = {
        name: {f"{name}-{number}": "2026-01-01" for number in range(size)} for name, size in SIZES.items()
    }
    assert min(SIZES.values()) < WORTH_KEEPING
    sessions = Sessions(database)
    seen: list[tuple[int, int]] = []
    async with AsyncExitStack() as stack:
        sites = stack.enter_context(serving({}))
        options = CrawlOptions(connect_to=(parse_connect_to(sites.connect_to),), retries=0, delay=0)
        whole = await stack.enter_async_context(Crawler(options))
        options = replace(options, bodies=tmp_path / "bodies")
        kept = await stack.enter_async_context(Crawler(options))
        full = await stack.enter_async_context(Crawler(replace(options, conditional=False)))
        for number in range(7):
            if number:
                change(files, dice, number)
            spoiled: dict[str, str] = {}
            EVENTS.get(number, lambda *_: None)(files, spoiled)
            publish(sites, files, spoiled)
            ordinary = await scan(sessions, whole, "whole")
            caplog.clear()
            assert await scan(sessions, kept, "kept") == ordinary, number
            steps = [record.__dict__ for record in caplog.records]
            seen.append(
                (
                    sum(step.get("deltas", 0) for step in steps),
                    sum(step["files"] for step in steps if step.get("action") == "entries.delta_mismatch"),
                )
            )
            assert await recorded(sessions, "kept") == await recorded(sessions, "whole"), number
        # Of three large files. In the third scan one fails, and what is missing from the others is withheld,
        # so that no digest stands; in the fifth, one lists a URL twice, and one has a problem.
        assert seen == [(0, 0), (3, 0), (2, 0), (0, 0), (1, 1), (1, 0), (3, 0)]
        change(files, dice, 20)
        publish(sites, files, {})
        caplog.clear()
        assert await scan(sessions, full, "kept") == await scan(sessions, whole, "whole")
        assert not sum(record.__dict__.get("deltas", 0) for record in caplog.records)


async def test_the_cache_is_held_to_its_size(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of a run at the latest; what was put there last stays."""
    monkeypatch.setattr(crawler_module.BodyCache.trim, "__defaults__", (1,))
    files: Files = {"packed": {str(number): "2026-01-01" for number in range(WORTH_KEEPING)}}
    with serving({}) as sites:
        publish(sites, files, {})
        options = CrawlOptions(
            connect_to=(parse_connect_to(sites.connect_to),), retries=0, bodies=tmp_path / "bodies"
        )
        async with Crawler(options) as crawler:
            assert (await scan(Sessions(database), crawler, "kept")).urls == WORTH_KEEPING
            assert len([*(tmp_path / "bodies").iterdir()]) == 1
    assert not [*(tmp_path / "bodies").iterdir()]


def test_the_command_keeps_bodies_in_the_users_cache(on_sqlite: Any) -> None:
    """By default, and nowhere else; a folder that cannot be written is told of once, and does no harm."""
    files: Files = {
        name: {f"{name}-{number}": "2026-01-01" for number in range(1_500)} for name in ("packed", "plain")
    }
    log = on_sqlite.folder / "log.ndjson"
    with serving({}) as sites:
        publish(sites, files, {})
        words = ("scan", f"http://{HOST}", "--connect-to", sites.connect_to, "--json", "--delay", "0")
        assert on_sqlite(*words).json["urls"] == 3_000
        folder = on_sqlite.folder / ".cache" / "contentmap" / "bodies"
        assert len([*folder.iterdir()]) == 2
        for entries in files.values():
            entries["new"] = "2026-01-01"
        publish(sites, files, {})
        (on_sqlite.folder / "map.txt").write_text("in the way")
        again = on_sqlite(
            *("-vv", "--log-format", "json", "--log-file", str(log)),
            *words,
            *("--body-cache", str(on_sqlite.folder / "map.txt")),
        )
        assert (again.code, again.json["added"], again.json["urls"]) == (0, 1, 3_001)
    steps = [json.loads(line) for line in log.read_text().splitlines()]
    (said,) = [step for step in steps if step["action"] == "bodies.not_stored"]
    assert said["level"] == "warning"
    assert "map.txt" in said["message"]
    assert [step["deltas"] for step in steps if step["action"] == "entries.compared"] in ([], [0])

"""Scans of many simulated sites, one `contentmap scan` each night, held against the removal rule."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import asyncpg
from program import Contentmap
from site_damages import Active
from site_model import Site
from site_rule import CLEAN, Expected, Recorded, Rule, Violation, violations
from site_server import SiteServer

from contentmap_cli.errors import Exit

_LISTED = """
    SELECT DISTINCT d.name, u.url FROM sitemap_urls u JOIN domains d ON d.id = u.domain_id
    WHERE u.removed_scan_id IS NULL AND d.tenant_id = '{tenant}'
"""


class WrongExit(AssertionError):
    """The exit code of a scan does not fit the outcomes of its domains."""


@dataclass
class Judged:
    """One site's night: what was expected, what was recorded, what is listed, and what is wrong with it."""

    expected: Expected
    recorded: Recorded
    before: frozenset[str]
    after: frozenset[str]
    violations: list[Violation]


@dataclass
class Watched:
    """A site that is scanned night after night, and the rule that its scans are held against."""

    site: Site
    rule: Rule


def scan_night(
    contentmap: Contentmap,
    server: SiteServer,
    night: Sequence[tuple[Watched, Sequence[Active]]],
    *,
    tenant: str = "default",
    timeout: float = 600,
) -> list[Judged]:
    """Serve these sites with these damages, scan all of them in one job and judge each.

    Raises WrongExit where the exit code passes for clean and a domain is not, or the other way round.
    """
    for watched, active in night:
        server.publish(watched.site, active)
    expected = [watched.rule.expect(watched.site, active) for watched, active in night]
    said = contentmap(
        *("--tenant", tenant, "scan", "-", "--connect-to", server.connect_to, "--format", "ndjson", "-q"),
        *("-c", "300", "--body-cache", "off"),
        stdin="".join(f"{watched.site.origin}\n" for watched, _ in night).encode(),
        timeout=timeout,
    )
    records = _recorded(said.out)
    missing = [watched.site.host for watched, _ in night if watched.site.host not in records]
    assert not missing, f"exit code {said.code}, no answer for {missing[:3]}: {said.err[-2000:]}"
    listed = listed_urls(contentmap.database, tenant)
    judged = []
    for (watched, _), bounds in zip(night, expected, strict=True):
        host = watched.site.host
        before, after = watched.rule.before, frozenset(listed.get(host, ()))
        found = violations(bounds, before, after, records[host])
        watched.rule.settle(after)
        judged.append(Judged(bounds, records[host], before, after, found))
    clean = all(record.outcome in CLEAN for record in records.values())
    if (said.code == Exit.CLEAN) is not clean:
        raise WrongExit(f"exit code {said.code}, outcomes {sorted({r.outcome for r in records.values()})}")
    return judged


def _recorded(answer: str) -> Mapping[str, Recorded]:
    """What a scan said of each domain, by host."""
    lines = [json.loads(line) for line in answer.splitlines()]
    return {
        line["domain"]: Recorded(
            line["outcome"],
            line["urls"],
            line["added"],
            line["removed"],
            line["error"]["code"] if line["error"] else None,
        )
        for line in lines
        if line["type"] == "domain"
    }


def listed_urls(database: str, tenant: str = "default") -> dict[str, set[str]]:
    """The URLs that are listed, by domain, from the database: a command for each domain takes long."""
    if database.startswith("postgresql"):
        rows = asyncio.run(_rows(database, _LISTED.format(tenant=tenant)))
    else:
        with closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as connection:
            rows = connection.execute(_LISTED.format(tenant=tenant)).fetchall()
    found: dict[str, set[str]] = {}
    for name, url in rows:
        found.setdefault(name, set()).add(url)
    return found


async def _rows(database: str, statement: str) -> Iterable[tuple[str, str]]:
    connection = await asyncpg.connect(database)
    try:
        return [(row[0], row[1]) for row in await connection.fetch(statement)]
    finally:
        await connection.close()

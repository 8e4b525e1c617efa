"""What a scan may call removed: damage removes nothing, and what is really gone is counted at once.

Many small sites on loopback are scanned in one job each night, on both databases. The named cases are held
against what stands in `site_cases.py`, random histories against the model of the rule in `site_rule.py`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from program import Contentmap
from site_cases import (
    CHANGES,
    HIDDEN,
    INDEX,
    ONE,
    RETRIED_DAMAGES,
    Changed,
    Damaged,
    damaged_sites,
    pages,
    site_of,
)
from site_histories import History
from site_model import Style
from site_nights import Judged, Watched, listed_urls, scan_night
from site_rule import CLEAN, NIGHTS_UNNAMED, Rule
from site_server import serving_sites

SEED = 7
HISTORIES = 20
FEW_HISTORIES = 4
NIGHTS = 4


@dataclass
class Scanned:
    """What the nights of all sites came to, each night by host."""

    contentmap: Contentmap
    damaged: list[Damaged]
    changed: list[tuple[Changed, str]]  # with its host
    histories: list[History]
    nights: list[dict[str, Judged]]


@pytest.fixture(
    scope="session",
    params=[
        "few",
        pytest.param("all", marks=pytest.mark.campaign),
        pytest.param("postgresql", marks=pytest.mark.campaign),
    ],
)
def scanned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scanned]:
    """All sites, scanned four nights: with few damages, none that a crawler waits for, or with all."""
    folder = tmp_path_factory.mktemp("removals")
    if request.param != "postgresql":
        few = request.param == "few"
        contentmap = Contentmap(folder, f"sqlite:///{folder / 'map.db'}")
        yield _scan(contentmap, few=few, count=FEW_HISTORIES if few else HISTORIES)
        return
    server = request.getfixturevalue("postgres_server")
    name = f"contentmap_removals_{os.getpid()}"
    asyncio.run(_on_server(server, f"CREATE DATABASE {name}"))
    contentmap = Contentmap(folder, server.rpartition("/")[0] + f"/{name}")
    assert contentmap("db", "upgrade").code == 0
    yield _scan(contentmap, few=True)
    asyncio.run(_on_server(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def _on_server(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _scan(contentmap: Contentmap, *, few: bool, count: int = HISTORIES) -> Scanned:
    """Serve and scan every site, and `count` random histories, night after night."""
    damaged = list(damaged_sites(few=few))
    changed = [(case, f"changed{number}.test") for number, case in enumerate((*CHANGES, *HIDDEN))]
    without = RETRIED_DAMAGES if few else frozenset()
    histories = [History(SEED, index, NIGHTS, without) for index in range(count)]
    cases = [(Watched(case.site, Rule()), case.active) for case in damaged]
    sites = [(case, Watched(site_of(host, case.style), Rule())) for case, host in changed]
    watched = [Watched(history.site, Rule()) for history in histories]
    found = Scanned(contentmap, damaged, changed, histories, [])
    with serving_sites() as server:
        for number, nights in enumerate(zip(*(history.nights() for history in histories), strict=True), 1):
            night = [(site, each.damages) for site, each in zip(watched, nights, strict=True)]
            if number <= 3:
                night += [(site, [active] if number == 2 else []) for site, active in cases]
                if number == 2:
                    for case, site in sites:
                        case.change(site.site)
                night += [(site, case.active(site.site) if number == 2 else []) for case, site in sites]
            judged = scan_night(contentmap, server, night)
            found.nights.append({site.site.host: each for (site, _), each in zip(night, judged, strict=True)})
    return found


def test_a_damage_removes_nothing(scanned: Scanned) -> None:
    """All URLs stay listed, and the night is not clean where no reader can miss the damage."""
    wrong = []
    for case in scanned.damaged:
        first, second = (night[case.site.host] for night in scanned.nights[:2])
        listed = frozenset(case.site.published())
        assert (first.recorded.outcome, first.after) == ("ok", listed), case.name
        clean = second.recorded.outcome in CLEAN
        kept = second.after == listed and (second.recorded.added, second.recorded.removed) == (0, 0)
        if not kept or second.recorded.outcome == "empty" or (clean and not case.active.damage.clean):
            wrong.append(f"{case.name}: {second.recorded}")
    assert not wrong, "\n".join(wrong)


def test_a_repair_adds_nothing(scanned: Scanned) -> None:
    """The night after a damage is as the night before it."""
    wrong = []
    for case in scanned.damaged:
        third = scanned.nights[2][case.site.host]
        listed = frozenset(case.site.published())
        if third.after != listed or third.recorded[:4] != ("ok", len(listed), 0, 0):
            wrong.append(f"{case.name}: {third.recorded}")
    assert not wrong, "\n".join(wrong)


def test_what_is_really_gone_is_counted_at_once(scanned: Scanned) -> None:
    """By the first scan that could read everything; the night after counts nothing."""
    wrong = []
    for case, host in scanned.changed:
        _, second, third = (night[host] for night in scanned.nights[:3])
        seen = third if case.damage else second
        counted = (seen.recorded.added, seen.recorded.removed)
        listed = frozenset(pages(host, *({1, 2, 3, 4, 5, 6, 7} - case.gone | case.new)))
        if counted != (len(case.new), len(case.gone)) or seen.after != listed:
            wrong.append(f"{case.name}: {seen.recorded}, {len(seen.after)} URLs are listed")
        elif seen.recorded.outcome not in case.outcomes:
            wrong.append(f"{case.name}: {seen.recorded}")
        other = second if case.damage else third
        if (other.recorded.added, other.recorded.removed) != (0, 0):
            wrong.append(f"{case.name}, the other night: {other.recorded}")
        if case.damage and other.recorded.outcome in CLEAN:
            wrong.append(f"{case.name}, while it is damaged: {other.recorded}")
    assert not wrong, "\n".join(wrong)


def test_random_histories_keep_the_rule(scanned: Scanned) -> None:
    """No night of them removes, keeps, adds or calls clean what the rule forbids."""
    wrong = [
        f"{history.name}, night {number}: {fault}: {text}"
        for history in scanned.histories
        for number, night in enumerate(scanned.nights, 1)
        for fault, text in night[history.site.host].violations
    ]
    assert not wrong, "\n".join(wrong)


def test_the_command_lists_what_was_judged(scanned: Scanned) -> None:
    """`contentmap urls` gives the URLs that the other tests read from the database."""
    _, host = scanned.changed[0]
    said = scanned.contentmap("urls", host, "--format", "txt")
    assert (
        set(said.out.split())
        == listed_urls(scanned.contentmap.database)[host]
        == set(pages(host, *range(2, 8)))
    )


def test_a_file_that_nothing_names_is_dropped_after_seven_whole_scans(on_sqlite: Any) -> None:
    """The seventh or the one after it, none before. A file found at a known path is never dropped."""
    retired, known = site_of("retired.test"), site_of("known.test", Style.KNOWN_PATH)
    sites = [Watched(retired, Rule()), Watched(known, Rule())]
    listed = []
    with serving_sites() as server:
        for number in range(2 + NIGHTS_UNNAMED):
            if number == 1:
                retired.indexes[INDEX].remove(ONE)
            first, second = scan_night(on_sqlite, server, [(each, ()) for each in sites])
            listed.append((len(first.after), first.recorded.removed))
            assert (second.recorded.outcome, len(second.after)) == ("ok", 7)
    assert listed[:NIGHTS_UNNAMED] == [(7, 0)] * NIGHTS_UNNAMED
    assert listed[NIGHTS_UNNAMED:] in ([(4, 3), (4, 0)], [(7, 0), (4, 3)])

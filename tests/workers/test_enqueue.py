"""A job is handed over whole or not at all: job, domain scans and queue entries in one transaction."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from program import MEASURED, Contentmap
from queue_trial import QueueTrial
from sqlalchemy import text

from contentmap_cli.storage.queue.queue import default_priority, engine_on
from contentmap_cli.storage.session import Sessions

COUNTS = (
    "SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM domains), (SELECT count(*) FROM domain_scans),"
    " (SELECT count(*) FROM contentmap_pgqueuer), (SELECT count(*) FROM contentmap_pgqueuer_log)"
)
on_postgresql = pytest.mark.parametrize("address", ["postgresql"], indirect=True)


@pytest.mark.parametrize("point", ["job.created", "queue.filled", "COMMIT"])
def test_killed_while_it_is_queued(trial: QueueTrial, point: str) -> None:
    """Up to the commit there is nothing: no job, no domain scan, no entry that a worker could take."""
    words = ("scan", "--queue", "a.test", "b.test")
    said = trial.contentmap(
        *words, fault={"point": point, "nth": 2 if point == "COMMIT" else 1, "do": "kill"}
    )
    assert said.code == -9, said.err
    assert trial.ask(COUNTS) == [(0, 0, 0, 0, 0)]
    assert trial.contentmap(*words).code == 0
    assert trial.ask(COUNTS) == [(1, 2, 2, 2, 0)]


@on_postgresql
async def test_what_the_engine_refuses_is_not_committed(sessions: Sessions) -> None:
    """The session is told of a failure that only the driver saw, even where somebody swallows it."""
    with pytest.raises(Exception, match="commit after"):
        async with sessions.brief() as session, session.begin():
            await session.execute(text("UPDATE jobs SET status = status"))
            with contextlib.suppress(Exception):  # a careless caller
                async with engine_on(session) as engine:
                    await engine.enqueue("scan", None, 2**40)


@on_postgresql
async def test_the_tables_are_those_that_the_engine_declares(sessions: Sessions) -> None:
    """The installed engine would change no table, column, key or index of ours. It would add what is not
    used: its schedules, its notifications, indexes for its statistics and dashboards."""
    async with sessions.brief() as session, session.begin(), engine_on(session) as engine:
        plan = await engine.plan_upgrade()
    added = [
        re.match(r"CREATE(?: UNLOGGED| UNIQUE)? \w+ (\w+)", each)
        for each in plan.statements
        if not each.startswith("WITH ranked")  # merges duplicates before it makes the index of statistics
    ]
    assert plan.notes == ()
    assert {each and each[1].removeprefix("contentmap_") for each in added} == {
        *("pgqueuer_schedules", "pgqueuer_statistics_unique_count"),
        *("fn_pgqueuer_changed", "tg_pgqueuer_changed"),
        *("pgqueuer_ep_ea_idx", "pgqueuer_priority_id_id1_idx", "pgqueuer_updated_id_id1_idx"),
        *("pgqueuer_log_created", "pgqueuer_log_not_aggregated", "pgqueuer_log_status"),
    }


def test_a_list_is_judged_whole(trial: QueueTrial) -> None:
    """Bad lines are named with their numbers and nothing is recorded; lines of one domain become one target,
    and those that say nothing new are told of."""
    file = trial.contentmap.folder / "list.txt"
    file.write_text("a.test\nno good\nb.test\nx..y\n")
    said = trial.contentmap("scan", "--queue", "--input-file", str(file))
    assert said.code == 2
    assert "line 2: no good" in said.err
    assert "line 4: x..y" in said.err
    assert trial.ask(COUNTS) == [(0, 0, 0, 0, 0)]
    file.write_text("a.test\nb.test # again and again\nhttp://a.test/sitemap-7.xml\n\nwww.b.test\nb.test\n")
    said = trial.contentmap("scan", "--queue", "--input-file", str(file), "--json")
    assert said.code == 0, said.err
    assert (said.json["type"], said.json["domains"], said.json["priority"]) == ("queued", 2, 60)
    assert "2 duplicates dropped: www.b.test (line 5), b.test (line 6)" in said.err
    rows = trial.ask("SELECT target->>'domain', target->>'sitemaps' FROM domain_scans ORDER BY id")
    assert rows == [("a.test", '["http://a.test/sitemap-7.xml"]'), ("b.test", "[]")]


@pytest.mark.campaign
def test_a_list_longer_than_a_statement(trial: QueueTrial) -> None:
    """Twelve thousand domains from standard input: each is queued once, in the order of the list."""
    names = [f"s{number}.test" for number in range(12_000)]
    said = trial.contentmap("scan", "--queue", "-", stdin="\n".join(names).encode())
    assert said.code == 0, said.err
    found = trial.ask(
        "SELECT d.name FROM contentmap_pgqueuer q JOIN domain_scans s ON s.id = q.dedupe_key::bigint"
        " JOIN domains d ON d.id = s.domain_id ORDER BY q.id"
    )
    assert [name for (name,) in found] == names
    assert trial.ask("SELECT total_domains, status FROM jobs") == [(12_000, "pending")]


def test_a_file_has_no_queue(tmp_path: Path) -> None:
    """SQLite is refused with a hint, before anything is made."""
    on_file = Contentmap(tmp_path, str(tmp_path / "map.db"))
    for words in (("scan", "--queue", "a.test"), ("worker",)):
        said = on_file(*words, "--json") if words[0] == "scan" else on_file(*words)
        assert said.code == 2
        assert "SQLite" in said.err
        assert "hint: name a server: --db" in said.err
    assert not (tmp_path / "map.db").exists()


def test_without_the_extra(tmp_path: Path) -> None:
    """What to install is said, and nothing is asked of the server."""
    program = (
        "import sys; sys.modules['pgqueuer'] = None; from contentmap_cli.commands.app import main; main()"
    )
    for words in (["scan", "--queue", "a.test"], ["worker"]):
        ran = subprocess.run(
            [sys.executable, "-c", program, *words, "--db", "postgresql://nobody@127.0.0.1:1/none"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **MEASURED},
            timeout=60,
            check=False,
        )
        assert ran.returncode == 2
        assert "pip install 'contentmap-cli[workers]'" in ran.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--header", "X-Key: geheim"], "--queue excludes --header"),
        (["https://ann:geheim@b.test"], "--queue excludes credentials in targets"),
        (["--proxy", "http://p.test:1"], "--queue excludes --proxy"),
        (["--max-time", "5"], "--queue excludes --max-time"),
        (["-o", "x"], "--queue excludes -o"),
        (["--detach"], "--queue excludes --detach"),
        (["--format", "csv"], "csv is not a format of this command"),
    ],
)
def test_what_no_worker_could_do_is_refused(trial: QueueTrial, more: list[str], message: str) -> None:
    """Not passed over: the scan would not be the one that was asked for."""
    said = trial.contentmap("scan", "--queue", "a.test", *more)
    assert (said.code, message in said.err) == (2, True), said.err
    assert "geheim" not in said.err
    assert trial.ask(COUNTS)[0][0] == 0


def test_a_small_job_goes_before_a_large_one() -> None:
    """The fewer domains, the larger the priority; a million waits for all others."""
    sizes: Any = (1, 9, 10, 99, 1000, 10**5, 10**6, 10**8)
    assert [default_priority(size) for size in sizes] == [60, 60, 50, 50, 30, 10, 0, 0]

"""What a second look must not spoil: history, memory, other runs, the caller's own signals and streams."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
import time
from typing import Any

import pytest
from databases import sqlite_first
from trial import wait_until
from web_sites import Reply, broken_site, good_site, serving, urlset

from contentmap_cli.models import Target
from contentmap_cli.storage.jobs import jobs
from contentmap_cli.storage.session import Sessions


@sqlite_first
def test_resuming_failures_goes_on_with_what_was_recorded(contentmap: Any) -> None:
    """first_seen stays, and what the two runs added adds up."""
    with serving(broken_site("shop.test")) as sites:
        first = contentmap("scan", "http://shop.test", "--connect-to", sites.connect_to, "--json").json
        before = {row["url"]: row["first_seen"] for row in contentmap("urls", "shop.test", "--json").json}
        sites.pages["shop.test/error.xml"] = urlset("http://shop.test/late")
        time.sleep(0.05)
        again = contentmap("resume", first["job_id"], "--failed", "--json").json
    after = {row["url"]: row["first_seen"] for row in contentmap("urls", "shop.test", "--json").json}
    assert (first["added"], again["added"], again["urls"]) == (4, 5, 5)
    assert {url: after[url] for url in before} == before


@sqlite_first
def test_a_finished_job_is_left_as_it_is(contentmap: Any) -> None:
    """Resuming it says that nothing is left, and changes nothing."""
    with serving(good_site("a.test")) as sites:
        job = contentmap("scan", "http://a.test", "--connect-to", sites.connect_to, "--json").json
        said = contentmap("resume", job["job_id"], "--json")
        again = contentmap("resume", job["job_id"], "--failed")
        assert sites.asked.count("a.test/robots.txt") == 1
    done = f"nothing to do: {job['job_id']} is finished"
    assert (said.code, said.err) == (0, f"{done}; retry failed and partial domains with --failed\n")
    assert (again.code, again.err) == (0, f"{done}\n")
    assert said.json["finished_at"] == job["finished_at"]


@sqlite_first
def test_a_full_scan_remembers_what_was_found_before(contentmap: Any) -> None:
    """--refresh fetches everything anew; a file that only an earlier scan was told of is no exception."""
    pages = good_site("a.test") | {"a.test/special.xml": urlset("http://a.test/special")}
    with serving(pages) as sites:
        reach = ("--connect-to", sites.connect_to, "--json")
        contentmap("scan", "http://a.test/special.xml", *reach)
        contentmap("scan", "http://a.test", *reach)
        full = contentmap("scan", "http://a.test", "--refresh", *reach).json
    assert (full["removed"], full["urls"]) == (0, 4)


@sqlite_first
def test_an_unchanged_rescan_still_says_what_the_files_are(contentmap: Any) -> None:
    """Types and the way they were found stand, though nothing was read again."""
    with serving(good_site("a.test")) as sites:
        words = ("scan", "http://a.test", "--connect-to", sites.connect_to, "--json")
        first, second = contentmap(*words).json, contentmap(*words).json
    assert second["sitemap_types"] == first["sitemap_types"] == {"urlset": 1}
    assert second["discovery_methods"] == first["discovery_methods"] == {"robots": 1}
    assert (second["added"], second["removed"], second["changed"], second["urls"]) == (0, 0, 0, 3)


def test_match_minds_the_case_on_every_database(contentmap: Any) -> None:
    """* and ? are the only signs; brackets are themselves."""
    pages = good_site("a.test") | {
        "a.test/sitemap.xml": urlset("http://a.test/Y", "http://a.test/y", "http://a.test/[x]")
    }
    with serving(pages) as sites:
        contentmap("scan", "http://a.test", "--connect-to", sites.connect_to)
    for glob, found in (("*/Y", ["http://a.test/Y"]), ("*[x]", ["http://a.test/[x]"]), ("*/?", 2)):
        urls = [row["url"] for row in contentmap("urls", "a.test", "--match", glob, "--json").json]
        assert (len(urls) if isinstance(found, int) else urls) == found


async def test_two_large_jobs_over_the_same_domains_do_not_wait_in_a_ring(sessions: Sessions) -> None:
    """Whatever the order of the lists, both are recorded."""
    targets = [Target(f"d{number}.example", (f"https://d{number}.example",)) for number in range(1500)]

    async def create(ordered: list[Target]) -> None:
        async with sessions.brief() as session, session.begin():
            await jobs.create_job(session, jobs.new_job_id(), "default", ordered, {}, None)

    await asyncio.gather(create(targets), create(targets[::-1]))


async def test_a_heartbeat_goes_before_those_who_wait_to_write(sessions: Sessions) -> None:
    """Twenty queued writers do not keep a run from saying that it lives."""
    order: list[str] = []

    async def write(name: str, urgent: bool) -> None:
        opened = sessions.urgent("job") if urgent else sessions.brief("job")
        async with opened as session, session.begin():
            order.append(name)
            await asyncio.sleep(0.01)

    waiting = [asyncio.create_task(write(f"w{number}", False)) for number in range(20)]
    await asyncio.sleep(0.005)
    await write("beat", True)
    await asyncio.gather(*waiting)
    assert order.index("beat") <= sessions.database.writers


def test_nohup_holds(on_sqlite: Any) -> None:
    """A signal that the caller ignores is ignored: SIGHUP under nohup ends nothing."""
    release = threading.Event()
    pages = {
        "slow.test/robots.txt": "Sitemap: http://slow.test/s.xml\n",
        "slow.test/s.xml": Reply(urlset("http://slow.test/1").encode(), until=release),
    }
    with serving(pages) as sites:
        scan = subprocess.Popen(
            ["nohup", *on_sqlite.words("scan", "http://slow.test", "--connect-to", sites.connect_to)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=on_sqlite.environment,
            cwd=on_sqlite.folder,
        )
        wait_until(lambda: "slow.test/s.xml" in sites.asked)
        scan.send_signal(signal.SIGHUP)
        release.set()
        scan.communicate(timeout=60)
    assert scan.returncode == 0


def test_closed_streams_end_nothing(on_sqlite: Any) -> None:
    """`>&-` and `2>&-` in a crontab: the scan runs and is recorded."""
    with serving(good_site("a.test")) as sites:
        words = on_sqlite.words("scan", "http://a.test", "--connect-to", sites.connect_to)
        for closed in ((0, 1), (2,)):
            ran = subprocess.run(
                words,
                preexec_fn=lambda closed=closed: [os.close(number) for number in closed],
                env=on_sqlite.environment,
                cwd=on_sqlite.folder,
                check=False,
            )
            assert ran.returncode == 0
    assert len(on_sqlite("jobs", "--format", "ndjson").lines) == 2


def test_hints_can_be_pasted(on_sqlite: Any, tmp_path: Any) -> None:
    """A command in a hint names the database it is about."""
    said = on_sqlite("urls", "a.test")
    assert f"contentmap --db {tmp_path / 'map.db'} scan example.com" in said.err


def test_a_database_deleted_under_a_run_is_told(on_sqlite: Any, tmp_path: Any) -> None:
    """Exit 5: what nobody can find again is not reported as recorded."""
    release = threading.Event()
    pages = {
        "slow.test/robots.txt": "Sitemap: http://slow.test/s.xml\n",
        "slow.test/s.xml": Reply(urlset("http://slow.test/1").encode(), until=release),
    }
    with serving(pages) as sites:
        scan = on_sqlite.start("scan", "http://slow.test", "--connect-to", sites.connect_to)
        wait_until(lambda: "slow.test/s.xml" in sites.asked)
        for file in tmp_path.glob("map.db*"):
            file.unlink()
        release.set()
        _, err = scan.communicate(timeout=60)
    assert (scan.returncode, b"was deleted while it was in use" in err) == (5, True)


@sqlite_first
def test_a_removal_that_was_withheld_is_recorded_by_the_next_complete_scan(contentmap: Any) -> None:
    """What an incomplete scan saw go is not forgotten because the file has not changed since."""
    names = ("a", "b")
    pages = {
        "t.test/robots.txt": "".join(f"Sitemap: http://t.test/{name}.xml\n" for name in names),
        "t.test/a.xml": urlset(*(f"http://t.test/{page}" for page in "xyz")),
        "t.test/b.xml": urlset("http://t.test/p"),
    }
    with serving(pages) as sites:
        words = ("scan", "http://t.test", "--connect-to", sites.connect_to, "--json")
        assert contentmap(*words).json["urls"] == 4
        sites.pages["t.test/a.xml"] = urlset(*(f"http://t.test/{page}" for page in "yz"))
        sites.pages["t.test/b.xml"] = 503
        partial = contentmap(*words, "--timeout", "5").json
        sites.pages["t.test/b.xml"] = urlset("http://t.test/p")
        healthy = contentmap(*words).json
    assert (partial["status"], partial["removed"], partial["urls"]) == ("partial", 0, 4)
    assert (healthy["status"], healthy["removed"], healthy["urls"]) == ("complete", 1, 3)


@pytest.mark.parametrize("address", ["postgresql"], indirect=True)
def test_what_a_resumed_scan_says_again_is_one_change(contentmap: Any) -> None:
    """Two files, of which one fails at first: what the other said before the scan is what a diff starts from,
    though the scan has seen it change twice."""
    pages = {
        "t.test/robots.txt": "".join(f"Sitemap: http://t.test/{name}.xml\n" for name in "ab"),
        "t.test/a.xml": urlset("http://t.test/x", lastmod="2026-01-01"),
        "t.test/b.xml": urlset("http://t.test/y"),
    }
    with serving(pages) as sites:
        words = ("scan", "http://t.test", "--connect-to", sites.connect_to, "--json")
        assert contentmap(*words).code == 0
        sites.pages["t.test/a.xml"] = urlset("http://t.test/x", lastmod="2026-01-02")
        sites.pages["t.test/b.xml"] = 404
        partial = contentmap(*words).json
        sites.pages["t.test/a.xml"] = urlset("http://t.test/x", lastmod="2026-01-03")
        sites.pages["t.test/b.xml"] = urlset("http://t.test/y")
        assert contentmap("resume", partial["job_id"], "--failed", "--json").json["status"] == "complete"
    lines = contentmap("diff", "t.test", "--format", "ndjson").lines
    changes = [row for row in lines if row.get("change") == "changed"]
    assert [(row["url"], row["lastmod"][:10]) for row in changes] == [("http://t.test/x", "2026-01-03")]

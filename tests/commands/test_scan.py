"""`contentmap scan` and what is asked afterwards, run for real against sites on loopback."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from databases import one_database, sqlite_first
from web_sites import Page, Reply, broken_site, good_site, index, serving, urlset

from contentmap_cli.models import ScanStatus
from contentmap_cli.storage.engine import open_database

DOMAIN_KEYS = [
    *("type", "schema", "job_id", "domain", "outcome", "sitemaps", "sitemaps_failed", "urls", "added"),
    *("removed", "changed", "fetched_bytes", "requests", "retries", "seconds", "error", "evidence"),
    "sitemaps_not_selected",
    "withheld",
]
JOB_KEYS = [
    *("type", "schema", "job_id", "status", "tenant", "created_at", "started_at", "finished_at", "progress"),
    *("domains", "sitemaps", "urls", "added", "removed", "changed", "discovery_methods", "sitemap_types"),
    *("error", "queue"),
]


def test_a_batch_is_recorded(contentmap: Any) -> None:
    """One NDJSON line a domain as it commits, the job last; status, urls and sitemaps say the same."""
    pages = good_site("a.test") | good_site("b.test", 5) | {"c.test/robots.txt": 404, "c.test/": "<html>"}
    with serving(pages) as sites:
        said = contentmap(
            *("scan", "http://a.test", "http://b.test", "http://c.test", "--connect-to", sites.connect_to),
            *("--format", "ndjson"),
        )
    assert said.code == 0, said.err
    *domains, job = said.lines
    assert [list(line) for line in domains] == [DOMAIN_KEYS] * 3
    assert list(job) == JOB_KEYS
    assert {line["domain"]: (line["outcome"], line["urls"], line["error"]) for line in domains} == {
        "a.test": ("ok", 3, None),
        "b.test": ("ok", 5, None),
        "c.test": ("empty", 0, None),
    }
    assert (job["status"], job["progress"], job["urls"], job["sitemaps"]) == ("complete", 1.0, 8, 2)
    assert job["discovery_methods"] == {"robots": 2}
    assert job["sitemap_types"] == {"urlset": 2}

    status = contentmap("status", job["job_id"], "--json").json
    assert {key: status[key] for key in JOB_KEYS} == job
    assert [result["domain"] for result in status["results"]] == ["a.test", "b.test", "c.test"]
    assert [row["job_id"] for row in contentmap("jobs", "--format", "ndjson").lines] == [job["job_id"]]
    urls = contentmap("urls", "b.test", "--format", "ndjson").lines
    assert [row["url"] for row in urls] == [f"http://b.test/page-{number}" for number in range(5)]
    assert {(row["sitemap"], row["discovered_by"], row["lastmod"]) for row in urls} == {
        ("http://b.test/sitemap.xml", "robots", "2026-01-02T00:00:00Z")
    }
    (file,) = contentmap("sitemaps", "b.test", "--format", "ndjson").lines
    assert (file["sitemap_type"], file["status"], file["url_count"], file["status_code"]) == (
        *("urlset", "ok", 5),
        200,
    )


@one_database
def test_one_sitemaps_failure_stays_its_own(contentmap: Any) -> None:
    """A good, a 500 and a truncated sitemap: partial, all complete entries kept, each failure on its file."""
    with serving(broken_site("shop.test")) as sites:
        said = contentmap("scan", "http://shop.test", "--connect-to", sites.connect_to, "--format", "ndjson")
    assert said.code == 3
    domain, job = said.lines
    assert (domain["outcome"], domain["sitemaps"], domain["sitemaps_failed"]) == ("partial", 3, 1)
    assert job["status"] == "partial"
    found = {row["url"] for row in contentmap("urls", "shop.test", "--format", "ndjson").lines}
    assert found == {f"http://shop.test/{name}" for name in ("g1", "g2", "c1", "c2")}
    files = {row["url"]: row for row in contentmap("sitemaps", "shop.test", "--format", "ndjson").lines}
    assert files["http://shop.test/good.xml"]["status"] == "ok"
    assert files["http://shop.test/error.xml"]["status"] == "failed"
    assert files["http://shop.test/error.xml"]["error"]["code"] == "http_500"
    assert files["http://shop.test/cut.xml"]["status"] == "partial"
    assert files["http://shop.test/cut.xml"]["error"]["code"] == "xml_error"
    assert files["http://shop.test/cut.xml"]["url_count"] == 2


@one_database
def test_every_domain_failing_has_its_own_exit_code(contentmap: Any) -> None:
    """Exit 4; `--fail-on never` makes it 0, the record is the same."""
    with serving({"a.test/robots.txt": "Sitemap: http://a.test/s.xml\n", "a.test/s.xml": 404}) as sites:
        words = ("scan", "http://a.test", "--connect-to", sites.connect_to, "--json")
        first = contentmap(*words)
        again = contentmap(*words, "--fail-on", "never")
    assert (first.code, again.code) == (4, 0)
    assert first.json["status"] == "failed"
    assert first.json["results"][0]["error"]["code"] == "http_404"


@one_database
def test_two_hundred_domains_at_once_are_all_recorded(contentmap: Any) -> None:
    """None is lost, none is recorded twice, whatever fails beside it."""
    pages: dict[str, Page] = {}
    for number in range(200):
        host = f"d{number}.test"
        pages |= broken_site(host) if number % 10 == 7 else good_site(host)
    listed = "\n".join(f"http://d{number}.test" for number in range(200)).encode()
    with serving(pages) as sites:
        said = contentmap(
            *("scan", "-", "-c", "200", "--connect-to", sites.connect_to, "--format", "ndjson"),
            stdin=listed,
        )
    assert said.code == 3, said.err
    *domains, job = said.lines
    assert len({line["domain"] for line in domains}) == len(domains) == 200
    outcomes = [line["outcome"] for line in domains]
    assert (outcomes.count("ok"), outcomes.count("partial")) == (180, 20)
    assert (job["urls"], job["domains"]["pending"], job["domains"]["running"]) == (180 * 3 + 20 * 4, 0, 0)


@sqlite_first
def test_status_works_while_the_scan_runs(contentmap: Any) -> None:
    """The job is committed before the first request, and what is finished shows from another process."""
    release = threading.Event()
    pages = good_site("fast.test") | {
        "slow.test/robots.txt": "Sitemap: http://slow.test/s.xml\n",
        "slow.test/s.xml": Reply(urlset("http://slow.test/1").encode(), until=release),
    }
    with serving(pages) as sites:
        scan = contentmap.start(
            "scan", "http://fast.test", "http://slow.test", "--connect-to", sites.connect_to
        )
        try:
            job = _wait_for(contentmap, lambda job: job["domains"]["ok"] == 1)
            assert (job["status"], job["progress"], job["urls"]) == ("running", 0.5, 3)
            assert contentmap("status", "--exit-code").code == 8
            release.set()
            assert scan.wait(60) == 0
        finally:
            release.set()
            scan.kill()
            scan.communicate()
    assert contentmap("status", "--exit-code").code == 0
    assert contentmap("status", "--json").json["progress"] == 1.0


@sqlite_first
def test_a_signal_stops_cleanly_and_resume_finishes(contentmap: Any) -> None:
    """What is finished stays, the rest is interrupted, and the command to go on is printed. Other signals, on
    many sites, are in tests/faults."""
    slow = Reply(urlset("http://slow.test/1").encode(), wait=30)
    pages = good_site("fast.test") | {
        "slow.test/robots.txt": "Sitemap: http://slow.test/s.xml\n",
        "slow.test/s.xml": slow,
    }
    with serving(pages) as sites:
        scan = contentmap.start(
            "scan", "http://fast.test", "http://slow.test", "--connect-to", sites.connect_to
        )
        _wait_for(contentmap, lambda job: job["domains"]["ok"] == 1)
        scan.send_signal(signal.SIGINT)
        _, err = scan.communicate(timeout=60)
        assert scan.returncode == 130
        job = contentmap("status", "--json").json
        assert job["status"] == "interrupted"
        assert job["domains"]["interrupted"] == 1
        assert f" resume {job['job_id']}" in err.decode()
        sites.pages["slow.test/s.xml"] = urlset("http://slow.test/1")
        before = len(sites.asked)
        said = contentmap("resume", job["job_id"], "--json")
        assert said.code == 0, said.err
        assert [result["domain"] for result in said.json["results"]] == ["slow.test"]
        assert all(key.startswith("slow.test") for key in sites.asked[before:])
    assert contentmap("status", "--json").json["domains"]["ok"] == 2


def test_what_was_given_twice_is_dropped_and_said(on_sqlite: Any) -> None:
    """www and apex are one site; the note names the line."""
    said = on_sqlite("scan", "-i", "-", "--dry-run", stdin=b"a.test\n\n# comment\nwww.a.test\nb.test\n")
    assert said.code == 0
    assert [line.split()[0] for line in said.out.splitlines()] == ["a.test", "b.test"]
    assert "duplicate" in said.err
    assert "line 4" in said.err


def test_all_bad_targets_are_named_before_anything_runs(on_sqlite: Any, tmp_path: Path) -> None:
    """Exit 2 with a line number each, and no database was made."""
    (tmp_path / "list").write_text("good.test\nbad host\nftp://x.test\nalso.good.test\nhttp://:80\n")
    said = on_sqlite("scan", "-i", "list")
    assert said.code == 2
    assert [number for number in (1, 2, 3, 4, 5) if f"line {number}:" in said.err] == [2, 3, 5]
    assert "hint:" in said.err
    assert not (tmp_path / "map.db").exists()


@pytest.mark.parametrize(
    ("words", "stdin", "code", "said"),
    [
        (("scan",), None, 2, "no target"),
        (("scan", "-"), b"", 2, "nothing to scan"),
        (("scan", "-"), b"# nothing\n\n", 2, "nothing to scan"),
        (("scan", "-"), b"\x89PNG\r\n\x1a\n\x00\x00", 2, "not a text file"),
        (("scan", "-"), b"\n <!doctype html>\n" + b"<p>\n" * 2_000, 2, "HTML or XML, not a list"),
        (("scan", "-"), b"no domain\n" * 2_000, 2, "and 1,900 more"),
        (("urls", "http://a.test/sitemap.xml"), None, 2, "is the URL of a file, not a domain"),
        (("scan", "-i", "no-such-file"), None, 2, "cannot read"),
        (("scan", "a.test", "--connect-to", "nonsense"), None, 2, "--connect-to"),
        (("scan", "a.test", "--connect-to", "a:b:c:d"), None, 2, "--connect-to"),
        (("scan", "a.test", "--allow-net", "10.0.0.0/99"), None, 2, "--allow-net"),
        (("scan", "a.test", "--header", "nocolon"), None, 2, "--header"),
        (("scan", "a.test", "--format", "xml"), None, 2, "xml is not a format of this command"),
        (("scan", "a.test", "--db", "mysql://h/d"), None, 2, "mysql"),
        (("scan", "a.test", "--db", "/proc/no/such.db"), None, 5, "no such folder"),
        (
            ("scan", "a.test", "--db", "postgresql://u:secret@127.0.0.1:1/d"),
            None,
            5,
            "reached: connection refused\n",
        ),
        (("scan", "a.test", "--db", "."), None, 5, "is a folder"),
        (("status",), None, 6, "nothing is recorded"),
        (("jobs", "--since", "whenever"), None, 2, "--since"),
        (("parse", "no-such-file"), None, 2, "cannot read"),
        (("parse", "-", "--base", "http://[x"), b"", 2, "--base"),
        (("check", "-", "--base", "example.com"), b"", 2, "--base"),
        (("check", "-", "--write-baseline", "-"), b"", 2, "requires a file"),
        (("urls", "a.test", "--format", "xml", "-o", "maps/", "--base", "http://[x"), None, 2, "--base"),
        (("urls", "a.test", "-o", "x" * 300), None, 6, "nothing is recorded"),
        (("db", "check"), None, 5, "no such database"),
    ],
)
def test_bad_input_is_one_clear_error(
    on_sqlite: Any, words: tuple[str, ...], stdin: bytes | None, code: int, said: str
) -> None:
    """`error:` and `hint:`, the right exit code, no traceback and no secret."""
    answer = on_sqlite(*words, stdin=stdin)
    assert answer.code == code, answer.err
    assert answer.out == ""
    assert answer.err.startswith("error: "), answer.err
    assert said in answer.err
    assert "\n\nhint: " in answer.err
    assert "secret" not in answer.err


@one_database
def test_an_unknown_job_and_domain_are_told(contentmap: Any) -> None:
    """Exit 6; a domain spelled nearly right is suggested; with --json the error is an object too."""
    with serving(good_site("lantern.test")) as sites:
        contentmap("scan", "http://lantern.test", "--connect-to", sites.connect_to)
    for words in (("status", "sitemap_nope"), ("resume", "sitemap_nope"), ("urls", "lantenr.test")):
        assert contentmap(*words).code == 6
    said = contentmap("urls", "lantenr.test", "--json")
    assert "did you mean lantern.test?" in said.err
    assert json.loads(said.err.splitlines()[-1])["error"]["code"] == "not_found"


@one_database
def test_a_name_that_does_not_resolve_is_its_own_failure(contentmap: Any) -> None:
    """The domain fails with dns_error, and a hint says what to check."""
    said = contentmap("scan", "no-such-name.invalid", "--json")
    assert said.code == 4
    assert said.json["results"][0]["error"]["code"] == "dns_error"
    assert "hint:" in said.err


@one_database
def test_private_addresses_are_refused_unless_allowed(contentmap: Any) -> None:
    """Loopback is blocked by default and reached with --allow-private."""
    with serving({}) as sites:
        target = f"http://127.0.0.1:{sites.port}"
        sites.pages |= {
            "127.0.0.1/robots.txt": f"Sitemap: {target}/s.xml\n",
            "127.0.0.1/s.xml": urlset(f"{target}/1"),
        }
        blocked = contentmap("scan", target, "--json")
        assert sites.asked == []
        allowed = contentmap("scan", target, "--json", "--allow-private")
    assert blocked.json["results"][0]["error"]["code"] == "address_blocked"
    assert (allowed.code, allowed.json["urls"]) == (0, 1)


@one_database
def test_sitemap_urls_given_outright_and_indexes_are_read(contentmap: Any) -> None:
    """A sitemap URL is asked for directly; an index leads to its children, a loop ends."""
    home = "http://site.test"
    pages: dict[str, Page] = {
        "site.test/map.xml": index(f"{home}/one.xml", f"{home}/map.xml", f"{home}/two.txt"),
        "site.test/one.xml": urlset(f"{home}/1", f"{home}/2"),
        "site.test/two.txt": f"{home}/3\n{home}/4\n",
    }
    with serving(pages) as sites:
        said = contentmap("scan", f"{home}/map.xml", "--connect-to", sites.connect_to, "--json")
    assert said.json["results"][0]["urls"] == 4, said.err
    assert said.json["sitemap_types"] == {"index": 1, "text": 1, "urlset": 1}
    assert said.json["discovery_methods"]["given"] == 1
    assert sites.asked.count("site.test/map.xml") == 1


def test_a_server_database_asks_for_its_upgrade(contentmap: Any) -> None:
    """Only the embedded database makes its schema by itself."""
    if contentmap.database.startswith("sqlite"):
        pytest.skip("SQLite is the embedded one")
    asyncio.run(_drop_everything(contentmap.database))
    for words in (("scan", "a.test"), ("status",), ("db", "check")):
        said = contentmap(*words)
        assert (said.code, " db upgrade`" in said.err) == (5, True)
    assert contentmap("db", "upgrade").code == 0
    assert contentmap("db", "check").code == 0


async def _drop_everything(address: str) -> None:
    connection = await asyncpg.connect(address)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()


def _wait_for(contentmap: Any, reached: Any, seconds: float = 60) -> Any:
    """Asks `status` until the job is where it should be."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        said = contentmap("status", "--json")
        if said.code == 0 and reached(said.json):
            return said.json
        time.sleep(0.1)
    raise AssertionError(said)


@one_database
def test_status_shows_every_outcome_by_name(contentmap: Any) -> None:
    """The counts of the job name every status there is."""
    with serving(good_site("a.test")) as sites:
        job = contentmap("scan", "http://a.test", "--connect-to", sites.connect_to, "--json").json
    assert set(job["domains"]) == {"total", *ScanStatus}


@sqlite_first
def test_after_kill_9_resume_goes_on_at_once(contentmap: Any) -> None:
    """A run whose process is gone from this machine holds nothing; what it finished stays."""
    pages = good_site("fast.test") | {
        "slow.test/robots.txt": "Sitemap: http://slow.test/s.xml\n",
        "slow.test/s.xml": Reply(urlset("http://slow.test/1").encode(), wait=30),
    }
    with serving(pages) as sites:
        scan = contentmap.start(
            "scan", "http://fast.test", "http://slow.test", "--connect-to", sites.connect_to
        )
        job = _wait_for(contentmap, lambda job: job["domains"]["ok"] == 1)
        held = contentmap("resume", job["job_id"])
        assert (held.code, "another run holds" in held.err) == (75, True)
        scan.kill()
        scan.communicate()
        page = contentmap("report", job["job_id"]).out
        assert "<td class=interrupted>interrupted</td>" in page and "<td class=running>" not in page
        sites.pages["slow.test/s.xml"] = urlset("http://slow.test/1")
        before = len(sites.asked)
        said = contentmap("resume", job["job_id"], "--json")
        assert said.code == 0, said.err
        assert all(key.startswith("slow.test") for key in sites.asked[before:])
    final = contentmap("status", "--json").json
    assert (final["status"], final["domains"]["ok"], final["urls"]) == ("complete", 2, 4)


@pytest.mark.parametrize(
    ("version", "said"), [("9999", "newer than this ContentMap knows"), ("0000", "older schema 0000")]
)
@sqlite_first
def test_another_schema_version_is_refused(contentmap: Any, version: str, said: str) -> None:
    """Exit 5 with what to do, for every command, and nothing is written."""
    with serving(good_site("a.test")) as sites:
        contentmap("scan", "http://a.test", "--connect-to", sites.connect_to)
        asyncio.run(_execute(contentmap.database, f"UPDATE contentmap_version SET version_num = '{version}'"))
        asked = len(sites.asked)
        for words in (
            ("scan", "http://a.test", "--connect-to", sites.connect_to),
            ("status",),
            ("db", "check"),
        ):
            answer = contentmap(*words)
            assert (answer.code, said in answer.err, "hint:" in answer.err) == (5, True, True)
        assert len(sites.asked) == asked


def test_a_read_only_database_is_told(contentmap: Any) -> None:
    """Exit 5 before the first request; asking still works."""
    if contentmap.database.startswith("sqlite"):
        pytest.skip("whoever runs as root may write to every file")
    with serving(good_site("a.test")) as sites:
        reach = ("--connect-to", sites.connect_to)
        contentmap("scan", "http://a.test", *reach)
        name = contentmap.database.rpartition("/")[2]
        asyncio.run(
            _execute(contentmap.database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        )
        asked = len(sites.asked)
        said = contentmap("scan", "http://a.test", *reach)
        assert (said.code, "is read-only" in said.err, "hint:" in said.err) == (5, True, True)
        assert len(sites.asked) == asked
    assert contentmap("status", "--json").json["status"] == "complete"


async def _execute(address: str, statement: str) -> None:
    database = open_database(address)
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql(statement)
    await database.close()


def test_why_a_domain_is_partial(on_sqlite: Any) -> None:
    """The first reason that a person should hear: robots.txt that cannot be read, or a limit."""
    pages = good_site("large.test") | {
        "shut.test/robots.txt": 501,
        "shut.test/s.xml": urlset("http://shut.test/1"),
    }
    with serving(pages) as sites:
        words = ("scan", "http://shut.test/s.xml", "http://large.test", "--max-urls", "2", "--json")
        said = on_sqlite(*words, "--connect-to", sites.connect_to)
    found = {
        row["domain"]: (row["outcome"], row["urls"], row["error"]["code"]) for row in said.json["results"]
    }
    assert found == {
        "shut.test": ("partial", 1, "robots_unreachable"),
        "large.test": ("partial", 2, "budget_exhausted"),
    }

"""`contentmap diff` as a user runs it."""

from __future__ import annotations

import csv
import io
import sqlite3
from contextlib import closing
from typing import Any

from databases import sqlite_first
from web_sites import Page, Sites, serving, urlset

HOST = "d.test"
FORMATS = ("table", "json", "ndjson", "csv", "txt")


def url(path: str) -> str:
    """A URL of the site."""
    return f"http://{HOST}/{path}"


def site(**files: Page) -> dict[str, Page]:
    """A site with these sitemaps."""
    robots = "".join(f"Sitemap: {url(name)}.xml\n" for name in files)
    return {f"{HOST}/robots.txt": robots} | {f"{HOST}/{name}.xml": page for name, page in files.items()}


def scan(contentmap: Any, sites: Sites, **files: Page) -> str:
    """One scan of the site as it is now; the job's id."""
    sites.pages.clear()
    sites.pages.update(site(**files))
    words = ("scan", f"http://{HOST}", "--connect-to", sites.connect_to, "--json", "--delay", "0")
    return str(contentmap(*words, "--timeout", "5").json["job_id"])


@sqlite_first
def test_the_last_two_scans_and_any_others(contentmap: Any) -> None:
    """What came, went and changed, with the scans it lies between; any two can be named."""
    with serving({}) as sites:
        first = scan(contentmap, sites, a=urlset(url("x"), url("y")), b=urlset(url("m")))
        second = scan(contentmap, sites, a=urlset(url("y"), lastmod="2026-05-05"), c=urlset(url("m")))
        third = scan(
            contentmap, sites, a=urlset(url("y"), lastmod="2026-05-05"), c=urlset(url("m"), url("x"))
        )
    said = contentmap("diff", HOST, "--json")
    assert (said.code, said.err) == (0, "")
    assert " ".join(said.json) == (
        "changes type schema domain from to removals_withheld added removed changed"
        " sitemaps_added sitemaps_removed"
    )
    assert list(said.json["from"]) == ["job_id", "recorded_at", "outcome", "complete"]
    assert (said.json["from"]["job_id"], said.json["to"]["job_id"]) == (second, third)
    assert [(change["change"], change["url"]) for change in said.json["changes"]] == [("added", url("x"))]
    lines = contentmap("diff", HOST, "--to", second, "--format", "ndjson").lines
    assert lines[-1]["from"]["job_id"] == first
    assert [(line["what"], line["change"], line["url"]) for line in lines[:-1]] == [
        ("sitemap", "removed", url("b.xml")),
        ("sitemap", "added", url("c.xml")),
        ("url", "removed", url("x")),
        ("url", "changed", url("y")),
    ]
    assert lines[3] == {
        "type": "change",
        "domain": HOST,
        "what": "url",
        "change": "changed",
        "url": url("y"),
        "sitemap": url("a.xml"),
        "lastmod": "2026-05-05T00:00:00Z",
        "lastmod_before": lines[3]["lastmod_before"],
        "fields": ["lastmod"],
    }
    over_all = contentmap("diff", HOST, "--from", first, "--to", third, "--format", "txt").out
    assert over_all == f"~ {url('y')}\n"
    rows = list(csv.DictReader(io.StringIO(contentmap("diff", HOST, "--format", "csv").out)))
    assert [(row["change"], row["url"], row["sitemap"]) for row in rows] == [
        ("added", url("x"), url("c.xml"))
    ]


@sqlite_first
def test_a_whole_job_each_domain_against_its_scan_before(contentmap: Any) -> None:
    """A domain that was never scanned before is all new."""
    with serving({}) as sites:
        scan(contentmap, sites, a=urlset(url("x")))
        sites.pages.update(site(a=urlset(url("x"), url("y"))))
        sites.pages["new.test/robots.txt"] = "Sitemap: http://new.test/s.xml\n"
        sites.pages["new.test/s.xml"] = urlset("http://new.test/1")
        job = contentmap(
            *("scan", f"http://{HOST}", "http://new.test", "--connect-to", sites.connect_to, "--json")
        ).json["job_id"]
    answer = contentmap("diff", "--job", job, "--json").json
    assert (answer["type"], answer["job_id"]) == ("job_diff", job)
    assert [(each["domain"], each["added"], each["from"] is None) for each in answer["results"]] == [
        (HOST, 1, False),
        ("new.test", 1, True),
    ]
    table = contentmap("diff", "--job", job).out
    assert "first scan" in table
    assert f"+ {url('y')}\n" in table


@sqlite_first
def test_an_incomplete_scan_says_that_it_removes_nothing(contentmap: Any) -> None:
    """What it did not see is still listed, in every format it is said."""
    with serving({}) as sites:
        scan(contentmap, sites, a=urlset(url("x")), b=urlset(url("m")))
        scan(contentmap, sites, a=urlset(url("y")), b=500)
    for format in FORMATS:
        said = contentmap("diff", HOST, "--format", format)
        assert "not complete" in said.out + said.err
    answer = contentmap("diff", HOST, "--json").json
    assert (answer["removals_withheld"], answer["removed"], answer["added"]) == (True, 0, 1)
    assert answer["to"]["complete"] is False


def test_dates_name_scans(on_sqlite: Any) -> None:
    """A date stands for the last scan until then; --since for --from; a note if there was no scan yet."""
    days = ("2026-11-01", "2026-11-03", "2026-11-05")
    with serving({}) as sites:
        jobs = [scan(on_sqlite, sites, a=urlset(*map(url, "abc"[: number + 1]))) for number in range(3)]
    with closing(sqlite3.connect(on_sqlite.database)) as database, database:
        for job, day in zip(jobs, days, strict=True):
            database.execute(
                "update domain_scans set recorded_at = ? || substr(recorded_at, 11) where job_id = ?",
                (day, job),
            )

    def compared(*words: str) -> tuple[str, str, str]:
        said = on_sqlite("diff", HOST, "--json", *words)
        assert said.code == 0, said.err
        return said.json["from"]["job_id"], said.json["to"]["job_id"], said.err

    first, second, third = jobs
    assert compared("--from", "2026-11-02") == (first, third, "")
    assert compared("--since", "2026-11-04T12:00Z") == (second, third, "")
    assert compared("--since", "1m")[0] == third
    assert compared("--to", "2026-11-04") == (first, second, "")
    assert compared("--from", "2026-11-02", "--to", "2026-11-04") == (first, second, "")
    assert compared("--from", first, "--to", "2026-11-04") == (first, second, "")
    before = compared("--since", "2026-01-01")
    assert before[:2] == (first, third)
    assert before[2].startswith(f"note: {HOST}: the first recorded scan is of 2026-11-01")
    for words, code in (
        (("--to", "2026-01-01"), 6),
        (("--from", "2026-11-04", "--to", "2026-11-02"), 2),
        (("--from", "2026-13-01"), 2),
        (("--since", first), 2),
    ):
        said = on_sqlite("diff", HOST, *words)
        assert (said.code, "hint:" in said.err) == (code, True), words


@sqlite_first
def test_exit_codes(contentmap: Any) -> None:
    """3 only where asked for and something changed; 6 for what is not there; 2 for what makes no sense."""
    with serving({}) as sites:
        first = scan(contentmap, sites, a=urlset(url("x")))
        scan(contentmap, sites, a=urlset(url("y")))
    assert contentmap("diff", HOST).code == 0
    assert contentmap("diff", HOST, "--exit-code").code == 3
    assert contentmap("diff", HOST, "--from", first, "--to", first, "--exit-code").code == 0
    unknown = f"sitemap_{'0' * 32}"  # a shorter one may be the beginning of an id
    for words in (("other.test",), (HOST, "--from", unknown), ("--job", unknown)):
        said = contentmap("diff", *words)
        assert (said.code, "hint:" in said.err) == (6, True)
    for words in ((), (HOST, "--job", first), ("--job", first, "--to", first), (HOST, "--format", "xml")):
        assert contentmap("diff", *words).code == 2


def test_a_table_has_a_limit_and_says_so(on_sqlite: Any) -> None:
    """The lines are cut, the counts are not; nothing fetched acts on a terminal."""
    with serving({}) as sites:
        scan(on_sqlite, sites, a=urlset(url("x")))
        scan(on_sqlite, sites, a=urlset(*(url(f"p{number}\u202e") for number in range(5))))
    table = on_sqlite("diff", HOST, "--limit", "2").out
    assert table.count("\n+ ") + table.count("\n- ") == 2
    assert "4 more" in table
    assert "5 urls added, 1 removed, 0 changed" in table
    assert "\u202e" not in table
    assert "\x1b" not in table


def test_nothing_changed_is_an_answer_too(on_sqlite: Any) -> None:
    """In every format, and clean."""
    with serving({}) as sites:
        scan(on_sqlite, sites, a=urlset(url("x")))
        scan(on_sqlite, sites, a=urlset(url("x")))
    for format in FORMATS:
        said = on_sqlite("diff", HOST, "--format", format, "--exit-code")
        assert (said.code, said.err) == (0, ""), format


@sqlite_first
def test_a_failed_scan_that_is_resumed_is_as_late_as_its_entries(contentmap: Any) -> None:
    """Another job has recorded the domain since: what the resumed scan adds is new, and first seen then."""
    with serving({f"{HOST}/robots.txt": 501}) as sites:
        words = ("scan", f"http://{HOST}", "--connect-to", sites.connect_to, "--json")
        failed = contentmap(*words).json
        assert failed["results"][0]["outcome"] == "failed"
        assert contentmap("diff", HOST, "--json").json["to"]["outcome"] == "failed"
        second = scan(contentmap, sites, a=urlset(url("p0"), url("p1")))
        sites.pages.update(site(a=urlset(url("p0"), url("p1"), url("p2"))))
        contentmap("resume", failed["job_id"], "--failed", "--connect-to", sites.connect_to)
    answer = contentmap("diff", HOST, "--json").json
    assert (answer["from"]["job_id"], answer["to"]["job_id"]) == (second, failed["job_id"])
    assert [(each["change"], each["url"]) for each in answer["changes"]] == [("added", url("p2"))]
    since = answer["from"]["recorded_at"]
    listed = contentmap("urls", HOST, "--first-seen-after", since, "--format", "txt").out.split()
    assert url("p2") in listed

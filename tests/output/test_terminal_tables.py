"""Tables: whole and plain in a pipe, fitted on a terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from contentmap_cli.errors import Failure
from contentmap_cli.models import Entry, ErrorGroup, JobStatus, Lastmod, ScanStatus, StoredEntry
from contentmap_cli.output import number_format
from contentmap_cli.output.columns import Cell, Column, Line, cell_width, write_table
from contentmap_cli.output.formats import (
    Format,
    entries_writer,
    files_writer,
    jobs_writer,
    scan_writer,
    status_writer,
)

SGR = re.compile(r"\x1b\[[0-9]*m")


@pytest.fixture
def rows(make_domain):
    """A clean domain with a long name, a partial one with a long error, a failed one."""
    return [
        make_domain("bad.example", ScanStatus.FAILED, sitemaps=0, urls=0, error=Failure("dns_error", "none")),
        make_domain(
            "part.example",
            ScanStatus.PARTIAL,
            sitemaps_failed=2,
            error=Failure(
                "http_500", "https://part.example/sitemap-products-of-november-part-17.xml answered 500"
            ),
        ),
        make_domain(f"{'very-' * 8}long.example", added=4, removed=1),
    ]


def table(rows, job, width: int | None = None, color: bool = False) -> str:
    out = io.StringIO()
    writer = scan_writer(Format.TABLE, out, width=width, color=color)
    for row in rows:
        writer.domain(row)
    writer.finish(job)
    return out.getvalue()


def test_in_a_pipe_a_domain_is_one_whole_line(rows, make_job) -> None:
    """Off a terminal nothing is cut, wrapped or coloured, and an empty cell is a dash."""
    lines = table(rows, make_job(rows)).split("\n\n")[0].splitlines()
    assert len(lines) == 1 + len(rows)
    assert lines[0].split() == ["DOMAIN", "OUTCOME", "SITEMAPS", "URLS", "CHANGES", "TIME", "ERROR"]
    assert lines[1].split() == [f"{'very-' * 8}long.example", "ok", "3", "1,204", "+4", "-1", "0.41", "s"]
    assert lines[2].endswith(f"{rows[1].error.message}; 2 sitemaps failed")
    noted = [replace(row, unexpected="4 URLs, not 3") for row in rows]
    assert table(noted, make_job(noted)).splitlines()[0].endswith("NOTE")
    assert lines[3].split()[:5] == ["bad.example", "failed", "0", "0", "-"]


def test_columns_align(rows, make_job) -> None:
    """Each column starts at one place: its heading's, on every line."""
    lines = table(rows, make_job(rows)).split("\n\n")[0].splitlines()
    assert (
        len(
            {
                line.index(status)
                for line, status in zip(lines, ["OUTCOME", "ok", "partial", "failed"], strict=True)
            }
        )
        == 1
    )


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_on_a_terminal_every_row_fits(width: int, rows, make_job) -> None:
    """No line but an unbreakable word of an error is wider than the terminal, and no domain is missing."""
    text = table(rows, make_job(rows), width=width)
    for line in text.splitlines():
        assert cell_width(line) <= width or len(line.split()) == 1
    assert [line.split()[0][:5] for line in text.split("\n\n")[0].splitlines()[1:] if line[0] != " "][:3] == [
        "very-",
        "part.",
        "bad.e",
    ]
    assert "answered" in text


def test_what_needs_attention_is_nearest_to_the_prompt(rows, make_job) -> None:
    """Clean domains first, failed ones last, whatever the order they finished in."""
    lines = table(rows, make_job(rows)).split("\n\n")[0].splitlines()
    outcomes = [line.split()[1] for line in lines[1:]]
    assert outcomes == ["ok", "partial", "failed"]


def test_colour_adds_nothing_but_colour(rows, make_job) -> None:
    """Without its SGR sequences a coloured table is the plain one; without colour there are none."""
    plain = table(rows, make_job(rows), width=100)
    coloured = table(rows, make_job(rows), width=100, color=True)
    assert "\x1b" not in plain
    assert coloured != plain
    assert SGR.sub("", coloured) == plain


def test_markup_is_text(make_domain, make_job) -> None:
    """Square brackets in an error are printed, not taken for a style."""
    row = make_domain(status=ScanStatus.FAILED, error=Failure("xml_error", "[b]bold[/b] [red]"))
    assert "[b]bold[/b] [red]" in table([row], make_job([row]), width=120, color=True)


def test_scan_ends_with_the_job(rows, make_job) -> None:
    """How many, how long, how it went, what was found, and the id for the next command."""
    job = make_job(rows)
    assert table(rows, job).split("\n\n")[1].splitlines() == [
        "3 domains in 12.4 s: 1 ok, 1 partial, 1 failed",
        "6 sitemaps, 2,408 urls (+4)",
        f"job {job.job_id} partial",
    ]


def test_scan_of_nothing(make_job) -> None:
    """No domain, no table: the job alone."""
    assert table([], make_job()).startswith("0 domains in 12.4 s\n0 sitemaps, 0 urls\njob ")


def test_status_groups_errors(make_domain, make_job) -> None:
    """The job's facts, then each error once with how many domains have it."""
    failed = [
        make_domain(f"{n}.example", ScanStatus.FAILED, error=Failure("timeout", "10 s")) for n in range(5)
    ]
    out = io.StringIO()
    job = make_job(failed, sitemap_types={"index": 1, "urlset": 40})
    writer = status_writer(Format.TABLE, out, job)
    writer.domain(failed[0])
    first = ("0.example", "1.example", "2.example")
    writer.finish([ErrorGroup("timeout", 5, first)], left_out=4)
    rows, facts, errors = out.getvalue().split("\n\n")
    assert rows.splitlines()[-1] == "4 more domains: `--format csv` or `ndjson` lists them all"
    assert "sitemaps  15  40 urlset, 1 index" in facts.splitlines()
    assert errors.splitlines()[1].split(None, 2) == [
        "timeout",
        "5",
        "0.example, 1.example, 2.example and 2 more",
    ]


def test_a_running_job_without_a_run_has_died(make_job) -> None:
    """`running` is only said of a job that a live run holds."""
    job = make_job(status=JobStatus.RUNNING, finished_at=None)
    dead = make_job(
        status=JobStatus.RUNNING, finished_at=None, heartbeat_at=job.created_at + timedelta(minutes=3)
    )
    out = io.StringIO()
    status_writer(Format.TABLE, out, dead).finish()
    assert "ended unexpectedly; last heartbeat 2026-03-01 12:03 UTC" in out.getvalue()
    for alive, word in ((True, "running"), (False, "ended")):
        out = io.StringIO()
        writer = jobs_writer(Format.TABLE, out)
        writer.write(make_job(status=JobStatus.RUNNING, finished_at=None, alive=alive))
        writer.finish()
        assert out.getvalue().splitlines()[1].split()[1] == word


def test_jobs_fit_in_80_columns(make_job, make_domain) -> None:
    """An id that can be copied, the status, the domains done and the time, whatever else must go."""
    out = io.StringIO()
    writer = jobs_writer(Format.TABLE, out, width=80)
    writer.write(
        make_job([make_domain(), make_domain(status=ScanStatus.PENDING)], status=JobStatus.INTERRUPTED)
    )
    writer.finish()
    heading, line = out.getvalue().splitlines()
    assert heading.split()[:3] == ["JOB", "STATUS", "DOMAINS"]
    assert line.split() == [
        "sitemap_00112233445566778899aabbccddeeff",
        "interrupted",
        "1/2",
        "2026-03-01",
        "12:00",
    ]


def test_files_name_their_problems(make_file) -> None:
    """The error first, then the first problems, then how many more."""
    problem = make_file().problems[0]
    out = io.StringIO()
    writer = files_writer(Format.TABLE, out)
    writer.write(make_file(problems=(problem, problem, replace(problem, count=1))))
    writer.write(
        make_file(
            url="https://shop.example/old.xml", removed_at=make_file().first_seen, error=None, problems=()
        )
    )
    writer.finish()
    first, second = out.getvalue().splitlines()[1:]
    told = "bad_lastmod: line 3: 'yesterday' is no date (17 times)"
    assert first.endswith(f"body_truncated: the connection closed early; {told}; {told}; and 1 more")
    assert second.split()[0] == "removed"


def test_files_keep_their_url_whole_on_a_narrow_terminal(make_file) -> None:
    """A URL is there to be copied: other columns go first, and it is never cut."""
    url = f"https://shop.example/{'deep/' * 20}sitemap.xml"
    out = io.StringIO()
    writer = files_writer(Format.TABLE, out, width=80)
    writer.write(make_file(url=url))
    writer.finish()
    assert url in out.getvalue()
    assert "HTTP" not in out.getvalue()


def test_entries(make_file) -> None:
    """The date as precise as published, the URL whole and last, a removed entry marked."""
    gone = make_file().first_seen
    entries = [
        Entry("https://a.example/1", Lastmod("2026-03-01T00:00:00Z", "day", "2026-03-01"), "daily", 0.5),
        StoredEntry(Entry("https://a.example/2"), "s", make_file().discovered_by, None, gone, gone),
        Entry("https://a.example/3", Lastmod(None, None, "yesterday")),
    ]
    out = io.StringIO()
    writer = entries_writer(Format.TABLE, out)
    for entry in entries:
        writer.write(entry)
    assert [line.split() for line in out.getvalue().splitlines()] == [
        ["LASTMOD", "CHANGEFREQ", "PRIORITY", "URL"],
        ["2026-03-01", "daily", "0.5", "https://a.example/1"],
        ["-", "-", "-", "https://a.example/2", "removed", "2026-03-01"],
        ["?yesterday", "-", "-", "https://a.example/3"],
    ]


def test_wide_characters_align() -> None:
    """A wide character takes two columns: what follows stays in line, and a cut never splits one."""
    lines = [Line([Cell("商品商品商品商品商品"), Cell("x")]), Line([Cell("abc"), Cell("x")])]
    out = io.StringIO()
    write_table(out, [Column("NAME", cut=True), Column("B")], lines, width=19, color=False)
    assert out.getvalue().splitlines()[1:] == ["商品商品商品商 …  x", f"abc{' ' * 15}x"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("999 B", number_format.size(999)),
        ("1.0 kB", number_format.size(1000)),
        ("1.0 MB", number_format.size(999_600)),
        ("132 MB", number_format.size(132_000_000)),
        ("9.99 s", number_format.duration(9.99)),
        ("10.0 s", number_format.duration(9.996)),
        ("1 min 00 s", number_format.duration(59.97)),
        ("3 min 20 s", number_format.duration(200)),
        ("2 h 05 min", number_format.duration(7500)),
        ("0:09", number_format.clock(9.9)),
        ("2:00:00", number_format.clock(7200)),
        ("1 sitemap", number_format.plural(1, "sitemap")),
        ("1,204 urls", number_format.plural(1204, "url")),
        ("+1,204 ~3", number_format.changes(1204, 0, 3)),
    ],
)
def test_figures(text: str, value: str) -> None:
    """Figures round into the unit that a person would use, also at its edge."""
    assert value == text

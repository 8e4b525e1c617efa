"""Jobs named by a prefix of their id, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from databases import sqlite_first
from web_sites import Page, good_site, serving

FULL = len("sitemap_") + 32


@pytest.fixture
def jobs(contentmap: Any) -> list[str]:
    """Two jobs, the latest first; the first one failed and can be retried."""
    pages: dict[str, Page] = good_site("a.test") | {"b.test/robots.txt": 501}
    with serving(pages) as sites:
        contentmap.reach = ("--connect-to", sites.connect_to, "--domain-time", "5")
        for target in ("http://b.test", "http://a.test"):
            contentmap("scan", target, *contentmap.reach)
        ids = [line["job_id"] for line in contentmap("jobs", "--format", "ndjson").lines]
        assert len(ids) == 2
        yield ids


def _prefix(one: str, other: str) -> str:
    """The shortest prefix of one id that is not one of the other."""
    return next(one[:length] for length in range(len("sitemap_") + 1, FULL) if one[:length] != other[:length])


@sqlite_first
def test_a_unique_prefix_names_a_job(contentmap: Any, jobs: list[str]) -> None:
    """For every command that takes a job."""
    latest, first = jobs
    short = _prefix(first, latest)
    assert contentmap("status", short, "--json").json["job_id"] == first
    assert contentmap("cancel", short, "--json").json["job_id"] == first
    assert contentmap("diff", "--job", _prefix(latest, first), "--json").json["job_id"] == latest
    assert contentmap("report", short, "-o", "job.html").code == 0
    assert first in (contentmap.folder / "job.html").read_text()
    resumed = contentmap("resume", short, "--failed", "--json", *contentmap.reach)
    assert resumed.json["job_id"] == first


@sqlite_first
def test_the_latest_job_is_the_default(contentmap: Any, jobs: list[str]) -> None:
    """For status, report and resume; cancel requires a job."""
    latest = jobs[0]
    assert contentmap("status", "--json").json["job_id"] == latest
    assert contentmap("report", "-o", "job.html").code == 0
    assert latest in (contentmap.folder / "job.html").read_text()
    said = contentmap("resume")
    assert said.code == 0
    assert latest in said.out + said.err
    assert contentmap("cancel").code == 2


@sqlite_first
def test_an_ambiguous_prefix_is_a_usage_error(contentmap: Any, jobs: list[str]) -> None:
    """It lists the jobs, and changes nothing."""
    for words in (
        ("status", "sitemap_"),
        ("cancel", "sitemap_"),
        ("resume", "sitemap_"),
        ("diff", "--job", "sitemap_"),
        ("diff", "a.test", "--from", "sitemap_"),
        ("report", "sitemap_", "-o", "x.html"),
    ):
        said = contentmap(*words)
        assert said.code == 2, words
        assert said.err.splitlines()[0].startswith("error: ambiguous job id: 'sitemap_'")
        assert all(job in said.err for job in jobs)
        assert "hint: give more characters of the id" in said.err


@sqlite_first
def test_no_job_of_another_tenant(contentmap: Any, jobs: list[str]) -> None:
    """Neither by prefix nor as the latest; wildcards of SQL are ordinary characters."""
    for text in (jobs[0][:20], "sitemap%", "_", "x"):
        said = contentmap("--tenant", "other", "status", text)
        assert (said.code, "no such job" in said.err) == (6, True), text
    assert contentmap("--tenant", "other", "status").code == 6
    assert contentmap("status", "sitemap%").code == 6

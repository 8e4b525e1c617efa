"""The keys that scripts read: all of them, in order, with the documented kinds of values."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone

from contentmap_cli.errors import Failure, NotFound
from contentmap_cli.models import (
    DiscoveryMethod,
    Document,
    DocumentKind,
    Entry,
    Lastmod,
    Problem,
    ScanStatus,
    StoredEntry,
)
from contentmap_cli.models.evidence import Source, SourceKind, SourceState
from contentmap_cli.output import objects


def test_domain(make_domain) -> None:
    """A domain has the documented keys in their order; no error is null."""
    answer = objects.domain_object(make_domain(seconds=0.41239, fetched_bytes=7))
    assert " ".join(answer) == (
        "type schema job_id domain outcome sitemaps sitemaps_failed urls added removed changed"
        " fetched_bytes requests retries seconds error evidence sitemaps_not_selected withheld"
    )
    assert (answer["type"], answer["schema"], answer["outcome"]) == ("domain", 1, "ok")
    assert answer["seconds"] == 0.412
    assert (answer["error"], answer["evidence"]) == (None, [])


def test_evidence(make_domain) -> None:
    """A source has the documented keys; its error is an object or null, without credentials."""
    failure = Failure("blocked", "http://u:p@a.example/robots.txt answered 403")
    sources = (
        Source(SourceKind.ROBOTS, "http://a.example/robots.txt", SourceState.REFUSED, failure),
        Source(SourceKind.KNOWN_PATHS, "http://a.example/", SourceState.ABSENT),
    )
    assert objects.domain_object(make_domain(evidence=sources))["evidence"] == [
        {
            "source": "robots",
            "url": "http://a.example/robots.txt",
            "state": "refused",
            "error": {"code": "blocked", "message": "http://u:***@a.example/robots.txt answered 403"},
        },
        {"source": "known_paths", "url": "http://a.example/", "state": "absent", "error": None},
    ]


def test_domain_error(make_domain) -> None:
    """An error is a code and a message, without credentials."""
    failed = make_domain(
        status=ScanStatus.FAILED, error=Failure("http_500", "http://u:p@a.example answered 500")
    )
    assert objects.domain_object(failed)["error"] == {
        "code": "http_500",
        "message": "http://u:***@a.example answered 500",
    }


def test_job(make_job, make_domain) -> None:
    """A job has the documented keys in their order, a count for every outcome, times with a Z."""
    job = make_job(
        [make_domain(), make_domain(status=ScanStatus.FAILED), make_domain(status=ScanStatus.PENDING)]
    )
    answer = objects.job_object(job)
    assert " ".join(answer) == (
        "type schema job_id status tenant created_at started_at finished_at progress domains"
        " sitemaps urls added removed changed discovery_methods sitemap_types error queue"
    )
    assert answer["queue"] is None
    assert answer["domains"] == {
        "total": 3,
        "pending": 1,
        "running": 0,
        "ok": 1,
        "empty": 0,
        "partial": 0,
        "failed": 1,
        "deferred": 0,
        "interrupted": 0,
        "skipped": 0,
    }
    assert list(answer["domains"])[:4] == ["total", "pending", "running", "ok"]
    assert answer["progress"] == 0.6667
    assert answer["started_at"] == "2026-03-01T12:00:00Z"
    assert answer["finished_at"] == "2026-03-01T12:00:12.400000Z"


def test_job_that_has_not_started(make_job) -> None:
    """What is not known is null."""
    answer = objects.job_object(make_job(started_at=None, finished_at=None))
    assert (answer["started_at"], answer["finished_at"], answer["error"]) == (None, None, None)


def test_times_are_utc() -> None:
    """Another zone is converted; a naive time is UTC already."""
    zoned = datetime(2026, 3, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    assert objects.timestamp(zoned) == "2026-03-01T12:00:00Z"
    assert objects.timestamp(zoned.replace(tzinfo=None)) == "2026-03-01T14:00:00Z"


ENTRY_KEYS = (
    "type url lastmod lastmod_precision lastmod_text changefreq priority sitemap discovered_by"
    " images videos news alternates in_scope repaired"
)


def test_entry() -> None:
    """An entry has the documented keys; lastmod is the UTC time, beside what was published."""
    entry = Entry(
        "https://a.example/", Lastmod("2026-03-01T00:00:00Z", "day", "2026-03-01"), images=({"loc": "i.png"},)
    )
    answer = objects.entry_object(entry, sitemap="https://a.example/s.xml", discovered_by="robots")
    assert " ".join(answer) == ENTRY_KEYS
    assert answer["lastmod"] == "2026-03-01T00:00:00Z"
    assert (answer["lastmod_precision"], answer["lastmod_text"]) == ("day", "2026-03-01")
    assert answer["images"] == [{"loc": "i.png"}]
    assert (answer["changefreq"], answer["priority"], answer["videos"]) == (None, None, [])


def test_entry_with_a_date_nobody_understands() -> None:
    """lastmod is null, and the text is kept."""
    answer = objects.entry_object(Entry("https://a.example/", Lastmod(None, None, "yesterday")))
    assert (answer["lastmod"], answer["lastmod_text"]) == (None, "yesterday")


def test_stored_entry() -> None:
    """From the store an entry also says what page it is, when it came and when it went."""
    seen = datetime(2026, 3, 1)  # noqa: DTZ001 - as SQLite hands it over
    stored = StoredEntry(
        Entry("https://a.example/"), "https://a.example/s.xml", DiscoveryMethod.INDEX, "article", seen, None
    )
    answer = objects.stored_entry_object(stored)
    assert " ".join(answer) == f"{ENTRY_KEYS} page_type first_seen removed_at domain"
    assert answer["discovered_by"] == "index"
    assert (answer["first_seen"], answer["removed_at"]) == ("2026-03-01T00:00:00Z", None)


def test_document() -> None:
    """A document's problems have a code, a line, a message, and how often."""
    document = Document(
        DocumentKind.URLSET,
        2,
        complete=False,
        encoding="utf-8",
        problems=(Problem("xml_error", 7, "cut off"),),
    )
    answer = objects.document_object(document)
    assert " ".join(answer) == "type kind entries complete encoding problems error"
    assert answer["problems"] == [{"code": "xml_error", "line": 7, "message": "cut off", "count": 1}]


def test_file(make_file) -> None:
    """A sitemap file has the documented keys in their order."""
    answer = objects.file_object(make_file())
    assert " ".join(answer) == (
        "type url status discovered_by sitemap_type parent status_code url_count size_bytes response_time_ms"
        " is_gzipped has_lastmod has_priority has_changefreq last_modified generator content_type"
        " fetched_at first_seen removed_at error problems"
    )
    assert answer["type"] == "sitemap_file"
    assert answer["error"] == {"code": "body_truncated", "message": "the connection closed early"}
    assert json.loads(json.dumps(answer)) == answer


def test_error() -> None:
    """The error that ended a command."""
    assert objects.error_object(NotFound("no job x", hint="contentmap jobs")) == {
        "error": {"code": "not_found", "message": "no job x", "hint": "contentmap jobs"}
    }


def test_machine_formats_need_no_rich() -> None:
    """A script that asks for JSON does not wait for the terminal library."""
    code = (
        "import sys, contentmap_cli.output.objects, contentmap_cli.output.formats as f\n"
        "f.scan_writer(f.Format.NDJSON, sys.stdout)\n"
        "import contentmap_cli.output.live_progress, contentmap_cli.output.answers.tables\n"
        "import contentmap_cli.output.hints\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'rich']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

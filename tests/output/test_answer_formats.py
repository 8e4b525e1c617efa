"""Every format is read by what reads it in the field."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
import xml.etree.ElementTree as ET

import pytest
from workbooks import Output

from contentmap_cli.errors import Failure, UsageError
from contentmap_cli.models import DiscoveryMethod, Entry, Lastmod, ScanStatus, StoredEntry
from contentmap_cli.output.formats import (
    ENTRY_FORMATS,
    SCAN_FORMATS,
    Format,
    entries_writer,
    files_writer,
    jobs_writer,
    scan_writer,
    status_writer,
)
from contentmap_cli.output.objects import domain_object, entry_object, file_object, job_object
from contentmap_cli.output.writers.csv import DOMAIN, ENTRY, FILE, JOB

SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
XHTML = "{http://www.w3.org/1999/xhtml}"
HOSTILE = '=HYPERLINK("x")\x1b[2J\u202e\n::error::<&>%,\x00\ud800'


@pytest.fixture
def rows(make_domain):
    """One domain of each outcome that reports differently, one of them with a hostile message."""
    return [
        make_domain("ok.example", added=4),
        make_domain("empty.example", ScanStatus.EMPTY, sitemaps=0, urls=0),
        make_domain(
            "part.example", ScanStatus.PARTIAL, sitemaps_failed=1, error=Failure("http_500", HOSTILE)
        ),
        make_domain(
            "bad.example", ScanStatus.FAILED, sitemaps=0, urls=0, error=Failure("dns_error", "no address")
        ),
        make_domain("later.example", ScanStatus.DEFERRED),
    ]


def scanned(format: Format, rows, job) -> str:
    out = Output()
    writer = scan_writer(format, out)
    for row in rows:
        writer.domain(row)
    writer.finish(job)
    return out.text(format)


def listed(writer_of, format: Format, rows) -> str:
    out = Output()
    writer = writer_of(format, out)
    for row in rows:
        writer.write(row)
    writer.finish()
    return out.text(format)


def assert_harmless(text: str) -> None:
    """No character in the text acts on a terminal, and any stream can encode it."""
    text.encode()
    assert not set(text) & set("\x00\x1b\u202e\r")


@pytest.mark.parametrize("format", SCAN_FORMATS)
def test_no_scan_format_lets_a_message_act(format: Format, rows, make_job) -> None:
    """A fetched message reaches no format with a control, a bidi override or a surrogate in it."""
    assert_harmless(scanned(format, rows, make_job(rows)))


@pytest.mark.parametrize("format", [Format.JSON, Format.JUNIT])
def test_rows_that_must_wait_take_little(format: Format, make_domain, make_job) -> None:
    """Where the job's own figures come before its domains, a domain takes a fraction of its text until then,
    and comes out whole: also where it is no ASCII, and wherever a piece of what was packed may end."""
    writer = scan_writer(format, out := io.StringIO())

    def add(numbers: range) -> None:
        for number in numbers:
            error = Failure("dns_error", f"no address for bücher-{number:x}.example: ☃")
            methods = {"robots": number % 7, "index": number % 11}
            writer.domain(
                make_domain(
                    f"bücher-{number:x}.example",
                    ScanStatus.FAILED,
                    urls=number * 7919 % 10007,
                    seconds=number % 97 / 8,
                    error=error,
                    discovery_methods=methods,
                )
            )

    add(range(1000))  # whatever there is but once is there
    tracemalloc.start()
    try:
        add(range(1000, 4000))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held / 3000 < 150
    writer.finish(make_job())
    if format is Format.JSON:
        names = [each["domain"] for each in json.loads(out.getvalue())["results"]]
    else:
        suite = ET.fromstring(out.getvalue())  # noqa: S314 - our own text
        assert (suite.get("tests"), suite.get("failures")) == ("4000", "4000")
        names = [case.get("name") for case in suite]
    assert names == [f"bücher-{number:x}.example" for number in range(4000)]


@pytest.mark.parametrize("format", SCAN_FORMATS)
def test_status_speaks_like_scan(format: Format, rows, make_job) -> None:
    """`status` writes the same objects as `scan`; its table has the same rows and says more of the job."""
    out = Output()
    writer = status_writer(format, out, make_job(rows))
    for row in rows:
        writer.domain(row)
    writer.finish()
    scan = scanned(format, rows, make_job(rows))
    if format is Format.TABLE:
        assert out.text(format).split("\n\n")[0] == scan.split("\n\n")[0]
    else:
        assert out.text(format) == scan


def test_status_json_holds_nothing(rows, make_job) -> None:
    """Each domain is written before the next is known."""
    out = io.StringIO()
    writer = status_writer(Format.JSON, out, make_job(rows))
    for row in rows:
        writer.domain(row)
        assert f'"{row.domain}"' in out.getvalue()
    writer.finish()
    assert json.loads(out.getvalue()) == job_object(make_job(rows)) | {
        "results": [domain_object(row) for row in rows]
    }


@pytest.mark.parametrize("count", [0, 1, 5])
def test_scan_json_is_one_job_with_results(count: int, rows, make_job) -> None:
    """The document is the job's object with a result a domain, in the order they came."""
    job = make_job(rows)
    answer = json.loads(scanned(Format.JSON, rows[:count], job))
    assert answer == job_object(job) | {"results": [domain_object(row) for row in rows[:count]]}
    assert list(answer)[-1] == "results"


def test_scan_ndjson_writes_each_domain_at_once(rows, make_job) -> None:
    """A domain's line can be read before the next domain is known; the job comes last."""
    flushed: list[str] = []

    class Pipe(io.StringIO):
        def flush(self) -> None:
            flushed.append(self.getvalue())

    out = Pipe()
    writer = scan_writer(Format.NDJSON, out)
    for number, row in enumerate(rows, 1):
        writer.domain(row)
        assert [json.loads(line) for line in flushed[-1].splitlines()] == [
            domain_object(r) for r in rows[:number]
        ]
    writer.finish(make_job(rows))
    assert json.loads(flushed[-1].splitlines()[-1]) == job_object(make_job(rows))


def test_scan_csv(rows, make_job) -> None:
    """A header, a line a domain however wild its message, null as an empty cell."""
    text = scanned(Format.CSV, rows, make_job(rows))
    assert len(text.splitlines()) == 1 + len(rows)
    table = list(csv.DictReader(io.StringIO(text)))
    assert list(table[0]) == ["_".join(path) for path in DOMAIN]
    assert {"job_id", "sitemaps_failed", "added", "removed", "changed", "requests"} <= table[0].keys()
    assert (table[0]["domain"], table[0]["urls"], table[0]["error_code"]) == ("ok.example", "1204", "")
    assert table[2]["error_message"].startswith("'=HYPERLINK")


def test_scan_junit(rows, make_job) -> None:
    """A test case a domain: failed and partial fail, deferred is skipped, the counts agree with the cases."""
    suite = ET.fromstring(scanned(Format.JUNIT, rows, make_job(rows)))  # noqa: S314 - our own text
    assert suite.tag == "testsuite"
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [row.domain for row in rows]
    assert {case.get("name"): [child.tag for child in case] for case in cases} == {
        "ok.example": [],
        "empty.example": [],
        "part.example": ["failure"],
        "bad.example": ["failure"],
        "later.example": ["skipped"],
    }
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("5", "2", "1")
    assert suite.find(".//failure[@type='dns_error']").get("message") == "dns_error: no address"


def test_scan_github(rows, make_job) -> None:
    """One command a line: an error, warnings and a notice; a message cannot start a command of its own."""
    lines = scanned(Format.GITHUB, rows, make_job(rows)).splitlines()
    assert [line.split(" title=")[0] for line in lines] == ["::warning", "::error", "::warning", "::notice"]
    assert lines[1] == "::error title=bad.example failed::dns_error: no address (0 sitemaps, 0 urls)"
    assert "\\n::error::<&>%25," in lines[0]


def test_github_title_holds_a_port(make_domain, make_job) -> None:
    """A colon or comma in a title would end the property: both are escaped there."""
    row = make_domain("a.example:8443", ScanStatus.FAILED)
    assert "title=a.example%3A8443 failed::" in scanned(Format.GITHUB, [row], make_job([row]))


def test_lists_of_jobs(make_job, make_domain) -> None:
    """JSON, NDJSON and CSV of jobs hold the same jobs."""
    jobs = [make_job([make_domain()]), make_job()]
    expected = [job_object(job) for job in jobs]
    assert json.loads(listed(jobs_writer, Format.JSON, jobs)) == expected
    assert [json.loads(line) for line in listed(jobs_writer, Format.NDJSON, jobs).splitlines()] == expected
    table = list(csv.DictReader(io.StringIO(listed(jobs_writer, Format.CSV, jobs))))
    assert list(table[0]) == ["_".join(path) for path in JOB]
    assert [row["domains_total"] for row in table] == ["1", "0"]


def test_lists_of_files(make_file) -> None:
    """JSON, NDJSON and CSV of sitemap files hold the same files; CSV counts the problems."""
    files = [make_file(), make_file(error=None, problems=())]
    expected = [file_object(file) for file in files]
    assert json.loads(listed(files_writer, Format.JSON, files)) == expected
    assert [json.loads(line) for line in listed(files_writer, Format.NDJSON, files).splitlines()] == expected
    table = list(csv.DictReader(io.StringIO(listed(files_writer, Format.CSV, files))))
    assert list(table[0]) == ["_".join(path) for path in FILE]
    assert [(row["problems"], row["error_code"], row["is_gzipped"]) for row in table] == [
        ("1", "body_truncated", "false"),
        ("0", "", "false"),
    ]


TEXT_FORMATS = [format for format in ENTRY_FORMATS if format is not Format.PARQUET]
ENTRIES = [
    Entry("https://a.example/?a=1&b=<2>", Lastmod("2026-03-01T00:00:00Z", "day", "2026-03-01"), "daily", 0.5),
    Entry("https://a.example/ü", Lastmod("2026-03-01T12:30:00Z", "second", "2026-03-01T13:30:00+01:00")),
    Entry(
        "https://a.example/de",
        Lastmod(None, None, HOSTILE),
        alternates=({"hreflang": "de", "href": "https://a.example/de?x&y"},),
    ),
]


@pytest.mark.parametrize("format", TEXT_FORMATS)
def test_no_entry_format_lets_a_text_act(format: Format) -> None:
    """Whatever a sitemap said reaches no format as a control character."""
    assert_harmless(listed(entries_writer, format, ENTRIES))


@pytest.mark.parametrize("format", [Format.JSON, Format.NDJSON])
def test_entries_as_objects(format: Format) -> None:
    """Every entry is its object, surrogates and all."""
    text = listed(entries_writer, format, ENTRIES)
    answer = json.loads(text) if format is Format.JSON else [json.loads(line) for line in text.splitlines()]
    assert answer == [entry_object(entry) for entry in ENTRIES]


def test_stored_entries_say_where_from() -> None:
    """An entry from the store has its sitemap and its dates in every object."""
    stored = StoredEntry(ENTRIES[0], "https://a.example/s.xml", DiscoveryMethod.INDEX, "article", None, None)
    answer = json.loads(listed(entries_writer, Format.NDJSON, [stored]))
    assert (answer["sitemap"], answer["discovered_by"], answer["page_type"]) == (
        "https://a.example/s.xml",
        "index",
        "article",
    )
    row = next(csv.DictReader(io.StringIO(listed(entries_writer, Format.CSV, [stored]))))
    assert list(row) == ["_".join(path) for path in ENTRY]
    assert (row["url"], row["page_type"], row["alternates"]) == (ENTRIES[0].url, "article", "0")


def test_entries_as_text_sitemap() -> None:
    """A URL a line and nothing else."""
    assert listed(entries_writer, Format.TXT, ENTRIES).splitlines() == [entry.url for entry in ENTRIES]


def test_entries_as_sitemap() -> None:
    """A urlset that a parser reads back: URLs exactly, dates no more precise than published."""
    root = ET.fromstring(listed(entries_writer, Format.XML, ENTRIES))  # noqa: S314 - our own text
    assert root.tag == f"{SITEMAP}urlset"
    assert [node.text for node in root.iter(f"{SITEMAP}loc")] == [entry.url for entry in ENTRIES]
    assert [node.findtext(f"{SITEMAP}lastmod") for node in root] == [
        "2026-03-01",
        "2026-03-01T12:30:00Z",
        None,
    ]
    assert root[0].findtext(f"{SITEMAP}changefreq") == "daily"
    assert root[0].findtext(f"{SITEMAP}priority") == "0.5"
    assert root[2].find(f"{XHTML}link").attrib == {
        "rel": "alternate",
        "hreflang": "de",
        "href": "https://a.example/de?x&y",
    }


def test_sitemaps_become_an_index() -> None:
    """Entries that are sitemaps make a sitemapindex."""
    children = [
        Entry("https://a.example/1.xml", type="sitemap"),
        Entry("https://a.example/2.xml", type="sitemap"),
    ]
    root = ET.fromstring(listed(entries_writer, Format.XML, children))  # noqa: S314 - our own text
    assert root.tag == f"{SITEMAP}sitemapindex"
    assert [node.findtext(f"{SITEMAP}loc") for node in root.findall(f"{SITEMAP}sitemap")] == [
        child.url for child in children
    ]


def test_no_entries_are_still_a_document() -> None:
    """An empty answer is valid: an empty array, a header, an empty urlset, no lines."""
    empty = {format: listed(entries_writer, format, []) for format in TEXT_FORMATS}
    assert json.loads(empty[Format.JSON]) == []
    assert empty[Format.CSV].count("\n") == 1
    assert len(ET.fromstring(empty[Format.XML])) == 0  # noqa: S314 - our own text
    assert empty[Format.NDJSON] == empty[Format.TXT] == empty[Format.TABLE] == ""


@pytest.mark.parametrize("format", [each for each in TEXT_FORMATS if each is not Format.XLSX])
def test_entries_are_written_as_they_come(format: Format) -> None:
    """No format keeps entries until the end: after each one its URL is in the stream."""
    out = io.StringIO()
    writer = entries_writer(format, out)
    for number in range(3):
        writer.write(Entry(f"https://a.example/{number}"))
        assert f"https://a.example/{number}" in out.getvalue()


@pytest.mark.parametrize(
    ("writer", "format"),
    [
        (scan_writer, Format.TXT),
        (jobs_writer, Format.JUNIT),
        (files_writer, Format.TXT),
        (entries_writer, Format.GITHUB),
    ],
)
def test_a_format_that_does_not_fit_is_refused(writer, format: Format, make_job) -> None:
    """The refusal is a usage error that names the formats there are."""
    with pytest.raises(UsageError) as caught:
        writer(format, io.StringIO())
    assert "table, json, ndjson, csv" in (caught.value.hint or "")
    with pytest.raises(UsageError):
        status_writer(Format.XML, io.StringIO(), make_job())

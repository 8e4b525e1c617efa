"""Scans real sitemaps, feeds and robots.txt files in one job and holds the database against what they hold.

usage: python benchmarks/scan_corpus.py [--shared DIR] [--keep FILE] [--allow N] [--verbose]

DIR/corpus has the files and, in expect.json and expect_robots.json, what each is known to hold. They are
served from loopback under their own host names and paths (http instead of https), scanned by the real
command, and looked up in the database. A file is exact if as many URLs are recorded for it as it holds;
whether they are the very same ones is counted apart. Without DIR there is nothing to do: exit code 0.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

COMMAND = Path(sysconfig.get_path("scripts")) / "contentmap"
TLS_HANDSHAKE = b"\x16"  # the first byte of every TLS connection (RFC 8446 section 5.1)
TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"  # fatal, protocol_version
JOB_SECONDS = 300
DOMAIN_SECONDS = 60
CRASHES = {"internal_error", "storage_error", "lease_lost"}
HANGS = {"deadline", "timeout"}


@dataclass(frozen=True, slots=True)
class Case:
    """One file: where it is served, and what it is known to hold (`truth`, as in the expectations)."""

    id: str
    kind: str
    url: str
    file: Path
    content_type: str
    truth: dict[str, Any]

    @property
    def domain(self) -> str:
        """The domain that a scan records it under."""
        return urlsplit(self.url).netloc.removeprefix("www.")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one file came out. `same`: the very URLs, not only as many."""

    case: Case
    wanted: str
    found: int
    exact: bool
    same: bool
    reason: str


def load(corpus: Path) -> list[Case]:
    """The corpus, every file under a URL of its own: further versions of one URL get a query."""
    cases = []
    taken: set[str] = set()
    for name, kind in (("expect.json", None), ("expect_robots.json", "robots")):
        for truth in json.loads((corpus / name).read_text(encoding="utf-8")):
            parts = urlsplit(truth["url"])
            host = unquote(parts.hostname).encode("idna").decode()  # one of them is percent-encoded
            url = f"http://{host}{parts.path}" + (f"?{parts.query}" if parts.query else "")
            if url in taken:
                url += f"{'&' if parts.query else '?'}version={truth['id']}"
            taken.add(url)
            content_type = truth.get("content_type") or "text/plain"
            cases.append(
                Case(truth["id"], kind or truth["kind"], url, corpus / truth["file"], content_type, truth)
            )
    return cases


@contextmanager
def serving(cases: Sequence[Case]) -> Iterator[int]:
    """Serves the files by host, path and query on a loopback port; everything else is 404."""
    files = {case.url: case for case in cases}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            assert isinstance(self.rfile, io.BufferedReader)
            if self.rfile.peek(1)[:1] == TLS_HANDSHAKE:  # the server speaks plain HTTP, and says so at once
                self.wfile.write(TLS_ALERT)
                self.close_connection = True
                return
            super().handle_one_request()

        def do_GET(self) -> None:
            host = (self.headers["Host"] or "").partition(":")[0]
            case = files.get(f"http://{host}{self.path}")
            body = case.file.read_bytes() if case else b"there is nothing here"
            self.send_response(200 if case else 404)
            self.send_header("Content-Type", case.content_type if case else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Says nothing: the report does."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def scan(cases: Sequence[Case], port: int, database: Path) -> dict[str, Any]:
    """Scans all in one job and gives its JSON. Raises `RuntimeError` if there is none, `TimeoutExpired`."""
    targets = [
        f"http://{urlsplit(case.url).netloc}/" if case.kind == "robots" else case.url for case in cases
    ]
    done = subprocess.run(
        [
            str(COMMAND),
            *("--db", str(database), "--quiet", "scan", "--input-file", "-", "--format", "json"),
            *("--connect-to", f"::127.0.0.1:{port}", "--probe", "never"),
            "--ignore-robots",  # what it forbids and how long it asks to wait is not the matter here
            *("--domain-time", str(DOMAIN_SECONDS), "--timeout", "20", "--body-cache", "off"),
        ],
        input="\n".join(targets),
        capture_output=True,
        text=True,
        timeout=JOB_SECONDS,
        check=False,
    )
    if done.returncode not in (0, 3):
        raise RuntimeError(f"the scan ended with {done.returncode}\n{done.stderr[-2000:]}")
    job: dict[str, Any] = json.loads(done.stdout)
    return job


class Recorded:
    """What the database has, read with plain SQL: no code of ContentMap's stands between."""

    def __init__(self, database: Path) -> None:
        with closing(sqlite3.connect(database)) as connection:
            connection.row_factory = sqlite3.Row
            self._files = connection.execute(
                "SELECT f.id, d.name AS domain, f.url, f.parent, f.discovery_method, f.status, f.url_count,"
                " f.error_code, f.error_message FROM sitemap_files f JOIN domains d ON d.id = f.domain_id"
            ).fetchall()
            self._urls: dict[int, list[str]] = {}
            for file, url in connection.execute("SELECT sitemap_file_id, url FROM sitemap_urls"):
                self._urls.setdefault(file, []).append(url)

    def file(self, case: Case) -> sqlite3.Row | None:
        """The row of a case's file."""
        return next(
            (row for row in self._files if (row["domain"], row["url"]) == (case.domain, case.url)), None
        )

    def urls(self, case: Case) -> list[str]:
        """The URLs that are recorded for a case: pages, the children of an index, what a robots.txt names."""
        if case.kind == "robots":
            own = (row for row in self._files if row["domain"] == case.domain)
            return [row["url"] for row in own if row["discovery_method"] == "robots"]
        row = self.file(case)
        if row is not None and case.kind == "index":
            return [child["url"] for child in self._files if child["parent"] == case.url]
        return self._urls.get(row["id"], []) if row is not None else []


def judge(case: Case, recorded: Recorded, scorer: ModuleType) -> Verdict:
    """Holds what is recorded for a file against what it is known to hold."""
    urls, row = recorded.urls(case), recorded.file(case)
    # relative references resolve to http here and to https in the truth: both readings are asked for
    readings = (urls, [url.replace("http://", "https://", 1) for url in urls])
    same = any(scorer.judge(case.truth, reading)[0] == 1.0 for reading in readings)
    if case.kind == "robots":
        named = sorted({len(option["sitemaps"]) for option in case.truth["full"] + case.truth["alt"]})
        reason = "" if same else f"e.g. {next(iter(urls), 'nothing')}"
        return Verdict(case, either(named), len(urls), same, same, reason)
    counts = {
        option[count]
        for option in case.truth["full"]
        for count in ("n_urls", "n_unique", "n_crawlable_unique")
    }
    # an index's child that another file names as well is recorded once, under the first that did
    found = row["url_count"] if row is not None and case.kind == "index" else len(urls)
    exact = same or found in counts
    reason = ""
    if not exact and row is None:
        reason = "not recorded"
    elif not exact and row is not None:
        reason = (
            f"{row['status']}: {row['error_code'] or case.truth['note'] or ''} {row['error_message'] or ''}"
        )
    return Verdict(case, either(sorted(counts)), found, exact, same, reason)


def either(counts: Sequence[int]) -> str:
    """`3` or `3|4`."""
    return "|".join(map(str, counts))


def import_scorer(path: Path) -> ModuleType:
    """The scorer that lies beside the corpus."""
    spec = importlib.util.spec_from_file_location("corpus_score", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(
    verdicts: Sequence[Verdict], job: dict[str, Any], seconds: float, *, allowed: int, verbose: bool
) -> int:
    """Prints the table and the summary; 0 if no domain crashed or hung and few enough files differ."""
    # "count": as many URLs, but not the very same ones
    print(f"{'case':6} {'kind':8} {'wanted':>8} {'found':>6}  verdict  url")
    for verdict in verdicts:
        if verdict.exact and not verbose:
            continue
        word = ("exact" if verdict.same else "count") if verdict.exact else "differs"
        print(
            f"{verdict.case.id:6} {verdict.case.kind:8} {verdict.wanted:>8} {verdict.found:>6}  {word:7}"
            f"  {verdict.case.url}  {verdict.reason}".rstrip()
        )
    errors = [(domain["domain"], domain["error"]) for domain in job["results"] if domain["error"]]
    crashed = [(name, error) for name, error in errors if error["code"] in CRASHES]
    hung = [(name, error) for name, error in errors if error["code"] in HANGS]
    for name, error in crashed + hung:
        print(f"{name}: {error['code']}: {error['message']}")
    for label, some in (
        ("sitemaps", [verdict for verdict in verdicts if verdict.case.kind != "robots"]),
        ("robots.txt", [verdict for verdict in verdicts if verdict.case.kind == "robots"]),
    ):
        exact, same = (sum(getattr(verdict, name) for verdict in some) for name in ("exact", "same"))
        print(f"{label}: exact {exact} of {len(some)}, the very same URLs in {same}")
    exact = sum(verdict.exact for verdict in verdicts)
    print(
        f"exact {exact} of {len(verdicts)}, crashed {len(crashed)}, hung {len(hung)}; "
        f"{len(job['results'])} domains, {job['urls']} URLs, {seconds:.1f} s"
    )
    return 0 if exact >= len(verdicts) - allowed and not crashed and not hung else 1


def main() -> int:
    """Serves, scans, compares."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    shared = Path(__file__).parents[2] / "shared"
    parser.add_argument("--shared", type=Path, default=shared, help="the folder that has corpus/")
    parser.add_argument("--keep", type=Path, help="keep the database there")
    # two files are templates that nobody rendered: their URLs may as well be listed as dropped
    parser.add_argument("--allow", type=int, default=2, help="how many may differ (%(default)s)")
    parser.add_argument("--verbose", action="store_true", help="list the exact ones, too")
    arguments = parser.parse_args()
    corpus = arguments.shared / "corpus"
    if not corpus.is_dir():
        print(f"no corpus in {arguments.shared}: nothing to scan")
        return 0
    cases = load(corpus)
    with tempfile.TemporaryDirectory(prefix="contentmap-corpus-") as folder, serving(cases) as port:
        database = arguments.keep or Path(folder) / "corpus.db"
        started = time.monotonic()
        try:
            job = scan(cases, port, database)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        seconds = time.monotonic() - started
        recorded = Recorded(database)
    scorer = import_scorer(arguments.shared / "score.py")
    verdicts = [judge(case, recorded, scorer) for case in cases]
    return report(verdicts, job, seconds, allowed=arguments.allow, verbose=arguments.verbose)


if __name__ == "__main__":
    sys.exit(main())

"""ContentMap as a library: in a script, in a running event loop (a notebook), and as docs/api.md shows it."""

from __future__ import annotations

import asyncio
import codecs
import doctest
import gc
import gzip
import inspect
import io
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from databases import sqlite_first
from program import Contentmap
from web_sites import Sites, serving, urlset

import contentmap_cli
from contentmap_cli import Crawler, Entry, ParsedDocument, Store, parse
from contentmap_cli.commands.interface.options import CHECKED
from contentmap_cli.errors import DatabaseUnavailable, NotFound, UsageError

ROOT = Path(__file__).parent.parent.parent
HOST = "shop.test"
FILE = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    b"<url><loc>https://shop.test/a</loc><lastmod>2026-11-01</lastmod></url>\n"
    b"<url><loc>/b</loc></url>\n</urlset>\n"
)


def site(*pages: str, day: str) -> dict[str, Any]:
    """The site with these pages, all changed on a day."""
    urls = [f"http://{HOST}/{page}" for page in pages]
    return {
        f"{HOST}/robots.txt": f"Sitemap: http://{HOST}/sitemap.xml\n",
        f"{HOST}/sitemap.xml": urlset(*urls, lastmod=day),
    }


def record(program: Contentmap, sites: Sites, *pages: str, day: str) -> str:
    """Scan the site as it is now; return the job's id."""
    sites.pages.update(site(*pages, day=day))
    words = ("scan", f"http://{HOST}", "--connect-to", sites.connect_to, "--json")
    return str(program(*words).json["job_id"])


@pytest.fixture
def sites() -> Iterator[Sites]:
    """A server on loopback."""
    with serving({}) as running:
        yield running


@pytest.fixture
def recorded(tmp_path: Path, address: str, sites: Sites) -> tuple[str, list[str]]:
    """The address of a database with two scans of the site, and the ids of their jobs."""
    program = Contentmap(tmp_path, address)
    first = record(program, sites, "a", "b", day="2026-11-01")
    return address, [first, record(program, sites, "a", "c", day="2026-11-02")]


def test_the_public_names_exist() -> None:
    """Each is what it says, is listed by dir(), and no other name is let through."""
    for name in contentmap_cli.__all__:
        assert getattr(contentmap_cli, name).__name__ == name
        assert name in dir(contentmap_cli)
    with pytest.raises(AttributeError, match="no attribute 'Pars'"):
        contentmap_cli.Pars  # type: ignore[attr-defined] # noqa: B018
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    named = {
        name.strip("` ")
        for row in page.splitlines()
        if row.startswith("| `")
        for name in row.split("|")[1].split(",")
    }
    assert named == set(contentmap_cli.__all__)


def test_the_page_is_true(
    tmp_path: Path, sites: Sites, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every example of docs/api.md prints what stands there."""
    (tmp_path / "sitemap.xml").write_bytes(FILE)
    program = Contentmap(tmp_path, str(tmp_path / "map.db"))
    record(program, sites, "a", "b", day="2026-11-01")
    record(program, sites, "a", "c", day="2026-11-02")
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testfile(
        str(ROOT / "docs" / "api.md"), module_relative=False, globs={"port": sites.port}, encoding="utf-8"
    )
    assert (failed, tried > 20) == (0, True), capsys.readouterr().out


def test_a_document_from_bytes_a_file_and_a_pipe(tmp_path: Path) -> None:
    """They are the same; what cannot seek is read once."""
    file = tmp_path / "sitemap.xml.gz"
    file.write_bytes(gzip.compress(FILE))

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: object) -> int:
            raise OSError("a pipe")

    base = "https://shop.test/sitemap.xml"
    with file.open("rb") as opened:
        found = [parse(FILE, base), parse(opened, base), parse(Pipe(FILE), base)]
    assert found[0] == found[1] == found[2]
    assert [entry.url for entry in found[0].entries] == ["https://shop.test/a", "https://shop.test/b"]
    assert isinstance(found[0], ParsedDocument)
    assert isinstance(found[0].entries[0], Entry)


def test_damaged_content_does_not_raise() -> None:
    """A tolerant reading starts over, and its entries come once."""
    document = parse(FILE.replace(b"</urlset>", b"<url><loc>https://shop.test/c</loc>"))
    assert [entry.url for entry in document.entries] == ["https://shop.test/a", "/b", "https://shop.test/c"]
    assert not document.complete
    assert [problem.code for problem in document.problems] == ["xml_error"]
    assert parse(b"Sitemap: https://shop.test/s.xml", "https://shop.test/robots.txt").kind == "robots"


def test_what_is_no_document_and_no_base_raises() -> None:
    """Text has no encoding, and a base is a URL."""
    for text in (io.StringIO("<urlset/>"), codecs.getreader("utf-8")(io.BytesIO(FILE))):
        with pytest.raises(TypeError, match="not text: open the file with mode 'rb'"):
            parse(text)  # type: ignore[arg-type]
    for nothing in (None, 5, "<urlset/>"):
        with pytest.raises(TypeError, match="takes bytes or a binary file"):
            parse(nothing)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not an http or https URL"):
        parse(FILE, base=5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not an http or https URL"):
        parse(FILE, base="sitemap.xml")


async def test_several_sites_at_once(sites: Sites) -> None:
    """A site that fails is a result; entries can be read until the result is closed."""
    sites.pages.update(site("a", "b", day="2026-11-01"))
    sites.pages[f"{HOST}/robots.txt"] = (
        f"Sitemap: http://{HOST}/sitemap.xml\nSitemap: http://{HOST}/sitemap.xml\nSitemap: gone.xml\n"
    )
    async with Crawler(connect_to=[sites.connect_to]) as crawler:
        good, bad = await asyncio.gather(
            crawler.crawl(f"http://{HOST}"), crawler.crawl("http://empty.test/sitemap.xml")
        )
    assert [entry.url for entry in good.entries()] == [f"http://{HOST}/a", f"http://{HOST}/b"]
    assert (good.domain, good.outcome, bad.outcome) == (HOST, "partial", "failed")
    assert "relative_url" in {problem.code for problem in good.problems[f"http://{HOST}/robots.txt"]}
    assert bad.failure is not None
    assert bad.failure.code == "http_404"
    with good:
        pass
    with pytest.raises(ValueError, match="closed"):
        list(good.entries())


async def test_options_are_those_of_the_command_line() -> None:
    """A value that cannot be used is a usage error, and so is a target; addresses are guarded by default."""
    parameters = set(inspect.signature(Crawler).parameters)
    assert parameters == set(CHECKED.options) - {
        "max_time"
    }  # the crawl options of a command that records nothing
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert [name for name in sorted(parameters) if f"`{name}`" not in page] == []
    with pytest.raises(UsageError, match="--connect-to"):
        Crawler(connect_to=["nonsense"])
    async with Crawler(user_agent="Example/1.0", probe="never") as crawler:
        with pytest.raises(UsageError, match="has no dot"):
            await crawler.crawl("shop")
        result = await crawler.crawl("http://127.0.0.1:9/")
    assert (result.outcome, result.failure and result.failure.code) == ("failed", "address_blocked")


UNUSABLE: dict[str, list[Any]] = {
    "timeout": [-1, 0, float("nan"), float("inf"), "30", True],
    "domain_time": [0, 1e12, [1]],
    "delay": [-0.1, "no"],
    "max_urls": [0, -1, 1.5, "5", False],
    "max_file_size": [1000, "many", b"1"],
    "probe": ["x", 1],
    "header": ["Accept: text/xml", [1], ["no colon"], 5],
    "connect_to": ["a:80:b:80", ["x"]],
    "allow_net": ["10.0.0.0/8", ["x"], [None]],
    "allow_private": ["yes", 1],
    "insecure": [0],
    "allow_http": ["no"],
    "ignore_robots": ["no"],
    "user_agent": [5, "\n"],
    "user": [("a", "b"), "nobody"],
    "proxy": [5, "gopher://x"],
    "no_proxy": ["no"],
    "connect_timeout": [0, "1"],
    "domain_wait": [-1, "1"],
    "per_host": [0, 1.5],
    "per_address": [0, "6"],
    "robots_agent": [5, "two words"],
    "cert": [5, "none.pem"],
    "key": [5],
    "netrc": ["yes"],
    "netrc_file": [5],
    "signature_key": [5, "none.pem"],
    "signature_agent": [5, "http://x y"],
    "ca_file": [5, "none.pem"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in UNUSABLE.items() for value in values]
)
def test_an_option_that_cannot_be_used(name: str, value: Any) -> None:
    """A wrong type, out of the range of the command line, or not understood: UsageError with its name."""
    with pytest.raises(UsageError) as caught:
        Crawler(**{name: value})
    assert name.replace("_", "-") in caught.value.message.replace("_", "-")
    assert caught.value.hint


def test_every_option_has_a_value_that_cannot_be_used() -> None:
    """None stands for the default, and a number need not be a float."""
    assert set(UNUSABLE) == set(CHECKED.options) - {"max_time"}
    Crawler(**dict.fromkeys(set(CHECKED.options) - {"max_time"}))
    Crawler(timeout=30, max_urls=1, delay=0, header=("A: b",), probe="always")


async def test_a_crawler_that_is_not_open() -> None:
    """Before `async with`, and after it; a target is a text."""
    crawler = Crawler()
    with pytest.raises(ValueError, match="not open"):
        await crawler.crawl(HOST)
    async with crawler:
        with pytest.raises(UsageError, match="target"):
            await crawler.crawl(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not open"):
        await crawler.crawl(HOST)


@sqlite_first
def test_a_stored_domain(recorded: tuple[str, list[str]]) -> None:
    """Domains, files, entries with every filter, jobs and differences, on both databases."""
    address, (first, second) = recorded
    with Store(address) as store:
        assert store.domains() == [HOST]
        assert [file.url_count for file in store.sitemaps(HOST)] == [2]
        assert [each.url for each in store.entries(f"http://www.{HOST}/")] == [
            f"http://{HOST}/a",
            f"http://{HOST}/c",
        ]
        assert [each.url for each in store.entries(HOST, removed=True)] == [f"http://{HOST}/b"]
        assert len(list(store.entries(HOST, limit=1))) == 1
        assert len(list(store.entries(HOST, match="*/c"))) == 1
        assert list(store.entries(HOST, sitemap="http://other.test/")) == []
        now = datetime.now(UTC)
        assert list(store.entries(HOST, first_seen_after=now + timedelta(hours=1))) == []
        assert len(list(store.entries(HOST, lastmod_after=datetime(2026, 11, 1, 12)))) == 2  # noqa: DTZ001
        assert len(list(store.entries(HOST, first_seen_after=date(2026, 1, 1)))) == 2
        with pytest.raises(TypeError, match="lastmod_after must be a datetime or a date, not str"):
            store.entries(HOST, lastmod_after="2026-11-01")  # type: ignore[arg-type]
        diff = store.diff(HOST)
        assert diff == store.diff(HOST, earlier=first, later=second)
        assert diff.before is not None
        assert (diff.before.job_id, diff.after.job_id) == (first, second)
        assert (diff.added, diff.removed) == ((f"http://{HOST}/c",), (f"http://{HOST}/b",))
        assert diff == store.diff(HOST, earlier=diff.before.recorded_at, later=datetime.now(UTC))
        with pytest.raises(UsageError, match="later than"):
            store.diff(HOST, earlier=datetime(2999, 1, 1), later=diff.before.recorded_at)  # noqa: DTZ001
        back = store.diff(HOST, earlier=second, later=first)
        assert (back.added, back.removed) == (diff.removed, diff.added)
        assert store.diff(HOST, later=first).before is None
        assert [job.job_id for job in store.jobs()] == [second, first]
        assert [job.status for job in store.jobs(domain=HOST, limit=1)] == ["complete"]
        with pytest.raises(NotFound, match=r"other\.test was never scanned"):
            store.entries("other.test")
        with pytest.raises(NotFound, match="has no recorded scan"):
            store.diff(HOST, earlier="sitemap_0")
    with Store(address, tenant="other") as store:
        assert store.domains() == []


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
async def test_a_store_inside_an_event_loop(recorded: tuple[str, list[str]]) -> None:
    """As in a notebook, whose loop is running in the same thread."""
    with Store(recorded[0]) as store:
        assert len(list(store.entries(HOST))) == 2


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_iterators_end_with_their_store(recorded: tuple[str, list[str]]) -> None:
    """One that is left early frees its connection, several may be open, and none outlives the store."""
    with Store(recorded[0]) as store:
        for _ in range(20):  # more than there are connections
            assert next(store.entries(HOST)).url == f"http://{HOST}/a"
        gc.collect()
        open_still = [store.entries(HOST) for _ in range(3)]
        assert [next(each).url for each in open_still] == [f"http://{HOST}/a"] * 3
        late = store.entries(HOST)
        store.close()
        with pytest.raises(ValueError, match="closed"):
            next(late)
        with pytest.raises(ValueError, match="closed"):
            store.domains()
    assert [next(each).url for each in open_still] == [f"http://{HOST}/c"] * 3  # its batch had been read


def test_what_is_no_database_raises(tmp_path: Path) -> None:
    """Asking never creates one, and a broken one is said to be broken."""
    with pytest.raises(NotFound, match="nothing is recorded yet"):
        Store(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "text.db").write_text("no database" * 100)
    with pytest.raises(DatabaseUnavailable, match="is not an SQLite database"):
        Store(tmp_path / "text.db")
    with pytest.raises(UsageError, match="in-memory"):
        Store(":memory:")


SCRIPT = """
import asyncio, sys
import contentmap_cli
loaded = [name for name in ("sqlalchemy", "aiohttp", "typer", "asyncio.base_events") if name in sys.modules]
assert loaded in ([], ["asyncio.base_events"]), loaded

from contentmap_cli import Crawler, Store, parse

with open("sitemap.xml", "rb") as file:
    document = parse(file, base="https://shop.test/sitemap.xml")
print(document.kind, [entry.url for entry in document.entries])

async def main():
    async with Crawler(connect_to=sys.argv[1:]) as crawler:
        result = await crawler.crawl("http://shop.test")
    print(result.outcome, [entry.url for entry in result.entries()])

asyncio.run(main())

store = Store("map.db")  # never closed, and its last iterator never ended
entries = list(store.entries("shop.test"))
print(len(entries), [entry.url for entry in entries])
print(store.diff("shop.test").added)
unfinished = store.entries("shop.test")
next(unfinished)
"""


def test_a_script_in_an_interpreter_of_its_own(tmp_path: Path, sites: Sites) -> None:
    """It parses, crawls, lists and compares, prints nothing else, and ends though it closed nothing."""
    (tmp_path / "sitemap.xml").write_bytes(FILE)
    program = Contentmap(tmp_path, str(tmp_path / "map.db"))
    record(program, sites, "a", "b", day="2026-11-01")
    record(program, sites, "a", "c", day="2026-11-02")
    del program.environment["PYTHONWARNINGS"]  # Python warns of what is not closed, where it is asked to
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    ran = subprocess.run(
        [sys.executable, str(script), sites.connect_to],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=program.environment,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "urlset ['https://shop.test/a', 'https://shop.test/b']",
        "ok ['http://shop.test/a', 'http://shop.test/c']",
        "2 ['http://shop.test/a', 'http://shop.test/c']",
        "('http://shop.test/c',)",
    ]


@pytest.mark.parametrize("reads", ["entries", "diff", "domains"])
@sqlite_first
def test_a_store_that_is_closed_while_it_is_read(
    recorded: tuple[str, list[str]], reads: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each reader gets a ValueError, none hangs, and nothing is printed, whatever statement was running."""
    read: Any = {
        "entries": lambda store: list(store.entries(HOST)),
        "diff": lambda store: store.diff(HOST),
        "domains": lambda store: store.domains(),
    }[reads]
    raised: list[BaseException] = []

    def read_on(store: Store) -> None:
        try:
            while True:
                read(store)
        except BaseException as error:
            raised.append(error)

    for turn in range(5):
        store = Store(recorded[0])
        readers = [threading.Thread(target=read_on, args=(store,), daemon=True) for _ in range(8)]
        for reader in readers:
            reader.start()
        threading.Event().wait(0.05 * turn)
        store.close()
        for reader in readers:
            reader.join(30)
        assert not any(reader.is_alive() for reader in readers)
    assert {(type(error), str(error)) for error in raised} == {(ValueError, "the store is closed")}
    gc.collect()
    assert [record.getMessage() for record in caplog.records] == []


def test_more_iterators_than_a_pool_has_connections(
    address: str, sites: Sites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `heapq.merge` over many domains opens them: each is in the middle of its transaction."""
    pages = sorted(map(str, range(10, 20)))
    record(Contentmap(tmp_path, address), sites, *pages, day="2026-11-01")
    monkeypatch.setattr("contentmap_cli.storage.reading.contents._ROWS_A_FETCH", 2)
    with Store(address) as store:
        iterators = [store.entries(HOST) for _ in range(16)]
        first = [next(each).url for each in iterators]
        assert first == [f"http://{HOST}/{pages[0]}"] * 16
        assert [len(list(each)) for each in iterators] == [len(pages) - 1] * 16


def test_a_statement_that_outlasts_the_close(
    postgres_address: str, sites: Sites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cancelled, and its reader gets a ValueError as well."""
    record(Contentmap(tmp_path, postgres_address), sites, "a", day="2026-11-01")
    monkeypatch.setattr("contentmap_cli.api.store._CLOSE_SECONDS", 0.2)
    raised: list[BaseException] = []

    def read() -> None:
        try:
            list(store.entries(HOST))
        except BaseException as error:
            raised.append(error)

    async def close_while_locked() -> None:
        connection = await asyncpg.connect(postgres_address)
        async with connection.transaction():
            await connection.execute("LOCK TABLE sitemap_urls IN ACCESS EXCLUSIVE MODE")
            reader = threading.Thread(target=read, daemon=True)
            reader.start()
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            while not await connection.fetchval(waiting):  # noqa: ASYNC110 - another process waits
                await asyncio.sleep(0.01)
            await asyncio.to_thread(store.close)
            await asyncio.to_thread(reader.join, 30)
            assert not reader.is_alive()
        await connection.close()

    store = Store(postgres_address)
    asyncio.run(close_while_locked())
    assert [(type(error), str(error)) for error in raised] == [(ValueError, "the store is closed")]


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_a_job_that_is_running(address: str, sites: Sites, tmp_path: Path) -> None:
    """On a file nothing is written while a domain is recorded: a live process counts, not its last sign."""
    program = Contentmap(tmp_path, address)
    sites.pages.update(site("a", day="2026-11-01"))
    sites.gate.clear()
    scan = program.start("scan", f"http://{HOST}", "--connect-to", sites.connect_to)
    try:
        while not sites.asked:
            threading.Event().wait(0.01)
        with closing(sqlite3.connect(address.partition("///")[2])) as file, file:
            file.execute("UPDATE jobs SET lease_until = '2020-01-01 00:00:00.000000'")
        with Store(address) as store:
            (job,) = store.jobs()
        assert (job.status, job.alive) == ("running", True)
    finally:
        sites.gate.set()
        program.end(scan)

"""Parsing in other processes: the same rows as here, and nothing that happens to them holds up a scan."""

from __future__ import annotations

import asyncio
import io
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from running import alive

from contentmap_cli.crawl.reading import parser_processes as processes_module
from contentmap_cli.crawl.reading.parser_processes import ParserProcesses
from contentmap_cli.crawl.reading.parser_worker import LENGTH, Work, serve
from contentmap_cli.crawl.reading.reader import LARGE, Reader, Source
from contentmap_cli.crawl.reading.spool import Reading, RowSpool, Segment, Spools
from contentmap_cli.models import DocumentKind, Limits
from contentmap_cli.models.entry_rows import Row
from contentmap_cli.models.hosts import Scope

MANY = 10**9
URL = "http://site.test/map.xml"
READING = Reading(URL, URL, Scope("site.test"), Limits())


opened: list[BinaryIO] = []


@pytest.fixture(autouse=True)
def _close_what_was_opened() -> Iterator[None]:
    yield
    while opened:
        opened.pop().close()


def sitemap(count: int, start: int = 0) -> bytes:
    """A sitemap of so many URLs, not in their order."""
    items = "".join(
        f"<url><loc>http://site.test/{number * 7919 % 1_000_003}</loc>"
        f"<priority>0.{number % 9}</priority></url>\n"
        for number in range(start, start + count)
    )
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{items}</urlset>'.encode()


def index(count: int) -> bytes:
    """A sitemap index of so many files."""
    items = "".join(f"<sitemap><loc>http://site.test/{n}.xml</loc></sitemap>\n" for n in range(count))
    return (
        f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{items}</sitemapindex>'.encode()
    )


def source(body: bytes, until: float | None = None) -> Source:
    """A body as a fetch leaves it: in a file without a name."""
    assert len(body) >= LARGE
    file = cast(BinaryIO, tempfile.SpooledTemporaryFile(1024))  # noqa: SIM115 - closed after the test
    opened.append(file)
    file.write(body)
    return Source(READING, file, len(body), until)


def rows(segment: Segment) -> list[Row]:
    return [row for batch in segment.read() for row in batch]


@pytest.fixture
async def processes() -> AsyncIterator[ParserProcesses]:
    made = ParserProcesses(2)
    yield made
    made.close()


@pytest.fixture
async def make_reader(processes: ParserProcesses) -> AsyncIterator[Callable[..., Reader]]:
    """Readers that parse in processes, unless asked not to."""
    made = []
    with ThreadPoolExecutor(1) as pool:

        def make(limits: Limits = Limits(), *, apart: bool = True) -> Reader:  # noqa: B008 - frozen
            made.append(Reader(pool, limits, processes if apart else None))
            return made[-1]

        yield make
        for reader in made:
            reader.spools.close()


async def test_a_process_gives_what_a_thread_gives(
    make_reader: Callable[..., Reader], processes: ParserProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same document and the same rows, several at once, in processes that are used again."""
    here, there = make_reader(apart=False), make_reader()
    bodies = [sitemap(8_000 + 100 * number, number) for number in range(4)]
    expected = [await here.read(source(body), room=lambda: MANY) for body in bodies]
    assert processes.pids == []
    found = await asyncio.gather(*(there.read(source(body), room=lambda: MANY) for body in bodies))
    assert len(processes.pids) == 2
    for (document, segment), (other, others) in zip(expected, found, strict=True):
        assert document == other
        assert document.entries == segment.entries == others.entries > 0
        assert rows(segment) == rows(others)


async def test_children_of_an_index_come_back(make_reader: Callable[..., Reader]) -> None:
    """They are entries, in document order, as from a thread."""
    document, segment = await make_reader().read(source(index(9_000)), room=lambda: MANY)
    assert (document.kind, segment.pages) == (DocumentKind.INDEX, 0)
    assert [child.url for child in segment.children] == [f"http://site.test/{n}.xml" for n in range(9_000)]


async def test_the_domains_room_is_never_exceeded(make_reader: Callable[..., Reader]) -> None:
    """Where two files at once could hold more than is left, the second waits for what the first has used."""
    reader = make_reader(Limits(file_urls_hard=10_000))
    left = 12_000

    async def read() -> int:
        nonlocal left
        _, segment = await reader.read(source(sitemap(9_000)), room=lambda: left)
        left -= segment.pages
        return segment.refused

    assert sorted(await asyncio.gather(read(), read())) == [0, 6_000]
    assert left == 0


async def test_a_killed_process_is_one_files_failure(
    make_reader: Callable[..., Reader], processes: ParserProcesses, caplog: pytest.LogCaptureFixture
) -> None:
    """The file it was reading failed; the next one is read by a new process, over the same spool."""
    reader = make_reader()
    reading = asyncio.create_task(reader.read(source(sitemap(400_000)), room=lambda: MANY))
    await _one_runs(processes)
    (victim,) = processes.pids
    await _reads(victim)
    os.kill(victim, signal.SIGKILL)
    document, segment = await reading
    assert document.failure is not None
    assert (document.failure.code, rows(segment)) == ("internal_error", [])
    assert "exited" in caplog.text
    document, segment = await reader.read(source(sitemap(9_000)), room=lambda: MANY)
    assert (document.failure, len(rows(segment))) == (None, 9_000)
    assert victim not in processes.pids


async def test_a_process_killed_while_it_waits_fails_no_file(
    make_reader: Callable[..., Reader], processes: ParserProcesses, caplog: pytest.LogCaptureFixture
) -> None:
    """The next file is read by another process."""
    reader = make_reader()
    await reader.read(source(sitemap(9_000)), room=lambda: MANY)
    (victim,) = processes.pids
    os.kill(victim, signal.SIGKILL)
    await asyncio.to_thread(os.waitid, os.P_PID, victim, os.WEXITED | os.WNOWAIT)
    document, segment = await reader.read(source(sitemap(9_000)), room=lambda: MANY)
    assert (document.failure, len(rows(segment))) == (None, 9_000)
    assert len(processes.pids) == 1
    assert victim not in processes.pids
    assert "died" not in caplog.text


async def test_closing_kills_all(make_reader: Callable[..., Reader], processes: ParserProcesses) -> None:
    """Those that wait for a document as well."""
    await make_reader().read(source(sitemap(9_000)), room=lambda: MANY)
    (waiting,) = processes.pids
    processes.close()
    assert (processes.pids, alive(waiting)) == ([], False)


async def test_a_bug_in_a_process_is_one_files_failure(
    make_reader: Callable[..., Reader], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told in one line, with the traceback for who asked for every step; the process reads the next."""
    caplog.set_level("DEBUG", "contentmap")
    reader = make_reader()
    with monkeypatch.context() as patched:
        patched.setattr(RowSpool, "fileno", lambda self: 0)  # standard input: nothing that rows fit into
        document, segment = await reader.read(source(sitemap(9_000)), room=lambda: MANY)
    assert document.failure is not None
    assert (document.failure.code, rows(segment)) == ("internal_error", [])
    assert [record.levelname for record in caplog.records if "parser failed" in record.message] == ["ERROR"]
    assert {record.levelname for record in caplog.records if "Traceback" in record.message} == {"DEBUG"}
    document, segment = await reader.read(source(sitemap(9_000)), room=lambda: MANY)
    assert (document.failure, len(rows(segment))) == (None, 9_000)


async def test_a_full_disk_is_said_to_be_full(
    make_reader: Callable[..., Reader], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process and in a thread: it is no bug of ours."""
    full = RowSpool(cast("BinaryIO", io.FileIO("/dev/full", "r+")))
    body = sitemap(9_000)
    for given in (source(body), Source(READING, io.BytesIO(body), len(body))):
        reader = make_reader()
        with monkeypatch.context() as patched:
            patched.setattr(Spools, "one", lambda self: nullcontext(full))
            document, segment = await reader.read(given, room=lambda: MANY)
        assert document.failure is not None
        assert document.failure.code == "storage_error"
        assert document.failure.message == "what was read cannot be kept: no space left on device"
        assert rows(segment) == []
    full.close()
    assert "bug" not in caplog.text


async def test_a_body_without_a_file_is_parsed_here(
    make_reader: Callable[..., Reader], processes: ParserProcesses
) -> None:
    """Another process could not be handed it."""
    body = sitemap(9_000)
    held = Source(READING, io.BytesIO(body), len(body))
    document, segment = await make_reader().read(held, room=lambda: MANY)
    assert (document.failure, len(rows(segment)), processes.pids) == (None, 9_000, [])


def test_a_request_in_pieces(tmp_path: Path) -> None:
    """One that is longer than what a socket gives at once is read whole; the end of the socket ends all."""
    body, spool = tmp_path / "map.xml", tmp_path / "spool"
    body.write_bytes(sitemap(10))
    spool.touch()
    long = f"http://site.test/{'x' * 300_000}"
    reading = Reading(long, long, Scope("site.test"), Limits())
    request = pickle.dumps(Work(reading, memory=None, room=MANY, child_room=10, end=0))
    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(1) as pool:
        serving = pool.submit(serve, theirs)
        descriptors = [os.open(body, os.O_RDONLY), os.open(spool, os.O_RDWR)]
        socket.send_fds(ours, [len(request).to_bytes(LENGTH, "big")], descriptors)
        ours.sendall(request)
        length = int.from_bytes(ours.recv(LENGTH, socket.MSG_WAITALL), "big")
        done = pickle.loads(ours.recv(length, socket.MSG_WAITALL))  # noqa: S301 - our own
        ours.shutdown(socket.SHUT_WR)
        serving.result(60)
    assert done.document.entries == 10


async def test_the_deadline_ends_the_wait(
    make_reader: Callable[..., Reader], processes: ParserProcesses
) -> None:
    """A document that takes too long is left, and the process with it."""
    until = asyncio.get_running_loop().time() + 0.5
    document, segment = await make_reader().read(source(sitemap(600_000), until), room=lambda: MANY)
    assert document.failure is not None
    assert (document.failure.code, rows(segment), processes.pids) == ("deadline", [], [])


async def test_a_cancelled_reading_kills_its_process(
    make_reader: Callable[..., Reader], processes: ParserProcesses
) -> None:
    """When the cancellation is heard, nobody writes to the spool any more."""
    reading = asyncio.create_task(make_reader().read(source(sitemap(400_000)), room=lambda: MANY))
    await _one_runs(processes)
    (number,) = processes.pids
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not alive(number)


async def test_where_no_process_can_be_started_a_thread_parses(
    make_reader: Callable[..., Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter that is gone is no reason to fail a file."""
    monkeypatch.setattr(processes_module.sys, "executable", "/nonexistent/python")
    document, segment = await make_reader().read(source(sitemap(9_000)), room=lambda: MANY)
    assert (document.failure, len(rows(segment))) == (None, 9_000)


def test_processes_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """Also in the middle of a document: nobody would hear what they say."""
    body = tmp_path / "map.xml"
    body.write_bytes(sitemap(900_000))
    script = f"""
import asyncio, sys
from contentmap_cli.crawl.reading.spool import Reading
from contentmap_cli.crawl.reading.parser_processes import ParserProcesses
from contentmap_cli.models.hosts import Scope
from contentmap_cli.crawl.reading.parser_worker import Work
from contentmap_cli.models import Limits

async def run():
    processes = ParserProcesses(1)
    reading = Reading("{URL}", "{URL}", Scope("site.test"), Limits(body_bytes=10**9))
    work = Work(reading, None, 10**9, 10, 0)
    with open({str(body)!r}, "rb") as source, open({str(tmp_path / "spool")!r}, "w+b") as spool:
        parsing = asyncio.create_task(processes.parse(work, source.fileno(), spool.fileno()))
        while not processes.pids:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        print(*processes.pids, flush=True)
        await parsing

asyncio.run(run())
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        number = int(parent.stdout.readline())
        assert alive(number)
        parent.kill()
        until = time.monotonic() + 60
        while alive(number) and time.monotonic() < until:
            time.sleep(0.02)
        assert not alive(number)


def test_a_process_loads_the_parser_and_no_more() -> None:
    """Neither the network nor the database: each process would hold them in memory."""
    script = (
        "import socket, sys; from contentmap_cli.crawl.reading import parser_worker as worker;"
        "worker.serve = lambda _: print(*sys.modules, flush=True); worker.main()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-c", script]
        ran = subprocess.run(command, stdin=theirs, capture_output=True, check=True, env=environment)
    loaded = set(ran.stdout.decode().split())
    assert "lxml.etree" in loaded
    assert loaded.isdisjoint({"aiohttp", "asyncio", "sqlalchemy", "typer", "rich"})


async def _one_runs(processes: ParserProcesses) -> None:
    while not processes.pids:  # noqa: ASYNC110 - the code under test has no event for a test to wait for
        await asyncio.sleep(0.01)


async def _reads(number: int) -> None:
    """Waits until a process has begun with its document: it holds more than the socket."""
    while len(os.listdir(f"/proc/{number}/fd")) < 6:  # noqa: ASYNC110, PTH208
        await asyncio.sleep(0.01)


async def _gone(number: int) -> None:
    while alive(number):  # noqa: ASYNC110 - nor is it a child that may be waited for here
        await asyncio.sleep(0.01)

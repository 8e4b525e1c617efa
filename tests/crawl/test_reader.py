"""Parsing off the event loop: prompt, cancellable, and a parser's bug is one file's failure."""

from __future__ import annotations

import asyncio
import gzip
import io
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import BinaryIO

import pytest

from contentmap_cli.crawl.reading import spool
from contentmap_cli.crawl.reading.parser_processes import ParserProcesses
from contentmap_cli.crawl.reading.reader import Reader, Source
from contentmap_cli.crawl.reading.spool import Beginning, Reading, RowSpool, Segment, Spools
from contentmap_cli.crawl.results import DomainCrawl
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import CrawledFile, DiscoveryMethod, Document, DocumentKind, FileStatus, Limits
from contentmap_cli.models.entry_rows import URL
from contentmap_cli.models.hosts import Scope

MANY = 10**9


def sitemap(count: int) -> bytes:
    """A sitemap of so many URLs."""
    items = "".join(f"<url><loc>http://site.test/{number}</loc></url>\n" for number in range(count))
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{items}</urlset>'.encode()


def source(body: bytes) -> Source:
    url = "http://site.test/map.xml"
    return Source(Reading(url, url, Scope("site.test"), Limits()), io.BytesIO(body), len(body))


@pytest.fixture
def reader() -> Iterator[Reader]:
    with ThreadPoolExecutor(2) as pool:
        made = Reader(pool, Limits())
        yield made
        made.spools.close()


async def test_the_loop_goes_on_while_a_large_file_is_parsed(reader: Reader) -> None:
    """200,000 URLs in a small gzip: everything else on the loop has its turns meanwhile."""
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    ticking = asyncio.create_task(tick())
    document, segment = await reader.read(source(gzip.compress(sitemap(200_000))), room=lambda: MANY)
    ticking.cancel()
    assert (document.kind, document.entries, segment.entries) == (DocumentKind.URLSET, 200_000, 200_000)
    assert turns > 10  # hardly one, were it parsed on the loop


async def test_cancelled_parsing_ends_before_its_files_are_closed(reader: Reader) -> None:
    """The thread has stopped by the time that the cancellation is heard, long before the file's end."""
    reader_task = asyncio.create_task(reader.read(source(sitemap(400_000)), room=lambda: MANY))
    while not reader.spools.size:  # noqa: ASYNC110 - a thread writes it, which tells nobody
        await asyncio.sleep(0)
    reader_task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader_task
    end = reader.spools.size
    await asyncio.sleep(0.1)
    assert reader.spools.size == end < 6_000_000  # the whole file takes 13 MB


async def test_files_of_a_domain_are_parsed_one_at_a_time(reader: Reader) -> None:
    """Two large files read at once do not mix in the spool they share."""
    (_, first), (_, second) = await asyncio.gather(
        reader.read(source(sitemap(5_000)), room=lambda: MANY),
        reader.read(source(sitemap(6_000)), room=lambda: MANY),
    )
    for segment, count in ((first, 5_000), (second, 6_000)):
        found = [row[URL] for batch in segment.read() for row in batch]
        assert found == sorted(f"http://site.test/{number}" for number in range(count))


async def test_a_bug_in_a_parser_is_one_files_failure(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its traceback and leaves no entries; the next file is read."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(spool, "parse_document", broken)
        document, segment = await reader.read(source(sitemap(1)), room=lambda: MANY)
    assert document.failure is not None
    assert (document.failure.code, segment.entries) == ("internal_error", 0)
    assert "a bug" in caplog.text
    document, _ = await reader.read(source(sitemap(1)), room=lambda: MANY)
    assert document.failure is None


async def test_the_charset_of_the_header_reaches_every_parser() -> None:
    """In line, in a thread and in another process, a header's charset is what the body is read as."""
    url = "http://site.test/новости"
    header = "text/xml; charset=windows-1251"
    processes = ParserProcesses.where_possible(1)
    with ThreadPoolExecutor(2) as pool:
        reader = Reader(pool, Limits(), processes)
        try:
            for count in (1, 2000, 20_000):
                body = sitemap(count).replace(
                    b"</urlset>", f"<url><loc>{url}</loc></url></urlset>".encode("cp1251")
                )
                with tempfile.TemporaryFile() as file:
                    file.write(body)
                    plain = source(body)
                    given = replace(plain, body=file, reading=replace(plain.reading, content_type=header))
                    _, segment = await reader.read(given, room=lambda: MANY)
                assert url in {row[URL] for batch in segment.read() for row in batch}
        finally:
            reader.spools.close()
            if processes is not None:
                processes.close()


async def test_a_cancelled_second_reading_ends_before_its_spools_are_closed() -> None:
    """Reading a file whole whose changes do not fit: the thread has stopped when the crawl is closed."""
    url = "http://site.test/map.xml"
    spools = Spools()
    with spools.one() as spool:
        segment = spool.segment(url, room=MANY, child_room=1)
    document = Document(DocumentKind.URLSET, 1, complete=True)
    segment.changes_only(Beginning("0" * 32, 1), [], document, gzip.compress(sitemap(300_000)))
    began = threading.Event()
    ended: list[str] = []

    def reading(body: BinaryIO, whole: Segment) -> Document:
        began.set()
        try:
            return Reading(url, url, Scope("site.test"), Limits(file_urls=MANY))(body, whole)
        except BaseException as error:
            ended.append(type(error).__name__)
            raise

    segment.reading = reading
    file = CrawledFile(url, FileStatus.OK, DiscoveryMethod.ROBOTS)
    crawl = replace(
        DomainCrawl.failed("site.test", Failure(Code.DNS_ERROR, "")),
        files=(file,),
        segments=(segment,),
        spools=spools,
    )

    async def read() -> None:
        with crawl:
            await crawl.read_whole({url})

    running = asyncio.create_task(read())
    await asyncio.to_thread(began.wait)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended == ["Cancelled"]  # and no error of a closed file


def test_a_spool_is_not_closed_in_the_middle_of_a_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database's thread may read rows when the crawl is closed: the descriptor must not be reused."""
    spool = RowSpool()
    offset = spool.append(("x",) * 9)
    file = spool._file
    reads, closed = threading.Event(), threading.Event()

    class Slow:
        def seek(self, place: int) -> int:
            reads.set()
            assert not closed.wait(0.1)
            return file.seek(place)

        def read(self, length: int) -> bytes:
            return file.read(length)

        def close(self) -> None:
            closed.set()
            file.close()

    monkeypatch.setattr(spool, "_file", Slow())
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(spool.at, offset)
        reads.wait()
        spool.close()
        assert reading.result() == ("x",) * 9
    assert closed.is_set()

"""The cache of bodies: bounded, private, safe to share and to lose."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from contentmap_cli.crawl.reading.body_cache import WORTH_A_THREAD, BodyCache, Packing
from contentmap_cli.crawl.scope import Scope
from contentmap_cli.models import Document, DocumentKind, Limits
from contentmap_cli.sitemap import deflate

LIMITS = Limits()
BODY = b"<urlset><url>" + bytes(range(48, 58)) * 1_000
WRITER = """
import sys
from pathlib import Path
from contentmap_cli.crawl.reading.body_cache import Bodies
from contentmap_cli.models import Document, DocumentKind
packed = sys.stdin.buffer.read()
for _ in range(60):
    document = Document(DocumentKind.URLSET, 7, complete=True, decoded_bytes=int(sys.argv[2]))
    Bodies(Path(sys.argv[1]).parent).store(Path(sys.argv[1]), document, packed)
"""


def document(entries: int = 7) -> Document:
    """What the parser says of the body."""
    return Document(DocumentKind.URLSET, entries, complete=True, decoded_bytes=len(BODY), generator="Maps ü")


def place(bodies: BodyCache, digest: str = "ab" * 16) -> Path:
    """Where a body lies."""
    return bodies.name(digest, "http://a.test/map.xml", Scope("a.test"), LIMITS)


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    """The body as it is meant, and what was said of it; for this user alone."""
    bodies = BodyCache(tmp_path / "made" / "bodies")
    assert bodies.load(place(bodies), LIMITS) is None
    size = bodies.store(place(bodies), document(), gzip.compress(BODY))
    assert size == place(bodies).stat().st_size
    kept = bodies.load(place(bodies), LIMITS)
    assert kept is not None
    assert (bytes(kept.body), kept.document.entries, kept.document.generator) == (BODY, 7, "Maps ü")
    assert kept.document.digest == "ab" * 16
    assert stat.S_IMODE(bodies.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(place(bodies).stat().st_mode) == 0o600


def test_a_body_that_swelled_is_not_there(tmp_path: Path) -> None:
    """One budget holds for what is kept as for what is fetched."""
    bodies = BodyCache(tmp_path)
    bodies.store(place(bodies), document(), gzip.compress(BODY))
    assert bodies.load(place(bodies), Limits(body_bytes=100)) is None


def test_two_processes_write_the_same_one(tmp_path: Path) -> None:
    """Whoever reads meanwhile finds it whole; nothing else is left."""
    bodies = BodyCache(tmp_path)
    target = place(bodies)
    packed = gzip.compress(BODY)
    bodies.store(target, document(), packed)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", WRITER, str(target), str(len(BODY))]
    writers = [subprocess.Popen(words, stdin=subprocess.PIPE, env=environment) for _ in range(2)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(packed)
        writer.stdin.close()
    while any(writer.poll() is None for writer in writers):
        kept = bodies.load(target, LIMITS)
        assert kept is not None
        assert bytes(kept.body) == BODY
    assert [writer.returncode for writer in writers] == [0, 0]
    assert [*tmp_path.iterdir()] == [target]


def test_beyond_its_size_the_oldest_goes_first(tmp_path: Path) -> None:
    """A body that was of use lately stays, whenever it was written."""
    bodies = BodyCache(tmp_path)
    packed = gzip.compress(BODY)
    for number in range(10):
        size = bodies.store(place(bodies, f"{number:032x}"), document(), packed)
        os.utime(place(bodies, f"{number:032x}"), (number, number))
    bodies.trim(10 * size)
    assert len([*tmp_path.iterdir()]) == 10
    bodies.touch(place(bodies, f"{0:032x}"))
    bodies.trim(6 * size)
    left = {int(file.name.partition("-")[0], 16) for file in tmp_path.iterdir()}
    assert left == {0, 6, 7, 8, 9}  # below the size, so that it is not to be done each time


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """It cannot be written, and says so; nothing is there, and nothing to trim."""
    (tmp_path / "file").write_text("in the way")
    bodies = BodyCache(tmp_path / "file" / "bodies")
    with pytest.raises(OSError, match="directory"):
        bodies.store(place(bodies), document(), b"")
    assert not bodies.has(place(bodies))
    assert not BodyCache(Path("x" * 300)).has(Path("x" * 300))
    assert bodies.load(place(bodies), LIMITS) is None
    bodies.touch(place(bodies))
    bodies.trim(0)


@pytest.fixture
def large(tmp_path: Path) -> Iterator[BinaryIO]:
    """A plain body that is worth a thread, as a file that was opened to be read."""
    path = tmp_path / "large.xml"
    path.write_bytes((BODY * (1 + WORTH_A_THREAD // len(BODY)))[: WORTH_A_THREAD + 77])
    with path.open("rb") as file:
        yield file


def packers() -> list[threading.Thread]:
    """The threads that pack now."""
    return [thread for thread in threading.enumerate() if thread.name == "contentmap-pack"]


def test_a_large_body_is_packed_while_it_is_read(large: BinaryIO) -> None:
    """Its reader, wherever it stands, loses nothing; and it is the same body."""
    with Packing(large) as packing:
        assert packing._thread is not None
        content = large.read(1_000)
        content += b"".join(iter(lambda: large.read(100_000), b""))
        kept = packing.packed(is_gzipped=False)
    assert gzip.decompress(kept) == content
    assert content == Path(large.name).read_bytes()
    assert not packers()


def test_a_body_that_is_not_to_be_kept_is_not_packed_to_its_end(
    large: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who leaves waits for the piece that is in work, and nothing touches the file from then on."""
    pread, asked = os.pread, []
    leaving, in_work = threading.Event(), threading.Event()

    def waits(descriptor: int, length: int, offset: int) -> bytes:
        asked.append(offset)
        if asked[1:]:
            in_work.set()
            leaving.wait()
        return pread(descriptor, length, offset)

    class Left(Packing):
        def __exit__(self, *exc: object) -> None:
            threading.Timer(0.05, leaving.set).start()
            super().__exit__(*exc)

    monkeypatch.setattr(os, "pread", waits)
    with Left(large):
        in_work.wait()
    assert not packers()
    assert asked == [0, 0]  # what it begins with, and one piece


@pytest.mark.parametrize("kind", ["small", "compressed", "no sitemap", "in memory", "spooled", "written"])
def test_what_needs_no_thread_has_none(kind: str, large: BinaryIO, tmp_path: Path) -> None:
    """It is packed all the same, when it is asked for. What may be written to is not all in its file yet."""
    content = large.read()
    if kind == "small":
        content = content[: WORTH_A_THREAD - 1]
    if kind == "compressed":
        content = gzip.compress(b"<urlset>" + os.urandom(WORTH_A_THREAD), 0)
    if kind == "no sitemap":
        content = content.replace(b"<urlset", b"<weblist")
    path = tmp_path / "other"
    path.write_bytes(content)
    source: BinaryIO = path.open("r+b" if kind == "written" else "rb")
    if kind == "in memory":
        source.close()
        source = BytesIO(content)
    if kind == "spooled":
        source.close()
        source = cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=2**30))  # noqa: SIM115 - closed below
        source.write(content)
    with source, Packing(source) as packing:
        assert packing._thread is None
        kept = packing.packed(is_gzipped=kind == "compressed")
    assert kept == content if kind == "compressed" else gzip.decompress(kept) == content


def test_no_room_for_a_thread(large: BinaryIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is packed when it is asked for."""

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with Packing(large) as packing:
        kept = packing.packed(is_gzipped=False)
    assert gzip.decompress(kept) == Path(large.name).read_bytes()


@pytest.mark.parametrize("error", [OSError("the disk is gone"), MemoryError(), deflate.LIBRARY.error("full")])
def test_a_body_that_cannot_be_packed_beside_its_parser(
    error: Exception, large: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is packed afterwards, whole."""
    pread, asked = os.pread, []

    def breaks(descriptor: int, length: int, offset: int) -> bytes:
        asked.append(offset)
        if len(asked) > 2:
            raise error
        return pread(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", breaks)
    with Packing(large) as packing:
        kept = packing.packed(is_gzipped=False)
    assert len(asked) == 3
    assert gzip.decompress(kept) == Path(large.name).read_bytes()


def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path: Path) -> None:
    """What did not fit in is gone again."""
    script = f"""
import resource, signal
from pathlib import Path
from contentmap_cli.crawl.reading.body_cache import Bodies
from contentmap_cli.models import Document, DocumentKind
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
try:
    Bodies(Path({str(tmp_path)!r})).store(
        Path({str(tmp_path)!r}) / "body", Document(DocumentKind.URLSET, 1, complete=True), b"x" * 9_000
    )
except OSError as error:
    print(error.strerror)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    assert ran.stdout == "File too large\n"
    assert not [*tmp_path.iterdir()]

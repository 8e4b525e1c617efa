"""The cache of bodies: bounded, private, safe to share and to lose."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from contentmap_cli.crawl.reading.body_cache import BodyCache
from contentmap_cli.models import Document, DocumentKind, Limits
from contentmap_cli.models.hosts import Scope

LIMITS = Limits()
BODY = b"<urlset><url>" + bytes(range(48, 58)) * 1_000
WRITER = """
import sys
from pathlib import Path
from contentmap_cli.crawl.reading.body_cache import BodyCache
from contentmap_cli.models import Document, DocumentKind
packed = sys.stdin.buffer.read()
for _ in range(60):
    document = Document(DocumentKind.URLSET, 7, complete=True, decoded_bytes=int(sys.argv[2]))
    BodyCache(Path(sys.argv[1]).parent).store(Path(sys.argv[1]), document, packed)
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


def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path: Path) -> None:
    """What did not fit in is gone again."""
    script = f"""
import resource, signal
from pathlib import Path
from contentmap_cli.crawl.reading.body_cache import BodyCache
from contentmap_cli.models import Document, DocumentKind
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
try:
    BodyCache(Path({str(tmp_path)!r})).store(
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

"""`urls --format parquet` as a user calls it: where it goes, and what may be in its way."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import Any

import pytest
from web_sites import good_site, serving


@pytest.fixture
def scanned(on_sqlite: Any) -> Any:
    """The command, with a domain that was scanned."""
    with serving(good_site("a.test")) as sites:
        assert on_sqlite("scan", "http://a.test", "--connect-to", sites.connect_to).code == 0
    return on_sqlite


def piped(program: Any, *words: str, to: Any = subprocess.PIPE) -> tuple[int, bytes, bytes]:
    """Code, bytes and errors of a command."""
    with program.start("urls", "a.test", "--format", *words, stdout=to) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_into_a_file_and_through_a_pipe(scanned: Any, tmp_path: Path) -> None:
    """Both are the same rows; an answer without rows is a Parquet file as well."""
    parquet = pytest.importorskip("pyarrow.parquet")
    assert scanned("urls", "a.test", "--format", "parquet", "-o", "urls.parquet").code == 0
    code, out, err = piped(scanned, "parquet")
    assert (code, err) == (0, b"")
    table = parquet.read_table(io.BytesIO(out))
    assert table.num_rows > 0 and table == parquet.read_table(tmp_path / "urls.parquet")
    none = scanned("urls", "a.test", "--format", "parquet", "--match", "none", "-o", "none.parquet")
    assert none.code == 0 and parquet.read_table(tmp_path / "none.parquet").num_rows == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_a_reader_that_has_left_and_a_full_disk(scanned: Any) -> None:
    """Of the first nothing is said, of the second one error and a hint; of the database nothing at all."""
    pytest.importorskip("pyarrow")
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as reader:
        reader.wait()
        assert piped(scanned, "parquet", to=reader.stdin)[::2] == (0, b"")
    with Path("/dev/full").open("wb") as full:
        answers = (piped(scanned, "parquet", to=full), piped(scanned, "parquet", "-o", "/dev/full"))
    for code, _, err in answers:
        what, empty, hint = err.decode().splitlines()
        assert code == 3 and empty == ""
        assert what.startswith("error: ") and "could not be written" in what and "No space left" in what
        assert hint == "hint: free some space, or name another file with -o"


def test_without_the_extra(scanned: Any, tmp_path: Path) -> None:
    """The error names what is missing, and nothing is written; so it is for a domain that is not known."""
    package = tmp_path / "empty" / "pyarrow" / "__init__.py"
    package.parent.mkdir(parents=True)
    package.write_text("")
    scanned.environment["PYTHONPATH"] = str(tmp_path / "empty")
    unknown = scanned("urls", "b.test", "--format", "parquet", "-o", "urls.parquet")
    assert unknown.code == 6 and unknown.err == (
        "error: b.test was never scanned\n\nhint: did you mean a.test?\n"
    )
    package.write_text("raise ImportError\n")
    said = scanned("urls", "a.test", "--format", "parquet", "-o", "urls.parquet")
    error = "error: parquet needs pyarrow, which is not installed"
    assert (said.code, said.err) == (2, f"{error}\n\nhint: pip install 'contentmap-cli[parquet]'\n")
    assert not (tmp_path / "urls.parquet").exists()

"""Where answers go: whole files or none, devices and links left as they are, failures told."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from databases import one_database
from lxml import etree
from program import Contentmap
from web_sites import good_site, serving, urlset
from workbooks import sheets

from contentmap_cli.check.occurrences import OccurrenceStore
from contentmap_cli.commands import app as commands
from contentmap_cli.commands.interface.answer_output import answer_to
from contentmap_cli.commands.interface.cli_errors import unexpected
from contentmap_cli.commands.interface.command_decorator import run_async
from contentmap_cli.errors import AnswerLost, UsageError
from contentmap_cli.storage.engine import COMMAND_SECONDS
from contentmap_cli.storage.server_driver import SERVER_SETTINGS

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    """Until the answer ends the old file stays, whose permissions the new one has; a failure leaves it as it
    was."""
    file = tmp_path / "answer"
    file.write_text("old")
    file.chmod(0o604)
    with answer_to(str(file)) as out:
        out.write("new")
        out.flush()
        assert file.read_text() == "old"
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", 0o604)
    with pytest.raises(RuntimeError), answer_to(str(file)) as out:
        out.write("half")
        raise RuntimeError
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("name", ["answer.GZ", "answer.zst"])
def test_a_compressed_file(name: str, tmp_path: Path) -> None:
    """It is written as the text comes, equal bytes for equal text, and read by Python and by the program."""
    chance = random.Random(1)
    texts = [f"{chance.randbytes(500).hex()} ä\n" for _ in range(1000)]
    for file in (tmp_path / "1" / name, tmp_path / "2" / name):
        file.parent.mkdir()
        with answer_to(str(file)) as out:
            for text in texts:
                out.write(text)
                out.flush()
            (partial,) = file.parent.iterdir()
            assert partial.stat().st_size > 100_000
    data = file.read_bytes()
    assert data == (tmp_path / "1" / name).read_bytes()
    assert len(data) < 0.6 * len("".join(texts))
    plain = gzip.decompress(data) if name.endswith("GZ") else zstd.decompress(data)
    assert plain.decode() == "".join(texts)
    if shutil.which(program := "gzip" if name.endswith("GZ") else "zstd"):
        ended = subprocess.run([program, "-dc"], input=data, stdout=subprocess.PIPE, check=True)
        assert ended.stdout == plain


def test_a_device_or_pipe_is_written_to_not_replaced(tmp_path: Path) -> None:
    """A rename over /dev/null would replace it for the whole machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        with answer_to(str(pipe)) as out:
            out.write("through")
        assert reader.communicate()[0] == b"through"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """The file it leads to is written."""
    (tmp_path / "real").write_text("old")
    link = tmp_path / "link"
    link.symlink_to("real")
    with answer_to(str(link)) as out:
        out.write("new")
    assert link.is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A missing folder is a usage error with a hint."""
    with pytest.raises(UsageError) as caught, answer_to(str(tmp_path / "no" / "file")):
        pytest.fail("the block was entered")
    assert caught.value.message == f"cannot write {tmp_path / 'no' / 'file'}"
    assert caught.value.hint


@pytest.mark.parametrize("name", ["loop", "x" * 300])
def test_a_name_that_leads_nowhere_is_told(tmp_path: Path, name: str) -> None:
    """A link to itself and a name that no file can have are usage errors, not bugs."""
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError) as caught, answer_to(str(tmp_path / name)):
        pytest.fail("the block was entered")
    assert caught.value.message == f"cannot write {tmp_path / name}"
    assert [file.name for file in tmp_path.iterdir()] == ["loop"]


def test_what_nobody_foresaw_has_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also before a command runs: one line, a hint, exit 1."""

    def broken(**_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(commands, "app", broken)
    assert commands._run() == 1
    assert capsys.readouterr().err.startswith("error: a bug in ContentMap: ZeroDivisionError\n\nhint: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_a_full_disk_behind_stdout_is_told(on_sqlite: Any, tmp_path: Path) -> None:
    """The answer did not arrive: one line and exit 3, no traceback."""
    (tmp_path / "s.xml").write_text(urlset(*(f"http://a.test/{number}" for number in range(3000))))
    with Path("/dev/full").open("w") as full:
        said = on_sqlite.end(on_sqlite.start("parse", "s.xml", stdout=full))
    assert (said.code, said.err.startswith("error: the answer could not be written")) == (3, True)


@pytest.mark.parametrize("name", ["answer", "answer.gz", "answer.zst", "/dev/null", None])
@pytest.mark.parametrize(
    "error", [TimeoutError(), ConnectionResetError(), OSError(24, "Too many open files")]
)
def test_an_error_of_the_block_is_not_one_of_the_output(
    tmp_path: Path, name: str | None, error: OSError
) -> None:
    """The database raises OSErrors too: they pass as they are."""
    with pytest.raises(OSError) as caught, answer_to(name and str(tmp_path / name)) as out:
        out.write("half")
        raise error
    assert caught.value is error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["answer", "answer.gz", "answer.zst"])
def test_a_file_that_cannot_be_written_to_its_end(tmp_path: Path, name: str) -> None:
    """Writing, closing and renaming may fail; an error of the block takes precedence."""
    folder = tmp_path / "answers"
    folder.mkdir()
    with pytest.raises(AnswerLost, match="could not be written"), answer_to(str(folder / name)):
        shutil.rmtree(folder)
    if not Path("/dev/full").exists():
        return
    with pytest.raises(AnswerLost) as lost, answer_to("/dev/full") as out:
        out.write("x" * 100_000)
    assert isinstance(lost.value.__cause__, OSError)
    with pytest.raises(AnswerLost), answer_to("/dev/full") as out:
        out.write("x")
    with pytest.raises(RuntimeError), answer_to("/dev/full") as out:
        out.write("x")
        raise RuntimeError


async def test_a_database_timeout_is_not_a_full_disk(postgres_address: str, tmp_path: Path) -> None:
    """A server that does not answer while a file is being written: exit 5, and no file."""
    contentmap = Contentmap(tmp_path, postgres_address)
    with serving(good_site("a.test")) as sites:
        for _ in range(2):
            assert contentmap("scan", "http://a.test", "--connect-to", sites.connect_to, "-q").code == 0
    assert float(SERVER_SETTINGS["lock_timeout"].removesuffix("s")) < COMMAND_SECONDS
    impatient = {"set": {"contentmap_cli.storage.engine.COMMAND_SECONDS": 0.3}}
    locked = {
        ("urls", "-o", "answer.csv"): "sitemap_urls",
        ("sitemaps",): "sitemap_files",
        ("diff", "-o", "answer.csv"): "sitemap_url_changes",
        ("diff",): "sitemap_url_changes",
    }
    connection = await asyncpg.connect(postgres_address)
    try:
        for (command, *output), table in locked.items():
            async with connection.transaction():
                await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                said = contentmap(command, "a.test", "--format", "csv", *output, fault=impatient)
            assert (said.code, "has not answered a statement in time" in said.err) == (5, True), (
                command,
                said,
            )
            assert "could not be written" not in said.err
    finally:
        await connection.close()
    assert [name for name in os.listdir(tmp_path) if "answer" in name] == []  # noqa: PTH208


def test_too_many_open_files_are_not_a_full_disk(on_sqlite: Any) -> None:
    """Where no event loop can be made: one error and one hint, and no warning of Python."""
    words = on_sqlite.words("scan", "http://a.test")
    del on_sqlite.environment["PYTHONWARNINGS"]  # asyncio leaves the loop that it could not make open
    ran = subprocess.run(
        ["sh", "-c", 'ulimit -n 5; exec "$@"', "sh", *words],
        capture_output=True,
        text=True,
        env=on_sqlite.environment,
        cwd=on_sqlite.folder,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[:3] == [
        "error: unexpected system error: Too many open files",
        "",
        "hint: raise the limit on open files (`ulimit -n`)",
    ]
    assert "never awaited" not in ran.stderr


def test_no_space_for_temporary_files(capsys: pytest.CaptureFixture[str]) -> None:
    """The occurrences of findings are in one: that it is full is no bug."""
    store = OccurrenceStore()
    store._database.execute("PRAGMA max_page_count = 5")
    with pytest.raises(sqlite3.OperationalError) as caught:
        for number in range(5000):
            store.add((1, number, None, f"https://a.test/{number}", None, None))
    assert unexpected(caught.value) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: unexpected system error: database or disk is full\n\nhint: free space")


def test_a_coroutine_that_cannot_be_started_is_closed(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """Python would warn that it was never awaited."""

    async def main() -> None:
        pytest.fail("it was started")

    monkeypatch.setattr("asyncio.run", lambda _: (_ for _ in ()).throw(OSError(24, "Too many open files")))
    with pytest.raises(OSError, match="Too many"):
        run_async(main())
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
@pytest.mark.parametrize("words", ["--version", "--help", "db upgrade", "db check", "jobs --json", "config"])
def test_no_command_loses_its_output_silently(on_sqlite: Any, words: str) -> None:
    """Also what is printed at the very end."""
    assert on_sqlite("db", "upgrade").code == 0
    with Path("/dev/full").open("w") as full:
        said = on_sqlite.end(on_sqlite.start(*words.split(), stdout=full))
    assert said.code == 3
    assert said.err.startswith("error: the answer could not be written: No space left on device\n")


def test_a_temporary_folder_that_is_full_is_not_a_bad_pipe(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The input is not blamed for the copy."""
    from contentmap_cli.commands.interface import document_input

    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(28, "No space left on device")

    (tmp_path / "s.xml").write_bytes(b"<urlset/>")
    monkeypatch.setattr(document_input.tempfile, "SpooledTemporaryFile", lambda **_: Full())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", f"echo x > {pipe}"]), pytest.raises(UsageError) as caught:
        document_input.opened(str(pipe))
    assert "temporary folder" in caught.value.message


COMMANDS = {
    "urls a.test": "json.gz ndjson.zst csv xlsx txt xml.gz",
    "sitemaps a.test": "csv xlsx",
    "map a.test": "csv xlsx txt.zst",
    "diff a.test": "json.zst csv xlsx txt.gz",
    "diff --job JOB": "ndjson csv xlsx",
    "robots a.test --history": "csv xlsx",
    "robots a.test --test /": "csv xlsx",
    "jobs": "json csv xlsx",
    "tenants": "csv xlsx",
    "domains": "csv xlsx",
    "status JOB": "ndjson csv xlsx xml",
    "parse s.xml": "json.gz csv xlsx txt xml",
    "check s.xml": "csv xlsx xml sarif",
    "config": "json.gz txt",
}
"""Commands with suffixes that they understand."""


@one_database
def test_every_suffix_is_that_of_the_format(contentmap: Any, tmp_path: Path) -> None:
    """What is read from the file has the rows of its CSV; a byte order mark is all that --csv-bom adds."""
    for number in (1, 2):
        with serving(good_site("a.test", number)) as sites:
            words = ("scan", "http://a.test", "--connect-to", sites.connect_to, "-o", "scan.xlsx")
            assert contentmap(*words).code == 0
    (tmp_path / "s.xml").write_text(urlset("http://a.test/ä", "http://b.test/"), encoding="utf-8")
    job = contentmap("jobs", "--json").json[0]["job_id"]
    calls: dict[str, str] = {}
    for command, suffixes in COMMANDS.items():
        name, words = command.replace("/", ""), command.replace("JOB", job)
        calls |= {f"{name}.{suffix}": f"{words} -o '{name}.{suffix}'" for suffix in suffixes.split()}
        if "csv" in suffixes.split():
            calls |= {f"{name} bom": f"{words} --csv-bom"}
    calls |= {"jobs bom": "jobs --format csv-bom"}
    answers = contentmap.many(*calls.values())
    for name, answer in zip(calls, answers, strict=True):
        if name.endswith(" bom"):
            plain = (tmp_path / f"{name.removesuffix(' bom')}.csv").read_bytes()
            assert answer.out.encode() == b"\xef\xbb\xbf" + plain, name
        else:
            assert answer.out == "" and read(tmp_path / name), name
            if name.endswith(".csv"):
                rows = read(tmp_path / f"{name.removesuffix('.csv')}.xlsx")
                assert len(rows) == len(read(tmp_path / name)) > 1, name
    assert read(tmp_path / "scan.xlsx") == read(tmp_path / "status JOB.xlsx")
    urls = read(tmp_path / "urls a.test.xlsx")
    assert urls[0] == read(tmp_path / "urls a.test.csv")[0]
    assert urls[1][:3] == ["url", "http://a.test/page-0", date(2026, 1, 2)]


def read(file: Path) -> list[Any]:
    """The lines, rows or elements of a file, read as its name says."""
    data = file.read_bytes()
    if file.suffix == ".gz":
        data, file = gzip.decompress(data), file.with_suffix("")
    elif file.suffix == ".zst":
        data, file = zstd.decompress(data), file.with_suffix("")
    match file.suffix:
        case ".xlsx":
            return [*sheets(data).values()][-1]
        case ".csv":
            return list(csv.reader(io.StringIO(data.decode())))
        case ".json" | ".sarif":
            return [json.loads(data)]
        case ".ndjson":
            return [json.loads(line) for line in data.splitlines()]
        case ".xml":
            return list(etree.fromstring(data))
    return data.decode().splitlines()

"""An answer that cannot be written: the run records everything all the same, and points to `status`."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from web_sites import good_site, serving

from contentmap_cli.commands.engine.job.answer import run_answer
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.options import Answer, FailOn
from contentmap_cli.errors import AnswerLost, Exit
from contentmap_cli.models import DomainSummary, JobStatus, JobSummary, ScanStatus
from contentmap_cli.output.formats import SCAN_FORMATS, Format

FULL = "/dev/full"
HOSTS = [f"site{number}.test" for number in range(60)]
"""More domains than lines of an answer fit into a buffer."""

pytestmark = pytest.mark.skipif(not Path(FULL).exists(), reason="only Linux has /dev/full")


@contextmanager
def stdout_to(monkeypatch: pytest.MonkeyPatch, descriptor: int) -> Iterator[None]:
    """Make a descriptor the standard output of this process."""
    with os.fdopen(descriptor, "w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        yield


def write_answer(format: Format, output: str | None) -> None:
    """Write the answer of a run of many domains."""

    async def write() -> None:
        async with run_answer(GlobalOptions(), Answer(format, output, FailOn.ANY), "sitemap_0") as answer:
            for host in HOSTS:
                answer.domain(DomainSummary("sitemap_0", host, ScanStatus.OK, urls=3))
            now = datetime.now(UTC)
            domains = {ScanStatus.OK: len(HOSTS)}
            answer.finish(JobSummary("sitemap_0", JobStatus.COMPLETE, "default", now, now, now, domains))
            await answer.check()

    asyncio.run(write())


@pytest.mark.parametrize("format", SCAN_FORMATS)
@pytest.mark.parametrize("to_stdout", [False, True])
def test_a_full_disk_is_reported_at_the_end(
    format: Format, to_stdout: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing raises nothing; the error comes when the job is closed, and names `contentmap status`."""
    stdout = os.open(FULL if to_stdout else os.devnull, os.O_WRONLY)
    with stdout_to(monkeypatch, stdout), pytest.raises(AnswerLost) as caught:
        write_answer(format, None if to_stdout else FULL)
    assert (caught.value.exit_code, caught.value.hint) == (
        Exit.NOT_CLEAN,
        "the job is recorded: `contentmap status sitemap_0` shows it",
    )


@pytest.mark.parametrize("format", SCAN_FORMATS)
def test_a_reader_that_has_left_is_no_error(format: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with `| head`: the reader of a pipe has what it wants."""
    reader, writer = os.pipe()
    os.close(reader)
    with stdout_to(monkeypatch, writer):
        write_answer(format, None)


def test_a_bug_in_a_writer_is_raised_when_the_job_is_closed(tmp_path: Path) -> None:
    """Until then nothing is raised and nothing more is written."""

    async def write() -> None:
        async with run_answer(GlobalOptions(), _ndjson(tmp_path), "sitemap_0") as answer:
            answer.domain("not a summary")  # type: ignore[arg-type]
            answer.domain(DomainSummary("sitemap_0", "a.test", ScanStatus.OK))
            await answer.check()

    with pytest.raises(AttributeError):
        asyncio.run(write())


def _ndjson(folder: Path) -> Answer:
    return Answer(Format.NDJSON, str(folder / "answer.ndjson"), FailOn.ANY)


@pytest.mark.parametrize("format", ["ndjson", "json"])
def test_a_scan_records_every_domain(on_sqlite: Any, format: str) -> None:
    """Also where the answer is written while domains are scanned."""
    with serving({key: page for host in HOSTS for key, page in good_site(host).items()}) as sites:
        words = ("scan", *(f"http://{host}" for host in HOSTS), "--connect-to", sites.connect_to, "-c", "4")
        said = on_sqlite(*words, "-q", "--format", format, "-o", FULL)
    assert (said.code, "could not be written" in said.err) == (Exit.NOT_CLEAN, True), said.err
    assert "No space left on device" in said.err
    job = on_sqlite("status", "--json").json
    assert (job["status"], job["domains"]["ok"]) == ("complete", len(HOSTS))
    assert f" status {job['job_id']}`" in said.err


def test_a_folder_that_vanishes(on_sqlite: Any) -> None:
    """The file has nowhere to go when it is whole; the job is complete."""
    folder = on_sqlite.folder / "answers"
    folder.mkdir()
    with serving(good_site("a.test")) as sites:
        sites.gate.clear()
        words = ("scan", "http://a.test", "--connect-to", sites.connect_to, "--format", "csv")
        scan = on_sqlite.start(*words, "-o", str(folder / "answer.csv"))
        while not sites.asked:
            threading.Event().wait(0.01)
        shutil.rmtree(folder)
        sites.gate.set()
        said = on_sqlite.end(scan)
    assert (said.code, "could not be written" in said.err) == (Exit.NOT_CLEAN, True), said.err
    job = on_sqlite("status", "--json").json
    assert (job["status"], f" status {job['job_id']}`" in said.err) == ("complete", True)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_pipe_whose_reader_leaves_during_the_scan(on_sqlite: Any, stream: str) -> None:
    """`contentmap scan … | head -1` records every domain and ends as if its output had been read."""
    with serving({key: page for host in HOSTS for key, page in good_site(host).items()}) as sites:
        process = on_sqlite.start(
            *("scan", *(f"http://{host}" for host in HOSTS), "--connect-to", sites.connect_to),
            *("-c", "4", "--format", "ndjson", *(["-q"] if stream == "stdout" else [])),
        )
        assert getattr(process, stream).readline()
        getattr(process, stream).close()
        setattr(process, stream, None)
        out, said = process.communicate(timeout=180)
    assert (process.returncode, said) == (0, b"" if stream == "stdout" else None)
    assert stream == "stdout" or out.count(b"\n") == len(HOSTS) + 1
    assert on_sqlite("status", "--json").json["domains"]["ok"] == len(HOSTS)

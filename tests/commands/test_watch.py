"""What a run tells whoever is looking, and what is kept of it for the hints."""

from __future__ import annotations

import io
import os
import pty
import subprocess
from typing import Any

from web_sites import good_site, serving

from contentmap_cli.commands.engine.job.answer import RunAnswer
from contentmap_cli.commands.engine.job.console_progress import ConsoleProgress
from contentmap_cli.commands.engine.queued_output import Queues
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import DomainSummary, ScanStatus
from contentmap_cli.output.formats import Format, scan_writer


def test_each_code_keeps_a_domain_however_many_there_are() -> None:
    """The hints name a domain for each kind of error: the last of thousands too, in bounded memory."""
    answer = RunAnswer(lambda: scan_writer(Format.NDJSON, io.StringIO()), Queues(), streams_to_screen=False)
    watcher = ConsoleProgress(GlobalOptions(quiet=True), "sitemap_0", 1001, answer)
    for number in range(1000):
        timeout = Failure(Code.TIMEOUT, "too slow")
        watcher.finished(DomainSummary("sitemap_0", f"{number}.test", ScanStatus.FAILED, error=timeout))
    unknown = Failure(Code.DNS_ERROR, "no such name")
    watcher.finished(DomainSummary("sitemap_0", "last.test", ScanStatus.FAILED, error=unknown))
    assert watcher.codes == {"timeout": 1000, "dns_error": 1}
    assert watcher.remarkable[-1].domain == "last.test"
    assert len(watcher.remarkable) < 500


def test_a_terminal_is_cleared_for_a_watch_only(on_sqlite: Any) -> None:
    """What is printed once stays below what was there."""
    with serving(good_site("a.test")) as sites:
        on_sqlite("scan", "http://a.test", "--connect-to", sites.connect_to)
    for more, clears in (((), False), (("--watch",), True)):
        ours, theirs = pty.openpty()
        assert on_sqlite.start("status", *more, stdout=theirs, stderr=subprocess.DEVNULL).wait(60) == 0
        os.close(theirs)
        assert os.read(ours, 100).startswith(b"\x1b[H\x1b[2J") is clears, more
        os.close(ours)

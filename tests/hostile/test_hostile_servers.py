"""Every way to attack at once, and some good sites among them: the real command, one scan.

The cases are in tests/support/hostile_*.py; `benchmarks/hostile.py` runs them in full size and measures.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from hostile_documents import CASES
from hostile_server import serving
from program import MEASURED, PATIENCE

from contentmap_cli.errors import Code

LIGHT = [case for case in CASES if not case.heavy]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """The database after one scan of all cases."""
    folder = tmp_path_factory.mktemp("hostile")
    with serving("hostile_documents", (case.name for case in LIGHT)) as port:
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "contentmap_cli", "--db", "map.db", "--log-file", "log", "-vv"),
                *("scan", *(case.target for case in LIGHT), "--connect-to", f"::127.0.0.1:{port}"),
                *("-c", "100", "--timeout", "15", "--domain-time", "600", "--format", "ndjson", "-o", "out"),
            ],
            cwd=folder,
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "default", **MEASURED},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    said = ran.stdout + ran.stderr + (folder / "log").read_bytes() + (folder / "out").read_bytes()
    assert ran.returncode == 3, ran.stderr
    for told in (b"Traceback", b"a bug", b"pwned", b"\x1b", b"\x07", b"root:x:0"):
        assert told not in said
    # entities, document types, style sheets and inclusions that a document names are never asked for
    assert re.search(rb"fetching \S*(?:stolen|passwd)", said) is None
    assert re.search(rb"fetching \S*/sitemap\.xml", said) is not None
    with closing(sqlite3.connect(folder / "map.db")) as database:
        yield database


@pytest.mark.campaign
def test_each_case_has_its_outcome(recorded: sqlite3.Connection) -> None:
    """Outcome, code and number of URLs are what the case says; the good ones finish as if alone."""
    query = (
        "SELECT d.name, s.status, s.error_code, s.urls"
        " FROM domain_scans s JOIN domains d ON d.id = s.domain_id"
    )
    found = {name: tuple(outcome) for name, *outcome in recorded.execute(query)}
    expected = {
        case.host: (case.outcome, case.code, found[case.host][2] if case.urls is None else case.urls)
        for case in LIGHT
    }
    assert found == expected


def test_every_code_is_one_that_the_docs_list() -> None:
    """No case comes to a bug, and none to a code of its own invention."""
    known = {code.value for code in Code} - {Code.INTERNAL_ERROR.value}
    assert {case.code for case in CASES if case.code and not case.code.startswith("http_")} <= known

"""The consumer of the change feed in `examples/feed`, killed again and again."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import sysconfig
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from web_sites import serving, urlset

SCRIPT = Path(__file__).parents[2] / "examples" / "feed" / "search_index.py"
COMMAND = Path(sysconfig.get_path("scripts")) / "contentmap"


@pytest.mark.campaign
def test_an_index_is_kept_in_step(tmp_path: Path) -> None:
    """It has each listed URL once, and finds it by its words, however often it was killed; after a pruning
    that it has missed, it is rebuilt."""
    database, index = tmp_path / "map.db", tmp_path / "index.db"
    killer = tmp_path / "contentmap"
    killer.write_text(f'#!/bin/sh\n{COMMAND} "$@" | head -n "$FIRST"\n[ "$FIRST" -gt 99 ] || kill -9 $PPID\n')
    killer.chmod(0o755)
    dice = random.Random(3)

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"CONTENTMAP_DATABASE_URL": str(database), "LINES": "2"} | variables
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)

    def updated(first: int) -> int:
        words = (sys.executable, str(SCRIPT), str(index))
        return run(*words, CONTENTMAP=str(killer), FIRST=str(first)).returncode

    def in_step() -> None:
        listed = run(str(COMMAND), "urls", "a.test", "--format", "txt").stdout.split()
        with closing(sqlite3.connect(index)) as connection:
            assert sorted(url for (url,) in connection.execute("SELECT url FROM pages")) == sorted(listed)
            assert connection.execute("SELECT count(*) FROM words").fetchone() == (len(listed),)
        found = run(sys.executable, str(SCRIPT), str(index), "page", "3")
        assert found.stdout.split() == [url for url in listed if url.endswith("page/3")]

    pages = {"a.test/robots.txt": "Sitemap: http://a.test/s.xml"}
    with serving(pages) as sites:
        for _ in range(3):
            numbers = dice.sample(range(12), 7)
            pages["a.test/s.xml"] = urlset(*(f"http://a.test/page/{number}" for number in numbers))
            scan = ("scan", "http://a.test", "-q", "--connect-to", sites.connect_to)
            assert run(str(COMMAND), *scan).returncode == 0
            for first in (1, 4):
                assert updated(first) == -9
            assert updated(100) == 0
            in_step()
        for numbers in ([1, 2], [3, 4], [3, 5], [3, 6]):
            pages["a.test/s.xml"] = urlset(*(f"http://a.test/page/{number}" for number in numbers))
            assert run(str(COMMAND), *scan).returncode == 0
    assert run(str(COMMAND), "db", "prune", "--older-than", f"{datetime.now(UTC):%FT%TZ}").returncode == 0
    jobs = {
        json.loads(line)["job_id"]
        for line in run(str(COMMAND), "jobs", "--format", "ndjson").stdout.splitlines()
    }
    told = [json.loads(line) for line in run(str(COMMAND), "changes").stdout.splitlines()]
    assert {line["job_id"] for line in told} == {None, *jobs}
    before = index.read_bytes()
    update = (sys.executable, str(SCRIPT), str(index))
    nowhere = str(tmp_path / "typo.db")
    assert run(*update, CONTENTMAP=str(COMMAND), CONTENTMAP_DATABASE_URL=nowhere).returncode == 6
    assert run(str(COMMAND), "db", "upgrade", CONTENTMAP_DATABASE_URL=nowhere).returncode == 0
    assert run(*update, CONTENTMAP=str(COMMAND), CONTENTMAP_DATABASE_URL=nowhere).returncode == 2  # empty
    assert index.read_bytes() == before
    assert run(*update, CONTENTMAP=str(COMMAND)).returncode == 0
    in_step()

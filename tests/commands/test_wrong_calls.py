"""What is typed wrongly: one line that says what is wrong, one that says what to do, and nothing else."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from program import Contentmap, Said

JOB = "sitemap_0123456789abcdef0123456789abcdef"
CALLS = """
2 nonsense | scna example.com | --nonsense | --db | --color pink jobs | --log-format xml jobs
2 --config none.toml jobs | --config wrong.toml jobs | --tenant '' jobs | --db mysql://u@h/d jobs
2 --log-file none/x jobs | --db :memory: scan a.test | --db postgresql://u@h:99999/x jobs
5 --db text.xml jobs | --db . jobs | --db postgresql://u@127.0.0.1:1/x jobs
6 --db none.db jobs
2 scan | scan --nonsense a.test | scan a.test -c 0 | scan a.test -c many | scan 'not a domain' | scan ''
2 scan -i none.txt | scan -i . | scan -i empty.txt | scan a.test --format xml
2 scan a.test --json --format csv | scan a.test --connect-to x | scan a.test --allow-net x | scan a.test -o x/
2 scan a.test --queue | scan a.test --priority 5 | scan a.test --expect-urls 5:1 | scan a.test --ca-file none
2 status --nonsense | status x y | status --format xml | status --watch --format xml
6 status x | resume | report -o x.html | cancel x | resume x | diff --job x | report JOB -o x.html
2 jobs --limit 0 | jobs --since x | jobs --domain 'a b' | jobs x | jobs --format junit
2 resume x --nonsense | resume x --priority 3 | resume x -c 0 | resume x --queue
2 cancel | cancel --failed | cancel x y | cancel x --format csv
2 urls | urls 'a b' | urls a.test --first-seen-after x | urls a.test --limit 0 | urls a.test --format junit
2 urls a.test --gzip | urls a.test --format csv -o new/ | urls a.test --format xml -o new/ --base x
2 urls a.test --json --format txt | urls a.test --format parquet -o x.parquet.gz | jobs -o x.xlsx.ZST
2 urls a.test --csv-bom -o b.json | scan a.test --csv-bom -o c.XLSX.gz | jobs --csv-bom -o x.parquet
2 urls a.test --json --csv-bom | jobs --csv-bom --format ndjson | jobs -o x.pdf | status --watch -o x.xlsx
2 config -o x.csv | urls a.test -o x.html | report a.test -o x.pdf | scan a.test --dry-run -o x.json
6 urls a.test | urls a.test --format xml -o new/ | sitemaps a.test | map a.test | diff a.test
6 report a.test -o x.html | check a.test --stored
2 sitemaps | sitemaps a.test --format txt | sitemaps a.test --nonsense | sitemaps a.test b
2 map | map a.test --depth -1 | map a.test --min-share 200 | map a.test --format xml
2 report x -o x.html | report a.test --json -o x.html | report a.test x
2 diff | diff a.test --job x | diff --job x --from x | diff a.test --format xml
2 diff a.test --from x | diff a.test --from 7d --since 7d | diff --job x --since 7d
2 diff a.test --to 2026-13-01 | scan a.test -u x | scan a.test -u :x | scan a.test -u x:y -H Authorization:z
2 check | check none.xml | check ./none | check 'a b' | check --select zzz text.xml
2 check text.xml --severity x | check text.xml --baseline none | check text.xml --format txt
2 check a.test --fresh | check a.test --as-agent x/y
2 check text.xml --base x | check text.xml --base http://[ | check a.test --base https://a.test/
2 check text.xml --baseline text.xml | check folder | check a.test --stored --base https://a.test/
2 check - - | check text.xml --write-baseline none/x
2 parse | parse none.xml | parse . | parse text.xml --base x | parse text.xml --format junit | parse a b
2 worker | worker x | worker -c 0 | worker --database-timeout -1 | worker --nonsense
2 config x | config --format csv | config --config none.toml | config -o none/x
2 db x | db check x | db check --format csv | db upgrade x | db upgrade --json | db partition
2 db partition --partitions 0 | db partition --partitions x | db partition --partitions 4
5 db check --db none.db | db check --db text.xml | db upgrade --db text.xml | db upgrade --db none/x.db
"""


@pytest.fixture
def wrong(tmp_path: Path) -> Any:
    """Runs calls, one a line, where there is a database in which nothing is recorded."""
    program = Contentmap(tmp_path, str(tmp_path / "map.db"))
    (tmp_path / "text.xml").write_text("neither a sitemap nor a database\n" * 100)
    (tmp_path / "wrong.toml").write_text("concurency = 3\n")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "folder").mkdir()

    def run(*lines: str) -> list[Said]:
        made, *answers = program.many("db upgrade", *lines)
        assert made.code == 0, made.err
        return answers

    return run


def test_one_error_and_one_hint(wrong: Any, tmp_path: Path) -> None:
    """For each command: unknown options and values, what is missing, what contradicts itself."""
    calls = [
        (int(line[0]), call.strip().replace("JOB", JOB))
        for line in CALLS.strip().splitlines()
        for call in line[2:].split(" | ")
    ]
    before = {*tmp_path.iterdir(), tmp_path / "map.db"}
    answers = wrong(*(call for _, call in calls))
    assert len(answers) == len(calls)
    surprises = []
    for (code, call), said in zip(calls, answers, strict=True):
        lines = said.err.splitlines()
        if "--json" in shlex.split(call):
            assert json.loads(lines.pop())["error"]["code"] == "usage", call
        begins = [line.split(":")[0] for line in lines if not line.startswith("  ")]
        if (said.code, begins, said.out) != (code, ["error", "", "hint"], ""):
            surprises.append((call, said))
    assert surprises == []
    assert set(tmp_path.iterdir()) == before  # nothing was made either


def test_it_is_about_what_was_typed(wrong: Any) -> None:
    """Not about what the program made of it, and not about another option."""
    expected = {
        "worker": ("", "postgresql://user@host/database"),
        "urls a.test --format parq": (
            "'parq' is not one of table, json, ndjson, csv, xlsx, txt, xml, parquet",
            "urls --help",
        ),
        "check text.xml --write-baseline none/x": ("cannot write none/x", "with --write-baseline"),
        "scan a.test --max-drop 30%": ("'--max-drop': it must be a valid number", "scan --help"),
        "check folder": ("folder is a folder", "folder/*.xml"),
        "domains a.test": ("no such command: 'a.test'", "`contentmap domains --match NAME`"),
        "scan a.test -o new/": ("new/: it is the name of a folder", "with -o"),
    }
    for (error, hint), said in zip(expected.values(), wrong(*expected), strict=True):
        assert error in said.err.splitlines()[0] and hint in said.err.splitlines()[-1]

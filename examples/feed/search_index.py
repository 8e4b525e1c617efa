"""Keep a full-text index of URLs in step with the database: each change is applied exactly once.

usage: python search_index.py INDEX [WORD ...]

INDEX is an SQLite file with an FTS5 table. Without words, the changes since the last call are read from
`contentmap changes` and applied. The cursor is stored in the transaction of its changes, so that a call that
is killed has stored both or neither. With words, the URLs that contain all of them are printed.

    CONTENTMAP_DATABASE_URL=map.db python search_index.py index.db
    python search_index.py index.db red shoes
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from typing import Any

CONTENTMAP = os.environ.get("CONTENTMAP", "contentmap")
A_TRANSACTION = int(os.environ.get("LINES", "1000"))
EXPIRED = 3  # the exit code for a cursor that is older than what is kept

SCHEMA = """
CREATE TABLE IF NOT EXISTS pages (
    id INTEGER PRIMARY KEY, domain TEXT NOT NULL, url TEXT NOT NULL, lastmod TEXT, UNIQUE (domain, url)
);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (text);
CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY CHECK (id = 1), cursor TEXT NOT NULL);
"""


def update(index: sqlite3.Connection) -> int:
    """Apply all changes since the last call. Return the exit code."""
    row = index.execute("SELECT cursor FROM progress").fetchone()
    code = read(index, row[0] if row else None)
    if code == EXPIRED and row:  # what was deleted in between is not known: rebuild the index
        with index:
            for table in ("pages", "words", "progress"):
                index.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
        code = read(index, None)
    return code


def read(index: sqlite3.Connection, cursor: str | None) -> int:
    """Apply the changes after a cursor. Return the exit code of `contentmap changes`."""
    command = [CONTENTMAP, "--quiet", "changes", *(("--after", cursor) if cursor else ())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as feed:  # noqa: S603 - ours
        assert feed.stdout is not None  # noqa: S101 - it is a pipe
        lines = map(json.loads, feed.stdout)
        while some := list(islice(lines, A_TRANSACTION)):
            with index:  # one transaction
                for line in some:
                    apply(index, line)
                row = (1, some[-1]["cursor"])
                index.execute("INSERT OR REPLACE INTO progress VALUES (?, ?)", row)
    return feed.returncode


def apply(index: sqlite3.Connection, line: dict[str, Any]) -> None:
    """Apply one line."""
    domain = line.get("domain")
    if line["type"] == "domain_removed":
        drop(index, index.execute("SELECT id FROM pages WHERE domain = ?", (domain,)).fetchall())
    elif line["type"] == "change":
        key = (domain, line["url"])
        if line["change"] != "added":
            drop(index, index.execute("SELECT id FROM pages WHERE domain = ? AND url = ?", key).fetchall())
        if line["change"] != "removed":
            row = (*key, line["lastmod"])
            added = index.execute("INSERT INTO pages (domain, url, lastmod) VALUES (?, ?, ?)", row)
            text = " ".join(re.split(r"[\W_]+", line["url"]))
            index.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (added.lastrowid, text))


def drop(index: sqlite3.Connection, rows: Iterable[tuple[int]]) -> None:
    """Delete pages from both tables."""
    index.executemany("DELETE FROM words WHERE rowid = ?", rows)
    index.executemany("DELETE FROM pages WHERE id = ?", rows)


def search(index: sqlite3.Connection, words: list[str]) -> Iterator[str]:
    """Yield the URLs that contain all words, the best first."""
    query = " ".join('"' + word.replace('"', '""') + '"' for word in words)
    found = index.execute(
        "SELECT url FROM words JOIN pages ON id = words.rowid WHERE words MATCH ? ORDER BY rank", (query,)
    )
    return (url for (url,) in found)


def main() -> int:
    """Run the program."""
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    with closing(sqlite3.connect(sys.argv[1])) as index:
        index.executescript(SCHEMA)
        if sys.argv[2:]:
            for url in search(index, sys.argv[2:]):
                print(url)
            return 0
        return update(index)


if __name__ == "__main__":
    sys.exit(main())

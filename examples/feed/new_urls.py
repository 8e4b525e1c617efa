"""Hands the URLs that are new since last time to another program, a batch at a time.

usage: python new_urls.py DOMAIN STATE -- COMMAND [ARGUMENT ...]

COMMAND gets URLs on its standard input, one a line, at most 1,000 at once. STATE is a file that remembers how
far it has come: it is written only when COMMAND has ended with 0, so that nothing is skipped. Where COMMAND
fails in the middle, the batches of that scan come again next time: it has to bear a URL twice.

All that is new is held in memory, to be put in order: for the first call that is every URL of the site.

    python new_urls.py example.com /var/lib/feed/example.com -- index-now --key-file key.txt
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path

CONTENTMAP = os.environ.get("CONTENTMAP", "contentmap")
A_BATCH = 1_000


def entries(domain: str, since: str | None) -> list[tuple[str, str]]:
    """(first seen, URL) of what was first seen after a moment, the oldest first."""
    words = [CONTENTMAP, "--quiet", "urls", domain, "--format", "ndjson"]
    ran = subprocess.run(  # noqa: S603 - the command of whoever calls
        [*words, "--first-seen-after", since] if since else words,
        stdout=subprocess.PIPE,
        check=False,
        encoding="utf-8",
    )
    if ran.returncode:
        raise SystemExit(ran.returncode)  # it has said why
    rows = (json.loads(line) for line in ran.stdout.splitlines())
    # --first-seen-after includes the time itself: all URLs of one scan have the same time
    return sorted({(row["first_seen"], row["url"]) for row in rows if row["first_seen"] != since})


def batches(urls: Iterator[str]) -> Iterator[list[str]]:
    """Lists of at most `A_BATCH`."""
    while some := list(islice(urls, A_BATCH)):
        yield some


def main() -> int:
    """Hands on; the exit code of the first command that failed."""
    if len(sys.argv) < 5 or sys.argv[3] != "--":
        print(__doc__, file=sys.stderr)
        return 2
    domain, state, command = sys.argv[1], Path(sys.argv[2]), sys.argv[4:]
    since = state.read_text(encoding="utf-8").strip() if state.exists() else None
    for moment, rows in groupby(entries(domain, since), key=lambda row: row[0]):
        for some in batches(url for _, url in rows):
            lines = "".join(f"{url}\n" for url in some)
            code = subprocess.run(command, input=lines, check=False, encoding="utf-8").returncode  # noqa: S603
            if code:
                return code
        unfinished = state.with_name(f"{state.name}.part")
        unfinished.write_text(moment, encoding="utf-8")
        unfinished.replace(state)
    return 0


if __name__ == "__main__":
    sys.exit(main())

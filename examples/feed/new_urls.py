"""Pass the URLs that are new since the last call to another program, in batches.

usage: python new_urls.py DOMAIN STATE -- COMMAND [ARGUMENT ...]

COMMAND reads URLs from standard input, one per line, at most 1,000 per call. STATE is a file with the time of
the last URLs. It is written only after COMMAND has exited with 0, so no URL is skipped. If COMMAND fails, all
batches of that scan are repeated by the next call, so COMMAND must accept a URL twice.

New URLs are held in memory and sorted. For the first call these are all URLs of the site.

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
    """Return (first seen, URL) of the URLs first seen after a time, oldest first."""
    words = [CONTENTMAP, "--quiet", "urls", domain, "--format", "ndjson"]
    ran = subprocess.run(  # noqa: S603 - COMMAND is trusted
        [*words, "--first-seen-after", since] if since else words,
        stdout=subprocess.PIPE,
        check=False,
        encoding="utf-8",
    )
    if ran.returncode:
        raise SystemExit(ran.returncode)  # contentmap has printed the error
    rows = (json.loads(line) for line in ran.stdout.splitlines())
    # --first-seen-after includes the time itself: all URLs of one scan have the same time
    return sorted({(row["first_seen"], row["url"]) for row in rows if row["first_seen"] != since})


def batches(urls: Iterator[str]) -> Iterator[list[str]]:
    """Yield lists of at most `A_BATCH` URLs."""
    while batch := list(islice(urls, A_BATCH)):
        yield batch


def main() -> int:
    """Pass the URLs on and return the exit code of the first command that failed."""
    if len(sys.argv) < 5 or sys.argv[3] != "--":
        print(__doc__, file=sys.stderr)
        return 2
    domain, state, command = sys.argv[1], Path(sys.argv[2]), sys.argv[4:]
    since = state.read_text(encoding="utf-8").strip() if state.exists() else None
    for moment, rows in groupby(entries(domain, since), key=lambda row: row[0]):
        for batch in batches(url for _, url in rows):
            lines = "".join(f"{url}\n" for url in batch)
            code = subprocess.run(command, input=lines, check=False, encoding="utf-8").returncode  # noqa: S603
            if code:
                return code
        unfinished = state.with_name(f"{state.name}.part")
        unfinished.write_text(moment, encoding="utf-8")
        unfinished.replace(state)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The filters of `urls`, alone and combined, held against a model that looks at every row."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from recording import DOMAIN, Listing, record

from contentmap_cli.models import Entry, Lastmod, StoredEntry
from contentmap_cli.storage.reading.entry_pages import EntryFilter
from contentmap_cli.storage.session import Sessions
from tests.support.stored_entries import stored_entries

SEED, COMBINATIONS = 20261124, 60
PATHS = [
    *("a", "A", "aa", "a_b", "axb", "a%25b", "a[b]", "a\\b", "a*b", "a?b", "ü", "Z", "blog/a", "blog/b/c"),
    *(f"p{number}" for number in range(20)),
]
DATES = [
    None,
    Lastmod(None, None, "yesterday"),
    Lastmod("0099-01-01T00:00:00Z", "year", "0099"),
    Lastmod("2026-01-01T00:00:00Z", "day", "2026-01-01"),
    Lastmod("2026-01-01T00:00:00Z", "second", "2026-01-01T01:00:00+01:00"),
    Lastmod("2026-01-01T00:00:00Z", "fraction", "2026-01-01T00:00:00.5Z"),
    Lastmod("2026-01-01T00:00:01Z", "second", "2026-01-01T00:00:01Z"),
    Lastmod("9999-12-31T23:59:59Z", "second", "9999-12-31T23:59:59Z"),
]
GLOBS = [
    "*",
    "*a*",
    "*/a?b",
    "*/a[b]",
    "*/a\\b",
    "*_*",
    "*%*",
    "*A*",
    "*/blog/*",
    "*/?",
    "nothing",
    "*b*c*",
    "",
]


def listing(chance: random.Random) -> Listing:
    """Some of the pages in some of the files, each with some date."""
    return {
        f"{name}.xml": [
            Entry(f"https://{DOMAIN}/{path}", chance.choice(DATES))
            for path in chance.sample(PATHS, chance.randrange(len(PATHS)))
        ]
        for name in chance.sample(("one", "two", "three"), chance.randrange(1, 4))
    }


def fits(row: StoredEntry, wanted: EntryFilter) -> bool:
    """Whether a row is wanted: each filter by itself, and all of them."""
    glob = {"*": ".*", "?": "."}
    lastmod = row.entry.lastmod.utc if row.entry.lastmod else None
    return all(
        (
            (row.removed_at is not None) == wanted.removed,
            wanted.sitemap in (None, row.sitemap),
            wanted.match is None
            or re.fullmatch("".join(glob.get(char, re.escape(char)) for char in wanted.match), row.entry.url),
            wanted.since is None or (row.first_seen is not None and row.first_seen >= wanted.since),
            wanted.changed_after is None
            or (lastmod is not None and datetime.fromisoformat(lastmod) > wanted.changed_after),
        )
    )


async def test_filters_combined(sessions: Sessions) -> None:
    """What the database gives is what the model picks, in its order, cut at the limit."""
    chance = random.Random(SEED)
    for _ in range(4):
        await record(sessions, listing(chance))

    async def asked(wanted: EntryFilter) -> list[StoredEntry]:
        async with sessions.read() as session, session.begin():
            return [row async for row in stored_entries(session, 1, wanted)]

    def often_none(*values: Any) -> Any:
        return chance.choice(values) if chance.random() < 0.4 else None

    there, gone = await asked(EntryFilter()), await asked(EntryFilter(removed=True))
    seen = sorted({row.first_seen for row in there + gone if row.first_seen})
    assert len(seen) > 1 and there and gone
    moments = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=half / 2) for half in range(-1, 4)]
    found = 0
    for _ in range(COMBINATIONS):
        wanted = EntryFilter(
            sitemap=often_none(there[0].sitemap, gone[-1].sitemap, "https://none.example/"),
            match=often_none(*GLOBS),
            since=often_none(*seen, seen[-1] + timedelta(microseconds=1)),
            changed_after=often_none(*moments),
            removed=chance.random() < 0.4,
            limit=often_none(1, 2, 5, 1000),
        )
        expected = [row for row in (gone if wanted.removed else there) if fits(row, wanted)][: wanted.limit]
        assert await asked(wanted) == expected, wanted
        found += bool(expected)
    assert COMBINATIONS / 4 < found < COMBINATIONS  # neither all in vain nor none
    # file by file, and in each the order of code points, whatever the database's collation
    for rows in (there, gone):
        files = list(dict.fromkeys(row.sitemap for row in rows))
        assert rows == sorted(rows, key=lambda row: (files.index(row.sitemap), row.entry.url))

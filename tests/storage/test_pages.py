"""Pages of entries that are read while scans are recorded: all show what was recorded at the first one."""

from __future__ import annotations

import dataclasses
import io
import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from recording import DOMAIN, record, resume, start
from recording import page as entry
from sqlalchemy import delete, func, select

from contentmap_cli.errors import NotFound
from contentmap_cli.models import Entry, Lastmod, StoredEntry
from contentmap_cli.models.files import EntryPage
from contentmap_cli.output.formats import Format, entries_writer
from contentmap_cli.sitemap import parse_lastmod
from contentmap_cli.storage.reading import entry_pages
from contentmap_cli.storage.reading.entry_pages import EntryFilter, EntryPages
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import Domain
from tests.storage.test_filters import listing

FILTERS = [
    EntryFilter(),
    EntryFilter(removed=True),
    EntryFilter(changed_after=datetime(2026, 1, 1, tzinfo=UTC), limit=20),
    EntryFilter(match="*a*", distinct=True),
]


async def next_page(sessions: Sessions, pages: EntryPages) -> EntryPage:
    async with sessions.read() as session, session.begin():
        return await pages.next(session)


async def read_all(sessions: Sessions, wanted: EntryFilter) -> list[StoredEntry]:
    pages, found = EntryPages(1, wanted), list[StoredEntry]()
    while page := await next_page(sessions, pages):
        found += page
    return found


async def test_scans_between_pages(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """URLs that are added, changed, removed and added again between two pages do not show."""
    monkeypatch.setattr(entry_pages, "_ROWS_A_FETCH", 6)
    chance = random.Random(20261130)
    for _ in range(3):
        await record(sessions, listing(chance))
    for wanted in FILTERS:
        before = await read_all(sessions, wanted)
        pages = EntryPages(1, wanted)
        found = [*await next_page(sessions, pages)]
        scans = 3
        while page := await next_page(sessions, pages):
            found += page
            if scans:
                await record(sessions, listing(chance))
                scans -= 1
        assert before
        assert found == before, wanted


@pytest.mark.parametrize("address", ["postgresql"], indirect=True)
async def test_a_scan_within_a_page(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not show either: the statements of a page see one state. On SQLite they always do."""
    chance = random.Random(20261130)
    await record(sessions, listing(chance))
    before, rows = await read_all(sessions, EntryFilter()), EntryPages._columns

    async def scanned(pages: EntryPages, *arguments: Any) -> Any:
        await record(sessions, listing(chance))
        return await rows(pages, *arguments)

    monkeypatch.setattr(EntryPages, "_columns", scanned)
    assert await read_all(sessions, EntryFilter()) == before


async def test_a_scan_resumed_between_pages(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its next part records is left out: the pages go on with what its first part said."""
    monkeypatch.setattr(entry_pages, "_ROWS_A_FETCH", 1)
    first = await start(sessions)
    await record(sessions, listing(random.Random(1)), taken=first)
    before = await read_all(sessions, EntryFilter())
    pages = EntryPages(1, EntryFilter())
    read = [*await next_page(sessions, pages)]
    await record(sessions, listing(random.Random(2)), taken=await resume(sessions, first.job_id))
    assert await read_all(sessions, EntryFilter()) != before
    while page := await next_page(sessions, pages):
        read += page
    assert read == before


async def test_each_url_once(sessions: Sessions) -> None:
    """With `distinct` a URL of several files has the values of the latest lastmod, and names all files."""
    await record(
        sessions,
        {
            "a.xml": [entry("1"), entry("2", "2026-01-01"), entry("3", "2026-01-02")],
            "b.xml": [entry("2", "2026-02-01"), entry("0"), entry("1"), entry("3", "2026-01-01")],
            "c.xml": [entry("3", "2026-01-02")],
        },
    )
    everything = await read_all(sessions, EntryFilter())
    once = {each.url[-1]: each for each in await read_all(sessions, EntryFilter(distinct=True))}
    assert len(everything) == 8 and sorted(once) == ["0", "1", "2", "3"]
    listed = {name: [each for each in everything if each.url.endswith(name)] for name in once}
    winner = {"0": 0, "1": 0, "2": 1, "3": 0}  # the first file where the dates are equal
    for name, each in once.items():
        files = tuple(other.sitemap for other in listed[name])
        assert each == dataclasses.replace(listed[name][winner[name]], sitemaps=files)
    some = EntryFilter(distinct=True, sitemap=listed["2"][0].sitemap)
    assert [each.sitemaps for each in await read_all(sessions, some)] == [(some.sitemap,)] * 3


async def test_a_domain_removed_between_pages(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends in an error: what is left must not look complete."""
    monkeypatch.setattr(entry_pages, "_ROWS_A_FETCH", 4)
    await record(sessions, listing(random.Random(1)))
    pages = EntryPages(1, EntryFilter())
    assert await next_page(sessions, pages)
    async with sessions.brief() as session, session.begin():
        await session.write(delete(Domain))
        assert await session.scalar(select(func.count()).select_from(Domain)) == 0
    with pytest.raises(NotFound):
        await next_page(sessions, pages)


CONTROLS = "\x00\t\n\r\x1b\x7f\x85\u00ad\u200b\u202e\u2028\ufeff"
NASTY_TEXTS = [
    *(
        "=1+1",
        "+1",
        "-1",
        "@x",
        "a,b",
        'say "x"',
        "'",
        "\\",
        "Mon, 2 Nov 2026",
        "ü",
        "日本",
        "\U0001f600",
        ",=1",
    ),
    *("＝1", "Sonntag\u202e", "a\x7fb", "a\x85b", "\tx", "x\ny"),
]
PRECISIONS = {
    "2026": "year",
    "2026-01": "month",
    "2026-01-02": "day",
    "2026-01-02T03:04Z": "minute",
    "2026-01-02T03:04:05Z": "second",
    "2026-01-02T03:04:05.5Z": "fraction",
    "2026-01-02T03:04:05+00:00": "second",
    "2026-01-02T04:04:05+01:00": "second",
}


def nasty() -> list[Entry]:
    """Entries whose text acts on a terminal or a spreadsheet, and every form of a date."""
    lastmods = [parse_lastmod(text) for text in PRECISIONS]
    assert [each and each.precision for each in lastmods] == [*PRECISIONS.values()]
    lastmods += [None, *(Lastmod(None, None, text) for text in NASTY_TEXTS)]
    paths = [
        "",
        "a,b",
        'a"b',
        "a'b",
        "=1",
        "?a=1&b=,=2",
        "ü",
        "日本\U0001f600",
        "a\u202eb",
        "a\x7f",
        "a\\b",
        "a|b",
        "%00",
    ]
    media = [
        {
            "images": ({"loc": text, "title": f'{text}],"videos":[{{"x":1}}'},),
            "alternates": ({"hreflang": "de", "href": text},),
        }
        for text in NASTY_TEXTS
    ]
    media += [{"news": ({"title": ","}, {"title": "[]"})}, {"videos": ({"title": "]}"},), "images": ({},)}]
    found = [Entry(f"https://{DOMAIN}/{path}", lastmod) for path in paths for lastmod in lastmods[:1]]
    found += [Entry(f"https://{DOMAIN}/d{number}", lastmod) for number, lastmod in enumerate(lastmods)]
    found += [Entry(f"https://{DOMAIN}/m{number}", None, **each) for number, each in enumerate(media)]  # type: ignore[arg-type]
    for number, priority in enumerate((0.0, 1.0, 0.8, 2 / 3, 1e-5, 0.1234567890123)):
        found.append(Entry(f"https://{DOMAIN}/p{number}", lastmods[number], "daily", priority, False, True))
    return found


@pytest.mark.parametrize("removed", [False, True])
async def test_lines_are_the_objects(sessions: Sessions, removed: bool) -> None:
    """Lines of a page equal those made of its objects, and these what was recorded, whatever a text holds."""
    entries = nasty()
    await record(sessions, {"a,b.xml": entries, "b.xml": [entry("1")]})
    if removed:
        await record(sessions, {"a,b.xml": [entry("1")], "b.xml": [entry("1")]})
    async with sessions.read() as session, session.begin():
        page = await EntryPages(1, EntryFilter(removed=removed)).next(session)
    stored = [*page]
    found = {each.url: each.entry for each in stored if "a,b" in each.sitemap}
    assert found == {each.url: each for each in entries}
    assert {each.removed_at is not None for each in stored} == {removed}
    lines, objects = {}, {}
    for rows, texts in ((page, lines), (stored, objects)):
        for format in (Format.NDJSON, Format.JSON, Format.CSV, Format.TXT):
            writer = entries_writer(format, out := io.StringIO())
            writer.write_all(rows)
            writer.finish()
            texts[format] = out.getvalue()
    assert lines[Format.CSV] == objects[Format.CSV] and lines[Format.TXT] == objects[Format.TXT]
    text = lines[Format.NDJSON]
    assert text.isascii() and not set(text) & set(CONTROLS.replace("\n", ""))
    assert [json.loads(line, object_pairs_hook=list) for line in text.splitlines()] == [
        json.loads(line, object_pairs_hook=list) for line in objects[Format.NDJSON].splitlines()
    ]
    assert json.loads(lines[Format.JSON]) == json.loads(objects[Format.JSON])

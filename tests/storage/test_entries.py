"""Merging a scan into the store: exact counts, only what differs is written, removals only when complete."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from recording import DOMAIN, Listing, expire, page, record, start
from sqlalchemy import func, select, text, update

from contentmap_cli.errors import LeaseLost
from contentmap_cli.models import Entry, FileStatus, Lastmod, Limits
from contentmap_cli.storage.jobs.claims import Claim, fence
from contentmap_cli.storage.reading.entry_pages import EntryFilter
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.tables import SITEMAP_URLS, DomainScan, SitemapFile
from contentmap_cli.storage.writing import change_set
from contentmap_cli.storage.writing.entries import Changes, _last_withheld
from tests.support.stored_entries import stored_entries


async def live(sessions: Sessions, **wanted: object) -> list[str]:
    """The paths recorded of the test site."""
    async with sessions.read() as session, session.begin():
        found = stored_entries(session, 1, EntryFilter(**wanted))  # type: ignore[arg-type]
        return [stored.entry.url.partition("example/")[2] for stored in [row async for row in found]]


async def test_everything_of_an_entry_comes_back(sessions: Sessions) -> None:
    """What was read is what is answered: dates with precision and text, media, flags."""
    rich = Entry(
        "https://shop.example/ü?a=1&b=2",
        Lastmod("2026-03-01T10:30:00Z", "minute", "2026-03-01T12:30+02:00"),
        "weekly",
        0.7,
        in_scope=False,
        repaired=True,
        images=({"loc": "https://shop.example/i.jpg", "title": "“quoted”"},),
        alternates=({"hreflang": "de", "href": "https://shop.example/de"},),
    )
    odd = Entry("https://shop.example/odd", Lastmod(None, None, "yesterday"))
    old = Entry("https://shop.example/old", Lastmod("0099-01-01T00:00:00Z", "year", "0099"))
    await record(sessions, {"sitemap.xml": [rich, odd, old]})
    async with sessions.read() as session, session.begin():
        found = [stored async for stored in stored_entries(session, 1, EntryFilter())]
    assert sorted((stored.entry for stored in found), key=lambda entry: entry.url) == sorted(
        (odd, old, rich), key=lambda entry: entry.url
    )
    assert {stored.sitemap for stored in found} == {"https://shop.example/sitemap.xml"}
    assert all(stored.removed_at is None for stored in found)
    # and is seen to be the same when it is read again, whatever form the database keeps it in
    assert await record(sessions, {"sitemap.xml": [rich, odd, old]}) == Changes(3, 0, 0, 0)
    assert await record(sessions, {"other.xml": [rich, odd, old]}) == Changes(3, 0, 0, 0)


async def test_the_longest_urls_fit_into_the_keys(sessions: Sessions) -> None:
    """A key of PostgreSQL's takes 2,704 bytes, and letters drawn by lot cannot be packed."""
    lot = random.Random(4)
    longest = "".join(lot.choices(string.ascii_letters, k=Limits().url_length - len(f"https://{DOMAIN}/")))
    assert await record(sessions, {longest: [page(longest)]}) == Changes(1, 1, 0, 0)
    assert await record(sessions, {longest: [page(longest, "2026-01-01")]}) == Changes(1, 0, 0, 1)


async def test_a_second_scan_counts_what_came_went_and_changed(sessions: Sessions) -> None:
    """Added, removed and changed are exact; a URL that comes back is added again."""
    assert await record(sessions, {"s": [page("a"), page("b", "2026-01-01"), page("c")]}) == Changes(
        3, 3, 0, 0
    )
    assert await record(sessions, {"s": [page("a"), page("b", "2026-01-02"), page("d")]}) == Changes(
        3, 1, 1, 1
    )
    assert await live(sessions, removed=True) == ["c"]
    assert await record(sessions, {"s": [page("a"), page("b", "2026-01-02"), page("c")]}) == Changes(
        3, 1, 1, 0
    )
    assert await live(sessions) == ["a", "b", "c"]


async def test_a_url_that_moves_between_files_is_neither_added_nor_removed(sessions: Sessions) -> None:
    """Pages of a sitemap that shift by one are no news for the domain."""
    pages = [page(f"p{number:02}") for number in range(30)]
    await record(sessions, {"1": pages[:10], "2": pages[10:20], "3": pages[20:]})
    shifted = [page("new"), *pages]
    changes = await record(sessions, {"1": shifted[:10], "2": shifted[10:20], "3": shifted[20:]})
    assert changes == Changes(31, 1, 0, 0)


async def test_a_url_that_moves_with_a_new_date_is_changed(sessions: Sessions) -> None:
    """What the domain says of it is another thing now, though each file only gained or lost a URL."""
    await record(sessions, {"1": [page("a", "2026-01-01"), page("b")], "2": [page("c")]})
    changes = await record(sessions, {"1": [page("b")], "2": [page("a", "2026-01-02"), page("c")]})
    assert changes == Changes(3, 0, 0, 1)
    changes = await record(sessions, {"1": [page("a", "2026-01-02"), page("b")], "2": [page("c")]})
    assert changes == Changes(3, 0, 0, 0)


async def test_a_second_listing_is_a_change_only_where_it_says_something_new(sessions: Sessions) -> None:
    """A URL that a feed lists too, or no longer, has not changed by that alone."""
    both = [page("a", "2026-01-01"), page("b", "2026-01-01")]
    await record(sessions, {"1": both, "feed": []})
    again = [page("a", "2026-01-01"), page("b", "2026-01-05")]
    assert await record(sessions, {"1": both, "feed": again}) == Changes(2, 0, 0, 1)
    assert await record(sessions, {"1": both, "feed": []}) == Changes(2, 0, 0, 0)


async def test_what_we_think_of_an_entry_is_no_change(sessions: Sessions) -> None:
    """A repaired file that is well-formed now says the same: its rows are brought up to date, no more."""
    await record(sessions, {"1": [page("a", repaired=True)]})
    assert await record(sessions, {"1": [page("a")]}) == Changes(1, 0, 0, 0)
    async with sessions.read() as session, session.begin():
        assert not await session.scalar(select(SITEMAP_URLS.c.repaired))


@pytest.mark.parametrize("new", [1, 600])
async def test_new_urls_are_weighed_alike_by_key_and_by_reading_all(sessions: Sessions, new: int) -> None:
    """Few are looked up by their keys, many beside all that is there: the counts are the same."""
    old = {str(number): [page(f"{number}-{count}") for count in range(3)] for number in range(5)}
    await record(sessions, old)
    more = [page(f"new-{number}") for number in range(new)]
    moved = [*more, page("0-0"), page("1-0", "2026-01-02")]
    assert await record(sessions, old | {"5": moved}) == Changes(15 + new, new, 0, 1)


@pytest.mark.parametrize("address", ["postgresql"], indirect=True)
@pytest.mark.campaign
async def test_few_urls_are_weighed_in_a_domain_of_very_many_files(sessions: Sessions) -> None:
    """A domain may have 50,000 files, and a statement of PostgreSQL's takes 32,767 parameters."""
    await record(sessions, {"s": [page("a")]})
    columns = [column.name for column in SitemapFile.__table__.columns if column.name not in ("id", "url")]
    more = f"INSERT INTO sitemap_files (url, {', '.join(columns)}) SELECT url || number, {', '.join(columns)}"
    async with sessions.brief() as session, session.begin():
        await session.execute(text("UPDATE sitemap_files SET url_count = 10"))
        await session.execute(text(f"{more} FROM sitemap_files, generate_series(1, 33000) AS number"))
    assert await record(sessions, {"s": [page("a"), page("b")]}, complete=False) == Changes(2, 1, 0, 0)


async def test_an_incomplete_scan_removes_nothing(sessions: Sessions) -> None:
    """What was not met is only gone when everything was asked for and read."""
    await record(sessions, {"1": [page("a")], "2": [page("b")]})
    assert await record(sessions, {"1": []}, complete=False) == Changes(2, 0, 0, 0)
    assert await live(sessions) == ["a", "b"]
    assert await record(sessions, {"1": []}) == Changes(0, 0, 2, 0)


async def test_what_an_earlier_job_kept_is_not_the_last_drop(sessions: Sessions) -> None:
    """A scan that was resumed and did not end is older than one that recorded the domain since."""
    for values in ({"withheld": 20, "finished_at": None}, {}):
        await record(sessions, {"a": [page("x")]})
        async with sessions.brief() as session, session.begin():
            last = select(func.max(DomainScan.id)).scalar_subquery()
            if values:
                await session.write(update(DomainScan).where(DomainScan.id == last).values(**values))
    claim = await start(sessions)
    async with sessions.read() as session, session.begin():
        assert await _last_withheld(session, claim, selected=False) == 0


async def test_a_file_read_in_part_keeps_what_it_listed_before(sessions: Sessions) -> None:
    """A truncated file adds what it has and takes nothing away."""
    await record(sessions, {"1": [page("a"), page("b")]})
    changes = await record(sessions, {"1": [page("c")]}, complete=False, statuses={"1": FileStatus.PARTIAL})
    assert changes == Changes(3, 1, 0, 0)


async def test_a_url_listed_twice_is_one_row_a_file(sessions: Sessions) -> None:
    """The first mention stands; two files that list it are two rows and one URL."""
    changes = await record(
        sessions, {"1": [page("a", "2026-01-01"), page("a", "2026-02-02")], "2": [page("a")]}
    )
    assert changes == Changes(1, 1, 0, 0)
    async with sessions.read() as session, session.begin():
        rows = (await session.execute(select(SITEMAP_URLS.c.lastmod_precision))).scalars().all()
    assert sorted(rows, key=str) == [None, "day"]


async def test_a_file_of_many_statements_goes_in_whole(sessions: Sessions) -> None:
    """More rows than one trip to the driver takes, short and long ones, none lost at a seam."""
    pages = [page(f"p{number:05}") for number in range(12_345)]
    odd = [page(f"q{number:05}", repaired=number % 1_000 == 0) for number in range(7_001)]
    assert await record(sessions, {"1": [*pages, *odd], "2": pages[:501]}) == Changes(19_346, 19_346, 0, 0)
    assert len(await live(sessions)) == 19_346 + 501
    async with sessions.read() as session, session.begin():
        found = [row async for row in stored_entries(session, 1, EntryFilter(match="*/q*"))]
    assert [stored.entry for stored in found] == odd


async def test_in_a_glob_only_two_signs_mean_something(sessions: Sessions) -> None:
    """A * and a ?; what SQLite or PostgreSQL would read into the others they do not mean, and case counts."""
    await record(sessions, {"1": [page(path) for path in ("a[1]", "a1", "a%b", "aXb", "a_b", "a\\b")]})
    for glob, found in {
        "*/a[1]": ["a[1]"],
        "*/a%b": ["a%b"],
        "*/a_b": ["a_b"],
        "*/a\\b": ["a\\b"],
        "*/a?b": ["a%b", "aXb", "a\\b", "a_b"],
        "*/AXB": [],
    }.items():
        assert await live(sessions, match=glob) == found, glob


async def test_a_lost_claim_writes_nothing(sessions: Sessions) -> None:
    """The fence stands before the first row."""
    taken = await start(sessions)
    with pytest.raises(LeaseLost):
        async with sessions.work(taken.job_id, DOMAIN) as session, session.begin():
            await session.turn()
            stolen = replace(taken, token="another token")
            await fence(session, stolen)


async def test_what_another_run_recorded_between_comparing_and_writing_is_compared_again(
    sessions: Sessions,
) -> None:
    """A run that sleeps past its lease finds another's result: what it found before is worth nothing."""
    await record(sessions, {"1": [page("a"), page("b"), page("c", "2026-01-01")], "2": [page("x")]})

    async def another(taken: Claim) -> None:
        # "b" is gone, "d" and a file came, "c" has the day that is found below
        await expire(sessions, taken)
        theirs = {"1": [page("a"), page("c", "2026-02-02"), page("d")], "2": [page("x")], "3": [page("y")]}
        assert await record(sessions, theirs) == Changes(5, 2, 1, 1)

    ours: Listing = {
        "1": [page("a"), page("b"), page("c", "2026-02-02"), page("d")],
        "3": [page("y"), page("z")],
    }
    # next to what the other run recorded: "b" and "z" came, "x" is gone with its file
    assert await record(sessions, ours, ahead=True, between=another) == Changes(6, 2, 1, 0)
    assert await live(sessions) == ["a", "b", "c", "d", "y", "z"]
    assert await record(sessions, ours, ahead=True) == Changes(6, 0, 0, 0)


async def test_nobody_waits_while_a_domain_is_compared(sessions: Sessions) -> None:
    """What is compared ahead takes no turn and no lock: others write meanwhile, and it still counts."""
    await record(sessions, {"1": [page("a"), page("b")]})

    async def write(taken: Claim) -> None:
        async with sessions.comparing(taken.job_id, DOMAIN) as reading, reading.begin():
            assert await reading.scalar(select(func.count()).select_from(SITEMAP_URLS)) == 2
            other = await start(sessions, "other.example")
            async with sessions.work(other.job_id, other.domain) as session, session.begin():
                await session.turn()
                await fence(session, other)

    assert await record(sessions, {"1": [page("b"), page("c")]}, ahead=True, between=write) == Changes(
        2, 1, 1, 0
    )


@pytest.mark.parametrize(
    ("part", "ahead"),
    [
        (5, True),
        pytest.param(5, False, marks=pytest.mark.campaign),
        pytest.param(change_set.PART, False, marks=pytest.mark.campaign),
        pytest.param(change_set.PART, True, marks=pytest.mark.campaign),
    ],
)
async def test_twenty_scans_agree_with_a_slow_and_obvious_model(
    sessions: Sessions, part: int, ahead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A seeded history of every kind of change, held against plain sets after each scan; what happened is
    weighed at once, and in parts as of a site of many millions; compared in the turn to write, and before."""
    monkeypatch.setattr(change_set, "PART", part)
    dice = random.Random(7)
    site: dict[str, dict[str, str]] = {f"s{number}": {} for number in range(4)}
    for number in range(120):
        site[f"s{number % 4}"][f"page-{number}"] = "2026-01-01"
    before: dict[str, set[str]] = {}
    seen: dict[tuple[str, str], str] = {}
    for scan in range(20):
        _mutate(site, dice, scan)
        listing: Listing = {
            name: [page(path, day) for path, day in _shuffled(pages, dice)] for name, pages in site.items()
        }
        changes = await record(sessions, listing, ahead=ahead)
        now = {path for pages in site.values() for path in pages}
        everywhere = set().union(*before.values()) if before else set()
        said: dict[str, set[str]] = {}
        for (_, path), day in seen.items():
            said.setdefault(path, set()).add(day)
        changed = {
            path
            for name, pages in site.items()
            for path, day in pages.items()
            if path in everywhere
            and (seen[name, path] != day if (name, path) in seen else day not in said[path])
        }
        assert changes == Changes(len(now), len(now - everywhere), len(everywhere - now), len(changed)), (
            f"scan {scan}"
        )
        before = {name: set(pages) for name, pages in site.items()}
        seen = {(name, path): day for name, pages in site.items() for path, day in pages.items()}
        assert sorted(await live(sessions)) == sorted(path for pages in site.values() for path in pages)


def _mutate(site: dict[str, dict[str, str]], dice: random.Random, scan: int) -> None:
    """Adds, removes, changes, moves, lists twice, drops a whole file, brings one back."""
    for _ in range(6):
        name = dice.choice(list(site))
        other = dice.choice(list(site))
        path = f"page-{dice.randrange(160)}"
        match dice.randrange(5):
            case 0:
                site[name][path] = "2026-01-01"
            case 1:
                site[name].pop(path, None)
            case 2 if path in site[name]:
                site[name][path] = f"2026-02-{1 + scan:02}"
            case 3 if path in site[name] and other != name:
                site[other][path] = site[name].pop(path)
            case 4 if path in site[name]:
                site[other][path] = site[name][path]
    if scan % 7 == 5:
        site.pop(dice.choice(list(site)))
    if scan % 7 == 6:
        site.setdefault(f"s{dice.randrange(4)}", {})["back"] = "2026-03-03"


def _shuffled(pages: dict[str, str], dice: random.Random) -> Sequence[tuple[str, str]]:
    items = list(pages.items())
    dice.shuffle(items)
    return items


async def test_a_file_that_failed_and_is_found_unchanged(sessions: Sessions) -> None:
    """What was read of it before it failed stands, and it is no failure any more."""
    listing = {"a.xml": [page("1"), page("2")]}
    await record(sessions, listing)
    await record(sessions, listing, complete=False, statuses={"a.xml": FileStatus.FAILED})
    changes = await record(sessions, listing, statuses={"a.xml": FileStatus.UNCHANGED})
    assert (changes.urls, changes.added, changes.removed) == (2, 0, 0)
    async with sessions.read() as session, session.begin():
        (file,) = await session.scalars(select(SitemapFile))
        assert (file.status, file.sitemap_type, file.error_code) == (FileStatus.UNCHANGED, "urlset", None)


async def test_entries_that_changed_after_a_moment(sessions: Sessions) -> None:
    """By what they say themselves; one without a date says nothing."""
    await record(sessions, {"a.xml": [page("old", "2026-01-01"), page("new", "2026-02-01"), page("none")]})
    assert await live(sessions, changed_after=datetime(2026, 1, 15, tzinfo=UTC)) == ["new"]

"""Any two scans compared, held against snapshots that were taken after each."""

from __future__ import annotations

import random
from itertools import product

from recording import DOMAIN, page, record

from contentmap_cli.models import FileStatus
from contentmap_cli.models.comparison import Change, Comparison, Kind
from contentmap_cli.storage.reading.comparison import changes_between, history
from contentmap_cli.storage.session import Sessions

Snapshot = dict[str, dict[str, tuple[str, float | None]]]  # by file, then page: its day and priority


async def compared(sessions: Sessions, before: int | None, after: int) -> list[Change]:
    """What differs between two scans, by their place in the history."""
    async with sessions.read() as session, session.begin():
        points = await history(session, 1)
        pair = Comparison(DOMAIN, None if before is None else points[before], points[after])
        return [change async for change in changes_between(session, 1, points, pair)]


def expected(before: Snapshot, after: Snapshot) -> dict[tuple[str, str], tuple[str, ...]]:
    """The slow and obvious way: kind and page or file, with the fields that changed."""
    was, now = _by_page(before), _by_page(after)
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for path in was.keys() | now.keys():
        if path not in was:
            found["added", path] = ()
        elif path not in now:
            found["removed", path] = ()
        else:
            for name, said in sorted(now[path].items()):
                old = was[path].get(name)
                if (said != old) if old is not None else (said not in was[path].values()):
                    old = old or was[path][min(was[path])]
                    pairs = zip(("lastmod", "priority"), old, said, strict=True)
                    found["changed", path] = tuple(field for field, one, two in pairs if one != two)
                    break
    for name in before.keys() ^ after.keys():
        found["added" if name in after else "removed", f"{name}.xml"] = ()
    return found


def _by_page(snapshot: Snapshot) -> dict[str, dict[str, tuple[str, float | None]]]:
    found: dict[str, dict[str, tuple[str, float | None]]] = {}
    for name, pages in snapshot.items():
        for path, said in pages.items():
            found.setdefault(path, {})[name] = said
    return found


def change_a_page(site: Snapshot, dice: random.Random, scan: int) -> None:
    """One page that is new, changed, gone, back, moved, moved and changed, or listed twice."""
    name, other = dice.sample(sorted(site), 2)
    path = dice.choice(sorted(site[name]) or ["p00"])
    said = site[name].get(path, ("2026-01-01", None))
    match dice.randrange(7):
        case 0:
            site[name][f"p{dice.randrange(60):02}"] = ("2026-01-01", None)
        case 1:
            site[name][path] = (f"2026-02-{scan + 1:02}", said[1])
        case 2:
            site[name][path] = (said[0], dice.randrange(10) / 10)
        case 3 | 4:
            site[name].pop(path, None)
        case 5:
            site[other][path] = site[name].pop(path, said)
        case 6:
            site[other][path] = (f"2026-02-{scan + 1:02}", said[1])


async def test_any_two_of_twelve_scans_are_compared_exactly(sessions: Sessions) -> None:
    """Forwards, backwards and against nothing; with pages and files that come back, and incomplete scans."""
    dice = random.Random(5)
    names = ["a", "b", "c", "d"]
    site: Snapshot = {name: {} for name in names}
    for number in range(40):
        site[names[number % 4]][f"p{number:02}"] = ("2026-01-01", None)
    recorded: Snapshot = {}
    snapshots: list[Snapshot] = []
    for scan in range(12):
        for _ in range(9 if scan else 0):
            change_a_page(site, dice, scan)
        missing = {"d"} if scan in (3, 4, 8) else set()
        complete = scan not in (5, 8)
        listing = {
            f"{name}.xml": [page(path, day, priority=priority) for path, (day, priority) in pages.items()]
            for name, pages in site.items()
            if name not in missing
        }
        await record(sessions, listing, complete=complete)
        read = {name: dict(pages) for name, pages in site.items() if name not in missing}
        if complete:
            recorded = read
        else:  # what was not seen stays
            recorded = {
                name: recorded.get(name, {}) | read.get(name, {}) for name in recorded.keys() | read.keys()
            }
        snapshots.append({name: dict(pages) for name, pages in recorded.items()})
    pairs = dice.sample([*product(range(12), range(12))], 60)
    for before, after in [(None, 0), (0, 11), (11, 0), *pairs]:
        found = await compared(sessions, before, after)
        told = {
            (str(change.kind), change.url.removeprefix(f"https://{DOMAIN}/")): change.fields
            for change in found
        }
        assert len(told) == len(found)
        assert told == expected({} if before is None else snapshots[before], snapshots[after]), (
            before,
            after,
        )


async def test_a_change_says_what_was_and_what_is(sessions: Sessions) -> None:
    """The date before and after, and the file; of what moved, where it is now."""
    await record(sessions, {"1.xml": [page("a", "2026-01-01"), page("b", "2026-01-01")], "2.xml": []})
    await record(sessions, {"1.xml": [page("b", "2026-01-01")], "2.xml": [page("a", "2026-01-02")]})
    assert await compared(sessions, 0, 1) == [
        Change(
            Kind.CHANGED,
            f"https://{DOMAIN}/a",
            f"https://{DOMAIN}/2.xml",
            "2026-01-02T00:00:00Z",
            "2026-01-01T00:00:00Z",
            ("lastmod",),
        )
    ]


async def test_media_that_changed_are_named(sessions: Sessions) -> None:
    """Of what an extension says, the kinds that are other now."""
    image = {"loc": "https://shop.example/i.jpg"}
    await record(sessions, {"1.xml": [page("a", images=(image,))]})
    await record(sessions, {"1.xml": [page("a", images=(image, image), news=({"title": "t"},))]})
    (change,) = await compared(sessions, 0, 1)
    assert change.fields == ("images", "news")


async def test_a_file_read_in_part_takes_nothing_away(sessions: Sessions) -> None:
    """Only what is new is told of it."""
    await record(sessions, {"1.xml": [page("a"), page("b")]})
    await record(sessions, {"1.xml": [page("c")]}, complete=False, statuses={"1.xml": FileStatus.PARTIAL})
    assert [(change.kind, change.url[-1]) for change in await compared(sessions, 0, 1)] == [(Kind.ADDED, "c")]

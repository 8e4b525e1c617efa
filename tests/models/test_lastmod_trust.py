"""What the dates of simulated sites look like in their scans, and how far they are trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from contentmap_cli.models.lastmod.trust import Trust
from contentmap_cli.models.lastmod.trust_counter import ScanTime, TrustCounter, UrlDates, Version
from contentmap_cli.models.sections import Section, SectionCounter

START = datetime(2026, 11, 1, 10, tzinfo=UTC)
Dates = Callable[[int, int], datetime | str | None]
"""From the number of a URL and that of a scan to its date; None: it is not listed."""


def daily(count: int, hours: float = 24) -> list[datetime]:
    return [START + timedelta(hours=hours * number) for number in range(count)]


def old(url: int, spread: int = 7_919) -> datetime:
    """A date of its own in the year before."""
    return START - timedelta(days=20 + url, seconds=url * spread % 86_400)


def judged(
    dates: Dates,
    scans: Sequence[datetime],
    urls: int = 100,
    *,
    coarse: bool = False,
    others: Dates | None = None,
    partial: Sequence[int] = (),
) -> Trust:
    histories, listed = [], []
    for url in range(urls):
        versions: list[Version] = []
        gone = False
        for scan in range(len(scans)):
            said = dates(url, scan)
            if said is None:
                gone = bool(versions)
                continue
            text = said if isinstance(said, str) else f"{said:%Y-%m-%dT%H:%M:%SZ}"
            if coarse:
                text = text[:10] + "T00:00:00Z"
            rest = (others(url, scan) if others else None,)
            if gone or not versions or (versions[-1].lastmod, versions[-1].others) != (text, rest):
                versions.append(Version(scan, text, coarse, rest, gone))
            gone = False
        if versions and not gone:
            histories.append(UrlDates(f"https://a.test/s/{url}", 1, versions))
            listed.append((histories[-1].url, versions[-1].lastmod))
    counter = SectionCounter()
    counter.add(listed)
    top = counter.tree()
    times = [
        ScanTime(at, at + timedelta(minutes=1), number not in partial) for number, at in enumerate(scans)
    ]
    TrustCounter(times).judge(top, histories)
    (section,) = [section for _, section in top.walk() if section.url == "https://a.test/s/"]
    assert section.trust is not None and top.trust == section.trust
    return section.trust


def some_each_night(url: int, scan: int) -> datetime:
    """4 of 100 pages change each night, each at its own minute."""
    last = max((night for night in range(1, scan + 1) if night % 25 == url % 25), default=0)
    return START + timedelta(days=last, hours=-8, minutes=url) if last else old(url)


def news(url: int, scan: int) -> datetime | None:
    """An article each ten minutes, listed for two days; scanned as often."""
    published = START + timedelta(minutes=10 * (url - 80) - 2)
    return published if published <= START + timedelta(minutes=10 * scan) else None


def deployed(url: int, scan: int) -> datetime:
    """One deployment has touched everything before the third scan, once."""
    own = some_each_night(url, scan)
    return max(own, START + timedelta(days=2, hours=-3)) if scan >= 2 else own


HONEST: dict[str, Trust] = {
    "some pages each night": judged(some_each_night, daily(8)),
    "without a time": judged(some_each_night, daily(8), coarse=True),
    "nothing moves": judged(lambda url, scan: old(url), daily(4)),
    "news, scanned each ten minutes": judged(news, daily(300, 1 / 6), 380),
    "all pages each day, each at its own time": judged(
        lambda url, scan: START + timedelta(days=scan, minutes=-url * 14), daily(6)
    ),
    "the priority with the date": judged(
        lambda url, scan: START + timedelta(days=scan, hours=-7, seconds=url),
        daily(5),
        others=lambda url, scan: str(scan),
    ),
}


@pytest.mark.parametrize("site", HONEST)
def test_honest_sites(site: str) -> None:
    """They have a good figure, though some dates are of the minute of a request."""
    trust = HONEST[site]
    assert trust.level == "high", trust
    assert trust.signs["request"] <= 5 and trust.signs["moved"] == 0, trust
    assert "moved from one day of scans to the next" in trust.reason


def test_dates_that_moved_together_once() -> None:
    """One deployment costs little once other dates have followed; URLs that return have not moved."""
    late = judged(deployed, daily(9))
    assert (late.signs["together"], late.level) == (1, "high"), late
    soon = judged(lambda url, scan: deployed(url, min(scan, 2)), daily(5))
    assert (soon.level, soon.signs["together"]) == ("medium", 1) and "the same" in soon.reason, soon
    again = judged(
        lambda url, scan: None if scan % 2 else START + timedelta(days=scan, seconds=-url * 9_000), daily(7)
    )
    assert (again.score, again.signs["together"], again.moved_share) == (None, 0, None)


def test_generated_dates() -> None:
    """Each sign is found, with its counts, and named as the reason."""
    day = timedelta(days=1)
    night = timedelta(hours=-7)
    requests = judged(lambda url, scan: START + scan * day + timedelta(seconds=url % 50), daily(1))
    assert (requests.level, requests.score) == ("low", 0)
    assert requests.reason == "all 100 dates are the time of the request (one scan)"
    days = judged(lambda url, scan: START + scan * day, daily(4), coarse=True)
    assert (days.score, days.signs["request"], days.moved_share) == (0, 100, 1.0)
    assert days.reason == "all 100 dates are the day of the request (scans on 4 days)"
    mixed = judged(lambda url, scan: START + scan * day if url < 30 else old(url), daily(4))
    assert (mixed.score, mixed.level, mixed.signs["request"]) == (70, "medium", 30)
    assert mixed.reason.startswith("30 of 100 dates are the time of the request")
    nightly = judged(lambda url, scan: START + scan * day + night + timedelta(seconds=url), daily(5))
    assert (nightly.score, nightly.signs["moved"], nightly.signs["together"]) == (0, 100, 4)
    assert "moved on nearly every day of scans, and nothing else" in nightly.reason
    # three scans a day of dates that are renewed at night: counted by day
    thrice = judged(lambda url, scan: START + scan // 3 * day + night, daily(15, 8))
    assert (thrice.score, thrice.days, thrice.signs["together"]) == (0, 6, 4)
    weekly = judged(lambda url, scan: START + scan // 3 * 3 * day + night + timedelta(seconds=url), daily(10))
    assert (weekly.signs["together"], weekly.score, weekly.level) == (3, 70, "medium")
    assert weekly.reason.startswith("nearly all of 100 dates moved together on 3 of 9 days of scans")
    equal = judged(lambda url, scan: old(7), daily(1))
    assert (equal.score, equal.signs["equal"]) == (20, 100)
    assert equal.reason == "all 100 dates are the same, 2026-10-04T18:36:07Z (one scan)"
    assert judged(lambda url, scan: old(7), daily(5)).score == 50  # steady: perhaps one deployment
    assert judged(lambda url, scan: old(7) if url > 20 else old(url), daily(1)).score is None
    wrong = judged(lambda url, scan: ("2031-01-01T00:00:00Z", "1970-01-01T00:00:00Z")[url % 2]
                   if url < 40 else old(url), daily(3))  # fmt: skip
    assert (wrong.score, wrong.signs["impossible"]) == (60, 40)
    backwards = judged(lambda url, scan: old(url) - scan * day if url < 5 else old(url), daily(3))
    assert (backwards.level, backwards.signs["backwards"]) == ("high", 10)


def test_too_little_to_judge() -> None:
    """No figure rather than a wrong one: few dates, one scan, scans of two days."""
    few = judged(lambda url, scan: START, daily(5), 3)
    assert (few.score, few.level, few.reason) == (None, None, "only 3 dates to judge")
    one = judged(lambda url, scan: old(url), daily(1))
    assert (one.score, one.reason) == (None, "nothing against 100 dates in one scan; a figure takes 3 days")
    two = judged(lambda url, scan: old(url), daily(6, 4))
    assert two.score is None and "in scans on 2 days" in two.reason
    moved = judged(
        lambda url, scan: START + scan * timedelta(days=1) - timedelta(hours=5, seconds=-url), daily(2)
    )
    assert (moved.score, moved.level) == (50, "medium")  # once, of one time


def test_incomplete_scans_count_where_the_file_was_read() -> None:
    """A scan that did not read everything says nothing about dates that did not move in it."""
    dates: Dates = lambda url, scan: START + timedelta(days=scan // 2 * 2, hours=-7)  # noqa: E731
    odd = [1, 3, 5, 7]
    assert judged(dates, daily(8)).signs["together"] == 3
    assert judged(dates, daily(8)).moved_share == pytest.approx(3 / 7, abs=0.001)
    assert judged(dates, daily(8), partial=odd).moved_share == 1.0
    assert judged(dates, daily(8), partial=range(8)).moved_share == 1.0


def test_sections_are_judged_apart() -> None:
    """A section with folders below it has the dates of all of them; one that was folded those of the rest."""
    top = Section("https://a.test/", sections=[Section("https://a.test/a/", urls=20)], urls=40)
    scans = [ScanTime(at, at, True) for at in daily(4)]
    histories = [
        UrlDates(
            f"https://a.test/{folder}/{url}", 1, [Version(None, f"{old(url):%Y-%m-%dT%H:%M:%SZ}", False, ())]
        )
        for folder in ("a", "b/c")
        for url in range(20)
    ]  # fmt: skip
    TrustCounter(scans).judge(top, histories)
    assert top.trust is not None and top.sections[0].trust is not None
    assert (top.trust.dates, top.sections[0].trust.dates) == (40, 20)

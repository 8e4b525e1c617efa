"""How far the lastmods of a section can be trusted, by what its sitemaps said in the scans. Pure.

Google uses lastmod "if it's consistently and verifiably accurate". Pages are not read here, so nothing proves
that a date is right. What can be seen are signs that dates are generated: they are the time of the request,
move all together although nothing else in the entries changes, or are all the same.

Scans are counted by day (UTC): two scans within an hour say nothing about dates that are renewed at night.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final, NamedTuple

from contentmap_cli.models.lastmod.trust import HIGH, SIGNS, UNKNOWN, Trust
from contentmap_cli.models.sections import Section, above, folder_of

LEAST_DATES: Final = 10
"""Fewer dates get no figure."""
_LEAST_DAYS: Final = 3  # of scans, for a figure without any sign
_NEARLY_ALL: Final = 0.9
_OFTEN: Final = 0.8  # of the days on which a date could move
_NEAR: Final = timedelta(minutes=5)  # clocks differ, and a page of a sitemap may be cached for some minutes
_WEST, _EAST = timedelta(hours=12), timedelta(hours=14)  # time zones: a date may be that of anywhere
_TOMORROW: Final = timedelta(days=1)
_FIRST_YEAR: Final = "1995"
_SAME: Final = 0.8  # equal dates do not distinguish pages, and say little about one
_SAME_BUT_STEADY: Final = 0.5  # such as those of one deployment
_HOUR: Final = len("2026-11-01T10")
_DAY: Final = len("2026-11-01")


class ScanTime(NamedTuple):
    """A scan: the first and last moment of its requests, and whether everything was read or unchanged."""

    begin: datetime
    end: datetime
    complete: bool


class Version(NamedTuple):
    """What an entry said: its date in UTC, and everything else.

    `scan` is the index of the scan that first read it; None for one before the first that is known.
    `returned`: the URL was not listed before.
    """

    scan: int | None
    lastmod: str | None
    coarse: bool  # without a time of day
    others: tuple[Any, ...]
    returned: bool = False


class UrlDates(NamedTuple):
    """The known versions of one entry, the oldest first."""

    url: str
    file_id: int
    versions: Sequence[Version]


@dataclass(slots=True)
class _Tally:
    """Counts of the dates of a section, which add up to those of its parent."""

    dates: Counter[tuple[str, bool]] = field(default_factory=Counter)  # by date and whether it has no time
    since: Counter[int] = field(default_factory=Counter)  # by the day of the first scan that listed it
    extra: Counter[int] = field(default_factory=Counter)  # by day: read, though the scan was incomplete
    moves: Counter[tuple[int, str]] = field(default_factory=Counter)  # by day, and the hour of the new date
    signs: Counter[str] = field(default_factory=Counter)
    chances: int = 0  # to move: dates by days

    def update(self, other: _Tally) -> None:
        self.dates.update(other.dates)
        self.since.update(other.since)
        self.extra.update(other.extra)
        self.moves.update(other.moves)
        self.signs.update(other.signs)
        self.chances += other.chances


class TrustCounter:
    """Judges the dates of URLs by section. `scans` are the known scans, the oldest first."""

    def __init__(self, scans: Sequence[ScanTime]) -> None:
        self._scans = scans
        self._windows = [
            (
                *(_iso(begin - _NEAR), _iso(end + _NEAR)),
                *(_iso(begin - _WEST)[:_DAY], _iso(end + _EAST)[:_DAY]),
            )
            for begin, end, _ in scans
        ]
        self._tomorrow = _iso(scans[-1].end + _TOMORROW) if scans else "a"
        dates = [f"{scan.end:%Y-%m-%d}" for scan in scans]
        names = sorted(set(dates))
        self._day = [names.index(date) for date in dates]
        self._complete = [False] * len(names)
        for day, scan in zip(self._day, scans, strict=True):
            self._complete[day] = self._complete[day] or scan.complete

    def judge(self, top: Section, urls: Sequence[UrlDates]) -> None:
        """Set `trust` of each section of a tree. `urls` are all or some of its URLs."""
        nodes = {section.url: section for _, section in top.walk()}
        tallies: dict[str, _Tally] = {}
        newest: dict[int, int] = {}  # the last scan that wrote an entry of a file
        touched: dict[int, set[int]] = {}  # the days on which a file was surely read
        for url in urls:
            for version in url.versions:
                if version.scan is not None:
                    newest[url.file_id] = max(newest.get(url.file_id, 0), version.scan)
                    touched.setdefault(url.file_id, set()).add(self._day[version.scan])
        for url in urls:
            folder: str | None = folder_of(url.url)
            while folder is not None and folder not in nodes:
                folder = above(folder)
            tally = tallies.setdefault(top.url if folder is None else folder, _Tally())
            self._add(tally, url, newest.get(url.file_id), touched.get(url.file_id, set()))
        self._judge(top, tallies)

    def _judge(self, section: Section, tallies: Mapping[str, _Tally]) -> _Tally:
        whole = tallies.get(section.url) or _Tally()
        for below in section.sections:
            whole.update(self._judge(below, tallies))
        section.trust = self._trust(whole)
        return whole

    def _add(self, tally: _Tally, url: UrlDates, newest: int | None, touched: Iterable[int]) -> None:
        current = url.versions[-1]
        if current.lastmod is None:
            return
        tally.dates[current.lastmod, current.coarse] += 1
        tally.signs["impossible"] += self._is_impossible(current.lastmod)
        start = max(number for number, each in enumerate(url.versions) if each.returned or not number)
        versions = url.versions[start:]
        first = versions[0].scan
        since = 0 if first is None else self._day[first]
        extra = [day for day in touched if day > since and not self._complete[day]]
        chances = sum(self._complete[since + 1 :]) + len(extra)
        moves: dict[int, str] = {}
        for old, new in pairwise(versions):
            if new.scan is None or not new.lastmod or old.lastmod == new.lastmod or old.others != new.others:
                continue
            if (day := self._day[new.scan]) > since:
                moves[day] = new.lastmod[:_HOUR]
            tally.signs["backwards"] += new.lastmod < (old.lastmod or "")
        tally.since[since] += 1
        tally.extra.update(extra)
        tally.moves.update(moves.items())
        tally.chances += chances
        tally.signs["moved"] += chances >= _LEAST_DAYS and len(moves) >= _OFTEN * chances
        if newest is not None and current.scan == newest and self._is_of_request(current):
            again = len(versions) > 1 and self._is_of_request(versions[-2])
            tally.signs["request"] += again and versions[-2].lastmod != current.lastmod
            # a single version proves nothing unless nearly all of the section are like it
            tally.signs["at_request"] += not current.coarse

    def _is_of_request(self, version: Version) -> bool:
        """Return whether a date is that of the scan that read it: its time, or its day anywhere."""
        if version.scan is None or version.lastmod is None:
            return False
        begin, end, first_day, last_day = self._windows[version.scan]
        if version.coarse:
            return first_day <= version.lastmod[:_DAY] <= last_day
        return begin <= version.lastmod <= end

    def _is_impossible(self, lastmod: str) -> bool:
        return lastmod < _FIRST_YEAR or lastmod > self._tomorrow

    def _together(self, tally: _Tally) -> tuple[int, int, bool]:
        """Return on how many days nearly all dates of a section moved to nearly the same time, the number of
        days on which they could, and whether most moves were to nearly the same time as others."""
        totals: Counter[int] = Counter()
        largest: Counter[int] = Counter()
        for (day, _), count in tally.moves.items():
            totals[day] += count
            largest[day] = max(largest[day], count)
        together = days = 0
        present = 0
        for day, complete in enumerate(self._complete):
            there = present if complete else tally.extra[day]
            present += tally.since[day]
            if there >= LEAST_DATES:
                days += 1
                together += totals[day] >= _NEARLY_ALL * there and 2 * largest[day] >= totals[day]
        return together, days, 2 * largest.total() >= totals.total()

    def _trust(self, tally: _Tally) -> Trust:
        dates = tally.dates.total()
        if not dates:
            return UNKNOWN
        together, days, in_company = self._together(tally)
        (date, coarse), equal = tally.dates.most_common(1)[0]
        signs = {name: tally.signs[name] for name in SIGNS} | {"together": together, "equal": equal}
        if tally.signs["at_request"] >= _NEARLY_ALL * dates:
            signs["request"] = max(signs["request"], tally.signs["at_request"])
        if not in_company:  # each at its own time: pages that really change often
            signs["moved"] = 0
        seen = days + 1 if self._scans else 0
        moved_share = round(tally.moves.total() / tally.chances, 4) if tally.chances else None
        if dates < LEAST_DATES:
            few = f"only {_dates(dates)} to judge"
            return Trust(None, few, dates, seen, signs, moved_share)
        steady = coarse or (days >= _LEAST_DAYS and together <= 1)
        nothing_else = "and nothing else in the entries did"
        doubts = [
            (signs["request"] / dates, f"{_of(signs['request'], dates)} the "
             f"{'day' if coarse else 'time'} of the request"),
            (signs["moved"] / dates, f"{_of(signs['moved'], dates, '')} moved on nearly every day of scans, "
             f"{nothing_else}"),
            (together / (days + 1), f"nearly all of {_dates(dates)} moved together on {together} of {days} "
             f"days of scans, {nothing_else}"),
            (equal / dates * (_SAME_BUT_STEADY if steady else _SAME) if equal >= _NEARLY_ALL * dates else 0.0,
             f"{_of(equal, dates)} the same, {date[:_DAY] if coarse else date}"),
            (signs["impossible"] / dates, f"{_of(signs['impossible'], dates)} in the future or before "
             f"{_FIRST_YEAR}"),
        ]  # fmt: skip
        doubt, reason = max(doubts, key=lambda each: each[0])
        score = round(100 * (1 - doubt))
        when = f"scans on {seen} day{'s' if seen != 1 else ''}" if len(self._scans) > 1 else "one scan"
        if score < HIGH:
            return Trust(score, f"{reason} ({when})", dates, seen, signs, moved_share)
        if seen < _LEAST_DAYS:
            least = f"nothing against {_dates(dates)} in {when}; a figure takes {_LEAST_DAYS} days"
            return Trust(None, least, dates, seen, signs, moved_share)
        share = f"{100 * (moved_share or 0):.1f}".removesuffix(".0")
        good = f"{share} % of {_dates(dates)} moved from one day of scans to the next ({when})"
        return Trust(score, f"{good}; {reason}" if doubt >= 0.01 else good, dates, seen, signs, moved_share)


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _dates(count: int) -> str:
    return f"{count:,} date{'s' if count != 1 else ''}"


def _of(count: int, total: int, verb: str = " are") -> str:
    return f"all {_dates(total)}{verb}" if count == total else f"{count:,} of {_dates(total)}{verb}"

"""Rules about lastmod and priority: present, valid and credible."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from contentmap_cli.check.registry import GOOGLE, PROTOCOL, Family, Notes, rule
from contentmap_cli.models import FEED_KINDS, DocumentKind, Entry, Lastmod, Severity
from contentmap_cli.models.findings import CheckedFile, CheckedSite, Rule

_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO
_ACCURACY = f"{GOOGLE}/sitemaps/build-sitemap#additional-notes-about-xml-sitemaps"
_W3C_NOTE = "https://www.w3.org/TR/NOTE-datetime"

MIN_DATES = 10
"""Fewer equal dates prove nothing."""
AHEAD = timedelta(minutes=10)  # clocks differ
DAY_AHEAD = timedelta(hours=14)  # that date has begun in some time zone
JUST_NOW = timedelta(minutes=5)
OLDEST = "1995-01-01"  # the year after the first search engines

LASTMOD_FORMAT = rule(
    "lastmod-format", _W, "lastmod is not a W3C date-time",
    "It was understood; readers that validate ignore it.", _W3C_NOTE,
)  # fmt: skip
LASTMOD_MISSING = rule(
    "lastmod-missing", _I, "no lastmod in the file",
    "Crawlers use it to fetch what changed; without it they have to guess.", f"{PROTOCOL}#lastmoddef",
)  # fmt: skip
LASTMOD_FUTURE = rule(
    "lastmod-future", _E, "lastmod in the future",
    "A page cannot have changed in the future: search engines do not trust the dates of such a file.",
    f"{PROTOCOL}#lastmoddef",
)  # fmt: skip
LASTMOD_ANCIENT = rule(
    "lastmod-ancient", _W, "lastmod before 1995",
    "Usually a date that was never set (1970-01-01 is zero in Unix time).", f"{PROTOCOL}#lastmoddef",
)  # fmt: skip
LASTMOD_EQUAL = rule(
    "lastmod-equal", _W, "same lastmod on every entry",
    "The date of the file or of a deployment, not of the pages: search engines stop using it.",
    _ACCURACY,
)  # fmt: skip
LASTMOD_NOW = rule(
    "lastmod-now", _W, "every lastmod is the time of the request",
    "The generator writes the current time: the date says nothing, and search engines stop using it.",
    _ACCURACY,
)  # fmt: skip
LASTMOD_INDEX = rule(
    "lastmod-index", _W, "lastmod in the index older than the newest entry of the file",
    "Crawlers that rely on the index do not fetch the file and miss new entries.",
    f"{PROTOCOL}#index",
)  # fmt: skip
LASTMOD_TOUCHED = rule(
    "lastmod-touched", _W, "new lastmod in the index for an unchanged file",
    "Compared with the last recorded scan: the date changes without a reason, so it is not trusted.",
    _ACCURACY,
)  # fmt: skip
LASTMOD_STALE = rule(
    "lastmod-stale", _W, "file changed, but not its lastmod in the index",
    "Compared with the last recorded scan: crawlers that rely on the index miss the change.",
    f"{PROTOCOL}#index",
)  # fmt: skip
PRIORITY_EQUAL = rule(
    "priority-equal", _I, "same priority on every entry",
    "A priority only ranks the pages of one site against each other; one value for all says nothing.",
    f"{PROTOCOL}#prioritydef",
)  # fmt: skip

_W3C = re.compile(
    r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}"
    r"(?:(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?(?:Z|[+-][0-9]{2}:[0-9]{2}))?)?)?"
)
_DAILY = frozenset({"day", "month", "year"})


class Dates(Family):
    """Checks lastmod and priority of a whole file."""

    entry_rules: ClassVar[tuple[Rule, ...]] = (
        *(LASTMOD_FORMAT, LASTMOD_MISSING, LASTMOD_FUTURE, LASTMOD_ANCIENT, LASTMOD_EQUAL, LASTMOD_NOW),
        *(LASTMOD_INDEX, PRIORITY_EQUAL),
    )

    def __init__(self, site: CheckedSite, notes: Notes) -> None:
        super().__init__(site, notes)
        self._reset(site.now)

    def _reset(self, now: datetime) -> None:
        now = now.astimezone(UTC)
        self._now = now
        self._today = _text(now)[:10]
        self._just_now = _text(now - JUST_NOW)
        self._latest = _text(now + AHEAD)
        self._latest_day = _text(now + DAY_AHEAD)
        self._seen = self._dated = self._recent = self._prioritized = 0
        self._dates: set[str] = set()
        self._newest: Lastmod | None = None
        self._priorities: set[float] = set()

    def start(self, file: CheckedFile) -> None:
        """Begin a file. Dates are compared with the time at which it was read."""
        self._reset(file.read_at or self.site.now)
        if file.was_changed is not None and file.date_changed is not None:
            if file.date_changed and not file.was_changed:
                self.notes.add(LASTMOD_TOUCHED, file)
            elif file.was_changed and not file.date_changed:
                self.notes.add(LASTMOD_STALE, file)

    def entries(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Check the date of each entry."""
        feed = file.kind in FEED_KINDS
        for entry in entries:
            self._seen += 1
            if entry.priority is not None:
                self._prioritized += 1
                if len(self._priorities) < 2:
                    self._priorities.add(entry.priority)
            lastmod = entry.lastmod
            if lastmod is None or lastmod.utc is None:
                continue
            self._dated += 1
            if not feed and not _W3C.fullmatch(lastmod.text):
                self.notes.add(LASTMOD_FORMAT, file, url=entry.url, value=lastmod.text)
            self._check_date(file, entry.url, lastmod, lastmod.utc)

    def _check_date(self, file: CheckedFile, url: str, lastmod: Lastmod, utc: str) -> None:
        if len(self._dates) < 2:
            self._dates.add(utc)
        daily = lastmod.precision in _DAILY
        if utc > (self._latest_day if daily else self._latest):  # one format, so texts compare like times
            self.notes.add(LASTMOD_FUTURE, file, url=url, value=lastmod.text)
        elif utc < OLDEST:
            self.notes.add(LASTMOD_ANCIENT, file, url=url, value=lastmod.text)
        elif daily:
            self._recent += utc[:10] == self._today
        else:
            self._recent += utc >= self._just_now
        if self._newest is None or utc > (self._newest.utc or ""):
            self._newest = lastmod

    def end(self, file: CheckedFile) -> None:
        """Check what only the whole file shows."""
        add = self.notes.add
        if self._seen and not file.has_lastmod and not self._dated and file.kind is not DocumentKind.TEXT:
            add(LASTMOD_MISSING, file, f"none of {self._seen:,} entries has a lastmod")
        if self._dated >= MIN_DATES:
            same = min(self._dates)
            if self._recent == self._dated:
                add(LASTMOD_NOW, file, f"all {self._dated:,} dates, read at {_text(self._now)}", value=same)
            elif len(self._dates) == 1:
                add(LASTMOD_EQUAL, file, f"all {self._dated:,} dates are {same}", value=same)
        if self._prioritized >= MIN_DATES and self._prioritized == self._seen and len(self._priorities) == 1:
            same = f"{min(self._priorities):g}"
            add(PRIORITY_EQUAL, file, f"all {self._prioritized:,} priorities are {same}", value=same)
        index_date, newest = file.index_lastmod, self._newest
        if index_date is not None and index_date.utc and newest is not None and newest.utc:
            coarse = index_date.precision in _DAILY or newest.precision in _DAILY
            older = index_date.utc[:10] < newest.utc[:10] if coarse else index_date.utc < newest.utc
            if older and newest.utc <= self._latest_day:
                message = f"index: {index_date.text}, newest entry: {newest.text}"
                add(LASTMOD_INDEX, file, message, value=index_date.text)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

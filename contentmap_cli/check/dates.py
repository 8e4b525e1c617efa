"""Rules about lastmod: whether it is there, is a date, and can be believed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from contentmap_cli.check.registry import GOOGLE, PROTOCOL, Family, Notes, rule
from contentmap_cli.models import FEED_KINDS, DocumentKind, Entry, Lastmod, Severity
from contentmap_cli.models.findings import CheckedFile, CheckedSite, Rule

_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO
_HONESTY = f"{GOOGLE}/sitemaps/build-sitemap#additional-notes-about-xml-sitemaps"
_W3C_NOTE = "https://www.w3.org/TR/NOTE-datetime"

FEW = 10
"""Entries below which equal dates prove nothing."""
AHEAD = timedelta(minutes=10)  # clocks differ
DAY_AHEAD = timedelta(hours=14)  # somewhere it is that day already
JUST_NOW = timedelta(minutes=5)
OLDEST = "1995-01-01"  # no page of the web that is still served has not been touched since

LASTMOD_FORMAT = rule(
    "lastmod-format", _W, "lastmod not in W3C date-time format",
    "ContentMap understands it; validating readers ignore it.", _W3C_NOTE,
)  # fmt: skip
LASTMOD_MISSING = rule(
    "lastmod-missing", _I, "no lastmod in the whole file",
    "Crawlers use it to fetch changed pages; without it they have to guess.", f"{PROTOCOL}#lastmoddef",
)  # fmt: skip
LASTMOD_FUTURE = rule(
    "lastmod-future", _E, "a lastmod in the future",
    "A page cannot have changed in the future: search engines ignore the dates of such files.",
    f"{PROTOCOL}#lastmoddef",
)  # fmt: skip
LASTMOD_ANCIENT = rule(
    "lastmod-ancient", _W, "a lastmod from before 1995",
    "Usually a date that was not set (1970-01-01 is zero in Unix time).", f"{PROTOCOL}#lastmoddef",
)  # fmt: skip
LASTMOD_EQUAL = rule(
    "lastmod-equal", _W, "the same lastmod on every entry",
    "Usually the date of the file or a deployment: search engines ignore it.",
    _HONESTY,
)  # fmt: skip
LASTMOD_NOW = rule(
    "lastmod-now", _W, "every lastmod is the time of the request",
    "The generator writes the current time: search engines ignore it.",
    _HONESTY,
)  # fmt: skip
LASTMOD_INDEX = rule(
    "lastmod-index", _W, "an index's lastmod older than its child's newest entry",
    "Crawlers that rely on the index do not fetch the child and miss the changes.",
    f"{PROTOCOL}#index",
)  # fmt: skip
LASTMOD_TOUCHED = rule(
    "lastmod-touched", _W, "a new lastmod in the index for a file that did not change",
    "Compared with the last recorded scan. Search engines ignore dates that change without a change.",
    _HONESTY,
)  # fmt: skip
LASTMOD_STALE = rule(
    "lastmod-stale", _W, "a file that changed while its lastmod in the index did not",
    "Compared with the last recorded scan. Crawlers that rely on the index miss the change.",
    f"{PROTOCOL}#index",
)  # fmt: skip
PRIORITY_EQUAL = rule(
    "priority-equal", _I, "the same priority on every entry",
    "Priorities rank the pages of a site; one value for all has no effect.",
    f"{PROTOCOL}#prioritydef",
)  # fmt: skip

_W3C = re.compile(
    r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}"
    r"(?:(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?(?:Z|[+-][0-9]{2}:[0-9]{2}))?)?)?"
)
_DAILY = frozenset({"day", "month", "year"})


class Dates(Family):
    """lastmod and priority over a whole file."""

    sees: ClassVar[tuple[Rule, ...]] = (
        *(LASTMOD_FORMAT, LASTMOD_MISSING, LASTMOD_FUTURE, LASTMOD_ANCIENT, LASTMOD_EQUAL, LASTMOD_NOW),
        *(LASTMOD_INDEX, PRIORITY_EQUAL),
    )

    def __init__(self, site: CheckedSite, notes: Notes) -> None:
        super().__init__(site, notes)
        self._reset(site.now)

    def _reset(self, now: datetime) -> None:
        now = now.astimezone(UTC)
        self._now = now
        self._latest = _text(now + AHEAD)
        self._latest_day = _text(now + DAY_AHEAD)
        self._seen = self._dated = self._recent = self._ranked = 0
        self._dates: set[str] = set()
        self._newest: Lastmod | None = None
        self._priorities: set[float] = set()

    def start(self, file: CheckedFile) -> None:
        """Starts anew; dates are held against the moment at which the file was read."""
        self._reset(file.read_at or self.site.now)
        if file.was_changed is not None and file.date_changed is not None:
            if file.date_changed and not file.was_changed:
                self.notes.add(LASTMOD_TOUCHED, file, LASTMOD_TOUCHED.what)
            elif file.was_changed and not file.date_changed:
                self.notes.add(LASTMOD_STALE, file, LASTMOD_STALE.what)

    def entries(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Looks at each date."""
        feed = file.kind in FEED_KINDS
        for entry in entries:
            self._seen += 1
            if entry.priority is not None:
                self._ranked += 1
                if len(self._priorities) < 2:
                    self._priorities.add(entry.priority)
            lastmod = entry.lastmod
            if lastmod is None or lastmod.utc is None:
                continue
            self._dated += 1
            if not feed and not _W3C.fullmatch(lastmod.text):
                self.notes.add(LASTMOD_FORMAT, file, LASTMOD_FORMAT.what, example=lastmod.text)
            self._weigh(file, entry.url, lastmod, lastmod.utc)

    def _weigh(self, file: CheckedFile, url: str, lastmod: Lastmod, utc: str) -> None:
        if len(self._dates) < 2:
            self._dates.add(utc)
        daily = lastmod.precision in _DAILY
        if utc > (self._latest_day if daily else self._latest):  # one form, so texts compare as moments do
            self.notes.add(LASTMOD_FUTURE, file, LASTMOD_FUTURE.what, example=f"{url} {lastmod.text}")
        elif utc < OLDEST:
            self.notes.add(LASTMOD_ANCIENT, file, LASTMOD_ANCIENT.what, example=f"{url} {lastmod.text}")
        elif daily:
            self._recent += utc[:10] == _text(self._now)[:10]
        else:
            self._recent += utc >= _text(self._now - JUST_NOW)
        if self._newest is None or utc > (self._newest.utc or ""):
            self._newest = lastmod

    def end(self, file: CheckedFile) -> None:
        """Says what only the whole shows."""
        add = self.notes.add
        if self._seen and not file.has_lastmod and not self._dated and file.kind is not DocumentKind.TEXT:
            add(LASTMOD_MISSING, file, f"none of {self._seen:,} entries has one")
        if self._dated >= FEW:
            if self._recent == self._dated:
                add(LASTMOD_NOW, file, f"all {self._dated:,} dates, read at {_text(self._now)}")
            elif len(self._dates) == 1:
                add(LASTMOD_EQUAL, file, f"all {self._dated:,} dates are {next(iter(self._dates))}")
        if self._ranked >= FEW and self._ranked == self._seen and len(self._priorities) == 1:
            add(PRIORITY_EQUAL, file, f"all {self._ranked:,} are {next(iter(self._priorities)):g}")
        said, newest = file.index_lastmod, self._newest
        if said is not None and said.utc and newest is not None and newest.utc:
            coarse = said.precision in _DAILY or newest.precision in _DAILY
            older = said.utc[:10] < newest.utc[:10] if coarse else said.utc < newest.utc
            if older and newest.utc <= self._latest_day:
                add(LASTMOD_INDEX, file, f"the index says {said.text}, the newest entry {newest.text}")


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

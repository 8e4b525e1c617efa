"""The dates of a page, and whether the lastmod of its entry contradicts them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from contentmap_cli.models import Lastmod
from contentmap_cli.models.pages import PageFacts

MAX_BEFORE: Final = timedelta(days=7)
"""A lastmod may be older than the date of the page by this much: small changes are not counted by all."""

MAX_AFTER: Final = timedelta(days=30)
"""A lastmod may be younger by this much: pages do not always say that they were changed."""

_CLOCKS: Final = timedelta(hours=1)
"""A Last-Modified this near to the time of the answer is that of the answer."""

_OLDEST: Final = datetime(1995, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)
_DAILY: Final = frozenset({"day", "month", "year"})


class Moment(NamedTuple):
    """A date in UTC. `slack` is the time that it leaves open: a day may be in any time zone."""

    utc: datetime
    slack: timedelta = timedelta(0)

    @property
    def end(self) -> datetime:
        """The time at which the date has passed everywhere."""
        return min(self.utc, _LATEST - self.slack) + self.slack


class Contradiction(NamedTuple):
    """The date of a page that a lastmod contradicts."""

    source: str
    text: str


def parse_date(text: str) -> Moment | None:
    """Parse an ISO 8601 or RFC 822 date, with or without a time; None for anything else."""
    text = text.strip()
    is_day = len(text) <= 10
    try:
        moment = datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            try:
                moment, is_day = parsedate_to_datetime(f"{text} 00:00"), True
            except (ValueError, TypeError, IndexError, OverflowError):
                return None
    try:
        utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return Moment(utc, timedelta(hours=36 if is_day else 0))
    except OverflowError:
        return None


def contradiction(facts: PageFacts, lastmod: Lastmod | None) -> Contradiction | None:
    """Return the date of a page that a lastmod contradicts, None if one of its dates agrees.

    The dates in the page count before Last-Modified, which many servers set to the time of the answer or of a
    deployment.
    """
    if lastmod is None or lastmod.utc is None or lastmod.precision in ("month", "year"):
        return None
    listed = Moment(datetime.fromisoformat(lastmod.utc), _slack(lastmod.precision in _DAILY))
    own = facts.head.dates if facts.head is not None else ()
    found = [(source, text, moment) for source, text in own if (moment := _past(text, facts)) is not None]
    if not found and facts.last_modified is not None:
        moment = _past(facts.last_modified, facts)
        answered = parse_date(facts.date or "")
        now = min(answered.utc, facts.asked_at) if answered is not None else facts.asked_at
        if moment is not None and moment.utc < now - _CLOCKS:
            found = [("Last-Modified", facts.last_modified, moment)]
    if not found or any(_agree(listed, moment) for _, _, moment in found):
        return None
    source, text, _ = found[0]
    return Contradiction(source, text)


def _past(text: str, facts: PageFacts) -> Moment | None:
    """Return a date that is neither in the future nor one that was never set, such as 1970-01-01."""
    moment = parse_date(text)
    if moment is None or not _OLDEST < moment.utc < facts.asked_at + timedelta(days=2):
        return None
    return Moment(moment.utc, _slack(bool(moment.slack)))


def _slack(daily: bool) -> timedelta:
    return timedelta(days=1) if daily else timedelta(0)


def _agree(listed: Moment, own: Moment) -> bool:
    slack = max(listed.slack, own.slack)
    return own.utc - MAX_BEFORE - slack <= listed.utc <= own.utc + MAX_AFTER + slack

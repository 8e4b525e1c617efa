"""Build entries: validate URLs, check values, and deliver entries to the sink in batches.

Every reader of a format uses one builder per document. The builder applies the limits and counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import repeat
from typing import NamedTuple, Protocol, cast

from contentmap_cli.models import Attributes, Entry, Lastmod, Limits
from contentmap_cli.models.entry_sink import ColumnSink, EntrySink, PlainEntries
from contentmap_cli.sitemap.dates import USUAL_DATE, is_nonstandard, parse_lastmod
from contentmap_cli.sitemap.problems import ProblemCode, Problems, shorten
from contentmap_cli.sitemap.urls import PLAIN_URL, is_origin, validate_url

CHANGEFREQS = frozenset({"always", "hourly", "daily", "weekly", "monthly", "yearly", "never"})
NUMBER = re.compile(r"\+?(?:[0-9]{1,20}(?:[.,][0-9]{0,20})?|[.,][0-9]{1,20})")
UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff]")
CACHED = 20_000  # distinct dates or priorities that are cached

_new = tuple.__new__
_OWN_FIELDS = 6  # of an Entry, before its extensions


class Extensions(NamedTuple):
    """Images, videos, news and alternates of an entry."""

    images: tuple[Attributes, ...] = ()
    videos: tuple[Attributes, ...] = ()
    news: tuple[Attributes, ...] = ()
    alternates: tuple[Attributes, ...] = ()


NO_EXTENSIONS = Extensions()


class HasSourceLine(Protocol):
    """An lxml element, as far as its line number is concerned."""

    @property
    def sourceline(self) -> int | None: ...


Row = tuple[str, str | None, str | None, str | None, str, Extensions, HasSourceLine]
"""loc, lastmod, changefreq and priority as text; type, extensions and element of the entry."""


@cache
def _is_column_sink(kind: type) -> bool:
    return issubclass(kind, ColumnSink)  # cached: the check of a protocol is slow


class EntryLimitReached(Exception):
    """The file has more entries than `Limits.file_urls_hard`; the rest is not read."""


class EntryBuilder:
    """Makes `Entry` values from the texts of their fields and passes them to the sink in batches."""

    def __init__(
        self,
        sink: EntrySink,
        problems: Problems,
        limits: Limits,
        *,
        base: str | None,
        in_scope: Callable[[str], bool] | None,
    ) -> None:
        self.problems = problems
        self.limits = limits
        self.base = base
        self.entries = 0
        self.plain = 0  # entries delivered by `add_plain`
        self.losses = 0  # entries that may have named a page or sitemap and were not read
        self.has_unknown = False  # the root contains something that is not an entry
        self.next_link: str | None = None  # the next page of a feed, resolved
        self._refused = 0
        self.has_lastmod = False
        self.has_priority = False
        self.has_changefreq = False
        self.cdata_overrun = False  # a CDATA section contains the end tag of its loc
        self._sink = sink
        self.details = limits.details
        takes_columns = not limits.details and _is_column_sink(type(sink))
        self._columns = cast(ColumnSink, sink) if takes_columns else None
        self._in_scope = in_scope
        self._batch: list[Entry] = []
        self._origins: dict[str, bool] = {}
        self._dates: dict[str, Lastmod] = {}
        self._priorities: dict[str, float] = {}
        self._seen: set[int] = set()
        self._duplicates = 0
        self._max_bytes = limits.url_length

    def add(
        self,
        loc: str,
        line: int | None,
        *,
        type_: str = "url",
        lastmod: str | None = None,
        changefreq: str | None = None,
        priority: str | None = None,
        repaired: bool = False,
        extensions: Extensions = NO_EXTENSIONS,
        base: str | None = None,
        relative: bool = False,
    ) -> bool:
        """Add one entry, or record why it is refused and return False.

        `base`, if given, replaces the base URL of the document (xml:base). `relative` says that the format
        allows relative URLs: feeds do (RFC 4287 section 4.2.7.1), sitemaps do not.
        """
        match = PLAIN_URL.fullmatch(loc)
        scope = None
        if match is not None and len(loc) <= self._max_bytes:
            url = loc
            scope = self._scope(match[1], url)
        if scope is None:
            validated = validate_url(loc, base or self.base, self._max_bytes)
            if validated.code is ProblemCode.RELATIVE_URL:  # resolved, not repaired
                if not relative:
                    self.problems.add(validated.code, line, validated.message, url=validated.url)
            elif validated.code is not None:
                self.problems.add(validated.code, line, validated.message, url=validated.url)
                repaired = repaired or validated.url is not None
            if validated.url is None:
                self.cdata_overrun = self.cdata_overrun or "</loc" in loc
                self._refused += 1
                self.losses += not validated.is_no_page
                return False
            url = validated.url
            scope = self._scope(validated.origin, url) or False
        date = None
        if lastmod is not None:
            date = self._dates.get(lastmod) or self._lastmod(lastmod, url, line, in_feed=relative)
        if changefreq is not None and changefreq not in CHANGEFREQS:
            changefreq = self._changefreq(changefreq, url, line)
        number = None
        if priority is not None:
            number = self._priorities.get(priority)
            if number is None:
                number = self._priority(priority, url, line)
        # a third of the cost of Entry(...)
        where = line + self.problems.line_offset if self.details and line is not None else None
        entry: Entry = _new(
            Entry, (url, date, changefreq, number, scope, repaired, *extensions, type_, where)
        )
        self._batch.append(entry)
        return True

    def add_loss(self, code: ProblemCode, line: int | None, message: str) -> None:
        """Record an entry that cannot be read and may have named a page or sitemap."""
        self.problems.add(code, line, message)
        self.losses += 1

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Add each row as `add` does, faster for rows of the usual form."""
        add = self._batch.append
        is_plain, max_bytes = PLAIN_URL.fullmatch, self._max_bytes
        dates, priorities, origins = self._dates, self._priorities, self._origins
        for loc, lastmod, changefreq, priority, type_, extensions, node in rows:
            match = is_plain(loc)
            date = dates.get(lastmod) if lastmod is not None else None
            number = priorities.get(priority) if priority is not None else None
            if (
                match is None
                or len(loc) > max_bytes
                or (number is None and priority is not None)
                or (changefreq is not None and changefreq not in CHANGEFREQS)
            ):
                scope = None
            else:
                scope = origins.get(match[1])
            if scope is None:
                line = node.sourceline
                self.add(
                    loc,
                    line,
                    type_=type_,
                    lastmod=lastmod,
                    changefreq=changefreq,
                    priority=priority,
                    extensions=extensions,
                )
                continue
            if date is None and lastmod is not None:
                if len(lastmod) > 10 and USUAL_DATE.fullmatch(lastmod):
                    date = _new(Lastmod, (lastmod[:19] + "Z", "second", lastmod))
                else:
                    date = self._lastmod(lastmod, loc, node)
            where = (node.sourceline or 0) + self.problems.line_offset if self.details else None
            add(_new(Entry, (loc, date, changefreq, number, scope, False, *extensions, type_, where)))

    @property
    def in_columns(self) -> bool:
        """Whether the sink takes plain entries as columns."""
        return self._columns is not None

    def add_plain(
        self, plain: PlainEntries, extensions: Sequence[Extensions] = (), lines: Sequence[int] = ()
    ) -> bool:
        """Deliver plain entries at once. Return False, having done nothing, if they must be added one by one.

        `extensions` are those of each entry, where the sink takes no columns and any entry has some; `lines`
        theirs, if there are details.
        """
        urls = plain.urls
        count = len(urls)
        self.deliver()
        if self.entries + count > self.limits.file_urls_hard or max(map(len, urls)) > self._max_bytes:
            return False
        scopes = self._scopes(urls)
        scope = scopes.pop()
        if scopes or scope is None:
            return False
        self.has_lastmod = self.has_lastmod or any(plain.seconds) or any(plain.dates)
        self.has_changefreq = self.has_changefreq or any(plain.changefreqs)
        self.has_priority = self.has_priority or any(number is not None for number in plain.priorities)
        self._count_duplicates(urls, lines)
        self.entries += count
        self.plain += count
        if self._columns is not None:
            self._columns.extend_plain(plain, in_scope=scope)
            return True
        entries = plain.entries(in_scope=scope)
        if extensions:
            entries = [
                _new(Entry, (*entry[:_OWN_FIELDS], *more, "url", None))
                for entry, more in zip(entries, extensions, strict=True)
            ]
        if lines:
            entries = [_new(Entry, (*entry[:-1], line)) for entry, line in zip(entries, lines, strict=True)]
        self._sink.extend(entries)
        return True

    def deliver(self) -> None:
        """Pass the entries so far to the sink. Raise `EntryLimitReached` above the limit, refused entries
        included."""
        batch = self._batch
        self._batch = []
        room = self.limits.file_urls_hard - self.entries
        over = len(batch) > room or self._refused > self.limits.file_urls_hard
        del batch[room:]
        if batch:
            self.has_lastmod = self.has_lastmod or any(entry.lastmod is not None for entry in batch)
            self.has_changefreq = self.has_changefreq or any(entry.changefreq is not None for entry in batch)
            self.has_priority = self.has_priority or any(entry.priority is not None for entry in batch)
            self._count_duplicates([entry[0] for entry in batch], [entry[-1] for entry in batch])
            self.entries += len(batch)
            self._sink.extend(batch)
        if over:
            raise EntryLimitReached

    def close(self) -> None:
        """Deliver the remaining entries and record the problems of the file as a whole."""
        try:
            self.deliver()
        finally:
            if self.has_unknown and not (self.entries or self._refused or self.losses):
                self.add_loss(ProblemCode.NOTHING_UNDERSTOOD, None, "the root contains no known entry")
            if self._duplicates:
                self.problems.add(
                    ProblemCode.DUPLICATE_URL, None, "URLs listed more than once", self._duplicates
                )
            if self.entries > self.limits.file_urls:
                message = f"{self.entries} entries, the protocol allows {self.limits.file_urls}"
                self.problems.add(ProblemCode.TOO_MANY_URLS, None, message)

    def _count_duplicates(self, urls: Sequence[str], lines: Sequence[int | None]) -> None:
        """Count repeated URLs, among as many URLs as the protocol allows in a file."""
        counted = urls[: max(0, self.limits.file_urls - self.entries)]
        if self.details:
            for url, line in zip(counted, lines or repeat(None), strict=False):
                if hash(url) in self._seen:
                    where = line - self.problems.line_offset if line is not None else None
                    self.problems.add(ProblemCode.DUPLICATE_URL, where, url, length=self._max_bytes, url=url)
                self._seen.add(hash(url))
            return
        before = len(self._seen)
        self._seen.update(map(hash, counted))
        self._duplicates += len(counted) - (len(self._seen) - before)

    def _lastmod(
        self, text: str, url: str, where: int | HasSourceLine | None, *, in_feed: bool = False
    ) -> Lastmod | None:
        lastmod = parse_lastmod(text)
        line = where if isinstance(where, int) or where is None else where.sourceline
        if lastmod.utc is None:
            if not lastmod.text:
                if self.details and not in_feed:
                    self.problems.add(ProblemCode.EMPTY_LASTMOD, line, "empty lastmod", url=url)
                return None
            self.problems.add(ProblemCode.INVALID_LASTMOD, line, shorten(lastmod.text), url=url)
            return Lastmod(None, None, storable(lastmod.text))
        if is_nonstandard(text, in_feed=in_feed):
            self.problems.add(ProblemCode.LASTMOD_FORMAT, line, shorten(lastmod.text), url=url)
            return lastmod
        if len(self._dates) >= CACHED:
            self._dates.clear()
        self._dates[text] = lastmod
        return lastmod

    def _changefreq(self, text: str, url: str, line: int | None) -> str | None:
        word = text.strip().lower()
        if word in CHANGEFREQS:
            if word != text.strip():
                self.problems.add(ProblemCode.CHANGEFREQ_FORMAT, line, shorten(text.strip()), url=url)
            return word
        if word:
            self.problems.add(ProblemCode.INVALID_CHANGEFREQ, line, shorten(word), url=url)
        return None

    def _priority(self, text: str, url: str, line: int | None) -> float | None:
        word = text.strip()
        if not word:
            return None
        number = float(word.replace(",", ".")) if NUMBER.fullmatch(word) else None
        if number is None or number > 1:
            self.problems.add(ProblemCode.INVALID_PRIORITY, line, shorten(word), url=url)
            return None
        if "," in word:
            self.problems.add(ProblemCode.PRIORITY_FORMAT, line, shorten(word), url=url)
            return number
        if len(self._priorities) >= CACHED:
            self._priorities.clear()
        self._priorities[text] = number
        return number

    def _scopes(self, urls: Sequence[str]) -> set[bool | None]:
        """Return the answers of `in_scope` for plain URLs, one per origin; None for an invalid host."""
        first = PLAIN_URL.fullmatch(urls[0])
        origin = first[1] if first else ""
        if all(map(str.startswith, urls, repeat(f"{origin}/"))):
            origins = {origin: urls[0]}
        else:
            origins = {match[1]: match[0] for url in urls if (match := PLAIN_URL.fullmatch(url))}
        return {self._scope(name, url) for name, url in origins.items()}

    def _scope(self, origin: str, url: str) -> bool | None:
        """Return whether a URL belongs to the target; None if the host of its origin is invalid."""
        answer = self._origins.get(origin)
        if answer is None and (not origin or is_origin(origin)):
            answer = self._in_scope is None or self._in_scope(url)
            if origin and len(self._origins) < CACHED:
                self._origins[origin] = answer
        return answer


def storable(text: str) -> str:
    """Remove what a database could refuse: NUL, other control characters, lone surrogates."""
    return text if text.isprintable() else UNSTORABLE.sub("", text)

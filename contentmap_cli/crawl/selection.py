"""Which sitemap files of a domain are requested: --include, --exclude and --lastmod-after. No I/O."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from fnmatch import translate
from typing import Final, Self
from urllib.parse import urlsplit

from contentmap_cli.crawl.candidate import Candidate
from contentmap_cli.crawl.http.responses import KIND_BYTES, decoded
from contentmap_cli.crawl.known_paths import MAIN_PATHS
from contentmap_cli.errors import UsageError
from contentmap_cli.models import FEED_KINDS, DiscoveryMethod, DocumentKind, Lastmod, RememberedFile
from contentmap_cli.sitemap.document import opening_of

MAX_HELD: Final = 10
"""Files of any name that are requested to find an index, where nothing that the site names is selected."""

_PAGE_LISTS: Final = FEED_KINDS | {DocumentKind.URLSET, DocumentKind.TEXT}
_INDEX_NAME: Final = re.compile(r"(?!index\.(?:php|html?|aspx?|jsp|cgi)\Z).*index", re.IGNORECASE)
_MAIN_PATHS: Final = tuple(f"/{path}" for path in MAIN_PATHS)
_SPANS: Final = {
    "fraction": timedelta(seconds=1),  # which `Lastmod.utc` has not
    "minute": timedelta(minutes=1),
    "day": timedelta(days=1),
}


class Choice(Enum):
    """What a selection says about a URL."""

    READ = "read"  # selected
    PEEK = "peek"  # not selected, but read if it is an index
    HOLD = "hold"  # the same, and requested only if nothing that the site names is selected
    SKIP = "skip"  # not requested


def _pattern(glob: str) -> re.Pattern[str]:
    """Return the expression for a glob of * and ?, which matches up to the end of a URL: from the beginning
    of its path where it begins with a slash, else from the beginning of the URL or behind any slash."""
    start = r"[a-z]+://[^/]*" if glob.startswith("/") else r"(?s:.*/)?"
    return re.compile(start + translate(glob.replace("[", "[[]")))


@dataclass(frozen=True)
class Selection:
    """The sitemap files to request. Without any value all are selected.

    `include` and `exclude` are globs (see `_pattern`). `lastmod_after` applies to the children of an index.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    lastmod_after: datetime | None = None
    _included: tuple[re.Pattern[str], ...] = field(init=False, repr=False, compare=False)
    _excluded: tuple[re.Pattern[str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_included", tuple(map(_pattern, self.include)))
        object.__setattr__(self, "_excluded", tuple(map(_pattern, self.exclude)))

    @classmethod
    def parse(cls, include: Sequence[str], exclude: Sequence[str], lastmod_after: datetime | None) -> Self:
        """Check the patterns of the command line. Raise UsageError for one that is a plain word."""
        for option, globs in (("--include", include), ("--exclude", exclude)):
            for glob in globs:
                if not re.search(r"[*?/.]", glob):
                    raise UsageError(
                        f"{option}: {glob[:80]!r} is compared with whole URLs and file names",
                        hint=f"write {option} '*{glob[:80] or 'products'}*' for every URL that contains it",
                    )
        return cls(tuple(include), tuple(exclude), lastmod_after)

    @property
    def is_all(self) -> bool:
        """Whether every file is selected."""
        return not (self.include or self.exclude or self.lastmod_after)

    def excludes(self, url: str) -> bool:
        """Return whether a file is never requested."""
        return any(pattern.match(url) for pattern in self._excluded)

    def is_old(self, lastmod: Lastmod | None) -> bool:
        """Return whether a child with this lastmod in its index is not requested: the time that it names has
        ended by `lastmod_after`. A day, a month, a year or a minute ends with its last moment."""
        if self.lastmod_after is None or lastmod is None or lastmod.utc is None:
            return False
        try:
            begin = datetime.fromisoformat(lastmod.utc).astimezone(UTC)
            return _end(begin, lastmod.precision) <= self.lastmod_after
        except (ValueError, OverflowError):
            return False

    def choose(self, url: str, method: DiscoveryMethod, kind: DocumentKind | None, *, child: bool) -> Choice:
        """Return what is done about a normalised URL that a source names.

        `kind` is that of an earlier scan. `child`: named by an index, or the next page of a feed.
        """
        if self.is_all or method is DiscoveryMethod.GIVEN:
            return Choice.READ
        if self.excludes(url):
            return Choice.SKIP
        if not self._included or any(pattern.match(url) for pattern in self._included):
            return Choice.READ
        if method is DiscoveryMethod.FEED_LINK:
            return Choice.READ if child else Choice.SKIP
        if kind is not None:
            return Choice.PEEK if kind is DocumentKind.INDEX else Choice.SKIP
        path = urlsplit(url).path
        if _INDEX_NAME.match(path.rpartition("/")[2]) or (not child and path.endswith(_MAIN_PATHS)):
            return Choice.PEEK
        held = method in (DiscoveryMethod.ROBOTS, DiscoveryMethod.HTML_LINK)
        return Choice.HOLD if held else Choice.SKIP

    def __str__(self) -> str:
        parts = [f"--include '{glob}'" for glob in self.include]
        parts += [f"--exclude '{glob}'" for glob in self.exclude]
        if self.lastmod_after is not None:
            parts.append(f"--lastmod-after {self.lastmod_after:%Y-%m-%dT%H:%M:%SZ}")
        return " ".join(parts)


ALL_FILES: Final = Selection()


class SelectedFiles:
    """The choices of one domain.

    `skipped` are the files that are not selected, by URL: True where only the lastmod of an index says so.
    `any_old`: one of these is known to list pages, and counts as unchanged.
    """

    def __init__(self, selection: Selection, remembered: Mapping[str, RememberedFile]) -> None:
        self.selection = selection
        self.skipped: dict[str, bool] = {}
        self.any_old = False
        self._remembered = remembered
        self._held: dict[str, Candidate] = {}
        self._any = False  # a file that a source names is selected

    def choose(self, candidate: Candidate) -> Choice:
        """Return what is done about a candidate with a normalised URL."""
        choice = self.selection.choose(
            candidate.url,
            candidate.discovered_by,
            self._kind(candidate.url),
            child=candidate.parent is not None,
        )
        if choice is Choice.HOLD:
            self._held[candidate.url] = candidate
        given = candidate.discovered_by in (DiscoveryMethod.GIVEN, DiscoveryMethod.KNOWN_PATH)
        self._any = self._any or (choice is Choice.READ and not given)
        return choice

    def skip(self, candidate: Candidate, kind: DocumentKind | None = None, *, old: bool = False) -> bool:
        """Record a file that is not selected, and return whether it ends the search as one that was read
        does: it is known to list pages, or an index names it.

        `kind` is what its beginning shows, None where it was not requested.
        """
        self.skipped[candidate.url] = old
        known = self._remembered.get(candidate.url)
        kind = kind or self._kind(candidate.url)
        if known is not None and known.entries and kind is not DocumentKind.INDEX:
            self.any_old = self.any_old or old
        return kind in (DocumentKind.URLSET, DocumentKind.TEXT) or (
            candidate.discovered_by is DiscoveryMethod.INDEX
        )

    def take_held(self) -> list[Candidate]:
        """Return the files that are held, to be read if they are an index; none if another file is selected.
        The others are recorded as not selected."""
        held = [*self._held.values()]
        self._held.clear()
        wanted = 0 if self._any else MAX_HELD
        for candidate in held[wanted:]:
            self.skip(candidate)
        return [candidate._replace(peek=True) for candidate in held[:wanted]]

    def _kind(self, url: str) -> DocumentKind | None:
        known = self._remembered.get(url)
        return known.kind if known is not None else None


def lists_pages(head: bytes) -> bool | None:
    """Return whether a body that begins with these bytes lists pages (True) or sitemaps (False); None for
    another document, or where more bytes are needed."""
    kind = opening_of(decoded(io.BytesIO(head), KIND_BYTES)).kind
    return True if kind in _PAGE_LISTS else False if kind is DocumentKind.INDEX else None


def _end(begin: datetime, precision: str | None) -> datetime:
    """Return when the time that a date names has ended: the date itself where it has seconds."""
    if precision == "year":
        return begin.replace(year=begin.year + 1)
    if precision == "month":
        return (begin.replace(day=1) + timedelta(days=32)).replace(day=1)
    return begin + _SPANS.get(precision or "", timedelta())

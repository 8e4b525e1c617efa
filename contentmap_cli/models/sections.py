"""The sections of a site: how many URLs are in each folder, and how recent they are. Pure, one pass.

A section is a folder of the URL's path (RFC 3986 section 3.3): `https://example.com/blog/2026/a` is in `/`,
`/blog/` and `/blog/2026/`, and so is `https://example.com/blog/2026/a/`, because many sites end every page
with a slash. Query and fragment do not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from contentmap_cli.models.lastmod.trust import Trust

DEEPEST: Final = 12
"""Deeper folders count as part of their parent."""
_MAX_KEYS: Final = 100_000
_MANY_ORIGINS: Final = 100  # more origins than a hundredth of the keys may be merged
_OUTLIERS: Final = 10  # a tenth of the dates may be before the first period
_UNDATED: Final = ""
_EVERYWHERE: Final = ""
_UNITS: Final = {1: "month", 3: "quarter", 6: "half-year", 12: "year"}


@dataclass(slots=True)
class Section:
    """A folder with everything below it.

    `url` ends in a slash; it is empty for the whole of a domain with several origins, and `own` are then the
    URLs of origins too small to be counted separately. `months` counts the URLs by the month of their lastmod
    (`2026-11`), `newest` is the latest lastmod as ISO 8601 in UTC. `sections` are its subfolders, the largest
    first. `trust` in its dates is None where nobody judged them.
    """

    url: str
    urls: int = 0
    own: int = 0
    newest: str | None = None
    months: Counter[str] = field(default_factory=Counter)
    sections: list[Section] = field(default_factory=list)
    trust: Trust | None = None

    @property
    def undated(self) -> int:
        """The number of URLs without a valid lastmod."""
        return self.urls - self.months.total()

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Section]]:
        """Yield this section and all below it, each with its depth, in pre-order."""
        yield depth, self
        for section in self.sections:
            yield from section.walk(depth + 1)


class SectionCounter:
    """Counts URLs by folder in bounded memory.

    A site may have more folders than fit in memory. Then the smallest are counted as part of their parent,
    and the smallest of very many origins as part of the whole; `folded` is True.
    """

    def __init__(self, max_keys: int = _MAX_KEYS) -> None:
        self._max_keys = self._max_sections = max_keys
        self._counts: Counter[tuple[str, str]] = Counter()  # (folder, month)
        self._newest: dict[str, str] = {}
        self._folders: dict[str, str] = {}  # by the URL without its last part
        self.folded = False

    def add(self, rows: Iterable[tuple[str, str | None, *tuple[object, ...]]]) -> None:
        """Count URLs, each with its lastmod as ISO 8601 text in UTC; further values are ignored."""
        newest, folders = self._newest, self._folders
        keys = []
        for row in rows:
            url, lastmod = row[0], row[1]
            head, _, page = url.rpartition("/")
            plain = page and "?" not in url and "#" not in url
            folder = folders.get(head) if plain else None
            if folder is None:
                folder = folder_of(url)
                if plain and len(folder) == len(head) + 1:  # so it is for all pages below the same head
                    folders[head] = folder
            keys.append((folder, lastmod[:7] if lastmod else _UNDATED))
            if lastmod and lastmod > newest.get(folder, ""):
                newest[folder] = lastmod
        self._counts.update(keys)
        if len(folders) > self._max_sections:
            folders.clear()
        if len(self._counts) > self._max_keys:
            self._fold(self._max_keys // 2)

    def tree(self) -> Section:
        """Return the whole site. If there is only one origin, the root is its `/`."""
        limit = len(self._counts)
        while limit and self._has_too_many_sections():
            limit //= 2
            self._fold(limit)
        top = Section("")
        nodes = {_EVERYWHERE: top}
        for (folder, month), count in self._counts.items():
            section = _node(folder, nodes, top)
            section.own += count
            if month:
                section.months[month] += count
        for folder, newest in self._newest.items():
            section = _node(folder, nodes, top)
            section.newest = max(section.newest or "", newest)
        _sum_up(top)
        return top.sections[0] if len(top.sections) == 1 and not top.own else top

    def _has_too_many_sections(self) -> bool:
        """Return whether the folders, with those that only contain others, exceed the limit."""
        seen: set[str] = set()
        for folder, _ in self._counts:
            each: str | None = folder
            while each and each not in seen:
                seen.add(each)
                each = above(each)
            if len(seen) > self._max_sections:
                return True
        return False

    def _fold(self, limit: int) -> None:
        """Merge the smallest folders into their parents until at most `limit` keys are left."""
        self.folded = True
        least = 2
        origins = sum(above(folder) is None for folder in {folder for folder, _ in self._counts})
        many = origins > max(1, self._max_keys // _MANY_ORIGINS)
        while len(self._counts) > limit:
            sizes: Counter[str] = Counter()
            for (folder, _), count in self._counts.items():
                sizes[folder] += count
            moved = {
                folder: parent or _EVERYWHERE
                for folder, size in sizes.items()
                if size < least and folder and ((parent := above(folder)) or many)
            }
            if not moved:  # the smallest are merged as far as possible: go on with the next size
                if least > sizes.total():
                    if many or len(sizes) == 1:
                        break  # only months are left
                    many = True
                least *= 2
                continue
            folded: Counter[tuple[str, str]] = Counter()
            for (folder, month), count in self._counts.items():
                folded[moved.get(folder, folder), month] += count
            self._counts = folded
            for folder, target in moved.items():
                newest = self._newest.pop(folder, None)
                if newest is not None:
                    self._newest[target] = max(self._newest.get(target, ""), newest)
        # do not try again before the size has doubled
        self._max_keys = max(self._max_keys, 2 * len(self._counts))


def folder_of(url: str) -> str:
    """Return the folder of a URL, with a slash at its end: `https://a.test/b/c/?d` is in
    `https://a.test/b/`."""
    path = url.partition("#")[0].partition("?")[0]
    start = path.find("://") + 3
    root = path.find("/", start)
    if root < 0:
        return f"{path}/"
    if path.endswith("/") and len(path) > root + 1:
        path = path[:-1]
    if path.count("/", root) > DEEPEST:
        return "/".join(path[root:].split("/", DEEPEST + 1)[: DEEPEST + 1]).join((path[:root], "/"))
    return path[: path.rindex("/") + 1]


def above(folder: str) -> str | None:
    """Return the parent of a folder; None for an origin's `/`."""
    end = folder.rfind("/", 0, -1)
    return folder[: end + 1] if end > folder.find("://") + 2 else None


def _node(folder: str, nodes: dict[str, Section], top: Section) -> Section:
    section = nodes.get(folder)
    if section is None:
        section = nodes[folder] = Section(folder)
        parent = above(folder)
        (_node(parent, nodes, top) if parent is not None else top).sections.append(section)
    return section


def _sum_up(section: Section) -> None:
    """Add the counts of subfolders to each folder, bottom-up; a tree is at most `DEEPEST` deep."""
    section.urls = section.own
    for below in section.sections:
        _sum_up(below)
        section.urls += below.urls
        section.months.update(below.months)
        section.newest = max(section.newest or "", below.newest or "") or None
    section.sections.sort(key=lambda below: (-below.urls, below.url))


@dataclass(frozen=True, slots=True)
class HiddenSections:
    """The number of subfolders that are too small to be shown, and of their URLs."""

    sections: int
    urls: int


def split_by_size(section: Section, least: int) -> tuple[Sequence[Section], HiddenSections]:
    """Return the subfolders with at least `least` URLs, and the sums of the others."""
    large = [below for below in section.sections if below.urls >= least]
    small = section.sections[len(large) :]
    return large, HiddenSections(len(small), sum(below.urls for below in small))


class Periods:
    """`count` equal periods of whole months; the last period ends with the month `last`.

    They reach back to the oldest date, as far as that needs at most 120 months per period. A few much older
    dates do not extend them. `older` and `later` say whether there are dates outside.
    """

    def __init__(self, months: Mapping[str, int], last: str, count: int = 12) -> None:
        end = _index(last)
        past = sorted((index, urls) for month, urls in months.items() if (index := _index(month)) <= end)
        spared = sum(urls for _, urls in past) // _OUTLIERS
        begin = end
        for index, urls in past:
            if urls > spared:
                begin = index
                break
            spared -= urls
        span = end - begin + 1
        self.step = next((step for step in (1, 3, 6, 12, 24, 60) if span <= step * count), 120)
        self._end, self._count = end, count
        self.older = bool(past) and past[0][0] <= end - self.step * count
        self.later = any(_index(month) > end for month in months)

    def counts(self, months: Mapping[str, int]) -> list[int]:
        """Return the number of URLs in each period, the oldest first; dates outside count at the nearer
        end."""
        found = [0] * self._count
        for month, count in months.items():
            back = max(self._end - _index(month), 0) // self.step
            found[self._count - 1 - min(back, self._count - 1)] += count
        return found

    @property
    def unit(self) -> str:
        """The name of a period: `month`, `quarter`, `half-year`, `year`, `5 years`."""
        return _UNITS.get(self.step, f"{self.step // 12} years")

    @property
    def labels(self) -> list[str]:
        """The first month of each period, such as `2026-09`."""
        first = self._end - self._count * self.step + 1
        return [_month(first + place * self.step) for place in range(self._count)]

    @property
    def last(self) -> str:
        """The last month of the last period."""
        return _month(self._end)


def _index(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:7]) - 1


def _month(index: int) -> str:
    return f"{index // 12:04d}-{index % 12 + 1:02d}"

"""The removal rule as a slow model: what a scan must and may conclude, and how its answer breaks the rule.

`Rule.expect` considers every way in which a careful reader could take the night (the scan is whole or not, a
file is read, read in part or not asked for) and keeps for each file what is listed in all of them (`low`) and
in any of them (`high`). `violations` compares that with what a scan recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from site_damages import Active, Where
from site_model import Site, Style

NIGHTS_UNNAMED = 7
"""Whole scans in a row that do not name a file that is still there. The last of them or the next drops it."""

CLEAN = frozenset({"ok", "empty"})
NOT_CLEAN = frozenset({"partial", "failed", "deferred"})
UNRECORDED = frozenset({"failed", "deferred"})
"""Outcomes of a scan that recorded nothing, and may count 0 URLs though more are listed."""


class Fault(StrEnum):
    """How a scan can break the rule."""

    FALSE_REMOVAL = "false removal"
    MISSED_REMOVAL = "missed removal"
    WRONG_EMPTY = "wrong empty"
    WRONG_OK = "wrong ok"
    FALSE_ADDED = "false added"
    MISSED_ADDED = "missed added"
    WRONG_COUNT = "wrong count"
    WRONG_FAILURE = "wrong failure"  # though everything was read whole, or by a bug


class Violation(NamedTuple):
    """One way in which a night broke the rule, with what shows it."""

    fault: Fault
    text: str


class Recorded(NamedTuple):
    """What the scan said of a domain."""

    outcome: str
    urls: int
    added: int
    removed: int
    code: str | None = None


@dataclass
class Known:
    """What the model knows of a file: bounds of the URLs that are recorded for it.

    `asked` is True where a later scan has to ask for the file though nothing names it, False where it is
    unknown, None where that depends on the reader. `unnamed` bounds the whole scans in a row that did not
    name it.
    """

    low: set[str] = field(default_factory=set)
    high: set[str] = field(default_factory=set)
    asked: bool | None = False
    unnamed: tuple[int, int] = (0, 0)


class Read(NamedTuple):
    """One way in which a file can end: the bounds of the URLs read from it, and whether it is not there.

    `low` is None where nothing was learned of the file: it was refused, or not asked for.
    """

    low: frozenset[str] | None
    high: frozenset[str] = frozenset()
    gone: bool = False
    needs_part: bool = False  # impossible in a whole scan


UNREAD = Read(None, needs_part=True)
NOT_ASKED = Read(None)
GONE = Read(frozenset(), gone=True)


@dataclass(frozen=True)
class Expected:
    """The bounds of what is listed after a scan, and the outcomes that it may have."""

    low: frozenset[str]
    high: frozenset[str]
    outcomes: frozenset[str]
    whole: frozenset[bool]


class Rule:
    """What one site's scans may have recorded so far. One `expect` and one `settle` for each night."""

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}
        self.stray: set[str] = set()  # listed though no bound allows it
        self.before: frozenset[str] = frozenset()

    def expect(self, site: Site, active: Sequence[Active]) -> Expected:
        """Return what a scan of this night must conclude, and remember it."""
        whole = self._whole(site, active)
        named = set(site.named())
        for path in {*site.files, *site.gone, *named} - self.known.keys():
            self.known[path] = Known()
        unasked = {path for path, known in self.known.items() if not known.asked and path not in named}
        for path, known in self.known.items():
            reads = list(self._reads(site, active, path, named))
            self._count_unnamed(known, path in named, whole, active)
            known.low, known.high = _listed(known, reads, whole)
            known.asked = _asked(known, reads, whole)
        if whole == {True}:
            self.stray = set()
        low = frozenset().union(*(known.low for known in self.known.values()))
        high = frozenset(self.stray).union(*(known.high for known in self.known.values()))
        return Expected(low, high, _outcomes(site, active, whole, low, high, unasked), whole)

    def settle(self, after: frozenset[str]) -> None:
        """Take what is listed now as given, so that one wrong conclusion is reported once."""
        for known in self.known.values():
            if not known.low <= after:  # what was removed by mistake may be forgotten as well
                known.asked = None
            known.low &= after
            known.high &= after
        self.stray = set(after).difference(*(known.high for known in self.known.values()))
        self.before = after

    def _whole(self, site: Site, active: Iterable[Active]) -> frozenset[bool]:
        """Whether the scan can be whole: each source that it asks is read whole, or is not there."""
        possible = {True}
        for each in active:
            whole = each.damage.whole
            if each.damage.where is Where.FILE:
                known = self.known.get(each.path or "", Known())
                asked = each.path in site.named() or known.asked is True
                if not asked or _dated(site):
                    whole = None
            if whole is False:
                return frozenset({False})
            possible.add(False)
        return frozenset(possible)

    def _reads(self, site: Site, active: Sequence[Active], path: str, named: set[str]) -> Iterator[Read]:
        """Every way in which a file can end tonight."""
        known = self.known[path]
        if path not in named and known.asked is False:
            return
        hidden = any(_hides(site, each, path) for each in active)
        if known.asked is not True and (hidden or path not in named):
            yield NOT_ASKED
        elif hidden:  # a reader that takes a damaged source for whole still has to ask for what it knows
            yield UNREAD
        damaged = [each.damage for each in active if each.path == path or each.damage.where is Where.SITE]
        if damaged:
            yield UNREAD
            if _dated(site):
                yield NOT_ASKED
        if any(damage.where is Where.SITE for damage in damaged):
            return
        listed = frozenset(site.files[path].urls) if path in site.files else frozenset()
        if any(damage.part for damage in damaged):
            yield Read(frozenset(), listed, needs_part=True)
        if all(damage.whole is None for damage in damaged):
            yield Read(listed, listed) if path in site.files else GONE

    @staticmethod
    def _count_unnamed(known: Known, named: bool, whole: frozenset[bool], active: Sequence[Active]) -> None:
        low, high = known.unnamed
        if named and not active:
            known.unnamed = (0, 0)
        elif whole == {True}:
            known.unnamed = (low + 1, high + 1) if not named else (0, 0)
        else:  # whether a scan that was not whole interrupts the row is left open
            known.unnamed = (0, high + (True in whole))


def _dated(site: Site) -> bool:
    """Whether the site's indexes say that a file did not change, so that it need not be asked for."""
    return site.with_lastmod


def _hides(site: Site, each: Active, path: str) -> bool:
    """Whether a damage can keep the reader from learning of a file, or from asking for it."""
    damage = each.damage
    if damage.where is Where.INDEX:
        return path in site.below(each.path or "")
    if damage.where is Where.ROBOTS:  # one that is taken for whole hides only what it names
        return site.style is Style.ROBOTS or damage.whole is False
    return damage.where is Where.HOME and site.style is Style.HOME_PAGE


def _listed(known: Known, reads: Iterable[Read], whole: Iterable[bool]) -> tuple[set[str], set[str]]:
    """The bounds of what is recorded for a file after the night."""
    bounds: list[tuple[set[str], set[str]]] = []
    for read in reads:
        for scan in whole:
            if scan and read.needs_part:
                continue
            if read.low is None:
                bounds.append((known.low, known.high))
            elif scan:
                bounds.append((set(read.low), set(read.high)))
            else:
                bounds.append((known.low | read.low, known.high | read.high))
    if known.unnamed[1] >= NIGHTS_UNNAMED and True in whole:
        if known.unnamed[0] > NIGHTS_UNNAMED:
            bounds.clear()
        bounds.append((set(), set()))
    if not bounds:  # unknown and not named
        return known.low, known.high
    return set.intersection(*(low for low, _ in bounds)), set.union(*(high for _, high in bounds))


def _asked(known: Known, reads: Sequence[Read], whole: frozenset[bool]) -> bool | None:
    """Whether later scans have to ask for a file that nothing names."""
    if known.unnamed[1] >= NIGHTS_UNNAMED:
        return None
    if not reads:
        return known.asked
    if all(read.gone for read in reads):
        return None if True in whole and known.asked else known.asked
    if any(read.low is None for read in reads):
        return known.asked or None  # one that was asked for in vain may be remembered
    return True


def _outcomes(
    site: Site,
    active: Sequence[Active],
    whole: frozenset[bool],
    low: frozenset[str],
    high: frozenset[str],
    unasked: Collection[str],
) -> frozenset[str]:
    """The outcomes that the night may have."""
    if True not in whole:
        return NOT_CLEAN
    named = site.named()
    missing = [path for path in named if path not in site.files]
    if whole == {True} and not active and not missing:
        noise = any(file.noise for file in site.files.values())
        full = all(file.urls for file in site.files.values()) and all(
            map(site.indexes.get, site.named_indexes())
        )
        if named and low and full and not noise:
            return frozenset({"ok"})
        if not site.roots and not high and not site.files:
            return frozenset({"empty"})
    found = set(NOT_CLEAN)
    # a file that is named and not there is seen, unless the source that names it is damaged or a home page
    missing = [path for path in missing if not any(_hides(site, each, path) for each in active)]
    if site.style is Style.HOME_PAGE:
        missing = [path for path in missing if path not in site.roots]
    if high and not missing and all(_may_be_clean(site, each, unasked) for each in active):
        found.add("ok")
    if (
        not low
        and not missing
        and (all(_may_be_unseen(site, each, unasked) for each in active) if active else not site.roots)
    ):
        found.add("empty")
    return frozenset(found)


def _may_be_clean(site: Site, each: Active, unasked: Collection[str]) -> bool:
    """Whether `ok` is right in spite of a damage."""
    if each.damage.where is Where.FILE and (_dated(site) or each.path in unasked):
        return True
    if each.damage.name == "index 404":  # only robots.txt and an index say that a file must be there
        return site.style is not Style.ROBOTS and each.path in site.roots
    return each.damage.clean


def _may_be_unseen(site: Site, each: Active, unasked: Collection[str]) -> bool:
    """Whether `empty` is right in spite of a damage, where nothing was known."""
    if each.damage.name == "index 404":
        return _may_be_clean(site, each, unasked)
    harmless = each.damage.clean or each.path in unasked
    return each.damage.unseen or (harmless and not site.roots)


def violations(
    expected: Expected, before: frozenset[str], after: frozenset[str], recorded: Recorded
) -> list[Violation]:
    """Return how a night broke the rule; `before` and `after` are the URLs that are listed."""
    found: list[Violation] = []

    def report(fault: Fault, urls: Iterable[str] = (), text: str = "") -> None:
        listed = sorted(urls)
        if listed or text:
            found.append(Violation(fault, text or f"{len(listed)} URLs, {', '.join(listed[:3])}"))

    report(Fault.FALSE_REMOVAL, (expected.low & before) - after)
    report(Fault.MISSED_REMOVAL, (before - expected.high) & after)
    report(Fault.FALSE_ADDED, after - before - expected.high)
    report(Fault.MISSED_ADDED, expected.low - before - after)
    urls = len(after) if recorded.outcome in UNRECORDED and not recorded.urls else recorded.urls
    counted = (urls, recorded.added, recorded.removed)
    listed = (len(after), len(after - before), len(before - after))
    if recorded.added > listed[1]:
        report(Fault.FALSE_ADDED, text=f"counted {recorded.added}, listed {listed[1]} more")
    elif counted != listed:
        report(Fault.WRONG_COUNT, text=f"urls, added, removed: counted {counted}, listed {listed}")
    outcome = recorded.outcome
    allowed = outcome in expected.outcomes
    said = f"{outcome} {recorded.code or ''}".strip() + f", allowed: {', '.join(sorted(expected.outcomes))}"
    if outcome == "empty" and (not allowed or after):
        report(Fault.WRONG_EMPTY, text=said + (f"; {len(after)} URLs are listed" if after else ""))
    elif outcome == "ok" and (not allowed or not after):
        report(Fault.WRONG_OK, text=said + ("" if after else "; nothing is listed"))
    elif not allowed or recorded.code == "internal_error":
        report(Fault.WRONG_FAILURE, text=said)
    return found

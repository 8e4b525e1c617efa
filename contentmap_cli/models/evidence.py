"""The outcome of a scan, derived from how each source of the domain ended. Pure.

    sources (+ limits, deferral, the domain's own failure) -> Conclusion(status, removals, failure)

A source is a robots.txt, a home page, the group of known paths, or a sitemap file. `conclude` is the only
function that decides on an outcome, and on whether URLs may be called removed. docs/outcomes.md has its
table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from contentmap_cli.errors import Code, Failure
from contentmap_cli.models.statuses import ScanStatus


class SourceKind(StrEnum):
    """What a source is."""

    ROBOTS = "robots"  # robots.txt of one origin
    HOME_PAGE = "home_page"  # the page that is searched for links
    KNOWN_PATHS = "known_paths"  # the well-known paths, as one group
    SITEMAP = "sitemap"  # one sitemap file, index or feed
    SELECTION = "selection"  # the sitemap files that the user did not select, as one group


class SourceState(StrEnum):
    """How the request for a source ended, as far as it is evidence."""

    WHOLE = "whole"  # read whole
    PARTIAL = "partial"  # read in part: entries or children refused, cut off, a limit
    ABSENT = "absent"  # 404 or 410
    REFUSED = "refused"  # 401, 403, 407, 429, 451, a challenge or login page whatever its status
    DISALLOWED = "disallowed"  # robots.txt forbids asking for it
    UNREACHABLE = "unreachable"  # 5xx, a timeout, TLS, DNS, a connection that failed
    ELSEWHERE = "elsewhere"  # redirected to another site
    NOT_UNDERSTOOD = "not_understood"  # answered with something else, such as an HTML page
    NOT_SELECTED = "not_selected"  # not requested, or not read on: --include, --exclude, --lastmod-after

    @property
    def is_proof(self) -> bool:
        """Whether it is known what the source lists: all of it was read, or it does not exist. What is not
        selected takes no part."""
        return self in (SourceState.WHOLE, SourceState.ABSENT, SourceState.NOT_SELECTED)


class Source(NamedTuple):
    """One source and how it ended.

    `failure` says why it is not `whole`; its code is the domain's where this source decides the outcome.
    `named`: the user, robots.txt or an index says that it exists. `entries`: how many pages and sitemaps it
    lists, as read in this scan or, where it did not change, in the scan that read it; of a selection, how
    many files are not selected.
    """

    kind: SourceKind
    url: str
    state: SourceState
    failure: Failure | None = None
    named: bool = False
    entries: int = 0


class Conclusion(NamedTuple):
    """The conclusion of a scan: the outcome, whether URLs that were not seen count as removed, and the
    failure that explains an outcome other than `ok` and `empty`."""

    status: ScanStatus
    removals: bool
    failure: Failure | None = None


# the order in which failures explain an outcome: by state, then by kind of source
_STATES = (
    SourceState.ELSEWHERE,
    SourceState.DISALLOWED,
    SourceState.REFUSED,
    SourceState.UNREACHABLE,
    SourceState.NOT_UNDERSTOOD,
    SourceState.PARTIAL,
    SourceState.ABSENT,
)
_KINDS = (SourceKind.ROBOTS, SourceKind.SITEMAP, SourceKind.HOME_PAGE, SourceKind.KNOWN_PATHS)


def conclude(
    sources: Sequence[Source],
    *,
    error: Failure | None = None,
    limits: Sequence[Failure] = (),
    deferred: bool = False,
    listed: bool = False,
) -> Conclusion:
    """Return what a domain's sources prove.

    `error` is the domain's own failure (no origin answers, for example), `limits` are the limits that were
    reached, and `deferred` says that the site asked to retry later than the run lasts. `listed`: a file that
    is not selected because it is too old lists pages.

    * `ok`: something is listed, and every source was read whole; none that is named is absent.
    * `empty`: no sitemap was read, and every source was read whole or is absent.
    * `partial`: a sitemap was read, and one of the conditions of `ok` does not hold.
    * `failed`: no sitemap was read, and it is not proven that there is none; or none is selected.
    * `deferred`: as `partial` or `failed`, because the site asked to retry later.

    Removals are proven if every source was read whole or is absent, without a limit, deferral or failure.
    Sources that are not selected prove nothing and prevent nothing: what they list stays as it is.
    """
    skipped = next((source.failure for source in sources if source.state is SourceState.NOT_SELECTED), None)
    unproven = [source for source in sources if not source.state.is_proof]
    missing = [source for source in sources if source.named and source.state is SourceState.ABSENT]
    cut_short = error is not None or bool(limits) or deferred
    removals = not unproven and not cut_short
    failure = error or next(iter(limits), None) or _reason([*unproven, *missing])
    read = [
        source
        for source in sources
        if source.kind is SourceKind.SITEMAP and source.state in (SourceState.WHOLE, SourceState.PARTIAL)
    ]
    if any(source.entries or source.state is SourceState.WHOLE for source in read):
        if deferred and error is None and not limits:
            return Conclusion(ScanStatus.DEFERRED, removals, failure)
        if unproven or missing or cut_short:
            return Conclusion(ScanStatus.PARTIAL, removals, failure)
        if listed or any(source.entries for source in read):
            return Conclusion(ScanStatus.OK, removals)
        if skipped is not None:
            return Conclusion(ScanStatus.FAILED, removals, skipped)
        names = read[0].url if len(read) == 1 else f"{len(read)} files"
        return Conclusion(ScanStatus.PARTIAL, removals, Failure(Code.NO_URLS, f"no URLs in {names}"))
    if deferred:
        return Conclusion(ScanStatus.DEFERRED, removals, failure)
    if unproven or missing or cut_short:
        return Conclusion(ScanStatus.FAILED, removals, failure)
    if skipped is not None:
        return Conclusion(ScanStatus.FAILED, removals, skipped)
    return Conclusion(ScanStatus.EMPTY, removals)


def _reason(sources: Iterable[Source]) -> Failure | None:
    """Return the failure of the source that explains most."""
    order = sorted(
        sources, key=lambda source: (_STATES.index(source.state), _KINDS.index(source.kind))
    )  # stable: the first of equal ones
    return next((source.failure for source in order if source.failure is not None), None)


SHOWN_SOURCES = 20
"""Sitemap files without proof that are recorded with a scan; the files themselves have a row each."""


def worth_recording(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Return the evidence that is recorded with a scan.

    It has every robots.txt, home page and group of known paths, and the first `SHOWN_SOURCES` sitemap files
    that prove nothing or are missing.
    """
    files = [
        source
        for source in sources
        if source.kind is SourceKind.SITEMAP and source.state is not SourceState.WHOLE
    ]
    others = [source for source in sources if source.kind is not SourceKind.SITEMAP][:SHOWN_SOURCES]
    return tuple(
        source._replace(failure=None) if source.state.is_proof and not source.named else source
        for source in (*others, *files[:SHOWN_SOURCES])
    )

"""What follows from how a domain's sources ended: every combination, against the rules as docs/outcomes.md
has them."""

from __future__ import annotations

from itertools import product

import pytest

from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import ScanStatus
from contentmap_cli.models.evidence import (
    SHOWN_SOURCES,
    Source,
    SourceKind,
    SourceState,
    conclude,
    worth_recording,
)

WHOLE, PARTIAL, ABSENT = SourceState.WHOLE, SourceState.PARTIAL, SourceState.ABSENT
SKIPPED = SourceState.NOT_SELECTED
STATES = tuple(each for each in SourceState if each is not SKIPPED)
ROBOTS, HOME, PATHS, SITEMAP, SELECTION = SourceKind


def source(kind: SourceKind, state: SourceState, *, named: bool = False, entries: int = 0) -> Source:
    failure = None if state is WHOLE else Failure(f"{kind}_{state}", "")
    return Source(kind, f"https://site.test/{kind}", state, failure, named, entries)


@pytest.mark.parametrize("robots", STATES)
def test_sites_with_one_sitemap(robots: SourceState) -> None:
    """Every state of robots.txt beside every state of a file, named or not, that lists something or
    nothing."""
    for state, named, entries in product(STATES, (True, False), (0, 5)):
        if entries and state not in (WHOLE, PARTIAL):
            continue
        found = conclude([source(ROBOTS, robots), source(SITEMAP, state, named=named, entries=entries)])
        proven = robots in (WHOLE, ABSENT) and state in (WHOLE, ABSENT)
        assert found.removals is proven
        if entries:
            expected = ScanStatus.OK if proven else ScanStatus.PARTIAL
        elif state is WHOLE:
            expected = ScanStatus.PARTIAL  # it lists nothing
        elif proven and not named:
            expected = ScanStatus.EMPTY
        else:
            expected = ScanStatus.FAILED
        assert found.status is expected, (robots, state, named, entries)
        assert (found.failure is None) is found.status.clean


@pytest.mark.parametrize("robots", STATES)
def test_sites_without_a_sitemap(robots: SourceState) -> None:
    """Empty is proven by three sources, each read whole or absent; any other state of any of them is a
    failure with its reason."""
    for home, paths in product(STATES, STATES):
        found = conclude([source(ROBOTS, robots), source(HOME, home), source(PATHS, paths)])
        proven = {robots, home, paths} <= {WHOLE, ABSENT}
        assert found.status is (ScanStatus.EMPTY if proven else ScanStatus.FAILED)
        assert found.removals is proven
        assert (found.failure is None) is proven


def test_a_named_file_that_is_absent_blocks_no_removal() -> None:
    """404 is a statement: the scan is partial, since what is named should be there, and may remove."""
    dead = source(SITEMAP, ABSENT, named=True)
    found = conclude([source(ROBOTS, WHOLE), dead, source(SITEMAP, WHOLE, entries=3)])
    assert found == (ScanStatus.PARTIAL, True, dead.failure)


@pytest.mark.parametrize("cut", ["error", "limits", "deferred"])
def test_a_scan_that_was_cut_short_proves_nothing(cut: str) -> None:
    """A limit, a site that asks for time, a failure of its own: nothing is empty, nothing is removed."""
    failure = Failure("deadline", "")
    options = {
        "error": {"error": failure},
        "limits": {"limits": [failure]},
        "deferred": {"deferred": True},
    }[cut]
    listed = [source(ROBOTS, WHOLE), source(SITEMAP, WHOLE, entries=3)]
    rest = ScanStatus.DEFERRED if cut == "deferred" else ScanStatus.PARTIAL
    assert conclude(listed, **options)[:2] == (rest, False)  # type: ignore[arg-type]
    nothing = conclude([source(ROBOTS, WHOLE)], **options)  # type: ignore[arg-type]
    assert nothing[:2] == (ScanStatus.DEFERRED if cut == "deferred" else ScanStatus.FAILED, False)


def test_the_reason_is_that_of_the_source_that_explains_most() -> None:
    """A move before a prohibition, a refusal before a timeout, robots.txt before a file in the same state."""
    sources = [
        source(SITEMAP, SourceState.REFUSED),
        source(SITEMAP, SourceState.UNREACHABLE),
        source(PATHS, SourceState.NOT_UNDERSTOOD),
        source(ROBOTS, SourceState.REFUSED),
        source(HOME, SourceState.ELSEWHERE),
    ]
    codes = []
    while sources:
        failure = conclude(sources).failure
        assert failure is not None
        codes.append(failure.code)
        sources = [each for each in sources if each.failure != failure]
    assert codes == [
        *("home_page_elsewhere", "robots_refused", "sitemap_refused"),
        *("sitemap_unreachable", "known_paths_not_understood"),
    ]


def test_files_that_list_nothing_have_a_code_of_their_own() -> None:
    """Read whole and without a URL: not ok, and what was listed before is gone."""
    found = conclude([source(ROBOTS, WHOLE), source(SITEMAP, WHOLE)])
    assert found.failure is not None
    assert (found.status, found.removals, found.failure.code) == (ScanStatus.PARTIAL, True, Code.NO_URLS)


@pytest.mark.parametrize("robots", STATES)
def test_files_that_are_not_selected(robots: SourceState) -> None:
    """They change nothing about what was read; nothing is empty beside them, and none selected is a failure
    unless one of them is known to list pages."""
    others = source(SELECTION, SKIPPED, named=True, entries=11)
    for state, entries in product(STATES, (0, 5)):
        read = [source(ROBOTS, robots), source(SITEMAP, state, entries=entries)]
        alone, beside = conclude(read), conclude([others, *read])
        if alone.status is ScanStatus.EMPTY or (alone.failure and alone.failure.code == Code.NO_URLS):
            assert beside == (ScanStatus.FAILED, True, others.failure)
            old = others._replace(failure=None)
            expected = ScanStatus.OK if state is WHOLE else ScanStatus.EMPTY
            assert conclude([old, *read], listed=state is WHOLE).status is expected
        else:
            assert beside == alone
    assert worth_recording([others]) == (others,)


def test_what_is_recorded_stays_small() -> None:
    """Of fifty thousand files that failed a scan records the first few, beside the site's own sources."""
    files = [source(SITEMAP, SourceState.REFUSED), source(SITEMAP, WHOLE)] * 500
    kept = worth_recording([source(ROBOTS, WHOLE), *files, source(PATHS, ABSENT)])
    assert [each.kind for each in kept] == [ROBOTS, PATHS, *[SITEMAP] * SHOWN_SOURCES]
    assert {each.state for each in kept if each.kind is SITEMAP} == {SourceState.REFUSED}

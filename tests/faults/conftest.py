"""Scans of small sites on loopback by the real command, held against a scan that nothing disturbed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from many_sites import small_sites
from program import Contentmap
from trial import Trial, undisturbed_run
from web_sites import Page, serving

LATE = 0.02
"""Seconds each answer takes, so that domains overlap."""


@pytest.fixture(scope="session")
def few() -> dict[str, Page]:
    """Eight domains."""
    return small_sites(8, LATE)


@pytest.fixture(scope="session")
def many() -> dict[str, Page]:
    """Thirty domains."""
    return small_sites(30, LATE)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Page]], Trial]:
    """A run of these pages without a fault, made once: on SQLite, since every database holds the same."""
    made: dict[int, Trial] = {}

    def make(pages: dict[str, Page]) -> Trial:
        if len(pages) not in made:
            made[len(pages)] = undisturbed_run(tmp_path_factory.mktemp("undisturbed"), pages)
        return made[len(pages)]

    return make


@pytest.fixture
def trial(
    tmp_path: Path,
    address: str,
    few: dict[str, Page],
    undisturbed: Callable[[dict[str, Page]], Trial],
) -> Iterator[Trial]:
    """A job over eight domains that is about to meet a fault."""
    yield from _trial(tmp_path, address, few, undisturbed)


@pytest.fixture
def long_trial(
    tmp_path: Path,
    address: str,
    many: dict[str, Page],
    undisturbed: Callable[[dict[str, Page]], Trial],
) -> Iterator[Trial]:
    """A job over thirty domains that is about to meet a fault."""
    yield from _trial(tmp_path, address, many, undisturbed)


def _trial(
    folder: Path,
    address: str,
    pages: dict[str, Page],
    undisturbed: Callable[[dict[str, Page]], Trial],
) -> Iterator[Trial]:
    expected = undisturbed(pages).expected
    contentmap = Contentmap(folder, address)
    with serving(pages) as sites:
        yield Trial(contentmap, sites, pages, expected)

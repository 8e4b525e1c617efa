"""Jobs that workers do: the real commands on a real PostgreSQL, small sites on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from many_sites import small_sites
from program import Contentmap
from queue_trial import QueueTrial
from trial import Trial, undisturbed_run
from web_sites import Page, serving

LATE = 0.02


@pytest.fixture(scope="session")
def pages() -> dict[str, Page]:
    """Twelve domains."""
    return small_sites(12, LATE)


@pytest.fixture(scope="session")
def many_pages() -> dict[str, Page]:
    """Thirty domains, for an attack that takes its time."""
    return small_sites(30, LATE)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, pages: dict[str, Page]) -> Trial:
    """A scan of them in one process, on SQLite: what every other must come to."""
    return undisturbed_run(tmp_path_factory.mktemp("undisturbed"), pages)


@pytest.fixture(scope="session")
def many_undisturbed(tmp_path_factory: pytest.TempPathFactory, many_pages: dict[str, Page]) -> Trial:
    """The same of the thirty."""
    return undisturbed_run(tmp_path_factory.mktemp("undisturbed"), many_pages)


@pytest.fixture
def trial(
    tmp_path: Path, postgres_address: str, pages: dict[str, Page], undisturbed: Trial
) -> Iterator[QueueTrial]:
    """A database with a schema, and sites to scan."""
    with serving(pages) as sites:
        yield QueueTrial(Contentmap(tmp_path, postgres_address), sites, pages, undisturbed.expected)

"""Three workers under attack, for a few seconds; `benchmarks/chaos.py` is the long form."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos import disturb
from postgres_server import PostgresServer, wanted_version
from program import Contentmap
from queue_trial import QueueTrial
from trial import Trial, make_schema
from web_sites import Page, serving


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of this test's own, since it is restarted."""
    own = PostgresServer.create(wanted_version())
    try:
        own.start()
        yield own
    finally:
        own.remove()


def test_chaos(tmp_path: Path, server: PostgresServer, pages: dict[str, Page], undisturbed: Trial) -> None:
    """Kills, sleeps and a restart: each domain is committed once, and the rows are those of a calm scan."""

    def restart() -> None:
        server.stop()
        server.start()

    asyncio.run(make_schema(server.address()))
    with serving(pages) as sites:
        trial = QueueTrial(Contentmap(tmp_path, server.address()), sites, pages, undisturbed.expected)
        done = disturb(
            trial,
            random.Random(1),
            workers=3,
            concurrency=2,
            pause=(0.3, 0.9),
            restart=restart,
            patience=90,
        )
    assert done["restarts"] == 1

"""The demo's own modules, as its scripts see them, and its server."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "demo"
sys.path.insert(0, str(DEMO))

from internet.server import running  # noqa: E402 - the line above makes it importable


@pytest.fixture(scope="session")
def expected() -> dict[str, dict[str, Any]]:
    """What a scan must find, by domain: written by hand, apart from the code that makes the sites."""
    truths: dict[str, dict[str, Any]] = json.loads((DEMO / "expect.json").read_text(encoding="utf-8"))
    return truths


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a running demo server."""
    with running() as (_, port):
        yield port

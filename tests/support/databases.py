"""Marks that choose a database for tests that take `address`."""

from __future__ import annotations

import pytest

DATABASES = ("sqlite", "postgresql")
"""The parameters of the fixture `address`."""

one_database = pytest.mark.parametrize("address", ["sqlite"], indirect=True)
"""For a test whose SQL is the same on both databases, or is tested on both elsewhere."""

sqlite_first = pytest.mark.parametrize(
    "address", ["sqlite", pytest.param("postgresql", marks=pytest.mark.campaign)], indirect=True
)
"""For a test of a command whose SQL `tests/storage` tests on both databases: PostgreSQL in the campaigns."""

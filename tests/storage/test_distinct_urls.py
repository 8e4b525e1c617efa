"""Counting distinct URLs: exact, in memory and beyond it."""

from __future__ import annotations

import random

import pytest

from contentmap_cli.storage.writing import distinct_urls
from contentmap_cli.storage.writing.distinct_urls import DistinctCounter


@pytest.mark.parametrize("at_once", [0, 10**6])
@pytest.mark.parametrize("in_memory", [1, 100, 1_000, 10**6])
def test_it_agrees_with_a_set(monkeypatch: pytest.MonkeyPatch, in_memory: int, at_once: int) -> None:
    """URLs that come again, in the same batch, a later one or after a spill, count once."""
    monkeypatch.setattr(distinct_urls, "_IN_MEMORY", in_memory)
    monkeypatch.setattr(distinct_urls, "_AT_ONCE", at_once)
    dice = random.Random(11)
    urls = [f"http://site.test/{dice.randrange(3_000)}" for _ in range(5_000)]
    with DistinctCounter() as counter:
        for start in range(0, len(urls), 170):
            counter.add(urls[start : start + 170])
        assert counter.count() == len(set(urls)) < len(urls)
        assert counter.added == len(urls)
        counter.add(["http://site.test/one more", urls[0]])
        assert counter.count() == len(set(urls)) + 1


def test_nothing_is_nothing() -> None:
    """An empty domain counts none."""
    with DistinctCounter() as counter:
        counter.add([])
        assert counter.count() == 0

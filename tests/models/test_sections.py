"""A site by its sections, held against a slow and obvious model."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from contentmap_cli.models.sections import (
    DEEPEST,
    Periods,
    Section,
    SectionCounter,
    above,
    folder_of,
    split_by_size,
)

FOLDERS = {
    "https://a.test": "https://a.test/",
    "https://a.test?q=/x/": "https://a.test/",
    "https://a.test/": "https://a.test/",
    "https://a.test/page": "https://a.test/",
    "https://a.test/blog": "https://a.test/",
    "https://a.test/blog/": "https://a.test/",
    "https://a.test/blog/post/": "https://a.test/blog/",
    "https://a.test//": "https://a.test/",
    "https://a.test/blog/post?next=/shop/a#/b/": "https://a.test/blog/",
    "https://a.test//double//slash": "https://a.test//double//",
    "http://a.test:8080/x/y": "http://a.test:8080/x/",
    "https://a.test/" + "d/" * 40 + "page": "https://a.test/" + "d/" * DEEPEST,
    "https://a.test/" + "d/" * DEEPEST + "page": "https://a.test/" + "d/" * DEEPEST,
    "https://a.test/" + "d/" * DEEPEST + "page/": "https://a.test/" + "d/" * DEEPEST,
}


@pytest.mark.parametrize("url", FOLDERS)
def test_the_folder_of_a_url(url: str) -> None:
    """A page's own name is none, slash or not, nor are query and fragment; the very deep counts higher."""
    assert folder_of(url) == FOLDERS[url]


def test_the_folder_above() -> None:
    """It ends with the origin's own."""
    assert above("https://a.test/b/c/") == "https://a.test/b/"
    assert above("https://a.test/b/") == "https://a.test/"
    assert above("https://a.test/") is None


def _random_rows(seed: int, count: int) -> list[tuple[str, str | None]]:
    draw = random.Random(seed)
    rows: list[tuple[str, str | None]] = []
    for number in range(count):
        path = "/".join(draw.choice("abcde") for _ in range(draw.randrange(5)))
        host = draw.choice(("https://a.test", "https://a.test", "https://www.a.test"))
        date = (
            f"{draw.randrange(1990, 2027)}-{draw.randrange(1, 13):02d}-{draw.randrange(1, 29):02d}T00:00:00Z"
        )
        page = f"p{number}{draw.choice(('', '/'))}"
        rows.append((f"{host}/{path}/{page}" if path else f"{host}/{page}", draw.choice((date, None))))
    return rows


@pytest.mark.parametrize("seed", range(5))
def test_every_section_is_what_a_slow_count_says(seed: int) -> None:
    """URLs, dates and months of each folder are those of all URLs that begin with it."""
    rows = _random_rows(seed, 600)
    counter = SectionCounter()
    for start in range(0, len(rows), 70):
        counter.add(rows[start : start + 70])
    top = counter.tree()
    assert not counter.folded
    found = {section.url: section for _, section in top.walk()}
    folders = {folder_of(url) for url, _ in rows}
    wanted = folders | {parent for folder in folders if (parent := above(folder))}
    assert found.keys() - {""} >= wanted
    for url, section in found.items():
        inside = [lastmod for each, lastmod in rows if each.startswith(url)]
        dated = [lastmod for lastmod in inside if lastmod]
        assert section.urls == len(inside)
        assert section.own == sum(folder_of(each) == url for each, _ in rows)
        assert section.newest == max(dated, default=None)
        assert section.months == Counter(lastmod[:7] for lastmod in dated)
        assert section.undated == len(inside) - len(dated)
        sizes = [below.urls for below in section.sections]
        assert sizes == sorted(sizes, reverse=True)


def test_more_sections_than_there_is_room_for() -> None:
    """The smallest count as part of the one above: no URL is lost, the large are exact, and it is said."""
    rows = [(f"https://a.test/small/{number}/page", "2026-01-02T00:00:00Z") for number in range(5_000)]
    rows += [(f"https://a.test/large/page-{number}", None) for number in range(3_000)]
    random.Random(1).shuffle(rows)
    counter = SectionCounter(max_keys=200)
    for start in range(0, len(rows), 100):
        counter.add(rows[start : start + 100])
        assert len(counter._counts) <= 300
    top = counter.tree()
    assert counter.folded
    assert (top.url, top.urls, top.newest) == ("https://a.test/", 8_000, "2026-01-02T00:00:00Z")
    sizes = {section.url: section.urls for section in top.sections}
    assert sizes == {"https://a.test/small/": 5_000, "https://a.test/large/": 3_000}


def test_a_few_urls_in_very_many_folders() -> None:
    """Each of them is deep in folders of its own: the tree has room for no more sections than keys."""
    counter = SectionCounter(max_keys=1_000)
    for number in range(900):
        deep = "".join(f"d{number}-{depth}/" for depth in range(DEEPEST))
        counter.add([(f"https://a.test/{deep}page", None), ("https://a.test/large/page", None)])
    top = counter.tree()
    assert counter.folded
    assert sum(1 for _ in top.walk()) <= 1_000
    assert top.urls == 1_800
    assert (top.sections[0].url, top.sections[0].urls) == ("https://a.test/large/", 900)


def test_more_hosts_than_there_is_room_for() -> None:
    """The smallest of very many origins count as part of the whole; the large ones keep their folders."""
    counter = SectionCounter(max_keys=200)
    for start in range(0, 5_000, 100):
        counter.add([(f"https://h{number}.test/", "2026-01-01") for number in range(start, start + 100)])
        counter.add([(f"https://a.test/blog/p{number}", None) for number in range(start, start + 100)])
        assert len(counter._counts) <= 300
        assert len(counter._newest) <= 300
    top = counter.tree()
    assert counter.folded
    assert (top.url, top.urls, top.newest, top.undated) == ("", 10_000, "2026-01-01", 5_000)
    assert [(each.url, each.urls) for each in top.sections[0].sections] == [("https://a.test/blog/", 5_000)]


def test_what_cannot_be_folded_is_not_gone_through_again_and_again() -> None:
    """A site with a date in every month of many centuries has more months than keys."""
    counter = SectionCounter(max_keys=50)
    folds = 0
    for year in range(1, 1_000):
        before = counter._max_keys
        counter.add([("https://a.test/", f"{year:04d}-{month:02d}-01") for month in range(1, 13)])
        folds += counter._max_keys != before
    assert folds < 15
    top = counter.tree()
    assert (top.url, top.urls, len(top.months)) == ("https://a.test/", 11_988, 11_988)


def test_small_sections_are_summed_up() -> None:
    """What is not shown is told in two numbers."""
    top = Section("https://a.test/", urls=10)
    top.sections = [Section("b/", 6), Section("c/", 2), Section("d/", 1), Section("e/", 1)]
    large, small = split_by_size(top, 2)
    assert [section.url for section in large] == ["b/", "c/"]
    assert (small.sections, small.urls) == (2, 2)


def test_periods() -> None:
    """They end with the month given, and reach back to the oldest date."""
    months = {"2026-11": 1, "2026-10": 2, "2025-12": 3}
    periods = Periods(months, "2026-11")
    assert (periods.step, periods.labels[0], periods.last) == (1, "2025-12", "2026-11")
    assert periods.counts(months) == [3, *[0] * 9, 2, 1]
    years = Periods({"2016-02": 5}, "2026-11")
    assert (years.step, years.labels[-1]) == (12, "2025-12")
    assert years.counts({"2016-02": 5, "2031-01": 7, "1970-01": 1}) == [1, 5, *[0] * 9, 7]
    assert (years.older, years.later) == (False, False)
    assert Periods({}, "2026-11").counts({}) == [0] * 12


def test_a_few_odd_dates_do_not_stretch_the_periods() -> None:
    """One page of 1970 among a hundred of this year counts in the first period, one of 2031 in the last."""
    months = {"1970-01": 1, "2026-05": 40, "2026-11": 59, "2031-01": 1}
    periods = Periods(months, "2026-11")
    assert (periods.step, periods.labels[0], periods.older, periods.later) == (1, "2025-12", True, True)
    assert periods.counts(months) == [1, 0, 0, 0, 0, 40, 0, 0, 0, 0, 0, 60]
    assert Periods({"1970-01": 11, "2026-11": 89}, "2026-11").step == 60

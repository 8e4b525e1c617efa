"""Which pages `check --pages` asks for: all, or a sample that is the same each time."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence

from contentmap_cli.commands.checking.selection import Batch, Selection, _shares, normalised, select_pages
from contentmap_cli.models import DocumentKind
from contentmap_cli.models.findings import CheckedFile


async def listing(files: Mapping[str, Sequence[str]]) -> AsyncIterator[Batch]:
    """The files of a site, in batches of 7 URLs."""
    for name, urls in files.items():
        for start in range(0, len(urls), 7):
            yield Batch(CheckedFile(name, DocumentKind.URLSET), urls[start : start + 7], tuple)


def urls(name: str, count: int) -> list[str]:
    """URLs of a file."""
    return [f"https://a.test/{name}/{number}" for number in range(count)]


async def chosen(files: Mapping[str, Sequence[str]], wanted: int | None) -> list[str]:
    """The selected URLs in the order in which they are listed."""
    selection = await select_pages(listing(files), wanted)
    found = [url for some in files.values() for url in normalised(some) if selection.take(url)]
    assert len(found) == len(selection)
    assert not any(map(selection.take, found))
    assert all(url in selection and selection.was_taken(url) for url in found)
    return found


async def test_a_sample_draws_from_every_file() -> None:
    """In proportion, at least one each, and the same ones each time; a few pages more change little."""
    files = {"large": urls("large", 8_000), "small": urls("small", 1_900), "tiny": urls("tiny", 3)}
    first = await chosen(files, 100)
    count = Counter(url.split("/")[3] for url in first)
    assert count == {"large": 80, "small": 19, "tiny": 1}
    assert await chosen(files, 100) == first
    more = files | {"large": [*files["large"], *urls("new", 80)]}
    assert len(set(first) - set(await chosen(more, 100))) <= 3
    assert set(await chosen(files, 50)) < set(first)


async def test_every_url_once() -> None:
    """Spellings of one URL, and files that list the same, count once; what is no page counts nothing."""
    same = urls("same", 10)
    odd = ["HTTPS://A.test/same/0", "https://a.test:443/same/1#top", "mailto:a@a.test", "/relative"]
    files = {"a": same, "b": [*same, *odd], "c": odd}
    assert await chosen(files, None) == same
    assert sorted(await chosen(files, 10)) == sorted(same)
    assert len(await chosen(files, 8)) == 8
    assert await chosen({}, None) == await chosen({"c": odd[2:]}, 5) == []


async def test_more_files_than_pages() -> None:
    """The number of pages is what was asked for: one each of the largest files."""
    files = {str(number): urls(str(number), 1 + number % 3) for number in range(30)}
    found = await chosen(files, 10)
    assert Counter(len(files[url.split("/")[3]]) for url in found) == {3: 10}
    same, began = urls("same", 2), time.process_time()
    assert await chosen(dict.fromkeys(map(str, range(20_000)), same), 3) == same
    assert time.process_time() - began < 20  # each file is looked at once: less than one


def test_shares() -> None:
    """They add up, none is empty or larger than its file, and none is off by more than the least of one."""
    dice = random.Random(5)
    for _ in range(300):
        counts = [dice.randint(1, 10 ** dice.randint(0, 4)) for _ in range(dice.randint(1, 40))]
        wanted = dice.randint(len(counts), sum(counts))
        shares = _shares(wanted, counts)
        assert sum(shares) == wanted
        assert all(1 <= share <= count for share, count in zip(shares, counts, strict=True))
        ones = sum(wanted * count < sum(counts) for count in counts)
        for share, count in zip(shares, counts, strict=True):
            assert abs(share - wanted * count / sum(counts)) <= 1 + ones


def test_no_hash_is_lost() -> None:
    """Those at both ends of a bucket are found."""
    selection = Selection([0, 2**56 - 1, 2**56, 2**64 - 1, 0], int)
    assert len(selection) == 4
    for number in (0, 1, 2**56 - 1, 2**56, 2**64 - 2, 2**64 - 1):
        assert (str(number) in selection) == (number not in (1, 2**64 - 2))

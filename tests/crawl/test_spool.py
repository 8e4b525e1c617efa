"""The spools: what goes in comes out, in the order that is asked for, however large."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contentmap_cli.crawl.reading import entry_spool, spool
from contentmap_cli.crawl.reading.entry_spool import EntrySpool
from contentmap_cli.crawl.reading.spool import BATCH, RUN, Cancelled, RowSpool, Segment
from contentmap_cli.models import Entry, Lastmod
from contentmap_cli.models.entry_rows import URL, PageTypes, Row, rows_of, with_extra_columns

MANY = 10**9
SITEMAP = "http://site.test/map.xml"
texts = st.text(max_size=20)
attributes = st.lists(st.dictionaries(texts, texts, max_size=3), max_size=2).map(tuple)
entries = st.builds(
    Entry,
    url=texts,
    lastmod=st.none() | st.builds(Lastmod, st.none() | texts, st.none() | texts, texts),
    changefreq=st.none() | texts,
    priority=st.none() | st.floats(0, 1),
    in_scope=st.booleans(),
    repaired=st.booleans(),
    images=attributes,
    videos=attributes,
    news=attributes,
    alternates=attributes,
    type=st.just("url"),
)


def segment(rows: RowSpool, *, room: int = MANY, child_room: int = MANY) -> Segment:
    return rows.segment(SITEMAP, room=room, child_room=child_room)


def content(part: Segment) -> list[Row]:
    """All rows of a segment, with the batches' sizes checked on the way."""
    batches = list(part.read())
    assert all(0 < len(batch) <= BATCH for batch in batches)
    return [with_extra_columns(row) for batch in batches for row in batch]


def obvious(found: list[Entry]) -> list[Row]:
    """What a segment must give back, the slow way: the first entry of each URL, in order."""
    rows = rows_of(found, PageTypes(SITEMAP).of)
    urls = sorted({row[URL] for row in rows})
    return [with_extra_columns(next(row for row in rows if row[URL] == url)) for url in urls]


@given(st.lists(st.lists(entries, max_size=5), max_size=4))
def test_entries_survive_their_spool(batches: list[list[Entry]]) -> None:
    """Every field of every entry is what it was, with its type, in document order."""
    with EntrySpool() as kept:
        for batch in batches:
            kept.extend(batch)
        back = [entry for batch in kept.read() for entry in batch]
    assert back == [entry for batch in batches for entry in batch]
    assert all(type(entry) is Entry for entry in back)
    assert all(entry.lastmod is None or type(entry.lastmod) is Lastmod for entry in back)


def test_an_entry_spool_starts_over_when_it_is_cleared() -> None:
    """Nothing of a reading that failed comes back, and a delivery of any size is cut into batches."""
    with EntrySpool() as kept:
        kept.extend([Entry("http://wrong.test/")] * 3000)
        kept.clear()
        kept.extend([Entry(f"http://a.test/{n}") for n in range(2500)])
        batches = list(kept.read())
    assert [len(batch) for batch in batches] == [entry_spool.BATCH, entry_spool.BATCH, 500]
    assert batches[2][499].url == "http://a.test/2499"


@given(st.lists(st.lists(entries, max_size=5), max_size=4))
def test_a_segment_gives_sorted_unique_rows(batches: list[list[Entry]]) -> None:
    """By URL, of equal ones the first in the document, whatever the entries hold."""
    rows = RowSpool()
    part = segment(rows)
    for batch in batches:
        part.extend(batch)
    part.finish()
    assert content(part) == obvious([entry for batch in batches for entry in batch])
    rows.close()


def test_runs_are_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file longer than a run comes back sorted as a whole; of a URL in two runs the first mention stays."""
    monkeypatch.setattr(spool, "RUN", 1_700)
    dice = random.Random(3)
    listed = [Entry(f"http://a.test/{dice.randrange(9_000)}", priority=n / 9_000) for n in range(9_000)]
    rows = RowSpool()
    part = segment(rows)
    for start in range(0, len(listed), 130):
        part.extend(listed[start : start + 130])
    part.finish()
    assert len({entry.url for entry in listed}) < len(listed)
    assert content(part) == obvious(listed)
    rows.close()


def test_large_segments_lie_beside_each_other() -> None:
    """Segments larger than memory's share are read in any order, twice and interleaved."""
    rows = RowSpool()
    parts = []
    for name in ("a", "b"):
        part = segment(rows)
        for start in range(0, 2 * RUN + 10, 700):
            part.extend(
                [Entry(f"http://{name}.test/{n:06}") for n in range(start, min(start + 700, 2 * RUN + 10))]
            )
        part.finish()
        parts.append(part)
    assert [row[URL] for row in content(parts[1])] == [f"http://b.test/{n:06}" for n in range(2 * RUN + 10)]
    for one, other in zip(parts[0].read(), parts[1].read(), strict=True):
        assert one.urls[0].replace("a.test", "b.test") == other.urls[0]
    rows.close()


def test_clear_starts_the_segment_over() -> None:
    """What a failed reading put in is gone, what another file put in stays, and no space is lost."""
    rows = RowSpool()
    first = segment(rows)
    first.extend([Entry("http://a.test/")])
    first.finish()
    end = rows.end
    second = segment(rows)
    second.extend([Entry(f"http://wrong.test/{n}") for n in range(RUN + 1)])
    assert rows.end > end
    second.clear()
    assert rows.end == end
    second.extend([Entry("http://b.test/")])
    second.finish()
    assert (second.entries, [row[URL] for row in content(second)]) == (1, ["http://b.test/"])
    first.clear()  # an earlier one frees nothing: the later one lies behind it
    third = segment(rows)
    third.extend([Entry(f"http://c.test/{n}") for n in range(BATCH)])
    third.finish()
    assert [row[URL] for row in content(second)] == ["http://b.test/"]
    rows.close()


def test_pages_beyond_the_room_are_counted() -> None:
    """No more pages than there is room for are kept, and the rest is known; sitemaps need no room."""
    rows = RowSpool()
    part = segment(rows, room=3)
    part.extend([Entry(f"http://a.test/{n}") for n in range(2)])
    part.extend([Entry(f"http://a.test/{n}") for n in range(2, 7)])
    part.finish()
    assert (part.entries, part.pages, part.refused, len(content(part))) == (3, 3, 4, 3)
    children = segment(rows, room=0, child_room=2)
    children.extend([Entry(f"http://a.test/{n}", type="sitemap") for n in range(3)])
    children.finish()
    assert [child.url for child in children.children] == ["http://a.test/0", "http://a.test/1"]
    assert (children.entries, children.refused, content(children)) == (3, 0, [])
    rows.close()


def test_pages_and_sitemaps_in_one_file_are_told_apart() -> None:
    """A page between sitemaps is a row and no child, a sitemap between pages the other way round."""
    rows = RowSpool()
    part = segment(rows)
    page, child = Entry("http://a.test/page"), Entry("http://a.test/map.xml", type="sitemap")
    part.extend([page, child])
    part.extend([child, page])
    part.finish()
    assert (part.entries, part.pages, part.children) == (4, 2, [child, child])
    assert [row[URL] for row in content(part)] == ["http://a.test/page"]
    rows.close()


def test_a_cancelled_segment_stops_its_parser() -> None:
    """The next batch raises in the thread that parses."""
    rows = RowSpool()
    part = segment(rows)
    part.cancel()
    with pytest.raises(Cancelled):
        part.extend([Entry("http://a.test/")])
    rows.close()

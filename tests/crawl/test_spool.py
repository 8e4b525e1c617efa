"""The spool: what goes in comes out, in order, however large."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contentmap_cli.crawl.spool import BATCH, Cancelled, EntrySpool, Segment
from contentmap_cli.values import Entry, Lastmod

MANY = 10**9
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
)


def segment(spool: EntrySpool, *, room: int = MANY, child_room: int = MANY) -> Segment:
    return spool.segment(room=room, child_room=child_room)


def content(part: Segment) -> list[Entry]:
    """All entries of a segment, with the batches' sizes checked on the way."""
    batches = list(part.read())
    assert all(0 < len(batch) <= BATCH for batch in batches)
    return [entry for batch in batches for entry in batch]


@given(st.lists(st.lists(entries, max_size=5), max_size=4))
def test_entries_survive_the_spool(batches: list[list[Entry]]) -> None:
    """Every field of every entry is what it was, with its type."""
    spool = EntrySpool()
    part = segment(spool)
    for batch in batches:
        part.extend(batch)
    part.finish()
    back = content(part)
    spool.close()
    assert back == [entry for batch in batches for entry in batch]
    assert all(type(entry) is Entry for entry in back)
    assert all(entry.lastmod is None or type(entry.lastmod) is Lastmod for entry in back)


def test_large_segments_lie_beside_each_other() -> None:
    """Segments larger than memory's share are read in any order, twice and interleaved."""
    spool = EntrySpool()
    parts = []
    for name in ("a", "b"):
        part = segment(spool)
        for start in range(0, 25_000, 700):
            part.extend([Entry(f"http://{name}.test/{n}") for n in range(start, min(start + 700, 25_000))])
        part.finish()
        parts.append(part)
    assert [entry.url for entry in content(parts[1])] == [f"http://b.test/{n}" for n in range(25_000)]
    for one, other in zip(parts[0].read(), parts[1].read(), strict=True):
        assert one[0].url.replace("a.test", "b.test") == other[0].url
    spool.close()


def test_clear_starts_the_segment_over() -> None:
    """What a failed reading put in is gone, what another file put in stays, and no space is lost."""
    spool = EntrySpool()
    first, second = segment(spool), None
    first.extend([Entry("http://a.test/")])
    first.finish()
    end = spool.end
    second = segment(spool)
    second.extend([Entry("http://wrong.test/")] * 3000)
    second.clear()
    assert spool.end == end
    second.extend([Entry("http://b.test/")])
    second.finish()
    assert (second.entries, content(second)) == (1, [Entry("http://b.test/")])
    first.clear()  # an earlier one frees nothing: the later one lies behind it
    assert content(second) == [Entry("http://b.test/")]
    spool.close()


def test_pages_beyond_the_room_are_counted() -> None:
    """No more pages than there is room for are kept, and the rest is known; sitemaps need no room."""
    spool = EntrySpool()
    part = segment(spool, room=3)
    part.extend([Entry("http://a.test/")] * 2)
    part.extend([Entry("http://a.test/")] * 5)
    part.finish()
    assert (part.entries, part.refused, len(content(part))) == (3, 4, 3)
    children = segment(spool, room=0, child_room=2)
    children.extend([Entry(f"http://a.test/{n}", type="sitemap") for n in range(3)])
    children.finish()
    assert [child.url for child in children.children] == ["http://a.test/0", "http://a.test/1"]
    assert (children.refused, len(content(children))) == (0, 3)
    spool.close()


def test_a_cancelled_segment_stops_its_parser() -> None:
    """The next batch raises in the thread that parses."""
    spool = EntrySpool()
    part = segment(spool)
    part.cancel()
    with pytest.raises(Cancelled):
        part.extend([Entry("http://a.test/")])
    spool.close()

"""Entries to rows and back: short where an entry is plain, and nothing lost either way."""

from __future__ import annotations

import pytest

from contentmap_cli.models import Entry, Lastmod
from contentmap_cli.models.entry_rows import (
    COLUMNS,
    EXTRA_COLUMNS,
    Row,
    RowBatch,
    read_extras,
    read_lastmod,
    rows_of,
    sorted_unique,
    with_extra_columns,
)


def one(entry: Entry) -> dict[str, object]:
    """An entry's row by the names of its columns."""
    (row,) = rows_of([entry], lambda entry: "page")
    return dict(zip((*COLUMNS, *EXTRA_COLUMNS), with_extra_columns(row), strict=True))


@pytest.mark.parametrize(
    ("entry", "short"),
    [
        (Entry("u"), True),
        (Entry("u", Lastmod("2026-01-01T00:00:00Z", "day", "2026-01-01"), "daily", 0.5), True),
        (Entry("u", in_scope=False), False),
        (Entry("u", repaired=True), False),
        (Entry("u", images=({"loc": "i"},)), False),
        (Entry("u", alternates=({"href": "a"},)), False),
    ],
)
def test_only_what_is_not_the_default_makes_a_row_long(entry: Entry, short: bool) -> None:
    """A row has the extra columns if and only if one of them says something."""
    (row,) = rows_of([entry], lambda entry: None)
    assert (len(row) == len(COLUMNS)) is short
    assert (row == with_extra_columns(row)) is not short
    assert len(with_extra_columns(row)) == len(COLUMNS) + len(EXTRA_COLUMNS)


@pytest.mark.parametrize(
    ("utc", "precision", "text", "kept"),
    [
        ("2026-03-01T00:00:00Z", "year", "2026", None),
        ("2026-03-01T00:00:00Z", "month", "2026-03", None),
        ("2026-03-01T00:00:00Z", "day", "2026-03-01", None),
        ("2026-03-01T10:30:00Z", "minute", "2026-03-01T10:30Z", None),
        ("2026-03-01T10:30:05Z", "second", "2026-03-01T10:30:05Z", None),
        ("2026-03-01T10:30:05Z", "second", "2026-03-01T10:30:05+00:00", "+00:00"),
        ("2026-03-01T10:30:00Z", "minute", "2026-03-01T12:30+02:00", "2026-03-01T12:30+02:00"),
        ("2026-03-01T10:30:05Z", "fraction", "2026-03-01T10:30:05.25Z", "2026-03-01T10:30:05.25Z"),
        ("2026-03-01T10:30:05Z", "second", "2026-03-01T11:30:05+01:00", "2026-03-01T11:30:05+01:00"),
        ("2026-03-01T10:30:05Z", "second", "2026-03-01t10:30:05+00:00", "2026-03-01t10:30:05+00:00"),
        ("2026-03-01T10:30:00Z", "minute", "2026-03-01T10:30+00:00", "2026-03-01T10:30+00:00"),
        ("2026-03-01T00:00:00Z", "day", " 2026-03-01", " 2026-03-01"),
        (None, None, "yesterday", "yesterday"),
        (None, None, "", ""),
    ],
)
def test_the_text_of_a_lastmod_is_kept_where_it_says_more(
    utc: str | None, precision: str | None, text: str, kept: str | None
) -> None:
    """The usual spellings are rebuilt from the moment and its precision, others are kept as published."""
    lastmod = Lastmod(utc, precision, text)
    row = one(Entry("u", lastmod))
    assert (row["lastmod"], row["lastmod_precision"], row["lastmod_text"]) == (utc, precision, kept)
    assert read_lastmod(utc, precision, kept) == lastmod


def test_extras_come_back() -> None:
    """Attributes of every kind of extension survive, and are counted."""
    images, news = ({"loc": "i"}, {"loc": "j", "title": "“ü”"}), ({"name": "N"},)
    row = one(Entry("u", images=images, news=news))
    assert (row["image_count"], row["video_count"], row["news_count"]) == (2, 0, 1)
    assert read_extras(str(row["extras"])) == {"images": images, "news": news}
    assert one(Entry("u", repaired=True))["extras"] is None


def test_more_images_than_a_smallint_counts() -> None:
    """The count stops at its type's end instead of failing the domain."""
    assert one(Entry("u", images=({"loc": "i"},) * 40_000))["image_count"] == 32_767


def test_rows_are_sorted_by_code_point_and_the_first_mention_stays() -> None:
    """The order is that of UTF-8 bytes, as in both databases; None and text are never compared."""
    rows: list[Row] = [("\U0001f600", 1), ("b", None), ("￿", 2), ("a", "x"), ("b", "later"), ("Z", 3)]
    assert sorted_unique(rows) == [("Z", 3), ("a", "x"), ("b", None), ("￿", 2), ("\U0001f600", 1)]
    assert [row[0] for row in sorted_unique(rows)] == sorted({row[0] for row in rows}, key=str.encode)


def test_a_batch_gives_back_its_rows() -> None:
    """Laid end to end and taken apart again; one long row makes all of them long."""
    short, long = rows_of([Entry("u"), Entry("v", repaired=True)], lambda entry: None)
    for rows in ([short], [short, long], [long, short, short]):
        batch = RowBatch.of(rows)
        expected = rows if rows == [short] else [with_extra_columns(row) for row in rows]
        assert (list(batch), len(batch)) == (expected, len(rows))
        assert batch.urls == tuple(row[0] for row in rows)
        assert RowBatch.of_values(len(batch.columns), batch.values) == batch

"""Apache Parquet, written in row groups as the entries come. Needs pyarrow, the extra `parquet`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TextIO

from contentmap_cli.models import Entry, StoredEntry
from contentmap_cli.output.rows import EntryWriter

ROWS_PER_GROUP = 50_000


class ParquetEntries(EntryWriter):
    """One row per entry, with the columns of the CSV; dates are UTC timestamps, media are counts."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        import pyarrow
        from pyarrow import parquet

        arrow: Any = pyarrow
        moment = arrow.timestamp("us", tz="UTC")
        text, count, truth = arrow.string(), arrow.int32(), arrow.bool_()
        self._arrow = arrow
        self._schema = arrow.schema(
            [
                *(("type", text), ("url", text), ("lastmod", moment), ("lastmod_precision", text)),
                *(("lastmod_text", text), ("changefreq", text), ("priority", arrow.float64())),
                *(("sitemap", text), ("discovered_by", text)),
                *((name, count) for name in ("images", "videos", "news", "alternates")),
                *(("in_scope", truth), ("repaired", truth), ("page_type", text)),
                *(("first_seen", moment), ("removed_at", moment)),
            ]
        )

        class Writer(parquet.ParquetWriter):  # type: ignore[misc]
            def __del__(self) -> None:
                """Do nothing: an unfinished writer must not write a footer to a closed file."""

        self._writer: Any = Writer(out.buffer, self._schema, compression="zstd")
        self._rows: list[tuple[Any, ...]] = []

    def write(self, row: StoredEntry | Entry) -> None:
        """Add the entry; write a full row group."""
        self._rows.append(_cells(row))
        if len(self._rows) >= ROWS_PER_GROUP:
            self._group()

    def finish(self) -> None:
        """Write the last row group and the footer, without which the file cannot be read."""
        if self._rows:
            self._group()
        self._writer.close()

    def _group(self) -> None:
        columns = zip(*self._rows, strict=True)
        arrays = [
            self._arrow.array(column, type=field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._rows = []


def _cells(row: StoredEntry | Entry) -> tuple[Any, ...]:
    stored = row if isinstance(row, StoredEntry) else None
    entry = row.entry if isinstance(row, StoredEntry) else row
    moment, precision, text = entry.lastmod or (None, None, None)
    return (
        entry.type,
        entry.url,
        datetime.fromisoformat(moment) if moment else None,
        precision,
        text,
        entry.changefreq,
        entry.priority,
        stored.sitemap if stored else None,
        stored.discovered_by.value if stored else None,
        *(len(entry.images), len(entry.videos), len(entry.news), len(entry.alternates)),
        entry.in_scope,
        entry.repaired,
        stored.page_type if stored else None,
        stored.first_seen if stored else None,
        stored.removed_at if stored else None,
    )

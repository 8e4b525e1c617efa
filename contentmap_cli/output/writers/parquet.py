"""Apache Parquet, written in row groups as the entries come. Needs pyarrow, the extra `parquet`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TextIO

from contentmap_cli.models import Entry, StoredEntry
from contentmap_cli.models.entry_rows import MEDIA, UTC_OFFSET, read_extras
from contentmap_cli.models.files import EntryPage
from contentmap_cli.output.rows import EntryWriter

ROWS_PER_GROUP = 50_000


class ParquetEntries(EntryWriter):
    """One row per entry, with the columns of the CSV. Dates are UTC timestamps; images, videos, news
    and alternates are lists of maps from name to value.
    """

    def __init__(self, out: TextIO, *, with_files: bool = False) -> None:
        super().__init__(out)
        import pyarrow
        from pyarrow import parquet

        arrow: Any = pyarrow
        moment = arrow.timestamp("us", tz="UTC")
        text, truth = arrow.string(), arrow.bool_()
        lists = arrow.list_(arrow.map_(text, text))
        self._arrow = arrow
        self._schema = arrow.schema(
            [
                *(("type", text), ("url", text), ("lastmod", moment), ("lastmod_precision", text)),
                *(("lastmod_text", text), ("changefreq", text), ("priority", arrow.float64())),
                *(("sitemap", text), ("discovered_by", text)),
                *((name, lists) for name in MEDIA),
                *(("in_scope", truth), ("repaired", truth), ("page_type", text)),
                *(("first_seen", moment), ("removed_at", moment), ("domain", text)),
                *([("sitemaps", arrow.list_(text))] if with_files else ()),
            ]
        )

        class Writer(parquet.ParquetWriter):  # type: ignore[misc]
            def __del__(self) -> None:
                """Do nothing: an unfinished writer must not write a footer to a closed file."""

        self._writer: Any = Writer(out.buffer, self._schema, compression="zstd")
        self._tables: list[Any] = []
        self._rows = 0

    def write_all(self, rows: Iterable[StoredEntry | Entry]) -> None:
        """Add entries; write a full row group."""
        if isinstance(rows, EntryPage):
            page, types = rows, self._arrow.repeat("url", len(rows))
        else:
            entries = [*rows]
            page = EntryPage.of(entries)
            types = [row.entry.type if isinstance(row, StoredEntry) else row.type for row in entries]
        self._tables.append(self._table(page, types))
        self._rows += len(page)
        if self._rows >= ROWS_PER_GROUP:
            self._group()

    def finish(self) -> None:
        """Write the last row group and the footer, without which the file cannot be read."""
        if self._tables:
            self._group()
        self._writer.close()

    def _group(self) -> None:
        self._writer.write_table(self._arrow.concat_tables(self._tables).combine_chunks())
        self._tables, self._rows = [], 0

    def _table(self, page: EntryPage, types: Any) -> Any:
        numbers = {key: number for number, key in enumerate(page.shared)}
        of_row = self._arrow.array([numbers[key] for key in page.keys], type=self._arrow.int32())
        lastmods = self._arrow.array(page.lastmods, type=self._arrow.string())
        found = {
            "type": types,
            "url": page.urls,
            "lastmod": lastmods.cast(self._schema.field("lastmod").type),
            "lastmod_text": _texts(page),
            **self._media(page),
        }
        arrays = []
        for field in self._schema:
            values = found.get(field.name)
            if values is None:  # one for each key
                name = "precision" if field.name == "lastmod_precision" else field.name
                few = [getattr(shared, name) for shared in page.shared.values()]
                arrays.append(self._arrow.array(few, type=field.type).take(of_row))
            elif isinstance(values, self._arrow.Array):
                arrays.append(values)
            else:
                arrays.append(self._arrow.array(values, type=field.type))
        return self._arrow.Table.from_arrays(arrays, schema=self._schema)

    def _media(self, page: EntryPage) -> dict[str, Any]:
        """Return the lists of each kind: row 0 of `few` is empty, the others are those of rows with media."""
        few: list[dict[str, Any]] = [{}]
        numbers = []
        for extras in page.extras:
            if extras is None:
                numbers.append(0)
            else:
                numbers.append(len(few))
                few.append(read_extras(extras))
        of_row = self._arrow.array(numbers, type=self._arrow.int32())
        return {
            name: self._arrow.array(
                [[list(item.items()) for item in each.get(name, ())] for each in few],
                type=self._schema.field(name).type,
            ).take(of_row)
            for name in MEDIA
        }


def _texts(page: EntryPage) -> list[str | None]:
    """Return the published text of each lastmod."""
    canonical = {key: shared.canonical for key, shared in page.shared.items()}
    texts = []
    for moment, text, key in zip(page.lastmods, page.texts, page.keys, strict=True):
        if moment is None:
            texts.append(text)
        elif text is None:
            cut, zone = canonical[key]
            texts.append(moment[:cut] + zone)
        else:
            texts.append(moment[:19] + UTC_OFFSET if text == UTC_OFFSET else text)
    return texts

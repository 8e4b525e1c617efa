"""The recorded entries of a domain, one by one, and pages of entries that no database has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from contentmap_cli.models import StoredEntry
from contentmap_cli.models.entry_rows import encoded_extras, lastmod_columns
from contentmap_cli.models.files import EntryPage, Shared
from contentmap_cli.storage.reading.entry_pages import EntryFilter, stored_batches
from contentmap_cli.storage.session import GuardedSession


async def stored_entries(
    session: GuardedSession, domain_id: int, wanted: EntryFilter
) -> AsyncIterator[StoredEntry]:
    """Yield the entries of a domain one by one; see `stored_batches`."""
    async for batch in stored_batches(session, domain_id, wanted):
        for entry in batch:
            yield entry


def entry_page(rows: Sequence[StoredEntry]) -> EntryPage:
    """The page that has these entries."""
    lastmods = [lastmod_columns(row.entry.lastmod) for row in rows]
    return EntryPage(
        [row.url for row in rows],
        [each[0] for each in lastmods],
        [each[2] for each in lastmods],
        [
            encoded_extras(row.entry.images, row.entry.videos, row.entry.news, row.entry.alternates)
            for row in rows
        ],
        range(len(rows)),
        {
            number: Shared(
                *(row.domain, row.sitemap, row.discovered_by, lastmods[number][1], row.entry.changefreq),
                *(row.entry.priority, row.page_type, row.entry.in_scope, row.entry.repaired),
                *(row.first_seen, row.removed_at, row.sitemaps),
            )
            for number, row in enumerate(rows)
        },
    )

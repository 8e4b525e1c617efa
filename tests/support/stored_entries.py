"""The recorded entries of a domain, one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator

from contentmap_cli.models import StoredEntry
from contentmap_cli.storage.reading.entry_pages import EntryFilter, stored_batches
from contentmap_cli.storage.session import GuardedSession


async def stored_entries(
    session: GuardedSession, domain_id: int, wanted: EntryFilter
) -> AsyncIterator[StoredEntry]:
    """Yield the entries of a domain one by one; see `stored_batches`."""
    async for batch in stored_batches(session, domain_id, wanted):
        for entry in batch:
            yield entry

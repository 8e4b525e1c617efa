"""What is kept of a sitemap file from scan to scan."""

from __future__ import annotations

import pytest
from recording import DOMAIN, start

from contentmap_cli.models import CrawledFile, DiscoveryMethod, Document, DocumentKind, FileStatus
from contentmap_cli.storage.jobs.claims import fence
from contentmap_cli.storage.session import Sessions
from contentmap_cli.storage.writing.files import remembered_files, save_files

URL = f"https://{DOMAIN}/sitemap.xml"


@pytest.mark.parametrize(("status", "kept"), [(FileStatus.OK, True), (FileStatus.PARTIAL, False)])
async def test_validators_stand_for_a_body_that_was_read_whole(
    sessions: Sessions, status: FileStatus, kept: bool
) -> None:
    """Of one that broke off, the next scan must be sent the rest."""
    document = Document(DocumentKind.URLSET, 1, status is FileStatus.OK, digest="d")
    validators = {"etag": '"e"', "last_modified": "Wed, 01 Jan 2025 00:00:00 GMT", "lastmod": "2025-01-01"}
    file = CrawledFile(URL, status, DiscoveryMethod.ROBOTS, document=document, http_status=200, **validators)
    claim = await start(sessions)
    async with sessions.work(claim.job_id, DOMAIN) as session, session.begin():
        await session.turn()
        await fence(session, claim)
        await save_files(session, claim, [file], whole=status is FileStatus.OK)
        ((known,),) = (await remembered_files(session, [claim.domain_id])).values()
    found = (known.etag, known.last_modified, known.lastmod, known.digest)
    assert found == ((*validators.values(), "d") if kept else (None,) * 4)

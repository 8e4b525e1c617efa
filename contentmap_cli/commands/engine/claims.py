"""Claims domains of a job together with the files that earlier scans recorded of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from contentmap_cli.commands.engine.run_id import is_dead
from contentmap_cli.errors import Failure
from contentmap_cli.storage.jobs.claims import Claim, claim_domains
from contentmap_cli.storage.session import GuardedSession
from contentmap_cli.storage.writing.files import remembered_files


async def claim_with_files(
    session: GuardedSession,
    job_id: str,
    tenant: str,
    domains: Sequence[str],
    run_id: str,
    *,
    failures: bool = False,
) -> dict[str, Claim | Failure]:
    """Claim domains of a job for a run. Returns for each domain its claim, which is all that a scan needs, or
    why it could not be claimed. `failures` claims failed and partial domains too."""
    answers = await claim_domains(session, job_id, tenant, domains, run_id, failures=failures, gone=is_dead)
    known = [claim.domain_id for claim in answers.values() if isinstance(claim, Claim) and claim.known]
    files = await remembered_files(session, known) if known else {}
    return {
        domain: replace(answer, remembered=tuple(files[answer.domain_id]))
        if isinstance(answer, Claim) and answer.domain_id in files
        else answer
        for domain, answer in answers.items()
    }

"""Who holds a job: a name for a live run, and whether a run with such a name can still be alive."""

from __future__ import annotations

import hashlib
import os
import socket
import uuid
from dataclasses import replace
from pathlib import Path

from contentmap_cli.models import DomainSummary, JobStatus, JobSummary, ScanStatus

_PLACE_LENGTH = 8


def new_run_id() -> str:
    """A name for this run that no other run has: host, place, process and a few random digits."""
    return f"{socket.gethostname()[:60]}:{_place()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def is_dead(owner: str | None) -> bool:
    """Whether the run of this name cannot be alive: its process was in this very place and is no more.

    Anywhere else nobody can tell, and its lease decides.
    """
    parts = (owner or "").split(":")
    if len(parts) != 4 or parts[:2] != [socket.gethostname()[:60], _place()] or not parts[2].isdigit():
        return False
    try:
        os.kill(int(parts[2]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _place() -> str:
    """This boot of this machine and, where there are containers, this space of process numbers."""
    marks = (_read("/proc/sys/kernel/random/boot_id"), _link("/proc/self/ns/pid"))
    return hashlib.blake2b("|".join(marks).encode(), digest_size=_PLACE_LENGTH // 2).hexdigest()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""


def truthful(job: JobSummary) -> JobSummary:
    """The job as it stands, also where its run was killed on this machine and its lease does not know yet."""
    domains = dict(job.domains)
    if job.status is JobStatus.RUNNING and is_dead(job.owner):
        heard = f"{job.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC" if job.heartbeat_at else "never"
        job = replace(job, status=JobStatus.INTERRUPTED, alive=False, error=f"died, last heartbeat {heard}")
    if job.status is JobStatus.INTERRUPTED and domains.get(ScanStatus.RUNNING):
        # nobody is running them any more
        domains[ScanStatus.INTERRUPTED] += domains[ScanStatus.RUNNING]
        domains[ScanStatus.RUNNING] = 0
    return replace(job, domains=domains)


def truthful_result(row: DomainSummary, job: JobSummary) -> DomainSummary:
    """A domain of such a job as it stands: where the job was interrupted nobody is running it any more."""
    if job.status is JobStatus.INTERRUPTED and row.status is ScanStatus.RUNNING:
        return replace(row, status=ScanStatus.INTERRUPTED)
    return row

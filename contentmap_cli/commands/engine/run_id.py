"""Run ids: which process a run is, and whether that process is still running."""

from __future__ import annotations

import hashlib
import os
import socket
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from contentmap_cli.models import DomainSummary, JobStatus, JobSummary, ScanStatus

_MACHINE_LENGTH = 8
_STARTED = 19
"""Position of the start time among the fields of /proc/PID/stat that follow the name (proc(5), field 22)."""


@dataclass(frozen=True, slots=True)
class _Process:
    """The process of a run, as its id describes it."""

    host: str
    machine: str  # digest of the boot and the PID namespace
    number: str
    started: str  # clock ticks since boot; empty where there is no /proc

    @property
    def is_local(self) -> bool:
        """Whether its number is one of this boot and this PID namespace."""
        return (self.host, self.machine) == (socket.gethostname()[:60], _machine()) and self.number.isdigit()


def new_run_id() -> str:
    """Return a unique id for a run: host, machine, process number, its start time and a random part."""
    started = _state(str(os.getpid()))[1]
    parts = (socket.gethostname()[:60], _machine(), str(os.getpid()), started, uuid.uuid4().hex[:8])
    return ":".join(parts)


def is_dead(owner: str | None) -> bool:
    """Return whether the process of this run has certainly ended. False for a process of another machine."""
    process = _process_of(owner)
    if process is None or not process.is_local:
        return False
    try:
        os.kill(int(process.number), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    state, started = _state(process.number)
    return bool(state) and started != process.started  # the number belongs to a later process


def is_running(owner: str | None) -> bool:
    """Return whether the process of this run is certainly running on this machine, and not suspended."""
    process = _process_of(owner)
    if process is None or not process.is_local:
        return False
    state, started = _state(process.number)
    return state not in ("", "T", "t", "Z", "X") and started == process.started


def _process_of(owner: str | None) -> _Process | None:
    parts = (owner or "").split(":")
    return _Process(*parts[:4]) if len(parts) == 5 else None


def _state(number: str) -> tuple[str, str]:
    """Return the state of a process, as abbreviated in proc(5), and its start time; empty without /proc."""
    fields = _read(f"/proc/{number}/stat").rpartition(")")[2].split()
    return (fields[0], fields[_STARTED]) if len(fields) > _STARTED else ("", "")


def _machine() -> str:
    """Return a digest of this boot of this machine and, where there are containers, of the PID namespace."""
    marks = (_read("/proc/sys/kernel/random/boot_id"), _link("/proc/self/ns/pid"))
    return hashlib.blake2b("|".join(marks).encode(), digest_size=_MACHINE_LENGTH // 2).hexdigest()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""


def truthful(job: JobSummary) -> JobSummary:
    """Return the job with its actual status: a run of this machine that was killed is interrupted at once,
    before its lease expires."""
    domains = dict(job.domains)
    if job.status is JobStatus.RUNNING and is_dead(job.owner):
        heard = f"{job.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC" if job.heartbeat_at else "never"
        error = f"the run ended unexpectedly; last heartbeat {heard}"
        job = replace(job, status=JobStatus.INTERRUPTED, alive=False, error=error)
    if job.status is JobStatus.INTERRUPTED and domains.get(ScanStatus.RUNNING):
        # their run has ended
        domains[ScanStatus.INTERRUPTED] += domains[ScanStatus.RUNNING]
        domains[ScanStatus.RUNNING] = 0
    return replace(job, domains=domains)


def truthful_result(row: DomainSummary, job: JobSummary) -> DomainSummary:
    """Return a domain's outcome with its actual status, as `truthful` does for its job."""
    if job.status is JobStatus.INTERRUPTED and row.status is ScanStatus.RUNNING:
        return replace(row, status=ScanStatus.INTERRUPTED)
    return row

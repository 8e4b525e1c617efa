"""The checks of `doctor`: why a site can or cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """What a check found. Warnings and errors are findings."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def is_finding(self) -> bool:
        """Whether something is to be done about it."""
        return self in (Level.WARNING, Level.ERROR)


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `subject` is a host, an address or a URL; `action` says what to do about a finding.

    `code` is an outcome code, as in a scan, None where nothing failed.
    """

    step: str
    level: Level
    subject: str
    message: str
    code: str | None = None
    action: str | None = None

"""`--expect-urls MIN[:MAX]`: expected number of URLs per domain."""

from __future__ import annotations

import re
from typing import NamedTuple, Self

from contentmap_cli.errors import UsageError
from contentmap_cli.models import DomainSummary, ScanStatus

_RANGE = re.compile(r"(\d{1,15})(?::(\d{1,15})?)?|:(\d{1,15})", re.ASCII)
_COUNTED = frozenset({ScanStatus.OK, ScanStatus.EMPTY, ScanStatus.PARTIAL})


class Expectation(NamedTuple):
    """Minimum and maximum number of URLs of a domain; `most` is None for no maximum."""

    least: int
    most: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `100` (100 or more), `100:200` (100 to 200) or `:200` (at most 200). Raise UsageError."""
        found = _RANGE.fullmatch(text.replace(",", "").replace("_", "").strip())
        if found is None:
            raise UsageError(
                f"--expect-urls: invalid range: {text!r}", hint="for example 100, 100:200 or :200"
            )
        least, most = int(found[1] or 0), found[2] or found[3]
        if most is not None and int(most) < least:
            raise UsageError(
                f"--expect-urls: maximum below minimum: {text!r}", hint=f"for example {most}:{least}"
            )
        return cls(least, int(most) if most is not None else None)

    def missed_by(self, summary: DomainSummary) -> str | None:
        """Return a description of the deviation, None if the count is as expected.

        Domains that failed or are not finished are not counted.
        """
        if summary.status not in _COUNTED:
            return None
        if summary.urls < self.least:
            return f"{summary.urls:,} urls, at least {self.least:,} expected"
        if self.most is not None and summary.urls > self.most:
            return f"{summary.urls:,} urls, at most {self.most:,} expected"
        return None

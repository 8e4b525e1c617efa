"""`--expect-urls MIN[:MAX]`: how many URLs a caller expects of each domain."""

from __future__ import annotations

import re
from typing import NamedTuple, Self

from contentmap_cli.errors import UsageError
from contentmap_cli.models import DomainSummary, ScanStatus

_RANGE = re.compile(r"(\d{1,15})(?::(\d{1,15})?)?|:(\d{1,15})", re.ASCII)
_COUNTED = frozenset({ScanStatus.OK, ScanStatus.EMPTY, ScanStatus.PARTIAL})


class Expectation(NamedTuple):
    """The least and the most URLs of a domain; `most` is None where any number is enough."""

    least: int
    most: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """`100` is 100 or more, `100:200` from 100 to 200, `:200` at most 200. Raises UsageError."""
        found = _RANGE.fullmatch(text.replace(",", "").replace("_", "").strip())
        if found is None:
            raise UsageError(
                f"--expect-urls: {text!r} is no range of URLs", hint="for example 100, 100:200 or :200"
            )
        least, most = int(found[1] or 0), found[2] or found[3]
        if most is not None and int(most) < least:
            raise UsageError(
                f"--expect-urls: {text!r} ends before it begins", hint=f"for example {most}:{least}"
            )
        return cls(least, int(most) if most is not None else None)

    def missed_by(self, summary: DomainSummary) -> str | None:
        """In what the domain is not as expected, as a person reads it; None where it is.

        What failed or waits was not counted, and is not clean anyway.
        """
        if summary.status not in _COUNTED:
            return None
        if summary.urls < self.least:
            return f"{summary.urls:,} urls, at least {self.least:,} expected"
        if self.most is not None and summary.urls > self.most:
            return f"{summary.urls:,} urls, at most {self.most:,} expected"
        return None

"""The markup and wording by which pages that stand in place of a site are known.

Markup is what products leave in attributes and inline scripts (`HtmlPage.code`, lower case). Wording is
compared with titles and headings as a whole and with short visible texts, lower case as well. Sources are the
products' own pages and documentation and the reports of crawlers that took such a page for content. Each
pattern is compared with a few thousand characters at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple


def any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """One pattern that matches where any of them does."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


class Marks(NamedTuple):
    """Markup: texts by product, found at the speed of a string search, and patterns for what varies."""

    texts: Mapping[str, tuple[str, ...]]
    pattern: re.Pattern[str]

    def found(self, code: str) -> bool:
        """Whether any of them occurs."""
        return self.pattern.search(code) is not None or any(
            text in code for texts in self.texts.values() for text in texts
        )

"""The markup and wording by which pages that stand in place of a site are known.

Markup is what products leave in attributes and inline scripts (`HtmlPage.code`, lower case). Wording is
compared with titles and headings as a whole and with short visible texts, lower case as well. Sources are the
products' own pages and documentation and the reports of crawlers that took such a page for content. Each
pattern is compared with a few thousand characters at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """One pattern that matches where any of them does."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))

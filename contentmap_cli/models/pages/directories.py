"""Directories of pages, where made-up paths show what the site answers if there is no page."""

from __future__ import annotations

import re

_LAST = re.compile(r"[^/]*/?\Z")


def directory_of(url: str) -> str:
    """Return the directory of a normalised URL, with its slash at the end.

    A slash at the end of the URL belongs to the page: `/news/a` and `/news/a/` are both in `/news/`. The home
    page is in `/`.
    """
    origin, _, path = url.partition("?")[0].partition("://")[2].partition("/")
    return f"{url.partition('://')[0]}://{origin}/{_LAST.sub('', path, count=1)}"

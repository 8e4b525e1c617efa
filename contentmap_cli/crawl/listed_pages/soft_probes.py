"""Choose the directories in which a made-up path is asked for, to recognise soft 404s.

The answer for a path that cannot exist shows whether the pages of its directory are the same: first where
pages look suspicious, then where there are most pages. A site that answers 404 needs few.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from contentmap_cli.crawl.pages.refusals import ABSENT_STATUSES
from contentmap_cli.models.pages import PageFacts, PageState
from contentmap_cli.models.pages.directories import directory_of

MAX_PROBES: Final = 24
"""Maximum number of made-up paths of a run."""

USUAL_PROBES: Final = 6
"""Made-up paths without a page after which only directories with a suspicious page are tried."""

MAX_DIRECTORIES: Final = 5000
"""Directories that are counted."""

MAX_TEXTS: Final = 20
"""Texts of a directory that others are compared with."""

FEW_WORDS: Final = 20
"""Words of a page that is suspicious because it has so few."""

_SHORTEST: Final = 12
_DIGITS: Final = 9  # of a number, which is still one of 32 bits
_RUN = re.compile(r"(?P<digits>[0-9]+)|(?:[A-Za-z]|%[0-9A-Fa-f]{2})+")
_SUFFIX = re.compile(r"\.[A-Za-z]{1,5}\Z")


@dataclass(slots=True)
class _Directory:
    """The pages of a directory that were answered with status 200 and HTML. `example` is one of them."""

    example: str
    pages: int = 0
    suspicious: int = 0
    texts: set[int] = field(default_factory=set)


class SoftProbes:
    """Chooses made-up paths. `done` are the facts of those that an interrupted run asked for."""

    def __init__(self, done: Iterable[PageFacts] = ()) -> None:
        self._directories: dict[str, _Directory] = {}
        self._probed = {directory_of(each.url) for each in done if each.probe}
        self._left = MAX_PROBES - len(self._probed)
        self._usual = USUAL_PROBES
        self._made: set[str] = set()

    def note(self, facts: PageFacts) -> None:
        """Count a listed page, or the answer for a made-up path."""
        if facts.probe:
            self._usual -= facts.status in ABSENT_STATUSES
            self._left -= facts.url not in self._made  # the target of a redirect
        if not facts.listed or facts.state is not PageState.ANSWERED or facts.status != 200:
            return
        if facts.text is None:
            return
        name = directory_of(facts.url)
        directory = self._directories.get(name)
        if directory is None:
            if len(self._directories) >= MAX_DIRECTORIES:
                return
            directory = self._directories[name] = _Directory(facts.url)
        directory.pages += 1
        text = hash(facts.text.marks)
        if facts.text.signals or facts.text.words < FEW_WORDS or text in directory.texts:
            if not directory.suspicious:
                directory.example = facts.url
            directory.suspicious += 1
        if len(directory.texts) < MAX_TEXTS:
            directory.texts.add(text)

    def choose(self, host: str) -> str | None:
        """Return the most useful made-up URL to ask for at a host, None if there is none."""
        if self._left <= 0:
            return None
        found = [
            (each.suspicious, each.pages, name)
            for name, each in self._directories.items()
            if name not in self._probed and name.partition("://")[2].partition("/")[0] == host
        ]
        if not found:
            return None
        suspicious, _, name = max(found)
        if not suspicious and self._usual <= 0:
            return None
        self._left -= 1
        self._probed.add(name)
        url = made_up(self._directories[name].example)
        self._made.add(url)
        return url


def made_up(url: str) -> str:
    """Return a URL that cannot exist, of the same shape as a page: its last segment or value is replaced.

    Digits are replaced by digits and letters by letters, since servers choose what answers by the shape.
    """
    rest, question, query = url.partition("?")
    directory = directory_of(rest)
    if question and _RUN.search(query.rpartition("=")[2]):
        before, equals, value = query.rpartition("=")
        return f"{rest}?{before}{equals}{_random_like(value)}"
    name = rest[len(directory) :]
    end = "/" if name.endswith("/") else ""
    suffix = _SUFFIX.search(name.removesuffix("/"))
    end = (suffix[0] if suffix is not None else "") + end
    return f"{directory}{_random_like(name[: len(name) - len(end)])}{end}"


def _random_like(text: str) -> str:
    """Return random digits and letters in place of those of a text."""
    if text.isdigit() and text.isascii():
        return "9" + _random(string.digits, max(_DIGITS, len(text)) - 1)
    missing = max(0, _SHORTEST - len(text))
    runs = list(_RUN.finditer(text))
    longer = next((run for run in runs if run["digits"] is None), runs[-1] if runs else None)
    if longer is None:
        return text + _random(string.ascii_lowercase, missing)

    def replace(run: re.Match[str]) -> str:
        length = len(run[0]) + (missing if run.start() == longer.start() else 0)
        return _random(string.ascii_lowercase if run["digits"] is None else string.digits, length)

    return _RUN.sub(replace, text)


def _random(characters: str, length: int) -> str:
    return "".join(secrets.choice(characters) for _ in range(length))

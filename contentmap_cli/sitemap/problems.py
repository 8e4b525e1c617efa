"""The problems of a document, collected in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum

from contentmap_cli.errors import Code
from contentmap_cli.models import Problem

MAX_LISTED = 10
"""Problems of one code that are listed; the last one counts the rest."""

_BATCH = 500
MESSAGE_LENGTH = 200

MAX_EXAMINED = 1024
"""Characters of a text that are considered for a message."""

USERINFO = re.compile(r"//[^\s/?#]*@")
# Also without a scheme, and with a slash in the password. Only digits after a colon are a port. Each word is
# matched at its start only.
USERINFO_WITH_SLASH = re.compile(
    r"(?<!\S)(?>([^\s/@]*+//)?)(?!\*\*\*@)[^\s/?#:@\[]*+:(?!//|[0-9]*+(?:[/?#]|(?!\S)))[^\s@]*+@"
)


class ProblemCode(StrEnum):
    """The codes of a document's problems; docs/outcomes.md describes each."""

    # The document as a whole: also outcome codes.
    XML_ERROR = Code.XML_ERROR.value
    XML_DTD_FORBIDDEN = Code.XML_DTD_FORBIDDEN.value
    XML_TOKEN_TOO_LARGE = Code.XML_TOKEN_TOO_LARGE.value
    TOO_MANY_URLS = Code.TOO_MANY_URLS.value
    NOT_A_SITEMAP = Code.NOT_A_SITEMAP.value
    ROBOTS_IS_HTML = Code.ROBOTS_IS_HTML.value
    BODY_TRUNCATED = Code.BODY_TRUNCATED.value
    BODY_TOO_LARGE = Code.BODY_TOO_LARGE.value
    DECOMPRESS_MEMBERS = Code.DECOMPRESS_MEMBERS.value
    UNSUPPORTED_ENCODING = Code.UNSUPPORTED_ENCODING.value
    # Entries that are not listed.
    URL_TOO_LONG = Code.URL_TOO_LONG.value
    REJECTED_URL = Code.REJECTED_URL.value
    MISSING_URL = "missing_url"
    STRAY_LOC = "stray_loc"
    CUT_OFF_ENTRY = "cut_off_entry"
    NOTHING_UNDERSTOOD = "nothing_understood"
    # Values that are changed or dropped.
    INVALID_LASTMOD = "invalid_lastmod"
    LASTMOD_FORMAT = "lastmod_format"
    EMPTY_LASTMOD = "empty_lastmod"
    INVALID_CHANGEFREQ = "invalid_changefreq"
    CHANGEFREQ_FORMAT = "changefreq_format"
    INVALID_PRIORITY = "invalid_priority"
    PRIORITY_FORMAT = "priority_format"
    TOO_MANY_EXTENSIONS = "too_many_extensions"
    INVALID_EXTENSION = "invalid_extension"
    # Repairs.
    BARE_AMPERSAND = "bare_ampersand"
    HTML_ENTITY = "html_entity"
    MISSING_END_TAG = "missing_end_tag"
    UNEXPECTED_END_TAG = "unexpected_end_tag"
    BROKEN_MARKUP = "broken_markup"
    JUNK_OUTSIDE_ROOT = "junk_outside_root"
    SEVERAL_ROOTS = "several_roots"
    DOCTYPE_IGNORED = "doctype_ignored"
    SCHEME_ADDED = "scheme_added"
    RELATIVE_URL = "relative_url"
    URL_REPAIRED = "url_repaired"
    CREDENTIALS_REMOVED = "credentials_removed"
    # Lines of a robots.txt.
    LINE_ENDS_LOST = "line_ends_lost"
    SEVERAL_URLS = "several_urls"
    MISSPELT_KEY = "misspelt_key"
    MISSING_COLON = "missing_colon"
    UNKNOWN_LINE = "unknown_line"
    RULE_WITHOUT_AGENT = "rule_without_agent"
    ROBOTS_NOT_UNDERSTOOD = "robots_not_understood"
    BYTE_ORDER_MARK = "byte_order_mark"
    # Observations.
    WRONG_ENCODING = "wrong_encoding"
    TRAILING_GARBAGE = "trailing_garbage"
    DUPLICATE_URL = "duplicate_url"
    NOT_A_URL_LINE = "not_a_url_line"


class Problems:
    """Collects problems in order, in `listed`: at most `MAX_LISTED` per code, further ones as a count.

    `deliver`, if given, receives every problem, in batches; call `flush` at the end.
    """

    def __init__(self, deliver: Callable[[Sequence[Problem]], None] | None = None) -> None:
        self._deliver = deliver
        self._batch: list[Problem] = []
        self.line_offset = 0  # lines before the first one that the reader gets
        self.listed: list[Problem] = []
        self._positions: dict[ProblemCode, list[int]] = {}

    def add(
        self,
        code: ProblemCode,
        line: int | None,
        message: str,
        count: int = 1,
        *,
        length: int = MESSAGE_LENGTH,
        url: str | None = None,
    ) -> None:
        """Add a problem, or `count` of them. `line` counts from 1, None if unknown. A message of more than
        `length` characters is cut. `url` is that of the entry."""
        positions = self._positions.setdefault(code, [])
        if self._deliver is not None or len(positions) < MAX_LISTED:
            where = line + self.line_offset if line is not None else None
            problem = Problem(code.value, where, shorten(message, length), count, url)
        if self._deliver is not None:
            self._batch.append(problem)
            if len(self._batch) >= _BATCH:
                self.flush()
        if len(positions) < MAX_LISTED:
            positions.append(len(self.listed))
            self.listed.append(problem)
        else:
            last = self.listed[positions[-1]]
            self.listed[positions[-1]] = replace(last, count=last.count + count)

    @property
    def delivers(self) -> bool:
        """Whether every problem is delivered."""
        return self._deliver is not None

    def extend(self, others: Iterable[Problem]) -> None:
        """Add the problems of another collector."""
        for each in others:
            self.add(ProblemCode(each.code), each.line, each.message, each.count)

    def flush(self) -> None:
        """Deliver the remaining problems."""
        if self._deliver is not None and self._batch:
            self._deliver(self._batch)
            self._batch = []

    def has(self, code: ProblemCode) -> bool:
        """Return whether there is a problem with this code."""
        return code in self._positions


def shorten(text: str, length: int = MESSAGE_LENGTH) -> str:
    """Return a printable line of at most `length` characters, with credentials redacted."""
    if "//" in text or ":" in text:
        text = _redacted(text)
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: length + 1])
    return line if len(line) <= length else line[: length - 1] + "…"


def redact_userinfo(text: str) -> str:
    """Replace user names and passwords in the URLs of a text by `***`."""
    return USERINFO_WITH_SLASH.sub(r"\1***@", USERINFO.sub("//***@", text)) if "@" in text else text


def _redacted(text: str) -> str:
    """Redact the beginning of a text. A cut text gets a final @, since one may follow the cut."""
    if len(text) > MAX_EXAMINED:
        text = f"{text[:MAX_EXAMINED]}@"
    return redact_userinfo(text)

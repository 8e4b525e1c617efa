"""What can be wrong with a document, and a collector that stays small whatever it is fed."""

from __future__ import annotations

import re
from dataclasses import replace
from enum import StrEnum

from contentmap_cli.errors import Code
from contentmap_cli.models import Problem

LISTED = 10
"""How many problems of one code are listed one by one; the rest are counted in the last of them."""

MESSAGE_LENGTH = 200

LOOKED_AT = 1024
"""Characters of a text that are looked at for a message."""

USERINFO = re.compile(r"//[^\s/?#]*@")
# Without a scheme too; a password may hold a raw slash. What follows a colon is a port, not a password, if it
# is all digits. Each word is tried at its start alone.
SLASHED = re.compile(
    r"(?<!\S)(?>([^\s/@]*+//)?)(?!\*\*\*@)[^\s/?#:@\[]*+:(?!//|[0-9]*+(?:[/?#]|(?!\S)))[^\s@]*+@"
)


class ProblemCode(StrEnum):
    """Every code that a `Problem` of a document can carry. `meaning` says what was found and done."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> ProblemCode:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    # The document as a whole. These share their names with outcome codes.
    XML_ERROR = Code.XML_ERROR.value, "the XML is not well-formed; what could be read for certain was read"
    XML_DTD_FORBIDDEN = Code.XML_DTD_FORBIDDEN.value, "a document type declaration; nothing after it was read"
    XML_TOKEN_TOO_LARGE = Code.XML_TOKEN_TOO_LARGE.value, "one piece of markup or text is absurdly large"
    TOO_MANY_URLS = Code.TOO_MANY_URLS.value, "more entries than the protocol allows in one file"
    NOT_A_SITEMAP = Code.NOT_A_SITEMAP.value, "the content is no sitemap, feed or list of URLs"
    ROBOTS_IS_HTML = Code.ROBOTS_IS_HTML.value, "an HTML page was served as robots.txt"
    BODY_TRUNCATED = Code.BODY_TRUNCATED.value, "the body ends too early or its compression is damaged"
    BODY_TOO_LARGE = Code.BODY_TOO_LARGE.value, "the decoded body exceeds the limit and was cut there"
    DECOMPRESS_MEMBERS = Code.DECOMPRESS_MEMBERS.value, "too many gzip members in one body"
    UNSUPPORTED_ENCODING = Code.UNSUPPORTED_ENCODING.value, "compressed more often than is decoded"
    # Entries that are not listed.
    URL_TOO_LONG = Code.URL_TOO_LONG.value, "the URL exceeds the length limit; the entry was refused"
    REJECTED_URL = (
        Code.REJECTED_URL.value,
        "not an http(s) URL that could be requested; the entry was refused",
    )
    MISSING_URL = "missing_url", "an entry names no URL and was left out"
    STRAY_LOC = "stray_loc", "a loc outside of url and sitemap was left out"
    CUT_OFF_ENTRY = (
        "cut_off_entry",
        "the document ends inside an entry; its URL may be cut off, so it was left out",
    )
    NOTHING_UNDERSTOOD = "nothing_understood", "the root has content, and none of it is an entry"
    # Values that are not taken over.
    INVALID_LASTMOD = "invalid_lastmod", "a date that cannot be understood; kept as text only"
    LASTMOD_FORMAT = "lastmod_format", "a date in another form than the format asks for; understood"
    INVALID_CHANGEFREQ = "invalid_changefreq", "not one of the protocol's seven values; left out"
    INVALID_PRIORITY = "invalid_priority", "not a number from 0.0 to 1.0; left out"
    TOO_MANY_EXTENSIONS = (
        "too_many_extensions",
        "more images, videos, news or alternates than an entry may have",
    )
    INVALID_EXTENSION = "invalid_extension", "an image, video, news or alternate value was cut or left out"
    # Repairs.
    BARE_AMPERSAND = "bare_ampersand", "an & that is not escaped; read as it stands"
    HTML_ENTITY = "html_entity", "an entity that XML does not know; read as HTML has it"
    MISSING_END_TAG = "missing_end_tag", "an element is not closed; its end was inferred"
    UNEXPECTED_END_TAG = "unexpected_end_tag", "an end tag without its start; passed over"
    BROKEN_MARKUP = "broken_markup", "a tag, comment or declaration is malformed; passed over"
    JUNK_OUTSIDE_ROOT = "junk_outside_root", "text before, after or between documents; passed over"
    SEVERAL_ROOTS = "several_roots", "several documents in one file; all were read"
    DOCTYPE_IGNORED = "doctype_ignored", "a document type declaration without content; passed over"
    SCHEME_ADDED = "scheme_added", "a URL that starts with the site's host was given the sitemap's scheme"
    RELATIVE_URL = "relative_url", "a URL without scheme and host; resolved against the sitemap's own"
    URL_REPAIRED = "url_repaired", "a URL that is not written as it should be; read as browsers read it"
    CREDENTIALS_REMOVED = "credentials_removed", "a URL held a user name or password, which is not recorded"
    # Lines of a robots.txt.
    LINE_ENDS_LOST = "line_ends_lost", "several lines stand on one; each was read"
    SEVERAL_URLS = "several_urls", "a Sitemap line names several URLs; each was read"
    MISSPELT_KEY = "misspelt_key", "a key is misspelt; read as the only one that it can mean"
    MISSING_COLON = "missing_colon", "no colon stands between key and value; read as if one did"
    UNKNOWN_LINE = "unknown_line", "no standard defines the line; passed over"
    RULE_WITHOUT_AGENT = "rule_without_agent", "a rule before the first User-agent line; it applies to nobody"
    ROBOTS_NOT_UNDERSTOOD = (
        "robots_not_understood",
        "no line is one that a robots.txt has; it allows everything",
    )
    BYTE_ORDER_MARK = "byte_order_mark", "a byte order mark before the first line; passed over"
    # Observations.
    WRONG_ENCODING = "wrong_encoding", "the text is not in the encoding it declares; read as what it is"
    TRAILING_GARBAGE = "trailing_garbage", "bytes after the end of the gzip data; passed over"
    DUPLICATE_URL = "duplicate_url", "a URL is listed more than once; every listing was kept"
    NOT_A_URL_LINE = "not_a_url_line", "a line of a text sitemap that is not one URL; passed over"


class Problems:
    """Collects problems in the order they are found: at most `LISTED` for each code, the rest as counts."""

    def __init__(self) -> None:
        self.line_offset = 0  # lines of the document that its reader did not see
        self._listed: list[Problem] = []
        self._places: dict[ProblemCode, list[int]] = {}

    def add(self, code: ProblemCode, line: int | None, message: str, count: int = 1) -> None:
        """Notes one more problem (or `count` alike); `line` counts from 1, None where no line applies."""
        places = self._places.setdefault(code, [])
        if len(places) < LISTED:
            places.append(len(self._listed))
            where = line + self.line_offset if line is not None else None
            self._listed.append(Problem(code.value, where, shorten(message), count))
        else:
            last = self._listed[places[-1]]
            self._listed[places[-1]] = replace(last, count=last.count + count)

    def extend(self, others: Problems) -> None:
        """Notes the problems that another collector holds, behind those noted so far."""
        for each in others.as_tuple():
            self.add(ProblemCode(each.code), each.line, each.message, each.count)

    def has(self, code: ProblemCode) -> bool:
        """Whether a problem of this code was noted."""
        return code in self._places

    def as_tuple(self) -> tuple[Problem, ...]:
        """All problems so far, in order."""
        return tuple(self._listed)


def shorten(text: str, length: int = MESSAGE_LENGTH) -> str:
    """The text on one line, cut to `length` characters, safe to store and to encode, credentials hidden."""
    if "//" in text or ":" in text:
        text = _hidden(text)
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: length + 1])
    return line if len(line) <= length else line[: length - 1] + "…"


def without_userinfo(text: str) -> str:
    """Return a whole text with what stands before an @ in its URLs replaced by `***`."""
    return SLASHED.sub(r"\1***@", USERINFO.sub("//***@", text)) if "@" in text else text


def _hidden(text: str) -> str:
    """The beginning of a text without what stands before an @ in its URLs.

    An @ may come where nobody looks any more: what is cut ends with one.
    """
    if len(text) > LOOKED_AT:
        text = f"{text[:LOOKED_AT]}@"
    if "@" in text:
        text = SLASHED.sub(r"\1***@", USERINFO.sub("//***@", text))
    return text

"""The parts of an HTML page that show what it is for: title, visible text, scripts, links and form fields."""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from typing import Any, NamedTuple

from lxml import etree

from contentmap_cli.sitemap.encoding import LENIENT, detect

READ_BYTES = 64 * 1024
"""Bytes, or characters, of a page that are looked at."""

MOST_TEXT = 10_000
MOST_LINKS = 100
"""What is read of a page ends with the element after so many characters of text, or so many links."""

TITLE_LENGTH = 300
CHARSET = re.compile(rb"charset\s*+=\s*+[\"']?([A-Za-z0-9][A-Za-z0-9_.:-]{0,40})", re.IGNORECASE)
CHARACTER_SET = re.compile(r"utf-8|iso8859|cp\d|windows|koi8|gb|big5|shift_jis|euc|mac|tis")
SPACE = re.compile(r"\s+")
UNSEEN = frozenset({"script", "style", "template", "title", "noscript", "svg", "option", "iframe", "object"})
BLOCKS = frozenset({"h1", "h2", "h3", "h4", "p", "div", "br", "li", "td", "tr", "form", "label"})
COUNTED = {"h1": "headings", "h2": "headings", "h3": "headings"} | {
    "button": "buttons",
    "form": "forms",
    "script": "scripts",
}
NO_FIELDS = frozenset({"hidden", "submit", "button", "image", "reset", "checkbox", "radio"})
BUTTONS = frozenset({"submit", "button", "image"})
NO_LINKS = ("#", "javascript:", "mailto:", "tel:", "data:")


class HtmlPage(NamedTuple):
    """One page. Text is lower case with single spaces, but for `title`, `refresh`, `canonical` and `base`.

    `text` is the visible text, `outside` the part of it that is in no form, `h1` the first level 1 heading.
    `code` has a line `tag attribute=value` for each attribute but style, and the inline scripts: what a
    product leaves its marks in, and no text that only quotes them. `links`, `fields` (visible form fields),
    `passwords`, `forms`, `buttons` and `headings` are counts; `labels` has the buttons' text. `refresh` is
    the content of a `<meta http-equiv=refresh>` that stands in no noscript. `whole` is False where the page
    goes on after what was read.
    """

    title: str = ""
    h1: str = ""
    text: str = ""
    outside: str = ""
    noscript: str = ""
    code: str = ""
    labels: str = ""
    links: int = 0
    fields: int = 0
    passwords: int = 0
    forms: int = 0
    buttons: int = 0
    headings: int = 0
    scripts: int = 0
    noindex: bool = False
    refresh: str | None = None
    canonical: str | None = None
    base: str | None = None
    whole: bool = True


def read_page(html: bytes | str, content_type: str | None = None) -> HtmlPage:
    """Read the first `READ_BYTES` of a page. `content_type` is the header's value. Never raises."""
    head = html[:READ_BYTES]
    text = head if isinstance(head, str) else _decode(head, content_type)
    reader = _Reader()
    target: Any = reader  # the library asks for fewer methods than its stub does
    parser = etree.HTMLParser(target=target, encoding="utf-8", huge_tree=True)
    whole = len(html) < READ_BYTES
    with suppress(etree.LxmlError):  # an empty document, say: what was read until then counts
        try:
            etree.fromstring(text.replace("\0", " ").encode("utf-8", "replace"), parser)
        except _Enough:
            whole = False
    return reader.page(whole=whole)


def _decode(head: bytes, content_type: str | None) -> str:
    """The text of a page: byte order mark, header, `<meta charset>`, UTF-8."""
    found = detect(head[:4096])
    if found.codec == "utf-8" and not found.bom_length:
        named = CHARSET.search((content_type or "").encode("ascii", "ignore")) or CHARSET.search(head[:4096])
        if named is not None and (codec := _character_set(named[1].decode("ascii"))) is not None:
            return head.decode(codec, LENIENT)
    return head[found.bom_length :].decode(found.codec, LENIENT)


def _character_set(label: str) -> str | None:
    try:
        name = codecs.lookup(label).name
    except (LookupError, ValueError):
        return None
    return name if CHARACTER_SET.match(name) else None


class _Enough(Exception):
    """More text or links than any page has that stands in place of a site."""


class _Reader:
    """A parser target: collects what the tags and the text say, in document order."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}
        self._unseen = 0
        self._length = 0
        self._title: list[str] = []
        self._h1: list[str] = []
        self._text: list[str] = []
        self._outside: list[str] = []
        self._noscript: list[str] = []
        self._code: list[str] = []
        self._labels: list[str] = []
        self._counts = dict.fromkeys(
            ("links", "fields", "passwords", "forms", "buttons", "headings", "scripts"), 0
        )
        self._noindex = False
        self._refresh: str | None = None
        self._canonical: str | None = None
        self._base: str | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """A start tag."""
        if self._length > MOST_TEXT or self._counts["links"] > MOST_LINKS:
            raise _Enough
        values = {name.lower(): value or "" for name, value in attributes.items()}
        for name, value in values.items():
            if name != "style":
                self._code.append(f"{tag} {name}={value}".lower())
        self._open[tag] = self._open.get(tag, 0) + 1
        self._unseen += tag in UNSEEN
        if tag in COUNTED:
            self._counts[COUNTED[tag]] += 1
        elif tag == "a" and "href" in values:
            self._counts["links"] += not values["href"].strip().lower().startswith(NO_LINKS)
        elif tag in ("input", "textarea", "select"):
            self._field(values)
        elif tag == "meta":
            self._meta(values)
        elif tag == "link" and "canonical" in values.get("rel", "").lower().split():
            self._canonical = self._canonical or values.get("href", "").strip() or None
        elif tag == "base":
            self._base = self._base or values.get("href", "").strip() or None
        if tag in BLOCKS:
            self._text.append(" ")
            self._outside.append(" ")

    def end(self, tag: str) -> None:
        """An end tag, also one that is implied."""
        if self._in(tag):
            self._open[tag] -= 1
            self._unseen -= tag in UNSEEN
        if tag == "h1" and self._h1:
            self._h1.append("\0")  # only the first one is wanted
        self._text.append(" ")
        self._outside.append(" ")

    def data(self, text: str) -> None:
        """Text between tags."""
        if self._in("script"):
            self._code.append(text.lower())
        elif self._in("noscript"):
            if not self._in("style"):
                self._noscript.append(text)
        elif self._in("title") and not self._in("svg"):
            self._title.append(text)
        elif not self._unseen:
            self._length += len(text)
            self._text.append(text)
            if not self._in("form"):
                self._outside.append(text)
            if self._in("h1"):
                self._h1.append(text)
            if self._in("button"):
                self._labels.append(f"{text}\n")

    def close(self) -> None:
        """The end of the document."""

    def _in(self, tag: str) -> bool:
        return self._open.get(tag, 0) > 0

    def _field(self, values: dict[str, str]) -> None:
        kind = values.get("type", "text").strip().lower()
        if kind == "password":
            self._counts["passwords"] += 1
        if kind in BUTTONS:
            self._counts["buttons"] += 1
            self._labels.append(f"{values.get('value', '')}\n")
        elif kind not in NO_FIELDS:
            self._counts["fields"] += 1

    def _meta(self, values: dict[str, str]) -> None:
        content = values.get("content", "").strip()
        if values.get("name", "").strip().lower() in ("robots", "googlebot"):
            words = content.lower()
            self._noindex = self._noindex or "noindex" in words or words == "none"
        elif values.get("http-equiv", "").strip().lower() == "refresh" and not self._in("noscript"):
            self._refresh = self._refresh or content or None

    def page(self, *, whole: bool) -> HtmlPage:
        """What was read."""
        return HtmlPage(
            title=_one_line("".join(self._title))[:TITLE_LENGTH],
            h1=_one_line("".join(self._h1).partition("\0")[0]).lower()[:TITLE_LENGTH],
            text=_one_line("".join(self._text)).lower(),
            outside=_one_line("".join(self._outside)).lower(),
            noscript=_one_line("".join(self._noscript)).lower(),
            code="\n".join(self._code),
            labels="".join(self._labels).lower(),
            noindex=self._noindex,
            refresh=self._refresh,
            canonical=self._canonical,
            base=self._base,
            whole=whole,
            **self._counts,
        )


def _one_line(text: str) -> str:
    return SPACE.sub(" ", text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")).strip()

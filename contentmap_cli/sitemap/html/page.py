"""Extract the features of an HTML page that show its kind: title, visible text, scripts, links and form
fields."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, NamedTuple

from lxml import etree

from contentmap_cli.sitemap.charsets import codec_of
from contentmap_cli.sitemap.encoding import LENIENT, detect

READ_BYTES = 64 * 1024
"""Bytes, or characters, of a page that are read."""

MAX_TEXT = 10_000
MAX_LINKS = 100
"""Reading ends after this many characters of text, or links."""

TITLE_LENGTH = 300
CHARSET = re.compile(rb"charset\s*+=\s*+[\"']?([A-Za-z0-9][A-Za-z0-9_.:-]{0,40})", re.IGNORECASE)
HIDDEN_TAGS = frozenset(
    {"script", "style", "template", "title", "noscript", "svg", "option", "iframe", "object"}
)
BLOCKS = frozenset({"h1", "h2", "h3", "h4", "p", "div", "br", "li", "td", "tr", "form", "label"})
COUNTED = {"h1": "headings", "h2": "headings", "h3": "headings"} | {
    "button": "buttons",
    "form": "forms",
    "script": "scripts",
}
NON_TEXT_INPUTS = frozenset({"hidden", "submit", "button", "image", "reset", "checkbox", "radio"})
BUTTONS = frozenset({"submit", "button", "image"})
NON_PAGE_LINKS = ("#", "javascript:", "mailto:", "tel:", "data:")


class HtmlPage(NamedTuple):
    """The features of a page.

    Text is in lower case with single spaces, except `title`, `refresh`, `canonical` and `base`. `text` is the
    visible text, `outside_forms` the part that is not in a form, `h1` the first level 1 heading. `code` has a
    line `tag attribute=value` per attribute except style, and the inline scripts. `links`, `fields` (visible
    form fields), `passwords`, `forms`, `buttons` and `headings` are counts. `labels` is the text of buttons.
    `refresh` is the content of a `<meta http-equiv=refresh>` outside noscript. `whole` is False if only the
    beginning was read.
    """

    title: str = ""
    h1: str = ""
    text: str = ""
    outside_forms: str = ""
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
    """Read the first `READ_BYTES` of a page. `content_type` is the value of the header. Never raises."""
    head = html[:READ_BYTES]
    text = head if isinstance(head, str) else decode_html(head, content_type)
    reader = _PageTarget()
    target: Any = reader  # the stub requires more methods than lxml
    parser = etree.HTMLParser(target=target, encoding="utf-8", huge_tree=True)
    whole = len(html) < READ_BYTES
    with suppress(etree.LxmlError):  # such as for an empty document
        try:
            etree.fromstring(text.replace("\0", " ").encode("utf-8", "replace"), parser)
        except _LimitReached:
            whole = False
    return reader.page(whole=whole)


def decode_html(html: bytes, content_type: str | None) -> str:
    """Decode a page by its byte order mark, the header, `<meta charset>` or as UTF-8."""
    found = detect(html[:4096])
    if found.codec == "utf-8" and not found.bom_length:
        sent = CHARSET.search((content_type or "").encode("ascii", "ignore"))
        named = sent or CHARSET.search(html[:4096])
        codec = codec_of(named[1].decode("ascii")) if named is not None else None
        if codec is not None and (sent is not None or not codec.startswith("utf-")):  # see the HTML standard,
            return html.decode(codec, LENIENT)  # "prescan a byte stream": UTF-16 in a meta means UTF-8
    return html[found.bom_length :].decode(found.codec, LENIENT)


class _LimitReached(Exception):
    """The page has more text or links than the limits."""


class _PageTarget:
    """A parser target of lxml that collects the features of a page."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}
        self._hidden_depth = 0
        self._length = 0
        self._title: list[str] = []
        self._h1: list[str] = []
        self._text: list[str] = []
        self._outside_forms: list[str] = []
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
        """Handle a start tag."""
        if self._length > MAX_TEXT or self._counts["links"] > MAX_LINKS:
            raise _LimitReached
        values = {name.lower(): value or "" for name, value in attributes.items()} if attributes else {}
        self._code += [f"{tag} {name}={value}" for name, value in values.items() if name != "style"]
        self._open[tag] = self._open.get(tag, 0) + 1
        if tag in HIDDEN_TAGS:
            self._hidden_depth += 1
        if tag in COUNTED:
            self._counts[COUNTED[tag]] += 1
        elif tag == "a" and "href" in values:
            self._counts["links"] += not values["href"].strip().lower().startswith(NON_PAGE_LINKS)
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
            self._outside_forms.append(" ")

    def end(self, tag: str) -> None:
        """Handle an end tag, explicit or implied."""
        if self._open.get(tag):
            self._open[tag] -= 1
            if tag in HIDDEN_TAGS:
                self._hidden_depth -= 1
        if tag == "h1" and self._h1:
            self._h1.append("\0")  # end of the first heading
        self._text.append(" ")
        self._outside_forms.append(" ")

    def data(self, text: str) -> None:
        """Handle text."""
        if not self._hidden_depth:
            self._length += len(text)
            self._text.append(text)
            if not self._in("form"):
                self._outside_forms.append(text)
            if self._in("h1"):
                self._h1.append(text)
            if self._in("button"):
                self._labels.append(f"{text}\n")
        elif self._in("script"):
            self._code.append(text)
        elif self._in("noscript"):
            if not self._in("style"):
                self._noscript.append(text)
        elif self._in("title") and not self._in("svg"):
            self._title.append(text)

    def close(self) -> None:
        """Do nothing at the end of the document."""

    def _in(self, tag: str) -> bool:
        return self._open.get(tag, 0) > 0

    def _field(self, values: dict[str, str]) -> None:
        kind = values.get("type", "text").strip().lower()
        if kind == "password":
            self._counts["passwords"] += 1
        if kind in BUTTONS:
            self._counts["buttons"] += 1
            self._labels.append(f"{values.get('value', '')}\n")
        elif kind not in NON_TEXT_INPUTS:
            self._counts["fields"] += 1

    def _meta(self, values: dict[str, str]) -> None:
        content = values.get("content", "").strip()
        if values.get("name", "").strip().lower() in ("robots", "googlebot"):
            words = content.lower()
            self._noindex = self._noindex or "noindex" in words or words == "none"
        elif values.get("http-equiv", "").strip().lower() == "refresh" and not self._in("noscript"):
            self._refresh = self._refresh or content or None

    def page(self, *, whole: bool) -> HtmlPage:
        """Return the features."""
        text = _one_line("".join(self._text)).lower()
        return HtmlPage(
            title=_one_line("".join(self._title))[:TITLE_LENGTH],
            h1=_one_line("".join(self._h1).partition("\0")[0]).lower()[:TITLE_LENGTH],
            text=text,
            outside_forms=_one_line("".join(self._outside_forms)).lower() if self._counts["forms"] else text,
            noscript=_one_line("".join(self._noscript)).lower(),
            code="\n".join(self._code).lower(),
            labels="".join(self._labels).lower(),
            noindex=self._noindex,
            refresh=self._refresh,
            canonical=self._canonical,
            base=self._base,
            whole=whole,
            **self._counts,
        )


def _one_line(text: str) -> str:
    return " ".join(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())

"""Read an HTML page as the HTML standard builds its tree, and extract the features that show its kind: title,
visible text, scripts, links and form fields.

The parser is Lexbor's. It builds the tree without scripting; crawlers and browsers have it, so that
`<noscript>` is text. It is therefore renamed to `<noframes>`, which is text in both cases.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

from contentmap_cli.sitemap.charsets import codec_of
from contentmap_cli.sitemap.encoding import LENIENT, detect

READ_BYTES = 64 * 1024
"""Bytes, or characters, of a page that are read."""

MAX_TEXT = 10_000
"""Reading ends after this many characters of text."""

MAX_LINKS = 100
"""A page with more links has no known kind."""

TITLE_LENGTH = 300
CHARSET = re.compile(rb"charset\s*+=\s*+[\"']?([A-Za-z0-9][A-Za-z0-9_.:-]{0,40})", re.IGNORECASE)
NOSCRIPT = re.compile(r"(</?)[nN][oO][sS][cC][rR][iI][pP][tT](?=[\s/>])")
MAX_NOSCRIPTS = 100
UNGUARDED = 3000
"""Tags of a page whose depth is not counted."""

MAX_DEPTH = 1000
MAX_ATTRIBUTES = 8000
LONG_TAG = re.compile(r"<[A-Za-z][^<>]{16000}")
TAG = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|title|textarea|noframes)\b.*?(?:</\1\b|\Z)"
    r"|(?P<end></[a-z])|<(?P<name>[a-z][^\s/>]*+)(?P<rest>[^<>]*+)",
    re.IGNORECASE | re.DOTALL,
)
VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
HIDDEN_TAGS = frozenset(
    {"script", "style", "title", "noframes", "svg", "option", "iframe", "object", "math", "canvas", "video"}
    | {"audio", "datalist", "textarea", "noembed"}
)
APART = frozenset({"a", "nav", "footer", "aside", "button", "label"})
"""Elements whose text is not that of the page itself."""

LANDMARKS = frozenset({"nav", "footer", "aside", "header"})
"""Elements that are the same on every page of a site, but for a heading in them."""

MEDIA = frozenset(
    {"input", "img", "picture", "video", "audio", "canvas", "svg", "iframe", "object", "embed", "math"}
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

    Text is in lower case with single spaces, except `title`, `own`, `refresh`, `canonical` and `base`. `text`
    is the visible text, `outside_forms` the part that is not in a form, `own` the part that is not in a link
    or navigation. `is_blank` says that there is nothing but navigation and page headers. `h1` is the first
    level 1 heading, `h2` the first of level 2. `code` has a line `tag attribute=value` per attribute except
    style, and the inline scripts. `links`, `fields` (visible form fields), `passwords`, `forms`, `buttons`,
    `headings` and `media` are counts. `labels` is the text of buttons. `refresh` is the content of a
    `<meta http-equiv=refresh>` outside noscript. `whole` is False if only the beginning was read.
    """

    title: str = ""
    h1: str = ""
    h2: str = ""
    text: str = ""
    outside_forms: str = ""
    own: str = ""
    is_blank: bool = False
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
    media: int = 0
    noindex: bool = False
    refresh: str | None = None
    canonical: str | None = None
    base: str | None = None
    whole: bool = True


def read_page(html: bytes | str, content_type: str | None = None) -> HtmlPage:
    """Read the first `READ_BYTES` of a page. `content_type` is the value of the header. Never raises."""
    head = html[:READ_BYTES]
    text = head if isinstance(head, str) else decode_html(head, content_type)
    return features_of(parse_html(text), whole=len(html) < READ_BYTES)


def parse_html(text: str) -> LexborHTMLParser:
    """Return the tree of a page.

    The time of the parser grows with the square of the depth of elements, and of the attributes of one. A
    page ends where it has more of them than browsers read.
    """
    if text.count("<") > UNGUARDED or LONG_TAG.search(text):
        text = text[: _parsed_length(text)]
    return LexborHTMLParser(NOSCRIPT.sub(r"\1noframes", text).encode("utf-8", "replace"))


def _parsed_length(text: str) -> int:
    depth = 0
    for match in TAG.finditer(text):
        name = match["name"]
        if match["end"]:
            depth = max(0, depth - 1)
        elif name and name.lower() not in VOID:
            depth += 1
        rest = match["rest"]
        if depth > MAX_DEPTH or (rest and len(rest) > MAX_ATTRIBUTES and len(rest.split()) > MAX_ATTRIBUTES):
            return match.start()
    return len(text)


def features_of(tree: LexborHTMLParser, *, whole: bool) -> HtmlPage:
    """Return the features of a page. `whole` is False if only its beginning was parsed."""
    reader = _Reader()
    reader.walk(tree.root)
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


class _Reader:
    """Collects the features of a page from its tree."""

    def __init__(self) -> None:
        self._hidden = self._apart = self._forms = self._noscript_depth = 0  # open elements of these kinds
        self._open = dict.fromkeys(("h1", "h2", "button", "script", "style", "title", "svg"), 0)
        self._landmarks = 0  # open elements of these
        self._length = 0
        self._has_content = False
        self._noscripts = 0
        self._gap = False  # the next text does not continue a word
        self._title: list[str] = []
        self._headings: dict[str, list[str]] = {"h1": [], "h2": []}
        self._text: list[str] = []
        self._outside_forms: list[str] = []
        self._own: list[str] = []
        self._noscript: list[str] = []
        self._code: list[str] = []
        self._labels: list[str] = []
        self._counts = dict.fromkeys(
            ("links", "fields", "passwords", "forms", "buttons", "headings", "scripts", "media"), 0
        )
        self._noindex = False
        self._refresh: str | None = None
        self._canonical: str | None = None
        self._base: str | None = None

    def walk(self, node: LexborNode | None) -> None:
        """Read a tree in document order."""
        parents: list[tuple[LexborNode, str, bool]] = []
        while node is not None and self._length <= MAX_TEXT:
            child = None
            if node.is_element_node:
                tag = node.tag or ""
                hides = self._start(tag, node.attributes)
                child = node.first_child
                if child is not None and tag == "noframes":
                    self._read_noscript(child.text_content or "")
                    child = None
                if child is None:
                    self._end(tag, hides)
                else:
                    parents.append((node, tag, hides))
            elif node.is_text_node:
                self._data(node.text_content or "")
            following = child or node.next
            while following is None and parents:
                node, tag, hides = parents.pop()
                self._end(tag, hides)
                following = node.next
            node = following

    def _start(self, tag: str, attributes: dict[str, str | None]) -> bool:
        """Handle a start tag. Return whether the element hides its content."""
        values = {name: value or "" for name, value in attributes.items()}
        self._code += [f"{tag} {name}={value}" for name, value in values.items() if name != "style"]
        hides = tag in HIDDEN_TAGS or _is_hidden(tag, values)
        self._hidden += hides
        self._apart += tag in APART
        self._landmarks += tag in LANDMARKS
        if not self._noscript_depth:
            self._counts["media"] += tag in MEDIA or (tag == "script" and not _is_data(values))
        if tag in self._open:
            self._open[tag] += 1
        if tag in COUNTED:
            self._counts[COUNTED[tag]] += 1
        if tag == "form":
            self._forms += 1
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
        self._gap = self._gap or tag in BLOCKS
        return hides

    def _end(self, tag: str, hides: bool) -> None:
        self._hidden -= hides
        self._apart -= tag in APART
        self._landmarks -= tag in LANDMARKS
        if tag in self._open:
            self._open[tag] -= 1
        if tag == "form":
            self._forms -= 1
        elif self._headings.get(tag):
            self._headings[tag].append("\0")  # end of the first heading
        self._gap = True

    def _data(self, text: str) -> None:
        if not self._hidden:
            self._length += len(text)
            if self._gap:
                text, self._gap = f" {text}", False
            self._text.append(text)
            if (not self._landmarks or self._open["h1"]) and not text.isspace():
                self._has_content = True
            if not self._forms:
                self._outside_forms.append(text)
            if not self._apart:
                self._own.append(text)
            for level, parts in self._headings.items():
                if self._open[level]:
                    parts.append(text)
            if self._open["button"]:
                self._labels.append(f"{text}\n")
        elif self._open["script"]:
            self._code.append(text)
        elif self._noscript_depth:
            if not self._open["style"]:
                self._noscript.append(text)
        elif self._open["title"] and not self._open["svg"]:
            self._title.append(text)

    def _read_noscript(self, markup: str) -> None:
        """Read the content of a noscript, which is text for the parser."""
        self._noscripts += 1
        if self._noscript_depth or self._noscripts > MAX_NOSCRIPTS:
            return
        self._noscript_depth += 1
        self.walk(LexborHTMLParser(markup).root)
        self._noscript_depth -= 1

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
        elif values.get("http-equiv", "").strip().lower() == "refresh" and not self._noscript_depth:
            self._refresh = self._refresh or content or None

    def page(self, *, whole: bool) -> HtmlPage:
        """Return the features."""
        text = one_line("".join(self._text)).lower()
        return HtmlPage(
            title=one_line("".join(self._title))[:TITLE_LENGTH],
            h1=self._heading("h1"),
            h2=self._heading("h2"),
            text=text,
            outside_forms=one_line("".join(self._outside_forms)).lower() if self._counts["forms"] else text,
            own=one_line("".join(self._own)),
            is_blank=not self._has_content and not self._counts["media"],
            noscript=one_line("".join(self._noscript)).lower(),
            code="\n".join(self._code)[:READ_BYTES].lower(),
            labels="".join(self._labels).lower(),
            noindex=self._noindex,
            refresh=self._refresh,
            canonical=self._canonical,
            base=self._base,
            whole=whole and self._length <= MAX_TEXT and self._counts["links"] <= MAX_LINKS,
            **self._counts,
        )

    def _heading(self, level: str) -> str:
        return one_line("".join(self._headings[level]).partition("\0")[0]).lower()[:TITLE_LENGTH]


def _is_hidden(tag: str, values: dict[str, str]) -> bool:
    if "hidden" in values or (tag == "dialog" and "open" not in values):
        return True
    return "style" in values and "display:none" in values["style"].replace(" ", "").lower()


def _is_data(script: dict[str, str]) -> bool:
    """Return whether the content of a script is data rather than code."""
    return "json" in script.get("type", "").lower()


def one_line(text: str) -> str:
    """Return a text with single spaces and plain apostrophes."""
    return " ".join(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())

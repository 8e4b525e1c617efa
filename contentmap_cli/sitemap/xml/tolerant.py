"""Read XML that is not well-formed, entry by entry, listing only what is certain.

Each entry becomes a small tree, which the code of the strict parser reads. A URL whose end is unknown is not
listed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from xml.etree.ElementTree import Element, SubElement

from contentmap_cli.models import DocumentKind
from contentmap_cli.sitemap.entry_builder import EntryBuilder
from contentmap_cli.sitemap.feeds.rss_atom import (
    XML_BASE,
    read_item,
    record_next_page,
    resolve_base,
)
from contentmap_cli.sitemap.problems import ProblemCode, shorten
from contentmap_cli.sitemap.sniff import ROOTS
from contentmap_cli.sitemap.xml.elements import Role, Roles, extension_of
from contentmap_cli.sitemap.xml.entry import read_entry
from contentmap_cli.sitemap.xml.references import resolve
from contentmap_cli.sitemap.xml.tokenizer import Token, Tokenizer, TokenKind, TokenTooLong

# A name is matched at its start only: the time stays linear for a name without end.
ATTRIBUTE = re.compile(
    r"(?<![^\s=<>\"'/])([^\s=<>\"'/]++)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'<>]++))"
)
FIELDS = frozenset({Role.LOC, Role.LASTMOD, Role.CHANGEFREQ, Role.PRIORITY})
ENTRY_NAMES = {
    DocumentKind.URLSET: {"url": "url", "sitemap": "sitemap"},
    DocumentKind.INDEX: {"url": "url", "sitemap": "sitemap"},
    DocumentKind.RSS: {"item": "item"},
    DocumentKind.ATOM: {"entry": "entry"},
}
SITEMAP_ROOTS = frozenset({"urlset", "sitemapindex"})
MAX_PREFIXES = 64
DELIVER_EVERY = 1000
MAX_TEXT = 16 * 1024
MAX_TOKENS_WITHOUT_ENTRY = 250_000
"""A document with more tokens in a row without an entry is not read on."""


MAX_HELD = 64 * 1024


def whole_tags(pieces: Iterator[str], is_cut: Callable[[], bool]) -> Iterator[str]:
    """Yield the text without what follows its last tag, if `is_cut` returns True at its end."""
    held = ""
    for piece in pieces:
        end = piece.rfind(">") + 1
        if not end and len(held) + len(piece) < MAX_HELD:
            held += piece
            continue
        yield held + piece[:end] if end else held + piece
        held = piece[end:] if end else ""
    if not is_cut():
        yield held


class TooDeep(Exception):
    """Elements are nested deeper than `Limits.xml_depth`."""


class TolerantReader:
    """Reads a document token by token. `ended_early` says that it ends inside an element."""

    def __init__(self, tokenizer: Tokenizer, builder: EntryBuilder, kind: DocumentKind) -> None:
        self.ended_early = False
        self._tokenizer = tokenizer
        self._builder = builder
        self._problems = builder.problems
        self._roles = Roles()
        self._names = ENTRY_NAMES[kind]
        self._root: str | None = None  # local name of the open root
        self._roots = 0
        self._root_base: str | None = None
        self._prefixes: dict[str, str] = {}
        self._core_prefix = ""  # prefix of the root
        # local name, element, name as written; the entry comes first
        self._stack: list[tuple[str, Element, str]] = []
        self._line = 1
        self._chars_since_tag = 0
        self._tokens_since_entry = 0
        self._repaired = False
        self._undelivered = 0

    def read(self) -> None:
        """Read to the end. Raise `ForbiddenDoctype`, `TokenTooLong`, `TooDeep` or errors of the builder."""
        for token in self._tokenizer:
            self._tokens_since_entry += 1
            if self._tokens_since_entry > MAX_TOKENS_WITHOUT_ENTRY:
                raise TokenTooLong
            if token.kind is TokenKind.ENTRY:
                self._add_whole_entry(token)
            elif token.kind is TokenKind.START:
                self._chars_since_tag = 0
                self._start(token)
            elif token.kind is TokenKind.END:
                self._chars_since_tag = 0
                self._end(token)
            else:
                self._characters(token)
            if self._undelivered >= DELIVER_EVERY:
                self._undelivered = 0
                self._builder.deliver()
        self._finish()

    def _add_whole_entry(self, token: Token) -> None:
        name, loc, lastmod, changefreq, priority = token.fields
        self._undelivered += 1
        self._tokens_since_entry = self._chars_since_tag = 0
        self._builder.add(
            loc or "",
            token.line,
            type_=name or "url",
            lastmod=lastmod,
            changefreq=changefreq,
            priority=priority,
        )

    # -- tags

    def _start(self, token: Token) -> None:
        prefix, _, local = token.text.rpartition(":")
        name = local.lower()
        if not token.exact:
            self._repaired = True
        if ":" in token.attributes or "xmlns" in token.attributes:
            self._note_prefixes(token.attributes)
        if name in ROOTS and self._is_root(name, prefix):
            self._open_root(name, token)
        elif not self._stack:
            if name in self._names and self._is_core(prefix):
                self._open_entry(name, token, prefix, local)
            elif name == "loc" and self._is_core(prefix) and "url" in self._names:
                self._builder.add_loss(ProblemCode.STRAY_LOC, token.line, "a loc outside of url and sitemap")
            elif self._root in SITEMAP_ROOTS:
                self._builder.has_unknown = True
            elif name == "link" and "url" not in self._names:
                link = Element(self._tag(prefix, local), self._attributes(token.attributes))
                record_next_page(link, self._builder, self._root_base)
        elif name in self._names and self._is_core(prefix) and not token.empty:
            self._missing_end(token.line, self._stack[0][0])
            self._close_entry()
            self._open_entry(name, token, prefix, local)
        else:
            self._open_child(name, token, prefix, local)

    def _end(self, token: Token) -> None:
        name = token.text.rpartition(":")[2].lower()
        if self._stack:
            depth = len(self._stack) - 1
            while depth >= 0 and self._stack[depth][0] != name:
                depth -= 1
            if depth >= 0:
                if depth < len(self._stack) - 1:
                    self._missing_end(token.line, self._stack[-1][0])
                    self._close_field()
                    self._repaired = True
                self._repaired = self._repaired or not token.exact
                del self._stack[max(depth, 1) :]
                if depth == 0:
                    self._close_entry()
                self._update_tokenizer()
                return
            if name != self._root:
                self._unexpected(token)
                return
            self._missing_end(token.line, self._stack[0][0])
            self._close_entry()
        if name == self._root:
            self._root = None
            self._root_base = None
            self._tokenizer.cut_off = False  # `</urlset` at the end: only the > is missing
        elif name in self._names or self._root is None:
            self._unexpected(token)

    def _unexpected(self, token: Token) -> None:
        """Handle the end tag of an element that is not open: in a loc, the URL ends there."""
        self._problems.add(ProblemCode.UNEXPECTED_END_TAG, token.line, f"</{shorten(token.text, 40)}>")
        self._repaired = True
        if self._stack and self._roles[self._stack[-1][1].tag] is Role.LOC:
            self._close_field()
            self._stack.pop()
            self._update_tokenizer()

    # -- roots

    def _is_root(self, name: str, prefix: str) -> bool:
        """Return whether a tag opens a root. Inside an entry, `<rss>` and `<feed>` do not."""
        return (self._is_core(prefix) or not self._roots) and (
            not self._stack or name in ("urlset", "sitemapindex")
        )

    def _open_root(self, name: str, token: Token) -> None:
        if self._stack:
            self._missing_end(token.line, self._stack[0][0])
            self._close_entry()
        kind = ROOTS[name]
        if kind in ENTRY_NAMES:
            self._roots += 1
            self._core_prefix = token.text.rpartition(":")[0]
            if self._roots > 1:
                self._problems.add(ProblemCode.SEVERAL_ROOTS, token.line, f"another <{name}>")
            self._names = ENTRY_NAMES[kind]
            self._update_tokenizer()
            self._root = None if token.empty else name
            self._root_base = resolve_base(
                self._builder.base, [self._attributes(token.attributes).get(XML_BASE)]
            )

    # -- entries

    def _open_entry(self, name: str, token: Token, prefix: str, local: str) -> None:
        if token.empty:
            return
        element = Element(self._tag(prefix, local), self._attributes(token.attributes))
        self._stack = [(name, element, token.text)]
        self._line = token.line
        self._repaired = not token.exact
        self._update_tokenizer()

    def _close_entry(self) -> None:
        """Read the open entry, with its last field if the end of the field is known."""
        self._close_field()
        name, element, _ = self._stack[0]
        self._stack = []
        self._update_tokenizer()
        self._undelivered += 1
        self._tokens_since_entry = 0
        builder, roles, repaired = self._builder, self._roles, self._repaired
        if name in ("item", "entry"):
            read_item(element, builder, roles, self._line, base=self._root_base, repaired=repaired)
        else:
            read_entry(element, builder, roles, self._line, type_=name, repaired=repaired)

    # -- contents of an entry

    def _open_child(self, name: str, token: Token, prefix: str, local: str) -> None:
        tag = self._tag(prefix, local)
        top = self._stack[-1][1]
        if self._roles[top.tag] in FIELDS and len(self._stack) == 2:
            known = self._roles[tag] is not Role.OTHER or extension_of(self._namespace(prefix)) is not None
            doubled = self._roles[tag] is Role.LOC and not (top.text or "").strip()
            if known and not doubled:
                self._missing_end(token.line, self._stack[-1][0])
                self._close_field()
                self._stack.pop()
            elif not token.exact:
                self._add_text(f"<{token.text}{token.attributes}")
                return
        if len(self._stack) >= self._builder.limits.xml_depth:
            raise TooDeep
        child = SubElement(self._stack[-1][1], tag, self._attributes(token.attributes))
        if not token.empty:
            self._stack.append((name, child, token.text))
        self._update_tokenizer()

    def _close_field(self) -> None:
        """End a loc without an end tag at its first white space."""
        if len(self._stack) < 2:
            return
        field = self._stack[1][1]
        if self._roles[field.tag] is Role.LOC and field.text and not len(field):
            words = field.text.split()
            field.text = words[0] if words else ""
            self._repaired = True

    def _missing_end(self, line: int, name: str) -> None:
        self._problems.add(ProblemCode.MISSING_END_TAG, line, f"<{shorten(name, 40)}> is not closed")
        self._repaired = True

    def _update_tokenizer(self) -> None:
        """Tell the tokenizer where a CDATA section ends at the latest: fields contain no tags."""
        in_field = len(self._stack) == 2 and self._roles[self._stack[1][1].tag] in FIELDS
        self._tokenizer.whole_entries = not self._stack and "url" in self._names
        self._tokenizer.closer = "</" if in_field or not self._stack else f"</{self._stack[-1][2]}"

    def _characters(self, token: Token) -> None:
        self._chars_since_tag += 0 if token.text.isspace() else len(token.text)
        if self._chars_since_tag > self._builder.limits.xml_token_bytes:
            raise TokenTooLong
        if not self._stack:
            if self._root in SITEMAP_ROOTS:
                self._builder.has_unknown |= not token.text.isspace()
            elif self._root is None and not token.text.isspace():
                text = token.text.strip("\ufeff\u200b \t\r\n")
                if text:
                    self._problems.add(ProblemCode.JUNK_OUTSIDE_ROOT, token.line, shorten(text, 80))
            return
        text = token.text
        if token.kind is TokenKind.TEXT:
            text = self._resolve(text, token.line)
        self._add_text(text)

    def _add_text(self, text: str) -> None:
        top = self._stack[-1][1]
        kept = (top[-1].tail if len(top) else top.text) or ""
        if len(kept) > max(MAX_TEXT, 2 * self._builder.limits.url_length):
            return  # too long for any value: joining more would take quadratic time
        if len(top):
            top[-1].tail = kept + text
        else:
            top.text = kept + text

    def _resolve(self, text: str, line: int) -> str:
        text, bare, html = resolve(text)
        if bare:
            self._problems.add(ProblemCode.BARE_AMPERSAND, line, "an & that is not escaped", bare)
            self._repaired = True
        if html:
            self._problems.add(ProblemCode.HTML_ENTITY, line, "an entity that XML does not know", html)
            self._repaired = True
        return text

    # -- names

    def _note_prefixes(self, attributes: str) -> None:
        for name, double, single, _ in ATTRIBUTE.findall(attributes):
            if name.startswith("xmlns:") and len(self._prefixes) < MAX_PREFIXES:
                self._prefixes.setdefault(name[6:], double or single)

    def _namespace(self, prefix: str) -> str:
        return self._prefixes.get(prefix, prefix)

    def _is_core(self, prefix: str) -> bool:
        return prefix in ("", self._core_prefix) or extension_of(self._namespace(prefix)) is None

    def _tag(self, prefix: str, local: str) -> str:
        core = prefix in ("", self._core_prefix)
        return local if core else f"{{{self._namespace(prefix)}}}{local}"

    def _attributes(self, raw: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, double, single, bare in ATTRIBUTE.findall(raw):
            if not name.startswith("xmlns"):
                key = XML_BASE if name == "xml:base" else name.rpartition(":")[2]
                found.setdefault(key, resolve(double or single or bare)[0])
        return found

    # -- the end

    def _finish(self) -> None:
        """Add the last entry of a truncated document, if its URL is complete."""
        if not self._roots:
            self._problems.add(ProblemCode.XML_ERROR, None, "no root element")
        self.ended_early = self._tokenizer.cut_off or bool(self._stack) or self._root is not None
        if self._stack:
            entry = self._stack[0][1]
            if len(self._stack) > 1:
                entry.remove(self._stack[1][1])  # the truncated field
            self._stack = self._stack[:1]
            self._repaired = True
            if any(self._roles[child.tag] in (Role.LOC, Role.LINK) for child in entry):
                self._close_entry()
            else:
                self._builder.add_loss(
                    ProblemCode.CUT_OFF_ENTRY, self._line, "the document ends inside an entry"
                )
        self._builder.deliver()

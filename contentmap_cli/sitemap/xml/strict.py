"""Read well-formed XML with lxml's pull parser. Plain entries at the start of a urlset are read by
`fast_xml`.

After each chunk the finished children of the root are read and deleted, so that the tree in memory stays as
small as a chunk. A processing instruction, inserted after the XML declaration, gives access to the root
without an event per element. Nothing is recovered, since libxml2 would turn `?a=1&b=2` into `?a=1=2`: the
first error raises `NotWellFormed`, and the tolerant reader starts over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from contentmap_cli.sitemap.entry_builder import NO_EXTENSIONS, EntryBuilder, Row
from contentmap_cli.sitemap.feeds.rss_atom import (
    XML_BASE,
    read_item,
    record_next_page,
    resolve_base,
)
from contentmap_cli.sitemap.problems import ProblemCode
from contentmap_cli.sitemap.sniff import ForbiddenDoctype
from contentmap_cli.sitemap.xml.elements import EXTENSION_ROLES, Role, Roles
from contentmap_cli.sitemap.xml.entry import read_entry
from contentmap_cli.sitemap.xml.extensions import read_extensions
from contentmap_cli.sitemap.xml.fast_xml import read_plain

DECLARATION = re.compile(rb"<\?xml[^<>]*\?>")
ROOT_INSTRUCTION = b"<?contentmap root?>"
# libxml2 searches the `;` of a bare & to the end of the document.
STALLED = "no element begins or ends within the limit"
ENTRY_TYPES = {Role.URL: "url", Role.SITEMAP: "sitemap"}
ENTRY_TOKENS = 16  # maximum size of an entry, in maximum tokens


class NotWellFormed(Exception):
    """The XML is not well-formed at `line`; discard what was read. `at_end`: it ends too early."""

    def __init__(self, message: str, line: int | None, *, at_end: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.at_end = at_end


def read_sitemap(chunks: Iterator[bytes], builder: EntryBuilder) -> None:
    """Read a urlset or sitemapindex in UTF-8, starting with its first markup."""
    reader = _RootReader(builder)
    parser = _parser(events=("pi",), remove_comments=True, remove_blank_text=True)
    at_end = False
    try:
        for chunk in _with_root_instruction(read_plain(chunks, builder)):
            parser.feed(chunk)
            reader.read_finished(parser, len(chunk) if not chunk.isspace() else 0)
        at_end = True
        parser.close()
    except etree.XMLSyntaxError as error:
        raise _not_well_formed(error, at_end=at_end) from error
    reader.finish()


def read_feed(chunks: Iterator[bytes], builder: EntryBuilder) -> None:
    """Read an RSS or Atom feed in UTF-8, starting with its first markup."""
    roles = Roles()
    parser = _parser(
        events=("start", "end"), tag=("{*}item", "{*}entry"), remove_comments=True, remove_pis=True
    )
    bytes_since_entry = 0
    open_items = 0
    at_end = False
    try:
        for chunk in chunks:
            parser.feed(chunk)
            bytes_since_entry += len(chunk)
            for event, element in parser.read_events():
                if event == "start":
                    if not open_items:
                        _refuse_doctype(element)
                    open_items += 1
                    continue
                open_items -= 1
                bytes_since_entry = 0
                _read_feed_element(element, builder, roles)
                if not open_items:
                    _discard(element, builder, roles)
            builder.deliver()
            if bytes_since_entry > builder.limits.xml_token_bytes * (ENTRY_TOKENS if open_items else 1):
                raise NotWellFormed(STALLED, None)
        at_end = True
        root = parser.close()
    except etree.XMLSyntaxError as error:
        raise _not_well_formed(error, at_end=at_end) from error
    _refuse_doctype(root)
    for parent in (root, *root):
        for child in parent:
            _record_next_page(child, builder, roles)


class _RootReader:
    """Reads and deletes the finished children of a root that is still being parsed."""

    def __init__(self, builder: EntryBuilder) -> None:
        self._builder = builder
        self._roles = Roles()
        self._root: Any = None
        self._instruction: Any = None
        self._has_instructions = False
        self._bytes_since_entry = 0
        self._node_count = 0

    def read_finished(self, parser: etree.XMLPullParser, fed: int) -> None:
        """Read the children that the last chunk of `fed` bytes finished."""
        for _, instruction in parser.read_events():
            if self._instruction is None:
                self._instruction = instruction
            else:
                self._has_instructions = True  # an instruction splits the text around it
        if self._root is None and not self._find_root():
            self._bytes_since_entry += fed
            if self._bytes_since_entry > self._builder.limits.xml_token_bytes:
                raise NotWellFormed(STALLED, None)
            return
        root = self._root
        finished = len(root) - 1  # the last child may not be finished
        if finished > 0:
            self._read(root[:finished])
            del root[:finished]
            self._builder.deliver()
            self._bytes_since_entry = self._node_count = 0
        else:
            self._check_progress(fed)

    def finish(self) -> None:
        """Read the remaining children at the end of the document."""
        if self._root is not None:
            self._builder.has_unknown |= bool(self._root.text and self._root.text.strip())
            self._read(self._root[:])
            self._builder.deliver()

    def _find_root(self) -> bool:
        node = self._instruction
        while node is not None and not isinstance(node.tag, str):
            node = node.getnext()
        if self._instruction is None or node is None:
            return False
        _refuse_doctype(node)
        self._root = node
        return True

    def _check_progress(self, fed: int) -> None:
        """Raise `NotWellFormed` if an entry is too large, or got no new element within the limit."""
        self._bytes_since_entry += fed
        limit = self._builder.limits.xml_token_bytes
        if self._bytes_since_entry <= limit:
            return
        size = sum(1 for _ in self._root.iter())
        if size == self._node_count or self._bytes_since_entry > limit * ENTRY_TOKENS:
            raise NotWellFormed(STALLED, None)
        self._node_count = size

    def _read(self, nodes: list[Any]) -> None:  # noqa: PLR0912 - unrolled for speed
        """Read the core fields of plain entries; pass others to `read_entry`. This is the hot loop."""
        builder, roles = self._builder, self._roles
        url_, sitemap_ = Role.URL, Role.SITEMAP  # locals: looking up Enum members is slow
        loc_, lastmod_, changefreq_, priority_ = Role.LOC, Role.LASTMOD, Role.CHANGEFREQ, Role.PRIORITY
        has_instructions = self._has_instructions
        rows: list[Row] = []
        for node in nodes:
            kind = roles[node.tag]
            if kind is url_:
                type_ = "url"
            elif kind is sitemap_:
                type_ = "sitemap"
            else:
                builder.add_rows(rows)
                rows.clear()
                self._read_other(node, kind)
                continue
            loc = lastmod = changefreq = priority = None
            parts: list[Any] = []
            plain = not has_instructions
            for child in node:
                role = roles[child.tag]
                if role is loc_:
                    if loc is not None or len(child):
                        plain = False
                    loc = child.text
                elif role is lastmod_:
                    lastmod = child.text or ""
                elif role is changefreq_:
                    changefreq = child.text
                elif role is priority_:
                    priority = child.text
                elif role in EXTENSION_ROLES:
                    parts.append(child)
                else:
                    plain = False
                    break
            if plain and loc is not None and not loc.isspace():
                extensions = (
                    read_extensions(parts, builder, roles, node.sourceline) if parts else NO_EXTENSIONS
                )
                rows.append((loc, lastmod, changefreq, priority, type_, extensions, node))
            else:
                builder.add_rows(rows)
                rows.clear()
                read_entry(node, builder, roles, node.sourceline, type_=type_)
        builder.add_rows(rows)

    def _read_other(self, node: Any, kind: Role) -> None:
        """Read a child of the root that is not an entry: entries inside it count, a loc does not."""
        if kind is Role.LOC:
            self._builder.add_loss(ProblemCode.STRAY_LOC, node.sourceline, "a loc outside of url and sitemap")
            return
        if not isinstance(node.tag, str):
            return
        self._builder.has_unknown = True
        for inner in node.iterdescendants():
            role = self._roles[inner.tag]
            if role in ENTRY_TYPES:
                read_entry(inner, self._builder, self._roles, inner.sourceline, type_=ENTRY_TYPES[role])


def _parser(**options: Any) -> etree.XMLPullParser:
    return etree.XMLPullParser(
        encoding="utf-8",
        recover=False,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        collect_ids=False,
        **options,
    )


def _with_root_instruction(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Insert the processing instruction at the first position where one is allowed."""
    first = b""
    while not first and (chunk := next(chunks, None)) is not None:
        first = chunk.lstrip()
    declaration = DECLARATION.match(first)
    end = declaration.end() if declaration else 0
    yield first[:end] + ROOT_INSTRUCTION + first[end:]
    yield from chunks


def _refuse_doctype(element: Any) -> None:
    if element.getroottree().docinfo.internalDTD is not None:
        raise ForbiddenDoctype


def _read_feed_element(element: Any, builder: EntryBuilder, roles: Roles) -> None:
    read_item(element, builder, roles, element.sourceline, base=_xml_base(element, builder))


def _xml_base(element: Any, builder: EntryBuilder) -> str | None:
    steps = [ancestor.get(XML_BASE) for ancestor in element.iterancestors()]
    return resolve_base(builder.base, reversed(steps))


def _record_next_page(element: Any, builder: EntryBuilder, roles: Roles) -> None:
    if roles[element.tag] is Role.LINK:
        record_next_page(element, builder, _xml_base(element, builder))


def _discard(element: Any, builder: EntryBuilder, roles: Roles) -> None:
    """Delete an item and its preceding siblings."""
    element.clear()
    parent = element.getparent()
    if parent is not None:
        while element.getprevious() is not None:
            _record_next_page(parent[0], builder, roles)
            del parent[0]


def _not_well_formed(error: etree.XMLSyntaxError, *, at_end: bool) -> NotWellFormed:
    message = re.sub(r", line \d+, column \d+.*$", "", str(error.msg), flags=re.DOTALL)
    return NotWellFormed(message, error.lineno or None, at_end=at_end)

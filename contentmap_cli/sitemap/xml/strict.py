"""The fast way through well-formed XML: lxml's push parser, and a harvest of what is finished after each
chunk. Plain entries at the start of a urlset do not even reach it (see `plain`).

The tree in memory is never larger than about a chunk: a processing instruction, put in after the XML
declaration, gives the live root without asking for an event per element, and every finished child of the root
is read and deleted before the next chunk is fed. Nothing is recovered here: libxml2 turns `?a=1&b=2` into
`?a=1=2` if it may. At the first error `NotWellFormed` is raised, and the tolerant reader starts over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from contentmap_cli.sitemap.entry_builder import NOTHING, EntryBuilder, Row
from contentmap_cli.sitemap.feeds.rss_atom import (
    XML_BASE,
    note_page,
    read_atom_entry,
    read_item,
    resolve_base,
)
from contentmap_cli.sitemap.problems import ProblemCode
from contentmap_cli.sitemap.xml.elements import EXTENSION_ROLES, Role, Roles
from contentmap_cli.sitemap.xml.entry import read_entry
from contentmap_cli.sitemap.xml.extensions import read_extensions
from contentmap_cli.sitemap.xml.fast_xml import read_plain

DECLARATION = re.compile(rb"<\?xml[^<>]*\?>")
MARK = b"<?contentmap root?>"
# libxml2 waits for the `;` of a bare & to the end of the document: what stalls is broken rather than large.
STALLED = "nothing begins or ends for too long"
ENTRY_TYPES = {Role.URL: "url", Role.SITEMAP: "sitemap"}
ENTRY_TOKENS = 16  # one entry may be this many times as large as one token


class NotWellFormed(Exception):
    """The XML breaks its own rules at `line`; nothing that was read of it may be kept."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Forbidden(Exception):
    """The document declares a document type."""


def read_sitemap(chunks: Iterator[bytes], builder: EntryBuilder) -> None:
    """Reads a urlset or sitemapindex in UTF-8, beginning with its first markup."""
    harvest = _Harvest(builder)
    parser = _parser(events=("pi",), remove_comments=True, remove_blank_text=True)
    try:
        for chunk in _marked(read_plain(chunks, builder)):
            parser.feed(chunk)
            harvest.gather(parser, len(chunk) if not chunk.isspace() else 0)
        parser.close()
    except etree.XMLSyntaxError as error:
        raise _not_well_formed(error) from error
    harvest.finish()


def read_feed(chunks: Iterator[bytes], builder: EntryBuilder) -> None:
    """Reads an RSS or Atom feed in UTF-8, beginning with its first markup."""
    roles = Roles()
    parser = _parser(
        events=("start", "end"), tag=("{*}item", "{*}entry"), remove_comments=True, remove_pis=True
    )
    silent = 0
    open_items = 0
    try:
        for chunk in chunks:
            parser.feed(chunk)
            silent += len(chunk)
            for event, element in parser.read_events():
                if event == "start":
                    if not open_items:
                        _refuse_doctype(element)
                    open_items += 1
                    continue
                open_items -= 1
                silent = 0
                _read_feed_element(element, builder, roles)
                if not open_items:
                    _forget(element, builder, roles)
            builder.deliver()
            if silent > builder.limits.xml_token_bytes * (ENTRY_TOKENS if open_items else 1):
                raise NotWellFormed(STALLED, None)
        root = parser.close()
    except etree.XMLSyntaxError as error:
        raise _not_well_formed(error) from error
    _refuse_doctype(root)
    for parent in (root, *root):
        for child in parent:
            _note_page(child, builder, roles)


class _Harvest:
    """Reads and deletes the finished children of a root that is still being parsed."""

    def __init__(self, builder: EntryBuilder) -> None:
        self._builder = builder
        self._roles = Roles()
        self._root: Any = None
        self._mark: Any = None
        self._careful = False
        self._silent = 0
        self._size = 0

    def gather(self, parser: etree.XMLPullParser, fed: int) -> None:
        """Takes what the last chunk finished."""
        for _, instruction in parser.read_events():
            if self._mark is None:
                self._mark = instruction
            else:
                self._careful = True  # an instruction splits the text that it stands in
        if self._root is None and not self._find_root():
            self._silent += fed
            if self._silent > self._builder.limits.xml_token_bytes:
                raise NotWellFormed(STALLED, None)
            return
        root = self._root
        finished = len(root) - 1  # the last child may not be finished
        if finished > 0:
            self._read(root[:finished])
            del root[:finished]
            self._builder.deliver()
            self._silent = self._size = 0
        else:
            self._watch(fed)

    def finish(self) -> None:
        """Takes what is left once the document has ended well."""
        if self._root is not None:
            self._builder.has_unknown |= bool(self._root.text and self._root.text.strip())
            self._read(self._root[:])
            self._builder.deliver()

    def _find_root(self) -> bool:
        node = self._mark
        while node is not None and not isinstance(node.tag, str):
            node = node.getnext()
        if self._mark is None or node is None:
            return False
        _refuse_doctype(node)
        self._root = node
        return True

    def _watch(self, fed: int) -> None:
        """An entry may be long, but something must happen in it."""
        self._silent += fed
        limit = self._builder.limits.xml_token_bytes
        if self._silent <= limit:
            return
        size = sum(1 for _ in self._root.iter())
        if size == self._size or self._silent > limit * ENTRY_TOKENS:
            raise NotWellFormed(STALLED, None)
        self._size = size

    def _read(self, nodes: list[Any]) -> None:  # noqa: PLR0912 - one loop, unrolled: it is where the time goes
        """The hot loop: the four core fields of plain entries; everything else takes `read_entry`."""
        builder, roles = self._builder, self._roles
        url_, sitemap_ = (
            Role.URL,
            Role.SITEMAP,
        )  # locals: looking up a member of an Enum costs more than the rest
        loc_, lastmod_, changefreq_, priority_ = Role.LOC, Role.LASTMOD, Role.CHANGEFREQ, Role.PRIORITY
        careful = self._careful
        rows: list[Row] = []
        for node in nodes:
            kind = roles[node.tag]
            if kind is url_:
                type_ = "url"
            elif kind is sitemap_:
                type_ = "sitemap"
            else:
                builder.take_rows(rows)
                rows.clear()
                self._read_other(node, kind)
                continue
            loc = lastmod = changefreq = priority = None
            parts: list[Any] = []
            plain = not careful
            for child in node:
                role = roles[child.tag]
                if role is loc_:
                    if loc is not None or len(child):
                        plain = False
                    loc = child.text
                elif role is lastmod_:
                    lastmod = child.text
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
                extensions = read_extensions(parts, builder, roles, node.sourceline) if parts else NOTHING
                rows.append((loc, lastmod, changefreq, priority, type_, extensions, node))
            else:
                builder.take_rows(rows)
                rows.clear()
                read_entry(node, builder, roles, node.sourceline, type_=type_)
        builder.take_rows(rows)

    def _read_other(self, node: Any, kind: Role) -> None:
        """A child of the root that is no entry: a loc there is not counted, entries inside of it are."""
        if kind is Role.LOC:
            self._builder.lose(ProblemCode.STRAY_LOC, node.sourceline, "a loc outside of url and sitemap")
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


def _marked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The document with a processing instruction of ours where the first one may stand."""
    first = b""
    while not first and (chunk := next(chunks, None)) is not None:
        first = chunk.lstrip()
    declaration = DECLARATION.match(first)
    end = declaration.end() if declaration else 0
    yield first[:end] + MARK + first[end:]
    yield from chunks


def _refuse_doctype(element: Any) -> None:
    if element.getroottree().docinfo.internalDTD is not None:
        raise Forbidden


def _read_feed_element(element: Any, builder: EntryBuilder, roles: Roles) -> None:
    base = _base_of(element, builder)
    read = read_item if roles[element.tag] is Role.ITEM else read_atom_entry
    read(element, builder, roles, element.sourceline, base=base)


def _base_of(element: Any, builder: EntryBuilder) -> str | None:
    steps = [ancestor.get(XML_BASE) for ancestor in element.iterancestors()]
    return resolve_base(builder.base, reversed(steps))


def _note_page(element: Any, builder: EntryBuilder, roles: Roles) -> None:
    if roles[element.tag] is Role.LINK:
        note_page(element, builder, _base_of(element, builder))


def _forget(element: Any, builder: EntryBuilder, roles: Roles) -> None:
    """Drops an item and all that stands before it."""
    element.clear()
    parent = element.getparent()
    if parent is not None:
        while element.getprevious() is not None:
            _note_page(parent[0], builder, roles)
            del parent[0]


def _not_well_formed(error: etree.XMLSyntaxError) -> NotWellFormed:
    message = re.sub(r", line \d+, column \d+.*$", "", str(error.msg), flags=re.DOTALL)
    return NotWellFormed(message, error.lineno or None)

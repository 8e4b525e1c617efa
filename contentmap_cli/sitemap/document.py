"""Parse one document: decode it, detect its kind, parse it strictly, and tolerantly where that fails."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import BinaryIO
from urllib.parse import urlsplit

from contentmap_cli.errors import Failure
from contentmap_cli.models import Document, DocumentKind, Entry, Limits
from contentmap_cli.models.entry_sink import EntrySink, ProblemSink
from contentmap_cli.sitemap.decode import Body
from contentmap_cli.sitemap.encoding import LENIENT, UTF_8, Charset, LenientText, StrictText, detect
from contentmap_cli.sitemap.entry_builder import EntryBuilder, EntryLimitReached
from contentmap_cli.sitemap.problems import ProblemCode, Problems
from contentmap_cli.sitemap.robots.lines import RobotsText, read_robots, wrapped_in_html
from contentmap_cli.sitemap.sniff import ForbiddenDoctype, Opening, find_generator, root_tag, sniff

HEAD_BYTES = 64 * 1024
LONG_HEAD_BYTES = 1024 * 1024
TAIL_BYTES = 2048
BLANK = b" \t\r\n\v\f"
XML_KINDS = frozenset({DocumentKind.URLSET, DocumentKind.INDEX, DocumentKind.RSS, DocumentKind.ATOM})


def parse_document(
    source: BinaryIO,
    sink: EntrySink,
    *,
    base: str | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen, so one default serves all
    in_scope: Callable[[str], bool] | None = None,
    robots: bool = False,
    content_type: str | None = None,
    cut: bool = False,
) -> Document:
    """Parse one document: a urlset, sitemap index, text sitemap, feed or robots.txt, compressed or not.

    `source` is the body as transferred. It is read in chunks from its start, and a second time after a strict
    parser fails; `sink.clear()` is called in between. `sink` receives entries in batches, in document order.
    `base` is the URL of the document, against which relative URLs are resolved. The content decides the kind;
    only a `base` that ends in /robots.txt, or `robots`, means robots.txt. `in_scope` is called with one URL
    per origin. `content_type` is the header's value. `cut` says that `source` ends before the document does.

    Content raises nothing: faults are in the problems and the failure of the `Document`.
    """
    parser = DocumentParser(source, sink, base, limits, in_scope, content_type)
    parser.cut = cut
    return parser.run(robots=robots or _is_robots_url(base))


class NullSink:
    """Discards entries, for a caller that only needs the document."""

    def extend(self, entries: Sequence[Entry]) -> None:
        """Ignore the entries."""

    def clear(self) -> None:
        """Do nothing."""


class _ParseStopped(Exception):
    """The rest of the document cannot be parsed; `failure` says why."""

    def __init__(self, code: ProblemCode, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(code.value, message)


class DocumentParser:
    """The state of one `parse_document`."""

    def __init__(
        self,
        source: BinaryIO,
        sink: EntrySink,
        base: str | None,
        limits: Limits,
        in_scope: Callable[[str], bool] | None,
        content_type: str | None,
    ) -> None:
        self._source = source
        self._sink = sink
        self._base = base
        self._limits = limits
        self._in_scope = in_scope
        self._content_type = content_type
        self._charset = UTF_8
        self._generator: str | None = None
        self._root: str | None = None
        self._tail = b""
        self.cut = False
        self.robots: RobotsText | None = None
        self.robots_body = b""
        self._start_over()

    def run(self, *, robots: bool) -> Document:
        charset = self._charset = detect(self._head, self._content_type)
        head = _head_text(self._head, charset)
        opening = sniff(head)
        if not robots and opening.kind in (DocumentKind.UNKNOWN, DocumentKind.HTML) and not opening.forbidden:
            # output of a server-side language, such as warnings, may precede the root
            self._read_ahead(LONG_HEAD_BYTES)
            head = _head_text(self._head, charset)
            opening = sniff(head)
        kind = opening.kind
        failure: Failure | None = None
        try:
            if robots:
                kind = DocumentKind.ROBOTS
                self._read_robots(charset, opening)
            else:
                if kind in XML_KINDS:
                    self._generator = find_generator(head[:HEAD_BYTES])
                    self._root = root_tag(head)
                self._read(opening, charset)
        except _ParseStopped as stopped:
            failure = stopped.failure
        for _ in self._chunks:
            pass  # digest and size cover the whole body
        return self._document(kind, failure)

    def _document(self, kind: DocumentKind, failure: Failure | None) -> Document:
        body, builder, problems, charset = self._body, self._builder, self._problems, self._charset
        if charset.mismatch is not None:
            problems.add(ProblemCode.WRONG_ENCODING, 1, charset.mismatch)
        if body.trailing_garbage:
            problems.add(ProblemCode.TRAILING_GARBAGE, None, "bytes after the end of the gzip data")
        if body.failure is not None:
            failure = body.failure  # the cause of any later failure
        by_cut = self._is_cut() and failure is not None and failure.code == ProblemCode.BODY_TRUNCATED
        if failure is not None and not by_cut and not problems.has(ProblemCode(failure.code)):
            problems.add(ProblemCode(failure.code), None, failure.message)
        generator = self._generator
        if generator is None and kind in XML_KINDS:
            generator = find_generator(self._tail.decode("utf-8", "replace"))
        problems.flush()
        found = tuple(problems.listed)
        return Document(
            kind=kind,
            entries=builder.entries,
            complete=failure is None,
            encoding=None if kind is DocumentKind.EMPTY else charset.name,
            problems=found,
            failure=failure,
            digest=body.digest,
            decoded_bytes=body.decoded_bytes,
            is_gzipped=body.is_gzipped,
            has_lastmod=builder.has_lastmod,
            has_priority=builder.has_priority,
            has_changefreq=builder.has_changefreq,
            generator=generator,
            root=self._root,
            losses=builder.losses,
            next_url=builder.next_link,
            plain=0 < builder.entries == builder.plain
            and failure is None
            and not found
            and charset.codec == "utf-8",
        )

    # -- the body

    def _start_over(self) -> None:
        """Open the body at its start. `_head` gets its first bytes, without leading white space, `_chunks`
        the rest."""
        self._body = Body(self._source, self._limits)
        takes_all = self._sink if self._limits.details and isinstance(self._sink, ProblemSink) else None
        self._problems = Problems(takes_all.extend_problems if takes_all is not None else None)
        self._builder = EntryBuilder(
            self._sink, self._problems, self._limits, base=self._base, in_scope=self._in_scope
        )
        self._first_line = 1
        self._chunks = self._body.chunks()
        self._head = b""
        self._read_ahead(HEAD_BYTES)

    def _read_ahead(self, length: int) -> None:
        """Read until `_head` has `length` bytes. White space before the first markup is dropped."""
        head = bytearray(self._head)
        while len(head) < length and (chunk := next(self._chunks, None)) is not None:
            head += chunk
            if not head.strip(BLANK):
                self._first_line += head.count(b"\n")
                head.clear()
        self._head = bytes(head)

    def _rest(self, charset: Charset) -> Iterator[bytes]:
        """Return the document from its first markup on, and set the number of its first line."""
        head = self._head[charset.bom_length :]
        if charset.codec == "utf-8":
            stripped = head.lstrip(BLANK)
            self._first_line += head.count(b"\n", 0, len(head) - len(stripped))
            head = stripped
        return self._remember_tail(chain([head], self._chunks))

    def _remember_tail(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._tail = (
                (self._tail + chunk)[-TAIL_BYTES:] if len(chunk) < TAIL_BYTES else chunk[-TAIL_BYTES:]
            )
            yield chunk

    # -- by kind

    def _read_robots(self, charset: Charset, opening: Opening) -> None:
        most = self._limits.robots_bytes
        data = bytearray(self._head)
        for chunk in self._chunks:
            data += chunk
            if len(data) > most:
                break
        if len(data) > most or self._body.failure is not None:
            self.cut = True
            if self._body.failure is None:
                self._problems.add(ProblemCode.BODY_TOO_LARGE, None, f"only the first {most} bytes were read")
        self.robots_body = bytes(data[:most])
        # RFC 9309 section 2.2: robots.txt is UTF-8
        text = self.robots_body[charset.bom_length :].decode(charset.codec, "replace")
        if self.cut:  # an incomplete rule is ignored (section 2.5)
            text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1]
        length = self._limits.url_length
        html = opening.kind is DocumentKind.HTML
        if html and not wrapped_in_html(text, base=self._base, url_length=length):
            raise _ParseStopped(ProblemCode.ROBOTS_IS_HTML, "an HTML page was served as robots.txt")
        if charset.bom_length:
            self._problems.add(ProblemCode.BYTE_ORDER_MARK, 1, charset.name)
        if charset.codec != "utf-8":
            self._problems.add(ProblemCode.WRONG_ENCODING, None, f"{charset.name}, and robots.txt is UTF-8")
        self._problems.line_offset = self._first_line - 1
        self.robots = read_robots(text, self._problems, base=self._base, url_length=length, html=html)
        self._problems.line_offset = 0
        for number, url, repaired in self.robots.sitemaps:
            self._builder.add(url, number, type_="sitemap", repaired=repaired)
        self._close_builder(None)

    def _read(self, opening: Opening, charset: Charset) -> None:
        if opening.forbidden is not None:
            raise _ParseStopped(
                ProblemCode.XML_DTD_FORBIDDEN, f"{opening.forbidden}: document types are refused"
            )
        if opening.kind is DocumentKind.EMPTY:
            raise _ParseStopped(ProblemCode.NOT_A_SITEMAP, "the document is empty")
        if opening.kind is DocumentKind.HTML:
            raise _ParseStopped(ProblemCode.NOT_A_SITEMAP, "an HTML page, not a sitemap")
        if opening.kind is DocumentKind.UNKNOWN:
            raise _ParseStopped(ProblemCode.NOT_A_SITEMAP, "neither a sitemap nor a feed nor a list of URLs")
        self._close_builder(self._read_entries(opening, charset))

    def _close_builder(self, stopped: _ParseStopped | None) -> None:
        """Deliver the remaining entries, then raise what stopped the parser, if anything did."""
        try:
            self._builder.close()
        except EntryLimitReached:
            stopped = stopped or self._entry_limit()
        if stopped is not None:
            raise stopped

    def _read_entries(self, opening: Opening, charset: Charset) -> _ParseStopped | None:
        """Read all entries that can be read. Return what stopped the parser early, if anything did."""
        # imported here: a robots.txt needs none of these modules
        from contentmap_cli.sitemap.xml.tokenizer import TokenTooLong
        from contentmap_cli.sitemap.xml.tolerant import TooDeep

        limits = self._limits
        try:
            if opening.kind in (DocumentKind.TEXT, DocumentKind.JSON_FEED):
                self._read_text(opening.kind, charset)
            elif not opening.clean or not self._read_strictly(opening.kind, charset):
                self._read_tolerantly(opening.kind, charset)
        except EntryLimitReached:
            return self._entry_limit()
        except TokenTooLong:
            message = f"more than {limits.xml_token_bytes} bytes without the start or end of an element"
            return _ParseStopped(ProblemCode.XML_TOKEN_TOO_LARGE, message)
        except TooDeep:
            return _ParseStopped(ProblemCode.XML_ERROR, f"elements nested deeper than {limits.xml_depth}")
        except ForbiddenDoctype:
            return _ParseStopped(ProblemCode.XML_DTD_FORBIDDEN, "document types are refused")
        except _ParseStopped as stopped:
            return stopped
        return None

    def _entry_limit(self) -> _ParseStopped:
        message = f"more than {self._limits.file_urls_hard} entries; the rest was not read"
        return _ParseStopped(ProblemCode.TOO_MANY_URLS, message)

    def _read_strictly(self, kind: DocumentKind, charset: Charset) -> bool:
        """Read well-formed XML. Return False if it is not well-formed; the parser then starts over."""
        from contentmap_cli.sitemap.xml.strict import NotWellFormed, read_feed, read_sitemap

        read = read_sitemap if kind in (DocumentKind.URLSET, DocumentKind.INDEX) else read_feed
        text = StrictText(charset)
        try:
            chunks = self._rest(charset)
            self._problems.line_offset = self._first_line - 1
            read(text.encode(chunks), self._builder)
            if self._builder.cdata_overrun:
                raise NotWellFormed("a CDATA section does not end where its element does", None)
        except NotWellFormed as error:
            message, line, at_end = error.message, error.line, error.at_end
        except UnicodeDecodeError as error:
            message, line, at_end = f"not {text.charset.name}", None, error.reason == "unexpected end of data"
        else:
            self._charset = text.charset
            return True
        offset = self._first_line - 1
        by_limit = self._is_cut() and at_end
        self._sink.clear()
        self._start_over()
        if not by_limit:
            self._problems.add(ProblemCode.XML_ERROR, line and line + offset, message)
        return False

    def _read_tolerantly(self, kind: DocumentKind, charset: Charset) -> None:
        from contentmap_cli.sitemap.xml.tokenizer import Tokenizer
        from contentmap_cli.sitemap.xml.tolerant import TolerantReader, whole_tags

        text = LenientText(charset)
        pieces = whole_tags(text.decode(self._rest(charset)), self._is_cut)
        tokenizer = Tokenizer(pieces, self._problems, self._limits.xml_token_bytes, self._first_line)
        reader = TolerantReader(tokenizer, self._builder, kind)
        try:
            reader.read()
        finally:
            self._note_damage(text)
        if reader.ended_early:
            raise self._ended("the document ends before its last element does", ProblemCode.XML_ERROR)

    def _read_text(self, kind: DocumentKind, charset: Charset) -> None:
        from contentmap_cli.sitemap.feeds.json_feed import BadJson, read_json_feed
        from contentmap_cli.sitemap.text import read_text

        text = LenientText(charset)
        try:
            pieces = text.decode(self._rest(charset))
            self._problems.line_offset = self._first_line - 1
            if kind is DocumentKind.TEXT:
                read_text(pieces, self._builder, lambda: self.cut or self._body.failure is not None)
            else:
                read_json_feed(pieces, self._builder)
        except BadJson as error:
            raise self._ended(str(error), ProblemCode.NOT_A_SITEMAP) from None
        finally:
            self._note_damage(text)

    def _note_damage(self, text: LenientText) -> None:
        self._charset = text.charset
        damaged = text.damaged_chunks - (text.ends_in_character and self._is_cut())
        if damaged:
            message = f"bytes that are not {text.charset.name}"
            self._problems.add(ProblemCode.WRONG_ENCODING, None, message, damaged)

    def _is_cut(self) -> bool:
        """Return whether a limit, or the transfer, ended the bytes before the document does."""
        return self.cut or getattr(self._body.failure, "code", None) == ProblemCode.BODY_TOO_LARGE

    def _ended(self, message: str, code: ProblemCode) -> _ParseStopped:
        """Return the failure of a document that ends too early: a cut body says nothing about its markup."""
        return _ParseStopped(ProblemCode.BODY_TRUNCATED if self._is_cut() else code, message)


def opening_of(head: bytes) -> Opening:
    """Return the kind of a document that begins with these bytes, decompressed."""
    return sniff(_head_text(head, detect(head)))


def _head_text(head: bytes, charset: Charset) -> str:
    """Decode the first bytes, without a last character that is cut."""
    decoder = codecs.getincrementaldecoder(charset.codec)(LENIENT)
    return decoder.decode(head[charset.bom_length :])


def _is_robots_url(base: str | None) -> bool:
    try:
        return base is not None and urlsplit(base).path.lower().endswith("/robots.txt")
    except ValueError:
        return False

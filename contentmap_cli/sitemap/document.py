"""One document from bytes to entries: decoded, sniffed, read strictly, and tolerantly where that fails."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from typing import BinaryIO, NamedTuple
from urllib.parse import urlsplit

from contentmap_cli.errors import Failure
from contentmap_cli.models import Document, DocumentKind, Entry, Limits
from contentmap_cli.models.entry_sink import EntrySink
from contentmap_cli.sitemap.decode import Body
from contentmap_cli.sitemap.encoding import LENIENT, UTF_8, Charset, LenientText, StrictText, detect
from contentmap_cli.sitemap.entry_builder import EntryBuilder, HardCap
from contentmap_cli.sitemap.problems import ProblemCode, Problems
from contentmap_cli.sitemap.robots.lines import RobotsText, read_robots, wrapped_in_html
from contentmap_cli.sitemap.sniff import Opening, find_generator, root_tag, sniff

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
    """Reads one document: a urlset, a sitemap index, a text sitemap, a feed or a robots.txt, maybe
    compressed.

    `source` holds the body as transferred and is read from its start, in pieces; it may be read a second
    time. Entries go to `sink` in batches and in document order; when a strict reading fails, `sink.clear()`
    is called and a tolerant one starts over. `base` is the URL the document came from: relative URLs are
    resolved against it. The content decides what the document is, except that a `base` ending in /robots.txt,
    or `robots`, means robots.txt. `in_scope` is asked about one URL of each origin. `content_type` is the
    HTTP header of the body, whose charset counts. `cut` says that `source` ends before the document does.

    Nothing in the content raises: what is wrong with it is in the problems and the failure of the `Document`.
    """
    reading = _Reading(source, sink, base, limits, in_scope, content_type)
    reading.cut = cut
    return reading.run(robots=robots or _names_robots(base))


class ParsedRobots(NamedTuple):
    """A robots.txt: the document, what it says (None for an HTML page), and its decoded bytes."""

    document: Document
    text: RobotsText | None
    body: bytes


def parse_robots(source: BinaryIO, *, base: str | None, limits: Limits, cut: bool = False) -> ParsedRobots:
    """Reads a robots.txt as `parse_document` does, at most `limits.robots_bytes` of it.

    `cut` says that `source` ends before the document does: then its last line does not count.
    """
    reading = _Reading(source, _Nowhere(), base, _of_robots(limits), None, None)
    reading.cut = cut
    return ParsedRobots(reading.run(robots=True), reading.robots, reading.robots_body)


@lru_cache(maxsize=8)
def _of_robots(limits: Limits) -> Limits:
    return replace(limits, body_bytes=limits.robots_bytes)


class _Nowhere:
    """Where the entries of a robots.txt go: its text has them already."""

    def extend(self, entries: Sequence[Entry]) -> None:
        """Takes entries."""

    def clear(self) -> None:
        """Takes entries back."""


class _Stopped(Exception):
    """The document cannot be read on, for a reason that its failure names."""

    def __init__(self, code: ProblemCode, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(code.value, message)


class _Reading:
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
            # a thousand warnings of a server-side language may stand before the root
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
        except _Stopped as stopped:
            failure = stopped.failure
        self._body.drain(self._chunks)
        return self._document(kind, failure)

    def _document(self, kind: DocumentKind, failure: Failure | None) -> Document:
        body, builder, problems, charset = self._body, self._builder, self._problems, self._charset
        if charset.lie is not None:
            problems.add(ProblemCode.WRONG_ENCODING, 1, charset.lie)
        if body.trailing_garbage:
            problems.add(ProblemCode.TRAILING_GARBAGE, None, "bytes after the end of the gzip data")
        if body.failure is not None:
            failure = body.failure  # it explains whatever else was found
        if failure is not None and not problems.has(ProblemCode(failure.code)):
            problems.add(ProblemCode(failure.code), None, failure.message)
        generator = self._generator
        if generator is None and kind in XML_KINDS:
            generator = find_generator(self._tail.decode("utf-8", "replace"))
        found = problems.as_tuple()
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
        """Opens the body at its start; `_head` has its first bytes, without mark and blanks, `_chunks` the
        rest."""
        self._body = Body(self._source, self._limits)
        self._problems = Problems()
        self._builder = EntryBuilder(
            self._sink, self._problems, self._limits, base=self._base, in_scope=self._in_scope
        )
        self._first_line = 1
        self._chunks = self._body.chunks()
        self._head = b""
        self._read_ahead(HEAD_BYTES)

    def _read_ahead(self, length: int) -> None:
        """Reads until the head has so many bytes; blanks before the first markup do not count."""
        head = bytearray(self._head)
        while len(head) < length and (chunk := next(self._chunks, None)) is not None:
            head += chunk
            if not head.strip(BLANK):
                self._first_line += head.count(b"\n")
                head.clear()
        self._head = bytes(head)

    def _rest(self, charset: Charset) -> Iterator[bytes]:
        """The whole document from its first markup on; sets the line that it starts on."""
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
                self._problems.add(ProblemCode.BODY_TOO_LARGE, None, f"only {most} bytes of it were read")
        self.robots_body = bytes(data[:most])
        # RFC 9309: UTF-8; a byte that is not is never part of a URL that could be asked for
        text = self.robots_body[charset.bom_length :].decode(charset.codec, "replace")
        if self.cut:  # half a rule is none (section 2.5)
            text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1]
        length = self._limits.url_length
        html = opening.kind is DocumentKind.HTML
        if html and not wrapped_in_html(text, base=self._base, url_length=length):
            raise _Stopped(ProblemCode.ROBOTS_IS_HTML, "an HTML page was served as robots.txt")
        if charset.bom_length:
            self._problems.add(ProblemCode.BYTE_ORDER_MARK, 1, charset.name)
        if charset.codec != "utf-8":
            self._problems.add(ProblemCode.WRONG_ENCODING, None, f"{charset.name}, and robots.txt is UTF-8")
        self._problems.line_offset = self._first_line - 1
        self.robots = read_robots(text, self._problems, base=self._base, url_length=length, html=html)
        self._problems.line_offset = 0
        for number, url, repaired in self.robots.sitemaps:
            self._builder.take(url, number, type_="sitemap", repaired=repaired)
        self._close_builder(None)

    def _read(self, opening: Opening, charset: Charset) -> None:
        if opening.forbidden is not None:
            raise _Stopped(ProblemCode.XML_DTD_FORBIDDEN, f"{opening.forbidden}: document types are refused")
        if opening.kind is DocumentKind.EMPTY:
            raise _Stopped(ProblemCode.NOT_A_SITEMAP, "the document is empty")
        if opening.kind is DocumentKind.HTML:
            raise _Stopped(ProblemCode.NOT_A_SITEMAP, "an HTML page, not a sitemap")
        if opening.kind is DocumentKind.UNKNOWN:
            raise _Stopped(ProblemCode.NOT_A_SITEMAP, "neither a sitemap nor a feed nor a list of URLs")
        self._close_builder(self._read_entries(opening, charset))

    def _close_builder(self, stopped: _Stopped | None) -> None:
        """Delivers what is left, then raises what stopped the reading, if something did."""
        try:
            self._builder.close()
        except HardCap:
            stopped = stopped or self._hard_cap()
        if stopped is not None:
            raise stopped

    def _read_entries(self, opening: Opening, charset: Charset) -> _Stopped | None:
        """Reads all entries that can be read; returns what ended that too early, if anything did."""
        # the readers are loaded where there is something to read: a robots.txt needs none of them
        from contentmap_cli.sitemap.xml.strict import Forbidden
        from contentmap_cli.sitemap.xml.tokenizer import ForbiddenDoctype, Unending
        from contentmap_cli.sitemap.xml.tolerant import TooDeep

        limits = self._limits
        try:
            if opening.kind in (DocumentKind.TEXT, DocumentKind.JSON_FEED):
                self._read_text(opening.kind, charset)
            elif not opening.clean or not self._read_strictly(opening.kind, charset):
                self._read_tolerantly(opening.kind, charset)
        except HardCap:
            return self._hard_cap()
        except Unending:
            message = f"more than {limits.xml_token_bytes} bytes without anything beginning or ending"
            return _Stopped(ProblemCode.XML_TOKEN_TOO_LARGE, message)
        except TooDeep:
            return _Stopped(ProblemCode.XML_ERROR, f"elements nested deeper than {limits.xml_depth}")
        except (Forbidden, ForbiddenDoctype):
            return _Stopped(ProblemCode.XML_DTD_FORBIDDEN, "document types are refused")
        except _Stopped as stopped:
            return stopped
        return None

    def _hard_cap(self) -> _Stopped:
        message = f"more than {self._limits.file_urls_hard} entries; the rest was not read"
        return _Stopped(ProblemCode.TOO_MANY_URLS, message)

    def _read_strictly(self, kind: DocumentKind, charset: Charset) -> bool:
        """Reads well-formed XML. False if it is not; then nothing that was read counts."""
        from contentmap_cli.sitemap.xml.strict import NotWellFormed, read_feed, read_sitemap

        read = read_sitemap if kind in (DocumentKind.URLSET, DocumentKind.INDEX) else read_feed
        text = StrictText(charset)
        try:
            chunks = self._rest(charset)
            self._problems.line_offset = self._first_line - 1
            read(text.encode(chunks), self._builder)
            if self._builder.swallowed:
                raise NotWellFormed("a CDATA section does not end where its element does", None)
        except NotWellFormed as error:
            message, line = error.message, error.line
        except UnicodeDecodeError:
            message, line = f"not {text.charset.name}", None
        else:
            self._charset = text.charset
            return True
        offset = self._first_line - 1
        self._sink.clear()
        self._start_over()
        self._problems.add(ProblemCode.XML_ERROR, line and line + offset, message)
        return False

    def _read_tolerantly(self, kind: DocumentKind, charset: Charset) -> None:
        from contentmap_cli.sitemap.xml.tokenizer import Tokenizer
        from contentmap_cli.sitemap.xml.tolerant import TolerantReader

        text = LenientText(charset)
        pieces = text.decode(self._rest(charset))
        scanner = Tokenizer(pieces, self._problems, self._limits.xml_token_bytes, self._first_line)
        reader = TolerantReader(scanner, self._builder, kind)
        try:
            reader.read()
        finally:
            self._note_damage(text)
        if reader.ended_early:
            raise _Stopped(ProblemCode.XML_ERROR, "the document ends before its last element does")

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
            raise _Stopped(ProblemCode.NOT_A_SITEMAP, str(error)) from None
        finally:
            self._note_damage(text)

    def _note_damage(self, text: LenientText) -> None:
        self._charset = text.charset
        if text.damaged_chunks:
            message = f"bytes that are not {text.charset.name}"
            self._problems.add(ProblemCode.WRONG_ENCODING, None, message, text.damaged_chunks)


def _head_text(head: bytes, charset: Charset) -> str:
    """The first bytes as text; a character that is cut at the end is left out."""
    decoder = codecs.getincrementaldecoder(charset.codec)(LENIENT)
    return decoder.decode(head[charset.bom_length :])


def _names_robots(base: str | None) -> bool:
    try:
        return base is not None and urlsplit(base).path.lower().endswith("/robots.txt")
    except ValueError:
        return False

"""Which characters a document is written in, and its text or its UTF-8 form.

In order: a byte order mark; zero bytes in every other place (UTF-16 without a mark); the charset of the
Content-Type header; the XML declaration; UTF-8. Bytes that prove a label wrong precede it. Bytes that are not
UTF-8 are read as windows-1252, one by one, so that a single stray byte does not garble the rest.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from contentmap_cli.sitemap.charsets import MULTIBYTE, SECOND, STATEFUL, codec_of

STRICT = "contentmap-second-codec"
"""Error handler for text that must be what it should be: see `_read_by_second_codec`."""

LENIENT = "contentmap-windows-1252"
"""Error handler for text that is not what it should be: see `_read_as_windows_1252`."""

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark starts with the same bytes
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
DECLARED = re.compile(rb"""<?\??xml[^<>]{0,200}?encoding\s*=\s*["']?([A-Za-z0-9][A-Za-z0-9._:-]{0,40})""")
SENT = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9][A-Za-z0-9._:-]{0,40})""", re.IGNORECASE)

UNMARKED = frozenset({"utf-8", "ascii"})
"""What is read as UTF-8."""


class Charset(NamedTuple):
    """How to read a document. `name` is what is reported, `codec` what Python calls it; `lie` is what is
    wrong with the declaration, None if nothing is. `other` replaces it where the first bytes beyond ASCII
    come late and do not fit."""

    name: str
    codec: str
    bom_length: int = 0
    lie: str | None = None
    other: Charset | None = None

    def settled(self, chunk: bytes) -> Charset:
        """Return this or the other one, by a chunk with the first bytes beyond ASCII."""
        if self.other is None or chunk.isascii():
            return self
        utf8, legacy = (self, self.other) if self.codec == "utf-8" else (self.other, self)
        return (utf8 if _is_utf8(chunk, legacy.codec) else legacy)._replace(other=None)


UTF_8 = Charset("utf-8", "utf-8")


def detect(head: bytes, content_type: str | None = None) -> Charset:
    """Return the character set of a document that starts with `head` (a few kilobytes are enough).

    `content_type` is the header that it came with. Its charset precedes the XML declaration (RFC 7303
    section 3.2), but UTF-8 precedes both where the bytes show it: servers stamp a default charset on
    everything. For the same reason a declaration precedes a header of ISO-8859-1.
    """
    for bom, name in BOMS:
        if head.startswith(bom):
            return Charset(name, name, len(bom))
    wide = _utf16_by_zeros(head)
    if wide is not None:
        return Charset(wide, wide)
    match = DECLARED.search(head[:1024])
    declared = match[1].decode("ascii").lower() if match else ""
    codec = codec_of(declared) if declared else "utf-8"
    sent = charset_of(content_type)
    sent_codec = (codec_of(sent) if sent else None) or "utf-8"
    if sent_codec not in UNMARKED and (sent_codec != "cp1252" or codec is None or codec in UNMARKED):
        as_sent = Charset(sent, sent_codec)
        if head.isascii() and sent_codec not in STATEFUL:
            return Charset("utf-8", "utf-8", other=as_sent)
        return UTF_8 if _is_utf8(head, sent_codec) else as_sent
    if codec is None:
        return UTF_8._replace(lie=f"declares the encoding {declared}, which cannot be; read as UTF-8")
    if codec in UNMARKED:
        return UTF_8
    as_utf8 = UTF_8._replace(lie=f"declares the encoding {declared} and is UTF-8")
    if head.isascii() and codec not in STATEFUL:
        return Charset(declared, codec, other=as_utf8)
    return as_utf8 if _is_utf8(head, codec) else Charset(declared, codec)


def charset_of(content_type: str | None) -> str:
    """Return the charset that a Content-Type header names, in lower case, empty if it names none."""
    match = SENT.search(content_type or "")
    return match[1].lower() if match else ""


class StrictText:
    """The document as UTF-8. `charset` is final once all chunks were given."""

    def __init__(self, charset: Charset) -> None:
        self.charset = charset

    def encode(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Return the document chunk by chunk. Raises UnicodeDecodeError where it is not what it should be
        (UTF-8 itself passes through unchecked)."""
        while self.charset.other is not None and (chunk := next(chunks, None)) is not None:
            self.charset = self.charset.settled(chunk)
            if self.charset.other is None:
                chunks = chain([chunk], chunks)
            else:
                yield chunk
        if self.charset.codec == "utf-8":
            yield from chunks
            return
        decoder = codecs.getincrementaldecoder(self.charset.codec)(STRICT)
        for chunk in chunks:
            yield decoder.decode(chunk).encode("utf-8")
        yield decoder.decode(b"", final=True).encode("utf-8")


class LenientText:
    """The document as text, whatever its bytes. `damaged_chunks` counts chunks with bytes that did not
    fit. `charset` is final once all chunks were given."""

    def __init__(self, charset: Charset) -> None:
        self.damaged_chunks = 0
        self._use(charset)

    def _use(self, charset: Charset) -> None:
        self.charset = charset
        factory = codecs.getincrementaldecoder(charset.codec)
        self._strict = factory(STRICT)
        self._lenient = factory(LENIENT)

    def decode(self, chunks: Iterator[bytes]) -> Iterator[str]:
        """The text, chunk by chunk."""
        for chunk in chunks:
            yield self._piece(chunk, final=False)
        yield self._piece(b"", final=True)

    def _piece(self, chunk: bytes, *, final: bool) -> str:
        if self.charset.other is not None and not chunk.isascii():
            self._use(self.charset.settled(chunk))
        state = self._strict.getstate()
        try:
            return self._strict.decode(chunk, final)
        except UnicodeError:
            self.damaged_chunks += 1
        self._lenient.setstate(state)
        text = self._lenient.decode(chunk, final)
        self._strict.setstate(self._lenient.getstate())
        return text


def _read_by_second_codec(error: UnicodeError) -> tuple[str, int]:
    """For a character that Python's codec lacks and the standard's table has: see `SECOND`."""
    if isinstance(error, UnicodeDecodeError) and error.encoding in SECOND:
        for length in (2, 3):
            end = error.start + length
            try:
                return error.object[error.start : end].decode(SECOND[error.encoding]), end
            except UnicodeDecodeError:
                continue
    raise error


def _read_as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """For UTF-8 and the like: the bytes that do not fit, as windows-1252. For wide encodings: U+FFFD."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    if error.encoding.startswith(("utf-16", "utf-32")):
        return "\N{REPLACEMENT CHARACTER}", error.end
    try:
        return _read_by_second_codec(error)
    except UnicodeDecodeError:
        stray = error.object[error.start : error.end]
        return stray.decode("cp1252", "replace"), error.end


codecs.register_error(STRICT, _read_by_second_codec)
codecs.register_error(LENIENT, _read_as_windows_1252)


def _utf16_by_zeros(head: bytes) -> str | None:
    """Markup and URLs are mostly ASCII: in UTF-16 nearly every other byte is zero, in nothing else."""
    sample = head[:256]
    pairs = len(sample) // 2
    if pairs < 4:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > 0.6 * pairs and even < 0.2 * pairs:
        return "utf-16-le"
    if even > 0.6 * pairs and odd < 0.2 * pairs:
        return "utf-16-be"
    return None


def _is_utf8(head: bytes, codec: str) -> bool:
    """Whether bytes that are labelled with `codec` hold non-ASCII text, all of it UTF-8. No other encoding
    gets there by accident, but for one character of a multi-byte one."""
    if head.isascii():
        return False
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        text = decoder.decode(head)  # not final: the last character may be cut
    except UnicodeDecodeError:
        return False
    return sum(c > "\x7f" for c in text) > (codec in MULTIBYTE)

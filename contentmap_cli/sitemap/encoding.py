"""Detect the character encoding of a document, and decode it.

Order of precedence: byte order mark, zero bytes in every other position (UTF-16), charset of the Content-Type
header, XML declaration, UTF-8. Bytes that disprove a label override it. Invalid UTF-8 is decoded byte by byte
as windows-1252, so that one stray byte does not affect the rest.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from contentmap_cli.sitemap.charsets import MULTIBYTE, SECOND_CODECS, STATEFUL, codec_of

STRICT = "contentmap-second-codec"
"""Strict error handler: see `_read_by_second_codec`."""

LENIENT = "contentmap-windows-1252"
"""Lenient error handler: see `_read_as_windows_1252`."""

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is a prefix of it
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
DECLARED = re.compile(rb"""<?\??xml[^<>]{0,200}?encoding\s*=\s*["']?([A-Za-z0-9][A-Za-z0-9._:-]{0,40})""")
CHARSET_PARAMETER = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9][A-Za-z0-9._:-]{0,40})""", re.IGNORECASE)

UTF_8_CODECS = frozenset({"utf-8", "ascii"})
"""Codecs that are read as UTF-8."""


class Charset(NamedTuple):
    """How to decode a document.

    `name` is reported, `codec` is Python's name. `mismatch` says what is wrong with the declaration.
    `alternative` replaces this charset where the first bytes beyond ASCII come later and do not match.
    """

    name: str
    codec: str
    bom_length: int = 0
    mismatch: str | None = None
    alternative: Charset | None = None

    def resolved(self, chunk: bytes) -> Charset:
        """Return this charset or the alternative, by a chunk with the first bytes beyond ASCII."""
        if self.alternative is None or chunk.isascii():
            return self
        utf8, legacy = (self, self.alternative) if self.codec == "utf-8" else (self.alternative, self)
        return (utf8 if _is_utf8(chunk, legacy.codec) else legacy)._replace(alternative=None)


UTF_8 = Charset("utf-8", "utf-8")


def detect(head: bytes, content_type: str | None = None) -> Charset:
    """Return the charset of a document that starts with `head` (a few kilobytes).

    The charset of the header `content_type` precedes the XML declaration (RFC 7303 section 3.2). UTF-8
    precedes both where the bytes show it, and a declaration precedes ISO-8859-1 in a header: both are common
    defaults of servers.
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
    if sent_codec not in UTF_8_CODECS and (sent_codec != "cp1252" or codec is None or codec in UTF_8_CODECS):
        as_sent = Charset(sent, sent_codec)
        if head.isascii() and sent_codec not in STATEFUL:
            return Charset("utf-8", "utf-8", alternative=as_sent)
        return UTF_8 if _is_utf8(head, sent_codec) else as_sent
    if codec is None:
        return UTF_8._replace(
            mismatch=f"declares the encoding {declared}, which is impossible; read as UTF-8"
        )
    if codec in UTF_8_CODECS:
        return UTF_8
    as_utf8 = UTF_8._replace(mismatch=f"declares the encoding {declared} and is UTF-8")
    if head.isascii() and codec not in STATEFUL:
        return Charset(declared, codec, alternative=as_utf8)
    return as_utf8 if _is_utf8(head, codec) else Charset(declared, codec)


def charset_of(content_type: str | None) -> str:
    """Return the charset of a Content-Type header in lower case, or an empty string."""
    match = CHARSET_PARAMETER.search(content_type or "")
    return match[1].lower() if match else ""


class StrictText:
    """Re-encodes a document as UTF-8. `charset` is final once all chunks were read."""

    def __init__(self, charset: Charset) -> None:
        self.charset = charset

    def encode(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the document in UTF-8. Raise UnicodeDecodeError for invalid data; UTF-8 is not checked."""
        while self.charset.alternative is not None and (chunk := next(chunks, None)) is not None:
            self.charset = self.charset.resolved(chunk)
            if self.charset.alternative is None:
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
    """Decodes any bytes. `damaged_chunks` counts chunks with invalid bytes. `charset` is final at the end.

    `ends_in_character`: the last chunk with invalid bytes ends within a character.
    """

    def __init__(self, charset: Charset) -> None:
        self.damaged_chunks = 0
        self.ends_in_character = False
        self._use(charset)

    def _use(self, charset: Charset) -> None:
        self.charset = charset
        factory = codecs.getincrementaldecoder(charset.codec)
        self._strict = factory(STRICT)
        self._lenient = factory(LENIENT)

    def decode(self, chunks: Iterator[bytes]) -> Iterator[str]:
        """Yield the text, chunk by chunk."""
        for chunk in chunks:
            yield self._piece(chunk, final=False)
        before = self.damaged_chunks
        rest = self._piece(b"", final=True)
        self.ends_in_character = self.damaged_chunks > before
        yield rest

    def _piece(self, chunk: bytes, *, final: bool) -> str:
        if self.charset.alternative is not None and not chunk.isascii():
            self._use(self.charset.resolved(chunk))
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
    """Decode a character that is missing in Python's codec: see `SECOND_CODECS`."""
    if isinstance(error, UnicodeDecodeError) and error.encoding in SECOND_CODECS:
        for length in (2, 3):
            end = error.start + length
            try:
                return error.object[error.start : end].decode(SECOND_CODECS[error.encoding]), end
            except UnicodeDecodeError:
                continue
    raise error


def _read_as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Decode invalid bytes as windows-1252; in UTF-16 and UTF-32 return U+FFFD."""
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
    """Detect UTF-16 of mostly ASCII text: nearly every other byte is zero."""
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
    """Return whether bytes labelled with `codec` are non-ASCII UTF-8.

    One character is no proof against a multi-byte codec.
    """
    if head.isascii():
        return False
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        text = decoder.decode(head)  # not final: the last character may be cut
    except UnicodeDecodeError:
        return False
    return sum(c > "\x7f" for c in text) > (codec in MULTIBYTE)

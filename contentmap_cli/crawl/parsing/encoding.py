"""Which characters a document is written in, and its text or its UTF-8 form.

In order: a byte order mark; zero bytes in every other place (UTF-16 without a mark); the XML declaration,
unless the bytes prove it wrong; UTF-8. Bytes that are not UTF-8 are read as windows-1252, one by one, so that
a single stray byte does not garble the rest.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

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
# Python knows codecs that are no character sets (rot13, unicode_escape); these families are.
CHARACTER_SETS = re.compile(
    r"iso8859|latin|cp\d|windows|koi8|gb|big5|shift_jis|euc|mac|tis|kz1048|ptcp|johab|hp-roman8"
)
ASCII_PROBE = "<?xml 09:AZaz&;/>"


class Charset(NamedTuple):
    """How to read a document. `name` is what is reported, `codec` what Python calls it; `lie` is what is
    wrong with the declaration, None if nothing is."""

    name: str
    codec: str
    bom_length: int = 0
    lie: str | None = None


def detect(head: bytes) -> Charset:
    """The character set of a document that starts with `head` (a few kilobytes are enough)."""
    for bom, name in BOMS:
        if head.startswith(bom):
            return Charset(name, name, len(bom))
    wide = _utf16_by_zeros(head)
    if wide is not None:
        return Charset(wide, wide)
    match = DECLARED.search(head[:1024])
    if match is None:
        return Charset("utf-8", "utf-8")
    declared = match[1].decode("ascii").lower()
    codec = _character_set(declared)
    if codec is None:
        return Charset(
            "utf-8", "utf-8", 0, f"declares the encoding {declared}, which cannot be; read as UTF-8"
        )
    if codec in ("utf-8", "ascii"):
        return Charset("utf-8", "utf-8")
    if _is_utf8(head):
        return Charset("utf-8", "utf-8", 0, f"declares the encoding {declared} and is UTF-8")
    return Charset(declared, codec)


def utf8(chunks: Iterator[bytes], charset: Charset) -> Iterator[bytes]:
    """The document as UTF-8, chunk by chunk. Raises UnicodeDecodeError where it is not what it should be
    (UTF-8 itself passes through unchecked)."""
    if charset.codec == "utf-8":
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(charset.codec)("strict")
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8")
    yield decoder.decode(b"", final=True).encode("utf-8")


class LenientText:
    """The document as text, whatever its bytes. `damaged_chunks` counts chunks with bytes that did not
    fit."""

    def __init__(self, charset: Charset) -> None:
        factory = codecs.getincrementaldecoder(charset.codec)
        self._strict = factory("strict")
        self._lenient = factory(LENIENT)
        self.damaged_chunks = 0

    def decode(self, chunks: Iterator[bytes]) -> Iterator[str]:
        """The text, chunk by chunk."""
        for chunk in chunks:
            yield self._piece(chunk, final=False)
        yield self._piece(b"", final=True)

    def _piece(self, chunk: bytes, *, final: bool) -> str:
        state = self._strict.getstate()
        try:
            return self._strict.decode(chunk, final)
        except UnicodeError:
            self.damaged_chunks += 1
        self._lenient.setstate(state)
        text = self._lenient.decode(chunk, final)
        self._strict.setstate(self._lenient.getstate())
        return text


def _read_as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """For UTF-8 and the like: the bytes that do not fit, as windows-1252. For wide encodings: U+FFFD."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    if error.encoding.startswith(("utf-16", "utf-32")):
        return "\N{REPLACEMENT CHARACTER}", error.end
    stray = error.object[error.start : error.end]
    return stray.decode("cp1252", "replace"), error.end


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


def _character_set(declared: str) -> str | None:
    """Python's name of a declared character set that contains ASCII as it is, None if it is no such thing."""
    try:
        codec = codecs.lookup(declared).name
        if codec in ("utf-8", "ascii"):
            return codec
        if not CHARACTER_SETS.match(codec) or ASCII_PROBE.encode(codec) != ASCII_PROBE.encode("ascii"):
            return None
    except (LookupError, UnicodeError, ValueError):
        return None
    # The web means windows-1252 when it says latin-1 (WHATWG Encoding Standard).
    return "cp1252" if codec in ("iso8859-1", "latin-1") else codec


def _is_utf8(head: bytes) -> bool:
    """Whether the head holds non-ASCII text, all of it UTF-8: no other encoding gets there by accident."""
    if head.isascii():
        return False
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        text = decoder.decode(head)  # not final: the last character may be cut
    except UnicodeDecodeError:
        return False
    return sum(c > "\x7f" for c in text) > 1

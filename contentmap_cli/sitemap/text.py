"""Text sitemaps: one URL a line. Lines end with CR LF, LF or CR."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from contentmap_cli.sitemap.entry_builder import EntryBuilder
from contentmap_cli.sitemap.problems import ProblemCode, shorten
from contentmap_cli.sitemap.urls import trim

LINE_END = re.compile(r"\r\n|\n|\r")
HTTP_URL = re.compile(r"https?://\S+", re.IGNORECASE)
ANY_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
# A scheme and a host anywhere, a path, or the name of a host with a path: what is broken and named a page.
DAMAGED = re.compile(r"https?:|://|/\S+\Z|(?:www\.|[a-z0-9-]+(?:\.[a-z0-9-]+)+/)\S*\Z", re.IGNORECASE)


def read_text(pieces: Iterator[str], builder: EntryBuilder, is_cut: Callable[[], bool]) -> None:
    """Reads a text sitemap. Lines that start with `#` are comments; other lines that are not one absolute URL
    are counted as problems, and as losses where they may have been one.

    `is_cut` is asked at the end whether the text ends before the document does: then its last line may be
    half a URL, which is a loss."""
    last = ""
    number = 0
    for number, line in lines(pieces, builder.limits.url_length * 4):
        if number > 1:
            _read_line(last, number - 1, builder)
        last = line
    if trim(last) and is_cut():
        builder.lose(ProblemCode.CUT_OFF_ENTRY, number, shorten(trim(last), 120))
    else:
        _read_line(last, number, builder)


def _read_line(line: str, number: int, builder: EntryBuilder) -> None:
    """Takes the URL of a line, if it is one."""
    text = trim(line)
    if not text or text.startswith("#"):
        return
    if HTTP_URL.fullmatch(text) or ANY_SCHEME.fullmatch(text):
        builder.take(text, number)
    elif "\0" in text or DAMAGED.match(text) or "://" in text:
        builder.lose(ProblemCode.NOT_A_URL_LINE, number, shorten(text, 120))
    else:
        builder.problems.add(ProblemCode.NOT_A_URL_LINE, number, shorten(text, 120))
    if not number % 5000:
        builder.deliver()


def lines(pieces: Iterator[str], longest: int) -> Iterator[tuple[int, str]]:
    """Numbered lines. What a line has beyond `longest` characters is not kept (it is then too long
    anyway)."""
    number = 1
    rest = ""
    for piece in pieces:
        held = ""
        text = rest + piece
        if text.endswith("\r"):  # may be half of a CR LF
            text, held = text[:-1], "\r"
        found = LINE_END.split(text)
        for line in found[:-1]:
            yield number, line
            number += 1
        rest = found[-1][: longest + 1] + held
    for line in LINE_END.split(rest):
        yield number, line
        number += 1

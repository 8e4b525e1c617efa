"""Read text sitemaps: one URL per line (CR LF, LF or CR)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from contentmap_cli.sitemap.entry_builder import EntryBuilder
from contentmap_cli.sitemap.problems import ProblemCode, shorten
from contentmap_cli.sitemap.urls import trim

LINE_END = re.compile(r"\r\n|\n|\r")
HTTP_URL = re.compile(r"https?://\S+", re.IGNORECASE)
ANY_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
# A scheme and host anywhere, a path, or a host name with a path: probably a damaged URL.
DAMAGED = re.compile(r"https?:|://|/\S+\Z|(?:www\.|[a-z0-9-]+(?:\.[a-z0-9-]+)+/)\S*\Z", re.IGNORECASE)


def read_text(pieces: Iterator[str], builder: EntryBuilder, is_cut: Callable[[], bool]) -> None:
    """Read a text sitemap. Lines that start with `#` are comments.

    Other lines that are not one absolute URL are problems, and losses where they may be a damaged URL.
    `is_cut` is called at the end: where the text ends before the document does, the last line is a loss.
    """
    last = ""
    number = 0
    for number, line in lines(pieces, builder.limits.url_length * 4):
        if number > 1:
            _read_line(last, number - 1, builder)
        last = line
    if trim(last) and is_cut():
        builder.add_loss(ProblemCode.CUT_OFF_ENTRY, number, shorten(trim(last), 120))
    else:
        _read_line(last, number, builder)


def _read_line(line: str, number: int, builder: EntryBuilder) -> None:
    """Add the URL of a line, if it is one."""
    text = trim(line)
    if not text or text.startswith("#"):
        return
    if HTTP_URL.fullmatch(text) or ANY_SCHEME.fullmatch(text):
        builder.add(text, number)
    elif "\0" in text or DAMAGED.match(text) or "://" in text:
        builder.add_loss(ProblemCode.NOT_A_URL_LINE, number, shorten(text, 120))
    else:
        builder.problems.add(ProblemCode.NOT_A_URL_LINE, number, shorten(text, 120))
    if not number % 5000:
        builder.deliver()


def lines(pieces: Iterator[str], longest: int) -> Iterator[tuple[int, str]]:
    """Yield numbered lines, each cut to `longest` + 1 characters."""
    number = 1
    rest = ""
    for piece in pieces:
        pending = ""
        text = rest + piece
        if text.endswith("\r"):  # the LF of a CR LF may follow
            text, pending = text[:-1], "\r"
        found = LINE_END.split(text)
        for line in found[:-1]:
            yield number, line
            number += 1
        rest = found[-1][: longest + 1] + pending
    for line in LINE_END.split(rest):
        yield number, line
        number += 1

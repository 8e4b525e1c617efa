"""Compare two bodies of plain entries: which entries are only in one of them.

A body of plain entries (`Document.plain`) can be split at each `<url>` without parsing it. Equal parts are
compared as bytes; entries are split only around a difference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from contentmap_cli.sitemap.encoding import UTF_8, detect

HEAD_BYTES: Final = 64 * 1024

HEAD: Final = re.compile(
    rb"\s*(?:<\?xml[^<>]*\?>\s*)?(?:<!--(?:[^-]|-[^-])*-->\s*)*"
    rb"<urlset(?P<attributes>(?:\s+[A-Za-z_][\w.:-]*\s*=\s*(?:\"[^\"<&>]*\"|'[^'<&>]*'))*)\s*>\s*(?=<url>)"
)
"""The beginning of a body of plain entries."""

_START: Final = b"<url>"
_END: Final = b"</url>"

_STRIDE: Final = 64 * 1024
_STEP: Final = 256
"""Maximum and minimum bytes that are compared at once."""

_WINDOW: Final = 2 * 1024
_WIDEST: Final = 2 * 1024 * 1024
"""Minimum and maximum bytes around a difference in which both must be equal again."""

_OPENING: Final = 32 * 1024

Bytes = bytes | bytearray


class Frame(NamedTuple):
    """Where the entries of a body start and end."""

    start: int
    end: int


class Pieces(NamedTuple):
    """Entries that are only in the old body, and those only in the new one, in order."""

    gone: list[bytes]
    come: list[bytes]


def frame_of(body: Bytes) -> Frame | None:
    """Return the frame of a body of plain entries; None if it does not start like one."""
    head = HEAD.match(body, 0, HEAD_BYTES)
    end = body.rfind(_END)
    if head is None or end < 0 or detect(bytes(body[:HEAD_BYTES])) != UTF_8:
        return None
    return Frame(head.end(), end + len(_END))


def opening_of(body: Bytes) -> list[bytes]:
    """Return some of the first entries of a body; none if it is not plain."""
    frame = frame_of(body)
    return [] if frame is None else _cut(body, frame.start, frame.end, _OPENING)


def framed(body: Bytes, frame: Frame, pieces: Sequence[bytes]) -> bytes:
    """Return a document of these entries with the beginning and the end of the body."""
    return b"".join((body[: frame.start], *pieces, body[frame.end :]))


def compare(old: Bytes, new: Bytes, most: int) -> Pieces | None:
    """Return the difference of two bodies without repeated entries.

    The old body must be plain, and so are the unchanged entries of the new one. Return None if beginnings or
    ends differ, or if more than `most` entries differ, moved ones included.
    """
    before, now = frame_of(old), frame_of(new)
    if before is None or now is None:
        return None
    if old[: before.start] != new[: now.start] or old[before.end :] != new[now.end :]:
        return None
    return _Comparison(old, before, new, now, most).run()


class _Comparison:
    """The state of one `compare`: two positions, each at the start of an entry, and the differences."""

    def __init__(self, old: Bytes, before: Frame, new: Bytes, now: Frame, most: int) -> None:
        self._old, self._new = old, new
        self._old_end, self._new_end = before.end, now.end
        self._at_old, self._at_new = before.start, now.start
        self._most = most
        self._only_old: list[bytes] = []
        self._only_new: list[bytes] = []

    def run(self) -> Pieces | None:
        while self._skip_equal():
            if not self._pass_difference() or max(len(self._only_old), len(self._only_new)) > self._most:
                return None
        gone, come = set(self._only_old), set(self._only_new)
        both = gone & come
        # a moved entry is once on each side: otherwise the new body repeats it
        if len(self._only_new) != len(come) or len(self._only_old) != len(gone):
            return None
        return Pieces(
            [piece for piece in self._only_old if piece not in both],
            [piece for piece in self._only_new if piece not in both],
        )

    def _skip_equal(self) -> bool:
        """Advance to the first entry that differs; return False if there is none."""
        old, new, i, j = self._old, self._new, self._at_old, self._at_new
        left = min(self._old_end - i, self._new_end - j)
        done, step = 0, _STEP
        while done < left:
            size = min(step, left - done)
            if old[i + done : i + done + size] == new[j + done : j + done + size]:
                done += size
                step = min(step * 2, _STRIDE)
            elif size <= _STEP:
                break
            else:
                step = size // 2
        if i + done == self._old_end and j + done == self._new_end:
            return False
        start = old.rfind(_START, i, i + done)
        if start > i:
            self._at_old, self._at_new = start, j + start - i
        return True

    def _pass_difference(self) -> bool:
        """Advance to where both are equal again; return False if that is too far away."""
        width = _WINDOW
        while True:
            olds = _cut(self._old, self._at_old, self._old_end, width)
            news = _cut(self._new, self._at_new, self._new_end, width)
            same = _count_equal(olds, news)
            if same:  # `_skip_equal` is coarse
                self._go_on(olds[:same], news[:same])
                return True
            places = {piece: number for number, piece in enumerate(olds)}
            for number, piece in enumerate(news):
                if (place := places.get(piece)) is not None:
                    self._take(olds[:place], news[:number])
                    return True
            if self._at_old + width >= self._old_end and self._at_new + width >= self._new_end:
                self._take(olds, news)
                return True
            if width >= _WIDEST:
                return False
            width *= 4

    def _take(self, olds: list[bytes], news: list[bytes]) -> None:
        self._only_old += olds
        self._only_new += news
        self._go_on(olds, news)

    def _go_on(self, olds: list[bytes], news: list[bytes]) -> None:
        self._at_old += sum(map(len, olds))
        self._at_new += sum(map(len, news))


def _count_equal(olds: list[bytes], news: list[bytes]) -> int:
    count = 0
    for old, new in zip(olds, news, strict=False):
        if old != new:
            break
        count += 1
    return count


def _cut(body: Bytes, start: int, end: int, width: int) -> list[bytes]:
    """Return the entries from a position that end within `width` bytes, with the white space after each."""
    stop = end if start + width >= end else body.rfind(_START, start + 1, start + width)
    if stop <= start:
        return []
    return [_START + piece for piece in bytes(body[start:stop]).split(_START)[1:]]

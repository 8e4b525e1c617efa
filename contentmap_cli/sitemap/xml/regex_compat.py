"""Regular expressions that do not go back, on every Python that knows them.

Before 3.11.5 the interpreter gets it wrong when a group is repeated possessively, as in `(?:…)*+`: where the
last turn fails half-way, matching goes on from there, not from where that turn began (cpython issue 106052).
An atomic group around a repetition that may go back means the same, and all of them get it right.
"""

from __future__ import annotations

import re
import sys
from typing import Final

_BROKEN: Final = sys.version_info < (3, 11, 5)
_PIECE: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\)[*+?]\+|.", re.DOTALL)


def compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """The pattern, matched as it is written. One that repeats groups possessively is compiled here."""
    return re.compile(atomic(pattern) if _BROKEN else pattern, flags)


def atomic(pattern: str) -> str:
    """The pattern with `(?>(…)*)` for `(…)*+`, likewise for `++` and `?+`; repeated characters stay."""
    out: list[str] = []
    opened: list[int] = []
    for piece in _PIECE.findall(pattern):
        out.append(piece)
        if piece == "(":
            opened.append(len(out) - 1)
        elif piece.startswith(")"):
            start = opened.pop()
            if len(piece) > 1:
                out[start], out[-1] = "(?>(", f"{piece[:2]})"
    return "".join(out)

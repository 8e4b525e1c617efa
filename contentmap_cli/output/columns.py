"""Aligned text columns, on a terminal and elsewhere.

Elsewhere every value is complete, every line has every column and an empty cell is `-`, for grep and awk;
only a note, which comes last, may be missing. On a terminal the table is fitted to the width: optional
columns are dropped first, then long cells are cut with an ellipsis; notes that do not fit go below their row.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, TextIO

GAP = 2
_MIN_CELL = 16  # cells are not cut below this width
_INDENT = "    "


class Style(StrEnum):
    """Text styles: SGR parameters (ECMA-48 section 8.3.117), empty for plain text."""

    PLAIN = ""
    BOLD = "1"
    DIM = "2"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    CYAN = "36"


class Cell(NamedTuple):
    """Escaped text and its style."""

    text: str
    style: Style = Style.PLAIN


class Line(NamedTuple):
    """A row: one cell per column, and a note on the row."""

    cells: Sequence[Cell]
    note: Cell = Cell("")


class Column(NamedTuple):
    """A column. `spare` columns may be dropped on a narrow terminal, the highest number first; 0 stays
    always.

    `fit` is the width up to which others are dropped in favour of the column: wider cells are cut with an
    ellipsis (`cut`), or run on (the last column only).
    """

    title: str
    right: bool = False
    spare: int = 0
    cut: bool = False
    fit: int | None = None


def cell_width(text: str) -> int:
    """Return the terminal columns of a text: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def styled(text: str, style: Style, color: bool) -> str:
    """Return the text in a style, or unchanged without colour."""
    return f"\x1b[{style}m{text}\x1b[0m" if color and style and text else text


def write_table(
    out: TextIO,
    columns: Sequence[Column],
    lines: Sequence[Line],
    *,
    width: int | None,
    color: bool,
    note: str = "",
) -> None:
    """Write a heading and the lines; nothing if there are no lines. `note` is the heading of the notes."""
    if not lines:
        return
    widths = [
        max(cell_width(column.title), *(cell_width(line.cells[index].text) for line in lines))
        for index, column in enumerate(columns)
    ]
    below = False
    if width is None:
        shown = list(range(len(columns)))
    else:
        shown = [
            index
            for index in range(len(columns))
            if not columns[index].spare or any(line.cells[index].text for line in lines)
        ]
        notes = max(cell_width(line.note.text) for line in lines)
        below = notes > 0 and _total(widths, shown) + GAP + max(notes, len(note)) > width
        shown = _fitted(columns, widths, shown, width)
    has_notes = not below and (width is None or any(line.note.text for line in lines))
    heading = [Cell(columns[index].title, Style.DIM) for index in shown]
    _write(out, columns, widths, shown, heading, Cell(note if has_notes else "", Style.DIM), color)
    for line in lines:
        cells = [line.cells[index] for index in shown]
        if width is None:
            cells = [cell if cell.text else Cell("-") for cell in cells]
        _write(out, columns, widths, shown, cells, Cell("") if below else line.note, color)
        if below and line.note.text:
            room = max((width or 0) - len(_INDENT), _MIN_CELL)
            for text in textwrap.wrap(line.note.text, room, break_long_words=False, break_on_hyphens=False):
                out.write(f"{_INDENT}{styled(text, line.note.style, color)}\n")


def _total(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[index] for index in shown) + GAP * (len(shown) - 1)


def _fitted(columns: Sequence[Column], widths: list[int], shown: list[int], width: int) -> list[int]:
    """Return the indexes of the columns that fit. Reduces `widths` of those that may be cut."""
    asked = [min(wide, column.fit or wide) for column, wide in zip(columns, widths, strict=True)]
    while _total(asked, shown) > width:
        spare = max(shown, key=lambda index: columns[index].spare)
        if not columns[spare].spare:
            break
        shown = [index for index in shown if index != spare]
    for index in shown:
        if columns[index].cut:
            excess = _total([*asked[:index], widths[index], *asked[index + 1 :]], shown) - width
            widths[index] = max(widths[index] - max(excess, 0), min(widths[index], _MIN_CELL))
    return shown


def _write(
    out: TextIO,
    columns: Sequence[Column],
    widths: Sequence[int],
    shown: Sequence[int],
    cells: Sequence[Cell],
    note: Cell,
    color: bool,
) -> None:
    parts = []
    for position, (index, cell) in enumerate(zip(shown, cells, strict=True)):
        text = _cut(cell.text, widths[index]) if columns[index].cut else cell.text
        room = widths[index] - cell_width(text)
        content = styled(text, cell.style, color)
        last = position == len(shown) - 1 and not note.text
        parts.append(" " * room + content if columns[index].right else content + " " * (0 if last else room))
    if note.text:
        parts.append(styled(note.text, note.style, color))
    # strips the padding of an empty last cell only: values never end in a space
    out.write((" " * GAP).join(parts).rstrip(" ") + "\n")


def _cut(text: str, width: int) -> str:
    if cell_width(text) <= width:
        return text
    if text.isascii():
        return text[: width - 1] + "…"
    from rich.cells import set_cell_size

    return set_cell_size(text, width - 1) + "…"

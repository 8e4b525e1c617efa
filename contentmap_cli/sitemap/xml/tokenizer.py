"""Tokenize markup that need not be well-formed: start tags, end tags and text, as a stream in bounded memory.

The tokenizer only finds where each tag ends. A `<` that starts no markup is text. Repairs are added to the
problems.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from contentmap_cli.sitemap.problems import ProblemCode, Problems, shorten
from contentmap_cli.sitemap.sniff import DOCTYPE, ForbiddenDoctype, doctype_label, is_forbidden

NAME = r"[A-Za-z_][\w.-]*+(?>(?::[\w.-]++)?)"
START = re.compile(rf"<({NAME})((?>(?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+')*))>")
LOOSE_START = re.compile(rf"<({NAME})([^<>]*+)(>|(?=<)|\Z)")
END = re.compile(rf"</\s*+({NAME})[^<>]*+(>|(?=<)|\Z)")
# A well-formed entry. One match replaces ten tokens.
WHOLE_ENTRY = re.compile(
    r"<(url|sitemap)>\s*+<loc>([^<&]++)</loc>\s*+(?>(?:<lastmod>([^<&]*+)</lastmod>\s*+)?)"
    r"(?>(?:<changefreq>([^<&]*+)</changefreq>\s*+)?)(?>(?:<priority>([^<&]*+)</priority>\s*+)?)</\1>"
)
LESS_THAN = re.compile(r"<(?>(?:<(?=<))*)")
INSTRUCTION = re.compile(r"<\?[^<>?]*+(?>(?:\?(?!>)[^<>?]*+)*)\?>")
BOGUS = re.compile(r"<[?!][^<>]*+(?:>|(?=<)|\Z)")
TEMPLATE_LENGTH = 64 * 1024
TAG_LENGTH = 256 * 1024
QUOTED = 4096
BOGUS_DECLARATIONS = 100_000
CDATA = "<![CDATA["


class TokenKind(Enum):
    """The kind of a token."""

    START = auto()
    END = auto()
    TEXT = auto()  # references are not resolved
    DATA = auto()  # a CDATA section
    ENTRY = auto()  # a whole plain entry, see WHOLE_ENTRY


class Token(NamedTuple):
    """A token. `text` is the name of a tag, or the text; `attributes` is the unparsed inside of a start tag.

    `exact` says that the tag is well-formed, `empty` that it is self-closing.
    """

    kind: TokenKind
    text: str
    line: int
    attributes: str = ""
    exact: bool = True
    empty: bool = False
    fields: tuple[str | None, ...] = ()  # of an entry: its name, loc, lastmod, changefreq, priority


class TokenTooLong(Exception):
    """A piece of markup or text is longer than the limit."""


class Tokenizer:
    """Iterates over the tokens of `pieces`. `cut_off` is True if the text ends inside markup.

    The reader sets `closer` to the end tag of the open element, where an unterminated CDATA section ends, and
    `whole_entries` where plain entries may be returned as one token.
    """

    def __init__(self, pieces: Iterator[str], problems: Problems, longest: int, first_line: int = 1) -> None:
        self._pieces = pieces
        self._problems = problems
        self._longest = longest
        self._text = ""
        self._position = 0
        self._counted = 0
        self._line = first_line
        self._ended = False
        self._offset = 0  # of the buffer in the whole text
        self._searched: dict[str, int] = {}  # end of the searched part of the whole text, by string
        self._bogus = 0
        self.closer = "</"
        self.whole_entries = False
        self.cut_off = False

    def __iter__(self) -> Iterator[Token]:
        while True:
            start = self._text.find("<", self._position)
            if start < 0:
                yield from self._text_run(len(self._text))
                if not self._fill():
                    yield from self._rest()
                    return
                continue
            if start > self._position:
                yield self._token(TokenKind.TEXT, self._text[self._position : start], start)
                continue
            if self.whole_entries and (entry := WHOLE_ENTRY.match(self._text, start)):
                token = Token(TokenKind.ENTRY, entry[1], self.line(), fields=entry.groups())
                self._position = entry.end()
                yield token
                continue
            yield from self._markup()

    def line(self) -> int:
        """Return the line of the current position, counting from 1."""
        if self._position > self._counted:
            self._line += self._text.count("\n", self._counted, self._position)
            self._counted = self._position
        return self._line

    def _token(self, kind: TokenKind, text: str, end: int) -> Token:
        token = Token(kind, text, self.line())
        self._position = end
        return token

    def _text_run(self, end: int) -> Iterator[Token]:
        """Yield text up to the end of the buffer, except a reference that may be cut there."""
        reference = self._text.rfind("&", max(self._position, end - 64), end)
        if reference >= 0:
            end = reference
        if end > self._position:
            yield self._token(TokenKind.TEXT, self._text[self._position : end], end)

    def _rest(self) -> Iterator[Token]:
        if self._position < len(self._text):
            yield self._token(TokenKind.TEXT, self._text[self._position :], len(self._text))

    def _fill(self) -> bool:
        """Append the next piece to the unread text. Return False at the end."""
        if self._ended:
            return False
        for piece in self._pieces:
            if piece:
                self.line()
                self._offset += self._position
                self._text = self._text[self._position :] + piece
                self._position = self._counted = 0
                return True
        self._ended = True
        return False

    def _markup(self) -> Iterator[Token]:
        """Read the markup at the current position, which is a `<`."""
        while len(self._text) - self._position < len(CDATA) and self._fill():
            pass
        following = self._text[self._position : self._position + len(CDATA)]
        if following.startswith("<!--"):
            self._skip_comment()
        elif following.upper() == CDATA:
            yield from self._data()
        elif following.startswith("</"):
            yield from self._end_tag()
        elif following.startswith(("<?", "<!")):
            self._declaration()
        elif following.startswith("<%"):
            yield from self._template()
        else:
            yield from self._start_tag()

    def _find(self, string: str, start: int) -> int:
        """Search the buffer as `str.find` does, remembering what was searched: the time stays linear."""
        known = self._searched.get(string, 0) - self._offset
        if known >= start and self._text.startswith(string, known):
            return known
        found = self._text.find(string, max(start, known))
        end = found if found >= 0 else max(len(self._text) - len(string) + 1, 0)
        self._searched[string] = max(self._offset + end, self._searched.get(string, 0))
        return found

    def _buffer_tag(self) -> None:
        """Read on until the buffer has the whole tag at the position, or its length exceeds the limit."""
        while True:
            closing = self._find(">", self._position)
            # a > in quotes does not end a tag: the next < or enough text after it shows that this one does
            if closing >= 0 and (len(self._text) - closing > QUOTED or self._find("<", closing) >= 0):
                return
            if len(self._text) - self._position > TAG_LENGTH or not self._fill():
                return

    def _skip_comment(self) -> None:
        line = self.line()
        self._position += 4
        while True:
            end = self._text.find("-->", self._position)
            if end >= 0:
                self._position = end + 3
                return
            self._position = max(self._position, len(self._text) - 2)
            if not self._fill():
                self._position = len(self._text)
                self.cut_off = True
                self._problems.add(ProblemCode.BROKEN_MARKUP, line, "a comment that does not end")
                return

    def _data(self) -> Iterator[Token]:
        line = self.line()
        begin = len(CDATA)
        while True:
            start = self._position + begin
            end = self._find("]]>", start)
            tag = self._text.find(self.closer, start, end if end >= 0 else len(self._text))
            if end >= 0 and tag < 0:
                yield self._token(TokenKind.DATA, self._text[start:end], end + 3)
                return
            if tag >= 0:
                self._problems.add(ProblemCode.BROKEN_MARKUP, line, "a CDATA section that does not end")
                yield self._token(TokenKind.DATA, self._text[start:tag], tag)
                return
            if len(self._text) - self._position > self._longest:
                raise TokenTooLong
            if not self._fill():
                self._problems.add(ProblemCode.BROKEN_MARKUP, line, "a CDATA section that does not end")
                self._position = len(self._text)
                self.cut_off = True
                return

    def _end_tag(self) -> Iterator[Token]:
        self._buffer_tag()
        match = END.match(self._text, self._position)
        if match is None:
            yield from self._literal("an end tag without a name")
            return
        cut = not match[2] and match.end() == len(self._text)
        exact = match[2] == ">"
        if not exact:
            self._problems.add(ProblemCode.BROKEN_MARKUP, self.line(), f"</{shorten(match[1], 40)} without >")
        self.cut_off = self.cut_off or cut
        token = Token(TokenKind.END, match[1], self.line(), exact=exact)
        self._position = match.end()
        yield token

    def _start_tag(self) -> Iterator[Token]:
        self._buffer_tag()
        match = START.match(self._text, self._position)
        exact = match is not None
        if match is None:
            match = LOOSE_START.match(self._text, self._position)
            if match is None:
                yield from self._literal("a < that starts no tag")
                return
            if not match[3] and match.end() == len(self._text) and self._ended:
                self.cut_off = True
                self._position = match.end()
                return
            exact = False
            self._problems.add(
                ProblemCode.BROKEN_MARKUP, self.line(), f"<{shorten(match[1], 40)} is malformed"
            )
        attributes = match[2]
        empty = attributes.endswith("/")
        token = Token(TokenKind.START, match[1], self.line(), attributes, exact, empty)
        self._position = match.end()
        yield token

    def _declaration(self) -> None:
        self._buffer_tag()
        text, position = self._text, self._position
        doctype = DOCTYPE.match(text, position)
        if doctype is not None:
            if is_forbidden(doctype):
                raise ForbiddenDoctype(doctype_label(doctype))
            self._problems.add(ProblemCode.DOCTYPE_IGNORED, self.line(), doctype_label(doctype))
            self._position = doctype.end()
            return
        match = INSTRUCTION.match(text, position)
        if match is None and text.startswith(("<?php", "<?="), position):
            end = self._code_end("?>")
            if end >= 0:
                self._position = end
                return
        if match is None:
            self._bogus += 1
            if self._bogus > BOGUS_DECLARATIONS:
                raise TokenTooLong
            match = next(BOGUS.finditer(self._text, self._position))  # always matches
            shape = self._text[self._position : self._position + 20]
            self._problems.add(ProblemCode.BROKEN_MARKUP, self.line(), f"{shorten(shape)} …")
        self._position = match.end()

    def _template(self) -> Iterator[Token]:
        """Return a template's code as text."""
        end = self._code_end("%>")
        if end < 0:
            yield from self._literal("a < that starts no tag")
            return
        yield self._token(TokenKind.DATA, self._text[self._position : end], end)

    def _code_end(self, closer: str) -> int:
        """Return where the code of a template ends, or -1."""
        while True:
            end = self._find(closer, self._position)
            if end >= 0:
                return end + len(closer) if end - self._position < TEMPLATE_LENGTH else -1
            if len(self._text) - self._position > TEMPLATE_LENGTH or not self._fill():
                return -1

    def _literal(self, message: str) -> Iterator[Token]:
        self._problems.add(ProblemCode.BROKEN_MARKUP, self.line(), message)
        run = LESS_THAN.match(self._text, self._position)
        length = run.end() - run.start() if run else 1
        yield self._token(TokenKind.DATA, "<" * length, self._position + length)

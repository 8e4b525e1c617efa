"""The usual extensions of one plain entry, read from the text that stands behind its own fields.

Taken is what generators print: links to languages, images, videos and news whose values are single-spaced
words without `@`, and no reference but `&amp;`. Of anything else nothing is taken, and the parser reads it.
What is taken equals what `read_extensions` makes of the same text, without a problem.

A generator prints entry after entry in the same tags, with other values. `UsualExtensions` compiles a shape
that occurs often into a pattern with a group for each value and a template with a field for each. From then
on an entry costs one match and one format. A value is accepted only if `usual_extensions` would accept it,
so the text is the same as without shapes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final, NamedTuple

from contentmap_cli.models.entry_rows import encoded_extras
from contentmap_cli.models.entry_sink import Extras
from contentmap_cli.sitemap.entry_builder import NO_EXTENSIONS, Extensions
from contentmap_cli.sitemap.xml.elements import Role, role_of
from contentmap_cli.sitemap.xml.extensions import PER_ENTRY, TEXT_LENGTH, VALUES

_SPACE: Final = r"[ \t\r\n]*+"
_WORD: Final = (
    r"(?>(?:[^\x00- &<>@\x7f]++|&amp;)+)"  # said by what it is not: that compiles twenty times faster
)
_TEXT: Final = rf"({_WORD}(?>(?: {_WORD})*))"
_RAW: Final = r"(?>(?:[^\x00- &<>@\]\x7f]++|&(?!amp;))+)"  # of a CDATA section
_CDATA: Final = rf"<!\[CDATA\[({_RAW}(?>(?: {_RAW})*))\]\]>"
_VALUE: Final = r'((?>(?:[^\x00- "&<>@\x7f]++|&amp;)+))'
_PARTS: Final = re.compile(
    rf'<xhtml:link rel="alternate" hreflang="{_VALUE}" href="{_VALUE}" ?/>{_SPACE}'
    rf"|<image:image>{_SPACE}<image:loc>{_TEXT}</image:loc>{_SPACE}"
    rf"(?>(?:<image:(title|caption)>{_TEXT}</image:\4>{_SPACE})?)</image:image>{_SPACE}"
    rf"|<(image|video|news):([a-z_]{{1,50}})>(?:{_TEXT}|{_CDATA})</\6:\7>{_SPACE}"
    rf"|<(/?(?:image:image|video:video|news:news|news:publication))>{_SPACE}"
)
_COLUMNS: Final = 10
_USUAL: Final = {
    "image": ("image", Role.IMAGE),
    "video": ("video", Role.VIDEO),
    "news": ("news", Role.NEWS),
    "xhtml": ("link", Role.LINK),
}
_DECLARED: Final = re.compile(rb"\sxmlns:(image|video|news|xhtml)\s*=\s*[\"']([^\"']*)[\"']")
_LINE: Final = re.compile(r"[\t\r\n]")


def undeclared(attributes: bytes) -> tuple[str, ...]:
    """How tags begin whose prefix a root's start tag does not declare as what it usually means."""
    declared = {
        name.decode("ascii"): uri.decode("utf-8", "replace") for name, uri in _DECLARED.findall(attributes)
    }
    return tuple(
        f"{slash}{prefix}:"
        for slash in ("<", "</")
        for prefix, (local, role) in _USUAL.items()
        if prefix not in declared or role_of(f"{{{declared[prefix]}}}{local}") is not role
    )


def usual_extensions_of(texts: Sequence[str | None]) -> list[Extensions] | None:
    """The same as `usual_extensions` for many entries; None if one of them is not the usual."""
    found = []
    for text in texts:
        extensions = usual_extensions(text) if text else NO_EXTENSIONS
        if extensions is None:
            return None
        found.append(extensions)
    return found


def usual_extensions(text: str) -> Extensions | None:  # noqa: PLR0912 - one loop, unrolled: the time goes here
    """What `text`, with no white space before it, holds; None if it is not the usual. That its prefixes are
    declared is the caller's to see."""
    if not text.isascii() and not _LINE.sub("", text).isprintable():
        return None
    parts = _PARTS.split(text)
    if any(parts[:: _COLUMNS + 1]):  # what stands between them
        return None
    if len(text) > TEXT_LENGTH and max(len(part or "") for part in parts) > TEXT_LENGTH:
        return None
    if "&amp;" in text:
        parts = [part and part.replace("&amp;", "&") for part in parts]
    images: list[dict[str, str]] = []
    videos: list[dict[str, str]] = []
    news: list[dict[str, str]] = []
    alternates: list[dict[str, str]] = []
    kinds = {"image": images, "video": videos, "news": news}
    values: dict[str, str] = {}
    inside = ""  # the part that is open
    publication = False
    columns = iter(parts)
    for _, code, url, loc, name, title, prefix, leaf, value, raw, tag in zip(
        *[columns] * (_COLUMNS + 1), strict=False
    ):
        if code is not None:
            if inside:
                return None
            alternates.append({"hreflang": code, "href": url})
        elif loc is not None:
            if inside:
                return None
            images.append({"loc": loc, name: title} if name else {"loc": loc})
        elif prefix is not None:
            if prefix != inside:
                return None
            key = f"publication_{leaf}" if publication and leaf != "language" else leaf
            if key in values or len(values) >= VALUES:
                return None
            values[key] = value or raw
        elif tag == "news:publication":
            if inside != "news" or publication:
                return None
            publication = True
        elif tag == "/news:publication":
            if not publication:
                return None
            publication = False
        elif tag[0] != "/":
            if inside:
                return None
            inside = tag.partition(":")[0]
            values = {}
        else:
            if not values or publication or tag.rpartition(":")[2] != inside:
                return None
            kinds[inside].append(values)
            inside = ""
    if inside:
        return None
    if max(len(images), len(videos), len(news), len(alternates)) > PER_ENTRY:
        return None
    return Extensions(tuple(images), tuple(videos), tuple(news), tuple(alternates))


# -- the same of many entries at once: shapes

_END: Final = "</url>"  # the one text that stands in no entry
_SECTION: Final = re.compile(r"><!\[CDATA\[([^\]<>]*+)\]\]></")
_PLACE: Final = re.compile(
    r'(?<= hreflang=")[^"]*+(?=" href=")|(?<=" href=")[^"]*+(?=")'
    r"|(?<=>)[^<>]*[^<> \t\r\n][^<>]*+(?=</)"  # it comes first where it holds what looks like an attribute
)
_QUOTED: Final = rf'([^"]{{1,{TEXT_LENGTH}}}+)'
_SURROUNDED: Final = rf"([^<]{{1,{TEXT_LENGTH}}}+)"
_NUMBER: Final = re.compile(r'(?<=:")[0-9]+(?=")')  # a value: a name has no colon before it

_OFTEN: Final = 32
"""Entries that are read without a shape before one is made of the next: as many as it costs."""

_ALIKE: Final = 8  # shapes with the same number of tags, which are tried one after the other
_SHAPES: Final = 64  # of one document
_LONGEST: Final = 8 * 1024  # characters of an entry that a shape is made of


class _Shape(NamedTuple):
    """Entries with the same tags. `match` has a group for each value, `pick` gives these in the order of the
    places in `text`. `counts` are its images, videos and news."""

    match: Callable[[str], re.Match[str] | None]
    pick: Callable[[tuple[str, ...]], Any]
    text: str
    counts: tuple[int, int, int]


class UsualExtensions:
    """Reads the extensions of one document's entries, and learns their shapes on the way."""

    def __init__(self) -> None:
        self._shapes: dict[int, list[_Shape]] = {}  # by the number of their tags
        self._without: Counter[int] = Counter()  # entries that had none, likewise
        self._made = 0

    def read(self, texts: Sequence[str | None]) -> list[Extras | None] | None:
        """What each of the texts holds, None for one that is empty. None altogether if one is not the usual.
        That their prefixes are declared is the caller's to see."""
        escaped = _escaped(texts)
        if escaped is None:
            return None
        matches = [*map(self._match, escaped)]
        values = " ".join(chain.from_iterable(match[1] for match in matches if match))
        usual, quotes = _are_usual(values), '"' in values
        found: list[Extras | None] = []
        for given, text, match in zip(texts, escaped, matches, strict=True):
            if match and usual:
                shape, groups = match
                if quotes:
                    groups = tuple(value.replace('"', r"\"") for value in groups)
                found.append((*shape.counts, shape.text % shape.pick(groups)))
            elif given:
                extras = _without_shape(given)
                if extras is None:
                    return None
                found.append(extras)
                if match is None:
                    self._learn(text)
            else:
                found.append(None)
        return found

    def _match(self, text: str) -> tuple[_Shape, tuple[str, ...]] | None:
        """The shape of an entry and the values in it, if it is a known one."""
        for shape in self._shapes.get(text.count("<"), ()):
            match = shape.match(text)
            if match is not None:
                return shape, match.groups()
        return None

    def _learn(self, text: str) -> None:
        """Notes a usual entry that has no known shape. Once these are many, its own becomes one."""
        tags = text.count("<")
        alike = self._shapes.setdefault(tags, [])
        self._without[tags] += 1
        if (
            self._without[tags] % _OFTEN == 0
            and len(alike) < _ALIKE
            and self._made < _SHAPES
            and len(text) <= _LONGEST
        ):
            self._made += 1
            if (shape := _shape_of(text)) is not None:
                alike.append(shape)


def _escaped(texts: Sequence[str | None]) -> list[str] | None:
    """The texts with their values as JSON has them, but for quotation marks. None if one is not the usual."""
    joined = _END.join([text or "" for text in texts])
    if "<![CDATA[" in joined:
        joined = _SECTION.sub(lambda section: f">{section[1].replace('&', '&amp;')}</", joined)
    if "&" in joined:
        plain = joined.replace("&amp;", "&")
        if len(joined) - len(plain) != plain.count("&") * len("amp;"):
            return None
        joined = plain
    return joined.replace("\\", r"\\").split(_END)


def _are_usual(values: str) -> bool:
    """Whether values, joined by a space, are what `usual_extensions` takes: words with single spaces."""
    # none of them holds a `<`: it would have been counted as a tag's
    return values.isprintable() and not any(map(f" {values} ".__contains__, ("  ", ">", "@")))


def _without_shape(text: str) -> Extras | None:
    """The same as `read` for one text. None if it is not the usual."""
    extensions = usual_extensions(text)
    if extensions is None or (extras := encoded_extras(*extensions)) is None:
        return None
    images, videos, news, _ = extensions
    return len(images), len(videos), len(news), extras


def _shape_of(text: str) -> _Shape | None:
    """The shape of an entry that `usual_extensions` takes: what it says with a number in each place."""
    expression, numbered = "", ""
    end = count = 0
    for count, place in enumerate(_PLACE.finditer(text), 1):
        tags = text[end : place.start()]
        expression += re.escape(tags) + (_QUOTED if tags.endswith('"') else _SURROUNDED)
        numbered += f"{tags}{count - 1}"
        end = place.end()
    found = _without_shape(numbered + text[end:])
    if found is None:
        return None
    *counts, extras = found
    order = [int(number) for number in _NUMBER.findall(extras)]
    if sorted(order) != [*range(count)]:
        return None
    images, videos, news = counts
    return _Shape(
        re.compile(expression + re.escape(text[end:])).fullmatch,
        itemgetter(*order),
        _NUMBER.sub("%s", extras),
        (images, videos, news),
    )

"""Read the usual extensions of a plain entry from the text after its own fields.

These are links to languages, images, videos and news whose values are single-spaced words without `@`, and no
reference but `&amp;`. Any other text is left to the parser. The result equals that of `read_extensions`,
without a problem.

Generators repeat the same tags. `UsualExtensions` compiles a frequent shape into a pattern with a group for
each value and a template with a field for each. From then on an entry costs one match and one format. A value
is accepted only if `usual_extensions` would accept it, so the text is the same as without shapes.
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
_WORD: Final = r"(?>(?:[^\x00- &<>@\x7f]++|&amp;)+)"  # a negated class compiles twenty times faster
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
    """Return the starts of tags whose prefix the root does not declare with its usual namespace."""
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
    """Return the extensions of many entries; None if one of them is not usual."""
    found = []
    for text in texts:
        extensions = usual_extensions(text) if text else NO_EXTENSIONS
        if extensions is None:
            return None
        found.append(extensions)
    return found


def usual_extensions(text: str) -> Extensions | None:  # noqa: PLR0912 - unrolled for speed
    """Return the extensions in `text`, or None if they are not usual. The caller checks the prefixes."""
    if not text.isascii() and not _LINE.sub("", text).isprintable():
        return None
    parts = _PARTS.split(text)
    if any(parts[:: _COLUMNS + 1]):  # text between them
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
    inside = ""  # the open part
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


# -- many entries at once: shapes

_END: Final = "</url>"  # no entry contains it
_SECTION: Final = re.compile(r"><!\[CDATA\[([^\]<>]*+)\]\]></")
_PLACE: Final = re.compile(
    r'(?<= hreflang=")[^"]*+(?=" href=")|(?<=" href=")[^"]*+(?=")'
    r"|(?<=>)[^<>]*[^<> \t\r\n][^<>]*+(?=</)"  # first, in case it resembles an attribute
)
_QUOTED: Final = rf'([^"]{{1,{TEXT_LENGTH}}}+)'
_SURROUNDED: Final = rf"([^<]{{1,{TEXT_LENGTH}}}+)"
_NUMBER: Final = re.compile(r'(?<=:")[0-9]+(?=")')  # a value, not a name

_OFTEN: Final = 32
"""Entries without a shape before one is made, which takes as long as reading them."""

_ALIKE: Final = 8  # shapes with the same number of tags
_SHAPES: Final = 64  # of one document
_LONGEST: Final = 8 * 1024  # characters of an entry that a shape is made of


class _Shape(NamedTuple):
    """Entries with the same tags.

    `match` has a group for each value, `pick` orders them for the fields of `text`. `counts` are images,
    videos and news.
    """

    match: Callable[[str], re.Match[str] | None]
    pick: Callable[[tuple[str, ...]], Any]
    text: str
    counts: tuple[int, int, int]


class UsualExtensions:
    """Reads the extensions of one document's entries, learning their shapes."""

    def __init__(self) -> None:
        self._shapes: dict[int, list[_Shape]] = {}  # by number of tags
        self._without: Counter[int] = Counter()  # entries without a shape, by number of tags
        self._made = 0

    def read(self, texts: Sequence[str | None]) -> list[Extras | None] | None:
        """Return the extensions of each text, None for empty ones; None if one is not usual. The caller
        checks prefixes."""
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
        """Return the known shape of an entry and its values, if there is one."""
        for shape in self._shapes.get(text.count("<"), ()):
            match = shape.match(text)
            if match is not None:
                return shape, match.groups()
        return None

    def _learn(self, text: str) -> None:
        """Count an entry without a known shape, and make one if they are frequent."""
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
    """Return the texts with values escaped as in JSON, except quotation marks. None if one is not usual."""
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
    """Return whether values, joined by a space, are words with single spaces."""
    # none contains a `<`, which would have been counted as a tag
    return values.isprintable() and not any(map(f" {values} ".__contains__, ("  ", ">", "@")))


def _without_shape(text: str) -> Extras | None:
    """Return the result of `read` for one text. None if it is not usual."""
    extensions = usual_extensions(text)
    if extensions is None or (extras := encoded_extras(*extensions)) is None:
        return None
    images, videos, news, _ = extensions
    return len(images), len(videos), len(news), extras


def _shape_of(text: str) -> _Shape | None:
    """Return the shape of an entry, from its extensions with a number as each value."""
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

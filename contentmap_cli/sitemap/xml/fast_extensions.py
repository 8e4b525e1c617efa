"""The usual extensions of one plain entry, read from the text that stands behind its own fields.

Taken is what generators print: links to languages, images, videos and news whose values are single-spaced
words without `@`, and no reference but `&amp;`. Of anything else nothing is taken, and the parser reads it.
What is taken equals what `read_extensions` makes of the same text, without a problem.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from contentmap_cli.sitemap.entry_builder import NOTHING, Extensions
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
        extensions = usual_extensions(text) if text else NOTHING
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

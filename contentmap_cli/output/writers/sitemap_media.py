"""Images, videos and news of an entry as elements of Google's sitemap extensions.

An Entry has each value under the name of its element, and an attribute under both names
(`restriction_relationship`). Other names are left out.
"""

from __future__ import annotations

from typing import Final

from contentmap_cli.models import Attributes, Entry
from contentmap_cli.output.escape import xml_text

_SCHEMAS: Final = "http://www.google.com/schemas"
MEDIA_NAMESPACES: Final = (
    f' xmlns:image="{_SCHEMAS}/sitemap-image/1.1" xmlns:video="{_SCHEMAS}/sitemap-video/1.1"'
    f' xmlns:news="{_SCHEMAS}/sitemap-news/0.9"'
)
_IMAGE = ("loc", "caption", "geo_location", "title", "license")
_VIDEO = (
    *("thumbnail_loc", "title", "description", "content_loc", "player_loc", "duration", "expiration_date"),
    *("rating", "view_count", "publication_date", "family_friendly", "restriction", "platform", "price"),
    *("requires_subscription", "uploader", "live", "tag", "category", "gallery_loc", "id"),
)
_NEWS = ("publication_date", "title", "access", "genres", "keywords", "stock_tickers")
_ATTRIBUTES: Final = {
    "restriction": ("relationship",),
    "platform": ("relationship",),
    "uploader": ("info",),
    "price": ("currency", "type", "resolution"),
    "player_loc": ("allow_embed", "autoplay"),
    "id": ("type",),
}


def media(entry: Entry) -> str:
    """Return the elements of an entry's images, videos and news."""
    parts = [f"<image:image>{_values('image', each, _IMAGE)}</image:image>" for each in entry.images]
    parts += [f"<video:video>{_values('video', each, _VIDEO)}</video:video>" for each in entry.videos]
    parts += [
        f"<news:news>{_publication(each)}{_values('news', each, _NEWS)}</news:news>" for each in entry.news
    ]
    return "".join(parts)


def _values(prefix: str, values: Attributes, names: tuple[str, ...]) -> str:
    parts = []
    for name in names:
        if name in values:
            attributes = "".join(
                f' {key}="{xml_text(value)}"'
                for key in _ATTRIBUTES.get(name, ())
                if (value := values.get(f"{name}_{key}")) is not None
            )
            parts.append(f"<{prefix}:{name}{attributes}>{xml_text(values[name])}</{prefix}:{name}>")
    return "".join(parts)


def _publication(values: Attributes) -> str:
    parts = [
        f"<news:{element}>{xml_text(values[name])}</news:{element}>"
        for element, name in (("name", "publication_name"), ("language", "language"))
        if name in values
    ]
    return f"<news:publication>{''.join(parts)}</news:publication>" if parts else ""

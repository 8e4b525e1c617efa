"""Resolve character and entity references in text that need not be well-formed."""

from __future__ import annotations

import re
from html.entities import html5

REFERENCE = re.compile(r"&(?:#([0-9]{1,10});|#[xX]([0-9A-Fa-f]{1,8});|([A-Za-z][A-Za-z0-9]{1,31});)?")
XML_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


def resolve(text: str) -> tuple[str, int, int]:
    """Return the text with references resolved, the number of bare `&`, and the number of HTML entities.

    A reference ends with `;`: in `?a=1&copy=2` there is none.
    """
    if "&" not in text:
        return text, 0, 0
    bare = html = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal bare, html
        decimal, hexadecimal, name = match.groups()
        if name is not None:
            if name in XML_ENTITIES:
                return XML_ENTITIES[name]
            known = html5.get(f"{name};")
            if known is not None:
                html += 1
                return known
        elif decimal is not None or hexadecimal is not None:
            code = int(decimal) if decimal is not None else int(hexadecimal, 16)
            if 0 < code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF:
                return chr(code)
            return "\N{REPLACEMENT CHARACTER}"
        bare += 1
        return match[0]

    return REFERENCE.sub(replace, text), bare, html

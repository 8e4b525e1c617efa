"""The header Link (RFC 8288): what it says about a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urljoin

from contentmap_cli.models.pages import PageFacts

LINK_VALUE = re.compile(r"<([^<>]*+)>")
LINK_PARAMETER = re.compile(
    r"\s*+;\s*+(?:([^\s=;,<>\"]++)\s*+(?:=\s*+(?:\"((?>(?:[^\"\\]|\\.)*))\"|([^\s;,<>\"]*+)))?)?", re.DOTALL
)
NOT_CANONICAL = ("hreflang", "lang", "media", "type")
"""Attributes with which search engines take `rel=canonical` for an alternate and ignore it."""


def link_values(value: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the targets of a `Link` header with the first value of each parameter (RFC 8288 section 3)."""
    end = 0
    while (target := LINK_VALUE.search(value, end)) is not None:
        parameters: dict[str, str] = {}
        end = target.end()
        while (match := LINK_PARAMETER.match(value, end)) is not None:
            end = match.end()
            quoted, token = match[2], match[3]
            text = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else token or ""
            if match[1]:
                parameters.setdefault(match[1].lower().removesuffix("*"), text)
        yield target[1].strip(), parameters


def canonicals_of(facts: PageFacts) -> list[str]:
    """Return the canonical URLs that the headers and the head of a page name."""
    found = [
        url
        for url, rel, parameters in _page_links(facts)
        if "canonical" in rel and not any(name in parameters for name in NOT_CANONICAL)
    ]
    return [*found, *(facts.head.canonicals if facts.head is not None else ())]


def alternates_of(facts: PageFacts) -> list[tuple[str, str]]:
    """Return the (hreflang, URL) pairs of the alternates that the headers and the head of a page name."""
    found = [
        (parameters["hreflang"], url)
        for url, rel, parameters in _page_links(facts)
        if "alternate" in rel and "hreflang" in parameters
    ]
    return [*found, *(facts.head.alternates if facts.head is not None else ())]


def named_urls(facts: PageFacts) -> list[str]:
    """Return all of these URLs: what a page is judged with."""
    return [*canonicals_of(facts), *(url for _, url in alternates_of(facts))]


def _page_links(facts: PageFacts) -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """Yield target, relations and parameters of each link of the page itself."""
    for line in facts.links:
        for href, parameters in link_values(line):
            if href and "anchor" not in parameters:
                try:
                    url = urljoin(facts.url, href)
                except ValueError:
                    continue
                yield url, parameters.get("rel", "").lower().split(), parameters

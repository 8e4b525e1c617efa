"""Match URLs against the rules of one group of a robots.txt (RFC 9309 section 2.2.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from contentmap_cli.sitemap.robots.fields import ALLOW, DISALLOW
from contentmap_cli.sitemap.robots.lines import RobotsLine

_RESERVED = re.compile(r"%(2[fF]|25)")
_PATH = re.compile(r"://[^/?#]*([^#]*)")
_KEY = 5
_MAX_KEPT = 1_000_000
"""References to rules, by the first characters of a path, that are kept."""
_MANY = 500
"""With more rules, only those are tried that have four consecutive characters in common with the path."""
_GRAM = 4


class GroupRules:
    """The Allow and Disallow lines of a group, prepared for many URLs.

    The longest rule that matches decides, `Allow` if two are equally long. As in Google's parser the length
    is that of the rule as published, non-ASCII characters percent-encoded, and an Allow line for
    `/index.html` also allows the folder itself.
    """

    def __init__(self, lines: Sequence[RobotsLine]) -> None:
        rules = []
        for line in lines:
            if line.value and line.key in (ALLOW, DISALLOW):
                rules.append(_Rule(line, line.value))
                folder, slash, name = line.value.rpartition("/")
                if line.key == ALLOW and slash and name in ("index.htm", "index.html"):
                    rules.append(_Rule(line, f"{folder}/$"))
        rules.sort(key=lambda rule: (-rule.length, rule.line.key != ALLOW))
        self._rules = rules
        self._by_start: dict[str, list[_Rule]] = {}
        self._kept = 0
        self._by_gram = _by_gram(rules) if len(rules) > _MANY else None

    def deciding(self, url: str) -> RobotsLine | None:
        """Return the line that decides about an absolute URL, None if no rule matches."""
        if not self._rules:
            return None
        path = _path(url)
        for rule in self._may_match(path):
            if rule.needed in path and rule.matches(path):
                return rule.line if path != "/robots.txt" else None
        return None

    def _may_match(self, path: str) -> Sequence[_Rule]:
        """Return the rules that may match a path, in order."""
        if self._by_gram is not None:
            grams = {path[index : index + _GRAM] for index in range(len(path) - _GRAM + 1)}
            found = [number for gram in ("", *grams) for number in self._by_gram.get(gram, ())]
            return [self._rules[number] for number in sorted(found)]
        start = path[:_KEY]
        rules = self._by_start.get(start)
        if rules is None:
            rules = [rule for rule in self._rules if rule.may_begin(start)]
            self._kept += 1 + len(rules)
            if self._kept > _MAX_KEPT:
                self._by_start.clear()
                self._kept = 1 + len(rules)
            self._by_start[start] = rules
        return rules


class _Rule:
    """One rule. `needed` is the longest text that every matching path contains."""

    __slots__ = ("_anchored", "_parts", "length", "line", "needed")

    def __init__(self, line: RobotsLine, pattern: str) -> None:
        self.line = line
        self.length = sum(1 if character.isascii() else 3 * len(character.encode()) for character in pattern)
        self._anchored = pattern.endswith("$")
        self._parts = [_decoded(part) for part in re.split(r"\*+", pattern.removesuffix("$"))]
        self.needed = max(self._parts, key=len)

    def may_begin(self, start: str) -> bool:
        """Return whether a path that begins with `start` can match."""
        first = self._parts[0]
        return start.startswith(first[: len(start)]) if len(start) == _KEY else True

    def matches(self, path: str) -> bool:
        """Return whether the rule matches a path, in time linear to its length."""
        first, *others = self._parts
        if not others:
            return path == first if self._anchored else path.startswith(first)
        if not path.startswith(first):
            return False
        position = len(first)
        last = others.pop()
        for part in others:
            found = path.find(part, position)
            if found < 0:
                return False
            position = found + len(part)
        if self._anchored:
            return len(path) - len(last) >= position and path.endswith(last)
        return path.find(last, position) >= 0


def _by_gram(rules: Sequence[_Rule]) -> dict[str, list[int]]:
    """Return the numbers of rules by four characters in a row that all their paths have: those with the
    fewest rules so far. Shorter ones have the key "" and are always tried."""
    numbers: dict[str, list[int]] = {}
    for number, rule in enumerate(rules):
        text = rule.needed
        grams = [text[index : index + _GRAM] for index in range(min(len(text) - _GRAM + 1, 64))]
        gram = min(grams, key=lambda each: len(numbers.get(each, ())), default="")
        numbers.setdefault(gram, []).append(number)
    return numbers


def _path(url: str) -> str:
    """Return path and query of a URL in the form that is compared."""
    match = _PATH.search(url)
    path = match[1] if match is not None else ""
    return _decoded(path if path.startswith("/") else f"/{path}")


def _decoded(text: str) -> str:
    """Return a text without percent-encodings, except those of `/` and `%`; a character for each octet."""
    if "%" not in text and text.isascii():
        return text
    kept = _RESERVED.sub(lambda match: f"%25{match[1].upper()}", text)
    return unquote_to_bytes(kept).decode("latin-1")

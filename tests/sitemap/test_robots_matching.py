"""The rules of one group of a robots.txt, held against URLs."""

from __future__ import annotations

import random

import pytest
from protego import Protego

from contentmap_cli.sitemap.robots import matching
from contentmap_cli.sitemap.robots.lines import RobotsLine
from contentmap_cli.sitemap.robots.matching import GroupRules

RULES = """\
disallow: /fish
disallow: /*.php$
disallow: /shop/
allow: /shop/open
disallow: /page
allow: /page
disallow: /caf%C3%A9
disallow: /größe
disallow: /a%2Fb
disallow: /*?sort=
disallow: /x*y*z
allow: /dir/index.html
disallow: /dir
disallow: /tilde/%7Eme
disallow: no-slash
disallow: /100%
"""
DECIDED = {
    "https://a.test": None,
    "https://a.test?sort=1": 10,
    "https://a.test/": None,
    "https://a.test/fish.html": 1,
    "https://a.test/Fish": None,
    "https://a.test/cat/fish": None,
    "https://a.test/a.php": 2,
    "https://a.test/a.php?b": None,
    "https://a.test/a.php#b": 2,
    "https://a.test/shop": None,
    "https://a.test/shop/x": 3,
    "https://a.test/shop/open/1": 4,
    "https://a.test/page/1": 6,
    "https://a.test/caf%c3%a9/1": 7,
    "https://a.test/café/1": 7,
    "https://a.test/gr%C3%B6%C3%9Fe": 8,
    "https://a.test/a/b": None,
    "https://a.test/a%2fb/c": 9,
    "https://a.test/list?sort=1&b": 10,
    "https://a.test/list?b&sort=1": None,
    "https://a.test/x1y2": None,
    "https://a.test/x1y2z3": 11,
    "https://a.test/dir/": 12,
    "https://a.test/dir/sub": 13,
    "https://a.test/tilde/~me": 14,
    "https://a.test/no-slash": None,
    "https://a.test/100%25": 16,
    "https://a.test/robots.txt": None,
}


def rules(text: str) -> GroupRules:
    lines = [line.split(": ", 1) for line in text.splitlines()]
    return GroupRules([RobotsLine(number, *line, "") for number, line in enumerate(lines, 1)])


def test_the_line_that_decides() -> None:
    """The longest one that matches, Allow where two are as long; spelling in any percent-encoding."""
    group = rules(RULES)
    for url, number in DECIDED.items():
        line = group.deciding(url)
        assert (line and line.number) == number, url
    assert rules("disallow: /").deciding("https://a.test/robots.txt") is None


def test_the_verdict_is_that_of_protego(monkeypatch: pytest.MonkeyPatch) -> None:
    """On random rules, few and many, without the characters that Protego counts in their encoded form."""
    chance = random.Random(5)
    parts = ["a", "ab", "b", "x.pdf", "index.html", "caf%C3%A9", "café", "%2Fa", "a=b", "~t"]

    def pattern() -> str:
        text = "".join(
            chance.choice(("/", "/", "/", "*", "/*")) + chance.choice(parts)
            for _ in range(chance.randint(1, 3))
        )
        end = chance.choice(("", "", "", "/", "*", "$"))
        return (text if text[0] in "/*" else f"/{text}") + ("" if text.endswith("index.html") else end)

    seen = {True: 0, False: 0}
    for _ in range(400):
        text = "\n".join(
            f"{chance.choice(('allow', 'disallow', 'disallow'))}: {pattern()}"
            for _ in range(chance.randint(1, 12))
        )
        monkeypatch.setattr(matching, "_MANY", chance.choice((0, 500)))
        protego, group = Protego.parse(f"User-agent: *\n{text}"), rules(text)
        for _ in range(20):
            url = "https://a.test/" + "/".join(chance.choices(parts, k=chance.randint(0, 3)))
            line = group.deciding(url)
            allowed = line is None or line.key == "allow"
            assert allowed == protego.can_fetch(url, "*"), (text, url, line)
            seen[allowed] += 1
    assert min(seen.values()) > 1000


def test_many_wildcards_take_linear_time() -> None:
    """A rule made to be slow is not: it would take longer than the test may."""
    group = rules(f"disallow: /{'*a' * 60}$")
    assert group.deciding(f"https://a.test/{'a' * 2000}b") is None
    assert group.deciding(f"https://a.test/{'a' * 2000}") is not None


def test_few_of_many_rules_are_tried() -> None:
    """However many have the same beginning, or wildcards there."""
    group = rules("\n".join(f"disallow: /*shop/item-{number}$" for number in range(5_000)) + "\nallow: /*x")
    for url, number in {"shop/item-77": 78, "shop/item-4999x": 5_001, "shop/item-": None}.items():
        line = group.deciding(f"https://a.test/{url}")
        assert (line and line.number) == number
        assert len(group._may_match(f"/{url}")) < 600


def test_many_rules_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept by the beginning of a path does not grow with the paths."""
    monkeypatch.setattr(matching, "_MAX_KEPT", 500)
    group = rules("\n".join(f"disallow: /*{number}z" for number in range(100)))
    for number in range(1000):
        line = group.deciding(f"https://a.test/{number:04}/{number}z")
        assert line is not None
        assert sum(map(len, group._by_start.values())) <= 500

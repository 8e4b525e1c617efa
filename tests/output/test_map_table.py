"""The tree of a site on a terminal."""

from __future__ import annotations

import io

import pytest

from contentmap_cli.models.sections import SectionCounter
from contentmap_cli.output.answers.map import SiteMap, write_map
from contentmap_cli.output.formats import Format

ROWS: list[tuple[str, str | None]] = [
    *((f"https://a.test/blog/2026/p{number}", "2026-11-02T00:00:00Z") for number in range(60)),
    *((f"https://a.test/shop/p{number}/", "2026-02-01T00:00:00Z") for number in range(38)),
    ("https://a.test/\u202e%1b%5b31m/x", "1970-01-01T00:00:00Z"),
    ("https://a.test/b%C3%BCcher/x", None),
]


def _drawn(width: int, **environment: str) -> list[str]:
    counter = SectionCounter()
    counter.add(ROWS)
    out = io.StringIO()
    site = SiteMap("a.test", counter.tree(), 2, 2, "2026-11", counter.folded)
    write_map(Format.TABLE, out, site, width=width)
    return out.getvalue().splitlines()


@pytest.fixture(autouse=True)
def utf8_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of the usual kind."""
    for name in ("LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("TERM", "xterm-256color")


def test_a_tree() -> None:
    """A folder that holds nothing but another shares its line; what is small is summed up; the legend tells
    what the marks are, and that one date is older than they reach."""
    heading, *tree, blank, first, second = _drawn(80)
    assert heading.split() == ["SECTION", "URLS", "SHARE", "NEWEST", "FRESHNESS"]
    assert [line.rstrip() for line in tree] == [
        "https://a.test/           100  100 %  2026-11-02  ▁.▅........█",
        "├─ blog/2026/              60   60 %  2026-11-02  ...........█",
        "├─ shop/                   38   38 %  2026-02-01  ..█.........",
        "└─ … 2 smaller sections     2  2.0 %",
    ]
    assert blank == ""
    reach = "freshness: lastmod by month, 2025-12 to 2026-11; older dates are counted in the first"
    assert f"{first} {second}" == f"{reach}; 1 url without a date"


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("LC_ALL", "C"), ("LANG", "de_DE.ISO-8859-1")])
def test_a_terminal_that_draws_no_blocks(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every mark of the drawing is ASCII."""
    monkeypatch.setenv(name, value)
    text = "\n".join(_drawn(80))
    assert text.isascii()
    assert "|- blog/2026/" in text and "`- 2 smaller sections" in text


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_any_width(width: int) -> None:
    """Columns that can be spared go before a name is cut, and no line is wider than the terminal."""
    assert all(len(line) <= max(width, 40) for line in _drawn(width))

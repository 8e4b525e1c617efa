"""`contentmap robots`: what is shown of a recorded robots.txt, and what it says of a URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from databases import one_database, sqlite_first
from web_sites import good_site, serving

ONE = "User-agent: *\nDisallow: /private/\nAllow: /private/open\n\nUser-agent: AcmeBot\nDisallow: /\n"
TWO = ONE.replace("/private/open", "/private/shown") + "Hello\x1b[2J: x\n"
KEYS = [
    *(
        "type",
        "schema",
        "domain",
        "version",
        "state",
        "url",
        "final_url",
        "status_code",
        "size_bytes",
        "digest",
    ),
    *("first_seen", "last_seen", "problems", "versions", "body"),
]


def scan(contentmap: Any, robots: Any, domain: str = "a.test") -> None:
    """Records a site whose robots.txt is this."""
    pages = good_site(domain) | {f"{domain}/robots.txt": robots}
    if robots is None:
        del pages[f"{domain}/robots.txt"]
    with serving(pages) as sites:
        contentmap("scan", f"http://{domain}", "--connect-to", sites.connect_to)


def test_the_current_one(contentmap: Any) -> None:
    """Its address, its problems and its text, harmless for a terminal."""
    scan(contentmap, TWO)
    shown = contentmap("robots", "a.test")
    assert shown.code == 0
    assert "# http://a.test/robots.txt" in shown.out
    assert "unknown_line" in shown.out
    assert "\x1b" not in shown.out
    assert [line for line in shown.out.splitlines() if not line.startswith("# ")] == [
        line.replace("\x1b", "\\x1b") for line in TWO.splitlines()
    ]
    answer = contentmap("robots", "a.test", "--json").json
    assert list(answer) == KEYS
    assert (answer["state"], answer["body"], answer["version"], answer["versions"]) == ("read", TWO, 1, 1)
    assert [problem["code"] for problem in answer["problems"]] == ["unknown_line"]
    assert contentmap("robots", "a.test", "--format", "csv").out.count("\n") == 2


@sqlite_first
def test_its_history(contentmap: Any) -> None:
    """A version for each that differs; the difference between any two."""
    for robots in (ONE, ONE, TWO, None):
        scan(contentmap, robots)
    rows = contentmap("robots", "a.test", "--history", "--json").json
    assert [(row["version"], row["state"]) for row in rows] == [(1, "read"), (2, "read"), (3, "absent")]
    assert rows[0]["last_seen"] > rows[0]["first_seen"]
    assert "absent" not in contentmap("robots", "a.test", "--history").out
    shown = contentmap("robots", "a.test", "--diff", "--from", "1", "--to", "2").out
    assert "-Allow: /private/open\n+Allow: /private/shown\n" in shown
    assert "\x1b" not in shown
    answer = contentmap("robots", "a.test", "--diff", "--json").json
    assert (answer["from"]["version"], answer["to"]["version"]) == (2, 3)
    assert "-User-agent: *" in answer["diff"]
    assert contentmap("robots", "a.test", "--diff", "--from", "9").code == 6
    assert "not found: HTTP 404" in contentmap("robots", "a.test").out


@one_database
def test_one_that_has_not_changed(contentmap: Any) -> None:
    """There is no difference to show, which is said."""
    scan(contentmap, ONE)
    said = contentmap("robots", "a.test", "--diff")
    assert (said.code, said.out) == (0, "")
    assert "has one version" in said.err


BROWSER_FORM = "Mozilla/5.0 (compatible; AcmeBot/1.0; +http://x.test)"
DECIDED: list[tuple[str, str | None, tuple[Any, ...]]] = [
    ("/private/x", None, (False, "*", 2, "Disallow: /private/")),
    ("/private/open/y", None, (True, "*", 3, "Allow: /private/open")),
    ("/", None, (True, "*", None, None)),
    ("http://a.test/any", "AcmeBot", (False, "AcmeBot", 6, "Disallow: /")),
    ("/any", BROWSER_FORM, (False, "AcmeBot", 6, "Disallow: /")),
    ("/robots.txt", "acmebot", (True, "AcmeBot", None, None)),
]


@one_database
def test_a_url(contentmap: Any) -> None:
    """Whether it is allowed, by which group, and by which line."""
    scan(contentmap, ONE)
    for url, agent, expected in DECIDED:
        words = ["--agent", agent] if agent else []
        said = contentmap("robots", "a.test", "--test", url, *words, "--exit-code", "--json")
        (row,) = said.json
        assert (row["allowed"], row["group"], row["line"], row["rule"]) == expected
        assert said.code == (0 if expected[0] else 3)


@one_database
def test_several_urls(contentmap: Any) -> None:
    """One row each; any that is disallowed counts."""
    scan(contentmap, ONE)
    said = contentmap("robots", "a.test", "--test", "/a", "--test", "/private/b", "--exit-code")
    assert said.code == 3
    assert [line.split()[0] for line in said.out.splitlines()[1:]] == ["allowed", "disallowed"]
    assert contentmap("robots", "a.test", "--test", "/private/b").code == 0


@one_database
def test_without_a_robots_txt(contentmap: Any) -> None:
    """404 allows everything; what was refused is not recorded, which is said."""
    scan(contentmap, None)
    (row,) = contentmap("robots", "a.test", "--test", "/a", "--json").json
    assert (row["allowed"], row["group"]) == (True, None)
    scan(contentmap, 503, "b.test")
    said = contentmap("robots", "b.test")
    assert (said.code, said.out) == (0, "")
    assert "robots_unreachable" in said.err
    assert contentmap("robots", "b.test", "--test", "/").code == 6
    assert contentmap("robots", "c.test").code == 6


@one_database
def test_what_cannot_be_asked(contentmap: Any) -> None:
    """Options that exclude each other, and another site's URL."""
    scan(contentmap, ONE)
    for words in (
        ("--history", "--diff"),
        ("--diff", "--test", "/"),
        ("--agent", "x"),
        ("--exit-code",),
        ("--test", "http://b.test/"),
        ("--diff", "--format", "csv"),
    ):
        assert contentmap("robots", "a.test", *words).code == 2, words


@one_database
def test_every_command_says_what_is_wrong(contentmap: Any, tmp_path: Path) -> None:
    """Four commands tell of the same problems; `scan` only of those that cost something."""
    text = "User-agent: *\nDisallow: /x\nHello\nSitemap: http:/a.test/sitemap.xml\n"
    pages = good_site("a.test") | {"a.test/robots.txt": text} | good_site("b.test")
    pages["b.test/robots.txt"] = "User-agent: *\nHello\nSitemap: http://b.test/sitemap.xml\n"
    with serving(pages) as sites:
        connect = ("--connect-to", sites.connect_to)
        scanned = contentmap("scan", "http://a.test", "http://b.test", *connect)
        live = contentmap("check", "http://a.test", *connect, "--json")
    assert scanned.code == 0
    assert "hint: the robots.txt of a.test has 1 problem: see `contentmap" in scanned.err
    assert "b.test has" not in scanned.err
    for format in ("json", "ndjson"):
        said = contentmap("sitemaps", "a.test", "--format", format)
        rows = said.json if format == "json" else said.lines
        assert [row["type"] for row in rows] == ["sitemap_file", "robots"]
        assert [problem["code"] for problem in rows[1]["problems"]] == ["unknown_line", "url_repaired"]
    table, csv = contentmap("sitemaps", "a.test"), contentmap("sitemaps", "a.test", "--format", "csv")
    for shown in (table.out.splitlines()[-1], csv.err):
        assert "http://a.test/robots.txt: unknown_line: line 3" in shown
        assert "url_repaired: line 4" in shown
    stored = contentmap("check", "a.test", "--stored", "--json")
    for found in (live, stored):
        rules = {each["rule"]: each for each in found.json["findings"]}
        assert {"robots-sitemap", "robots-unknown"} <= set(rules)
        finding = rules["robots-sitemap"]
        assert (finding["file"], finding["line"]) == ("http://a.test/robots.txt", 4)
    (tmp_path / "robots.txt").write_text(text)
    parsed = contentmap("parse", str(tmp_path / "robots.txt")).lines[-1]
    assert [problem["code"] for problem in parsed["problems"]] == ["unknown_line", "url_repaired"]


@sqlite_first
def test_a_failed_domain_has_its_robots_txt(contentmap: Any) -> None:
    """It is recorded where the domain itself came to nothing."""
    pages = {"d.test/robots.txt": "User-agent: *\nSitemap: http://d.test/none.xml\n"}
    with serving(pages) as sites:
        contentmap("scan", "http://d.test", "--connect-to", sites.connect_to)
    assert contentmap("robots", "d.test", "--json").json["state"] == "read"

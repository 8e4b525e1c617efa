"""`contentmap check` on live sites, recorded domains and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from databases import one_database, sqlite_first
from lxml import etree
from web_sites import Page, good_site, serving, urlset

from contentmap_cli.commands.checking.targets import is_file as _is_file
from contentmap_cli.errors import UsageError

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
CHECK_KEYS = [
    *("type", "schema", "targets", "files", "urls", "counts", "known", "pages", "passed", "coverage"),
]
FINDING_KEYS = [
    *("type", "schema", "rule", "severity", "target", "file", "line", "url", "value", "message"),
]
RULE_KEYS = ["type", "id", "severity", "what", "why", "link"]


def rules(said: Any) -> set[str]:
    return {finding["rule"] for finding in said.json["findings"]}


@sqlite_first
def test_live_then_stored(contentmap: Any) -> None:
    """A live check records nothing; a stored one needs a scan."""
    pages = good_site("a.test") | {"a.test/robots.txt": "User-agent: *\nDisallow: /page-1\n"}
    with serving(pages) as sites:
        live = contentmap("check", "http://a.test", "--connect-to", sites.connect_to, "--json")
        assert contentmap("check", "a.test", "--stored").code == 6
        contentmap("scan", "http://a.test", "--connect-to", sites.connect_to)
    stored = contentmap("check", "a.test", "--stored", "--json")
    assert (live.code, stored.code) == (3, 3)
    for said in (live, stored):
        assert {"url-blocked", "robots-orphan"} <= rules(said)


@one_database
def test_what_robots_txt_disallows_to_each_crawler(contentmap: Any) -> None:
    """Live and recorded: by default for search engines and all others, with --as-agent for those named."""
    robots = "User-agent: *\nDisallow: /\n\nUser-agent: Googlebot\nUser-agent: Bingbot\nDisallow: /bots\n"
    pages = {
        "a.test/robots.txt": robots + "\nUser-agent: ContentMap\nAllow: /\nSitemap: http://a.test/s.xml",
        "a.test/s.xml": urlset("/", "/bots/1", "http://b.test/bots/1"),
    }
    selected = ("--select", "url-blocked", "--json")

    def named(*words: str) -> set[tuple[str, str, str]]:
        found = contentmap("check", *words, *selected).json["findings"]
        return {(each["rule"], each["url"], each["value"]) for each in found}

    all_others = "Disallow: / (robots.txt line 2, group *, for *)"
    by_default = {
        ("url-blocked-others", "http://a.test/", all_others),
        ("url-blocked", "http://a.test/bots/1", all_others),
        (
            "url-blocked",
            "http://a.test/bots/1",
            "Disallow: /bots (robots.txt line 6, group Googlebot, for Googlebot)",
        ),
        (
            "url-blocked",
            "http://a.test/bots/1",
            "Disallow: /bots (robots.txt line 6, group Bingbot, for Bingbot)",
        ),
    }
    with serving(pages) as sites:
        live = ("http://a.test", "--connect-to", sites.connect_to)
        assert named(*live) == by_default
        contentmap("scan", *live)
    assert named("a.test", "--stored") == by_default
    assert named("a.test", "--stored", "--as-agent", "contentmap", "--as-agent", "Googlebot-Image") == {
        (
            "url-blocked",
            "http://a.test/bots/1",
            "Disallow: /bots (robots.txt line 6, group Googlebot, for Googlebot-Image)",
        )
    }


@one_database
def test_coverage_of_a_list(contentmap: Any, tmp_path: Path) -> None:
    """Of a live site, a recorded one and a file; from a file and standard input; by section."""
    listed = tmp_path / "crawl.csv"
    listed.write_text("URL,Clicks\n/blog/1,3\nhttp://a.test/blog/9,1\nhttp://b.test/,1\n", encoding="utf-8")
    (tmp_path / "s.xml").write_text(urlset("http://a.test/blog/1", "http://a.test/2"), encoding="utf-8")
    pages = {"a.test/robots.txt": "Sitemap: http://a.test/s.xml", "a.test/s.xml": urlset("/blog/1", "/2")}
    words = ("--select", "coverage", "--against", str(listed))

    def check(*given: str, **more: Any) -> dict[tuple[str, str], tuple[str, int | None]]:
        said = contentmap("check", *given, "--json", **more)
        (coverage,) = said.json["coverage"]
        assert (coverage["both"], coverage["skipped"]) == (1, {"other site": 1})
        assert coverage["sections"] == [
            {"url": "http://a.test/", "both": 1, "only_list": 1, "only_sitemaps": 1},
            {"url": "http://a.test/blog/", "both": 1, "only_list": 1, "only_sitemaps": 0},
        ]
        return {
            (each["rule"], each["file"].rpartition("/")[2]): (
                each["url"],
                each["line"] if "missing" in each["rule"] else None,
            )
            for each in said.json["findings"]
        }

    expected = {
        ("coverage-missing", "crawl.csv"): ("http://a.test/blog/9", 3),
        ("coverage-unknown", "s.xml"): ("http://a.test/2", None),
    }
    with serving(pages) as sites:
        live = ("http://a.test", "--connect-to", sites.connect_to)
        assert check(*live, *words) == expected
        contentmap("scan", *live)
    assert check("a.test", "--stored", *words) == expected
    assert check(str(tmp_path / "s.xml"), *words) == expected
    piped = check("a.test", "--stored", *words[:3], "-", stdin=listed.read_bytes())
    assert piped == {("coverage-missing", "standard input"): ("http://a.test/blog/9", 3)} | {
        key: value for key, value in expected.items() if key[1] == "s.xml"
    }
    table = contentmap("check", "a.test", "--stored", *words).out
    assert "a.test and" in table
    assert "http://a.test/blog/     1             1                 0" in table
    for more, message in (
        (
            ("--against", str(listed), "--against-column", "Page"),
            "name one with --against-column: URL, Clicks",
        ),
        (("--against-column", "Page"), "--against-column requires --against"),
        (("--against", str(tmp_path / "absent.csv")), "cannot read"),
        (("--against", "-"), "standard input is named twice"),
    ):
        said = contentmap("check", "-", *more)
        assert (said.code, message in said.err) == (2, True), said.err


@one_database
def test_a_site_with_relative_urls(contentmap: Any) -> None:
    """Said of a live site and of what was recorded of it."""
    pages = {"a.test/robots.txt": "Sitemap: http://a.test/s.xml", "a.test/s.xml": urlset("/1", "//a.test/2")}
    with serving(pages) as sites:
        live = contentmap("check", "http://a.test", "--connect-to", sites.connect_to, "--json")
        contentmap("scan", "http://a.test", "--connect-to", sites.connect_to)
    for said in (live, contentmap("check", "a.test", "--stored", "--json")):
        found = [each["value"] for each in said.json["findings"] if each["rule"] == "url-relative"]
        assert found == ["/1", "//a.test/2"]


def test_dates_held_against_an_earlier_scan(contentmap: Any) -> None:
    """A date that moves for a file that did not change, and one that stays for a file that did."""

    def site(touched: str, stale: str) -> dict[str, Page]:
        files = "".join(
            f"<sitemap><loc>http://a.test/{name}.xml</loc><lastmod>{date}</lastmod></sitemap>"
            for name, date in (("touched", touched), ("stale", "2026-01-01"))
        )
        return {
            "a.test/robots.txt": "Sitemap: http://a.test/i.xml",
            "a.test/i.xml": f'<sitemapindex xmlns="{NAMESPACE}">{files}</sitemapindex>',
            "a.test/touched.xml": urlset("http://a.test/1"),
            "a.test/stale.xml": urlset(stale),
        }

    with serving(site("2026-01-01", "http://a.test/2")) as sites:
        words = ("http://a.test", "--connect-to", sites.connect_to)
        contentmap("scan", *words)
        asked = ("check", *words, "--select", "lastmod-touched", "--select", "lastmod-stale", "--json")
        assert contentmap(*asked).json["findings"] == []
        sites.pages.update(site("2026-02-02", "http://a.test/3"))
        found = {(each["rule"], each["file"]) for each in contentmap(*asked).json["findings"]}
    assert found == {
        ("lastmod-touched", "http://a.test/touched.xml"),
        ("lastmod-stale", "http://a.test/stale.xml"),
    }


@pytest.mark.parametrize("text", ["absent.xml", "maps/absent.xml.gz", "./absent", "/no/such/file", "."])
def test_a_file_that_is_not_there_is_no_site(text: str) -> None:
    """What can only mean a file is told as one that is missing."""
    with pytest.raises(UsageError, match="no such file"):
        _is_file(text)


@pytest.mark.parametrize(
    "text",
    ["a.test", "a.test/maps/s.xml", "localhost/s.xml", "host:8080/s.xml", "[::1]/s.xml", "https://a/s.xml"],
)
def test_what_may_be_a_site_is_no_file(text: str) -> None:
    """A host with a path is asked on the web."""
    assert not _is_file(text)


def test_a_database_that_is_gone(contentmap_at: Any, tmp_path: Path) -> None:
    """A stored check needs one: a server that does not answer is 5, a file that never was 6, in a line."""
    for address, code in (("postgresql://127.0.0.1:1/none", 5), (str(tmp_path / "gone" / "map.db"), 6)):
        said = contentmap_at(address)("check", "a.test", "--stored")
        assert (said.code, said.out) == (code, ""), said.err
        assert "Traceback" not in said.err
        assert said.err.count("error:") == 1


def test_the_fields_of_an_answer(on_sqlite: Any, tmp_path: Path) -> None:
    """Programs read them by name, in all of JSON, NDJSON and the list of rules."""
    (tmp_path / "s.xml").write_text(urlset("http://localhost/1"))
    said = on_sqlite("check", "s.xml", "--json").json
    assert list(said) == [*CHECK_KEYS, "rules", "findings"]
    *lines, summary = on_sqlite("check", "s.xml", "--format", "ndjson").lines
    assert lines == said["findings"]
    assert [list(each) for each in lines] == [FINDING_KEYS] * len(lines)
    assert [list(each) for each in said["rules"]] == [[*RULE_KEYS, "count"]] * len(said["rules"])
    assert list(summary) == [*CHECK_KEYS, "rules"]
    assert list(on_sqlite("check", "--list-rules", "--json").json[0]) == RULE_KEYS


def test_a_file_in_every_format(on_sqlite: Any, tmp_path: Path) -> None:
    """Hostile text stays text; a baseline silences what it knows; usage errors are 2."""
    (tmp_path / "s.xml").write_text(urlset("http://localhost/\u202e<b>&amp;\x9b", "http://localhost/2"))
    sarif = on_sqlite("check", "s.xml", "--format", "sarif")
    run = sarif.json["runs"][0]
    assert (sarif.code, sarif.json["version"]) == (3, "2.1.0")
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        assert result["locations"]
    assert etree.fromstring(on_sqlite("check", "s.xml", "--format", "junit").out.encode()).tag == "testsuite"
    for form in ("table", "github", "ndjson"):
        said = on_sqlite("check", "-", "--format", form, stdin=(tmp_path / "s.xml").read_bytes())
        assert said.code == 3
        assert not {"\u202e", "\x9b"} & set(said.out)
    quiet = on_sqlite("check", "s.xml", "--write-baseline", "known.json", "-q")
    assert (quiet.code, quiet.err) == (0, "")
    assert on_sqlite("check", "s.xml", "--baseline", "known.json").code == 0
    assert json.loads((tmp_path / "known.json").read_text())["findings"]
    assert on_sqlite("check", "s.xml", "--select", "nonsense").code == 2
    assert on_sqlite("check", "absent.xml").code == 2
    assert on_sqlite("check", "--list-rules", "--format", "sarif").code == 2
    assert on_sqlite("check", "s.xml", "--select", "news").code == 0


def test_severity_and_exit_code(on_sqlite: Any, tmp_path: Path) -> None:
    """--severity is what is shown, --fail-on what fails; a target without a failing finding is listed."""
    (tmp_path / "s.xml").write_text(urlset("http://a.test/1#x"))  # a warning
    for words, code in (((), 0), (("--fail-on", "warning"), 3), (("--fail-on", "info"), 3)):
        said = on_sqlite("check", "s.xml", "--base", "http://a.test/s.xml", "--json", *words)
        assert (said.code, said.json["passed"]) == (code, [] if code else ["s.xml"])
        assert "url-fragment" in rules(said)
    hidden = on_sqlite(
        "check", "s.xml", "--base", "http://a.test/s.xml", "--severity", "error", "--fail-on", "warning"
    )
    assert (hidden.code, "below --severity error" in hidden.err) == (3, True)
    assert hidden.out == "0 errors, 0 warnings, 0 info; 1 file, 1 url\n"


def test_a_baseline_knows_occurrences(on_sqlite: Any, tmp_path: Path) -> None:
    """Another URL in the same file is new, and alone reported; a baseline of counts still suppresses."""
    (tmp_path / "s.xml").write_text(urlset("http://localhost/1", "http://localhost/2"))
    words = ("check", "s.xml", "--base", "http://a.test/s.xml", "--select", "url-private", "--json")
    on_sqlite(*words, "--write-baseline", "known.json")
    assert on_sqlite(*words, "--baseline", "known.json").code == 0
    (tmp_path / "s.xml").write_text(urlset("http://localhost/2", "http://localhost/3"))
    said = on_sqlite(*words, "--baseline", "known.json")
    assert (said.code, said.json["known"]) == (3, 0)
    assert [each["url"] for each in said.json["findings"]] == ["http://localhost/3"]
    for place, count, code in (("s.xml", 2, 0), ("s.xml", 1, 3), ("other", 9, 3)):
        known = [{"rule": "url-private", "place": place, "count": count}]
        text = json.dumps({"type": "baseline", "schema": 1, "findings": known})
        (tmp_path / "old.json").write_text(text)
        assert on_sqlite(*words, "--baseline", "old.json").code == code


@one_database
def test_a_list_of_sites(contentmap: Any, tmp_path: Path) -> None:
    """Sites of a file, in their order; of a sitemap URL only that file and what it names is read."""
    pages: dict[str, Page] = good_site("a.test") | good_site("b.test")
    index = (
        f'<sitemapindex xmlns="{NAMESPACE}"><sitemap><loc>http://b.test/in.xml</loc></sitemap></sitemapindex>'
    )
    pages |= {
        "b.test/robots.txt": "Sitemap: http://b.test/other.xml",
        "b.test/other.xml": urlset("http://b.test/other"),
        "b.test/index.xml": index,
        "b.test/in.xml": urlset("http://b.test/in", "http://b.test/in#x"),
    }
    (tmp_path / "sites.txt").write_text("# sites\nhttp://a.test\nhttp://b.test/index.xml\nhttp://gone.test\n")
    with serving(pages) as sites:
        words = ("--connect-to", sites.connect_to, "--json")
        said = contentmap("check", "-i", "sites.txt", *words)
        alone = contentmap("check", "http://b.test/index.xml", *words)
        asked = [url for url in sites.asked if "b.test" in url]
    assert said.json["targets"] == ["a.test", "http://b.test/index.xml", "gone.test"]
    assert said.json["passed"] == said.json["targets"]  # a warning for gone.test
    assert alone.json["files"] == 2
    (finding,) = (each for each in alone.json["findings"] if each["rule"] == "url-fragment")
    assert (finding["url"], finding["line"]) == ("http://b.test/in#x", 4)
    assert not [url for url in asked if "other" in url]


def test_explain(on_sqlite: Any) -> None:
    """A rule by its id, or those that begin alike; each with an example and a repair."""
    said = on_sqlite("check", "--explain", "url-host")
    assert said.code == 0
    assert said.out.startswith("url-host (error): URL on another host")
    assert "<loc>" in said.out and "Repair: " in said.out
    several = on_sqlite("check", "--explain", "lastmod", "--json").json
    assert len(several) > 5
    assert list(several[0]) == [*RULE_KEYS, "example", "repair"]
    assert on_sqlite("check", "--explain", "nonsense").code == 2


def _many(count: int) -> str:
    """A sitemap with `count` occurrences of each fault."""
    alternate = '<xhtml:link rel="alternate" hreflang="de" href="https://a.test/de/{0}"/>'
    entries = "".join(
        f"<url><loc>https://a.test/p{number}</loc><lastmod>never {number}</lastmod>"
        f"<changefreq>often{number}</changefreq>{alternate.format(number)}</url>"
        * 2
        + f"<url><loc>https://a.test/de/{number}</loc></url><url><loc>ftp://a.test/{number}</loc></url>"
        for number in range(count)
    )
    spaces = f'xmlns="{NAMESPACE}" xmlns:xhtml="http://www.w3.org/1999/xhtml"'
    return f"<urlset {spaces}>{entries}</urlset>"


@one_database
def test_programs_are_told_every_occurrence(contentmap: Any, tmp_path: Path) -> None:
    """Whatever finds them: parser, rule, comparison of all files. A table has the first."""
    count = 60
    (tmp_path / "s.xml").write_text(_many(count), encoding="utf-8")
    words = ("check", str(tmp_path / "s.xml"), "--base", "https://a.test/s.xml")
    wanted = {
        "url-duplicate": [f"https://a.test/p{number}" for number in range(count)],
        "hreflang-return": [f"https://a.test/de/{number}" for number in range(count)],
        "hreflang-self": [f"https://a.test/p{number}" for number in range(count)],
        "url-invalid": [f"ftp://a.test/{number}" for number in range(count)],
        "lastmod-invalid": [f"never {number}" for number in range(count)],
    }
    found = contentmap(*words, "--format", "json").json["findings"]
    for name, texts in wanted.items():
        named = [f"{each['url'] or ''} {each['value'] or ''}" for each in found if each["rule"] == name]
        assert len(named) >= count
        assert [text for text in texts if not any(text in each for each in named)] == [], name
    invalid = {(each["url"], each["value"]) for each in found if each["rule"] == "url-invalid"}
    assert invalid == {(url, "not an http(s) URL") for url in wanted["url-invalid"]}
    for form in ("ndjson", "sarif", "junit"):
        said = contentmap(*words, "--format", form).out
        assert [text for texts in wanted.values() for text in texts if text not in said] == [], form
    table = contentmap(*words, "--select", "url-duplicate", "--format", "table").out
    assert (table.count("https://a.test/p"), f"({count} times)" in table) == (5, True)


@one_database
def test_annotations_name_a_local_file(contentmap: Any, tmp_path: Path) -> None:
    """By its path from the current folder, as a pull request shows it; standard input has none."""
    folder = tmp_path / "public, new"
    folder.mkdir()
    (folder / "s.xml").write_text(_many(1), encoding="utf-8")
    more = ("--base", "https://a.test/s.xml", "--format", "github")
    for name in ("public, new/s.xml", "./public, new/../public, new/s.xml", str(folder / "s.xml")):
        lines = contentmap("check", name, *more).out.splitlines()
        assert lines
        assert {line.partition(",file=")[2].split("::")[0].split(",line=")[0] for line in lines} == {
            "public%2C new/s.xml"
        }
    said = contentmap("check", "-", *more, stdin=_many(1).encode())
    assert said.out
    assert ",file=" not in said.out

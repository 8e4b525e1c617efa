"""`contentmap check` on live sites, recorded domains and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lxml import etree
from web_sites import good_site, serving, urlset


def rules(said: Any) -> set[str]:
    return {finding["rule"] for finding in said.json["findings"]}


def test_live_then_stored(contentmap: Any) -> None:
    """A live check records nothing; a stored one needs a scan."""
    pages = good_site("a.test") | {"a.test/robots.txt": "User-agent: *\nDisallow: /page-1\n"}
    with serving(pages) as sites:
        live = contentmap("check", "http://a.test", "--connect-to", sites.connect_to, "--json")
        assert contentmap("check", "a.test", "--stored").code == 6
        contentmap("scan", "http://a.test", "--connect-to", sites.connect_to)
    stored = contentmap("check", "a.test", "--stored", "--json")
    assert (live.code, stored.code) == (3, 3)
    assert {"url-blocked", "robots-orphan"} <= rules(live)
    assert "robots-orphan" in rules(stored)


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
    assert on_sqlite("check", "s.xml", "--write-baseline", "known.json").code == 0
    assert on_sqlite("check", "s.xml", "--baseline", "known.json").code == 0
    assert json.loads((tmp_path / "known.json").read_text())["findings"]
    assert on_sqlite("check", "s.xml", "--select", "nonsense").code == 2
    assert on_sqlite("check", "absent.xml").code == 2
    assert on_sqlite("check", "s.xml", "--select", "news").code == 0

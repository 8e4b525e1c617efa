"""--max-drop: a domain that would lose many URLs keeps them until a second scan sees the same."""

from __future__ import annotations

from typing import Any

import pytest
from databases import sqlite_first
from web_sites import Page, Reply, Sites, index, serving, urlset

HOST = "a.test"
AHEAD = {"set": {"contentmap_cli.commands.engine.domain_scan.WORTH_COMPARING_AHEAD": 0}}


def tagged(text: str, tag: str) -> Reply:
    """A file with an ETag: it is not sent again."""
    return Reply(text.encode(), headers={"ETag": f'"{tag}"'})


def pages_of(first: int, count: int) -> list[str]:
    return [f"http://{HOST}/p{number}" for number in range(first, first + count)]


def site() -> dict[str, Page]:
    """40 URLs in one file, 60 in another; an index names both."""
    return {
        f"{HOST}/robots.txt": f"Sitemap: http://{HOST}/index.xml\n",
        f"{HOST}/index.xml": tagged(index(f"http://{HOST}/a.xml", f"http://{HOST}/b.xml"), "i"),
        f"{HOST}/a.xml": tagged(urlset(*pages_of(0, 40)), "a1"),
        f"{HOST}/b.xml": tagged(urlset(*pages_of(40, 60)), "b1"),
    }


class Nights:
    """Scans the site, and reads what is recorded of it."""

    def __init__(self, contentmap: Any, sites: Sites, fault: Any) -> None:
        self.contentmap, self.fault, self.sites = contentmap, fault, sites

    def scan(self, *more: str, command: tuple[str, ...] = ("scan", f"http://{HOST}")) -> dict[str, Any]:
        words = (*command, "--connect-to", self.sites.connect_to, "--format", "ndjson", *more)
        return self.contentmap(*words, fault=self.fault).lines[0]  # type: ignore[no-any-return]

    def listed(self) -> set[str]:
        return {row["url"] for row in self.contentmap("urls", HOST, "--json").json}

    def numbers(self, *more: str) -> tuple[Any, ...]:
        row = self.scan(*more)
        return (row["outcome"], row["urls"], row["added"], row["removed"], row["withheld"])


@pytest.mark.parametrize(
    ("how", "fault"),
    [
        ("shrinks", None),
        ("gone", AHEAD),
        pytest.param("shrinks", AHEAD, marks=pytest.mark.campaign),
        pytest.param("moved", None, marks=pytest.mark.campaign),
    ],
)
@sqlite_first
def test_a_drop_is_removed_at_the_second_look(contentmap: Any, fault: Any, how: str) -> None:
    """Although nothing has changed since the first one: its files must be read again."""
    with serving(site()) as sites:
        nights = Nights(contentmap, sites, fault)
        drop = ("--max-drop", "50")
        assert nights.numbers(*drop) == ("ok", 100, 100, 0, 0)
        left = set(pages_of(0, 40))
        if how == "shrinks":
            sites.pages[f"{HOST}/b.xml"] = tagged(urlset(*pages_of(40, 5), *pages_of(200, 1)), "b2")
            left |= {*pages_of(40, 5), *pages_of(200, 1)}
        elif how == "gone":
            sites.pages |= {f"{HOST}/b.xml": 404, f"{HOST}/index.xml": index(f"http://{HOST}/a.xml")}
        else:  # five of the sixty moved to the other file
            sites.pages[f"{HOST}/a.xml"] = tagged(urlset(*pages_of(0, 45)), "a2")
            sites.pages[f"{HOST}/b.xml"] = tagged(urlset(*pages_of(300, 1)), "b2")
            left |= {*pages_of(40, 5), *pages_of(300, 1)}
        new = int(how != "gone")
        dropped = 60 if how == "gone" else 55
        row = nights.scan(*drop)
        assert (row["outcome"], row["urls"], row["added"], row["removed"]) == ("partial", 100 + new, new, 0)
        assert (row["withheld"], row["error"]["code"]) == (dropped, "urls_dropped")
        assert f"{dropped} of 100 URLs" in row["error"]["message"]
        assert len(nights.listed()) == 100 + new
        said = contentmap("diff", HOST)
        assert f"the later scan kept {dropped} URLs that are no longer listed (--max-drop)\n" in said.out
        if fault is None:  # a scan that does not read the file is no look
            assert nights.numbers(*drop, "--exclude", "*b.xml") == ("ok", 100 + new, 0, 0, 0)
        assert nights.numbers(*drop) == ("ok", 100 + new - dropped, 0, dropped, 0)
        assert nights.listed() == left
        asked = sites.not_modified
        assert nights.numbers(*drop) == ("ok", 100 + new - dropped, 0, 0, 0)
        assert sites.not_modified > asked
    assert contentmap("db", "check").code == 0


@pytest.mark.campaign
def test_what_accepts_a_drop(contentmap: Any) -> None:
    """A larger --max-drop does; a scan of the same job, a failed one or a further drop does not."""
    with serving(site()) as sites:
        nights = Nights(contentmap, sites, None)
        nights.scan("--max-drop", "20")
        first = sites.pages[f"{HOST}/b.xml"]
        sites.pages[f"{HOST}/b.xml"] = urlset(*pages_of(40, 30))
        assert nights.numbers("--max-drop", "30") == ("ok", 70, 0, 30, 0)
        sites.pages[f"{HOST}/b.xml"] = first
        assert nights.numbers("--max-drop", "20") == ("ok", 100, 30, 0, 0)
        sites.pages[f"{HOST}/b.xml"] = urlset(*pages_of(40, 30))
        said = contentmap("scan", f"http://{HOST}", "--connect-to", sites.connect_to, "--max-drop", "20")
        assert said.code == 3
        assert "--max-drop 100" in said.err
        job = contentmap("jobs", "--json").json[0]["job_id"]
        again = nights.scan(command=("resume", job, "--failed"))  # the job has recorded --max-drop
        assert (again["outcome"], again["withheld"]) == ("partial", 30)
        robots = sites.pages[f"{HOST}/robots.txt"]
        sites.pages[f"{HOST}/robots.txt"] = "User-agent: *\nDisallow: /\n"
        assert nights.scan("--max-drop", "20")["outcome"] == "failed"
        sites.pages[f"{HOST}/robots.txt"] = robots
        sites.pages[f"{HOST}/b.xml"] = urlset(*pages_of(40, 1))
        assert nights.numbers("--max-drop", "20")[::4] == ("partial", 59)  # a further drop
        sites.pages[f"{HOST}/b.xml"] = first
        assert nights.numbers("--max-drop", "20") == ("ok", 100, 0, 0, 0)  # it was an accident
        sites.pages[f"{HOST}/b.xml"] = urlset(*pages_of(40, 1))
        assert nights.numbers("--max-drop", "20")[::4] == ("partial", 59)
        sites.pages[f"{HOST}/b.xml"] = urlset(*pages_of(40, 1))[:-30]  # a scan that proves nothing
        assert nights.numbers("--max-drop", "20") == ("partial", 100, 0, 0, 0)
        sites.pages[f"{HOST}/b.xml"] = urlset(*pages_of(40, 1))
        assert nights.numbers("--max-drop", "20") == ("ok", 41, 0, 59, 0)
        sites.pages[f"{HOST}/b.xml"] = urlset(*pages_of(41, 1))  # few URLs are no drop
        assert nights.numbers("--max-drop", "0") == ("ok", 41, 1, 1, 0)
        sites.pages |= {f"{HOST}/a.xml": 404, f"{HOST}/b.xml": 404, f"{HOST}/index.xml": 404}
        sites.pages[f"{HOST}/robots.txt"] = 404
        assert nights.numbers("--max-drop", "50") == ("partial", 41, 0, 0, 41)
        assert nights.numbers("--max-drop", "50") == ("empty", 0, 0, 41, 0)

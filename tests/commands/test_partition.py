"""`db partition`: what it says, what it refuses, and that a scan is the same before and after."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from program import Contentmap
from web_sites import Page, Reply, good_site, serving, urlset


def without_partitions(contentmap: Contentmap) -> None:
    """An empty database whose table of URLs is one."""
    assert contentmap("db", "upgrade").code == 0


def test_an_sqlite_file_has_no_partitions(on_sqlite: Callable[..., Any]) -> None:
    """A usage error with a hint."""
    assert on_sqlite("db", "upgrade").code == 0
    said = on_sqlite("db", "partition", "--partitions", "4")
    assert (said.code, "has no partitions" in said.err, "hint: name a PostgreSQL" in said.err) == (
        2,
        True,
        True,
    )


@pytest.mark.campaign
def test_spread_scan_and_back(
    contentmap_at: Callable[[str], Contentmap], empty_postgres_address: str
) -> None:
    """A dry run moves nothing, a second run neither; rescans find what is there; and all comes back."""
    contentmap = contentmap_at(empty_postgres_address)
    without_partitions(contentmap)
    with serving(good_site("a.test")) as sites:
        scan = ("scan", "http://a.test", "--connect-to", sites.connect_to, "--json")
        assert contentmap(*scan).code == 0
        before = contentmap("urls", "a.test", "--format", "ndjson").lines
        assert before
        dry = contentmap("db", "partition", "--partitions", "4", "--dry-run")
        assert (dry.code, f"would move {len(before)} rows" in dry.out) == (0, True)
        assert contentmap("db", "check", "--json").json["partitions"] == 1
        for partitions, said in (
            (4, "in 4 partitions, moved"),
            (4, "unchanged"),
            (1, "in one table, moved"),
        ):
            done = contentmap("db", "partition", "--partitions", str(partitions))
            assert (done.code, said in done.out) == (0, True), done
        assert contentmap("db", "partition", "--partitions", "3").code == 0
        assert contentmap("db", "check").out.endswith("current, URLs in 3 partitions\n")
        again = contentmap(*scan, "--refresh").json
        found = [again[name] for name in ("urls", "added", "removed", "changed")]
        assert found == [len(before), 0, 0, 0]
        assert contentmap("urls", "a.test", "--format", "ndjson").lines == before


def test_refused_under_a_running_scan(
    contentmap_at: Callable[[str], Contentmap], empty_postgres_address: str
) -> None:
    """A table is not swapped under a run; one that was killed is in nobody's way."""
    contentmap = contentmap_at(empty_postgres_address)
    without_partitions(contentmap)
    pages: dict[str, Page] = {
        "slow.test/robots.txt": "Sitemap: http://slow.test/s.xml\n",
        "slow.test/s.xml": Reply(urlset("http://slow.test/1").encode(), wait=60),
    }
    with serving(pages) as sites:
        scan = contentmap.start("scan", "http://slow.test", "--connect-to", sites.connect_to)
        try:
            while "slow.test/s.xml" not in sites.asked:
                assert scan.poll() is None
                time.sleep(0.05)
            held = contentmap("db", "partition", "--partitions", "4")
        finally:
            scan.kill()
            scan.communicate()
    assert (held.code, "in use by a run of sitemap_" in held.err, "hint: wait" in held.err) == (
        5,
        True,
        True,
    )
    assert contentmap("db", "check", "--json").json["partitions"] == 1

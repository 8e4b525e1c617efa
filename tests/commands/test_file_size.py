"""`--max-file-size`: how large a sitemap may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from web_sites import serving

from contentmap_cli.commands.interface.argument_values import parse_size
from contentmap_cli.commands.settings.crawl_settings import ScanSettings
from contentmap_cli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("52428800", 52428800),
        ("52_428_800", 52428800),
        (" 61MiB ", 61 * 1024**2),
        ("61 mib", 61 * 1024**2),
        ("61M", 61 * 1024**2),
        ("100MB", 100_000_000),
        ("1.5GiB", 3 * 1024**3 // 2),
        ("64KiB", 65536),
        ("10kb", 10_000),
        ("10 bytes", 10),
    ],
)
def test_sizes(text: str, size: int) -> None:
    """Bytes, or a unit of 1000 or 1024."""
    assert parse_size("--max-file-size", text) == size
    assert ScanSettings(max_file_size=text).crawl_options().limits.body_bytes == size


@pytest.mark.parametrize("text", ["", "many", "-1", "0", "61XB", "1e9", "6GiB", "٣", "1,5MB", "MiB"])
def test_what_is_no_size(text: str) -> None:
    """It is refused with an example, and the option is named."""
    with pytest.raises(UsageError, match="--max-file-size") as refused:
        parse_size("--max-file-size", text)
    assert "61MiB" in (refused.value.hint or "")


def test_without_a_word_it_is_the_protocols_own() -> None:
    """50 MiB, decompressed."""
    assert ScanSettings().crawl_options().limits.body_bytes == 50 * 1024**2


def _sitemap(count: int) -> str:
    entries = "".join(f"<url><loc>http://large.test/{n}</loc></url>" for n in range(count))
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'


def test_scan_and_check_take_it(on_sqlite: Any, tmp_path: Path) -> None:
    """A smaller limit cuts a file, which is said; a larger one reads it whole."""
    pages = {
        "large.test/robots.txt": "Sitemap: http://large.test/map.xml",
        "large.test/map.xml": _sitemap(2000),
    }
    with serving(pages) as sites:
        reach = ("--connect-to", sites.connect_to, "--json")
        said = on_sqlite("scan", "http://large.test", "--max-file-size", "50kB", *reach)
        assert said.code == 3
        assert 0 < said.json["results"][0]["urls"] < 2000
        said = on_sqlite("scan", "http://large.test", "--max-file-size", "1MiB", *reach)
        assert (said.code, said.json["results"][0]["urls"]) == (0, 2000)
    file = tmp_path / "map.xml"
    file.write_text(_sitemap(2000), encoding="utf-8")
    for size, rules in (("50kB", {"site-incomplete"}), ("1MiB", set())):
        found = on_sqlite("check", str(file), "--max-file-size", size, "--json").json["findings"]
        assert {each["rule"] for each in found} & {"limit-size", "site-incomplete"} == rules

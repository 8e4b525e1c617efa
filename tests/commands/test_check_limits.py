"""`contentmap check` on files that a limit of the run cuts, and on where a site keeps its files."""

from __future__ import annotations

import json
from typing import Any

from web_sites import serving

NS = "http://www.sitemaps.org/schemas/sitemap/0.9"


def test_a_site_whose_file_is_too_large_for_this_run(on_sqlite: Any) -> None:
    """As served: the transfer ends at the limit, and the file is large and not compressed."""
    entries = "".join(f"<url><loc>http://a.test/maps/{number:0900}</loc></url>" for number in range(1_200))
    pages = {
        "a.test/robots.txt": "Sitemap: http://a.test/maps/s.xml\nSitemap: http://b.test/t.xml\n",
        "a.test/maps/s.xml": f'<urlset xmlns="{NS}">{entries}<url><loc>http://a.test/1</loc></url></urlset>',
        "b.test/t.xml": f'<urlset xmlns="{NS}"><url><loc>http://a.test/2</loc></url></urlset>',
    }
    with serving(pages) as sites:
        words = ("check", "http://a.test", "--connect-to", sites.connect_to, "--json")
        whole = {each["rule"]: each for each in on_sqlite(*words).json["findings"]}
        cut = {each["rule"]: each for each in on_sqlite(*words, "--max-file-size", "500KB").json["findings"]}
    assert {"location-folder", "location-host", "http-compression"} <= set(whole)
    assert "names the file" in json.dumps(whole["location-host"])
    assert "robots.txt names the file" in json.dumps(whole["location-folder"])
    assert "site-incomplete" in cut
    assert not {"xml-broken", "xml-tags", "document-truncated", "limit-size", "http-failed"} & set(cut)

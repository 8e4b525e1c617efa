"""`contentmap doctor`: output, exit codes and that nothing is recorded."""

from __future__ import annotations

from typing import Any

from web_sites import Reply, good_site, serving


def test_doctor(on_sqlite: Any) -> None:
    """Exit codes 0, 3 and 2; a line per check; JSON with the same; no database is made."""
    pages = good_site("a.test") | {"a.test/": Reply(b"<html>a</html>", headers={"Content-Type": "text/html"})}
    with serving(pages) as sites:
        words = ("--connect-to", sites.connect_to)
        good = on_sqlite("doctor", "http://a.test", *words)
        bad = on_sqlite("doctor", "http://b.test", *words, "--json")
        secret = on_sqlite("doctor", "http://me:s3cret@b.test", *words)
    assert (good.code, bad.code, on_sqlite("doctor", "nonsense").code) == (0, 3, 2), good.out
    assert "findings" in good.out.splitlines()[-1]
    assert bad.json["findings"] > 0
    assert bad.json["target"] == "b.test"
    steps = [check["check"] for check in bad.json["checks"]]
    assert {"dns", "address", "robots.txt", "home page", "sitemap"} <= set(steps)
    found = [check for check in bad.json["checks"] if check["result"] in ("warning", "error")]
    assert len(found) == bad.json["findings"]
    assert all(check["action"] for check in found)
    assert "s3cret" not in secret.out + secret.err
    assert not (on_sqlite.folder / "map.db").exists()
    assert on_sqlite("doctor").code == 2
    assert on_sqlite("doctor", "a.test", "--format", "csv").code == 2

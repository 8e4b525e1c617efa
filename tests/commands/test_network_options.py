"""`--insecure`, `--user` and the short options of the network, on real sockets."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from web_sites import Page, Reply, serving, urlset

HOST = "a.tls.test"
PASSWORD = "s3cr3t:Zq"  # pragma: allowlist secret - a colon belongs to the password (RFC 7617)
BASIC = "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()


def site(scheme: str, host: str = HOST) -> dict[str, Page]:
    """A site that lists one page."""
    return {
        f"{host}/robots.txt": f"Sitemap: {scheme}://{host}/s.xml\n",
        f"{host}/s.xml": urlset(f"{scheme}://{host}/1"),
    }


@pytest.mark.parametrize("option", ["-k", "--insecure"])
def test_insecure_accepts_a_self_signed_certificate(on_sqlite: Any, option: str) -> None:
    """Without the option the certificate is refused; with it there is one warning."""
    other = f"b.{HOST}"
    with serving(site("https") | site("https", other), tls=True) as sites:
        words = ("scan", f"https://{HOST}", f"https://{other}", "--connect-to", sites.connect_to, "--json")
        refused = on_sqlite(*words)
        assert not sites.asked
        accepted = on_sqlite(*words, option)
    assert refused.code == 4
    assert [row["error"]["code"] for row in refused.json["results"]] == ["tls_certificate", "tls_certificate"]
    assert "s.xml" in " ".join(sites.asked)
    assert [row["outcome"] for row in accepted.json["results"]] == ["ok", "ok"]
    assert accepted.err.count("TLS certificates are not verified") == 1


def test_resume_keeps_insecure(on_sqlite: Any) -> None:
    """The option is recorded with the job; its warning is repeated."""
    with serving(site("https") | {f"{HOST}/s.xml": 501}, tls=True) as sites:
        words = ("--connect-to", sites.connect_to, "--json")
        assert on_sqlite("scan", f"https://{HOST}", "-k", *words).code == 4
        sites.pages.update(site("https"))
        resumed = on_sqlite("resume", "--failed", *words)
    assert [row["outcome"] for row in resumed.json["results"]] == ["ok"]
    assert "TLS certificates are not verified" in resumed.err


def test_user_is_sent_to_the_target_only(on_sqlite: Any, tmp_path: Path) -> None:
    """It is the Authorization header: sent to the target's origin, neither recorded nor logged."""
    pages = site("http", "a.test") | {
        "a.test/s.xml": Reply(status=302, headers={"Location": "http://other.test/s.xml"}),
        "other.test/s.xml": urlset("http://a.test/1"),
    }
    with serving(pages) as sites:
        said = on_sqlite(
            *("-vv", "scan", "http://a.test", "-u", f"me:{PASSWORD}", "--connect-to", sites.connect_to)
        )
        heard = [(key, headers.get("Authorization")) for key, headers in sites.heard]
    assert {value for key, value in heard if key.startswith("a.test")} == {BASIC}
    assert [value for key, value in heard if key.startswith("other.test")] == [None] * 1
    told = (said.out + said.err).encode() + b"".join(
        file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()
    )
    for secret in (PASSWORD, BASIC.removeprefix("Basic ")):
        assert secret.encode() not in told


def test_user_from_the_environment_is_not_shown(on_sqlite: Any) -> None:
    """`config` masks it, and `scan --queue` does not accept it."""
    on_sqlite.environment["CONTENTMAP_USER"] = f"me:{PASSWORD}"
    shown = on_sqlite("config", "--json")
    assert {row["name"]: row["value"] for row in shown.json["settings"]}["user"] == "***"
    queued = on_sqlite("scan", "a.test", "--queue")
    assert queued.code == 2
    assert "--queue excludes --user" in queued.err
    assert PASSWORD not in shown.out + queued.err


def test_short_options(on_sqlite: Any, tmp_path: Path) -> None:
    """-i, -A, -H and -x are those of wget and curl."""
    (tmp_path / "list.txt").write_text("http://a.test\n")
    with serving(site("http", "a.test")) as sites:
        words = ("scan", "-i", "list.txt", "-A", "Tester/1", "-H", "X-Key: 1", "--json")
        said = on_sqlite(*words, "-x", f"http://127.0.0.1:{sites.port}")
        seen = [headers for _, headers in sites.heard]
    assert [row["domain"] for row in said.json["results"]] == ["a.test"]
    assert sites.asked[0] == "a.testhttp://a.test/robots.txt"  # a proxy is sent the whole URL
    assert {(headers["User-Agent"], headers.get("X-Key")) for headers in seen} == {("Tester/1", "1")}

"""The options of the network, on real sockets: `--insecure`, credentials, proxies, identity."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
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
    assert [value for key, value in heard if key.startswith("other.test")] == [None] * 2  # robots.txt too
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


def _everything(said: Any, folder: Path) -> bytes:
    """All output, and all files of a run."""
    files = (file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("given-"))
    return (said.out + said.err).encode() + b"".join(file.read_bytes() for file in files)


def test_proxies_of_the_environment(on_sqlite: Any, tmp_path: Path) -> None:
    """They are used without an option, without showing their password; --no-proxy and NO_PROXY go around."""
    pages = {f"a.testhttp://{key}": page for key, page in site("http", "a.test").items()}
    with serving(pages) as sites:  # a proxy is sent the whole URL
        proxy = f"http://me:{PASSWORD.replace(':', '%3A')}@127.0.0.1:{sites.port}"
        on_sqlite.environment["HTTP_PROXY"] = proxy
        used = on_sqlite("-vv", "scan", "http://a.test", "--json")
        assert [row["outcome"] for row in used.json["results"]] == ["ok"]
        assert f"proxy http://127.0.0.1:{sites.port}: it resolves names" in used.err
        proof = {headers.get("Proxy-Authorization") for _, headers in sites.heard}
        assert proof == {BASIC}
        asked = len(sites.asked)
        for words in (("--no-proxy",), ("--proxy", "")):
            refused = on_sqlite("scan", "http://a.test", "--json", *words)
            assert refused.json["results"][0]["error"]["code"] == "dns_error"
        on_sqlite.environment["NO_PROXY"] = ".a.test"
        assert on_sqlite("scan", "http://a.test", "--json").json["results"][0]["error"]["code"] == "dns_error"
        assert len(sites.asked) == asked
        found = _everything(used, tmp_path)
    assert PASSWORD.encode() not in found
    assert PASSWORD.replace(":", "%3A").encode() not in found
    assert BASIC.removeprefix("Basic ").encode() not in found
    on_sqlite.environment["HTTP_PROXY"] = f"gopher://me:{PASSWORD}@x"
    wrong = on_sqlite("scan", "a.test")
    assert wrong.code == 2
    assert "HTTP_PROXY takes the URL of a proxy" in wrong.err
    assert PASSWORD not in wrong.err


def test_certificate_and_netrc_are_not_shown(on_sqlite: Any, tmp_path: Path) -> None:
    """Neither a password of a key nor one of a netrc file is recorded, logged or printed."""
    folder = Path(__file__).parent.parent / "crawl" / "data"
    key = serialization.load_pem_private_key((folder / "tls-key.pem").read_bytes(), None)
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(PASSWORD.encode()),
    )
    (tmp_path / "given-key.pem").write_bytes(sealed)
    (tmp_path / "given-netrc").write_text(f"machine {HOST} login me password {PASSWORD}\n")
    words = [
        "--netrc-file",
        "given-netrc",
        "-E",
        f"{folder / 'tls-cert.pem'}:{PASSWORD}",
        "--key",
        "given-key.pem",
    ]
    with serving(site("https"), tls=True) as sites:
        where = ("--connect-to", sites.connect_to, "--ca-file", str(folder / "tls-cert.pem"))
        said = on_sqlite("-vv", "scan", f"https://{HOST}", *where, *words, "--json")
        assert [row["outcome"] for row in said.json["results"]] == ["ok"]
        assert {headers.get("Authorization") for _, headers in sites.heard} == {BASIC}
        found = _everything(said, tmp_path)
    for secret in (PASSWORD, BASIC.removeprefix("Basic ")):
        assert secret.encode() not in found
    shown = on_sqlite("config", "--json", "-E", f"cert.pem:{PASSWORD}")
    assert PASSWORD not in shown.out
    assert {row["name"]: row["value"] for row in shown.json["settings"]}["cert"] == "cert.pem:***"
    for name in ("--cert", "--netrc-file", "--signature-key"):
        queued = on_sqlite("scan", "a.test", "--queue", name, str(folder / "tls-cert.pem"))
        assert queued.code == 2, name
        assert PASSWORD not in queued.err


def test_requests_are_signed(on_sqlite: Any, tmp_path: Path) -> None:
    """With a key each request has a signature, and the key is not recorded."""
    secret = base64.urlsafe_b64encode(b"k" * 32).rstrip(b"=").decode()
    jwk = {"kty": "OKP", "crv": "Ed25519", "d": secret}
    (tmp_path / "given-key.jwk").write_text(json.dumps(jwk))
    words = ("--signature-key", "given-key.jwk", "--signature-agent", "https://bot.example")
    with serving(site("http", "a.test")) as sites:
        said = on_sqlite("-vv", "scan", "http://a.test", "--connect-to", sites.connect_to, *words)
        heard = [headers for _, headers in sites.heard]
    assert said.code == 0
    assert {headers["Signature-Agent"] for headers in heard} == {'sig1="https://bot.example"'}
    assert len({headers["Signature"] for headers in heard}) == len(heard) > 1
    assert secret.encode() not in _everything(said, tmp_path)


def test_the_token_of_robots_as_an_option(on_sqlite: Any) -> None:
    """--robots-agent selects the group, whatever the User-Agent."""
    pages: dict[str, Page] = {
        "a.test/robots.txt": "User-agent: Other\nDisallow: /\n\nUser-agent: *\nAllow: /\n",
        "a.test/sitemap.xml": urlset("http://a.test/1"),
    }
    with serving(pages) as sites:
        words = ("scan", "http://a.test", "--connect-to", sites.connect_to, "--json")
        assert on_sqlite(*words, "-A", "Other/1").json["results"][0]["outcome"] == "failed"
        free = on_sqlite(*words, "-A", "Other/1", "--robots-agent", "Mine")
        bound = on_sqlite(*words, "--robots-agent", "other")
    assert free.json["results"][0]["outcome"] == "ok"
    assert bound.json["results"][0]["outcome"] == "failed"

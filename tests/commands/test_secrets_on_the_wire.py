"""Which secrets a server sees on plain and on encrypted connections, and that nothing else shows them."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from http_servers import TLS
from web_sites import Page, Reply, Sites, serving, urlset

HOST = "tls.test"
PASSWORD = "v1olet:77/Zq"  # pragma: allowlist secret
IN_URL = quote(PASSWORD, safe="")
BASIC = "Basic " + base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
KEY = "k9-desk-4471"
SECRETS = (PASSWORD, IN_URL, BASIC.removeprefix("Basic "), KEY)


def site(scheme: str, host: str = HOST) -> dict[str, Page]:
    """A site that lists one page."""
    return {
        f"{host}/robots.txt": f"Sitemap: {scheme}://{host}/s.xml\n",
        f"{host}/s.xml": urlset(f"{scheme}://{host}/1"),
        f"{host}/": "<!doctype html><title>Desk</title><p>Desks for all.</p>",
    }


@contextmanager
def two_servers(plain: dict[str, Page], secure: dict[str, Page]) -> Iterator[tuple[Sites, Sites, list[str]]]:
    """A server of http, one of https, and the options that lead to them."""
    with serving(plain) as open_, serving(secure, tls=True) as tls:
        rules = [f":80:127.0.0.1:{open_.port}", f":443:127.0.0.1:{tls.port}"]
        yield open_, tls, [word for rule in rules for word in ("--connect-to", rule)]


def secrets_in(heard: list[tuple[str, dict[str, str]]]) -> list[str]:
    """The requests that have a secret."""
    return [key for key, headers in heard if any(each in str(headers) for each in SECRETS)]


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize(
    ("typed", "path"), [("https://", ""), ("https://ann:@", "/s.xml"), ("", ""), ("ann:@", "/s.xml")]
)
def test_no_secret_on_a_plain_connection(
    on_sqlite: Any, tmp_path: Path, trusted: bool, typed: str, path: str
) -> None:
    """Whatever leads to http: an untrusted certificate, robots.txt, redirects of https to http and back."""
    target = f"{typed.replace(':@', f':{IN_URL}@')}{HOST}{path}"
    secure = {
        **site("http"),
        f"{HOST}/robots.txt": f"Sitemap: http://{HOST}/s.xml\nSitemap: https://{HOST}/down.xml\n",
        f"{HOST}/down.xml": Reply(status=302, headers={"Location": f"http://{HOST}/s.xml"}),
    }
    words = ["-vv", "scan", target, "--header", f"X-Api-Key: {KEY}", "--json"]
    if "@" not in target:
        words += ["-u", f"ann:{PASSWORD}"]
    with two_servers(site("http"), secure) as (plain, tls, rules):
        said = on_sqlite(*words, *rules, *(["--ca-file", str(TLS / "tls-cert.pem")] if trusted else []))
    assert secrets_in(plain.heard) == []
    assert len(secrets_in(tls.heard)) == len(tls.heard)
    assert bool(tls.heard) is trusted
    https = typed.startswith("https:")
    if https:
        assert plain.heard == []
    (row,) = said.json["results"]
    if https and not trusted:
        assert row["error"]["code"] == "tls_certificate"
    else:
        assert row["outcome"] == "ok"
    told = (said.out + said.err).encode() + b"".join(
        file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()
    )
    assert b"s.xml" in told or not trusted
    assert [each for each in SECRETS if each.encode() in told] == []


def test_credentials_in_a_target_are_recorded_and_shown_nowhere(on_sqlite: Any, tmp_path: Path) -> None:
    """They open the site; no database, log, answer or report has them; `resume` needs them again."""
    target = f"http://ann:{IN_URL}@{HOST}/"
    pages: dict[str, Page] = {**site("http"), f"{HOST}/s.xml": 500}
    told: dict[str, str] = {}

    def run(*words: str) -> Any:
        said = on_sqlite(*words)
        told[" ".join(words)] = said.out + said.err
        return said

    with serving(pages) as sites:
        rules = ("--connect-to", sites.connect_to)
        assert run("scan", target, "--dry-run").out == f"{HOST} http://{HOST}\n"
        log = str(tmp_path / "log")
        failed = run("-vv", "--log-file", log, "--log-format", "json", "scan", target, "--json", *rules)
        assert failed.json["results"][0]["domain"] == HOST
        sites.pages.update(site("http"))
        job = failed.json["job_id"]
        resumed = run("-vv", "resume", job, "--failed", "-u", f"ann:{PASSWORD}", "--json", *rules)
        assert resumed.json["results"][0]["outcome"] == "ok"
        assert {headers.get("Authorization") for _, headers in sites.heard} == {BASIC}
        run("check", target, *rules)
    listed = tmp_path / "list.txt"
    listed.write_text(f"{target}\nhttp://ann:other@{HOST}/x/\n")
    assert run("scan", "-i", str(listed)).code == 2
    listed.unlink()
    queued = on_sqlite("scan", target, "--queue", "--db", "postgresql://nobody@127.0.0.1:1/x")
    assert queued.code in (2, 5)
    told["queue"] = queued.out + queued.err
    for words in (
        ("status", "--json"),
        ("jobs", "--json"),
        ("sitemaps", HOST, "--json"),
        ("robots", HOST),
        ("urls", HOST, "--format", "csv"),
        ("report", HOST, "-o", str(tmp_path / "report.html")),
        ("map", HOST),
    ):
        assert run(*words).code == 0, told
    found = {name: text.encode() for name, text in told.items()}
    found |= {file.name: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert b"crawl.complete" in found["log"]
    for name, text in found.items():
        assert [each for each in (*SECRETS, "ann:") if each.encode() in text] == [], name


def test_a_wrong_password(on_sqlite: Any) -> None:
    """The error says that the credentials are not accepted, the hint what to do."""
    refused = Reply(b"Who are you?", status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
    with serving({f"{HOST}/{name}": refused for name in ("robots.txt", "", "sitemap.xml")}) as sites:
        said = on_sqlite("scan", f"http://ann:no@{HOST}", "--json", "--connect-to", sites.connect_to)
    assert said.code == 4
    assert "401: the credentials are not accepted" in said.json["results"][0]["error"]["message"]
    assert "--user" in said.err


def test_insecure_is_recorded_with_the_job(on_sqlite: Any, tmp_path: Path) -> None:
    """One warning on stderr, and an option of the job."""
    with serving(site("https"), tls=True) as sites:
        words = ("scan", "-k", f"https://{HOST}", "--connect-to", sites.connect_to, "--json")
        said = on_sqlite(*words)
    assert said.json["results"][0]["outcome"] == "ok"
    assert said.err.count("TLS certificates are not verified") == 1
    with closing(sqlite3.connect(tmp_path / "map.db")) as database:
        ((options,),) = database.execute("SELECT options FROM jobs").fetchall()
    assert json.loads(options)["insecure"] is True


def test_a_closed_port(on_sqlite: Any) -> None:
    """A target that was typed with https fails with the code of the connection, and http is not requested."""
    with serving(site("http")) as sites:
        said = on_sqlite(
            *("scan", f"https://{HOST}/s.xml", "-H", f"X-Api-Key: {KEY}", "--json", "--timeout", "5"),
            *("--connect-to", ":443:127.0.0.1:1", "--connect-to", f":80:127.0.0.1:{sites.port}"),
        )
        assert sites.heard == []
        assert said.json["results"][0]["error"]["code"] == "connect_error"
        opened = on_sqlite(
            *("scan", f"https://{HOST}/s.xml", "-H", f"X-Api-Key: {KEY}", "--json", "--allow-http"),
            *("--connect-to", ":443:127.0.0.1:1", "--connect-to", f":80:127.0.0.1:{sites.port}"),
        )
        assert opened.json["results"][0]["outcome"] == "ok"
        assert secrets_in(sites.heard) == []
        assert "requested over http without --header" in opened.err

"""Signed requests, client certificates, netrc and the token of robots.txt."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import (
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)

from contentmap_cli.commands.settings.crawl_settings import ScanSettings
from contentmap_cli.crawl.access.certificates import parse_certificate
from contentmap_cli.crawl.access.netrc_file import load_netrc
from contentmap_cli.crawl.access.signatures import RequestSigner, load_signer
from contentmap_cli.crawl.http.domain_clock import DomainClock
from contentmap_cli.crawl.http.fetch import Fetcher
from contentmap_cli.crawl.http.fetch_request import FetchRequest
from contentmap_cli.crawl.http.own_headers import OwnHeaders
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.crawl.robots import product_token
from contentmap_cli.errors import UsageError

NewSite = Callable[..., Awaitable[Any]]
DATA = Path(__file__).parent / "data"
CERTIFICATE, KEY = DATA / "tls-cert.pem", DATA / "tls-key.pem"

# RFC 9421 appendix B.1.4
TEST_KEY = {
    "kty": "OKP",
    "crv": "Ed25519",
    "d": "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU",
    "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs",
}
TEST_KEY_ID = "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U"


async def fetch(options: CrawlOptions, *urls: str, site: str = "tls.test") -> list[tuple[int | None, Any]]:
    """Fetch URLs one after the other: status and failure of each."""
    ask = FetchRequest(own=OwnHeaders(site=site, netrc=options.netrc), max_bytes=1000, clock=DomainClock(30))
    found = []
    async with Fetcher(replace(options, retries=0)) as fetcher:
        for url in urls:
            with await fetcher.fetch(url, ask) as fetched:
                found.append((fetched.status, fetched.failure and str(fetched.failure.code)))
    return found


# -- Web Bot Auth


@pytest.mark.parametrize(
    ("agent", "label", "agent_label", "nonce", "expected"),
    [
        (
            None,
            "sig1",
            "",
            "zIW8+cdmA3vdYagbxojpONwa/l0EKJ/O3/wD486VvsQjO/RxPaSt6ZxvQaMcQzNnqKN/mQ6hpGiFro2L2qkz5A==",
            "QKN4fTdIYfh82fvoZCQiQA1weuozfCS/Led2zTMbewMMqH8PI2Wsy/5c4ao6B6D09nraNQdBNOADg8aM1MqfCg==",
        ),
        (
            "https://signature-agent.test",
            "sig2",
            "agent2",
            "n9p433xm+NJ3ph3upfBIGmsuwHw387YV7Q/F+6BSpGCVjYCqQw6rznNA8PVVLySrAWsv0hQtFioQb6E1YsauiA==",
            "RdNFx5Bj6au3YgAMQL/RzmUlZE8QZLIaXGRpw985hWnwPfMxT228NMk6ehRS1PSl4e8PhbNZACSanGdhEwYCCg==",
        ),
    ],
)
def test_the_vectors_of_the_draft(
    tmp_path: Path, agent: str | None, label: str, agent_label: str, nonce: str, expected: str
) -> None:
    """Ed25519 is deterministic: the published signatures come out byte for byte."""
    (tmp_path / "key.jwk").write_text(json.dumps(TEST_KEY))
    signer = load_signer(str(tmp_path / "key.jwk"), agent)
    assert signer is not None
    assert signer.key_id == TEST_KEY_ID
    headers = dict(
        signer.headers(
            "example.com",
            clock=lambda: 1735689600.9,
            random=lambda _: base64.b64decode(nonce),
            label=label,
            agent_label=agent_label,
            valid=4889289600 - 1735689600,
        )
    )
    assert headers["Signature"] == f"{label}=:{expected}:"
    assert headers.get("Signature-Agent") == (agent and f'{agent_label}="{agent}"')


class Keys(HTTPSignatureKeyResolver):
    """The public key that the verifier knows."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self.key = key

    def resolve_public_key(self, key_id: str) -> Any:
        return self.key.public_key()

    def resolve_private_key(self, key_id: str) -> Any:
        raise NotImplementedError


async def test_requests_are_verified_by_another_implementation(new_site: NewSite) -> None:
    """Each hop has a signature of its own, for its authority, valid now and for five minutes at most."""
    key = Ed25519PrivateKey.generate()
    site = await new_site(
        {"a.test/": (302, {"Location": "http://b.test:8080/x"}, b""), "b.test:8080/x": "ok"}
    )
    options = site.options(signer=RequestSigner(key, "https://bot.example.com"))
    assert await fetch(options, "http://a.test/", site="a.test") == [(200, None)]
    assert len(site.requests) == 2
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=Keys(key))
    nonces = set()
    for request, authority in zip(site.requests, ("a.test", "b.test:8080"), strict=True):
        seen = SimpleNamespace(
            method="GET", url=f"http://{authority}{request.rel_url}", headers=dict(request.headers)
        )
        (result,) = verifier.verify(seen, expect_tag="web-bot-auth", require_components=["@authority"])
        assert result.covered_components['"@authority"'] == authority
        assert result.covered_components['"signature-agent";key="sig1"'] == '"https://bot.example.com"'
        lifetime = int(result.parameters["expires"]) - int(result.parameters["created"])
        assert 0 < lifetime <= 300
        nonces.add(result.nonce)
        other = SimpleNamespace(method="GET", url="http://evil.test/", headers=dict(request.headers))
        with pytest.raises(InvalidSignature):
            verifier.verify(other, expect_tag="web-bot-auth")
    assert len(nonces) == 2


def test_a_key_file(tmp_path: Path) -> None:
    """PEM from openssl and JWK are the same key; other files are usage errors that do not quote them."""
    key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(TEST_KEY["d"] + "="))
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(pem)
    signer = load_signer(str(tmp_path / "key.pem"), None)
    assert signer is not None
    assert signer.key_id == TEST_KEY_ID
    assert load_signer(None, None) is None
    public = {name: TEST_KEY[name] for name in ("kty", "crv", "x")}
    wrong = ["s3cret", "{}", "[]", json.dumps(public), json.dumps(TEST_KEY | {"crv": "X25519"})]
    for text in [*wrong, CERTIFICATE.read_text(), KEY.read_text()]:
        (tmp_path / "wrong").write_text(text)
        with pytest.raises(UsageError, match="no Ed25519 private key") as caught:
            load_signer(str(tmp_path / "wrong"), None)
        assert "s3cret" not in str(caught.value)
    with pytest.raises(UsageError, match="cannot read"):
        load_signer(str(tmp_path / "absent"), None)
    for agent in ("http://a.test", "a.test", 'https://a.test/"', "https://me:pw@a.test", "https://ä.test"):
        with pytest.raises(UsageError, match="--signature-agent takes an https URL"):
            load_signer(str(tmp_path / "key.pem"), agent)
    with pytest.raises(UsageError, match="requires --signature-key"):
        load_signer(None, "https://a.test")


# -- client certificates


async def test_a_client_certificate(new_site: NewSite) -> None:
    """The site of the target gets it; another site that asks for one does not."""
    site = await new_site({"/a": "ok"}, tls=True, client_ca=CERTIFICATE)
    certificate = parse_certificate(str(CERTIFICATE), str(KEY))
    options = site.options(ca_file=str(CERTIFICATE), certificate=certificate)
    assert await fetch(options, "https://tls.test/a") == [(200, None)]
    assert (await fetch(options, "https://tls.test/a", site="elsewhere.test"))[0][0] is None
    assert (await fetch(replace(options, certificate=None), "https://tls.test/a"))[0][0] is None
    unverified = replace(options, ca_file=None, verify_tls=False)
    assert await fetch(unverified, "https://tls.test/a") == [(200, None)]


def test_the_option_of_curl(tmp_path: Path) -> None:
    """FILE, FILE:PASSWORD, a colon in the name, key and certificate in one file"""
    key = serialization.load_pem_private_key(KEY.read_bytes(), None)
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"p:w"),
    )
    both = tmp_path / "both.pem"
    both.write_bytes(CERTIFICATE.read_bytes() + sealed)
    odd = tmp_path / "a:b.pem"
    odd.write_bytes(both.read_bytes())
    for text in (f"{both}:p:w", f"{tmp_path}/a\\:b.pem:p:w"):
        found = parse_certificate(text, None)
        assert found is not None
        assert found.password == "p:w"
        assert "p:w" not in repr(found)
    (tmp_path / "c:d.pem").write_bytes(CERTIFICATE.read_bytes() + KEY.read_bytes())
    assert parse_certificate(str(tmp_path / "c:d.pem"), None) is not None
    for text in (f"{both}:s3cret", str(both), f"{CERTIFICATE}:s3cret", f"{tmp_path}/absent:s3cret"):
        with pytest.raises(UsageError, match="cannot load the certificate") as caught:
            parse_certificate(text, None)
        assert "s3cret" not in str(caught.value) + (caught.value.hint or "")
    with pytest.raises(UsageError, match="--key requires --cert"):
        parse_certificate(None, str(KEY))


# -- netrc


async def test_netrc(new_site: NewSite, tmp_path: Path) -> None:
    """Over https to the named hosts of the target's site only; an Authorization header of the user wins."""
    file = tmp_path / "netrc"
    file.write_text(
        "machine tls.test login ann password pä\n"
        "machine other.test login x password y\n"
        "default login d password e\n"
    )
    known = load_netrc(str(file), wanted=False)
    assert known is not None
    proof = f"Basic {base64.b64encode('ann:pä'.encode()).decode()}"
    site = await new_site({"/a": "ok"}, tls=True)
    plain = await new_site({"/a": "ok"})
    options = site.options(ca_file=str(CERTIFICATE), netrc=known)
    assert await fetch(options, "https://tls.test/a", "https://sub.tls.test/a") == [(200, None)] * 2
    await fetch(options, "https://tls.test/a", site="elsewhere.test")
    sent = [request.headers.get("Authorization") for request in site.requests]
    assert sent == [proof, None, None]
    await fetch(plain.options(netrc=known), "http://tls.test/a")
    assert "Authorization" not in plain.requests[0].headers


def test_the_netrc_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--netrc` reads ~/.netrc; a file that is absent or invalid is a usage error without its content."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_netrc(None, wanted=False) is None
    with pytest.raises(UsageError, match="--netrc: cannot read"):
        load_netrc(None, wanted=True)
    (tmp_path / ".netrc").write_text("machine a.test login me password s3cret\n")
    (tmp_path / ".netrc").chmod(0o600)
    found = load_netrc(None, wanted=True)
    assert found is not None
    assert found.authorization("a.test") == f"Basic {base64.b64encode(b'me:s3cret').decode()}"
    assert "s3cret" not in repr(found)
    (tmp_path / "bad").write_text("machine a.test s3cret nonsense\n")
    with pytest.raises(UsageError, match="no valid netrc file") as caught:
        load_netrc(str(tmp_path / "bad"), wanted=False)
    assert "s3cret" not in str(caught.value)


# -- the token of robots.txt


@pytest.mark.parametrize(
    "agent",
    [
        "AcmeBot",
        "AcmeBot/1.0",
        "AcmeBot/1.0 (+https://acme.example/bot)",
        "Mozilla/5.0 (compatible; AcmeBot/1.0; +https://acme.example/bot)",
        "Mozilla/5.0 (compatible; AcmeBot; +https://acme.example/bot)",
        "Mozilla/5.0 (compatible;AcmeBot/1.0;+https://acme.example/bot)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; AcmeBot/2.1; +https://acme.example)"
        " Chrome/120.0 Safari/537.36",
        "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/120.0 Mobile Safari/537.36 (compatible; AcmeBot/2.1; +https://acme.example)",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko)"
        " Version/13.1.1 Safari/605.1.15 (AcmeBot/0.1; +https://acme.example)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 AcmeBot/1",
        "Mozilla/5.0 AcmeBot/1.0",
        "Mozilla/5.0 (compatible) AcmeBot/1.0",
    ],
)
def test_shapes_of_a_user_agent(agent: str) -> None:
    """The token is that of the crawler, not of a browser it names."""
    assert product_token(agent) == "AcmeBot"


def test_the_token_as_an_option() -> None:
    """`--robots-agent` replaces the token of the User-Agent; only letters, _ and - are a token."""
    assert ScanSettings(robots_agent=" Other-Bot ").crawl_options().robots_agent == "Other-Bot"
    for wrong in ("Other Bot", "Bot/1", "*", "bot2"):
        with pytest.raises(UsageError, match="--robots-agent"):
            ScanSettings(robots_agent=wrong).crawl_options()

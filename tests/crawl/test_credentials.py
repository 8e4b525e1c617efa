"""Credentials of targets: basic and digest authentication, and the message of a refusal."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contentmap_cli.crawl.access.netrc_file import NetrcFile
from contentmap_cli.crawl.access.signatures import RequestSigner
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.options import ConnectTo, CrawlOptions
from contentmap_cli.crawl.targets import BadTarget, TargetLine, group_targets, parse_target

NewSite = Callable[..., Awaitable[Any]]
PASSWORD = "v1:o/l@et% ü"  # pragma: allowlist secret
IN_URL = "v1%3Ao%2Fl%40et%25%20%C3%BC"  # pragma: allowlist secret
MAP = '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>http://site.test/1</loc></url></urlset>'
PAGES = {"/robots.txt": "Sitemap: http://site.test/map.xml?a=b", "/map.xml": MAP}


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("text", "credentials"),
    [
        ("https://ann:pw@example.com/", ("ann", "pw")),
        (f"http://ann:{IN_URL}@example.com/map.xml", ("ann", PASSWORD)),
        ("ann:p:w@example.com", ("ann", "p:w")),
        ("https://ann:p@w@example.com", ("ann", "p@w")),
        ("https://token@example.com/", ("token", "")),
        ("https://:pw@example.com/", ("", "pw")),
        ("https://@example.com/", None),
        ("https://example.com/@me", None),
    ],
)
def test_credentials_in_a_target(text: str, credentials: tuple[str, str] | None) -> None:
    """They are percent-decoded and no part of the target's name, origins, sitemaps or text."""
    target = parse_target(text)
    assert (target.domain, target.credentials) == ("example.com", credentials)
    assert "pw" not in repr(target)
    assert "ann" not in repr(target)


@pytest.mark.parametrize("userinfo", ["ann:%ff", "ann:a%0ab", "a%3An:pw"])
def test_credentials_that_cannot_be_sent(userinfo: str) -> None:
    """The error does not quote them."""
    with pytest.raises(BadTarget) as caught:
        parse_target(f"https://{userinfo}@example.com")
    assert userinfo not in str(caught.value)


@pytest.mark.parametrize("between", ["#x", "?x", "/x", "/", "#", "\\x"])
@pytest.mark.parametrize("scheme", ["https://", "http://", "//", ""])
def test_a_password_that_looks_like_a_port(scheme: str, between: str) -> None:
    """User name and digits are no host and port; the error does not quote them, in a list neither."""
    text = f"{scheme}bob:1234{between}@a.test/"
    with pytest.raises(BadTarget) as caught:
        parse_target(text)
    assert "%23" in (caught.value.hint or "")
    (error,) = group_targets([TargetLine(text, 1)]).errors
    for part in ("bob", "1234"):
        assert part not in str(caught.value) + error.text + error.message


@pytest.mark.parametrize("text", ["https://a.test:8443/x/#a", "https://[::1]:8443/@me/", "a.test:8443?a=b"])
def test_a_port(text: str) -> None:
    """It is one without an @ behind it, and after an address in brackets."""
    assert parse_target(text).credentials is None


def test_one_user_per_domain() -> None:
    """Lines of a domain share its credentials; others are an error."""
    lines = ("http://ann:pw@a.test/x/", "http://a.test/y/", "http://ann:no@a.test/z/")
    found = group_targets([TargetLine(text, number) for number, text in enumerate(lines, 1)])
    (target,) = found.targets
    assert (target.credentials, target.path, target.more_paths) == (("ann", "pw"), "/x/", ("/y/",))
    assert [error.line for error in found.errors] == [3]
    assert "ann" not in found.errors[0].text + found.errors[0].message


def test_the_stricter_scheme_of_two_lines() -> None:
    """A site that one line names with https is not requested over http because another names no scheme."""
    for lines in (("a.test", "https://a.test"), ("https://a.test", "a.test")):
        found = group_targets([TargetLine(text) for text in lines])
        assert found.targets[0].typed_scheme == "https"
        assert len(found.duplicates) == 1
    assert parse_target("a.test").typed_scheme is None
    assert parse_target("http://a.test").typed_scheme == "http"


async def outcome(options: CrawlOptions, target: str) -> tuple[str, str]:
    """The outcome of a crawl, and its reason."""
    async with Crawler(options) as crawler:
        with await crawler.crawl(parse_target(target)) as result:
            return result.status.value, result.failure.message if result.failure else ""


@pytest.mark.parametrize("given", ["target", "user", "credentials", "header"])
async def test_basic(new_site: NewSite, given: str) -> None:
    """However they are given; a target's own come before those for all targets."""
    seen: set[str | None] = set()

    async def guarded(request: Any) -> Any:
        seen.add(request.headers.get("Authorization"))
        if request.headers.get("Authorization") != basic("ann", PASSWORD):
            return 401, {"WWW-Authenticate": "Basic realm=x"}, b"<html>Who are you?</html>"
        return PAGES.get(request.path, 404)

    site = await new_site({"*": guarded})
    target = "http://site.test"
    options: dict[str, Any] = {"user": ("other", "pw")}
    if given == "target":
        target = f"http://ann:{IN_URL}@site.test"
    elif given == "user":
        options["user"] = ("ann", PASSWORD)
    elif given == "credentials":
        options["credentials"] = {"site.test": ("ann", PASSWORD)}
    else:
        options = {"headers": (("authorization", basic("ann", PASSWORD)),)}
    assert await outcome(site.options(**options), target) == ("ok", "")
    assert seen == {basic("ann", PASSWORD)}


async def test_a_refusal_says_why(new_site: NewSite) -> None:
    """Missing and wrong credentials are distinguished."""

    async def guarded(_: Any) -> Any:
        return 401, {"WWW-Authenticate": "Basic realm=x"}, b"Who are you?"

    site = await new_site({"*": guarded})
    status, message = await outcome(site.options(), "http://site.test")
    assert (status, "401: it requires credentials" in message) == ("failed", True)
    status, message = await outcome(site.options(), "http://ann:pw@site.test")
    assert (status, "401: the credentials are not accepted" in message) == ("failed", True)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("https://tls.test", {401: "401: the credentials are not accepted", 403: "403"}),
        (
            "http://tls.test",
            dict.fromkeys((401, 403), "the credentials of the netrc file are sent over https only"),
        ),
        ("https://other.tls.test", {401: "401: it requires credentials", 403: "403"}),
    ],
)
async def test_refused_credentials_of_netrc(
    new_site: NewSite, ca_file: str, target: str, said: dict[int, str], status: int
) -> None:
    """They are given, or withheld over http."""
    site = await new_site({"*": status}, tls=target.startswith("https:"))
    netrc = NetrcFile({"tls.test": basic("ann", "pw")})
    _, message = await outcome(site.options(netrc=netrc, ca_file=ca_file), target)
    assert message.endswith(said[status])


async def test_credentials_that_were_withheld(
    new_site: NewSite, new_raw: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A bare target that is only served over http: they are not sent, a warning and the reason say so."""

    async def guarded(request: Any) -> Any:
        assert "Authorization" not in request.headers
        return 401, {"WWW-Authenticate": "Basic realm=x"}, b"Who are you?"

    site = await new_site({"*": guarded})  # https to a server of http fails
    status, message = await outcome(site.options(user=("ann", "pw"), retries=0), "site.test")
    assert (status, "not sent over http" in message) == ("failed", True)
    warned = [each for each in caplog.records if "without --header" in each.message]
    assert len(warned) == 1
    assert "pw" not in caplog.text


def digest_response(fields: dict[str, str], method: str, password: str) -> str:
    """Return the response that a digest header should have (RFC 7616 section 3.4.1)."""
    algorithm = fields.get("algorithm", "MD5").upper()
    name = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[algorithm.removesuffix("-SESS")]

    def of(text: str) -> str:
        return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

    secret = of(f"{fields['username']}:{fields['realm']}:{password}")
    if algorithm.endswith("-SESS"):
        secret = of(f"{secret}:{fields['nonce']}:{fields['cnonce']}")
    action = of(f"{method}:{fields['uri']}" + (f":{of('')}" if fields.get("qop") == "auth-int" else ""))
    terms = [fields[each] for each in ("nc", "cnonce", "qop")] if "qop" in fields else []
    return of(":".join([secret, fields["nonce"], *terms, action]))


def test_the_checker_of_digests() -> None:
    """It gives the responses of RFC 7616 section 3.9.1."""
    fields = {
        "username": "Mufasa",
        "realm": "http-auth@example.org",
        "uri": "/dir/index.html",
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        "qop": "auth",
    }
    assert digest_response(fields, "GET", "Circle of Life") == "8ca523f5e9506fed4657c9700eebdbec"
    fields["algorithm"] = "SHA-256"
    expected = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"  # pragma: allowlist secret
    assert digest_response(fields, "GET", "Circle of Life") == expected


class DigestGuard:
    """Pages behind digest authentication, for the user `ann"n`.

    A nonce is valid for `uses` requests; `stale` says whether the server marks one that is not any more.
    """

    def __init__(self, lines: list[str], *, uses: int = 100, stale: bool = True) -> None:
        self.lines, self.uses, self.marked = lines, uses, stale
        self.nonces: dict[str, set[str]] = {}
        self.refusals = 0

    async def __call__(self, request: Any) -> Any:
        header = request.headers.get("Authorization", "")
        found = re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^,\s]+))', header)
        fields = {name: re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in found}
        used = self.nonces.get(fields.get("nonce", ""))
        good = (
            header.startswith("Digest ")
            and fields["uri"] == request.path_qs
            and fields["username"] == 'ann"n'
            and fields["response"] == digest_response(fields, "GET", "pw")
        )
        stale = good and (used is None or len(used) >= self.uses)
        if good and not stale and used is not None and fields.get("nc") not in used:
            used.add(fields.get("nc") or str(len(used)))
            return PAGES.get(request.path, 404)
        self.refusals += 1
        nonce = f"n{len(self.nonces)}"
        self.nonces[nonce] = set()
        mark = ", stale=TRUE" if stale and self.marked else ""
        answer = web.Response(status=401, text="Who are you?")
        for line in self.lines:
            answer.headers.add("WWW-Authenticate", line.replace("NONCE", f'nonce="{nonce}"') + mark)
        return answer


@pytest.mark.parametrize(
    "lines",
    [
        ['Digest realm="hall", NONCE, qop="auth", algorithm=MD5'],
        ['Digest realm="hall", NONCE'],
        ['digest realm="a \\"b\\", c", NONCE, qop="auth-int,auth", opaque="o", algorithm=SHA-256'],
        ['Digest NONCE, realm="hall", qop=auth-int, algorithm=MD5-sess'],
        ['Digest realm="hall", NONCE, qop="auth", algorithm=SHA-512-256'],
        ["Negotiate", "NTLM", 'Digest realm="hall", NONCE, qop="auth"'],
        ['Basic realm="other", Digest realm="hall", NONCE, qop="auth", Bearer realm="third"'],
        ['Digest realm="hall", NONCE, algorithm=FUTURE', 'Digest realm="hall", NONCE, algorithm=SHA-256'],
    ],
)
async def test_digest(new_site: NewSite, lines: list[str]) -> None:
    """Each request is counted, signed by itself and keeps the delay; later ones need no challenge."""
    guard = DigestGuard(lines)
    site = await new_site({"*": guard})
    signer = RequestSigner(Ed25519PrivateKey.generate())
    options = site.options(user=('ann"n', "pw"), signer=signer, delay=0.1)
    begin = asyncio.get_running_loop().time()
    async with Crawler(options) as crawler:
        with await crawler.crawl(parse_target("http://site.test")) as result:
            assert (result.status.value, result.requests, result.retries) == ("ok", len(site.times), 0)
    assert guard.refusals == 1
    assert len({request.headers["Signature"] for request in site.requests}) == len(site.requests)
    assert all(asked - begin > number * 0.1 - 0.01 for number, asked in enumerate(site.times))


@pytest.mark.parametrize("stale", [True, False])
async def test_a_stale_nonce(new_site: NewSite, stale: bool) -> None:
    """The same credentials answer the new challenge."""
    guard = DigestGuard(['Digest realm="hall", NONCE, qop="auth"'], uses=1, stale=stale)
    site = await new_site({"*": guard})
    assert await outcome(site.options(user=('ann"n', "pw")), "http://site.test") == ("ok", "")
    assert guard.refusals > 1


@pytest.mark.parametrize(
    "line",
    [
        'Digest realm="hall", NONCE, qop="auth"',  # with a wrong password
        'Digest realm="hall", NONCE, algorithm=FUTURE',
        'Digest realm="hall", qop="auth"',
        'Digest realm="hall", nonce=""',
        'Digest realm="hall", NONCE, qop="other"',
        "Digest NONCE",
        "Digest",
        'Digest realm="hall", NONCE, stale=true',
    ],
)
async def test_digest_that_is_refused(new_site: NewSite, line: str) -> None:
    """The reason is the 401, and a wrong password is sent once per request."""
    guard = DigestGuard([line])
    site = await new_site({"*": guard})
    status, message = await outcome(site.options(user=('ann"n', "wrong")), "http://site.test")
    assert status == "failed"
    assert "answered 401: the credentials are not accepted" in message
    if "stale" not in line:
        asked = [
            request.url for request in site.requests if "Digest" in request.headers.get("Authorization", "")
        ]
        assert len(asked) == len(set(asked))


async def test_a_request_that_is_repeated_on_a_new_connection(new_raw: Any) -> None:
    """aiohttp repeats it if a kept connection was closed: it is counted, and has a signature of its own."""
    seen: list[tuple[str, str]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for served in (True, False):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            seen.append((head.split(" ")[1], head.partition("Signature: ")[2].partition("\r\n")[0]))
            body = PAGES.get(seen[-1][0].partition("?")[0], "").encode()
            if served:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    port = await new_raw(handle)
    options = CrawlOptions(
        connect_to=(ConnectTo(None, None, "127.0.0.1", port),),
        signer=RequestSigner(Ed25519PrivateKey.generate()),
    )
    async with Crawler(options) as crawler:
        with await crawler.crawl(parse_target("http://site.test")) as result:
            assert (result.status.value, result.requests, result.retries) == ("ok", len(seen), 1)
    assert [path for path, _ in seen] == ["/robots.txt", "/map.xml?a=b", "/map.xml?a=b"]
    assert len({signature for _, signature in seen}) == 3

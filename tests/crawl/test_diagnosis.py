"""The checks of `doctor` on real sockets: certificates of every kind, addresses, refusals."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from proxy_servers import proxy_server

from contentmap_cli.crawl.access.proxies import Proxies
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.options import ConnectTo, CrawlOptions
from contentmap_cli.crawl.targets import parse_target
from contentmap_cli.models import Limits
from contentmap_cli.models.diagnosis import Check, Level

NewSite = Callable[..., Awaitable[Any]]
LIMITS = Limits(connect_timeout=5, read_timeout=5, request_timeout=10)
URLSET = b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>%s</loc></url></urlset>'
HEALTHY = {
    "/robots.txt": "User-agent: *\nAllow: /\nSitemap: http://site.test/map.xml\n",
    "/": (200, {"Content-Type": "text/html"}, b"<html><title>Site</title></html>"),
    "/map.xml": (200, {"Content-Type": "application/xml"}, URLSET % b"http://site.test/1"),
}


async def diagnose(target: str, options: CrawlOptions) -> list[Check]:
    """Run all checks."""
    async with Crawler(options) as crawler:
        return await crawler.diagnose(parse_target(target))


def of(checks: list[Check], step: str) -> Check:
    """Return the first check of a step."""
    return next(check for check in checks if check.step == step)


class Authority:
    """A certificate authority with an intermediate one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root = self._certificate("Test Root", self.root_key, "Test Root", self.root_key, days=1000)
        self.intermediate = self._certificate("Test CA", self.key, "Test Root", self.root_key, days=1000)
        (folder / "root.pem").write_bytes(root)

    def context(self, name: str, *, days: float, chain: bool = True) -> ssl.SSLContext:
        """Return the context of a server whose certificate is valid for `days`."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._certificate(name, key, "Test CA", self.key, days=days, authority=False)
        (self.folder / "leaf.pem").write_bytes(leaf + (self.intermediate if chain else b""))
        (self.folder / "key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "leaf.pem", self.folder / "key.pem")
        return context

    def _certificate(
        self, name: str, key: Any, issuer: str, issuer_key: Any, *, days: float, authority: bool = True
    ) -> bytes:
        now = datetime.now(UTC)
        subject, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, issuer))
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
            )
        )
        if authority:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        else:
            names = x509.SubjectAlternativeName([x509.DNSName(name)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@asynccontextmanager
async def tls_server(context: ssl.SSLContext) -> AsyncIterator[int]:
    """Run a server that answers 404 over TLS."""
    runner = web.AppRunner(web.Application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("name", "terms", "level", "said", "action"),
    [
        ("tls.test", {"days": 90}, Level.OK, "certificate by Test CA, valid for 89 more days", None),
        ("tls.test", {"days": 5}, Level.WARNING, "valid for 4 more days", "renew"),
        ("tls.test", {"days": -5}, Level.ERROR, "expired", "renew"),
        ("other.test", {"days": 90}, Level.ERROR, "mismatch", "contains this name"),
        ("tls.test", {"days": 90, "chain": False}, Level.ERROR, "unable to get local issuer", "--ca-file"),
        ("*.tls.test", {"days": 90, "host": "ab.tls.test"}, Level.OK, "certificate by Test CA", None),
        ("*.tls.test", {"days": 90, "host": "a_b.tls.test"}, Level.ERROR, "an underscore)", "--insecure"),
        ("a_b.tls.test", {"days": 90, "host": "a_b.tls.test"}, Level.OK, "certificate by Test CA", None),
    ],
)
async def test_certificates(
    tmp_path: Path, name: str, terms: dict[str, Any], level: Level, said: str, action: str | None
) -> None:
    """Expiry, name, underscore and chain each have their cause and what to do."""
    terms = dict(terms)
    host = terms.pop("host", "tls.test")
    async with tls_server(Authority(tmp_path).context(name, **terms)) as port:
        connect_to = (ConnectTo(None, None, "127.0.0.1", port),)
        options = CrawlOptions(
            connect_to=connect_to, ca_file=str(tmp_path / "root.pem"), limits=LIMITS, retries=0
        )
        checks = await diagnose(f"https://{host}", options)
    found = of(checks, "tls")
    assert found.level is level
    assert said in found.message
    assert (action or "") in (found.action or "")
    assert (found.code == "tls_certificate") is (level is Level.ERROR)
    if level is Level.ERROR:
        assert said in of(checks, "robots.txt").message  # the error of a scan


async def test_a_healthy_site(new_site: NewSite) -> None:
    """No findings, and not more than a dozen requests."""
    site = await new_site(dict(HEALTHY))
    checks = await diagnose("http://site.test", site.options(limits=LIMITS, retries=0))
    assert [check for check in checks if check.level.is_finding] == []
    assert [check.step for check in checks if check.level is Level.OK][-3:] == [
        "robots.txt",
        "home page",
        "sitemap",
    ]
    assert "urlset, 1 entry" in of(checks, "sitemap").message
    assert sorted(site.paths) == ["/", "/map.xml", "/robots.txt"]


async def test_a_user_agent_that_is_refused(new_site: NewSite) -> None:
    """The home page is asked for once more with the User-Agent of a browser."""

    async def home(request: web.Request) -> web.Response:
        return web.Response(status=200 if "Firefox" in request.headers["User-Agent"] else 403)

    site = await new_site(HEALTHY | {"/": home})
    checks = await diagnose("http://site.test", site.options(limits=LIMITS, retries=0))
    assert (of(checks, "home page").level, of(checks, "home page").code) == (Level.ERROR, "blocked")
    other = of(checks, "user agent")
    assert other.level is Level.WARNING
    assert "gets 200, the crawler's gets 403" in other.message
    site.pages["/"] = 403
    checks = await diagnose("http://site.test", site.options(limits=LIMITS, retries=0))
    assert of(checks, "user agent").level is Level.INFO


async def test_robots_and_redirects(new_site: NewSite) -> None:
    """What robots.txt disallows is not requested; each hop of a redirect is a line."""
    site = await new_site(HEALTHY | {"/robots.txt": "User-agent: *\nDisallow: /\n"})
    checks = await diagnose("http://site.test", site.options(limits=LIMITS, retries=0))
    assert of(checks, "home page").code == "disallowed"
    assert site.paths == ["/robots.txt"]
    moved = {"/a": (302, {"Location": "http://elsewhere.test/b"}, b"")}
    site = await new_site(HEALTHY | moved | {"/": (301, {"Location": "/a"}, b""), "/b": "x"})
    checks = await diagnose("http://site.test", site.options(limits=LIMITS, retries=0))
    hops = [(check.subject, check.message, check.level) for check in checks if check.step == "redirect"]
    assert hops[0] == ("http://site.test/", "to http://site.test/a", Level.OK)
    assert hops[1] == ("http://site.test/a", "to http://elsewhere.test/b", Level.WARNING)
    assert of(checks, "home page").code == "moved"


async def test_addresses_that_are_not_reached() -> None:
    """The address policy applies; a closed port and an unknown name are named."""
    blocked = await diagnose("http://127.0.0.1:1", CrawlOptions(limits=LIMITS, retries=0))
    assert of(blocked, "address").code == "address_blocked"
    assert "--allow-net" in (of(blocked, "address").action or "")
    closed = await diagnose("http://127.0.0.1:1", CrawlOptions(limits=LIMITS, retries=0, allow_private=True))
    assert of(closed, "address").code == "connect_error"
    assert of(closed, "address").message == "connection refused"
    assert (of(closed, "site").level, of(closed, "site").code) == (Level.ERROR, "connect_error")
    assert of(blocked, "site").code == "address_blocked"
    far = CrawlOptions(limits=replace(LIMITS, connect_timeout=0.5), retries=0, allow_nets=("2001:db8::/32",))
    unreachable = await diagnose("http://[2001:db8::1]/", far)
    assert of(unreachable, "address").code in ("connect_error", "timeout")
    assert "2001" not in of(unreachable, "address").message
    unknown = await diagnose("no-such-name.invalid", CrawlOptions(limits=LIMITS, retries=0))
    assert {check.code for check in unknown} == {"dns_error"}
    assert all("robots" not in check.step for check in unknown)


async def test_credentials_that_are_refused(new_site: NewSite) -> None:
    """The action is about credentials, which are not sent again as a browser."""
    site = await new_site({"*": (401, {"WWW-Authenticate": "Basic realm=x"}, b"")})
    for user, action in ((None, "--user"), (("ann", "wrong"), "check the user name")):
        site.asked.clear()
        checks = await diagnose("http://site.test", site.options(limits=LIMITS, retries=0, user=user))
        found = [check for check in checks if check.level.is_finding]
        assert all(action in (check.action or "") for check in found), found
        assert len(site.asked) == len(set(site.asked))
    checks = await diagnose("site.test", site.options(limits=LIMITS, retries=0, user=user))
    assert "type the target with http://" in (of(checks, "home page").action or "")


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("where", ["robots.txt", "home page", "sitemap"])
async def test_a_site_that_asks_to_retry_later(new_site: NewSite, status: int, where: str) -> None:
    """It is the only finding, the time is named, and the site is not requested again."""
    later = (status, {"Retry-After": "3600"}, b"")
    path = {"robots.txt": "/robots.txt", "home page": "/", "sitemap": "/map.xml"}[where]
    site = await new_site(HEALTHY | {path: later})
    checks = await diagnose("http://site.test", site.options(limits=LIMITS, retries=0))
    (found,) = [check for check in checks if check.level.is_finding]
    assert (found.step, found.action) == (where, "retry after 3600 seconds")
    assert site.paths[-1] == path


async def test_conclusions_from_what_was_refused(new_site: NewSite) -> None:
    """Sitemaps are missing only if their paths answered so; an unavailable robots.txt is one finding."""
    names = "names no sitemap"
    page = {"Content-Type": "text/html"}
    login = b"<html><title>Login</title><form method=post><input type=password name=p></form></html>"
    home = {"/": HEALTHY["/"]}
    for pages, expected in (
        ({"*": 403}, False),
        ({"/robots.txt": "User-agent: *\nDisallow: /"} | home, False),
        ({"*": (200, page, login)}, False),
        (home, True),
    ):
        site = await new_site(pages)
        checks = await diagnose("http://site.test", site.options(limits=LIMITS, retries=0))
        assert any(names in check.message for check in checks) is expected, pages
        if "*" in pages:
            assert any(check.step == "user agent" for check in checks) is (pages["*"] == 403)
        if pages.get("*") not in (None, 403):
            assert "give credentials" in (of(checks, "home page").action or "")
    site = await new_site({"*": 503})
    checks = await diagnose("http://site.test", site.options(limits=LIMITS, retries=0))
    assert [check.code for check in checks if check.level.is_finding] == ["robots_unreachable"]


async def test_a_loop_of_redirects(new_site: NewSite) -> None:
    """robots.txt in a loop is an error, as in a scan."""

    async def loop(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": request.path})

    site = await new_site({"*": loop})
    checks = await diagnose("http://site.test", site.options(limits=LIMITS, retries=0))
    assert (of(checks, "robots.txt").level, of(checks, "robots.txt").code) == (Level.ERROR, "redirect_loop")


async def test_the_crawl_delay(new_site: NewSite) -> None:
    """It is kept from robots.txt on."""
    site = await new_site(HEALTHY | {"/robots.txt": "User-agent: *\nCrawl-delay: 0.1\n"})
    begin = asyncio.get_running_loop().time()
    await diagnose("http://site.test", site.options(limits=LIMITS, retries=0))
    assert len(site.times) == 4
    assert all(asked - begin > number * 0.1 - 0.01 for number, asked in enumerate(site.times[1:]))


@pytest.mark.parametrize("secure", ["closed", "untrusted"])
async def test_a_site_that_is_served_over_http(new_site: NewSite, secure: str) -> None:
    """https that does not work is no finding for a target without a scheme: a scan reads the site."""
    site, tls = await new_site(HEALTHY), await new_site({}, tls=True)
    rules = (
        ConnectTo(None, 443, "127.0.0.1", tls.port if secure == "untrusted" else 1),
        ConnectTo(None, 80, "127.0.0.1", site.port),
    )
    options = CrawlOptions(connect_to=rules, limits=LIMITS, retries=0)
    checks = await diagnose("site.test", options)
    assert [check for check in checks if check.level.is_finding] == []
    assert any(check.code in ("tls_certificate", "connect_error") for check in checks)
    typed = await diagnose("https://site.test", options)
    assert any(check.level.is_finding for check in typed)


async def test_timeouts(new_raw: Any) -> None:
    """A handshake that does not end is a matter of --connect-timeout, a proxy that hangs of --proxy."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    port = await new_raw(hang)
    limits = replace(LIMITS, connect_timeout=0.3)
    rules = (ConnectTo(None, None, "127.0.0.1", port),)
    checks = await diagnose("https://site.test", CrawlOptions(connect_to=rules, limits=limits, retries=0))
    assert (of(checks, "tls").code, of(checks, "site").code) == ("timeout", "timeout")
    assert "raise --connect-timeout" in (of(checks, "tls").action or "")
    used = CrawlOptions(proxies=Proxies.of(f"http://127.0.0.1:{port}"), limits=limits, retries=0)
    checks = await diagnose("https://site.test", used)
    assert (of(checks, "robots.txt").code, of(checks, "site").code) == ("proxy_error", "proxy_error")
    assert "check --proxy" in (of(checks, "robots.txt").action or "")


async def test_through_a_proxy() -> None:
    """Neither name nor address is checked; the proxy's refusal is what failed."""
    async with proxy_server("http", user="ann:right") as proxy:
        used = Proxies.of(f"http://ann:wr0ng@127.0.0.1:{proxy.port}")
        checks = await diagnose("site.test", CrawlOptions(limits=LIMITS, retries=0, proxies=used))
    assert of(checks, "proxy").message == f"through http://127.0.0.1:{proxy.port}: it resolves the name"
    assert of(checks, "robots.txt").code == "proxy_error"
    assert "http://USER:PASSWORD@HOST:PORT" in (of(checks, "robots.txt").action or "")
    assert "wr0ng" not in str(checks)
    assert proxy.refused == 1
    await asyncio.sleep(0)

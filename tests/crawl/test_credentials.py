"""Credentials of targets: basic and digest authentication, and the message of a refusal."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.options import CrawlOptions
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


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def is_digest(header: str, method: str, target: str, user: str, password: str) -> bool:
    """Whether a header answers the challenge of `digest_site` (RFC 7616 section 3.4.1)."""
    fields = {
        name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', header)
    }
    secret, action = md5(f"{user}:hall:{password}"), md5(f"{method}:{fields.get('uri')}")
    terms = (secret, fields.get("nonce"), fields.get("nc"), fields.get("cnonce"), "auth", action)
    return (
        header.startswith("Digest ")
        and fields.get("uri") == target
        and fields.get("response") == md5(":".join(map(str, terms)))
    )


@pytest.mark.parametrize(("password", "expected"), [("pw", "ok"), ("wrong", "failed")])
async def test_digest(new_site: NewSite, password: str, expected: str) -> None:
    """A digest challenge is answered, and later requests need none; a wrong password is reported."""
    challenges = 0

    async def guarded(request: Any) -> Any:
        nonlocal challenges
        header = request.headers.get("Authorization", "")
        if not is_digest(header, "GET", request.path_qs, "ann", "pw"):
            challenges += 1
            challenge = 'Digest realm="hall", nonce="n0nce", qop="auth", algorithm=MD5'
            return 401, {"WWW-Authenticate": challenge}, b"Who are you?"
        return PAGES.get(request.path, 404)

    site = await new_site({"*": guarded})
    status, message = await outcome(site.options(), f"http://ann:{password}@site.test")
    assert status == expected
    if expected == "ok":
        assert challenges == 1
    else:
        assert "the credentials are not accepted" in message

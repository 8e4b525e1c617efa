"""Validation of URLs."""

from __future__ import annotations

import pytest

from contentmap_cli.sitemap.problems import ProblemCode
from contentmap_cli.sitemap.urls import validate_url

BASE = "https://site.example/maps/sitemap.xml"
AS_PUBLISHED = [
    "https://site.example",
    "http://site.example/",
    "https://site.example:8443/a?b=c#d",
    "HTTPS://Site.Example/A",
    "https://site.example/straße?q=ä b",
    "https://bücher.example/",
    "https://xn--bcher-kva.example/",
    "https://%e6%95%ac.example/",
    "https://site.example/@user:x@y",
    "https://[2001:db8::1]/x",
    "https://[2001:db8::1]:8080/x",
    "https://site.example/a|b/{c}",
    "https://site.example/a%zz",
    "https://site.example/?a=1&b=2",
    "https://site.example/?a=1&amp;b=2",
    "http://localhost/x",
    "http://1.2.3.4/",
    "http://1.2.3.4:8080/a",
    "http://0x7f.1/",
    "http://3232235777/",
    "http://1.2.3.4.example/",
    "http://-shop-.example/",
    "http://my_shop.example/",
    "http://shop.example./",
    "http://shop.example:/a",
    "http://sh%6fp.example/",
    "http://ΚΑΦΕΣ-ΑΘΗΝΑ.example/",
    "http://STRAẞE.example/",
    "https://site.example/a/../b/./c",
    "https://site.example/a?b=c\\d",
    "https://site.example/a#b\\c",
]
RESOLVED = {
    "/a": "https://site.example/a",
    "a": "https://site.example/maps/a",
    "../a": "https://site.example/a",
    "?a=b": "https://site.example/maps/sitemap.xml?a=b",
    "//other.example/a": "https://other.example/a",
    "\\\\other.example\\a": "https://other.example/a",
    "..\\a?b\\c": "https://site.example/a?b\\c",
    "/../a": "https://site.example/a",
    "  /a\u00a0\ufeff": "https://site.example/a",
    "\u200b https://site.example/a\u2003": "https://site.example/a",
    "https://site.example/a\n      b": "https://site.example/ab",
    "https://site.example/\ta": "https://site.example/a",
}
REJECTED = [
    "javascript:alert(1)",
    "mailto:a@site.example",
    "ftp://site.example/a",
    "data:text/plain,a",
    "http:",
    "http://",
    "http:///a",
    "https://?a",
    "https://site .example/",
    "https://[2001:db8::1/x",
    "https://site.example:99999/",
    "https://site.example:x/",
    "https://si<te.example/",
    "https://site.example/<b>",
    "https://site.example/\x00",
    "https://site.example/\x07",
    "https://site.example/\x85a",
    "https://site.example/\ud800",
    "https://site.example/\ufffd",
    "https://site.example/{{ page.url }}",
    "https://site.example/<%= url %>",
    "https://site.example/{% if x %}",
    "https://{{ host }}/",
    "http://256.12.0.1/c",
    "http://1.2.3.4.5/",
    "http://1.2.3.08/",
    "http://shop.1.2.3.256/",
    "http://shop..test/d",
    "http://.shop.test/",
    "http://shop.test../",
    "http://sh%zzop.test/",
    "http://sh%2fop.test/",
    "http://sh^op.test/",
    "http://shop|test/",
    "http://shop.test:0/",
    "http://shop.test:65536/",
    "http://shop.test:8o80/",
    "http://[1.2.3.4]/",
    "http://[::1/",
    "http://" + "a" * 64 + ".test/",
    "http:/page/1",
    "https:page.html",
    "http:/",
    "http:\\\\",
    "http://https://shop.test/a",
]
REPAIRED = {
    "http:/shop.test/page/1": "http://shop.test/page/1",
    "https:/shop.test/page/1?a=b/c#d": "https://shop.test/page/1?a=b/c#d",
    "https:/site.example": "https://site.example",
    "https:site.example/a": "https://site.example/a",
    "http:shop.test/a": "http://shop.test/a",
    "http:///shop.test/a": "http://shop.test/a",
    "HTTPS:////shop.test/a": "HTTPS://shop.test/a",
    "http:\\\\shop.test\\a": "http://shop.test/a",
    "http:/\\shop.test/a": "http://shop.test/a",
    "http://shop.test\\maps\\posts.xml": "http://shop.test/maps/posts.xml",
    "http://shop.test/maps\\pages.xml?a\\b#c\\d": "http://shop.test/maps/pages.xml?a\\b#c\\d",
    "http://shop.test\\a@b": "http://shop.test/a@b",
    "http:/127.0.0.1:8080/a": "http://127.0.0.1:8080/a",
    "http:/[::1]/a": "http://[::1]/a",
}
"""Absolute URLs that are written otherwise, as browsers read them."""


@pytest.mark.parametrize(
    ("authority", "reason"),
    [
        *((f"site.example:{port}", "an invalid port") for port in ("99999", "65536", "123456")),
        *((host, "an invalid host") for host in ("site.example:x", "https", "https:80")),
    ],
)
def test_what_is_invalid_is_named(authority: str, reason: str) -> None:
    """A port is no host."""
    validated = validate_url(f"https://{authority}/", BASE, 2048)
    assert validated.url is None and validated.message.startswith(f"{reason}: ")


@pytest.mark.parametrize("text", AS_PUBLISHED)
def test_listed_as_published(text: str) -> None:
    """An absolute http(s) URL is not rewritten."""
    validated = validate_url(text, BASE, 2048)
    assert (validated.url, validated.code) == (text, None)


@pytest.mark.parametrize(("text", "url"), REPAIRED.items())
def test_repaired(text: str, url: str) -> None:
    """A URL that browsers read as absolute is listed as such, and reported."""
    validated = validate_url(text, BASE, 2048)
    assert (validated.url, validated.code) == (url, ProblemCode.URL_REPAIRED)
    assert validate_url(url, BASE, 2048).code is None
    assert validated.origin.lower() == validate_url(url, BASE, 2048).origin.lower()


def test_a_scheme_alone_is_absolute_where_it_is_another_one() -> None:
    """URL Standard section 4.4: only a base of the same scheme makes such a reference a relative one."""
    assert validate_url("http:shop.test", BASE, 2048).url == "http://shop.test"
    assert validate_url("https:shop.test", None, 2048).url == "https://shop.test"


@pytest.mark.parametrize(("text", "url"), RESOLVED.items())
def test_resolved(text: str, url: str) -> None:
    """White space is removed, and a relative URL is resolved."""
    assert validate_url(text, BASE, 2048).url == url


@pytest.mark.parametrize("base", [BASE, None])
@pytest.mark.parametrize(
    ("text", "url"),
    {
        "https://user@site.example/": "https://site.example/",
        "https://user:s3cr3t@site.example/a@b": "https://site.example/a@b",
        "HTTPS://user:s3cr3t@Site.Example:8443?a=@": "HTTPS://Site.Example:8443?a=@",
        "https://user:8443@site.example/": "https://site.example/",
        "https://a:s3cr3t@b:s3cr3t@site.example/": "https://site.example/",
        "https://@site.example/": "https://site.example/",
        "https://:s3cr3t@[2001:db8::1]:80/x": "https://[2001:db8::1]:80/x",
        "https://us\n  er:s3cr3t@site.example/": "https://site.example/",
        "https://s3cr3t\\@site.example/": "https://site.example/",
    }.items(),
)
def test_credentials_are_left_out(text: str, url: str, base: str | None) -> None:
    """A user name or password is not recorded, nor quoted by its problem."""
    validated = validate_url(text, base, 2048)
    assert (validated.url, validated.code) == (url, ProblemCode.CREDENTIALS_REMOVED)
    assert "@" not in validated.origin
    assert "s3cr3t" not in validated.message


def test_credentials_of_relative_urls() -> None:
    """Credentials after `//`, and those of the base, are removed."""
    assert validate_url("//user:s3cr3t@site.example/a", BASE, 2048).url == "https://site.example/a"
    assert validate_url("//user:s3cr3t@site.example/a", None, 2048).url == "//site.example/a"
    assert validate_url("/a", "https://user:s3cr3t@site.example/", 2048).url == "https://site.example/a"


@pytest.mark.parametrize(
    "text",
    [
        "ftp://user:s3cr3t@site.example/",
        "https://user:s3cr3t/x@site.example/",
        "https://user:s3cr3t@site .example/",
        "https://user:s3cr3t@site.example:99999/",
        "user:s3cr3t@site.example/",
        "us.er:s3cr3t/x@site.example/",
        "https://user:" + "s3cr3t" * 300 + "@site.example/",
        "https://user:" + "s3cr3t" * 3000 + "@site.example/",
        "https://user:s3cr3t@site.example/{{ x }}",
        "https://user:s3cr3t@site.example/<x>",
        "https://user:s3cr3t@site.example/" + "x" * 2048,
        "https://user:s3cr3t@\u2100.example/",
    ],
)
def test_what_is_refused_is_told_without_credentials(text: str) -> None:
    """The problem of a refused URL quotes its beginning without a password."""
    validated = validate_url(text, BASE, 1024)
    assert validated.url is None
    assert "s3cr3t" not in validated.message, validated.message


@pytest.mark.parametrize("text", REJECTED)
def test_rejected(text: str) -> None:
    """A URL that cannot be requested is refused with a reason."""
    validated = validate_url(text, BASE, 2048)
    assert (validated.url, validated.code) == (None, ProblemCode.REJECTED_URL)
    assert validated.message.isprintable()


def test_relative_without_a_base() -> None:
    """A relative URL without a base is kept."""
    assert validate_url("/a", None, 2048).url == "/a"


@pytest.mark.parametrize(
    ("text", "url"),
    {
        "site.example/a": "https://site.example/a",
        "www.site.example/a": "https://www.site.example/a",
        "site.example:8080/a": "https://site.example:8080/a",
        "other.example/a": "https://site.example/maps/other.example/a",
        "site.example.html": "https://site.example/maps/site.example.html",
    }.items(),
)
def test_own_host_without_scheme(text: str, url: str) -> None:
    """A loc that starts with the site's own host gets a scheme; others are relative paths."""
    validated = validate_url(text, BASE, 2048)
    assert validated.url == url
    assert (validated.code is ProblemCode.SCHEME_ADDED) == (url == f"https://{text}")


@pytest.mark.parametrize("letter", ["a", "ü", "|"])
def test_length_in_bytes(letter: str) -> None:
    """The limit is in UTF-8 bytes of the requested URL."""
    room = (2048 - len("https://site.example/")) // len(letter.encode())
    fits = "https://site.example/" + letter * room
    assert validate_url(fits, BASE, 2048).url == fits
    validated = validate_url(fits + letter, BASE, 2048)
    assert (validated.url, validated.code) == (None, ProblemCode.URL_TOO_LONG)


def test_relative_is_measured_after_resolution() -> None:
    """A short relative URL may be too long when resolved."""
    base = "https://site.example/" + "a" * 2040 + "/"
    assert validate_url("bbb", base, 2048).code is ProblemCode.URL_TOO_LONG


@pytest.mark.parametrize("text", ["", " ", "\u00a0\ufeff", "\n\t"])
def test_empty(text: str) -> None:
    """White space only is not a URL."""
    assert validate_url(text, BASE, 2048).code is ProblemCode.MISSING_URL


def test_a_scheme_is_added_to_what_can_be_a_url() -> None:
    """A host without a scheme that gives no valid URL is refused."""
    for text, code in (
        ("site.example:99999/", "rejected_url"),
        ("site.example/" + "x" * 3000, "url_too_long"),
    ):
        validated = validate_url(text, BASE, 2048)
        assert (validated.url, validated.code) == (None, code)


@pytest.mark.parametrize("text", ["/x", "site.example/x", "x"])
def test_a_base_that_is_no_url(text: str) -> None:
    """Relative URLs are refused; nothing is raised."""
    validated = validate_url(text, "http://[::1/", 2048)
    assert (validated.url, validated.code) == (None, ProblemCode.REJECTED_URL)

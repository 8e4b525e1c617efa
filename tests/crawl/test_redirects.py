"""The targets of redirects, and the cookies of a redirect chain, without a network."""

from __future__ import annotations

import pytest

from contentmap_cli.crawl.http.redirects import RedirectChain, https_url, resolve_location

BASE = "https://a.test/x/y?q=1"


def as_received(raw: bytes) -> str:
    """A header value as aiohttp decodes it."""
    return raw.decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (b"/h\xf6fe/map.xml", "https://a.test/h%F6fe/map.xml"),
        ("/höfe/map.xml".encode(), "https://a.test/h%C3%B6fe/map.xml"),
        (b"?q=\xe4", "https://a.test/x/y?q=%E4"),
        ("https://bücher.test/".encode(), "https://xn--bcher-kva.test/"),
        (rb"https:\\b.test\maps\all.xml", "https://b.test/maps/all.xml"),
        (rb"\maps\all.xml", "https://a.test/maps/all.xml"),
        (rb"\\b.test\z", "https://b.test/z"),
        (rb"sub\z?a\b", r"https://a.test/x/sub/z?a%5Cb"),
        (b"//b.test/z", "https://b.test/z"),
        (b"///b.test/z", "https://b.test/z"),
        (b"https:///b.test/z", "https://b.test/z"),
        (b"http:/b.test/z", "http://b.test/z"),
        (b"https:/z", "https://a.test/z"),
        (b"https:z", "https://a.test/x/z"),
        (b"HTTP://B.TEST:80/Z", "http://b.test/Z"),
        (b" \t/a b\r\n/c ", "https://a.test/a%20b/c"),
        (b"/a\tb", "https://a.test/ab"),
        (b"?new=2", "https://a.test/x/y?new=2"),
        (b"#part", BASE),
        (b"", BASE),
        (b"../../z", "https://a.test/z"),
        (b"/a/%2e%2e/z", "https://a.test/z"),
        (b"z:1", None),
        (b"./z:1", "https://a.test/x/z:1"),
        (b"https://me:pw@b.test/z", "https://b.test/z"),
        (b"https://b.test:8443", "https://b.test:8443/"),
        (b"https://[::1", None),
        (b"ftp://b.test/", None),
        (b"mailto:me@b.test", None),
    ],
)
def test_location_is_resolved_as_in_browsers(location: bytes, expected: str | None) -> None:
    """The expected values are those of the URL Standard, except that bytes are escaped as they were sent."""
    assert resolve_location(BASE, as_received(location)) == expected


def test_https_form_of_a_url() -> None:
    """Only the usual port of http has an https form."""
    assert https_url("http://a.test/b?c") == "https://a.test/b?c"
    assert https_url("https://a.test:8443/b") == "https://a.test:8443/b"
    assert https_url("http://a.test:8080/b") is None


async def test_cookies_are_sent_to_those_who_may_see_them() -> None:
    """Domain, path and Secure of RFC 6265 hold; an expired cookie is deleted."""
    chain = RedirectChain(plain=True)
    assert chain.start("https://a.test/x/y") is None
    cookies = ["one=1", "two=2; Path=/z", "three=3; Domain=a.test; Path=/", "four=4; Secure; Path=/"]
    assert chain.follow("/z/z", cookies) is None
    assert sorted(chain.cookies.split("; ")) == ["four=4", "three=3", "two=2"]
    assert chain.follow("http://www.a.test/", []) is None
    assert chain.cookies == "three=3"
    assert chain.follow("https://b.test/", []) is None
    assert chain.cookies == ""
    assert chain.follow("https://a.test/x/", ["evil=1; Domain=a.test"]) is None  # set by b.test
    assert sorted(chain.cookies.split("; ")) == ["four=4", "one=1", "three=3"]
    assert chain.follow("/x/y", ["three=; Domain=a.test; Path=/; Max-Age=0"]) is None
    assert sorted(chain.cookies.split("; ")) == ["four=4", "one=1"]


@pytest.mark.parametrize(
    ("set_cookie", "sent"),
    [
        ("city=M\udcfcnchen; Path=/", "city=M\xfcnchen"),  # aiohttp sends UTF-8
        ("city=M\u00fcnchen", "city=M\xfcnchen"),
        ("a b=c d", "a b=c d"),
        ('x={"a":1,"b":"c"}; Path=/', 'x={"a":1,"b":"c"}'),
        ('x="quoted"', 'x="quoted"'),
        ("flag; Path=/", "flag"),
        ("=value", "=value"),
        ("a=b=c", "a=b=c"),
        ("a:b@c=1; expires=Wed, 21-Oct-2099 07:28:00 GMT", "a:b@c=1"),
        ("a=1; Max-Age=0", ""),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", ""),
        ("a=1; Domain=.a.test", "a=1"),
        ("a=1; Domain=b.test", ""),
        ("a=1; Domain=", "a=1"),
        ("a\x01=1", ""),
        ("; Path=/", ""),
    ],
)
async def test_cookies_that_browsers_send(set_cookie: str, sent: str) -> None:
    """Name and value are sent back as they were given."""
    chain = RedirectChain()
    assert chain.start("http://a.test/") is None
    chain.follow("/", [set_cookie])
    assert chain.cookies == sent


async def test_a_cookie_for_a_public_suffix() -> None:
    """It is for the host that set it only; one for the target's site is for all of its hosts."""
    for host, domain, other, sent in (
        ("a.co.test", "co.test", "b.co.test", False),
        ("a.github.test", ".github.test", "b.github.test", False),
        ("www.site.test", "site.test", "shop.site.test", True),
        ("login.site.test", "site.test", "shop.site.test", True),
        ("a.b.other.test", "other.test", "c.other.test", False),
    ):
        chain = RedirectChain(site="site.test:8080")
        chain.start(f"http://{host}/")
        chain.follow("/again", [f"k=1; Domain={domain}; Path=/"])
        assert chain.cookies == "k=1", host
        chain.follow(f"http://{other}/", [])
        assert bool(chain.cookies) is sent, host


@pytest.mark.parametrize("plain", [False, True])
async def test_a_cookie_of_an_https_answer_and_http(plain: bool) -> None:
    """It is sent over http only for a target that was typed with http, and over https again."""
    chain = RedirectChain(plain=plain)
    chain.start("https://a.test/")
    chain.follow("http://a.test/x", ["session=secret; Path=/", "other=secret; Domain=a.test; Path=/"])
    assert chain.cookies == ("session=secret; other=secret" if plain else "")
    chain.follow("http://www.a.test/y", ["open=1; Path=/"])
    assert "open" not in chain.cookies
    chain.follow("https://a.test/z", [])
    assert chain.cookies == "session=secret; other=secret; open=1"
    chain.follow("http://a.test/z", [])
    assert chain.cookies == ("session=secret; other=secret; open=1" if plain else "open=1")


async def test_the_same_url_with_a_cookie_is_no_loop() -> None:
    """The second time it is."""
    chain = RedirectChain()
    assert chain.start("https://a.test/") is None
    assert chain.follow("/", ["seen=1"]) is None
    again = chain.follow("/", ["seen=1"])
    assert again is not None
    assert again.code == "redirect_loop"


async def test_https_only() -> None:
    """http is requested over https; a redirect back to http, and another port, are refused with a reason."""
    chain = RedirectChain(https_only=True)
    assert chain.start("http://a.test/b") is None
    assert (chain.current, chain.upgraded) == ("https://a.test/b", True)
    assert chain.follow("http://a.test/c", []) is None
    assert chain.current == "https://a.test/c"
    for location in ("http://a.test/c", "http://a.test:8080/d"):
        failure = chain.follow(location, [])
        assert failure is not None
        assert failure.code == "https_required"

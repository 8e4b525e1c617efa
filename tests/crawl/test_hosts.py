"""Normalised hosts, origins and URLs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contentmap_cli.models.hosts import normalise_url, origin_of, site_of


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://Example.COM", "http://example.com/"),
        ("http://example.com:80/a#b", "http://example.com/a"),
        ("https://example.com:443/?q", "https://example.com/?q"),
        ("https://u:p@example.com./a", "https://example.com/a"),
        ("http://bücher.de/ä b?ü=1", "http://xn--bcher-kva.de/%C3%A4%20b?%C3%BC=1"),
        ("http://example.com/%e4%2F?a=%zz", "http://example.com/%e4%2F?a=%zz"),
        ("http://[2001:DB8::0:1]:8080/", "http://[2001:db8::1]:8080/"),
        ("http://example.com/a\udce4", "http://example.com/a?".replace("?", "%3F")),
        ("ftp://example.com/", None),
        ("/relative", None),
        ("http://", None),
        ("http://[", None),
        ("http://[zz]/", None),
        ("http://a b/", None),
        ("http://example.com:99999/", None),
        ("http://example.com:0/", None),
        ("http://example.com:00080/", "http://example.com/"),
        ("http:/example.com/a", "http://example.com/a"),
        ("http:///example.com/a", "http://example.com/a"),
        ("https:example.com/a", "https://example.com/a"),
        ("http:\\\\example.com\\a\\b?c\\d#e\\f", "http://example.com/a/b?c%5Cd"),
        ("http://example.com\\a", "http://example.com/a"),
        ("http://exam\tple.com/\na", "http://example.com/a"),
        ("http://example.com/maps/../a.xml", "http://example.com/a.xml"),
        ("http://example.com/./a/./b/", "http://example.com/a/b/"),
        ("http://example.com/../../a", "http://example.com/a"),
        ("http://example.com/a/b/..", "http://example.com/a/"),
        ("http://example.com/a/.", "http://example.com/a/"),
        ("http://example.com/a/%2e%2E/b", "http://example.com/b"),
        ("http://example.com/a/.%2e/b", "http://example.com/b"),
        ("http://example.com/a/%2e/b", "http://example.com/a/b"),
        ("http://example.com/a//../b", "http://example.com/a/b"),
        ("http://example.com/a\\..\\b", "http://example.com/b"),
        ("http://example.com/.well-known/a", "http://example.com/.well-known/a"),
        ("http://example.com/a/...", "http://example.com/a/..."),
        ("http://example.com/a%2fb..c/%20", "http://example.com/a%2fb..c/%20"),
        ("http://example.com/?a=/../b", "http://example.com/?a=/../b"),
        ("http://1.2.3.4/", "http://1.2.3.4/"),
        ("http://256.12.0.1/", None),
        ("http://1.2.3.4.5/", None),
        ("http://1.2.3.08/", None),
        ("http://a.1.2.3.256/", None),
        ("http://0x7F.1/", "http://127.0.0.1/"),
        ("http://0177.0.0.1/", "http://127.0.0.1/"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://4294967296/", None),
        ("http://1.2.3.4./", "http://1.2.3.4/"),
        ("http://shop..test/", None),
        ("http://shop.test../", None),
        ("http://.shop.test/", None),
        ("http://-shop-.test/", "http://-shop-.test/"),
        ("http://my_shop.test/", "http://my_shop.test/"),
        ("http://sh%6Fp.test/", "http://shop.test/"),
        ("http://sh%zzop.test/", None),
        ("http://sh%op.test/", None),
        ("http://sh%2Fop.test/", None),
        ("http://sh%ffop.test/", None),
        ("http://sh^op.test/", None),
        ("http://sh|op.test/", None),
        ("http://[1.2.3.4]/", None),
        ("http://\u039a\u0391\u03a6\u0395\u03a3-\u0391.test/", "http://xn----ylbbox0dt.test/"),
        ("http://STRASSE.\u00c4.test/", "http://strasse.xn--4ca.test/"),
        ("http://b\u00fccher\u3002de/", "http://xn--bcher-kva.de/"),
        ("http://-\u00fc.test/", "http://xn----eha.test/"),
        ("http://\U0001f600.test/", "http://xn--e28h.test/"),
    ],
)
def test_one_spelling(url: str, expected: str | None) -> None:
    """The origin is normalised, credentials and fragment are removed, escapes are kept; None for invalid
    URLs."""
    assert normalise_url(url) == expected


@given(st.text(max_size=50) | st.text(max_size=30).map("http://example.com/".__add__))
def test_any_text_has_one_spelling_or_none(text: str) -> None:
    """Never raises; normalised URLs are stable, ASCII, without spaces or controls."""
    url = normalise_url(text)
    if url is not None:
        assert normalise_url(url) == url
        assert url.isascii()
        assert url.isprintable()
        assert " " not in url


PARTS = st.sampled_from(
    [
        *("http://", "https://", "a.test", "www.", "-", ".", "x" * 63, "x" * 64, "1", "/", "?", "@", ":80"),
        *(":443", ":", "é", " ", "\t", "\n", "%20", "[", "]", "|", "~", "\\", '"', "<", "^", "_", "\0", "'"),
    ]
)


@given(st.lists(PARTS, max_size=6).map("".join), st.sampled_from(["http", "https"]))
def test_the_short_way_is_the_long_way(text: str, scheme: str) -> None:
    """A fragment or upper-case scheme disables the fast path; the result is the same."""
    url = f"{scheme}://{text}".strip()
    assert normalise_url(url) == normalise_url(f"{url}#x")
    assert origin_of(url) == origin_of(scheme.upper() + url.removeprefix(scheme))


def test_sites_and_origins() -> None:
    """www and apex are one site, another port is another site."""
    assert site_of("http://www.example.com/a") == site_of("https://example.com") == "example.com"
    assert site_of("https://example.com:8443/") == "example.com:8443"
    assert site_of("mailto:a@example.com") is None
    assert site_of("http://[::1") is None
    assert origin_of("HTTPS://www.Example.com:443/a") == "https://www.example.com"

"""Parsing of targets."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contentmap_cli.crawl.targets import BadTarget, TargetLine, group_targets, parse_target

PLAIN = ("https://example.com", "http://example.com", "https://www.example.com", "http://www.example.com")


@pytest.mark.parametrize(
    ("text", "domain", "first_origin"),
    [
        ("example.com", "example.com", "https://example.com"),
        ("  EXAMPLE.com. ", "example.com", "https://example.com"),
        ("www.example.com", "example.com", "https://www.example.com"),
        ("http://example.com", "example.com", "http://example.com"),
        ("HTTPS://Example.COM/", "example.com", "https://example.com"),
        ("//example.com", "example.com", "https://example.com"),
        ("https://example.com:8443", "example.com:8443", "https://example.com:8443"),
        ("https://example.com:443", "example.com", "https://example.com"),
        ("example.com:80", "example.com", "http://example.com"),
        ("http://example.com:443", "example.com:443", "http://example.com:443"),
        ("www.example.com:8080", "example.com:8080", "https://www.example.com:8080"),
        ("b%C3%BCcher.de", "xn--bcher-kva.de", "https://xn--bcher-kva.de"),
        ("bücher.de", "xn--bcher-kva.de", "https://xn--bcher-kva.de"),
        ("faß.de", "xn--fa-hia.de", "https://xn--fa-hia.de"),
        ("i❤.ws", "xn--i-7iq.ws", "https://xn--i-7iq.ws"),
        ("example。com", "example.com", "https://example.com"),
        ("my_shop.example.com", "my_shop.example.com", "https://my_shop.example.com"),
        ("[::1]:8080", "[::1]:8080", "https://[::1]:8080"),
        ("[2001:DB8:0::1]", "[2001:db8::1]", "https://[2001:db8::1]"),
        ("192.0.2.7", "192.0.2.7", "https://192.0.2.7"),
        ("localhost", "localhost", "https://localhost"),
        ("http://intranet/", "intranet", "http://intranet"),
        ("web:8000", "web:8000", "https://web:8000"),
        ("www.com", "www.com", "https://www.com"),
        ("https://user:secret@example.com", "example.com", "https://example.com"),
        ("https://example.com\\", "example.com", "https://example.com"),
        ("https://example.com?", "example.com", "https://example.com"),
    ],
)
def test_a_site_has_one_name_and_an_order_to_ask(text: str, domain: str, first_origin: str) -> None:
    """The domain is normalised; the typed scheme and host come first."""
    target = parse_target(text)
    assert (target.domain, target.origins[0]) == (domain, first_origin)


def test_all_origins_of_a_domain() -> None:
    """A bare domain is requested over https, then http, then with or without www."""
    assert parse_target("example.com").origins == PLAIN
    assert parse_target("http://www.example.com").origins == (
        "http://www.example.com",
        "https://www.example.com",
        "http://example.com",
        "https://example.com",
    )


def test_a_typed_port_has_no_other_form() -> None:
    """A port with a scheme is one server; without one it may speak either."""
    assert parse_target("https://example.com:8443").origins == ("https://example.com:8443",)
    assert parse_target("example.com:8443").origins == ("https://example.com:8443", "http://example.com:8443")
    assert parse_target("192.0.2.7").origins == ("https://192.0.2.7", "http://192.0.2.7")


@pytest.mark.parametrize(
    ("text", "sitemaps", "path"),
    [
        ("https://user.github.io/project/", (), "/project/"),
        ("https://user.github.io/project", (), "/project/"),
        ("https://example.com/docs/index.html", (), "/docs/"),
        ("https://example.com/a b/".replace(" ", "%20"), (), "/a%20b/"),
        ("example.com/sitemap.xml", ("https://example.com/sitemap.xml",), "/"),
        ("http://example.com/s/maps.xml.gz#top", ("http://example.com/s/maps.xml.gz",), "/"),
        ("https://example.com/feed", ("https://example.com/feed",), "/"),
        ("https://example.com/?sitemap=1", ("https://example.com/?sitemap=1",), "/"),
        ("https://example.com?sitemap=1", ("https://example.com/?sitemap=1",), "/"),
        ("https://u:p@example.com/sitemap.php", ("https://example.com/sitemap.php",), "/"),
        ("https://bücher.de/größe.xml", ("https://xn--bcher-kva.de/gr%C3%B6%C3%9Fe.xml",), "/"),
        ("https://example.com:443/a.txt", ("https://example.com/a.txt",), "/"),
    ],
)
def test_a_path_is_a_folder_or_a_sitemap(text: str, sitemaps: tuple[str, ...], path: str) -> None:
    """A path with the form of a file, or with a query, is a sitemap; others are folders."""
    target = parse_target(text)
    assert (target.sitemaps, target.path) == (sitemaps, path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("example", "no dot"),
        ("example com", "space"),
        ("exa\x00mple.com", "control"),
        ("exa\u202emple.com", "invisible"),
        ("exa\ud800mple.com", "invisible"),
        ("ftp://example.com", "cannot be crawled"),
        ("mailto:a@example.com", "cannot be crawled"),
        ("javascript:alert(1)", "cannot be crawled"),
        ("http:example.com", "not followed by //"),
        ("https://", "no host"),
        ("https:///x", "no host"),
        ("ann@example.com", "e-mail"),
        ("example.com:0", "port"),
        ("example.com:70000", "port"),
        ("example.com:80a", "port"),
        ("example.com:٨٠", "port"),
        ("::1", "colons"),
        ("[::1", "brackets"),
        ("[fe80::1%25eth0]", "brackets"),
        ("[::1]x", "follows"),
        ("a..example.com", "empty label"),
        (".example.com", "empty label"),
        ("-a.example.com", "characters"),
        ("a%2e.example.com", "empty label"),
        ("*.example.com", "characters"),
        (f"{'a' * 64}.com", "64 characters"),
        ("a." * 130 + "com", "the maximum is 253"),
        ("1.2.3", "IPv4"),
        ("256.1.1.1", "IPv4"),
        ("https://0x7f000001/", "IPv4"),
        ("1,example.com", "comma"),
        ("x" * 5000, "5000 characters"),
    ],
)
def test_what_names_no_site_is_refused_in_words(text: str, says: str) -> None:
    """Each error has the code of a bad target and a reason."""
    with pytest.raises(BadTarget, match=says) as caught:
        parse_target(text)
    assert caught.value.code == "bad_target"
    assert caught.value.exit_code == 2


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_a_usage_error(text: str) -> None:
    """Any text is a target, whose name parses to itself, or an error."""
    try:
        target = parse_target(text)
    except BadTarget as error:
        assert error.message
    else:
        assert parse_target(target.origins[0]).domain == target.domain


def lines(*texts: str) -> list[TargetLine]:
    return [TargetLine(text, number) for number, text in enumerate(texts, 1)]


def test_one_target_a_domain() -> None:
    """Lines of one domain become one target; a line that adds nothing is a duplicate."""
    result = group_targets(
        lines(
            "\ufeffexample.com",
            "# a comment",
            "",
            "https://www.example.com/  # the same",
            "https://example.com/sitemap.xml",
            "example.com/other.xml",
            "example.com/other.xml",
            "example.com/blog/",
            "example.org",
        )
    )
    first, second = result.targets
    assert first.domain == "example.com"
    assert first.sitemaps == ("https://example.com/sitemap.xml", "https://example.com/other.xml")
    assert (first.path, first.more_paths) == ("/", ("/blog/",))
    assert second.domain == "example.org"
    assert [line.line for line in result.duplicates] == [4, 7]
    assert result.errors == ()


def test_a_bad_line_stops_no_other_and_repeats_no_secret() -> None:
    """An invalid line is reported with its number, without credentials; others are parsed."""
    result = group_targets(
        lines(
            "example.com", "http://ann:hunter2@exa mple.com/x", "https://ann:hunter2@example.com", "y" * 9000
        )
    )
    assert [target.domain for target in result.targets] == ["example.com"]
    assert [error.line for error in result.errors] == [2, 4]
    assert "hunter2" not in repr(result)
    assert len(result.errors[1].text) < 200


def test_a_long_list_is_read_quickly() -> None:
    """100,000 lines take a second or two: the time is linear."""
    begin = time.process_time()
    result = group_targets(TargetLine(f"site-{number}.example", number) for number in range(100_000))
    assert len(result.targets) == 100_000
    assert time.process_time() - begin < 60

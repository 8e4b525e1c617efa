"""Options that are written as text."""

from __future__ import annotations

import pytest

from contentmap_cli.crawl.options import (
    ConnectTo,
    parse_allow_net,
    parse_connect_to,
    parse_header,
    parse_user_agent,
)
from contentmap_cli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.com:443:127.0.0.1:8443", ConnectTo("example.com", 443, "127.0.0.1", 8443)),
        ("::127.0.0.1:8080", ConnectTo(None, None, "127.0.0.1", 8080)),
        (":80:[::1]:8080", ConnectTo(None, 80, "::1", 8080)),
        ("[2001:db8::1]:80:192.0.2.1:", ConnectTo("[2001:db8::1]", 80, "192.0.2.1", None)),
        ("BÜCHER.de::localhost:1", ConnectTo("xn--bcher-kva.de", None, "127.0.0.1", 1)),
    ],
)
def test_connect_to_is_curls(text: str, expected: ConnectTo) -> None:
    """HOST:PORT:ADDR:PORT, where an empty HOST or PORT means any."""
    assert parse_connect_to(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a:b",
        "a:80:b:80",
        "a:x:127.0.0.1:80",
        "a:80:127.0.0.1:99999",
        "a:80:::1:80",
        "a b:80:127.0.0.1:80",
    ],
)
def test_connect_to_refuses_with_a_hint(text: str) -> None:
    """Anything but four parts with an address is refused with a hint."""
    with pytest.raises(UsageError) as caught:
        parse_connect_to(text)
    assert "HOST:PORT:ADDR:PORT" in (caught.value.hint or "")


def test_allow_net_is_a_network() -> None:
    """Host bits are dropped, an address is a network, a name is invalid."""
    assert parse_allow_net("10.1.2.3/16") == "10.1.0.0/16"
    assert parse_allow_net("[fd00::1]") == "fd00::1/128"
    with pytest.raises(UsageError):
        parse_allow_net("intranet")


def test_a_header_is_a_name_and_a_value() -> None:
    """White space around name and value is removed; colons in the value are kept."""
    assert parse_header("X-Key:  a:b ") == ("X-Key", "a:b")


@pytest.mark.parametrize(
    "text",
    [
        "no colon",
        ": x",
        "X Y: z",
        "X-Key: s3cret\r\nHost: evil",
        "X-Key: s3cret\x00",
        "X-Key: s3crét",
        "Host: s3cret",
        "Connection: s3cret",
        "Transfer-Encoding: s3cret",
        "content-length: s3cret",
        "Accept-Encoding: s3cret",
        f"X-Key: s3cret{'x' * 9000}",
    ],
)
def test_a_header_that_could_harm_is_refused_unrepeated(text: str) -> None:
    """Header injection, connection headers and the crawler's own are refused without quoting the value."""
    with pytest.raises(UsageError) as caught:
        parse_header(text)
    assert "s3cr" not in caught.value.message + (caught.value.hint or "")


def test_a_user_agent_is_one_line_of_ascii() -> None:
    """No line breaks, no empty value."""
    assert parse_user_agent(" Bot/1 (+https://example.com) ") == "Bot/1 (+https://example.com)"
    for text in ("", "a\r\nb", "ü"):
        with pytest.raises(UsageError):
            parse_user_agent(text)

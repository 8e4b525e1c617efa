"""Nothing that was fetched can act on the place it is written to."""

from __future__ import annotations

import unicodedata
import xml.etree.ElementTree as ET
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contentmap_cli.output.escape import csv_cell, redact, terminal, url_text, xml_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b2J", "\\x9b2J"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x00\x07\x7f", "\\x00\\x07\\x7f"),
        ("moc.\u202eelpmaxe", "moc.\\u202eelpmaxe"),
        ("\u2066\u2069\u200e\u200f\u061c", "\\u2066\\u2069\\u200e\\u200f\\u061c"),
        ("pay\u200bpal\u2028\ufeff", "pay\\u200bpal\\u2028\\ufeff"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("bücher.de/商品?a=[b]&c=1", "bücher.de/商品?a=[b]&c=1"),
    ],
)
def test_terminal_shows_what_a_terminal_would_obey(text: str, shown: str) -> None:
    """Controls, bidi controls and invisible characters are spelled out; letters of any script are not."""
    assert terminal(text) == shown


@given(st.text(st.characters(codec=None)))
def test_terminal_leaves_no_control_or_format_character_of_ours_to_fear(text: str) -> None:
    """Whatever goes in, what comes out is one encodable line without control or surrogate characters."""
    shown = terminal(text)
    shown.encode()
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert shown.splitlines() in ([], [shown])


@pytest.mark.parametrize("start", list("=+-@\t\r＝＋－＠"))
def test_csv_cell_is_never_a_formula(start: str) -> None:
    """A cell that a spreadsheet would compute begins with an apostrophe."""
    assert csv_cell(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"


def test_csv_cell_leaves_other_text_alone() -> None:
    """A formula sign inside a cell is harmless."""
    assert csv_cell("https://shop.example/?a=1") == "https://shop.example/?a=1"
    assert csv_cell("") == ""


XML_CHARACTERS = st.sampled_from("\t\n\r<>&\"'\x85\u2028") | st.characters(
    exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"
)


@given(st.text(XML_CHARACTERS))
def test_xml_text_survives_a_real_parser(text: str) -> None:
    """What XML can hold comes back as it was, from an element and from an attribute, line ends included."""
    root = ET.fromstring(f'<a b="{xml_text(text)}">{xml_text(text)}</a>')  # noqa: S314 - our own text
    assert (root.text or "", root.get("b")) == (text, text)


def test_xml_text_shows_what_xml_cannot_hold() -> None:
    """A NUL, an escape, a lone surrogate and U+FFFE have no form in XML 1.0."""
    assert xml_text("\x00\x1b\udc80\ufffe") == "\\x00\\x1b\\udc80\\ufffe"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql+asyncpg://app:s3cret@db:5432/cm", "postgresql+asyncpg://app:***@db:5432/cm"),
        ("postgresql://app:p@ss@db/cm", "postgresql://app:***@db/cm"),
        ("postgresql://app:p/a?s#s@db/cm", "postgresql://app:***@db/cm"),
        ("https://ghp_token@shop.example/", "https://***@shop.example/"),
        ("as in --db postgresql://user@host/database", "as in --db postgresql://user@host/database"),
        ("postgresql://app:@db/cm and Postgres://app@db", "postgresql://app:***@db/cm and Postgres://app@db"),
        ("redis://:s3cret@cache/0", "redis://***@cache/0"),
        ("http://u:p@10.0.0.1:3128 and https://v:q@b", "http://u:***@10.0.0.1:3128 and https://v:***@b"),
        ("'user:pass@shop.example' is no target", "'user:***@shop.example' is no target"),
        ("postgresql://db/cm?password=s3cret&ssl=on", "postgresql://db/cm?password=***&ssl=on"),
        ("postgresql://user:s3cret@db/cm", "postgresql://user:***@db/cm"),
    ],
)
def test_redact_hides_credentials(text: str, shown: str) -> None:
    """The secret goes, who and where stay."""
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://shop.example/@maker/p?mail=a@b.example",
        "https://shop.example:8443/@maker",
        "http://[::1]:8080/@maker",
        "sqlite:////home/me@work/content.db",
        "name a server with --db, as in --db postgresql://user@host/database",
        "use a file name or postgresql://USER@HOST/DATABASE",
        "http_500: https://shop.example/sitemap.xml answered 500",
        "no e-mail of webmaster@shop.example was read at 12:30",
    ],
)
def test_redact_keeps_what_is_no_credential(text: str) -> None:
    """An at sign in a path, a port or an address is not a password."""
    assert redact(text) == text


def test_redact_twice_is_redact_once() -> None:
    """Text that passes two doors is not changed by the second."""
    once = redact("https://u:p@a.example and v:q@b.example")
    assert redact(once) == once


@given(st.text())
def test_url_text_is_safe_and_names_the_same_resource(text: str) -> None:
    """What a terminal would obey is percent-encoded, and decoding gives the URL back."""
    url = f"https://shop.example/{text}".replace("%", "")
    safe = url_text(url)
    assert terminal(safe) == safe
    if not any("\ud800" <= character <= "\udfff" for character in url):
        assert unquote(safe) == url

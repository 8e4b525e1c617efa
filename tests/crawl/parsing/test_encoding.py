"""Which characters a document is written in, whatever it says."""

from __future__ import annotations

import codecs
from typing import Any

import pytest

from contentmap_cli.crawl.parsing.encoding import LENIENT, Charset, LenientText, detect

URLS = ["https://site.example/straße", "https://site.example/новости", "https://site.example/日本"]


def document(urls: list[str], encoding: str | None = None) -> str:
    declaration = f'<?xml version="1.0" encoding="{encoding}"?>' if encoding else ""
    return declaration + "<urlset>" + "".join(f"<url><loc>{url}</loc></url>" for url in urls) + "</urlset>"


@pytest.mark.parametrize("declared", [None, "UTF-8", "utf8", "UTF_8", "us-ascii"])
@pytest.mark.parametrize("bom", [b"", codecs.BOM_UTF8, codecs.BOM_UTF8 + b"\r\n  "])
def test_utf8(parse: Any, declared: str | None, bom: bytes) -> None:
    """UTF-8 is read with a mark and without, under any name."""
    reading = parse(bom + document(URLS, declared).encode())
    assert reading.urls == URLS
    assert reading.outcome.encoding == "utf-8"
    assert not reading.codes


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("bom", [True, False])
def test_wide(parse: Any, encoding: str, bom: bool) -> None:
    """UTF-16 is read with a mark and without, UTF-32 with one."""
    if encoding.startswith("utf-32") and not bom:
        pytest.skip("UTF-32 without a mark is unheard of")
    reading = parse((("\ufeff" if bom else "") + document(URLS, "utf-16")).encode(encoding))
    assert reading.urls == URLS
    assert reading.outcome.encoding == encoding
    assert not reading.codes


@pytest.mark.parametrize(
    "text", ["https://site.example/a\nhttps://site.example/b\n", "Sitemap: /a\nSitemap: /b\n"]
)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_wide_text(parse: Any, text: str, encoding: str) -> None:
    """Text sitemaps and robots.txt may be UTF-16 too."""
    reading = parse(text.encode(encoding), robots=text.startswith("Sitemap"))
    assert reading.urls == ["https://site.example/a", "https://site.example/b"]


@pytest.mark.parametrize(
    ("encoding", "url"),
    [
        ("windows-1251", URLS[1]),
        ("koi8-r", URLS[1]),
        ("iso-8859-1", URLS[0]),
        ("ISO-8859-15", URLS[0]),
        ("Shift_JIS", URLS[2]),
        ("gb2312", URLS[2]),
    ],
)
def test_declared(parse: Any, encoding: str, url: str) -> None:
    """A declared character set is honoured."""
    reading = parse(document([url], encoding).encode(encoding))
    assert reading.urls == [url]
    assert reading.outcome.encoding == encoding.lower()
    assert not reading.codes


def test_latin_1_means_windows_1252(parse: Any) -> None:
    """As everywhere on the web."""
    url = "https://site.example/„a“"
    assert parse(document([url], "iso-8859-1").encode("windows-1252")).urls == [url]


@pytest.mark.parametrize(
    "declared", ["iso-8859-1", "windows-1251", "UTF-16", "x-nonsense", "rot13", "utf-7", "gb2312"]
)
def test_lies(parse: Any, declared: str) -> None:
    """A declaration that the bytes disprove is passed over, and said to be wrong."""
    reading = parse(document(URLS, declared).encode())
    assert reading.urls == URLS
    assert reading.codes == {"wrong_encoding"}
    assert reading.outcome.complete


def test_a_stray_byte_garbles_nothing_else(parse: Any) -> None:
    """One URL in windows-1252 among others in UTF-8 is read as what it is, and so are the others."""
    data = document([URLS[1], "https://site.example/caf@", URLS[2]], "UTF-8").encode().replace(b"@", b"\xe9")
    reading = parse(data)
    assert reading.urls == [URLS[1], "https://site.example/café", URLS[2]]
    assert "wrong_encoding" in reading.codes


def test_any_cut_into_chunks() -> None:
    """Text is the same however its bytes arrive."""
    data = "aß日𝄞".encode() + b"\xe9\xff" + "ß".encode() + b"\xc3"
    whole = "".join(LenientText(Charset("utf-8", "utf-8")).decode(iter([data])))
    assert whole == "aß日𝄞éÿßÃ"
    for cut in range(len(data)):
        text = LenientText(Charset("utf-8", "utf-8"))
        assert "".join(text.decode(iter([data[:cut], data[cut:]]))) == whole
        assert text.damaged_chunks > 0


def test_utf16_with_an_odd_byte(parse: Any) -> None:
    """A byte too many or too few at the end loses nothing before it."""
    data = document(URLS).encode("utf-16")
    assert parse(data + b"\n").urls == URLS
    assert parse(data[:-1]).urls == URLS


@pytest.mark.parametrize("head", [b"", b"<", b"\xff", b"\xff\xfe", b"\0\0", b"\0" * 100])
def test_short_heads(head: bytes) -> None:
    """There is an answer for any beginning."""
    assert codecs.lookup(detect(head).codec)


def test_what_cannot_be_written_is_an_error() -> None:
    """Stray bytes are read as something; text is never written as something else."""
    with pytest.raises(UnicodeEncodeError):
        "\xfc".encode("ascii", LENIENT)


def test_a_head_that_is_ascii(parse: Any) -> None:
    """Nothing in it contradicts the encoding that is declared."""
    reading = parse(
        b"<?xml version='1.0' encoding='iso-8859-2'?><urlset><url><loc>https://site.example/a</loc></url></urlset>"
    )
    assert (reading.outcome.encoding, reading.urls) == ("iso-8859-2", ["https://site.example/a"])

"""Detection of character encodings."""

from __future__ import annotations

import codecs
from typing import Any

import pytest

from contentmap_cli.sitemap.encoding import LENIENT, Charset, LenientText, detect

URLS = ["https://site.example/straße", "https://site.example/новости", "https://site.example/日本"]


def document(urls: list[str], encoding: str | None = None) -> str:
    declaration = f'<?xml version="1.0" encoding="{encoding}"?>' if encoding else ""
    return declaration + "<urlset>" + "".join(f"<url><loc>{url}</loc></url>" for url in urls) + "</urlset>"


@pytest.mark.parametrize("declared", [None, "UTF-8", "utf8", "UTF_8", "us-ascii"])
@pytest.mark.parametrize("bom", [b"", codecs.BOM_UTF8, codecs.BOM_UTF8 + b"\r\n  "])
def test_utf8(parse: Any, declared: str | None, bom: bytes) -> None:
    """UTF-8 is read with and without a byte order mark, under any label."""
    reading = parse(bom + document(URLS, declared).encode())
    assert reading.urls == URLS
    assert reading.outcome.encoding == "utf-8"
    assert not reading.codes


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("bom", [True, False])
def test_wide(parse: Any, encoding: str, bom: bool) -> None:
    """UTF-16 is read with and without a mark, UTF-32 with one."""
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
    """As the WHATWG Encoding Standard defines it."""
    url = "https://site.example/„a“"
    assert parse(document([url], "iso-8859-1").encode("windows-1252")).urls == [url]


@pytest.mark.parametrize(
    "declared", ["iso-8859-1", "windows-1251", "UTF-16", "x-nonsense", "rot13", "utf-7", "gb2312"]
)
def test_lies(parse: Any, declared: str) -> None:
    """A declaration that the bytes disprove is ignored and reported."""
    reading = parse(document(URLS, declared).encode())
    assert reading.urls == URLS
    assert reading.codes == {"wrong_encoding"}
    assert reading.outcome.complete


def test_a_stray_byte_garbles_nothing_else(parse: Any) -> None:
    """One URL in windows-1252 among others in UTF-8 is decoded, and so are the others."""
    data = document([URLS[1], "https://site.example/caf@", URLS[2]], "UTF-8").encode().replace(b"@", b"\xe9")
    reading = parse(data)
    assert reading.urls == [URLS[1], "https://site.example/café", URLS[2]]
    assert "wrong_encoding" in reading.codes


def test_any_cut_into_chunks() -> None:
    """The text does not depend on the chunks."""
    data = "aß日𝄞".encode() + b"\xe9\xff" + "ß".encode() + b"\xc3"
    whole = "".join(LenientText(Charset("utf-8", "utf-8")).decode(iter([data])))
    assert whole == "aß日𝄞éÿßÃ"
    for cut in range(len(data)):
        text = LenientText(Charset("utf-8", "utf-8"))
        assert "".join(text.decode(iter([data[:cut], data[cut:]]))) == whole
        assert text.damaged_chunks > 0


def test_utf16_with_an_odd_byte(parse: Any) -> None:
    """An odd byte at the end affects nothing before it."""
    data = document(URLS).encode("utf-16")
    assert parse(data + b"\n").urls == URLS
    assert parse(data[:-1]).urls == URLS


@pytest.mark.parametrize("head", [b"", b"<", b"\xff", b"\xff\xfe", b"\0\0", b"\0" * 100])
def test_short_heads(head: bytes) -> None:
    """Any beginning has a result."""
    assert codecs.lookup(detect(head).codec)


def test_what_cannot_be_written_is_an_error() -> None:
    """The error handlers apply to decoding only."""
    with pytest.raises(UnicodeEncodeError):
        "\xfc".encode("ascii", LENIENT)


def test_a_head_that_is_ascii(parse: Any) -> None:
    """An ASCII head is consistent with the declared encoding."""
    reading = parse(
        b"<?xml version='1.0' encoding='iso-8859-2'?><urlset><url><loc>https://site.example/a</loc></url></urlset>"
    )
    assert (reading.outcome.encoding, reading.urls) == ("iso-8859-2", ["https://site.example/a"])


@pytest.mark.parametrize(
    ("label", "codec", "url"),
    [
        ("gb2312", "gbk", "https://site.example/书/镕"),
        ("GB_2312-80", "gbk", "https://site.example/朱镕基"),
        ("chinese", "gbk", "https://site.example/囧"),
        ("x-gbk", "gb18030", "https://site.example/𠀀"),
        ("Shift_JIS", "cp932", "https://site.example/髙橋①㈱"),
        ("x-sjis", "cp932", "https://site.example/ソフト"),
        ("Windows-31J", "cp932", "https://site.example/表示"),
        ("ms_kanji", "cp932", "https://site.example/①"),
        ("euc-jp", "euc_jp", "https://site.example/日本"),
        ("x-euc-jp", "euc_jis_2004", "https://site.example/①"),
        ("iso-2022-jp", "iso2022_jp", "https://site.example/日本"),
        ("euc-kr", "cp949", "https://site.example/똠방"),
        ("ks_c_5601-1987", "cp949", "https://site.example/한국"),
        ("big5", "big5hkscs", "https://site.example/㗎"),
        ("x-x-big5", "cp950", "https://site.example/碁銹"),
        ("iso-8859-9", "cp1254", "https://site.example/100€/İstanbul’da"),
        ("latin5", "cp1254", "https://site.example/şişe"),
        ("windows-874", "cp874", "https://site.example/สินค้า"),
        ("TIS-620", "cp874", "https://site.example/สินค้า"),
        ("dos-874", "cp874", "https://site.example/สินค้า"),
        ("cp1252", "cp1252", "https://site.example/„a“"),
        ("l1", "cp1252", "https://site.example/„a“"),
        ("x-user-defined", "cp1252", "https://site.example/é"),
        ("koi8-u", "koi8_u", "https://site.example/їжак"),
        ("koi8-ru", "koi8_u", "https://site.example/їжак"),
        ("x-cp1251", "cp1251", "https://site.example/новости"),
        ("windows1251", "cp1251", "https://site.example/новости"),
        ("x-mac-cyrillic", "mac_cyrillic", "https://site.example/новости"),
        ("macintosh", "mac_roman", "https://site.example/élan"),
        ("iso-8859-8-i", "iso8859_8", "https://site.example/שלום"),
        ("logical", "iso8859_8", "https://site.example/שלום"),
        ("sun_eu_greek", "iso8859_7", "https://site.example/νέα"),
        ("ibm866", "cp866", "https://site.example/новости"),
        ("csisolatin2", "iso8859_2", "https://site.example/źródło"),
    ],
)
def test_labels_of_the_web(parse: Any, label: str, codec: str, url: str) -> None:
    """Every label means what the standard says, in the declaration and in the header."""
    late = [f"https://site.example/{n:060}" for n in range(2000)]
    for urls in ([url, url], [*late, url, url]):
        declared = parse(document(urls, label).encode(codec))
        sent = parse(document(urls).encode(codec), content_type=f'text/xml; charset="{label}"')
        text = parse("\n".join(urls).encode(codec), content_type=f"text/plain;charset={label}")
        for reading in (declared, sent, text):
            assert reading.urls == urls
            assert not reading.codes - {"duplicate_url"}
            assert reading.outcome.encoding == label.lower()


@pytest.mark.parametrize("label", ["hz-gb-2312", "iso-2022-kr", "replacement", "iso-2022-cn"])
def test_labels_that_are_not_decoded(parse: Any, label: str) -> None:
    """The standard refuses these encodings; UTF-8 under such a label is read as UTF-8."""
    reading = parse(document(URLS, label).encode())
    assert reading.urls == URLS
    assert reading.codes == {"wrong_encoding"}


@pytest.mark.parametrize("declared", [None, "UTF-8"])
@pytest.mark.parametrize("charset", ["ISO-8859-1", "us-ascii", "windows-1251", "utf-8", "gbk", "nonsense"])
@pytest.mark.parametrize("late", [False, True])
def test_a_header_that_is_stamped_on_everything(
    parse: Any, declared: str | None, charset: str, late: bool
) -> None:
    """UTF-8 is read as UTF-8, whatever the header says, without a problem."""
    urls = [f"https://site.example/{n:060}" for n in range(2000 * late)] + URLS
    reading = parse(document(urls, declared).encode(), content_type=f"text/xml; charset={charset}")
    assert reading.urls == urls
    assert not reading.codes
    assert reading.outcome.encoding == "utf-8"


def test_the_header_precedes_the_declaration(parse: Any) -> None:
    """RFC 7303 section 3.2: a proxy may have transcoded the body."""
    url = URLS[1]
    header = "application/xml; charset=windows-1251"
    assert parse(document([url], "koi8-r").encode("cp1251"), content_type=header).urls == [url]
    assert parse(document([url], "utf-8").encode("cp1251"), content_type=header).urls == [url]


def test_what_precedes_the_header(parse: Any) -> None:
    """A byte order mark does, and a declaration if the header is a default or missing."""
    url = URLS[1]
    utf_16 = ("\ufeff" + document([url])).encode("utf-16-le")
    assert parse(utf_16, content_type="text/xml; charset=windows-1251").urls == [url]
    declared = document([url], "windows-1251").encode("cp1251")
    for header in ("text/xml", "text/xml; charset=iso-8859-1", "text/xml; charset=utf-8", "charset="):
        assert parse(declared, content_type=header).urls == [url]


def test_damage_in_a_charset_of_two_bytes(parse: Any) -> None:
    """Stray bytes affect only the URL around them."""
    data = document([URLS[2], "https://site.example/@", "https://site.example/①"], "Shift_JIS").encode(
        "cp932"
    )
    reading = parse(data.replace(b"/@<", b"/\x81\xff<"))
    assert [reading.urls[0], reading.urls[-1]] == [URLS[2], "https://site.example/①"]
    assert "wrong_encoding" in reading.codes

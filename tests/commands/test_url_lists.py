"""Lists of URLs as other programs export them: encoding, dialect, table, column, rows that are pages."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from pathlib import Path

import pytest
import xlsxwriter

from contentmap_cli.commands.checking.url_list import opened_list
from contentmap_cli.errors import UsageError

A, B = "https://a.test/a", "https://a.test/b"
CRAWL = (
    '"Address","Content Type","Status Code","Indexability","Indexability Status","Title"\r\n'
    f'"{A}","text/html; charset=utf-8","200","Indexable","","one\ntwo"\r\n'
    f'"{B}","text/html","404","Non-Indexable","Client Error",""\r\n'
    '"https://a.test/c","text/html","200","Non-Indexable","noindex","a ""quoted"" title"\r\n'
    '"https://a.test/d.png","image/png","200","Indexable","",""\r\n'
)
IN_CRAWL = [
    (A, 2, None, True),
    (B, 4, "status 404", True),
    ("https://a.test/c", 5, "noindex", True),
    ("https://a.test/d.png", 6, None, False),
]
PLAIN = [(A, 1, None, True), (B, 2, None, True)]
BELOW = [(A, 2, None, True), (B, 3, None, True)]
MANY = [(A, 2, None, True), *((B, 3 + number, None, True) for number in range(300))]
LOG = (
    '1.2.3.4 - - [10/Oct/2026:13:55:36 +0000] "GET /a?b=1 HTTP/1.1" 200 2326 "-" "Mozilla/5.0 \\"x\\""\n'
    '1.2.3.4 - - [10/Oct/2026:13:55:36 +0000] "POST /b HTTP/1.1" 200 2326\n'
    '1.2.3.4 - - [10/Oct/2026:13:55:36 +0000] "GET /c HTTP/1.1" 404 2326\n'
    '1.2.3.4 - - [10/Oct/2026:13:55:36 +0000] "GET /x.css HTTP/2.0" 200 2326 "-" "Mozilla/5.0"\n'
    'www.a.test:443 1.2.3.4 - joe [10/Oct/2026:13:55:36 +0000] "GET /d HTTP/1.1" 304 - "-" "-"\n'
)


def zipped(**members: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.csv", text)
    return target.getvalue()


def workbook(**sheets: list[list[str | int]]) -> bytes:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"strings_to_urls": False}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)
    return target.getvalue()


LISTS: dict[str, tuple[bytes, str | None, list[tuple[str, int, str | None, bool]]]] = {
    "a crawl": (CRAWL.encode(), "Address", IN_CRAWL),
    "with a byte order mark": (b"\xef\xbb\xbf" + CRAWL.encode(), "Address", IN_CRAWL),
    "tabs in UTF-16": (CRAWL.replace('","', '"\t"').encode("utf-16"), "Address", IN_CRAWL),
    "UTF-16 without a mark": (CRAWL.encode("utf-16-le"), "Address", IN_CRAWL),
    "compressed": (gzip.compress(CRAWL.encode()), "Address", IN_CRAWL),
    "semicolons": (f"Seite;Klicks;CTR\n{A};1.234;1,5 %\n{B};5;2,5 %\n".encode(), "Seite", BELOW),
    "as Excel names them": (f"sep=;\nURL;Titel\n{A};x\n".encode(), "URL", [(A, 3, None, True)]),
    "Windows-1252": (f"Größe,Seite\n1 €,{A}\n2 €,{B}\n".encode("cp1252"), "Seite", BELOW),
    "an archive": (
        zipped(Queries="Top queries,Clicks\na,1\n", Pages=f"Top pages,Clicks\n{A},3\n{B},1\n"),
        "Top pages",
        BELOW,
    ),
    "paths under comments": (
        b"# ---\n# Pages\n# ---\n\nPage path and screen class,Views\n/a,10\n/b?c,5\n(not set),1\n",
        "Page path and screen class",
        [("/a", 6, None, True), ("/b?c", 7, None, True), ("(not set)", 8, None, True)],
    ),
    "several columns of URLs": (
        f"Canonical,URL,Image\n{B},{A},{B}\n{A},{B},{B}\n".encode(),
        "URL",
        BELOW,
    ),
    "a text": (f"{A}\r\n\r\n {B} \n".encode(), None, [(A, 1, None, True), (B, 3, None, True)]),
    "a text with commas": (b"https://a.test/a,1\nhttps://a.test/b,2\n", None, [
        ("https://a.test/a,1", 1, None, True), ("https://a.test/b,2", 2, None, True)
    ]),
    "no header": (f"1\t{A}\n2\t{B}\n".encode(), "2", PLAIN),
    "more rows than are looked at": (f"URL\n{A}\n".encode() + f"{B}\n".encode() * 300, "URL", MANY),
    "no rows": (b"URL,Clicks\n", "URL", []),
    "a log": (
        LOG.encode(),
        None,
        [("/a?b=1", 1, None, True), ("/x.css", 4, None, False), ("/d", 5, None, True)],
    ),
    "a workbook": (
        workbook(
            Filters=[["Filter", "Value"], ["Date", "x"]],
            Crawl=[["Title"], ["Title", "Address", "Status Code"], ["x", A, 200], ["y", B, 301]],
        ),
        "Address",
        [(A, 3, None, True), (B, 4, "status 301", True)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_a_list(name: str, tmp_path: Path) -> None:
    """Its column is found, and read twice the same."""
    data, column, rows = LISTS[name]
    (tmp_path / "list").write_bytes(data)
    with opened_list(str(tmp_path / "list"), None) as found:
        assert found is not None
        assert found.column == column
        for _ in range(2):
            assert [tuple(row) for row in found.rows()] == rows


def test_a_column_that_is_named(tmp_path: Path) -> None:
    """By name in any case, or by number; a name that is a number of a column is a name."""
    file = tmp_path / "list.csv"
    file.write_text(f"Source,Destination,1\n{A},{B},x\n", encoding="utf-8")

    def first(column: str) -> str:
        with opened_list(str(file), column) as found:
            assert found is not None
            return next(found.rows()).url

    assert [first(each) for each in ("destination", "2", "Source")] == [B, B, A]
    for column, message in (("1", "no URLs in column 1"), ("9", "no column '9'"), ("Target", "no column")):
        with pytest.raises(UsageError, match=message) as caught:
            first(column)
        assert column == "1" or "Source, Destination, 1" in str(caught.value.hint)


LONG = f"URL\n{A}\n" + "".join(f"{B}?{random.Random(number).random()}\n" for number in range(40_000))


def damaged(data: bytes) -> bytes:
    """Data with other bytes in its middle."""
    middle = len(data) // 2
    return data[:middle] + b"\xff" * 50 + data[middle + 50 :]


BAD = {
    "cannot read .*end-of-stream": gzip.compress(LONG.encode())[:-5000],
    "cannot read .*decompressing": gzip.compress(b"")[:10] + b"\xff" * 5000,
    "cannot read .*CRC-32": damaged(zipped(list=LONG)),
    "cannot read .*list: .": damaged(workbook(a=[["URL"], *([A] for _ in range(5000))])),
    "is HTML or XML": b"<urlset/>",
    "no column with URLs": b"a,b\nc,d\n",
    "cannot read": b"\x1f\x8b\x08truncated",
    "cannot read .*: ": b"PK\x03\x04 no archive",
    "cannot read .*list": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 no workbook",
    "line 2: field larger": f'URL,x\n{A},"{"x" * 200_000}\n'.encode(),
}


@pytest.mark.parametrize("message", BAD)
def test_what_is_no_list(message: str, tmp_path: Path) -> None:
    """One error that names the file."""
    (tmp_path / "list").write_bytes(BAD[message])
    with (
        pytest.raises(UsageError, match=message) as caught,
        opened_list(str(tmp_path / "list"), None) as found,
    ):
        assert found is not None
        list(found.rows())
    assert str(tmp_path / "list") in caught.value.message
    assert caught.value.hint

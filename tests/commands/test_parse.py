"""`contentmap parse`: a document is shown, whatever it holds, and obeys nobody."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from workbooks import text_of

from contentmap_cli.commands.interface.document_input import is_robots
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.parsed_output import write_parsed
from contentmap_cli.output.formats import PARSE_FORMATS, Format

HOSTILE = """<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
 xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"><url><loc>https://a.test/1</loc>
<lastmod>2026\u202e\u009b2J</lastmod><image:image><image:loc>https://a.test/i</image:loc>
<image:title>T\u202e\u009b31m</image:title></image:image></url><url><loc>https://a.test/\u202e\u009b</loc></url></urlset>"""
PAGE = "<html><body>not found</body></html>"


def _parsed(text: str, format: Format, file: Path) -> tuple[int, str]:
    code = write_parsed(GlobalOptions(), io.BytesIO(text.encode()), None, format, str(file), robots=False)
    return code, text_of(format, file.read_bytes())


@pytest.mark.parametrize("format", [each for each in PARSE_FORMATS if each is not Format.PARQUET])
def test_no_format_lets_a_text_act(
    format: Format, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a terminal would obey or reorder comes out as an escape, on stdout as on stderr."""
    code, out = _parsed(HOSTILE, format, tmp_path / "answer")
    assert code == 0
    assert "https://a.test/1" in out
    assert not {"\u202e", "\x9b"} & set(out + capsys.readouterr().err)


def test_programs_read_what_was_published(tmp_path: Path) -> None:
    """The escapes are JSON's own: the values stay what they were."""
    _, lines = _parsed(HOSTILE, Format.NDJSON, tmp_path / "lines")
    entry, document = map(json.loads, lines.splitlines())
    assert entry["images"][0]["title"] == "T\u202e\u009b31m"
    _, whole = _parsed(HOSTILE, Format.JSON, tmp_path / "whole")
    assert json.loads(whole) == document | {"results": [entry]}


def test_people_hear_what_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line on the document and one a problem; a page that is no sitemap has failed."""
    assert _parsed(PAGE, Format.TXT, tmp_path / "page") == (3, "")
    first, second = capsys.readouterr().err.splitlines()
    assert first == "html: 0 entries, failed, utf-8"
    assert "not_a_sitemap" in second
    _parsed("https://a.test/1\n", Format.TXT, tmp_path / "list")
    assert capsys.readouterr().err == "text: 1 entry, ok, utf-8\n"


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ("<url><loc>{{ base }}/a</loc></url>", 3),
        ("<item>a</item>", 3),
        ("<url><loc>{{ base }}/a</loc></url><url><loc>https://a.test/1</loc></url>", 0),
        ("<url><loc>mailto:a@a.test</loc></url>", 0),
        ("", 0),
    ],
)
def test_a_document_of_which_every_entry_was_refused_is_not_clean(
    entries: str, code: int, tmp_path: Path
) -> None:
    """Exit code 0 would say that nothing is listed; an address that certainly is no page is no loss."""
    assert _parsed(f"<urlset>{entries}</urlset>", Format.NDJSON, tmp_path / "answer")[0] == code


def test_a_file_is_robots_by_its_name_alone() -> None:
    """Where a URL says what it is, the file's own name counts for nothing."""
    assert is_robots("copies/Robots.TXT", None)
    assert not is_robots("robots.txt", "https://a.test/sitemap.xml")
    assert not is_robots("-", None)

"""README's picture is what the commands print today."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

ROOT = Path(__file__).parent.parent.parent
PICTURE = ROOT / "docs" / "run.svg"


def _text(picture: Path) -> list[str]:
    """The lines of a picture, from top to bottom, without what differs from run to run."""
    rows: dict[float, str] = {}
    for text in etree.parse(picture).iter("{*}text"):
        height = float(text.get("y", "0"))
        rows[height] = rows.get(height, "") + "".join(text.itertext())
    lines = [" ".join(rows[height].split()) for height in sorted(rows)]
    return [
        re.sub(r"sitemap_[0-9a-f]{32}|[\d.:-]+ (?=s\b|UTC)|\d{4}-\d\d-\d\d ", "…", line) for line in lines
    ]


@pytest.mark.campaign
def test_the_picture_shows_what_the_commands_print(tmp_path: Path) -> None:
    """Drawn anew, it says the same but for times and jobs."""
    drawn = tmp_path / "run.svg"
    subprocess.run([sys.executable, ROOT / "examples" / "demo" / "picture.py", drawn], check=True)
    assert _text(drawn) == _text(PICTURE)
    assert len(_text(drawn)) > 20


def test_the_picture_asks_nobody_for_anything() -> None:
    """No font, no script, no link: it is shown in pages of others."""
    source = PICTURE.read_text(encoding="utf-8")
    assert not re.search(r"<script|<image|href=|url\((?!#)|@import|@font-face", source)

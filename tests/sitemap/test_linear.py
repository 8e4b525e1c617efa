"""Texts on which a careless regular expression takes the square of their length, or worse.

Each is of a size at which that is minutes or hours: a process that takes as long is killed, and the test
fails.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from program import Contentmap

SECONDS = 30
"""Each takes less than one; the rest is for a busy machine."""

HTML = "from contentmap_cli.sitemap.html.links import site_links as links\n"
KIND = "from contentmap_cli.crawl.pages.refusals import page_kind as kind\n"
PAGE = "from contentmap_cli.crawl.pages.contents import page_contents\n"
URLS = "from contentmap_cli.sitemap.urls import validate_url\nB = 'https://site.example/'\n"
DOCUMENT = """
import io
from contentmap_cli.sitemap import parse_document
from contentmap_cli.models import Limits
class Sink(list):
    def clear(self): del self[:]
def parse(text):
    return parse_document(io.BytesIO(text.encode()), Sink(), base='https://site.example/', limits=Limits())
"""

WORK = {
    "an attribute's name without end": HTML + "links(b'<a ' + b'x' * 250_000 + b'>', 'https://s.example/')",
    "quotes that do not end": HTML + "links(b'<a href=\"' * 50_000, 'https://s.example/')",
    "a file name in pieces": HTML + "links(b'<a href=/' + b'sitemap' * 35_000 + b'>', 'https://s.example/')",
    "comments that do not end": HTML + "links(b'<!--' * 125_000, 'https://s.example/')",
    "scripts that do not end": HTML + "links(b'<script>' * 62_500, 'https://s.example/')",
    "a link header of quotes": HTML + "links(b'', 'https://s.example/', ['<a>;x=\"' * 50_000])",
    "a link header of '<'": HTML + "links(b'', 'https://s.example/', ['<' * 250_000, '<>;' * 75_000])",
    "names of feeds in pieces": HTML + "links(b'<a href=/' + b'feed-' * 50_000 + b'>', 'https://s.example/')",
    "tags within tags": KIND + "[kind('<div>' * 20_000) for _ in range(5)]",
    "elements to be closed": KIND + "[kind('<b><p><table><tr><td>' * 4_000) for _ in range(5)]",
    "a title of words": KIND + "kind('<title>' + 'bot check ' * 10_000); kind('<title>' + 'a-' * 40_000)",
    "words of a challenge": KIND + "kind('access your request ' * 100_000); kind('checking your ' * 200)",
    "attributes without end": KIND + "kind('<a ' + 'b=' * 40_000); kind('<form action=' + '://' * 30_000)",
    "scripts of a challenge": KIND + "kind('<script>' + 'iframe src=' * 6_000); kind('id=' * 30_000)",
    "elements of a page without end": PAGE + "page_contents(b'<head><template>' + b'<div>' * 180_000, 'a')",
    "tags of a page that end nothing": PAGE + "page_contents(b'<x>' * 150_000 + b'</y>' * 100_000, 'a')",
    "attributes of a page without end": PAGE
    + "page_contents(b'<p ' + b' '.join(b'a%d' % n for n in range(150_000)), 'a')",
    "digits of a refresh": PAGE
    + "page_contents(b'<meta http-equiv=refresh content=' + b'1' * 250_000 + b'x>', 'a')",
    "blanks in a URL": URLS + "validate_url('a' + ' ' * 250_000 + 'b', B, 2_000_000)",
    "a host of dots": URLS + "validate_url('a' + '.a' * 125_000 + ' b', B, 2_000_000)",
    "a name without end in a damaged file": DOCUMENT
    + "parse('<urlset><url ' + 'x' * 225_000 + '><loc>https://site.example/</loc></p>')",
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_the_time_grows_with_the_length_alone(work: str, tmp_path: Path) -> None:
    """A text of a quarter of a million characters takes a moment."""
    script = tmp_path / "work.py"
    script.write_text(work, encoding="utf-8")
    with Contentmap(tmp_path, "").start_file(script, stdin=subprocess.DEVNULL) as process:
        try:
            assert process.wait(SECONDS) == 0
        finally:
            process.kill()

"""Draws README's picture: real commands on the demo's sites, and what they print, as an SVG.

usage: python examples/demo/picture.py FILE.svg

Each run draws the same but for times and the job's id.
"""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import termios
from pathlib import Path

from internet.catalogue import connect_to
from internet.server import running
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

COMMAND = Path(sysconfig.get_path("scripts")) / "contentmap"
WIDTH = 120
SITES = "lanternbooks.example museumofmaps.example onepager.example halfmoon-cinema.example zipbomb.example"
FIRST_DAY = (f"scan {SITES}", "sitemaps halfmoon-cinema.example")
SECOND_DAY = ("scan lanternbooks.example", "diff lanternbooks.example --limit 4")

# Letters come from whatever fixed-width font the reader has: a picture that loads one asks the network.
SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>A run of contentmap on five sites, then a second one the next day</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def answer(line: str, database: Path, port: int) -> str:
    """What `contentmap` prints for a command line on a terminal as wide as the picture, with its colours."""
    words = shlex.split(line)
    if words[0] == "scan":
        words += [word for mapping in connect_to(port) for word in ("--connect-to", mapping)]
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (60, WIDTH))
    environment = {**os.environ, "TERM": "xterm-256color", "CONTENTMAP_DATABASE_URL": str(database)}
    environment["CONTENTMAP_BODY_CACHE"] = "off"
    environment.pop("COLUMNS", None)
    with subprocess.Popen(  # noqa: S603 - our own command line
        [str(COMMAND), *words], env=environment, stdin=end, stdout=end, stderr=subprocess.DEVNULL
    ):
        os.close(end)
        printed = b"".join(iter(lambda: _read(terminal), b""))
    os.close(terminal)
    return printed.decode().replace("\r\n", "\n").rstrip()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def draw(file: Path) -> None:
    """Runs the commands and writes the picture."""
    with (
        tempfile.TemporaryDirectory(prefix="contentmap-picture-") as folder,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        running() as (internet, port),
    ):
        console = Console(
            record=True, width=WIDTH, file=nowhere, force_terminal=True, color_system="truecolor"
        )
        for day, lines in ((1, FIRST_DAY), (2, SECOND_DAY)):
            internet.day = day
            for line in lines:
                console.print(Text.assemble(("$ ", "bold green"), (f"contentmap {line}", "bold")))
                console.print(Text.from_ansi(answer(line, Path(folder) / "picture.db", port)), end="\n\n")
    svg = console.export_svg(title="contentmap", theme=MONOKAI, code_format=SVG, unique_id="contentmap")
    file.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/demo/picture.py FILE.svg")
    draw(Path(sys.argv[1]))

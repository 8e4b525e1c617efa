"""A whole job against the simulated internet, command by command, the way a user would run it.

usage: python examples/demo/run.py [FOLDER]

FOLDER keeps the database; without it a temporary one does. No network is needed: every name leads to a
server of our own on 127.0.0.1. Exits with 0 if each command ended as it should.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

from internet.catalogue import connect_to
from internet.server import running

DEMO = Path(__file__).parent
COMMAND = Path(sysconfig.get_path("scripts")) / "contentmap"
NAME = "contentmap" if shutil.which("contentmap") else str(COMMAND)
SHOP = "lanternbooks.example"
NOT_CLEAN = 3  # some domain failed or is partial: here several do, on purpose


class Demo:
    """Runs commands on one database and remembers what did not end as it should."""

    def __init__(self, database: Path, port: int) -> None:
        self._database = str(database)
        self._mappings = [word for mapping in connect_to(port) for word in ("--connect-to", mapping)]
        self._more = [*self._mappings, "--body-cache", "off"]  # nothing of the demo outlives it
        self.surprises: list[str] = []

    def scan(self, *arguments: str, expect: int = 0) -> None:
        """`contentmap scan` with every name of the demo mapped to its server."""
        shown = f"--connect-to {self._mappings[1]} … and {len(self._mappings) // 2 - 1} more"
        self._run("scan", arguments, self._more, shown, expect)

    def look(self, command: str, *arguments: str) -> None:
        """A command that reads the database."""
        self._run(command, arguments, (), "", 0)

    def _run(
        self, command: str, arguments: Sequence[str], more: Sequence[str], shown: str, expect: int
    ) -> None:
        line = shlex.join(["contentmap", "--db", self._database, command, *arguments])
        say(f"$ {line} {shown}".rstrip())
        words = [str(COMMAND), "--db", self._database, command, *arguments, *more]
        code = subprocess.run(words, check=False).returncode  # noqa: S603 - our own command line
        if code != expect:
            self.surprises.append(f"{line} ended with {code}, not {expect}")


def say(text: str) -> None:
    """A line of our own, set off from what the commands write."""
    print(f"\n{text}", flush=True)


def show(demo: Demo) -> None:
    """The tour's first day."""
    say("# Fifty domains, most in good order, some empty, some broken, some hostile. One job.")
    demo.scan("-i", str(DEMO / "domains.txt"), expect=NOT_CLEAN)
    say("# What failed, and why.")
    demo.look("status", "--failed")
    say("# A cinema with one good file, one that answers 500, and one that breaks off.")
    demo.look("sitemaps", "halfmoon-cinema.example")
    say("# Some URLs of a shop.")
    demo.look("urls", SHOP, "--limit", "5")
    say("# A prankster put terminal escapes into titles and a URL. They stay text.")
    demo.look("urls", "prankster.example", "--limit", "2", "--format", "ndjson")


def show_again(demo: Demo) -> None:
    """The tour's second day."""
    say("# The next day the shop has 3 new pages, 5 fewer, and 12 changed. Only one file is read again.")
    demo.scan(SHOP)
    demo.look("urls", SHOP, "--removed")


def main() -> int:
    """Runs the tour."""
    if not COMMAND.exists():
        print(f"error: {COMMAND} is not there\n\nhint: {sys.executable} -m pip install .", file=sys.stderr)
        return 1
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="contentmap-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "demo.db"
    with running() as (internet, port):
        demo = Demo(database, port)
        show(demo)
        internet.day = 2
        show_again(demo)
    say(
        f"# Everything is recorded in {database}. Try next:\n\n"
        f"  {NAME} --db {database} urls megastore.example --match '*-lamp-*' --format csv | head\n"
        f"  {NAME} --db {database} jobs\n"
        f"  {sys.executable} {DEMO / 'serve.py'}"
    )
    for surprise in demo.surprises:
        print(f"error: {surprise}", file=sys.stderr)
    return 1 if demo.surprises else 0


if __name__ == "__main__":
    sys.exit(main())

"""An answer of several files: a folder of sitemaps that changes only when all of them are whole."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from contentmap_cli.commands.interface.answer_output import answer_to
from contentmap_cli.errors import AnswerLost, UsageError

INDEX = "sitemap.xml"
_PART = re.compile(r"sitemap-[1-9][0-9]*\.xml(?:\.gz)?", re.ASCII)
_UNFINISHED = f".unfinished-{os.getpid()}-"  # of this process: another may write into the same folder
_HINT = "name another folder with -o"


def is_folder(output: str | None) -> bool:
    """Whether an answer goes to a folder: one that is there, or a name that ends in a slash."""
    if output is None:
        return False
    try:
        return output.endswith("/") or Path(output).is_dir()
    except OSError:
        return False  # nothing of this name can be there: opening it says so


def _is_folder_url(text: str) -> bool:
    try:
        where = urlsplit(text)
    except ValueError:
        return False
    return where.scheme in ("http", "https") and bool(where.netloc) and not (where.query or where.fragment)


class SitemapFiles:
    """The files of one answer in a folder. Within `made`, use `part` and `index` for their streams, then
    `publish`. Raises UsageError where `base` is no URL to publish it under.
    """

    def __init__(self, folder: str, base: str, *, compressed: bool) -> None:
        if not _is_folder_url(base):
            raise UsageError(
                f"--base: {base} is no URL of a folder", hint="for example https://example.com/maps/"
            )
        self._base = base if base.endswith("/") else f"{base}/"
        self._named = folder
        self._folder = Path(folder)
        self._ending = ".xml.gz" if compressed else ".xml"

    def part(self, number: int) -> AbstractContextManager[TextIO]:
        """The stream of a part, to begin with under a name that nobody asks for."""
        return self._stream(self._name(number))

    def index(self) -> AbstractContextManager[TextIO]:
        """The stream of the index, likewise."""
        return self._stream(INDEX)

    def address(self, number: int) -> str:
        """The URL of a part."""
        return self._base + self._name(number)

    def publish(self, parts: int) -> None:
        """Gives all files their names, the index last, and takes away parts of an earlier answer.

        Raises AnswerLost where that cannot be done.
        """
        names = [self._name(number) for number in range(1, parts + 1)]
        try:
            for name in (*names, INDEX):
                (self._folder / (_UNFINISHED + name)).replace(self._folder / name)
            for file in self._folder.iterdir():
                if _PART.fullmatch(file.name) and file.name not in names:
                    file.unlink()
        except OSError as error:
            raise AnswerLost(f"{self._named} could not be written whole", hint="write it again") from error

    @contextlib.contextmanager
    def made(self) -> Iterator[None]:
        """Makes the folder, and takes away what is unfinished when the block is left early.

        Raises UsageError where it cannot be made.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{self._named} cannot be made", hint=_HINT) from error
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                for file in (*self._folder.glob(f"{_UNFINISHED}*"), *self._folder.glob(f".{_UNFINISHED}*")):
                    file.unlink()

    def _stream(self, name: str) -> AbstractContextManager[TextIO]:
        return answer_to(str(self._folder / (_UNFINISHED + name)), named=self._named, hint=_HINT)

    def _name(self, number: int) -> str:
        return f"sitemap-{number}{self._ending}"

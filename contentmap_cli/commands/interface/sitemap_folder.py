"""Output as a folder of sitemaps, which changes only when all files are complete."""

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
_UNFINISHED = f".unfinished-{os.getpid()}-"  # per process: several may write into the same folder
_HINT = "name another folder with -o"


def is_folder(output: str | None) -> bool:
    """Return whether the output is a folder: an existing one, or a name that ends in a slash."""
    if output is None:
        return False
    try:
        return output.endswith("/") or Path(output).is_dir()
    except OSError:
        return False  # an invalid name: opening it reports the error


def _is_folder_url(text: str) -> bool:
    try:
        where = urlsplit(text)
    except ValueError:
        return False
    return where.scheme in ("http", "https") and bool(where.netloc) and not (where.query or where.fragment)


class SitemapFiles:
    """The files of a folder of sitemaps. Within `made`, write `part` and `index`, then `publish`.

    Raise UsageError if `base` is not the URL of a folder.
    """

    def __init__(self, folder: str, base: str, *, compressed: bool) -> None:
        if not _is_folder_url(base):
            raise UsageError(
                f"--base: not the URL of a folder: {base}", hint="for example https://example.com/maps/"
            )
        self._base = base if base.endswith("/") else f"{base}/"
        self._named = folder
        self._folder = Path(folder)
        self._ending = ".xml.gz" if compressed else ".xml"

    def part(self, number: int) -> AbstractContextManager[TextIO]:
        """Return the stream of a part, written under a temporary name."""
        return self._stream(self._name(number))

    def index(self) -> AbstractContextManager[TextIO]:
        """Return the stream of the index, written under a temporary name."""
        return self._stream(INDEX)

    def address(self, number: int) -> str:
        """Return the URL of a part."""
        return self._base + self._name(number)

    def publish(self, parts: int) -> None:
        """Rename all files, the index last, and remove old parts. Raise AnswerLost on errors."""
        names = [self._name(number) for number in range(1, parts + 1)]
        try:
            for name in (*names, INDEX):
                (self._folder / (_UNFINISHED + name)).replace(self._folder / name)
            for file in self._folder.iterdir():
                if _PART.fullmatch(file.name) and file.name not in names:
                    file.unlink()
        except OSError as error:
            raise AnswerLost(f"{self._named} could not be written", hint="run the command again") from error

    @contextlib.contextmanager
    def made(self) -> Iterator[None]:
        """Create the folder; remove unfinished files at the end. Raise UsageError if it cannot be created."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot create {self._named}", hint=_HINT) from error
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

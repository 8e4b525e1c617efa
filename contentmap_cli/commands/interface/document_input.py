"""Input documents: a file or standard input, and its URL."""

from __future__ import annotations

import sys
import tempfile
from pathlib import PurePath
from typing import IO, BinaryIO, cast

from contentmap_cli.errors import UsageError
from contentmap_cli.models.hosts import normalise_url

_IN_MEMORY = 1 << 20
_CHUNK = 1 << 16


def opened(file: str, hint: str = "name a file, or - for standard input") -> BinaryIO:
    """Open a file, or standard input for `-`, as a seekable stream. Raise UsageError if it cannot be read."""
    try:
        if file == "-":
            return _copied(sys.stdin.buffer)
        source = open(file, "rb")  # noqa: PTH123, SIM115 - the caller closes it
        if source.seekable():
            return source
        with source:
            return _copied(source)
    except OSError as error:
        raise UsageError(f"cannot read {file}", hint=hint) from error


def _copied(pipe: BinaryIO) -> BinaryIO:
    """Copy a pipe into a seekable temporary file."""
    copy = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the caller closes it
    try:
        while chunk := pipe.read(_CHUNK):
            _write(copy, chunk)
        copy.seek(0)
    except BaseException:
        copy.close()
        raise
    return cast("BinaryIO", copy)


def _write(copy: IO[bytes], chunk: bytes) -> None:
    try:
        copy.write(chunk)
    except OSError as error:  # not an error of the pipe
        raise UsageError(
            f"cannot write to the temporary folder {tempfile.tempdir or 'of the system'}",
            hint="free some space, or name another folder with TMPDIR",
        ) from error


def checked_base(base: str | None) -> str | None:
    """Return the value of `--base`. Raise UsageError if it is not an http or https URL."""
    if base is not None and normalise_url(base) is None:
        raise UsageError(f"--base: invalid URL: {base}", hint="for example https://example.com/sitemap.xml")
    return base


def is_robots(file: str, base: str | None) -> bool:
    """Return whether a file without a base URL is named robots.txt."""
    return base is None and PurePath(file).name.lower() == "robots.txt"

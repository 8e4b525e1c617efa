"""A document as the user names it: a file or standard input, and the URL that it is said to come from."""

from __future__ import annotations

import sys
import tempfile
from pathlib import PurePath
from typing import BinaryIO, cast

from contentmap_cli.errors import UsageError
from contentmap_cli.models.hosts import normalise_url

_IN_MEMORY = 1 << 20
_CHUNK = 1 << 16


def opened(file: str) -> BinaryIO:
    """A file, or standard input for `-`, that can be read twice. Raises UsageError where that cannot be."""
    try:
        if file == "-":
            return _copied(sys.stdin.buffer)
        source = open(file, "rb")  # noqa: PTH123, SIM115 - the caller closes it
        if source.seekable():
            return source
        with source:
            return _copied(source)
    except OSError as error:
        raise UsageError(f"{file} cannot be read", hint="name a file, or - for standard input") from error


def _copied(pipe: BinaryIO) -> BinaryIO:
    """What comes out of a pipe, which cannot be read twice as a parser may have to."""
    copy = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the caller closes it
    try:
        while chunk := pipe.read(_CHUNK):
            copy.write(chunk)
        copy.seek(0)
    except BaseException:
        copy.close()
        raise
    return cast("BinaryIO", copy)


def said_base(base: str | None) -> str | None:
    """What `--base` says, None where it is not given. Raises UsageError for what is no http or https URL."""
    if base is not None and normalise_url(base) is None:
        raise UsageError(
            f"--base: {base} is no URL of a document", hint="for example https://example.com/sitemap.xml"
        )
    return base


def is_robots(file: str, base: str | None) -> bool:
    """Whether a file is named as a robots.txt, where no URL says what it is."""
    return base is None and PurePath(file).name.lower() == "robots.txt"

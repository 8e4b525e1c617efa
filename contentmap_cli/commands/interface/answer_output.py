"""Where an answer goes: stdout, or a file that appears only when it is whole."""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from contentmap_cli.commands.interface.process_setup import close_quietly, hear_interrupts
from contentmap_cli.errors import AnswerLost, UsageError
from contentmap_cli.output.escape import terminal

_HINT = "name another file with -o"
_AGAIN = "free some space, or write it somewhere else"


class Stdout(io.TextIOBase):
    """Standard output for a run that must go on when its reader has gone (`| head`) or its disk is full.

    The first failed write ends writing; `lost` says why, None where the reader simply left.
    """

    def __init__(self) -> None:
        super().__init__()
        self.closed_by: OSError | None = None

    def write(self, text: str) -> int:
        """Writes, or does nothing once a write has failed."""
        if self.closed_by is None:
            try:
                return sys.stdout.write(text)
            except OSError as error:
                self.give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flushes, or does nothing once a write has failed."""
        if self.closed_by is None:
            try:
                sys.stdout.flush()
            except OSError as error:
                self.give_up(error)

    @property
    def buffer(self) -> BinaryIO:
        """The same for bytes."""
        return cast("BinaryIO", _StdoutBytes(self))

    def isatty(self) -> bool:
        """Whether a person is reading."""
        return sys.stdout.isatty()

    @property
    def lost(self) -> str | None:
        """Why part of the answer did not reach its file, or None."""
        if self.closed_by is None or self.closed_by.errno == errno.EPIPE:
            return None
        return self.closed_by.strerror or str(self.closed_by)

    def give_up(self, error: OSError) -> None:
        """Takes an error of writing for the end of it."""
        self.closed_by = error
        close_quietly(sys.stdout)


class _StdoutBytes(io.RawIOBase):
    """The bytes of a `Stdout`: what befalls them is for it to say, not for who writes them."""

    def __init__(self, text: Stdout) -> None:
        super().__init__()
        self._text = text

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self._text.closed_by is None:
            try:
                sys.stdout.buffer.write(data)
            except OSError as error:
                self._text.give_up(error)
        return len(data)

    def flush(self) -> None:
        self._text.flush()


@contextlib.contextmanager
def answer_to(path: str | None, *, named: str | None = None, hint: str = _HINT) -> Iterator[TextIO]:
    """A text stream for the answer. With a path: written beside it and renamed when whole, compressed where
    the name ends in `.gz`.

    Raises UsageError where the file cannot be written: about `named`, what the user typed, where that is
    another name, and with `hint`.
    """
    hear_interrupts()  # a file that is not whole goes
    if path is None or path == "-":
        stdout = Stdout()
        yield cast("TextIO", stdout)
        stdout.flush()
        if stdout.lost:
            raise AnswerLost(f"the answer could not be written: {stdout.lost}", hint=_AGAIN)
        return
    final, named = Path(path), named or path
    if path.endswith("/") and not final.exists():
        raise UsageError(f"{named} is the name of a folder", hint=hint)
    if _is_special(final, named, hint):
        # a device, a pipe, a terminal: to rename a file over /dev/null would replace it for everybody
        stream = _opened(final, named, hint)
        try:
            with stream:
                yield stream
        except OSError as error:
            raise AnswerLost(f"{named} could not be written whole", hint=_AGAIN) from error
        return
    final = final.resolve()  # the file that a link leads to, not the link
    partial = final.with_name(f".{final.name}.{os.getpid()}.part")
    stream = _opened(partial, named, hint, compressed=final.name.endswith(".gz"))
    try:
        with stream:
            yield stream
        if final.exists():
            partial.chmod(stat.S_IMODE(final.stat().st_mode))
        partial.replace(final)
    except OSError as error:
        raise AnswerLost(f"{named} could not be written whole", hint=_AGAIN) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _is_special(file: Path, named: str, hint: str) -> bool:
    """Whether something is there that is no plain file. Raises UsageError where nothing can ever be."""
    try:
        return not stat.S_ISREG(file.stat().st_mode)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UsageError(f"{named} cannot be written", hint=hint) from error


def _opened(file: Path, named: str, hint: str, *, compressed: bool = False) -> TextIO:
    try:
        if compressed:
            return io.TextIOWrapper(_Gzip(file), encoding="utf-8", newline="")
        return file.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"{named} cannot be written", hint=hint) from error


class _Gzip(gzip.GzipFile):
    """A compressed file without a time or a name in it: the same answer is the same file (RFC 1952)."""

    def __init__(self, file: Path) -> None:
        self._raw = file.open("wb")
        super().__init__(filename="", mode="wb", compresslevel=6, fileobj=self._raw, mtime=0)

    def close(self) -> None:
        """Ends the stream and the file below it, which is let go where the disk takes no more, too."""
        with self._raw:
            super().close()


def width_of(stream: TextIO) -> int | None:
    """The width of the terminal in columns, or None where `stream` is not one."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def has_left(stream: TextIO) -> bool:
    """Whether the reader of an answer has gone, so that the rest need not be looked up."""
    return isinstance(stream, Stdout) and stream.closed_by is not None


def goes_to_file(stream: TextIO) -> bool:
    """Whether an answer ends in a file: a terminal, or a pipe that may lead to one, is shown as it comes."""
    if not isinstance(stream, Stdout):
        return True
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except OSError:
        return True


def say(line: str, *, unless: bool = False) -> None:
    """One line on stderr, `unless` it is not wanted; nobody listening is no reason to fail."""
    if not unless:
        with contextlib.suppress(OSError):
            print(terminal(line), file=sys.stderr, flush=True)


def redraw(out: TextIO) -> None:
    """Clears a terminal before an answer is shown again; elsewhere one answer follows another."""
    if out.isatty():
        out.write("\x1b[H\x1b[2J")
